use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use proptest::prelude::*;

use super::super::{ANY_PORT, Family, Packet, Set, Space, protocol};
use super::*;

fn ip(number: u8) -> IpAddr {
    Ipv4Addr::from(u32::from(number)).into()
}

proptest! {
    #[test]
    fn classes_tell_apart_exactly_what_the_sets_tell_apart(
        sets in prop::collection::vec(
            prop::collection::vec((0..40_u8, 0..40_u8).prop_map(|(a, b)| (a.min(b), a.max(b))), 0..4),
            0..6,
        ),
    ) {
        let ranges = |set: &Vec<(u8, u8)>| set.iter().map(|&(lo, hi)| (ip(lo), ip(hi))).collect();
        let classes = AddressClasses::new(&sets.iter().map(ranges).collect::<Vec<_>>());
        let members = |address: u8| -> Vec<usize> {
            let holds = |set: &[(u8, u8)]| set.iter().any(|&(lo, hi)| (lo..=hi).contains(&address));
            (0..sets.len()).filter(|&i| holds(&sets[i])).collect()
        };
        let mut kinds = BTreeSet::from([Vec::new()]);
        for address in 0..=50 {
            let class = classes.class_of(ip(address));
            prop_assert_eq!(classes.members(class), &members(address)[..]);
            for set in 0..sets.len() {
                prop_assert_eq!(classes.of_set(set).contains(&class), members(address).contains(&set));
            }
            kinds.insert(members(address));
        }
        prop_assert_eq!(classes.len(), kinds.len());
        let (mut next, mut family) = (ip(0), Family::V4);
        for (first, last, class) in classes.intervals() {
            if Family::of(first) != family {
                family = Family::V6;
                next = "::".parse().unwrap();
            }
            prop_assert_eq!(first, next);
            prop_assert_eq!(classes.class_of(first), class);
            prop_assert_eq!(classes.class_of(last), class);
            next = match last {
                IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4).wrapping_add(1)).into(),
                IpAddr::V6(_) => last,
            };
        }
    }
}

/// Three routers in a triangle whose first side passes a filter in both directions. Port 2 leads to
/// the next router, port 3 to the one before, port 4 is both, port 5 leads out.
struct Triangle {
    plane: DataPlane,
    routers: [Router; 3],
    filter: Filter,
    checkpoints: [Node; 2],
}

fn triangle() -> Triangle {
    let mut plane = DataPlane::default();
    let routers = [(); 3].map(|()| plane.add_router());
    let filter = plane.add_filter();
    let checkpoints = [(); 2].map(|()| plane.add_checkpoint(filter));
    let hop = |node: Node, port| Hop { node, port: Port(port) };
    for i in 0..3 {
        let (here, next) = (routers[i], routers[(i + 1) % 3]);
        plane.bundle(here, Port(4), vec![Port(2), Port(3)]);
        if i == 0 {
            plane.connect(hop(here.node(), 2), hop(checkpoints[0], 1));
            plane.connect(hop(checkpoints[0], 1), hop(next.node(), 3));
            plane.connect(hop(next.node(), 3), hop(checkpoints[1], 1));
            plane.connect(hop(checkpoints[1], 1), hop(here.node(), 2));
        } else {
            plane.connect(hop(here.node(), 2), hop(next.node(), 3));
            plane.connect(hop(next.node(), 3), hop(here.node(), 2));
        }
    }
    Triangle { plane, routers, filter, checkpoints }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Route { router: usize, address: u8, length: u8, priority: u32, port: u16 },
    Access { priority: u32, permit: bool, dst: (u8, u8), port: u16 },
}

fn rule() -> impl Strategy<Value = Rule> {
    let route = (0..3_usize, 0..16_u8, 28..=32_u8, 0..2_u32, 2..=5_u16);
    let access = (any::<bool>(), (0..16_u8, 0..16_u8), 1..3_u16);
    prop_oneof![
        3 => route.prop_map(|(router, address, length, priority, port)| {
            Rule::Route { router, address, length, priority, port }
        }),
        1 => access.prop_map(|(permit, (a, b), port)| {
            // Equal priorities would make the order of insertion matter.
            let (lo, hi) = (a.min(b), a.max(b));
            let priority = u32::from(lo) << 8 | u32::from(hi) << 2 | u32::from(port);
            Rule::Access { priority: priority << 1 | u32::from(permit), permit, dst: (lo, hi), port }
        }),
    ]
}

impl Rule {
    fn prefix(&self) -> Ipv4Net {
        match *self {
            Self::Route { address, length, .. } => {
                Ipv4Net::new(Ipv4Addr::from(u32::from(address)), length).unwrap().trunc()
            }
            Self::Access { .. } => unreachable!("only routes have prefixes"),
        }
    }

    /// Rules that the data plane takes for the same one.
    fn key(&self) -> String {
        match self {
            Self::Route { router, priority, port, .. } => {
                format!("{router} {} {priority} {port}", self.prefix())
            }
            Self::Access { .. } => format!("{self:?}"),
        }
    }

    fn matched(dst: (u8, u8), port: u16) -> impl FnOnce(&mut Space) -> Set {
        move |space| {
            let dst = space.dst_ranges([(ip(dst.0), ip(dst.1))]);
            let tcp = space.layer4(protocol::TCP, ANY_PORT, &[port..=port]);
            space.and(dst, tcp)
        }
    }

    fn apply(&self, net: &mut Triangle, insert: bool) -> Change {
        let plane = &mut net.plane;
        let change = match *self {
            Self::Route { router, priority, port, .. } => {
                let (router, prefix) = (net.routers[router], self.prefix().into());
                if insert {
                    plane.insert_route(router, prefix, priority, Port(port))
                } else {
                    plane.remove_route(router, prefix, priority, Port(port))
                }
            }
            Self::Access { priority, permit, dst, port } => {
                let matched = Self::matched(dst, port);
                if insert {
                    plane.insert_rule(net.filter, priority, permit, matched)
                } else {
                    plane.remove_rule(net.filter, priority, permit, matched)
                }
            }
        };
        change.unwrap()
    }
}

/// The same network, one packet at a time.
struct Naive {
    rules: BTreeMap<String, Rule>,
}

impl Naive {
    fn port(&self, router: usize, dst: u8) -> u16 {
        let here = self.rules.values().filter_map(|rule| match *rule {
            Rule::Route { router: at, priority, port, .. } if at == router => {
                let prefix = rule.prefix();
                let address = Ipv4Addr::from(u32::from(dst));
                let rank = (prefix.prefix_len(), priority, std::cmp::Reverse(port));
                prefix.contains(&address).then_some((rank, port))
            }
            _ => None,
        });
        here.max().map_or(0, |(_, port)| port)
    }

    fn permits(&self, dst: u8, tcp_port: u16) -> bool {
        let matching = self.rules.values().filter_map(|rule| match *rule {
            Rule::Access { priority, permit, dst: (lo, hi), port } => {
                ((lo..=hi).contains(&dst) && port == tcp_port).then_some((priority, permit))
            }
            Rule::Route { .. } => None,
        });
        matching.max().is_some_and(|(_, permit)| permit)
    }

    /// Every loop of any packet, wherever it starts.
    fn loops(&self, net: &Triangle) -> BTreeSet<Loop> {
        let mut loops = BTreeSet::new();
        for dst in 0..=16 {
            for tcp_port in 0..3 {
                for router in 0..3 {
                    self.walk(net, (dst, tcp_port), (router, None), &mut Vec::new(), &mut loops);
                }
            }
        }
        loops
    }

    fn walk(
        &self,
        net: &Triangle,
        packet: (u8, u16),
        (router, entered): (usize, Option<u16>),
        path: &mut Vec<Hop>,
        loops: &mut BTreeSet<Loop>,
    ) {
        let port = self.port(router, packet.0);
        if Some(port) == entered {
            return;
        }
        let ports = if port == 4 { vec![2, 3] } else { vec![port] };
        for port in ports.into_iter().filter(|&port| matches!(port, 2 | 3) && Some(port) != entered)
        {
            let hop = Hop { node: net.routers[router].node(), port: Port(port) };
            if let Some(start) = path.iter().position(|&earlier| earlier == hop) {
                let mut hops = path[start..].to_vec();
                let least = (0..hops.len()).min_by_key(|&i| hops[i]).unwrap();
                hops.rotate_left(least);
                loops.insert(Loop { hops });
                continue;
            }
            let length = path.len();
            path.push(hop);
            let next = if port == 2 { (router + 1) % 3 } else { (router + 2) % 3 };
            let checkpoint = match (router, port) {
                (0, 2) => Some(net.checkpoints[0]),
                (1, 3) => Some(net.checkpoints[1]),
                _ => None,
            };
            if let Some(node) = checkpoint {
                path.push(Hop { node, port: Port::PERMIT });
            }
            if checkpoint.is_none() || self.permits(packet.0, packet.1) {
                self.walk(net, packet, (next, Some(if port == 2 { 3 } else { 2 })), path, loops);
            }
            path.truncate(length);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn after_every_update_atoms_are_minimal_and_new_loops_are_told(
        updates in prop::collection::vec((rule(), prop::bool::weighted(0.7)), 1..40),
    ) {
        let mut net = triangle();
        let mut naive = Naive { rules: BTreeMap::new() };
        let mut loops_before = BTreeSet::new();
        for (rule, insert) in updates {
            let rule = match insert {
                true => rule,
                // Remove what is there, if something is.
                false => naive.rules.values().next().cloned().unwrap_or(rule),
            };
            let change = rule.apply(&mut net, insert);
            if insert {
                naive.rules.insert(rule.key(), rule);
            } else {
                naive.rules.remove(&rule.key());
            }
            let ports = |dst: u8| [0, 1, 2].map(|router| naive.port(router, dst));
            let routing: BTreeSet<_> = (0..=16).map(ports).collect();
            prop_assert_eq!(net.plane.routing_atoms(Family::V4), routing.len());
            let mut verdicts = BTreeSet::new();
            for dst in 0..=16 {
                for port in 0..3 {
                    let packet = Packet::tcp(ip(1), 9, ip(dst), port);
                    let permitted = net.plane.permits(net.filter, &packet);
                    prop_assert_eq!(permitted, naive.permits(dst, port));
                    verdicts.insert(permitted);
                }
            }
            prop_assert_eq!(net.plane.filter_atoms(Family::V4), verdicts.len());
            let loops = naive.loops(&net);
            let told: BTreeSet<Loop> = change.loops.into_iter().collect();
            prop_assert!(told.is_subset(&loops), "{told:?} but {loops:?}");
            let new: BTreeSet<_> = loops.difference(&loops_before).cloned().collect();
            prop_assert!(new.is_subset(&told), "{new:?} but {told:?}");
            loops_before = loops;
        }
    }
}

#[test]
fn a_default_route_back_is_a_loop() {
    let mut net = triangle();
    let default = "0.0.0.0/0".parse().unwrap();
    let routers = net.routers;
    let to = |net: &mut Triangle, router, port| {
        net.plane.insert_route(router, default, 0, Port(port)).unwrap().loops.len()
    };
    net.plane.insert_rule(net.filter, 1, true, |_| Set::ALL).unwrap();
    assert_eq!(to(&mut net, routers[0], 2), 0);
    assert_eq!(to(&mut net, routers[1], 2), 0);
    assert_eq!(to(&mut net, routers[2], 2), 1);
}
