//! What a network uses that was allocated for something else.
//!
//! A range that was allocated of a VPC is for the subnet that it was asked for, an address of a subnet for its instance: under those names they
//! may be described, under others not. What the network used before is not told again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_model::network::Network;
use netwright_store::Entry;

use crate::alloc::derive::peers;
use crate::alloc::value::of_prefix;
use crate::alloc::{Allocation, Value};

/// Ranges and addresses that are somebody's, by what they are of.
#[derive(Default)]
struct All {
    /// By VPC.
    ranges: BTreeMap<String, Vec<Allocation>>,
    /// By subnet, as `vpc/subnet`, and address.
    addresses: BTreeMap<(String, IpAddr), Allocation>,
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
}

/// Whether something is one of some names, be it with its kind or without, and a subnet without its VPC.
fn is_for(purpose: &str, names: &[&str]) -> bool {
    let bare = purpose.split_once(':').map_or(purpose, |(_, name)| name);
    let is = |name: &&str| *name == bare || name.rsplit('/').next() == Some(bare);
    names.iter().any(is)
}

/// What a new network uses that was allocated for something else, and the old one did not.
#[must_use]
pub fn clashes(entries: &[Entry], old: &Network, new: &Network) -> Vec<String> {
    let all = All::of(entries);
    let before = all.clashes(old);
    all.clashes(new).into_iter().filter(|clash| !before.contains(clash)).collect()
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
}
