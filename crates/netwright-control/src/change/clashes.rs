//! What a network uses that was allocated for something else.
//!
//! A range that was allocated of a VPC is for the subnet that it was asked for, an address of a subnet for its instance: under those names they
//! may be described, under others not. What the network used before is not told again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_model::network::Network;
use netwright_model::scalar::{Prefix, Scalar};
use netwright_store::Entry;
use serde::Deserialize;

/// What is read of an allocation.
#[derive(Debug, Deserialize)]
struct Taken {
    pool: String,
    value: serde_json::Value,
    #[serde(rename = "for")]
    purpose: String,
    owner: String,
}

/// Ranges and addresses that are somebody's, by what they are of.
#[derive(Default)]
struct All {
    /// By VPC.
    ranges: BTreeMap<String, Vec<(Prefix, Taken)>>,
    /// By subnet, as `vpc/subnet`, and address.
    addresses: BTreeMap<(String, IpAddr), Taken>,
}

impl All {
    fn of(entries: &[Entry]) -> Self {
        let mut all = Self::default();
        for entry in entries {
            let Ok(taken) = serde_json::from_slice::<Taken>(&entry.value) else { continue };
            let Some(value) = taken.value.as_str().map(str::to_owned) else { continue };
            let (kind, name) = taken.pool.split_once(':').unwrap_or_default();
            let name = name.to_owned();
            match kind {
                "vpc" | "connectors" => {
                    if let Ok(range) = Prefix::parse_scalar(&value) {
                        all.ranges.entry(name).or_default().push((range, taken));
                    }
                }
                "subnet" => {
                    if let Ok(address) = value.parse() {
                        all.addresses.insert((name, address), taken);
                    }
                }
                _ => {}
            }
        }
        all
    }

    fn clashes(&self, network: &Network) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for subnet in &network.subnets {
            let taken = self.ranges.get(&network[subnet.vpc].name);
            for (cidr, (range, taken)) in subnet
                .cidrs
                .iter()
                .flat_map(|cidr| taken.into_iter().flatten().map(move |t| (cidr, t)))
            {
                let meets = cidr.first() <= range.last() && range.first() <= cidr.last();
                let own = *cidr == *range && is_for(&taken.purpose, &[&subnet.name]);
                if cidr.is_v4() == range.is_v4() && meets && !own {
                    let (name, Taken { purpose, owner, .. }) = (&subnet.name, taken);
                    found.insert(format!(
                        "subnet {name} uses {cidr}, and {range} is allocated for {purpose} by {owner}"
                    ));
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
                    let (name, Taken { purpose, owner, .. }) = (&interface.name, taken);
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
                r#"{{"pool":"vpc:prod","value":"{value}","for":"{purpose}","owner":"me"}}"#
            ))
        };
        assert_eq!(clashes(&[range("subnet:prod/b", "10.0.2.0/24")], &old, &new), [""; 0]);
        assert_eq!(clashes(&[range("b", "10.0.2.0/24")], &old, &new), [""; 0]);
        assert_eq!(clashes(&[range("other", "10.0.2.128/25")], &old, &new).len(), 1);
        assert_eq!(clashes(&[range("other", "10.0.1.128/25")], &old, &new).len(), 0, "as before");
        let address = |purpose: &str| {
            entry(&format!(
                r#"{{"pool":"subnet:prod/b","value":"10.0.2.9","for":"{purpose}","owner":"me"}}"#
            ))
        };
        assert_eq!(clashes(&[address("instance:i")], &old, &new), [""; 0]);
        let clash = clashes(&[address("instance:other")], &old, &new);
        assert_eq!(clash, ["i uses 10.0.2.9, which is allocated for instance:other by me"]);
    }
}
