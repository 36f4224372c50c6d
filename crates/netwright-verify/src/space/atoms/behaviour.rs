//! Which atom behaves how: for each atom the port it takes at every element, and for each
//! combination of ports at most one atom.

use rustc_hash::FxHashMap;

/// A class of packets. Ids of atoms that merged away are used again.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Atom(pub(super) u32);

impl Atom {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The port of every atom at every element. No two living atoms agree everywhere, so their number
/// is the least possible.
pub(super) struct Behaviours {
    elements: usize,
    ports: Vec<u16>,
    by_ports: FxHashMap<Box<[u16]>, Atom>,
    free: Vec<Atom>,
    wanted: Vec<u16>,
}

/// What became of the part of an atom that moved to another port.
pub(super) enum Moved {
    /// All of it moved and nothing behaves like it: it is the same atom with another port.
    Same,
    /// It joins this atom, which behaves like it now.
    Joins(Atom),
    /// It is this atom, newly made.
    New(Atom),
}

impl Behaviours {
    /// One atom, which takes port 0 everywhere.
    pub(super) fn new(elements: usize) -> Self {
        let ports = vec![0; elements];
        let by_ports = FxHashMap::from_iter([(ports.clone().into_boxed_slice(), Atom(0))]);
        Self { elements, ports, by_ports, free: Vec::new(), wanted: Vec::new() }
    }

    /// One more element, at which every atom takes port 0.
    pub(super) fn add_element(&mut self) {
        let wide = self.elements + 1;
        // Without elements there is one atom, with an empty row.
        let atoms = self.ports.len().checked_div(self.elements).unwrap_or(1);
        let mut ports = vec![0; atoms * wide];
        for atom in 0..atoms {
            let old = &self.ports[atom * self.elements..(atom + 1) * self.elements];
            ports[atom * wide..atom * wide + self.elements].copy_from_slice(old);
        }
        let by_ports = std::mem::take(&mut self.by_ports);
        self.by_ports = by_ports
            .into_values()
            .map(|atom| (ports[atom.index() * wide..][..wide].into(), atom))
            .collect();
        self.elements = wide;
        self.ports = ports;
    }

    pub(super) fn port(&self, atom: Atom, element: usize) -> u16 {
        self.ports[atom.index() * self.elements + element]
    }

    fn row(&self, atom: Atom) -> &[u16] {
        &self.ports[atom.index() * self.elements..][..self.elements]
    }

    /// Moves `atom`, or a part of it where not `whole`, to a port of an element, and says as which
    /// atom the moved packets go on. An atom that joins another is gone.
    pub(super) fn move_to(&mut self, atom: Atom, element: usize, port: u16, whole: bool) -> Moved {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.clear();
        wanted.extend_from_slice(self.row(atom));
        wanted[element] = port;
        let found = self.by_ports.get(wanted.as_slice()).copied();
        let moved = match (found, whole) {
            (Some(other), whole) => {
                if whole {
                    self.forget(atom);
                    self.free.push(atom);
                }
                Moved::Joins(other)
            }
            (None, true) => {
                self.forget(atom);
                self.ports[atom.index() * self.elements + element] = port;
                self.by_ports.insert(wanted.as_slice().into(), atom);
                Moved::Same
            }
            (None, false) => {
                let new = self.make(&wanted);
                Moved::New(new)
            }
        };
        self.wanted = wanted;
        moved
    }

    fn forget(&mut self, atom: Atom) {
        let row = &self.ports[atom.index() * self.elements..][..self.elements];
        self.by_ports.remove(row);
    }

    fn make(&mut self, row: &[u16]) -> Atom {
        let atom = self.free.pop().unwrap_or_else(|| {
            let next = self.ports.len() / self.elements;
            self.ports.resize(self.ports.len() + self.elements, 0);
            Atom(u32::try_from(next).unwrap_or(u32::MAX))
        });
        self.ports[atom.index() * self.elements..][..self.elements].copy_from_slice(row);
        self.by_ports.insert(row.into(), atom);
        atom
    }

    /// The living atoms, in order of their ids.
    pub(super) fn atoms(&self) -> Vec<Atom> {
        let mut atoms: Vec<Atom> = self.by_ports.values().copied().collect();
        atoms.sort_unstable();
        atoms
    }
}
