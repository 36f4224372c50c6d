//! Routers and filters whose rules change one by one, with the atoms and loops that result.

use ipnet::IpNet;

use super::super::packet::{Family, Packet, number};
use super::super::{Overflow, Set, Space, SpaceStats};
use super::behaviour::{Atom, Behaviours, Moved};
use super::filter::Rules;
use super::loops::{Hop, Kind, Loop, Search, Wiring};
use super::routes::{Block, Routes};
use super::segments::Segments;

/// A router or a place where a filter is applied.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Node(u32);

impl Node {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A router, as the place to put routes.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Router {
    node: Node,
    element: u32,
}

impl Router {
    /// The router as a place in the wiring.
    #[must_use]
    pub fn node(self) -> Node {
        self.node
    }
}

/// A filter, as the place to put rules. It takes effect at its checkpoints.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Filter(u32);

/// A port of a node, numbered by whoever builds the data plane.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Port(pub u16);

impl Port {
    /// Where packets without a route go: nowhere.
    pub const DROP: Self = Self(0);
    /// Where a checkpoint sends what its filter permits.
    pub const PERMIT: Self = Self(1);
}

/// What an update changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Change {
    /// How many atoms, of routing or of the filters, behave differently now.
    pub atoms_moved: usize,
    /// The loops that packets of these atoms are in now.
    pub loops: Vec<Loop>,
}

/// Routers, filters and wiring, and the atoms they divide packets into; see [`super`].
///
/// Build routers, filters and wiring first: each new router or filter costs the number of atoms.
pub struct DataPlane {
    space: Space,
    wiring: Wiring,
    routers: Vec<Routes>,
    routing: Behaviours,
    segments: Segments,
    filters: Vec<Rules>,
    checkpoints: Vec<Vec<Node>>,
    filtering: Behaviours,
    /// The packets of each filter atom.
    filter_sets: Vec<Set>,
    /// The number of nodes of the space at which the sets of the past are dropped.
    clean_up_at: usize,
}

const CLEAN_UP_FROM: usize = 1 << 18;

impl Default for DataPlane {
    fn default() -> Self {
        Self::with_limit(Space::DEFAULT_LIMIT)
    }
}

impl DataPlane {
    /// A data plane without nodes, whose packet sets may take about `bytes` of memory.
    #[must_use]
    pub fn with_limit(bytes: usize) -> Self {
        Self {
            space: Space::with_limit(bytes),
            wiring: Wiring::default(),
            routers: Vec::new(),
            routing: Behaviours::new(0),
            segments: Segments::new(),
            filters: Vec::new(),
            checkpoints: Vec::new(),
            filtering: Behaviours::new(0),
            filter_sets: vec![Set::ALL],
            clean_up_at: CLEAN_UP_FROM,
        }
    }

    /// How large the packet sets have become.
    #[must_use]
    pub fn stats(&self) -> SpaceStats {
        self.space.stats()
    }

    /// A router without routes: it drops everything.
    pub fn add_router(&mut self) -> Router {
        let element = self.routers.len();
        self.routers.push(Routes::default());
        self.routing.add_element();
        Router { node: self.add_node(Kind::Router(element)), element: count(element) }
    }

    /// A filter without rules: it denies everything.
    pub fn add_filter(&mut self) -> Filter {
        let filter = Filter(count(self.filters.len()));
        self.filters.push(Rules::default());
        self.checkpoints.push(Vec::new());
        self.filtering.add_element();
        filter
    }

    /// A place where packets pass the filter; those permitted leave by [`Port::PERMIT`].
    pub fn add_checkpoint(&mut self, filter: Filter) -> Node {
        let node = self.add_node(Kind::Checkpoint(filter.0 as usize));
        self.checkpoints[filter.0 as usize].push(node);
        node
    }

    fn add_node(&mut self, kind: Kind) -> Node {
        let node = Node(count(self.wiring.kinds.len()));
        self.wiring.kinds.push(kind);
        node
    }

    /// What leaves by `from` enters `to.node` by `to.port`. One port may lead to several nodes.
    pub fn connect(&mut self, from: Hop, to: Hop) {
        let links = self.wiring.links.entry(from).or_default();
        if !links.contains(&to) {
            links.push(to);
            self.wiring.sources.entry(to.node).or_default().push(from);
        }
    }

    /// A packet sent to this port leaves by each of `ports`, but not by the one it came from: a
    /// VLAN.
    pub fn bundle(&mut self, router: Router, port: Port, ports: Vec<Port>) {
        self.wiring.bundles.insert(Hop { node: router.node, port }, ports);
    }

    /// How many classes of packets of a family the routers tell apart; 1 without routers.
    #[must_use]
    pub fn routing_atoms(&self, family: Family) -> usize {
        self.segments.atoms(family)
    }

    /// How many classes of packets of a family the filters tell apart; 1 without filters.
    pub fn filter_atoms(&mut self, family: Family) -> usize {
        let packets = self.space.family(family);
        let sets = self.filtering.atoms().into_iter().map(|atom| self.filter_sets[atom.index()]);
        sets.filter(|&set| self.space.intersects(set, packets)).count()
    }

    /// Intervals of destination addresses that the routing atoms are made of.
    #[must_use]
    pub fn intervals(&self) -> usize {
        self.segments.len()
    }

    /// What a filter permits, said of one packet.
    #[must_use]
    pub fn permits(&self, filter: Filter, packet: &Packet) -> bool {
        self.space.contains(self.filters[filter.0 as usize].permitted(), packet)
    }

    /// Adds a route. The longest prefix decides, then the greatest priority, then the lowest port.
    ///
    /// # Errors
    /// When the memory limit was reached: the data plane is of no use then.
    pub fn insert_route(
        &mut self,
        router: Router,
        prefix: IpNet,
        priority: u32,
        port: Port,
    ) -> Result<Change, Overflow> {
        let block = block(prefix);
        let is_new = self.routers[router.element as usize].insert(block, priority, port.0);
        if is_new { self.reroute(router, block) } else { Ok(Change::default()) }
    }

    /// Removes a route; one that is not there changes nothing.
    ///
    /// # Errors
    /// When the memory limit was reached: the data plane is of no use then.
    pub fn remove_route(
        &mut self,
        router: Router,
        prefix: IpNet,
        priority: u32,
        port: Port,
    ) -> Result<Change, Overflow> {
        let block = block(prefix);
        let was_there = self.routers[router.element as usize].remove(block, priority, port.0);
        if was_there { self.reroute(router, block) } else { Ok(Change::default()) }
    }

    /// Moves what a prefix decides to the port it goes to now.
    fn reroute(&mut self, router: Router, block: Block) -> Result<Change, Overflow> {
        let element = router.element as usize;
        let routes = &self.routers[element];
        let port = routes.port(block);
        let ranges = routes.own_ranges(block);
        let moved = self.move_ranges(element, block.family, &ranges, port);
        let search = Search::new(
            &mut self.space,
            &self.wiring,
            &self.routing,
            &self.segments,
            &self.filters,
        );
        let loops = if moved.is_empty() {
            Vec::new()
        } else {
            search.leaving_router(router.node, element, &moved)
        };
        self.space.checked(Change { atoms_moved: moved.len(), loops })
    }

    /// Sends the ranges to a port of an element. Gives the atoms they are part of afterwards, where
    /// that is a change.
    fn move_ranges(
        &mut self,
        element: usize,
        family: Family,
        ranges: &[(u128, u128)],
        port: u16,
    ) -> Vec<Atom> {
        let touched = self.segments.touch(family, ranges);
        let mut moved = Vec::new();
        for touched in &touched {
            let atom = touched.atom;
            if self.routing.port(atom, element) == port {
                continue;
            }
            let whole = self.segments.count(atom) == touched.segments.len();
            let target = match self.routing.move_to(atom, element, port, whole) {
                Moved::Same => atom,
                Moved::Joins(other) | Moved::New(other) => {
                    self.segments.give(&touched.segments, other);
                    other
                }
            };
            moved.push(target);
        }
        for touched in &touched {
            self.segments.heal(&touched.segments);
        }
        moved.sort_unstable();
        moved.dedup();
        moved
    }

    /// Adds a rule to a filter. The greatest priority decides, then the rule inserted first.
    /// `matched` makes the set of packets the rule matches; its id is not valid for longer.
    ///
    /// # Errors
    /// When the memory limit was reached: the data plane is of no use then.
    pub fn insert_rule(
        &mut self,
        filter: Filter,
        priority: u32,
        permit: bool,
        matched: impl FnOnce(&mut Space) -> Set,
    ) -> Result<Change, Overflow> {
        let matched = matched(&mut self.space);
        let rules = &mut self.filters[filter.0 as usize];
        let (gained, lost) = rules.insert(&mut self.space, priority, matched, permit);
        self.refilter(filter, gained, lost)
    }

    /// Removes a rule of a filter; one that is not there changes nothing.
    ///
    /// # Errors
    /// When the memory limit was reached: the data plane is of no use then.
    pub fn remove_rule(
        &mut self,
        filter: Filter,
        priority: u32,
        permit: bool,
        matched: impl FnOnce(&mut Space) -> Set,
    ) -> Result<Change, Overflow> {
        let matched = matched(&mut self.space);
        let rules = &mut self.filters[filter.0 as usize];
        match rules.remove(&mut self.space, priority, matched, permit) {
            Some((gained, lost)) => self.refilter(filter, gained, lost),
            None => Ok(Change::default()),
        }
    }

    fn refilter(&mut self, filter: Filter, gained: Set, lost: Set) -> Result<Change, Overflow> {
        let element = filter.0 as usize;
        let permitted = self.move_packets(element, gained, Port::PERMIT.0);
        let denied = self.move_packets(element, lost, Port::DROP.0);
        let mut loops = Vec::new();
        for &checkpoint in self.checkpoints[element].iter().filter(|_| !gained.is_empty()) {
            let search = Search::new(
                &mut self.space,
                &self.wiring,
                &self.routing,
                &self.segments,
                &self.filters,
            );
            loops.extend(search.leaving_checkpoint(checkpoint, gained));
        }
        loops.sort_unstable();
        loops.dedup();
        let change = self.space.checked(Change { atoms_moved: permitted + denied, loops });
        self.clean_up();
        change
    }

    /// Drops the sets of the past once they are most of the space.
    fn clean_up(&mut self) {
        let nodes = self.space.stats().nodes;
        if nodes < self.clean_up_at {
            return;
        }
        let rules = self.filters.iter_mut().flat_map(Rules::sets_mut);
        self.space.keep_only(rules.chain(&mut self.filter_sets));
        self.clean_up_at = (self.space.stats().nodes * 4).max(CLEAN_UP_FROM);
    }

    /// Sends packets to a port of a filter and says how many atoms that changed.
    fn move_packets(&mut self, element: usize, packets: Set, port: u16) -> usize {
        if packets.is_empty() {
            return 0;
        }
        let mut moved = 0;
        for atom in self.filtering.atoms() {
            let set = self.filter_sets[atom.index()];
            if self.filtering.port(atom, element) == port || !self.space.intersects(set, packets) {
                continue;
            }
            moved += 1;
            let part = self.space.and(set, packets);
            match self.filtering.move_to(atom, element, port, part == set) {
                Moved::Same => {}
                Moved::Joins(other) => {
                    let joined = self.space.or(self.filter_sets[other.index()], part);
                    self.filter_sets[other.index()] = joined;
                    self.filter_sets[atom.index()] = self.space.minus(set, part);
                }
                Moved::New(new) => {
                    if new.index() == self.filter_sets.len() {
                        self.filter_sets.push(part);
                    } else {
                        self.filter_sets[new.index()] = part;
                    }
                    self.filter_sets[atom.index()] = self.space.minus(set, part);
                }
            }
        }
        moved
    }
}

fn block(prefix: IpNet) -> Block {
    let prefix = prefix.trunc();
    let address = prefix.addr();
    Block { family: Family::of(address), first: number(address), length: prefix.prefix_len() }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
