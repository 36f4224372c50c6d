//! Forwarding loops: packets that come back to a port they left by.

use rustc_hash::FxHashMap;

use super::super::{Family, Set, Space};
use super::behaviour::{Atom, Behaviours};
use super::dataplane::{Node, Port};
use super::filter::Rules;
use super::segments::Segments;

/// A packet leaves this node by this port.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Hop {
    /// The router or filter.
    pub node: Node,
    /// The port it leaves by.
    pub port: Port,
}

/// The hops of a loop in the order packets take them, each once, least hop first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Loop {
    /// The hops; after the last comes the first.
    pub hops: Vec<Hop>,
}

impl Loop {
    fn new(hops: &[Hop]) -> Self {
        let mut hops = hops.to_vec();
        let least = hops.iter().enumerate().min_by_key(|&(_, hop)| *hop).map_or(0, |(i, _)| i);
        hops.rotate_left(least);
        Self { hops }
    }
}

/// What a node is.
#[derive(Copy, Clone, Debug)]
pub(super) enum Kind {
    /// A router: its place among the elements of the routing atoms.
    Router(usize),
    /// A place where the filter of this number is applied.
    Checkpoint(usize),
}

/// The wiring: what hangs on which port.
#[derive(Default)]
pub(super) struct Wiring {
    pub(super) kinds: Vec<Kind>,
    /// For each hop, the nodes reached and the ports they are entered by.
    pub(super) links: FxHashMap<Hop, Vec<Hop>>,
    /// The other way round.
    pub(super) sources: FxHashMap<Node, Vec<Hop>>,
    /// Ports that stand for several, by router.
    pub(super) bundles: FxHashMap<Hop, Vec<Port>>,
}

/// One search for loops.
pub(super) struct Search<'a> {
    pub(super) space: &'a mut Space,
    pub(super) wiring: &'a Wiring,
    pub(super) behaviours: &'a Behaviours,
    pub(super) segments: &'a Segments,
    pub(super) rules: &'a [Rules],
    path: Vec<Hop>,
    /// Atoms of the walks under way, the innermost last.
    atoms: Vec<Atom>,
    found: Vec<Loop>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        space: &'a mut Space,
        wiring: &'a Wiring,
        behaviours: &'a Behaviours,
        segments: &'a Segments,
        rules: &'a [Rules],
    ) -> Self {
        let (path, atoms, found) = (Vec::new(), Vec::new(), Vec::new());
        Self { space, wiring, behaviours, segments, rules, path, atoms, found }
    }

    /// The loops of packets of these atoms that the router sends on.
    pub(super) fn leaving_router(
        mut self,
        router: Node,
        element: usize,
        atoms: &[Atom],
    ) -> Vec<Loop> {
        self.atoms.extend_from_slice(atoms);
        self.fan_out(router, element, None, 0, Set::ALL);
        self.finish()
    }

    /// The loops of packets of the set that pass a checkpoint.
    pub(super) fn leaving_checkpoint(mut self, checkpoint: Node, packets: Set) -> Vec<Loop> {
        let out = Hop { node: checkpoint, port: Port::PERMIT };
        let wiring = self.wiring;
        for source in wiring.sources.get(&checkpoint).into_iter().flatten() {
            let Kind::Router(element) = wiring.kinds[source.node.index()] else {
                // Packets may come from any router further back.
                self.atoms.extend(self.behaviours.atoms());
                continue;
            };
            for atom in self.behaviours.atoms() {
                let port = Port(self.behaviours.port(atom, element));
                if physical_ports(wiring, source.node, &port).contains(&source.port) {
                    self.atoms.push(atom);
                }
            }
        }
        self.atoms.sort_unstable();
        self.atoms.dedup();
        self.atoms.retain(|&atom| overlaps(self.space, self.segments, atom, packets));
        if !self.atoms.is_empty() {
            self.walk(out, 0, packets);
        }
        self.finish()
    }

    fn finish(mut self) -> Vec<Loop> {
        self.found.sort_unstable();
        self.found.dedup();
        self.found
    }

    /// Follows the atoms on the stack from `from` on, which have passed filters that leave
    /// `packets`.
    fn walk(&mut self, hop: Hop, from: usize, packets: Set) {
        if let Some(start) = self.path.iter().position(|&earlier| earlier == hop) {
            self.record(start, from, packets);
            return;
        }
        let wiring = self.wiring;
        let Some(links) = wiring.links.get(&hop) else { return };
        self.path.push(hop);
        for next in links {
            match wiring.kinds[next.node.index()] {
                Kind::Router(element) => {
                    self.fan_out(next.node, element, Some(next.port), from, packets);
                }
                Kind::Checkpoint(filter) => {
                    let left = self.space.and(packets, self.rules[filter].permitted());
                    if !left.is_empty() {
                        self.walk(Hop { node: next.node, port: Port::PERMIT }, from, left);
                    }
                }
            }
        }
        self.path.pop();
    }

    /// Sends each atom on by the port that the router chooses for it, but not back where it came
    /// from.
    fn fan_out(
        &mut self,
        router: Node,
        element: usize,
        entered: Option<Port>,
        from: usize,
        packets: Set,
    ) {
        let end = self.atoms.len();
        let behaviours = self.behaviours;
        let port_of = |atom: &Atom| behaviours.port(*atom, element);
        let mut sorted: Vec<u16> = self.atoms[from..end].iter().map(port_of).collect();
        sorted.sort_unstable();
        sorted.dedup();
        for &port in &sorted {
            if port == Port::DROP.0 || Some(Port(port)) == entered {
                continue;
            }
            let group = if sorted.len() == 1 {
                from
            } else {
                let group = self.atoms.len();
                for i in from..end {
                    if port_of(&self.atoms[i]) == port {
                        self.atoms.push(self.atoms[i]);
                    }
                }
                group
            };
            for &port in physical_ports(self.wiring, router, &Port(port)) {
                if Some(port) != entered {
                    self.walk(Hop { node: router, port }, group, packets);
                }
            }
            self.atoms.truncate(end);
        }
    }

    fn record(&mut self, start: usize, from: usize, packets: Set) {
        let (space, segments) = (&mut *self.space, self.segments);
        let mut atoms = self.atoms[from..].iter();
        if packets.is_all() || atoms.any(|&atom| overlaps(space, segments, atom, packets)) {
            self.found.push(Loop::new(&self.path[start..]));
        }
    }
}

/// The ports that a port stands for: itself, unless it is a bundle.
fn physical_ports<'a>(wiring: &'a Wiring, router: Node, port: &'a Port) -> &'a [Port] {
    let bundle = wiring.bundles.get(&Hop { node: router, port: *port });
    bundle.map_or(std::slice::from_ref(port), Vec::as_slice)
}

/// Whether some packet of the set goes to an address of the atom.
fn overlaps(space: &mut Space, segments: &Segments, atom: Atom, packets: Set) -> bool {
    if packets.is_all() {
        return true;
    }
    let set = set_of(space, segments, atom);
    space.intersects(set, packets)
}

/// The packets of a routing atom.
pub(super) fn set_of(space: &mut Space, segments: &Segments, atom: Atom) -> Set {
    let address = |family: Family, number| family.address(number);
    let ranges = segments.ranges(atom);
    space.dst_ranges(ranges.map(|(f, lo, hi)| (address(f, lo), address(f, hi))))
}
