//! Compiles access lists to exact sets: 941 `ClassBench` rules, and random rules with ranges in both
//! ports, which are the hard case. Joined as a tree, and one by one as most tools do.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use ipnet::{IpNet, Ipv4Net};
use netwright_verify::space::{ANY_PORT, Set, Space, protocol};

/// What a rule matches, before it is a set.
struct Rule {
    src: IpNet,
    dst: IpNet,
    protocol: Option<u8>,
    src_ports: (u16, u16),
    dst_ports: (u16, u16),
}

impl Rule {
    fn set(&self, space: &mut Space) -> Set {
        let (src, dst) = (space.src_prefix(self.src), space.dst_prefix(self.dst));
        let layer4 = match self.protocol {
            None => Set::ALL,
            Some(number) if protocol::has_ports(number) => {
                let range = |(lo, hi)| [lo..=hi];
                space.layer4(number, &range(self.src_ports), &range(self.dst_ports))
            }
            Some(number) => space.protocol(number),
        };
        space.intersect_all([src, dst, layer4])
    }
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/networks/classbench-rules/acl1_seed_1.rules"
    );
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let rules: Vec<Rule> = text.lines().filter_map(parse).collect();
            compile(&mut out, "ClassBench", &rules, true)?;
        }
        Err(_) => writeln!(out, "ClassBench: skipped, the rules are not on this machine")?,
    }
    compile(&mut out, "random ranges", &random_rules(1_000), true)?;
    compile(&mut out, "random ranges", &random_rules(3_000), false)?;
    repeat(&mut out)
}

/// `@source destination low : high low : high protocol/mask`.
fn parse(line: &str) -> Option<Rule> {
    let words: Vec<&str> = line.trim_start_matches('@').split_whitespace().collect();
    let [src, dst, src_lo, _, src_hi, dst_lo, _, dst_hi, protocol] = words[..] else { return None };
    let (number, mask) = protocol.split_once('/')?;
    let number = u8::from_str_radix(number.trim_start_matches("0x"), 16).ok()?;
    Some(Rule {
        src: src.parse().ok()?,
        dst: dst.parse().ok()?,
        protocol: (mask != "0x00").then_some(number),
        src_ports: (src_lo.parse().ok()?, src_hi.parse().ok()?),
        dst_ports: (dst_lo.parse().ok()?, dst_hi.parse().ok()?),
    })
}

/// Rules between subnets of one /16 with a range in both ports.
fn random_rules(count: usize) -> Vec<Rule> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = |below: u16| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u16::try_from(state % u64::from(below)).unwrap_or(0)
    };
    let mut rule = || {
        let mut net = || {
            let [second, third] = [next(16), next(16)].map(|n| u8::try_from(n).unwrap_or(0));
            let length = 20 + u8::try_from(next(3) * 4).unwrap_or(0);
            let address = Ipv4Addr::new(10, 0, second, third << 4);
            IpNet::from(Ipv4Net::new_assert(address, length)).trunc()
        };
        let (src, dst) = (net(), net());
        let mut range = || {
            let (a, b) = (next(65_535), next(65_535));
            (a.min(b), a.max(b))
        };
        let (src_ports, dst_ports) = (range(), range());
        Rule { src, dst, protocol: Some(protocol::TCP), src_ports, dst_ports }
    };
    (0..count).map(|_| rule()).collect()
}

fn compile(out: &mut impl Write, name: &str, rules: &[Rule], both: bool) -> std::io::Result<()> {
    let prepare = || {
        let mut space = Space::with_limit(8 << 30);
        // Without actions of their own, every third rule denies.
        let sets = rules.iter().enumerate().map(|(i, rule)| (rule.set(&mut space), i % 3 != 0));
        let sets: Vec<(Set, bool)> = sets.collect();
        (space, sets)
    };
    writeln!(out, "{name}, {} rules", rules.len())?;
    let (mut space, sets) = prepare();
    let start = Instant::now();
    let as_tree = space.first_match(&sets, false);
    report(out, "as a tree", start, &space)?;
    if both {
        let start = Instant::now();
        let (mut permitted, mut decided) = (Set::EMPTY, Set::EMPTY);
        let (mut space, sets) = prepare();
        for &(matched, permit) in &sets {
            let new = space.minus(matched, decided);
            permitted = if permit { space.or(permitted, new) } else { permitted };
            decided = space.or(decided, matched);
        }
        report(out, "one by one", start, &space)?;
        let again = space.first_match(&sets, false);
        writeln!(out, "  the same set: {}", again == permitted && !as_tree.is_empty())?;
    }
    Ok(())
}

fn report(out: &mut impl Write, how: &str, start: Instant, space: &Space) -> std::io::Result<()> {
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    let stats = space.stats();
    let state = if space.overflowed() { ", OVERFLOWED" } else { "" };
    writeln!(
        out,
        "  {how:<10} {milliseconds:9.2} ms, {} nodes, {} edges, {} KiB{state}",
        stats.nodes,
        stats.edges,
        stats.bytes >> 10
    )
}

/// Intersections of the small sets that firewall rules are made of, as the prover repeats them.
fn repeat(out: &mut impl Write) -> std::io::Result<()> {
    let mut space = Space::new();
    let sets: Vec<Set> = (0..200_u16)
        .map(|i| {
            let ports = [i * 7..=i * 7 + 400, 20_000 + i..=20_000 + 2 * i];
            space.layer4(if i % 3 == 0 { protocol::UDP } else { protocol::TCP }, ANY_PORT, &ports)
        })
        .collect();
    let mut kept = 0_usize;
    for round in ["first", "repeated"] {
        let times = if round == "first" { 1 } else { 100 };
        let start = Instant::now();
        for _ in 0..times {
            for &a in &sets {
                for &b in &sets {
                    kept += usize::from(!space.and(a, b).is_empty());
                }
            }
        }
        let each = start.elapsed().as_secs_f64() * 1e9 / f64::from(times * 200 * 200);
        writeln!(out, "intersection of two rule bodies, {round}: {each:.1} ns")?;
    }
    let packets = [80, 700].map(|port| {
        let address: IpAddr = Ipv4Addr::LOCALHOST.into();
        netwright_verify::space::Packet::tcp(address, 50_000, address, port)
    });
    let start = Instant::now();
    for _ in 0..100 {
        for &set in &sets {
            kept += packets.iter().filter(|packet| space.contains(set, packet)).count();
        }
    }
    let each = start.elapsed().as_secs_f64() * 1e9 / f64::from(100 * 200 * 2);
    writeln!(out, "is a packet in the set: {each:.1} ns ({kept} answers were yes)")
}
