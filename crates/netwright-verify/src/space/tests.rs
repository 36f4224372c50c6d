use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

mod bdd;

/// Fields of three bits: conditions name values 0 to 7 only, and 8 stands for all greater ones.
const VALUES: std::ops::RangeInclusive<u8> = 0..=8;
const PROTOCOLS: [u8; 5] = [1, 6, 17, 47, 58];

#[derive(Clone, Debug)]
enum Expr {
    Dst(Family, u8, u8),
    Src(Family, u8, u8),
    Protocol(u8),
    Ports(u8, (u8, u8), (u8, u8)),
    Icmp(Family, (u8, u8), (u8, u8)),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Minus(Box<Self>, Box<Self>),
}

fn address(family: Family, number: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from(u32::from(number)).into(),
        Family::V6 => Ipv6Addr::from(u128::from(number)).into(),
    }
}

fn expr() -> impl Strategy<Value = Expr> {
    let family = || prop_oneof![Just(Family::V4), Just(Family::V6)];
    let range = || (0..8_u8, 0..8_u8).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let leaf = prop_oneof![
        (family(), range()).prop_map(|(family, (lo, hi))| Expr::Dst(family, lo, hi)),
        (family(), range()).prop_map(|(family, (lo, hi))| Expr::Src(family, lo, hi)),
        prop::sample::select(&PROTOCOLS[..]).prop_map(Expr::Protocol),
        (prop::sample::select(&[6, 17][..]), range(), range())
            .prop_map(|(protocol, src, dst)| Expr::Ports(protocol, src, dst)),
        (family(), range(), range()).prop_map(|(family, t, c)| Expr::Icmp(family, t, c)),
    ];
    leaf.prop_recursive(5, 24, 2, |inner| {
        let two = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        prop_oneof![
            inner.clone().prop_map(|a| Expr::Not(Box::new(a))),
            two().prop_map(|(a, b)| Expr::And(a, b)),
            two().prop_map(|(a, b)| Expr::Or(a, b)),
            two().prop_map(|(a, b)| Expr::Minus(a, b)),
        ]
    })
}

fn wide((lo, hi): (u8, u8)) -> [std::ops::RangeInclusive<u16>; 1] {
    [u16::from(lo)..=u16::from(hi)]
}

impl Expr {
    fn build(&self, space: &mut Space) -> Set {
        match self {
            Self::Dst(f, lo, hi) => space.dst_ranges([(address(*f, *lo), address(*f, *hi))]),
            Self::Src(f, lo, hi) => space.src_ranges([(address(*f, *lo), address(*f, *hi))]),
            Self::Protocol(number) => space.protocol(*number),
            Self::Ports(number, src, dst) => space.layer4(*number, &wide(*src), &wide(*dst)),
            Self::Icmp(f, types, codes) => space.icmp(*f, types.0..=types.1, codes.0..=codes.1),
            Self::Not(a) => {
                let a = a.build(space);
                space.not(a)
            }
            Self::And(a, b) => {
                let (a, b) = (a.build(space), b.build(space));
                space.and(a, b)
            }
            Self::Or(a, b) => {
                let (a, b) = (a.build(space), b.build(space));
                space.or(a, b)
            }
            Self::Minus(a, b) => {
                let (a, b) = (a.build(space), b.build(space));
                space.minus(a, b)
            }
        }
    }

    fn holds(&self, packet: &Packet) -> bool {
        let within =
            |value: u16, (lo, hi): (u8, u8)| (u16::from(lo)..=u16::from(hi)).contains(&value);
        match self {
            Self::Dst(f, lo, hi) => (address(*f, *lo)..=address(*f, *hi)).contains(&packet.dst),
            Self::Src(f, lo, hi) => (address(*f, *lo)..=address(*f, *hi)).contains(&packet.src),
            Self::Protocol(number) => packet.protocol == *number,
            Self::Ports(number, src, dst) => {
                packet.protocol == *number
                    && within(packet.src_port, *src)
                    && within(packet.dst_port, *dst)
            }
            Self::Icmp(f, types, codes) => {
                packet.protocol == if *f == Family::V4 { 1 } else { 58 }
                    && within(packet.src_port, *types)
                    && within(packet.dst_port, *codes)
            }
            Self::Not(a) => !a.holds(packet),
            Self::And(a, b) => a.holds(packet) && b.holds(packet),
            Self::Or(a, b) => a.holds(packet) || b.holds(packet),
            Self::Minus(a, b) => a.holds(packet) && !b.holds(packet),
        }
    }
}

/// Every packet over the small fields.
fn universe() -> Vec<Packet> {
    let mut packets = Vec::new();
    for family in [Family::V4, Family::V6] {
        for dst in VALUES {
            for src in VALUES {
                let (src, dst) = (address(family, src), address(family, dst));
                for protocol in PROTOCOLS {
                    if protocol == 47 {
                        packets.push(Packet::other(src, dst, protocol));
                        continue;
                    }
                    for src_port in VALUES.map(u16::from) {
                        for dst_port in VALUES.map(u16::from) {
                            packets.push(Packet { src, dst, protocol, src_port, dst_port });
                        }
                    }
                }
            }
        }
    }
    packets
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_set_contains_exactly_the_packets_its_conditions_allow(expr in expr()) {
        let mut space = Space::new();
        let set = expr.build(&mut space);
        for packet in universe() {
            prop_assert_eq!(space.contains(set, &packet), expr.holds(&packet), "{:?}", packet);
        }
        prop_assert!(!space.overflowed());
    }

    #[test]
    fn equal_sets_have_equal_ids_and_questions_agree(a in expr(), b in expr()) {
        let mut space = Space::new();
        let (x, y) = (a.build(&mut space), b.build(&mut space));
        let packets = universe();
        let truth = |e: &Expr| packets.iter().map(|p| e.holds(p)).collect::<Vec<_>>();
        let (ta, tb) = (truth(&a), truth(&b));
        prop_assert_eq!(x == y, ta == tb);
        let pairs = || ta.iter().zip(&tb);
        prop_assert_eq!(space.is_subset(x, y), pairs().all(|(a, b)| !a || *b));
        prop_assert_eq!(space.intersects(x, y), pairs().any(|(a, b)| *a && *b));
        let mut back = space.not(x);
        back = space.not(back);
        prop_assert_eq!(back, x);
    }

    #[test]
    fn the_picked_packet_is_in_the_set(expr in expr()) {
        let mut space = Space::new();
        let set = expr.build(&mut space);
        match space.pick(set) {
            None => prop_assert!(set.is_empty()),
            Some(packet) => prop_assert!(space.contains(set, &packet), "{:?}", packet),
        }
    }

    #[test]
    fn cubes_are_disjoint_and_make_up_the_set(expr in expr()) {
        let mut space = Space::new();
        let set = expr.build(&mut space);
        let cubes: Vec<Cube> = space.cubes(set).collect();
        let mut whole = Set::EMPTY;
        for cube in &cubes {
            let part = build_cube(&mut space, cube);
            prop_assert!(!part.is_empty());
            prop_assert!(!space.intersects(whole, part), "{:?} twice", cube);
            whole = space.or(whole, part);
        }
        prop_assert_eq!(whole, set);
    }

    #[test]
    fn reversing_answers_each_packet_and_twice_is_the_same_set(expr in expr()) {
        let mut space = Space::new();
        let set = expr.build(&mut space);
        for icmp in [IcmpAnswer::Same, IcmpAnswer::Echo] {
            let reversed = space.reverse(set, icmp);
            prop_assert_eq!(space.reverse(reversed, icmp), set);
            for packet in universe() {
                let answer = answer(&packet, icmp);
                prop_assert_eq!(space.contains(set, &packet), space.contains(reversed, &answer));
            }
        }
    }

    #[test]
    fn a_forgotten_field_takes_every_value(expr in expr()) {
        let mut space = Space::new();
        let set = expr.build(&mut space);
        let forgotten = space.forget(set, Field::Src);
        let mut some: HashMap<Packet, bool> = HashMap::new();
        for packet in universe() {
            let key = Packet { src: packet.dst, ..packet };
            *some.entry(key).or_default() |= expr.holds(&packet);
        }
        for packet in universe() {
            let key = Packet { src: packet.dst, ..packet };
            prop_assert_eq!(space.contains(forgotten, &packet), some[&key]);
        }
    }

    #[test]
    fn the_first_matching_rule_decides(
        rules in prop::collection::vec((expr(), any::<bool>()), 0..7),
        default in any::<bool>(),
    ) {
        let mut space = Space::new();
        let built: Vec<(Set, bool)> =
            rules.iter().map(|(expr, permit)| (expr.build(&mut space), *permit)).collect();
        let permitted = space.first_match(&built, default);
        for packet in universe().into_iter().step_by(7) {
            let decides = rules.iter().find(|(expr, _)| expr.holds(&packet));
            let expected = decides.map_or(default, |(_, permit)| *permit);
            prop_assert_eq!(space.contains(permitted, &packet), expected);
        }
    }

    #[test]
    fn between_two_addresses_is_what_the_set_says_of_them(expr in expr()) {
        let mut space = Space::new();
        let set = expr.build(&mut space);
        for packet in universe().into_iter().step_by(5) {
            let layer4 = space.between(set, packet.src, packet.dst);
            prop_assert!(space.is_layer4(layer4));
            prop_assert_eq!(space.contains(layer4, &packet), expr.holds(&packet));
        }
    }
}

fn answer(packet: &Packet, icmp: IcmpAnswer) -> Packet {
    let mut answer = Packet { src: packet.dst, dst: packet.src, ..*packet };
    match (packet.protocol, icmp) {
        (6 | 17, _) => (answer.src_port, answer.dst_port) = (packet.dst_port, packet.src_port),
        (1, IcmpAnswer::Echo) => {
            answer.src_port = match packet.src_port {
                0 => 8,
                8 => 0,
                other => other,
            }
        }
        _ => {}
    }
    answer
}

fn build_cube(space: &mut Space, cube: &Cube) -> Set {
    let ranges = |r: &[AddressRange]| r.iter().map(|r| (r.first, r.last)).collect::<Vec<_>>();
    let mut set = Set::ALL;
    if let Some(family) = cube.family {
        set = space.family(family);
    }
    if !cube.dst.is_empty() {
        let dst = space.dst_ranges(ranges(&cube.dst));
        set = space.and(set, dst);
    }
    if !cube.src.is_empty() {
        let src = space.src_ranges(ranges(&cube.src));
        set = space.and(set, src);
    }
    let layer4 = build_layer4(space, &cube.layer4);
    space.and(set, layer4)
}

fn build_layer4(space: &mut Space, cube: &Layer4Cube) -> Set {
    let or_any = |ranges: &[(u16, u16)]| match ranges {
        [] => vec![0..=u16::MAX],
        _ => ranges.iter().map(|&(lo, hi)| lo..=hi).collect::<Vec<_>>(),
    };
    let bytes_or_any = |ranges: &[(u8, u8)]| match ranges {
        [] => vec![(0, 255)],
        _ => ranges.to_vec(),
    };
    let mut parts = Vec::new();
    for &(lo, hi) in &cube.protocols {
        for number in lo..=hi {
            if cube.icmp_types.is_empty() && cube.icmp_codes.is_empty() {
                let (src, dst) = (or_any(&cube.src_ports), or_any(&cube.dst_ports));
                parts.push(space.layer4(number, &src, &dst));
                continue;
            }
            let family = if number == 1 { Family::V4 } else { Family::V6 };
            for (type_lo, type_hi) in bytes_or_any(&cube.icmp_types) {
                for (code_lo, code_hi) in bytes_or_any(&cube.icmp_codes) {
                    parts.push(space.icmp(family, type_lo..=type_hi, code_lo..=code_hi));
                }
            }
        }
    }
    if cube.protocols.is_empty() { Set::ALL } else { space.union_all(parts) }
}

#[test]
fn a_space_past_its_limit_says_so() {
    let mut space = Space::with_limit(200_000);
    let mut set = Set::EMPTY;
    for i in 0..10_000_u16 {
        let host = ipnet::Ipv4Net::from(Ipv4Addr::from(u32::from(i) * 7919));
        let (src, port) = (space.src_prefix(host.into()), i);
        let tcp = space.layer4(protocol::TCP, ANY_PORT, &[port..=port]);
        let both = space.and(src, tcp);
        set = space.or(set, both);
    }
    assert!(space.overflowed());
    assert!(space.checked(set).is_err());
    assert!(space.stats().bytes <= 200_000);
}

#[test]
fn a_condition_on_every_icmp_type_is_no_condition() {
    let mut space = Space::new();
    let icmp = space.protocol(protocol::ICMP);
    assert_eq!(space.icmp(Family::V4, ANY_BYTE, ANY_BYTE), icmp);
}

#[test]
fn ports_of_a_protocol_without_ports_match_nothing() {
    let mut space = Space::new();
    assert_eq!(space.layer4(47, ANY_PORT, &[22..=22]), Set::EMPTY);
    let gre = space.protocol(47);
    assert_eq!(space.layer4(47, ANY_PORT, ANY_PORT), gre);
}

#[test]
fn sets_read_as_people_write_them() {
    let mut space = Space::new();
    let s = &mut space;
    let ssh = s.layer4(protocol::TCP, ANY_PORT, &[22..=22, 80..=90]);
    let dns = s.layer4(protocol::UDP, ANY_PORT, &[53..=53]);
    let answers = s.layer4(protocol::TCP, &[443..=443], &[1024..=65_535]);
    let echo = s.icmp(Family::V4, 8..=8, 0..=0);
    let tcp = s.protocol(protocol::TCP);
    let smtp = s.layer4(protocol::TCP, ANY_PORT, &[25..=25]);
    let no_smtp = s.not(smtp);
    let either = s.layer4(protocol::TCP, &[443..=443], ANY_PORT);
    let either = s.or(either, smtp);
    let dns_both = s.layer4(protocol::TCP, ANY_PORT, &[53..=53]);
    let dns_both = s.or(dns_both, dns);
    let mix = s.union_all([answers, dns, echo]);
    for (set, text) in [
        (Set::ALL, "all"),
        (Set::EMPTY, "none"),
        (tcp, "tcp"),
        (ssh, "tcp dst 22,80-90"),
        (mix, "icmp 8/0; tcp src 443 dst 1024-65535; udp dst 53"),
        (no_smtp, "all but tcp dst 25"),
        (either, "tcp dst 25; tcp src 443"),
        (dns_both, "tcp,udp dst 53"),
    ] {
        assert_eq!(show::layer4(s, set), text);
    }
}

#[test]
fn sets_with_addresses_read_as_source_then_destination() {
    let mut space = Space::new();
    let src = space.src_prefix("10.0.0.0/8".parse().unwrap());
    let dst = space.dst_prefix("192.0.2.7/32".parse().unwrap());
    let https = space.layer4(protocol::TCP, ANY_PORT, &[443..=443]);
    let set = space.intersect_all([src, dst, https]);
    assert_eq!(show::set(&mut space, set, 4), "10.0.0.0/8 -> 192.0.2.7 tcp dst 443");
}

#[test]
fn an_example_looks_like_a_client() {
    let mut space = Space::new();
    let src = space.src_prefix("10.1.0.0/16".parse().unwrap());
    let dst = space.dst_prefix("10.2.0.0/24".parse().unwrap());
    let set = space.and(src, dst);
    let ip = |text: &str| text.parse().unwrap();
    assert_eq!(space.pick(set), Some(Packet::tcp(ip("10.1.0.1"), 49_152, ip("10.2.0.1"), 443)));
    assert_eq!(space.pick(Set::EMPTY), None);
}

#[test]
fn cleaning_up_keeps_the_sets_that_are_named() {
    let mut space = Space::new();
    let mut kept = space.layer4(protocol::TCP, ANY_PORT, &[22..=22]);
    for port in 0..1000 {
        space.layer4(protocol::UDP, &[port..=port], ANY_PORT);
    }
    let v6 = space.dst_prefix("2001:db8::/32".parse().unwrap());
    let mut both = space.or(kept, v6);
    let text = show::set(&mut space, both, 9);
    space.keep_only([&mut kept, &mut both]);
    assert!(space.stats().nodes < 20);
    assert_eq!(show::set(&mut space, both, 9), text);
    assert_eq!(space.layer4(protocol::TCP, ANY_PORT, &[22..=22]), kept);
}
