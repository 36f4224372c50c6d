//! The planner of cuts: from faults and parties to rules and elements of `nft`, in the namespaces next to the parties. It is pure.
//!
//! Each party is reached through doors: links of the namespaces next to it, which are routers. What a party sends is met where it enters a
//! router, by its door and by whom it is for; what it is sent where it leaves one, by its door and by whom it is from. So each packet is met
//! with the addresses that the party itself knows, whatever is translated in between. Every door has both, so that the way of a connection
//! is cut whoever of the two began it.
//!
//! Where several faults concern a packet, they are asked in the order in which they are written, and the first that decides about it does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;

use netwright_lab::faults::{Holds, Rules, TABLE};
use netwright_model::scalar::Service;

use crate::language::FaultKind;
use crate::parties::{Door, Parties};

/// A pair of parties that a fault concerns: what the first sends to the second.
pub type Ordered = (usize, usize);

/// What a cut does to the packets that it meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Its kind: one that rules can do.
    pub kind: FaultKind,
    /// Packets of these pairs that go the way of requests to `services`.
    pub there: BTreeSet<Ordered>,
    /// Packets of these pairs that go the way of answers.
    pub back: BTreeSet<Ordered>,
    /// Only what begins a connection.
    pub initiation: bool,
    /// Only these services; all where there are none.
    pub services: Vec<Service>,
    /// Share of the packets, in 1/100,000; all of them for 100,000.
    pub share: u32,
    /// Octets a second that pass, for [`FaultKind::Rate`].
    pub octets: u64,
}

/// What packets a map meets: those that enter a router by the door, or that leave by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hook {
    Enters,
    Leaves,
}

impl Hook {
    fn word(self) -> &'static str {
        match self {
            Self::Enters => "in",
            Self::Leaves => "out",
        }
    }
}

const WAYS: [&str; 2] = ["there", "back"];

fn family(address: &IpAddr) -> u8 {
    if address.is_ipv4() { 4 } else { 6 }
}

/// A map's name: the fault's number, the way, the hook and the family.
fn map(fault: usize, way: usize, hook: Hook, family: u8) -> String {
    format!("f{fault}_{}_{}{family}", WAYS[way], hook.word())
}

/// The counter of a fault's way.
#[must_use]
pub fn counter(fault: usize, way: usize) -> String {
    format!("f{fault}_{}", WAYS[way])
}

/// Elements of a fault: by namespace and map, the keys with their verdicts.
type Elements = BTreeMap<(String, String), BTreeSet<(String, String)>>;

/// What maps hold while a cut is on.
#[must_use]
pub fn elements(fault: usize, cut: &Cut, parties: &Parties) -> Vec<Holds> {
    let mut all = Elements::new();
    for (way, pairs) in [&cut.there, &cut.back].into_iter().enumerate() {
        for (from, to) in pairs {
            let (Some(from), Some(to)) = (parties.0.get(*from), parties.0.get(*to)) else {
                continue;
            };
            let mut put = |doors: &[Door], hook: Hook, addresses: &[IpAddr]| {
                for door in doors {
                    for address in addresses {
                        let map = map(fault, way, hook, family(address));
                        let key = format!("\"{}\" . {address}", door.link);
                        let verdict = format!("jump {}", counter(fault, way));
                        all.entry((door.namespace.clone(), map))
                            .or_default()
                            .insert((key, verdict));
                    }
                }
            };
            put(&from.doors, Hook::Enters, &to.addresses);
            put(&to.doors, Hook::Leaves, &from.addresses);
        }
    }
    let holds = |((namespace, map), elements): ((String, String), BTreeSet<(String, String)>)| {
        Holds { namespace, map, elements: elements.into_iter().collect() }
    };
    all.into_iter().map(holds).collect()
}

/// The same maps with nothing in them: the cut is over.
#[must_use]
pub fn healed(held: &[Holds]) -> Vec<Holds> {
    held.iter().map(|own| Holds { elements: Vec::new(), ..own.clone() }).collect()
}

/// The rules of all namespaces next to parties that some cut concerns: they meet nothing until maps hold something. `protected` are services that
/// no cut meets.
#[must_use]
pub fn rules(cuts: &[(usize, Cut)], parties: &Parties, protected: &[Service]) -> Vec<Rules> {
    rules_in(TABLE, cuts, parties, protected)
}

/// The same in a table of another name.
#[must_use]
pub fn rules_in(
    called: &str,
    cuts: &[(usize, Cut)],
    parties: &Parties,
    protected: &[Service],
) -> Vec<Rules> {
    let mut spaces: BTreeMap<String, Used<'_>> = BTreeMap::new();
    for (place, (fault, cut)) in cuts.iter().enumerate() {
        for own in elements(*fault, cut, parties) {
            let used = spaces.entry(own.namespace).or_default();
            used.entry(place).or_insert_with(|| (*fault, cut, BTreeSet::new())).2.insert(own.map);
        }
    }
    let text = |own: &Used<'_>| table(called, own.values(), protected);
    spaces.iter().map(|(name, own)| Rules { namespace: name.clone(), text: text(own) }).collect()
}

/// The cuts that concern a namespace, in their order, each with the maps that will hold something there: a rule that meets nothing costs every
/// packet a look, and the kernel some of the little that it takes of one transaction.
type Used<'c> = BTreeMap<usize, (usize, &'c Cut, BTreeSet<String>)>;

fn table<'c>(
    called: &str,
    cuts: impl Iterator<Item = &'c (usize, &'c Cut, BTreeSet<String>)>,
    protected: &[Service],
) -> String {
    let mut head = String::new();
    let mut hooks = [String::new(), String::new()];
    for (fault, cut, used) in cuts {
        if cut.kind == FaultKind::Kill {
            for (number, word) in [(4, "ipv4_addr"), (6, "ipv6_addr")] {
                // Connections that were begun since: they live.
                let _fine = writeln!(
                    head,
                    "  set f{fault}_new{number} {{ type {word} . inet_service . {word} . inet_service; flags dynamic,timeout; timeout 1h; }}"
                );
            }
        }
        for way in 0..WAYS.len() {
            let name = counter(*fault, way);
            let before = head.len();
            for (number, word) in [(4, "ipv4_addr"), (6, "ipv6_addr")] {
                for (hook, text) in [Hook::Enters, Hook::Leaves].into_iter().zip(&mut hooks) {
                    let map = map(*fault, way, hook, number);
                    if !used.contains(&map) {
                        continue;
                    }
                    let _fine = writeln!(
                        head,
                        "  map {map} {{ type ifname . {word} : verdict; flags timeout; }}"
                    );
                    let family = if number == 4 { "ip" } else { "ip6" };
                    let key = match hook {
                        Hook::Enters => format!("iifname . {family} daddr"),
                        Hook::Leaves => format!("oifname . {family} saddr"),
                    };
                    let _fine = writeln!(text, "    {key} vmap @{map}");
                }
            }
            if head.len() > before {
                let _fine = writeln!(head, "  counter {name} {{ }}");
                head.push_str(&chains(*fault, way, cut, protected));
            }
        }
    }
    let [enters, leaves] = hooks;
    // After connections are known (-200) and before addresses are translated (-100).
    format!(
        "table inet {called} {{\n{head}  chain enters {{\n    type filter hook prerouting priority -190; policy accept;\n{enters}  }}\n  chain leaves {{\n    type filter hook forward priority -190; policy accept;\n{leaves}  }}\n}}\n"
    )
}

/// A service as `nft` matches it, in the packets of requests or of answers.
fn matches(service: &Service, answers: bool) -> String {
    match service {
        Service::Any => String::new(),
        Service::Ports { protocol, ports } => {
            let end = if answers { "sport" } else { "dport" };
            format!("meta l4proto {protocol} th {end} {}-{} ", ports.first, ports.last)
        }
        Service::Icmp { protocol, .. } | Service::Protocol(protocol) => {
            format!("meta l4proto {protocol} ")
        }
    }
}

/// The chain that packets of a way jump to, and the one that does it.
fn chains(fault: usize, way: usize, cut: &Cut, protected: &[Service]) -> String {
    let name = counter(fault, way);
    let mut text = format!("  chain {name}_does {{\n");
    for rule in does(fault, cut, &name) {
        let _fine = writeln!(text, "    {rule}");
    }
    let _fine = write!(text, "  }}\n  chain {name} {{\n");
    for service in protected {
        for answers in [false, true] {
            let _fine = writeln!(text, "    {}return", matches(service, answers));
        }
    }
    let mut goes: Vec<String> =
        cut.services.iter().map(|service| matches(service, way == 1)).collect();
    if goes.is_empty() {
        goes.push(String::new());
    }
    let chance = if cut.share < 100_000 {
        format!("numgen random mod 100000 < {} ", cut.share)
    } else {
        String::new()
    };
    for of_service in goes {
        if cut.initiation {
            let _fine = writeln!(
                text,
                "    {of_service}tcp flags & (syn | ack) == syn {chance}goto {name}_does"
            );
            let _fine = writeln!(
                text,
                "    {of_service}meta l4proto != tcp ct state new {chance}goto {name}_does"
            );
        } else {
            let _fine = writeln!(text, "    {of_service}{chance}goto {name}_does");
        }
    }
    text.push_str("  }\n");
    text
}

/// What is done to a packet that is met.
fn does(fault: usize, cut: &Cut, name: &str) -> Vec<String> {
    let count = format!("counter name {name}");
    match cut.kind {
        FaultKind::Reject => vec![format!("{count} reject with icmpx type admin-prohibited")],
        FaultKind::Reset => vec![
            // A reset in answer to a reset would go on for ever.
            format!("tcp flags & rst == rst {count} drop"),
            format!("meta l4proto tcp {count} reject with tcp reset"),
            format!("{count} drop"),
        ],
        FaultKind::Hold => vec![
            // What is said ends with a segment that is pushed; before it are long ones. Acknowledgements are short and not pushed.
            format!("tcp flags & psh == psh {count} drop"),
            format!("meta l4proto tcp meta length > 140 {count} drop"),
            format!("meta l4proto != tcp {count} drop"),
        ],
        FaultKind::Kill => {
            let mut rules = vec!["meta l4proto != tcp return".to_owned()];
            for (number, family) in [(4, "ip"), (6, "ip6")] {
                let set = format!("@f{fault}_new{number}");
                let there = format!("{family} saddr . tcp sport . {family} daddr . tcp dport");
                let back = format!("{family} daddr . tcp dport . {family} saddr . tcp sport");
                rules.push(format!("tcp flags & (syn | ack) == syn add {set} {{ {there} }}"));
                rules.push(format!("{there} {set} return"));
                rules.push(format!("{back} {set} return"));
            }
            rules.push("tcp flags & rst == rst return".to_owned());
            rules.push(format!("{count} reject with tcp reset"));
            rules
        }
        FaultKind::Rate => {
            let (rate, burst) = (cut.octets.max(1), (cut.octets / 10).max(3_000));
            vec![format!("limit rate over {rate} bytes/second burst {burst} bytes {count} drop")]
        }
        _ => vec![format!("{count} drop")],
    }
}

#[cfg(test)]
mod tests;
