//! Counters of the data path, by name: packets and octets of rules, of links, and of translations.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::link::{LinkAttribute, Stats64};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::socket::Netlink;
use super::{Failure, Kernel, enter, queue, ruleset};
use crate::plan::nft::BACKENDS;

/// What a counter counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// A rule of the description, by its filter's and its own name; all lines that it became together. It counts what it decided: the
    /// first packet of each connection for filters that keep state.
    Rule(String),
    /// A translation of addresses: connections that it was made for.
    Translation(String),
    /// A load balancer's backend, by its listener's and its own name: connections that were sent to it.
    Backend(String),
    /// What a link received.
    Received(String),
    /// What a link sent.
    Sent(String),
    /// What a link could not send or receive, and what its queue dropped.
    Lost(String),
}

/// A counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// The namespace.
    pub namespace: String,
    /// What it counts.
    pub counted: Counted,
    /// Packets. They begin anew when the ruleset that holds a rule is loaded anew.
    pub packets: u64,
    /// Octets; none where only packets are counted.
    pub octets: Option<u64>,
}

/// What an end of a link sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets that left it.
    pub packets: u64,
    /// Packets that its queue dropped; none where it has no queue.
    pub dropped: Option<u64>,
}

/// Packets and octets.
type Sum = (u64, Option<u64>);

impl Kernel {
    /// All counters, sorted by namespace and by what they count.
    ///
    /// # Errors
    ///
    /// A namespace that cannot be read.
    pub fn counters(&self) -> Result<Vec<Counter>, Failure> {
        let found = self.gathered(|namespace, space| {
            let name = &namespace.name;
            let failed = |error: std::io::Error| Failure::refused(name, "reading counters", error);
            enter(space.descriptor.as_fd()).map_err(failed)?;
            let mut sums = links().map_err(failed)?;
            let queues = Netlink::here().and_then(|mut netlink| queue::all(&mut netlink));
            for (index, queue) in queues.map_err(failed)? {
                // What a queue drops the link itself does not count.
                let own = space.links.iter().find(|(_, own)| **own == index);
                if let Some((link, _)) = own.filter(|_| queue.is_ours()) {
                    let (lost, _) = sums.entry(Counted::Lost(link.clone())).or_default();
                    *lost += queue.dropped;
                }
            }
            rules(&ruleset::listed(name)?, &mut sums);
            Ok(sums)
        })?;
        let all = found.into_iter().flat_map(|(namespace, sums)| {
            sums.into_iter().map(move |(counted, (packets, octets))| Counter {
                namespace: namespace.clone(),
                counted,
                packets,
                octets,
            })
        });
        Ok(all.collect())
    }
}

impl Kernel {
    /// What every end of every link sent, by its namespace and its name there.
    ///
    /// # Errors
    ///
    /// A namespace that cannot be read.
    pub fn sent(&self) -> Result<BTreeMap<(String, String), Sent>, Failure> {
        let found = self.gathered(|namespace, space| {
            let name = &namespace.name;
            let failed = |error: std::io::Error| Failure::refused(name, "reading counters", error);
            enter(space.descriptor.as_fd()).map_err(failed)?;
            let queues = Netlink::here().and_then(|mut netlink| queue::all(&mut netlink));
            let (queues, sums) = (queues.map_err(failed)?, links().map_err(failed)?);
            let own = sums.into_iter().filter_map(|(counted, (packets, _))| {
                let Counted::Sent(link) = counted else { return None };
                let queue = space.index(&link).and_then(|index| queues.get(&index));
                let dropped = queue.filter(|queue| queue.is_ours()).map(|queue| queue.dropped);
                Some((link, Sent { packets, dropped }))
            });
            Ok(own.collect::<Vec<_>>())
        })?;
        let all = found.into_iter().flat_map(|(namespace, own)| {
            own.into_iter().map(move |(link, sent)| ((namespace.clone(), link), sent))
        });
        Ok(all.collect())
    }
}

/// Counters of the links of the namespace that the calling thread is in.
fn links() -> std::io::Result<BTreeMap<Counted, Sum>> {
    let mut sums = BTreeMap::new();
    for message in Netlink::here()?.dump(Message::GetLink(Default::default()))? {
        let Message::NewLink(message) = message else { continue };
        let (mut name, mut stats) = (String::new(), None::<Stats64>);
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(own) => name = own,
                LinkAttribute::Stats64(own) => stats = Some(own),
                _ => {}
            }
        }
        let Some(stats) = stats.filter(|_| name != "lo") else { continue };
        sums.insert(Counted::Received(name.clone()), (stats.rx_packets, Some(stats.rx_bytes)));
        sums.insert(Counted::Sent(name.clone()), (stats.tx_packets, Some(stats.tx_bytes)));
        let lost = stats.rx_dropped + stats.tx_dropped + stats.rx_errors + stats.tx_errors;
        sums.insert(Counted::Lost(name), (lost, None));
    }
    Ok(sums)
}

/// Adds the counters of a ruleset as `nft -j` lists it.
fn rules(listed: &Value, sums: &mut BTreeMap<Counted, Sum>) {
    let objects = listed.get("nftables").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut add = |counted: Counted, counter: &Value| {
        let number = |key: &str| counter.get(key).and_then(Value::as_u64).unwrap_or_default();
        let (packets, octets) = sums.entry(counted).or_insert((0, Some(0)));
        *packets += number("packets");
        *octets = octets.map(|octets| octets + number("bytes"));
    };
    for object in objects {
        if let Some(rule) = object.get("rule") {
            let name = rule.get("comment").and_then(Value::as_str);
            let parts = rule.get("expr").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let counter = parts.iter().find_map(|part| part.get("counter"));
            if let (Some(name), Some(counter)) = (name, counter) {
                add(Counted::Rule(name.to_owned()), counter);
            }
        }
        for kind in ["set", "map"] {
            let elements = object.get(kind).and_then(|set| set.get("elem"));
            let called = object.get(kind).and_then(|set| set.get("name")).and_then(Value::as_str);
            let of_backends = called.is_some_and(|name| name.starts_with(BACKENDS));
            for element in elements.and_then(Value::as_array).map_or(&[][..], Vec::as_slice) {
                // Of a map each element is a pair of key and value.
                let key = element.get(0).unwrap_or(element);
                let Some(element) = key.get("elem") else { continue };
                let name = element.get("comment").and_then(Value::as_str);
                let Some((name, counter)) = name.zip(element.get("counter")) else { continue };
                let counted = match kind {
                    _ if of_backends => Counted::Backend(name.to_owned()),
                    "set" => Counted::Rule(name.to_owned()),
                    _ => Counted::Translation(name.to_owned()),
                };
                add(counted, counter);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Counted, rules};

    #[test]
    fn counters_of_a_rules_lines_and_elements_are_added_under_its_name() {
        let counter = |packets: u64| json!({"packets": packets, "bytes": packets * 100});
        let listed = json!({"nftables": [
            {"metainfo": {}},
            {"set": {"name": "s", "elem": [
                {"elem": {"val": {"concat": ["10.0.0.1", 7]}, "comment": "db: x", "counter": counter(2)}},
                "10.0.0.9",
            ]}},
            {"map": {"name": "m", "elem": [
                [{"elem": {"val": "10.0.0.1", "comment": "nat: 198.51.100.1", "counter": counter(3)}}, "198.51.100.1"],
                ["10.0.0.2", "198.51.100.2"],
            ]}},
            {"map": {"name": "backends_ip", "elem": [
                [{"elem": {"val": {"range": [0, 65535]}, "comment": "lb l: web", "counter": counter(4)}}, "10.0.0.2"],
            ]}},
            {"rule": {"comment": "db: x", "expr": [{"match": {}}, {"counter": counter(5)}, {"drop": null}]}},
            {"rule": {"expr": [{"counter": counter(7)}]}},
        ]});
        let mut sums = std::collections::BTreeMap::new();
        rules(&listed, &mut sums);
        let found: Vec<_> = sums.into_iter().collect();
        assert_eq!(
            found,
            [
                (Counted::Rule("db: x".to_owned()), (7, Some(700))),
                (Counted::Translation("nat: 198.51.100.1".to_owned()), (3, Some(300))),
                (Counted::Backend("lb l: web".to_owned()), (4, Some(400))),
            ]
        );
    }
}
