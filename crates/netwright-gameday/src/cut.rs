//! The planner of cuts: from faults and parties to rules and elements of `nft`, in the namespaces next to the parties. It is pure.
//!
//! Each party is reached through doors: links of the namespaces next to it, which are routers. What a party sends is met where it enters a
//! router, by its door and by whom it is for; what it is sent where it leaves one, by its door and by whom it is from. So each packet is met
//! with the addresses that the party itself knows, whatever is translated in between. Every door has both, so that the way of a connection
//! is cut whoever of the two began it.
//!
//! Where several faults concern a packet, they are asked in the order in which they are written, and the first that decides about it does.
//!
//! Which packets a fault meets lies in sets from the start, before anything happens. What puts it on is one timed element for each hook and family: a
//! switch before the sets, so that thousands of pairs are cut, renewed and healed as soon as one.

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

/// The set of what a fault meets: its number, the way, the hook and the family.
fn set(fault: usize, way: usize, hook: Hook, family: u8) -> String {
    format!("f{fault}_{}_{}{family}", WAYS[way], hook.word())
}

/// The map that puts a fault on at a hook: its keys are families. The chain that it leads to has the same name.
fn switch(fault: usize, hook: Hook) -> String {
    format!("f{fault}_{}", hook.word())
}

/// The counter of a fault's way.
#[must_use]
pub fn counter(fault: usize, way: usize) -> String {
    format!("f{fault}_{}", WAYS[way])
}

/// What a fault meets in a namespace: keys by way, hook and family.
type Met = BTreeMap<(usize, Hook, u8), BTreeSet<String>>;

/// Hands on where packets of a cut are met: the way, the hook, the door, and the address that they have or go to.
fn doors<'p>(
    cut: &Cut,
    parties: &'p Parties,
    mut each: impl FnMut(usize, Hook, &'p Door, &IpAddr),
) {
    for (way, pairs) in [&cut.there, &cut.back].into_iter().enumerate() {
        for (from, to) in pairs {
            let (Some(from), Some(to)) = (parties.0.get(*from), parties.0.get(*to)) else {
                continue;
            };
            let mut put = |doors: &'p [Door], hook: Hook, addresses: &[IpAddr]| {
                for door in doors {
                    addresses.iter().for_each(|address| each(way, hook, door, address));
                }
            };
            put(&from.doors, Hook::Enters, &to.addresses);
            put(&to.doors, Hook::Leaves, &from.addresses);
        }
    }
}

/// What a fault meets, by namespace.
fn met(cut: &Cut, parties: &Parties) -> BTreeMap<String, Met> {
    let mut all: BTreeMap<String, Met> = BTreeMap::new();
    doors(cut, parties, |way, hook, door, address| {
        let met = all.entry(door.namespace.clone()).or_default();
        let keys = met.entry((way, hook, family(address))).or_default();
        keys.insert(format!("\"{}\" . {address}", door.link));
    });
    all
}

/// What switches hold while a cut is on: a family that has something to meet leads to the chain that asks for it.
#[must_use]
pub fn elements(fault: usize, cut: &Cut, parties: &Parties) -> Vec<Holds> {
    // Whom it meets lies in the kernel already: here only where, which is known without a key for each pair.
    let mut switches: BTreeMap<(&str, Hook), BTreeSet<u8>> = BTreeMap::new();
    doors(cut, parties, |_, hook, door, address| {
        switches.entry((&door.namespace, hook)).or_default().insert(family(address));
    });
    let holds = |((namespace, hook), families): ((&str, Hook), BTreeSet<u8>)| {
        let map = switch(fault, hook);
        let led = |family: u8| (format!("ipv{family}"), format!("jump {map}"));
        let elements = families.into_iter().map(led).collect();
        Holds { namespace: namespace.to_owned(), map, elements }
    };
    switches.into_iter().map(holds).collect()
}

/// The same maps with nothing in them: the cut is over.
#[must_use]
pub fn healed(held: &[Holds]) -> Vec<Holds> {
    held.iter().map(|own| Holds { elements: Vec::new(), ..own.clone() }).collect()
}

/// The rules of all namespaces next to parties that some cut concerns: they meet nothing until switches hold something. `protected` are services
/// that no cut meets.
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
    let mut spaces: BTreeMap<String, Vec<Used<'_>>> = BTreeMap::new();
    for (fault, cut) in cuts {
        for (namespace, met) in met(cut, parties) {
            spaces.entry(namespace).or_default().push((*fault, cut, met));
        }
    }
    let text = |own: &[Used<'_>]| table(called, own, protected);
    spaces.iter().map(|(name, own)| Rules { namespace: name.clone(), text: text(own) }).collect()
}

/// A cut that concerns a namespace, with what it meets there: a rule that meets nothing costs every packet a look, and the kernel some of the little
/// that it takes of one transaction.
type Used<'c> = (usize, &'c Cut, Met);

/// The families, with their words: the protocol's, and the type of its addresses.
const FAMILIES: [(u8, &str, &str); 2] = [(4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr")];

fn table(called: &str, cuts: &[Used<'_>], protected: &[Service]) -> String {
    let mut head = String::new();
    let mut hooks = [String::new(), String::new()];
    for (fault, cut, met) in cuts {
        if cut.kind == FaultKind::Kill {
            for (number, _, word) in FAMILIES {
                // Connections that were begun since: they live.
                let _fine = writeln!(
                    head,
                    "  set f{fault}_new{number} {{ type {word} . inet_service . {word} . inet_service; flags dynamic,timeout; timeout 1h; }}"
                );
            }
        }
        for way in 0..WAYS.len() {
            if met.keys().any(|(own, ..)| *own == way) {
                let _fine = writeln!(head, "  counter {} {{ }}", counter(*fault, way));
                head.push_str(&chains(*fault, way, cut, protected));
            }
        }
        for (hook, text) in [Hook::Enters, Hook::Leaves].into_iter().zip(&mut hooks) {
            let asked = sets(&mut head, *fault, hook, met);
            if asked.is_empty() {
                continue;
            }
            let switch = switch(*fault, hook);
            let _fine = write!(
                head,
                "  map {switch} {{ typeof meta nfproto : verdict; flags timeout; }}\n  chain {switch} {{\n{asked}  }}\n"
            );
            let _fine = writeln!(text, "    meta nfproto vmap @{switch}");
        }
    }
    let [enters, leaves] = hooks;
    // After connections are known (-200) and before addresses are translated (-100).
    format!(
        "table inet {called} {{\n{head}  chain enters {{\n    type filter hook prerouting priority -190; policy accept;\n{enters}  }}\n  chain leaves {{\n    type filter hook forward priority -190; policy accept;\n{leaves}  }}\n}}\n"
    )
}

/// Writes the sets of what a fault meets at a hook; the rules that ask them.
fn sets(head: &mut String, fault: usize, hook: Hook, met: &Met) -> String {
    let mut rules = String::new();
    for way in 0..WAYS.len() {
        for (number, family, word) in FAMILIES {
            let Some(keys) = met.get(&(way, hook, number)) else { continue };
            let set = set(fault, way, hook, number);
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let _fine = write!(
                head,
                "  set {set} {{\n    type ifname . {word}\n    elements = {{ {} }}\n  }}\n",
                keys.join(", ")
            );
            let key = match hook {
                Hook::Enters => format!("iifname . {family} daddr"),
                Hook::Leaves => format!("oifname . {family} saddr"),
            };
            let _fine = writeln!(rules, "    {key} @{set} jump {}", counter(fault, way));
        }
    }
    rules
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
