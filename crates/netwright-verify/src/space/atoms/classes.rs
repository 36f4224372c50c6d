//! The partition of the addresses by which of many sets they are in.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::packet::{Family, number};

/// A class of addresses: a place in [`AddressClasses::members`].
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Class(pub u32);

/// All addresses of both families, divided into the fewest classes such that each given set is a
/// union of classes.
///
/// Classes are numbered by their first address, IPv4 first. The cost is O(n log n) in the number of
/// ranges, plus the size of the answer.
#[derive(Clone, Debug, Default)]
pub struct AddressClasses {
    /// Family and first address of each interval, in order; an interval ends where the next begins.
    starts: Vec<(Family, u128)>,
    /// The class of each interval.
    classes: Vec<Class>,
    members: Vec<Vec<usize>>,
    of_set: Vec<Vec<Class>>,
}

impl AddressClasses {
    /// Divides the addresses by the sets, each given as ranges (first, last) that may overlap. A
    /// range from one family to the other is empty.
    #[must_use]
    pub fn new(sets: &[Vec<(IpAddr, IpAddr)>]) -> Self {
        let mut result = Self { of_set: vec![Vec::new(); sets.len()], ..Self::default() };
        let mut by_members: BTreeMap<Vec<usize>, Class> = BTreeMap::new();
        for family in [Family::V4, Family::V6] {
            result.sweep(family, &events(sets, family), &mut by_members);
        }
        result
    }

    /// Goes through the borders of one family in order; between two borders membership does not
    /// change.
    fn sweep(
        &mut self,
        family: Family,
        events: &BTreeMap<u128, Vec<(usize, i32)>>,
        by_members: &mut BTreeMap<Vec<usize>, Class>,
    ) {
        // How many ranges of each set are open here.
        let mut open: BTreeMap<usize, i32> = BTreeMap::new();
        for (&start, changes) in events {
            for &(set, change) in changes {
                let count = open.entry(set).or_insert(0);
                *count += change;
                if *count == 0 {
                    open.remove(&set);
                }
            }
            let inside: Vec<usize> = open.keys().copied().collect();
            let class = self.class_of_members(inside, by_members);
            let repeats = self.classes.last() == Some(&class)
                && self.starts.last().is_some_and(|&(last, _)| last == family);
            if !repeats {
                self.starts.push((family, start));
                self.classes.push(class);
            }
        }
    }

    fn class_of_members(
        &mut self,
        inside: Vec<usize>,
        by_members: &mut BTreeMap<Vec<usize>, Class>,
    ) -> Class {
        if let Some(&class) = by_members.get(&inside) {
            return class;
        }
        let class = Class(u32::try_from(self.members.len()).unwrap_or(u32::MAX));
        for &set in &inside {
            self.of_set[set].push(class);
        }
        self.members.push(inside.clone());
        by_members.insert(inside, class);
        class
    }

    /// How many classes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Never: even without sets, all addresses are one class.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The class of an address.
    #[must_use]
    pub fn class_of(&self, address: IpAddr) -> Class {
        let key = (Family::of(address), number(address));
        let after = self.starts.partition_point(|&start| start <= key);
        // The first interval begins at the first address of all.
        self.classes[after.saturating_sub(1)]
    }

    /// The sets that hold the addresses of a class, by their places in the input.
    #[must_use]
    pub fn members(&self, class: Class) -> &[usize] {
        &self.members[class.0 as usize]
    }

    /// The classes that make up the input set at this place, in order.
    #[must_use]
    pub fn of_set(&self, set: usize) -> &[Class] {
        &self.of_set[set]
    }

    /// Every interval (first, last, class) in order.
    pub fn intervals(&self) -> impl Iterator<Item = (IpAddr, IpAddr, Class)> + '_ {
        self.starts.iter().zip(&self.classes).enumerate().map(|(i, (&(family, start), &class))| {
            let last = match self.starts.get(i + 1) {
                Some(&(next, end)) if next == family => end - 1,
                _ => u128::MAX,
            };
            (family.address(start), family.address(last), class)
        })
    }
}

/// Where ranges of a family begin (+1) and end (−1), by address; always with the first address of
/// all.
fn events(sets: &[Vec<(IpAddr, IpAddr)>], family: Family) -> BTreeMap<u128, Vec<(usize, i32)>> {
    let top = number(family.address(u128::MAX));
    let mut events: BTreeMap<u128, Vec<(usize, i32)>> = BTreeMap::from([(0, Vec::new())]);
    for (set, ranges) in sets.iter().enumerate() {
        for &(first, last) in ranges {
            let (lo, hi) = (number(first), number(last));
            if Family::of(first) != family || Family::of(last) != family || lo > hi {
                continue;
            }
            events.entry(lo).or_default().push((set, 1));
            if hi < top {
                events.entry(hi + 1).or_default().push((set, -1));
            }
        }
    }
    events
}
