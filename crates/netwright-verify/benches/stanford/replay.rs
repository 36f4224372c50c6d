//! Reads the Stanford backbone as published with `APKeep` and replays its rule updates.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a data set that cannot be read ends the run"
)]

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net};
use netwright_verify::space::atoms::{Change, DataPlane, Filter, Hop, Loop, Node, Port, Router};
use netwright_verify::space::{Family, Set, Space};

/// Where the networks are, if they are on this machine.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let folder = Path::new(shared).join("networks/apkeep-stanford/networks").join(name);
    folder.is_dir().then_some(folder)
}

/// What a replay showed.
pub(crate) struct Outcome {
    pub(crate) routing_atoms: usize,
    pub(crate) filter_atoms: usize,
    pub(crate) routing_atoms_at_end: usize,
    pub(crate) filter_atoms_at_end: usize,
    pub(crate) intervals: usize,
    pub(crate) set_bytes: usize,
    /// Each loop that was there after some update, as the names of the hops.
    pub(crate) loops: BTreeSet<Vec<String>>,
    pub(crate) insert_times: Vec<Duration>,
    pub(crate) delete_times: Vec<Duration>,
}

/// The network under replay: names to ids.
pub(crate) struct Backbone {
    plane: DataPlane,
    routers: HashMap<String, Router>,
    filters: HashMap<String, Filter>,
    checkpoints: HashMap<String, Node>,
    ports: HashMap<(Router, String), Port>,
    names: HashMap<Hop, String>,
}

enum Update {
    Route { router: Router, prefix: IpNet, priority: u32, port: Port },
    Rule { filter: Filter, priority: u32, permit: bool, conditions: Conditions },
}

impl Backbone {
    /// Reads routers, filters and wiring.
    pub(crate) fn read(folder: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let mut backbone = Self {
            plane: DataPlane::default(),
            routers: HashMap::new(),
            filters: HashMap::new(),
            checkpoints: HashMap::new(),
            ports: HashMap::new(),
            names: HashMap::new(),
        };
        for line in text("topo.txt").lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [from, from_port, to, to_port] = words[..] else { continue };
            let from = backbone.hop(from, from_port);
            let to = backbone.hop(to, to_port);
            backbone.plane.connect(from, to);
        }
        for line in text("vlan.txt").lines() {
            let mut words = line.split_whitespace();
            let (Some(router), Some(vlan)) = (words.next(), words.next()) else { continue };
            let router = backbone.router(router);
            let ports = words.map(|port| backbone.port(router, port)).collect();
            let vlan = backbone.port(router, vlan);
            backbone.plane.bundle(router, vlan, ports);
        }
        backbone
    }

    /// A router's port, or the passage through a checkpoint (named `<filter>_<port>_in` or `_out`).
    fn hop(&mut self, node: &str, port: &str) -> Hop {
        let is_checkpoint = node.ends_with("_in") || node.ends_with("_out");
        let leaves_by = if is_checkpoint { "permit" } else { port };
        let name = format!("{node},{leaves_by}");
        let hop = if is_checkpoint {
            let filter = node.splitn(4, '_').take(3).collect::<Vec<_>>().join("_");
            let filter = self.filter(&filter);
            let plane = &mut self.plane;
            let entry = self.checkpoints.entry(node.to_owned());
            Hop { node: *entry.or_insert_with(|| plane.add_checkpoint(filter)), port: Port::PERMIT }
        } else {
            let router = self.router(node);
            Hop { node: router.node(), port: self.port(router, port) }
        };
        self.names.insert(hop, name);
        hop
    }

    fn router(&mut self, name: &str) -> Router {
        let plane = &mut self.plane;
        *self.routers.entry(name.to_owned()).or_insert_with(|| plane.add_router())
    }

    fn filter(&mut self, name: &str) -> Filter {
        let plane = &mut self.plane;
        *self.filters.entry(name.to_owned()).or_insert_with(|| plane.add_filter())
    }

    fn port(&mut self, router: Router, name: &str) -> Port {
        // Port 0 drops, and a router's ports are few.
        let next = Port(u16::try_from(self.ports.len() + 1).expect("few ports"));
        *self.ports.entry((router, name.to_owned())).or_insert(next)
    }

    /// Replays the updates of the folder one by one.
    pub(crate) fn replay(mut self, folder: &Path) -> Outcome {
        let text = fs::read_to_string(folder.join("updates")).expect("the updates are readable");
        let (mut loops, mut atoms) = (BTreeSet::new(), (0, 0));
        let (mut insert_times, mut delete_times) = (Vec::new(), Vec::new());
        let mut intervals = 0;
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let insert = words[0] == "+";
            if !insert && delete_times.is_empty() {
                atoms = (self.plane.routing_atoms(Family::V4), self.plane.filter_atoms(Family::V4));
                intervals = self.plane.intervals();
            }
            let update = self.parse(&words);
            let start = Instant::now();
            let change = self.apply(&update, insert);
            let times = if insert { &mut insert_times } else { &mut delete_times };
            times.push(start.elapsed());
            loops.extend(change.loops);
        }
        let loops = loops.iter().map(|found| self.names_of(found)).collect();
        Outcome {
            routing_atoms: atoms.0,
            filter_atoms: atoms.1,
            routing_atoms_at_end: self.plane.routing_atoms(Family::V4),
            filter_atoms_at_end: self.plane.filter_atoms(Family::V4),
            intervals,
            set_bytes: self.plane.stats().bytes,
            loops,
            insert_times,
            delete_times,
        }
    }

    fn names_of(&self, found: &Loop) -> Vec<String> {
        let name = |hop| self.names.get(hop).cloned().unwrap_or_default();
        from_least(found.hops.iter().map(name).collect())
    }

    fn parse(&mut self, words: &[&str]) -> Update {
        match words {
            [_, "fwd", router, address, length, port, priority] => {
                let router = self.router(router);
                let address = Ipv4Addr::from(address.parse::<u32>().expect("an address"));
                let length = length.parse().expect("a length");
                Update::Route {
                    router,
                    prefix: Ipv4Net::new(address, length).expect("a prefix").into(),
                    priority: priority.parse().expect("a priority"),
                    port: self.port(router, port),
                }
            }
            [_, "acl", filter, _, _, action, conditions @ .., priority] => Update::Rule {
                filter: self.filter(filter),
                priority: priority.parse().expect("a priority"),
                conditions: conditions_of(conditions),
                permit: *action == "permit",
            },
            _ => panic!("no such update: {words:?}"),
        }
    }

    fn apply(&mut self, update: &Update, insert: bool) -> Change {
        let plane = &mut self.plane;
        let change = match *update {
            Update::Route { router, prefix, priority, port } if insert => {
                plane.insert_route(router, prefix, priority, port)
            }
            Update::Route { router, prefix, priority, port } => {
                plane.remove_route(router, prefix, priority, port)
            }
            Update::Rule { filter, priority, permit, ref conditions } if insert => {
                plane.insert_rule(filter, priority, permit, |space| conditions.matched(space))
            }
            Update::Rule { filter, priority, permit, ref conditions } => {
                plane.remove_rule(filter, priority, permit, |space| conditions.matched(space))
            }
        };
        change.expect("the sets fit in memory")
    }
}

/// What an access rule matches.
struct Conditions {
    protocols: RangeInclusive<u8>,
    src: Vec<(IpAddr, IpAddr)>,
    dst: Vec<(IpAddr, IpAddr)>,
    src_ports: Option<RangeInclusive<u16>>,
    dst_ports: Option<RangeInclusive<u16>>,
}

impl Conditions {
    fn matched(&self, space: &mut Space) -> Set {
        let mut parts = vec![
            space.src_ranges(self.src.iter().copied()),
            space.dst_ranges(self.dst.iter().copied()),
            space.protocols(self.protocols.clone()),
        ];
        parts.extend(self.src_ports.clone().map(|ports| space.src_ports(&[ports])));
        parts.extend(self.dst_ports.clone().map(|ports| space.dst_ports(&[ports])));
        space.intersect_all(parts)
    }
}

/// `first protocol, last, source, wildcard, ports, destination, wildcard, ports`.
fn conditions_of(words: &[&str]) -> Conditions {
    let [first, last, src, src_wild, src_lo, src_hi, dst, dst_wild, dst_lo, dst_hi] = *words else {
        panic!("no such rule: {words:?}");
    };
    let protocol = |text: &str| text.parse::<u8>().expect("a protocol");
    let ports = |lo: &str, hi: &str| Some(lo.parse().ok()?..=hi.parse().ok()?);
    Conditions {
        protocols: protocol(first)..=protocol(last),
        src: wildcard(src, src_wild),
        dst: wildcard(dst, dst_wild),
        src_ports: ports(src_lo, src_hi),
        dst_ports: ports(dst_lo, dst_hi),
    }
}

/// The addresses that agree with one outside the bits of a wildcard.
fn wildcard(address: &str, wildcard: &str) -> Vec<(IpAddr, IpAddr)> {
    if address == "any" {
        return vec![(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into())];
    }
    let address: u32 = address.parse::<Ipv4Addr>().expect("an address").into();
    let free: u32 = match wildcard {
        "null" => 0,
        text => text.parse::<Ipv4Addr>().expect("a wildcard").into(),
    };
    let low = free.trailing_ones();
    let low_mask = 1_u32.checked_shl(low).map_or(u32::MAX, |bit| bit - 1);
    let high = free & !low_mask;
    let base = address & !free;
    let mut ranges = Vec::new();
    // All values of the free bits above the lowest run, the greatest first.
    let mut value = high;
    loop {
        let start = base | value;
        ranges.push((Ipv4Addr::from(start).into(), Ipv4Addr::from(start | low_mask).into()));
        if value == 0 {
            return ranges;
        }
        value = (value - 1) & high;
    }
}

/// The same loop, told from the hop that comes first by name.
pub(crate) fn from_least(mut hops: Vec<String>) -> Vec<String> {
    let least = hops.iter().enumerate().min_by_key(|&(_, hop)| hop).map_or(0, |(i, _)| i);
    hops.rotate_left(least);
    hops
}
