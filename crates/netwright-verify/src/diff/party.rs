//! Who is the same in two networks: parties, and classes of those that are grouped together in both.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use netwright_model::network::{Network, SubnetId};
use rustc_hash::FxHashMap;

use crate::reach::{Member, Outside, Reach, sends_from};

use super::Party;

/// A party with its name borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Who<'n> {
    Named(&'n str, bool),
    Outside(&'n str, IpAddr, IpAddr),
}

impl Who<'_> {
    pub(super) fn party(&self) -> Party {
        match *self {
            Self::Named(name, v4) => Party::Named { name: name.to_owned(), v4 },
            Self::Outside(whose, first, last) => Party::Outside(whose.to_owned(), first, last),
        }
    }
}

/// All parties of two networks, and which are in which class.
#[derive(Debug, Default)]
pub(super) struct All {
    /// In their order.
    parties: Vec<Party>,
    /// For each class, where its parties stand in the order.
    of_class: Vec<Vec<u32>>,
}

impl All {
    pub(super) fn of(classes: &[Class<'_>]) -> Self {
        let mut placed: Vec<(Who<'_>, usize)> = Vec::new();
        for (class, row) in classes.iter().enumerate() {
            placed.extend(row.parties.iter().map(|who| (*who, class)));
        }
        placed.sort_unstable();
        let mut of_class = vec![Vec::new(); classes.len()];
        for (place, (_, class)) in (0u32..).zip(&placed) {
            of_class[*class].push(place);
        }
        Self { parties: placed.iter().map(|(who, _)| who.party()).collect(), of_class }
    }
}

/// Some parties, in their order.
///
/// In a large network many lists have almost everybody in them: a list is kept as the classes that it is made of, and made when it is looked at.
#[derive(Clone, Default)]
pub struct Parties {
    all: Arc<All>,
    classes: Arc<[u32]>,
}

impl Parties {
    pub(super) fn of(all: &Arc<All>, classes: &[u32]) -> Self {
        Self { all: Arc::clone(all), classes: classes.into() }
    }

    fn classes(&self) -> impl Iterator<Item = &Vec<u32>> {
        self.classes.iter().filter_map(|class| self.all.of_class.get(*class as usize))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes().map(Vec::len).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them. Each call makes the list.
    pub fn iter(&self) -> std::vec::IntoIter<&Party> {
        let mut places: Vec<u32> = self.classes().flatten().copied().collect();
        // Of sorted lists, which this way of sorting is made for.
        places.sort();
        let named = places.into_iter().filter_map(|place| self.all.parties.get(place as usize));
        named.collect::<Vec<_>>().into_iter()
    }
}

impl<'p> IntoIterator for &'p Parties {
    type Item = &'p Party;
    type IntoIter = std::vec::IntoIter<&'p Party>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Parties {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Parties {}

impl fmt::Debug for Parties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Parties that are in one group before, and in one after.
#[derive(Debug, Default)]
pub(super) struct Class<'n> {
    /// Sorted.
    pub(super) parties: Vec<Who<'n>>,
    /// The groups, before and after.
    pub(super) groups: [Option<usize>; 2],
    /// In which subnets they are, and how many there, before and after. Who is in none is not counted.
    subnets: [FxHashMap<SubnetId, usize>; 2],
}

impl Class<'_> {
    /// Whether there are two different parties of two classes in one subnet, and two that are not; in either network.
    pub(super) fn relations(&self, other: &Self, is_same: bool) -> [bool; 2] {
        if is_same && self.parties.len() < 2 {
            return [false; 2];
        }
        let sides = self.subnets.iter().zip(&other.subnets);
        let mut found = [false; 2];
        for (side, (own, theirs)) in sides.enumerate() {
            if self.groups[side].is_none() || other.groups[side].is_none() {
                continue;
            }
            let (few, many) = if own.len() < theirs.len() { (own, theirs) } else { (theirs, own) };
            let crowded = |(subnet, count): (&SubnetId, &usize)| {
                many.contains_key(subnet) && !(is_same && *count < 2)
            };
            found[0] |= few.iter().any(crowded);
            let all_in = |subnets: &FxHashMap<SubnetId, usize>, class: &Self| {
                let mut found = subnets.iter().filter(|(_, count)| **count == class.parties.len());
                found.next().map(|(subnet, _)| *subnet)
            };
            let together = all_in(own, self).filter(|one| all_in(theirs, other) == Some(*one));
            found[1] |= together.is_none();
        }
        found
    }
}

/// A party's group and subnet, before and after.
type Places = [Option<(usize, Option<SubnetId>)>; 2];

/// The classes of two networks, by their groups.
pub(super) fn classes<'n>(
    before: (&'n Network, &Reach),
    after: (&'n Network, &Reach),
) -> Vec<Class<'n>> {
    let cuts = cuts(before.1, after.1);
    let mut known: FxHashMap<Who<'n>, Places> = FxHashMap::default();
    for (side, (network, reach)) in [before, after].into_iter().enumerate() {
        parties(network, reach, &cuts, |who, place| {
            known.entry(who).or_default()[side] = Some(place);
        });
    }
    let mut all: Vec<_> = known.into_iter().collect();
    let groups = |places: &Places| places.map(|place| place.map(|(group, _)| group));
    all.sort_unstable_by(|(a, at), (b, places)| (groups(at), a).cmp(&(groups(places), b)));
    let mut classes: Vec<Class<'n>> = Vec::new();
    for (who, places) in all {
        let own = groups(&places);
        if classes.last().is_none_or(|class| class.groups != own) {
            classes.push(Class { groups: own, ..Class::default() });
        }
        let Some(class) = classes.last_mut() else { continue };
        class.parties.push(who);
        for (side, place) in places.into_iter().enumerate() {
            if let Some((_, Some(subnet))) = place {
                *class.subnets[side].entry(subnet).or_default() += 1;
            }
        }
    }
    classes
}

/// Addresses at which either side's outside ranges start.
fn cuts(before: &Reach, after: &Reach) -> BTreeSet<IpAddr> {
    let groups = before.groups.iter().chain(after.groups.iter());
    let members = groups.flat_map(|group| &group.members);
    let mut cuts = BTreeSet::new();
    for member in members {
        if let Member::Outside(_, first, last) = member {
            cuts.insert(*first);
            cuts.extend(next(*last));
        }
    }
    cuts
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|n| IpAddr::V6(n.into())),
    }
}

fn previous(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_sub(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_sub(1).map(|n| IpAddr::V6(n.into())),
    }
}

/// The parties of a network with their groups and subnets.
fn parties<'n>(
    network: &'n Network,
    reach: &Reach,
    cuts: &BTreeSet<IpAddr>,
    mut add: impl FnMut(Who<'n>, (usize, Option<SubnetId>)),
) {
    for (index, group) in reach.groups.iter().enumerate() {
        for member in &group.members {
            match member {
                Member::Interface(id, address) => {
                    let row = &network[*id];
                    let who = Who::Named(&row.name, address.is_ipv4());
                    add(who, (index, Some(row.subnet)));
                }
                Member::Serverless(id) => {
                    let name = &network[network[*id].endpoint].name;
                    let entry = sends_from(network, *id);
                    let subnet = entry.map(|entry| network[entry].subnet);
                    add(Who::Named(name, true), (index, subnet));
                }
                Member::Outside(whose, first, last) => {
                    let whose = match whose {
                        Outside::Internet => "internet",
                        Outside::Site(id) | Outside::External(id) => network[*id].name.as_str(),
                    };
                    let mut start = *first;
                    for cut in cuts.range((Bound::Excluded(*first), Bound::Included(*last))) {
                        if let Some(end) = previous(*cut) {
                            add(Who::Outside(whose, start, end), (index, None));
                        }
                        start = *cut;
                    }
                    add(Who::Outside(whose, start, *last), (index, None));
                }
            }
        }
    }
}
