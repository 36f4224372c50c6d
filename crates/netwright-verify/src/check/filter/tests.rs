//! Rules that change nothing, against the one-packet interpreter: every packet that the rules can tell apart is asked.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::network::{InterfaceId, Network, SiteId};
use netwright_model::source::Sources;

use crate::check::check;
use crate::interpreter::{Answer, Origin, connection};
use crate::space::Packet;

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % (bound.max(1) as u64)).unwrap()
    }

    fn of(&mut self, choices: &[&str]) -> String {
        choices[self.below(choices.len())].to_owned()
    }
}

/// The site sends from each part of these.
const SITE: [&str; 6] = [
    "192.168.0.0/29",
    "192.168.0.0/30",
    "192.168.0.4/30",
    "192.168.0.2/31",
    "192.168.0.5/32",
    "192.168.0.0/16",
];
const INSIDE: [&str; 8] = [
    "10.0.1.4/30",
    "10.0.1.4/31",
    "10.0.1.6/32",
    "10.0.1.0/24",
    "0.0.0.0/0",
    "group:one",
    "group:two",
    "group:both",
];

/// A rule of the filter that is looked at, without its action.
#[derive(Clone)]
struct Draft {
    priority: usize,
    deny: bool,
    protocol: String,
    ports: Option<(usize, usize)>,
    from: Vec<String>,
    tagged: bool,
}

impl Draft {
    fn random(random: &mut Random, ordered: bool, peers: &[&str], place: usize) -> Self {
        let protocol = random.of(&["tcp", "tcp", "tcp", "udp", "any"]);
        let low = 1 + random.below(4);
        let ports =
            (protocol != "any" && random.below(3) > 0).then(|| (low, low + random.below(3)));
        let from = (0..1 + random.below(2)).map(|_| random.of(peers)).collect();
        let deny = random.below(3) == 0 && (ordered || random.below(3) == 0);
        let grouped = peers.len() == INSIDE.len();
        let tagged = grouped && ordered && random.below(3) == 0;
        Self { priority: 10 + place, deny, protocol, ports, from, tagged }
    }

    fn write(&self, name: usize) -> String {
        let ports = self.ports.map_or_else(String::new, |(a, b)| format!(", port: {a}-{b}"));
        let tagged = if self.tagged { ", targets: [\"tag:yes\"]" } else { "" };
        format!(
            "      - {{ name: r{name}, direction: ingress, priority: {}, action: {}, protocol: {}{ports}, from: [{}]{tagged} }}\n",
            self.priority,
            if self.deny { "deny" } else { "allow" },
            self.protocol,
            self.from.iter().map(|peer| format!("\"{peer}\"")).collect::<Vec<_>>().join(", "),
        )
    }
}

fn network(rules: &[(usize, Draft)], ordered: bool) -> (Network, BTreeSet<(String, usize)>) {
    let rules: String = rules.iter().map(|(name, rule)| rule.write(*name)).collect();
    let text = format!(
        "
vpcs:
  p:
    cidr: 10.0.0.0/16
    subnets: {{ s: {{ cidr: 10.0.1.0/24 }} }}
    route_tables: {{ main: {{ routes: [ {{ to: 192.168.0.0/16, via: \"vpn:v\" }} ] }} }}
    main_route_table: main
sites: {{ site: {{ cidr: 192.168.0.0/16 }} }}
vpns: {{ v: {{ vpc: p, site: site }} }}
instances:
  to: {{ subnet: s, address: 10.0.1.50, filters: tested }}
  tagged: {{ subnet: s, address: 10.0.1.51, filters: tested, tags: [\"yes\"] }}
  a: {{ subnet: s, address: 10.0.1.4, filters: [one, both] }}
  b: {{ subnet: s, address: 10.0.1.5, filters: [one, both] }}
  c: {{ subnet: s, address: 10.0.1.6, filters: [two, both] }}
  d: {{ subnet: s, address: 10.0.1.7, filters: [two, both] }}
  e: {{ subnet: s, address: 10.0.1.9 }}
filters:
  one: {{ default_egress: allow, default_ingress: allow }}
  two: {{ default_egress: allow, default_ingress: allow }}
  both: {{ default_egress: allow, default_ingress: allow }}
  tested:
    ordered: {ordered}
    default_egress: allow
    rules:
{rules}"
    );
    let mut sources = Sources::default();
    let network = netwright_model::load("test.yaml", &text, &mut sources)
        .unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"));
    let found = check(&network)
        .into_iter()
        .filter(|finding| finding.id.starts_with("NW-FLT-"))
        .filter_map(|finding| {
            let named = finding.message.strip_prefix("rule r")?;
            let digits: String = named.chars().take_while(char::is_ascii_digit).collect();
            Some((finding.id.to_owned(), digits.parse().ok()?))
        })
        .collect();
    (network, found)
}

/// The verdict of every packet that the rules can tell apart.
fn verdicts(network: &Network) -> Vec<bool> {
    let at = |text: &str| -> IpAddr { text.parse().unwrap() };
    let origin = |name: &str| {
        let position = network.interfaces.iter().position(|row| row.name == name).unwrap();
        Origin::Interface(InterfaceId::at(position))
    };
    let mut senders: Vec<(Origin, IpAddr)> = ["a", "b", "c", "d", "e"]
        .iter()
        .zip(["10.0.1.4", "10.0.1.5", "10.0.1.6", "10.0.1.7", "10.0.1.9"])
        .map(|(name, address)| (origin(name), at(address)))
        .collect();
    let outside = (0..8).map(|last| format!("192.168.0.{last}"));
    let outside = outside.chain(["192.168.9.9".to_owned()]);
    senders.extend(outside.map(|text| (Origin::Site(SiteId::at(0)), at(&text))));
    let mut all = Vec::new();
    for to in ["10.0.1.50", "10.0.1.51"] {
        for (origin, src) in &senders {
            for port in 0..9 {
                for packet in [
                    Packet::tcp(*src, 50_000, at(to), port),
                    Packet::udp(*src, 50_000, at(to), port),
                    Packet::other(*src, at(to), 50),
                ] {
                    let answer = connection(network, *origin, packet);
                    all.push(matches!(answer, Answer::Reachable { .. }));
                }
            }
        }
    }
    all
}

const NEVER: [&str; 3] = ["NW-FLT-001", "NW-FLT-003", "NW-FLT-008"];

fn soundness(seed: u64, ordered: bool, peers: &[&str]) -> usize {
    let mut random = Random(seed);
    let count = 2 + random.below(5);
    let rules: Vec<(usize, Draft)> = (0..count)
        .map(|place| (place, Draft::random(&mut random, ordered, peers, place)))
        .collect();
    let (whole, found) = network(&rules, ordered);
    let before = verdicts(&whole);
    let without = |rule: usize| {
        let rest: Vec<_> = rules.iter().filter(|(name, _)| *name != rule).cloned().collect();
        verdicts(&network(&rest, ordered).0)
    };
    let flipped = |rule: usize| {
        let mut rest = rules.clone();
        rest[rule].1.deny = !rest[rule].1.deny;
        verdicts(&network(&rest, ordered).0)
    };
    for (id, rule) in &found {
        let never = NEVER.contains(&id.as_str());
        if never || id == "NW-FLT-002" {
            assert!(without(*rule) == before, "seed {seed}: {id} of rule {rule}");
        }
        if never && ordered {
            assert!(flipped(*rule) == before, "seed {seed}: {id} of rule {rule} decides");
        }
    }
    // The converse: rules that name prefixes only, where every packet is asked.
    if peers == SITE {
        for rule in 0..count {
            let told = found.iter().any(|(id, name)| {
                *name == rule && (NEVER.contains(&id.as_str()) || id == "NW-FLT-002")
            });
            let idle = if ordered { flipped(rule) == before } else { false };
            assert!(told || !idle, "seed {seed}: rule {rule} decides nothing and is not found");
            // Of two that say the same, the second is told.
            let twins = found.iter().any(|(id, _)| id == "NW-FLT-003");
            // Nothing changes without it. Where only the default stands in for it, that is no finding: so for denies.
            assert!(
                told || twins || rules[rule].1.deny || without(rule) != before,
                "seed {seed} {ordered}: rule {rule} changes nothing and is not found: {found:?}\n{}",
                rules.iter().map(|(name, rule)| rule.write(*name)).collect::<String>()
            );
        }
    }
    found.len()
}

#[test]
fn a_rule_that_is_found_superfluous_changes_no_verdict_and_one_that_changes_none_is_found() {
    let mut told = 0;
    for seed in 0..150 {
        told += soundness(seed, true, &SITE);
        told += soundness(seed, false, &SITE);
    }
    assert!(told > 40, "{told}");
}

#[test]
fn with_groups_and_targets_a_rule_that_is_found_superfluous_changes_no_verdict() {
    let mut told = 0;
    for seed in 100..160 {
        told += soundness(seed, true, &INSIDE);
        told += soundness(seed, false, &INSIDE);
    }
    assert!(told > 40, "{told}");
}
