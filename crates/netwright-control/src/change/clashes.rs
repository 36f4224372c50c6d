//! What a network uses that was allocated for something else, and what it takes away of which something is allocated.
//!
//! A range that was allocated of a VPC is for the subnet that it was asked for, an address of a subnet for its instance: under those names they
//! may be described, under others not. What the network used before is not told again. Who has an allocation relies on it: what it is of stays until it
//! is released, or somebody gives a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_model::network::{Network, VpcId};
use netwright_model::scalar::Prefix;
use netwright_model::source::Spanned;
use netwright_store::Entry;

use crate::alloc::block::Block;
use crate::alloc::derive::peers;
use crate::alloc::value::of_prefix;
use crate::alloc::{Allocation, Value, overlapping};

/// Ranges and addresses that are somebody's, by what they are of.
#[derive(Default)]
struct All {
    /// By VPC.
    ranges: BTreeMap<String, Vec<Allocation>>,
    /// By subnet, as `vpc/subnet`, and address.
    addresses: BTreeMap<(String, IpAddr), Allocation>,
    /// By NAT gateway.
    ports: BTreeMap<String, Vec<Allocation>>,
}

impl All {
    fn of(entries: &[Entry]) -> Self {
        let mut all = Self::default();
        for entry in entries {
            let Ok(taken) = serde_json::from_slice::<Allocation>(&entry.value) else { continue };
            let Some((kind, name)) = taken.pool.split_once(':') else { continue };
            let name = name.to_owned();
            match (kind, taken.value) {
                ("vpc" | "connectors", Value::Range(_)) => {
                    all.ranges.entry(name).or_default().push(taken);
                }
                ("subnet", Value::Address(address)) => {
                    all.addresses.insert((name, address), taken);
                }
                ("nat", Value::Ports { .. }) => all.ports.entry(name).or_default().push(taken),
                _ => {}
            }
        }
        all
    }

    fn clashes(&self, network: &Network) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let peers = if self.ranges.is_empty() { Vec::new() } else { peers(network) };
        for subnet in network.subnets.iter().filter(|_| !self.ranges.is_empty()) {
            // What is allocated of a VPC is taken in those that it is peered with, as the allocators see it.
            let vpcs = peers[subnet.vpc.index()].iter().copied().chain([subnet.vpc]);
            let taken: Vec<&Allocation> =
                vpcs.filter_map(|vpc| self.ranges.get(&network[vpc].name)).flatten().collect();
            for cidr in &subnet.cidrs {
                let meets = |taken: &&&Allocation| {
                    taken.value.block().is_some_and(|block| block.overlaps(of_prefix(*cidr)))
                };
                for taken in taken.iter().filter(meets) {
                    let Allocation { pool, value, purpose, owner, .. } = taken;
                    let own = pool.ends_with(&format!(":{}", network[subnet.vpc].name));
                    let is = *value == Value::Range(*cidr) && is_for(purpose, &[&subnet.name]);
                    if !(own && is) {
                        let name = &subnet.name;
                        found.insert(format!(
                            "subnet {name} uses {cidr}, and {value} is allocated for {purpose} by {owner}"
                        ));
                    }
                }
            }
        }
        if self.addresses.is_empty() {
            return found;
        }
        for interface in &network.interfaces {
            let subnet = &network[interface.subnet].name;
            for address in &interface.addresses {
                let Some(taken) = self.addresses.get(&(subnet.clone(), *address)) else { continue };
                if !is_for(&taken.purpose, &[&interface.name, &network[interface.owner].name]) {
                    let (name, Allocation { purpose, owner, .. }) = (&interface.name, taken);
                    found.insert(format!(
                        "{name} uses {address}, which is allocated for {purpose} by {owner}"
                    ));
                }
            }
        }
        found
    }

    /// Ranges that were allocated of two VPCs and overlap, where the new network peers them and the old one did not.
    fn meet(&self, old: &Network, new: &Network) -> Vec<String> {
        let before = peered(old);
        let mut found = Vec::new();
        for (one, other) in peered(new).difference(&before) {
            let (Some(one), Some(other)) = (self.ranges.get(*one), self.ranges.get(*other)) else {
                continue;
            };
            // Of each of them, nothing overlaps anything else.
            let (one, other) = (blocks(one), blocks(other));
            let met = one.iter().flat_map(|(block, one)| {
                overlapping(&other, *block).map(move |(_, other)| (*one, *other))
            });
            found.extend(met.map(|(one, other)| {
                let said = |taken: &Allocation| {
                    let Allocation { pool, value, purpose, owner, .. } = taken;
                    format!("{value} of `{pool}` (for {purpose} by {owner})")
                };
                format!("it peers VPCs: {} and {} overlap", said(one), said(other))
            }));
        }
        found
    }

    /// What is allocated of something that the old network has and the new one has not.
    fn left_alone(&self, old: &Network, new: &Network) -> Vec<String> {
        let mut found = Vec::new();
        for (vpc, all) in &self.ranges {
            let (before, after) = (ranges_of(old, vpc), ranges_of(new, vpc));
            let gone = all.iter().filter(|taken| has(before, taken) && !has(after, taken));
            found.extend(of_what("VPC", vpc, gone));
        }
        let subnets = |network: &Network| -> BTreeMap<String, Vec<Prefix>> {
            let named = network.subnets.iter();
            named.map(|subnet| (subnet.name.clone(), subnet.cidrs.clone())).collect()
        };
        let (before, after) = (subnets(old), subnets(new));
        let mut addresses: BTreeMap<&str, Vec<&Allocation>> = BTreeMap::new();
        for ((subnet, address), taken) in &self.addresses {
            let within = |of: &BTreeMap<String, Vec<Prefix>>| {
                of.get(subnet).is_some_and(|cidrs| cidrs.iter().any(|c| c.contains(*address)))
            };
            if within(&before) && !within(&after) {
                addresses.entry(subnet).or_default().push(taken);
            }
        }
        for (subnet, all) in addresses {
            found.extend(of_what("subnet", subnet, all.into_iter()));
        }
        let there = |network: &Network, nat: &str| network.nats.iter().any(|one| one.name == nat);
        for (nat, all) in &self.ports {
            if there(old, nat) && !there(new, nat) {
                found.extend(of_what("NAT gateway", nat, all.iter()));
            }
        }
        found
    }
}

/// The ranges that were given for a VPC; none where there is no such VPC.
fn ranges_of<'a>(network: &'a Network, vpc: &str) -> Option<&'a [Spanned<Prefix>]> {
    let mut written = network.description.vpcs.iter();
    written.find(|(name, _)| name.value == vpc).map(|(_, written)| &written.cidrs[..])
}

/// Whether a VPC has a range that is allocated. One without ranges of its own has any.
fn has(vpc: Option<&[Spanned<Prefix>]>, taken: &Allocation) -> bool {
    let Value::Range(range) = taken.value else { return false };
    vpc.is_some_and(|cidrs| {
        cidrs.is_empty() || cidrs.iter().any(|cidr| cidr.value.contains_prefix(&range))
    })
}

/// By what they are.
fn blocks(all: &[Allocation]) -> BTreeMap<Block, &Allocation> {
    all.iter().filter_map(|taken| Some((taken.value.block()?, taken))).collect()
}

/// Names of VPCs that are peered, those of each pair in order.
fn peered(network: &Network) -> BTreeSet<(&str, &str)> {
    let name = |vpc: VpcId| network[vpc].name.as_str();
    let all = peers(network).into_iter().enumerate().flat_map(|(index, peers)| {
        let one = VpcId::at(index);
        peers.into_iter().map(move |other| (one, other))
    });
    all.map(|(one, other)| (name(one), name(other))).filter(|(one, other)| one < other).collect()
}

/// That something is no longer there of which this is allocated; none where nothing is.
fn of_what<'a>(
    kind: &str,
    name: &str,
    mut all: impl Iterator<Item = &'a Allocation>,
) -> Option<String> {
    let Allocation { value, purpose, owner, .. } = all.next()?;
    let more = match all.count() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(format!(
        "{kind} {name} would no longer have {value}, which is allocated for {purpose} by {owner}{more}: release it first"
    ))
}

/// Whether something is one of some names, be it with its kind or without, and a subnet without its VPC.
fn is_for(purpose: &str, names: &[&str]) -> bool {
    let bare = purpose.split_once(':').map_or(purpose, |(_, name)| name);
    let is = |name: &&str| *name == bare || name.rsplit('/').next() == Some(bare);
    names.iter().any(is)
}

/// What a new network uses that was allocated for something else, and the old one did not; and of what it takes something away that is allocated.
#[must_use]
pub fn clashes(entries: &[Entry], old: &Network, new: &Network) -> Vec<String> {
    let all = All::of(entries);
    let before = all.clashes(old);
    let mut found: Vec<String> =
        all.clashes(new).into_iter().filter(|clash| !before.contains(clash)).collect();
    if !all.ranges.is_empty() {
        found.extend(all.meet(old, new));
    }
    found.extend(all.left_alone(old, new));
    found
}

#[cfg(test)]
mod tests {
    use netwright_model::source::Sources;
    use netwright_store::{Entry, Revision};

    use super::clashes;

    fn entry(value: &str) -> Entry {
        Entry {
            key: "allocations/x".into(),
            value: value.to_owned().into(),
            created: Revision(1),
            modified: Revision(1),
            version: 1,
            lease: None,
        }
    }

    #[test]
    fn what_is_allocated_is_for_whom_it_was_asked() {
        let load = |text: &str| {
            netwright_model::load("x", text, &mut Sources::default()).expect("a network")
        };
        let old =
            load("vpcs: { prod: { cidr: 10.0.0.0/16, subnets: { a: { cidr: 10.0.1.0/24 } } } }");
        let new = load(
            "vpcs: { prod: { cidr: 10.0.0.0/16, subnets: { a: { cidr: 10.0.1.0/24 }, b: { cidr: 10.0.2.0/24 } } } }\n\
             instances: { i: { subnet: b, address: 10.0.2.9 } }\n",
        );
        let range = |purpose: &str, value: &str| {
            entry(&format!(
                r#"{{"pool":"vpc:prod","value":"{value}","for":"{purpose}","owner":"me","sequence":1,"at":"2026-11-21T12:00:00Z"}}"#
            ))
        };
        assert_eq!(clashes(&[range("subnet:prod/b", "10.0.2.0/24")], &old, &new), [""; 0]);
        assert_eq!(clashes(&[range("b", "10.0.2.0/24")], &old, &new), [""; 0]);
        assert_eq!(clashes(&[range("other", "10.0.2.128/25")], &old, &new).len(), 1);
        assert_eq!(clashes(&[range("other", "10.0.1.128/25")], &old, &new).len(), 0, "as before");
        // Of a VPC that it is peered with, also under the same name.
        let peered = format!(
            "{}peerings: {{ p: {{ vpcs: [prod, other] }} }}\n",
            "vpcs: { prod: { subnets: { b: { cidr: 10.0.2.0/24 } } }, other: { cidr: 10.1.0.0/16 } }\n"
        );
        let beyond = entry(
            r#"{"pool":"vpc:other","value":"10.0.2.0/24","for":"b","owner":"me","sequence":1,"at":"2026-11-21T12:00:00Z"}"#,
        );
        assert_eq!(clashes(&[beyond], &old, &load(&peered)).len(), 1);
        let address = |purpose: &str| {
            entry(&format!(
                r#"{{"pool":"subnet:prod/b","value":"10.0.2.9","for":"{purpose}","owner":"me","sequence":1,"at":"2026-11-21T12:00:00Z"}}"#
            ))
        };
        assert_eq!(clashes(&[address("instance:i")], &old, &new), [""; 0]);
        let clash = clashes(&[address("instance:other")], &old, &new);
        assert_eq!(clash, ["i uses 10.0.2.9, which is allocated for instance:other by me"]);
    }

    fn load(text: &str) -> netwright_model::network::Network {
        netwright_model::load("x", text, &mut Sources::default()).expect("a network")
    }

    fn taken(pool: &str, value: &str) -> Entry {
        entry(&format!(
            r#"{{"pool":"{pool}","value":"{value}","for":"x","owner":"me","sequence":1,"at":"2026-11-21T12:00:00Z"}}"#
        ))
    }

    #[test]
    fn what_something_is_allocated_of_is_not_taken_away() {
        let vpc = |cidr: &str, subnets: &str| {
            load(&format!("vpcs: {{ v: {{ cidr: {cidr}, subnets: {{ {subnets} }} }} }}\n"))
        };
        let both = "a: { cidr: 10.0.1.0/24 }, b: { cidr: 10.0.2.0/24 }";
        let (old, without) =
            (vpc("10.0.0.0/16", both), vpc("10.0.0.0/16", "a: { cidr: 10.0.1.0/24 }"));
        let own =
            [taken("subnet:v/b", "10.0.2.9"), taken("subnet:v/b", "10.0.2.10"), taken("vni", "7")];
        let why = "subnet v/b would no longer have 10.0.2.9, which is allocated for x by me, and 1 more: release it first";
        assert_eq!(clashes(&own, &old, &without), [why]);
        assert_eq!(clashes(&own, &without, &without), [""; 0], "it was gone before");
        assert_eq!(clashes(&own, &without, &old), [""; 0]);
        let smaller = vpc("10.0.0.0/16", "a: { cidr: 10.0.1.0/24 }, b: { cidr: 10.0.2.0/28 }");
        assert_eq!(clashes(&own, &old, &smaller), [""; 0], "it is within what is left");
        let moved = vpc("10.0.0.0/16", "a: { cidr: 10.0.1.0/24 }, b: { cidr: 10.0.3.0/24 }");
        assert_eq!(clashes(&own, &old, &moved).len(), 1);
        let range = [taken("vpc:v", "10.0.128.0/24")];
        assert_eq!(clashes(&range, &old, &vpc("10.0.0.0/17", both)).len(), 1);
        assert_eq!(clashes(&range, &old, &load("vpcs: { w: { cidr: 10.0.0.0/16 } }\n")).len(), 1);
    }

    #[test]
    fn vpcs_whose_allocations_overlap_are_not_peered() {
        let text = "vpcs: { a: { subnets: { s: { cidr: 10.1.0.0/24 } } }, b: { subnets: { s: { cidr: 10.2.0.0/24 } } } }\n";
        let peered = format!("{text}peerings: {{ p: {{ vpcs: [a, b] }} }}\n");
        let (old, new) = (load(text), load(&peered));
        let own = [taken("vpc:a", "10.3.0.0/24"), taken("vpc:b", "10.3.0.128/25")];
        assert_eq!(
            clashes(&own, &old, &new),
            [
                "it peers VPCs: 10.3.0.0/24 of `vpc:a` (for x by me) and 10.3.0.128/25 of `vpc:b` (for x by me) overlap"
            ]
        );
        assert_eq!(clashes(&own, &new, &new), [""; 0]);
        assert_eq!(clashes(&own[..1], &old, &new), [""; 0]);
    }
}
