//! What `nft monitor trace` prints of packets, read back: where each came in and left, and which rule ended it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The table that marks packets and shows which hooks they reach. Its own rules are nobody's verdict.
pub(super) const TABLE: &str = "netwright-follow";

/// What became of a packet in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// A rule, or a chain's default, dropped it.
    Dropped {
        /// Chain of the ruleset.
        chain: String,
        /// The rule as the kernel holds it; none where the chain's default decided.
        rule: Option<String>,
    },
    /// It was passed on, or sent.
    Sent,
    /// It was delivered here.
    Delivered,
    /// It came in and no hook behind the choice of its route saw it: no route carries it, or its source or size does not fit.
    NotRouted,
}

/// A packet's way through one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// The namespace.
    pub namespace: String,
    /// Source address, as the packet came in or was sent.
    pub source: String,
    /// Destination address, as the packet came in or was sent.
    pub destination: String,
    /// Protocol with its ports or its message.
    pub protocol: String,
    /// Link it came in by; none where it was sent here.
    pub came_by: Option<String>,
    /// Link it left by.
    pub left_by: Option<String>,
    /// What its time to live was: it falls by one at each router.
    pub ttl: u8,
    /// What became of it.
    pub fate: Fate,
}

impl fmt::Display for Passage {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, protocol, .. } = self;
        write!(to, "{source} → {destination} {protocol}")?;
        if let Some(link) = &self.came_by {
            write!(to, ", in by {link}")?;
        }
        match (&self.fate, &self.left_by) {
            (Fate::Sent, Some(link)) => write!(to, ", out by {link}"),
            (Fate::Sent, None) => write!(to, ", sent"),
            (Fate::Delivered, _) => write!(to, ", delivered"),
            (Fate::Dropped { chain, rule: Some(rule) }, _) => {
                write!(to, ", dropped in chain {chain}: {rule}")
            }
            (Fate::Dropped { chain, rule: None }, _) => {
                write!(to, ", dropped by the default of chain {chain}")
            }
            (Fate::NotRouted, _) => write!(to, ", no route carries it on"),
        }
    }
}

/// What is known of one packet so far.
#[derive(Debug, Default)]
struct Packet {
    order: usize,
    first: Option<Seen>,
    hooks: Vec<String>,
    left_by: Option<String>,
    dropped: Option<(String, Option<String>)>,
}

/// What a packet was where it was seen first.
#[derive(Debug)]
struct Seen {
    source: String,
    destination: String,
    protocol: String,
    came_by: Option<String>,
    ttl: u8,
}

/// The packets that a namespace's monitor told of, in the order in which they were seen first.
pub(super) fn passages(namespace: &str, lines: &[String]) -> Vec<Passage> {
    let mut packets: BTreeMap<&str, Packet> = BTreeMap::new();
    for (order, line) in lines.iter().enumerate() {
        let mut words = line.split_whitespace();
        let (Some("trace"), Some("id"), Some(id)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let (Some(_family), Some(table), Some(chain), Some(kind)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let rest = words.collect::<Vec<_>>().join(" ");
        let packet = packets.entry(id).or_insert_with(|| Packet { order, ..Packet::default() });
        packet.event(table, chain, kind, &rest);
    }
    let mut all: Vec<Packet> = packets.into_values().collect();
    all.sort_by_key(|packet| packet.order);
    all.into_iter().filter_map(|packet| packet.finish(namespace)).collect()
}

impl Packet {
    fn event(&mut self, table: &str, chain: &str, kind: &str, rest: &str) {
        match kind {
            "packet:" => {
                if table == TABLE {
                    self.hooks.push(chain.to_owned());
                }
                if let Some(link) = after(rest, "oif") {
                    self.left_by = Some(link);
                }
                if self.first.is_none() {
                    self.first = Seen::of(rest);
                }
            }
            "rule" if rest.ends_with("(verdict drop)") => {
                let rule = rest.trim_end_matches("(verdict drop)").trim_end();
                self.dropped = Some((chain.to_owned(), Some(rule.to_owned())));
            }
            "policy" if rest.starts_with("drop") => self.dropped = Some((chain.to_owned(), None)),
            _ => {}
        }
    }

    fn finish(self, namespace: &str) -> Option<Passage> {
        let reached = |hook: &str| self.hooks.iter().any(|seen| seen == hook);
        let fate = match self.dropped {
            Some((chain, rule)) => Fate::Dropped { chain, rule },
            None if reached("leaves") => Fate::Sent,
            None if reached("received") => Fate::Delivered,
            None => Fate::NotRouted,
        };
        let Seen { source, destination, protocol, came_by, ttl } = self.first?;
        let left_by = self.left_by.filter(|_| matches!(fate, Fate::Sent));
        Some(Passage {
            namespace: namespace.to_owned(),
            source,
            destination,
            protocol,
            came_by,
            left_by,
            ttl,
            fate,
        })
    }
}

impl Seen {
    fn of(text: &str) -> Option<Self> {
        let either = |v4: &str, v6: &str| after(text, v4).or_else(|| after(text, v6));
        let ports = |name: &str| {
            let from = after(text, &format!("{name} sport"))?;
            Some(format!("{name} {from} → {}", after(text, &format!("{name} dport"))?))
        };
        let message = || {
            let [v4, v6] = ["icmp", "icmpv6"].map(|name| {
                let kind = after(text, &format!("{name} type"))?;
                Some(format!("{name} {kind}"))
            });
            v4.or(v6)
        };
        let protocol = ports("tcp").or_else(|| ports("udp")).or_else(message);
        Some(Self {
            source: either("ip saddr", "ip6 saddr")?,
            destination: either("ip daddr", "ip6 daddr")?,
            protocol: protocol.unwrap_or_else(|| "of another protocol".to_owned()),
            came_by: after(text, "iif"),
            ttl: either("ip ttl", "ip6 hoplimit").and_then(|ttl| ttl.parse().ok()).unwrap_or(0),
        })
    }
}

/// The word after a field's name, without quotes.
fn after(text: &str, field: &str) -> Option<String> {
    let field = format!("{field} ");
    let start = if text.starts_with(&field) {
        field.len()
    } else {
        text.find(&format!(" {field}"))? + field.len() + 1
    };
    Some(text.get(start..)?.split(' ').next()?.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Fate, passages};

    fn told(lines: &[&str]) -> Vec<String> {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        passages("vpc/a", &lines).iter().map(ToString::to_string).collect()
    }

    const HEAD: &str = "ip saddr 10.0.0.1 ip daddr 10.0.0.2 ip dscp cs0 ip ecn not-ect ip ttl 63 ip id 1 ip protocol tcp ip length 60 tcp sport 5000 tcp dport 443 tcp flags == syn tcp window 64240";

    #[test]
    fn a_dropped_packet_names_the_rule_and_its_chain() {
        let came = format!(
            "trace id a1 inet netwright-follow came packet: iif \"i_web\" ether saddr 02:00:00:00:00:01 {HEAD}"
        );
        let met =
            format!("trace id a1 inet netwright forward packet: iif \"i_web\" oif \"i_db\" {HEAD}");
        let lines = [
            came.as_str(),
            "trace id a1 inet netwright-follow came rule meta nftrace set 1 (verdict continue)",
            "trace id a1 inet netwright-follow came policy accept",
            met.as_str(),
            "trace id a1 inet netwright forward rule jump filters (verdict jump filters)",
            "trace id a1 inet netwright filters rule tcp dport 443 drop (verdict drop)",
        ];
        assert_eq!(
            told(&lines),
            [
                "10.0.0.1 → 10.0.0.2 tcp 5000 → 443, in by i_web, dropped in chain filters: tcp dport 443 drop"
            ]
        );
    }

    #[test]
    fn a_packet_that_no_hook_behind_the_routes_sees_was_not_routed() {
        let came = format!("trace id a1 inet netwright-follow came packet: iif \"i_web\" {HEAD}");
        let lines = [came, "trace id a1 inet netwright-follow came policy accept".to_owned()];
        let found = passages("vpc/a", &lines);
        assert_eq!(found.first().map(|passage| &passage.fate), Some(&Fate::NotRouted));
    }

    #[test]
    fn a_default_that_drops_and_a_packet_that_leaves_are_told_apart() {
        let sent = format!("trace id b2 inet netwright-follow sent packet: oif \"eth0\" {HEAD}");
        let left = format!("trace id b2 inet netwright-follow leaves packet: oif \"eth0\" {HEAD}");
        let met = format!("trace id c3 inet netwright-follow came packet: iif \"p_b\" {HEAD}");
        let lines = [
            sent.as_str(),
            left.as_str(),
            met.as_str(),
            "trace id c3 inet netwright here policy drop",
        ];
        assert_eq!(
            told(&lines),
            [
                "10.0.0.1 → 10.0.0.2 tcp 5000 → 443, out by eth0",
                "10.0.0.1 → 10.0.0.2 tcp 5000 → 443, in by p_b, dropped by the default of chain here",
            ]
        );
    }

    #[test]
    fn what_is_no_line_of_a_trace_is_passed_over() {
        assert!(
            told(&["", "trace id", "trace id a inet", "something else", "trace id é é é é é"])
                .is_empty()
        );
    }
}
