//! Which destination addresses belong to which atom: the address space of a family as intervals,
//! each of one atom, neighbours of different ones.

use std::collections::BTreeMap;

use super::super::packet::Family;
use super::behaviour::Atom;

const NONE: u32 = u32::MAX;

#[derive(Copy, Clone)]
struct Segment {
    family: Family,
    lo: u128,
    hi: u128,
    atom: Atom,
    /// Place in the atom's list.
    place: u32,
    before: u32,
    after: u32,
}

pub(super) struct Segments {
    all: Vec<Segment>,
    free: Vec<u32>,
    by_start: [BTreeMap<u128, u32>; 2],
    /// The segments of each atom, in no order.
    of_atom: Vec<Vec<u32>>,
}

/// The segments of one atom inside some ranges.
pub(super) struct Touched {
    pub(super) atom: Atom,
    pub(super) segments: Vec<u32>,
}

fn side(family: Family) -> usize {
    usize::from(family == Family::V6)
}

impl Segments {
    /// Every address belongs to atom 0.
    pub(super) fn new() -> Self {
        let whole = |family, hi, place| Segment {
            family,
            lo: 0,
            hi,
            atom: Atom(0),
            place,
            before: NONE,
            after: NONE,
        };
        Self {
            all: vec![whole(Family::V4, u128::from(u32::MAX), 0), whole(Family::V6, u128::MAX, 1)],
            free: Vec::new(),
            by_start: [BTreeMap::from([(0, 0)]), BTreeMap::from([(0, 1)])],
            of_atom: vec![vec![0, 1]],
        }
    }

    /// How many segments the atom has.
    pub(super) fn count(&self, atom: Atom) -> usize {
        self.of_atom.get(atom.index()).map_or(0, Vec::len)
    }

    /// The ranges (family, first, last) of the atom, in no order.
    pub(super) fn ranges(&self, atom: Atom) -> impl Iterator<Item = (Family, u128, u128)> + '_ {
        let segments = self.of_atom.get(atom.index()).map_or(&[][..], Vec::as_slice);
        segments.iter().map(|&id| {
            let segment = &self.all[id as usize];
            (segment.family, segment.lo, segment.hi)
        })
    }

    /// The segments inside the ranges, by atom, cut so that none reaches beyond. Ranges must not
    /// overlap.
    pub(super) fn touch(&mut self, family: Family, ranges: &[(u128, u128)]) -> Vec<Touched> {
        let mut found: Vec<(Atom, u32)> = Vec::new();
        for &(lo, hi) in ranges {
            let mut id = self.cut(family, lo);
            loop {
                let segment = self.all[id as usize];
                if segment.hi > hi {
                    self.cut(family, hi + 1);
                }
                found.push((segment.atom, id));
                let segment = self.all[id as usize];
                if segment.hi >= hi || segment.after == NONE {
                    break;
                }
                id = segment.after;
            }
        }
        found.sort_unstable();
        let mut touched: Vec<Touched> = Vec::new();
        for (atom, id) in found {
            match touched.last_mut() {
                Some(last) if last.atom == atom => last.segments.push(id),
                _ => touched.push(Touched { atom, segments: vec![id] }),
            }
        }
        touched
    }

    /// The segment that begins at `lo`, made by cutting one if need be.
    fn cut(&mut self, family: Family, lo: u128) -> u32 {
        let found = self.by_start[side(family)].range(..=lo).next_back();
        // A segment begins at 0.
        let Some((_, &id)) = found else { return 0 };
        let segment = self.all[id as usize];
        if segment.lo == lo {
            return id;
        }
        let new = self.free.pop().unwrap_or_else(|| {
            self.all.push(segment);
            u32::try_from(self.all.len() - 1).unwrap_or(NONE)
        });
        self.all[id as usize].hi = lo - 1;
        self.all[id as usize].after = new;
        self.all[new as usize] = Segment { lo, before: id, ..segment };
        if segment.after != NONE {
            self.all[segment.after as usize].before = new;
        }
        self.by_start[side(family)].insert(lo, new);
        self.enlist(new, segment.atom);
        new
    }

    fn enlist(&mut self, id: u32, atom: Atom) {
        if self.of_atom.len() <= atom.index() {
            self.of_atom.resize_with(atom.index() + 1, Vec::new);
        }
        let list = &mut self.of_atom[atom.index()];
        let segment = &mut self.all[id as usize];
        segment.atom = atom;
        segment.place = u32::try_from(list.len()).unwrap_or(NONE);
        list.push(id);
    }

    fn delist(&mut self, id: u32) {
        let Segment { atom, place, .. } = self.all[id as usize];
        let list = &mut self.of_atom[atom.index()];
        list.swap_remove(place as usize);
        if let Some(&moved) = list.get(place as usize) {
            self.all[moved as usize].place = place;
        }
    }

    /// Gives segments to an atom.
    pub(super) fn give(&mut self, segments: &[u32], atom: Atom) {
        for &id in segments {
            self.delist(id);
            self.enlist(id, atom);
        }
    }

    /// Joins the segments of the list that are still there with neighbours of the same atom.
    pub(super) fn heal(&mut self, segments: &[u32]) {
        for &id in segments {
            let segment = self.all[id as usize];
            if self.by_start[side(segment.family)].get(&segment.lo) != Some(&id) {
                continue;
            }
            if segment.after != NONE && self.all[segment.after as usize].atom == segment.atom {
                self.swallow(id, segment.after);
            }
            let before = segment.before;
            if before != NONE && self.all[before as usize].atom == segment.atom {
                self.swallow(before, id);
            }
        }
    }

    /// Adds the segment after `id` to it.
    fn swallow(&mut self, id: u32, next: u32) {
        let gone = self.all[next as usize];
        self.delist(next);
        self.by_start[side(gone.family)].remove(&gone.lo);
        self.all[id as usize].hi = gone.hi;
        self.all[id as usize].after = gone.after;
        if gone.after != NONE {
            self.all[gone.after as usize].before = id;
        }
        self.free.push(next);
    }

    /// How many atoms have addresses of the family.
    pub(super) fn atoms(&self, family: Family) -> usize {
        let segments = self.by_start[side(family)].values();
        let mut atoms: Vec<Atom> = segments.map(|&id| self.all[id as usize].atom).collect();
        atoms.sort_unstable();
        atoms.dedup();
        atoms.len()
    }

    /// How many segments there are.
    pub(super) fn len(&self) -> usize {
        self.by_start.iter().map(BTreeMap::len).sum()
    }
}
