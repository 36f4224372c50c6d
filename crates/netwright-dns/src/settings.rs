//! What a name server holds and whom it answers: made by whoever knows the network, given to the server as JSON.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// What a name server holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whose names these are, for logs and metrics: the VPC's name.
    pub view: String,
    /// Where it listens, over UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// Where it tells its counters over HTTP; nowhere where `None`.
    pub metrics: Option<SocketAddr>,
    /// Ranges whose queries are answered; everybody's where there are none.
    pub clients: Vec<Range>,
    /// Most queries of one source in a second; 0 for no such limit.
    pub queries_per_second: u32,
    /// Most aliases that are followed for one question.
    pub most_aliases: usize,
    /// The zones that are seen, each name once.
    pub zones: Vec<Zone>,
    /// Names that are in no zone and stand for something.
    pub hosts: Vec<Host>,
    /// How queries to other servers leave.
    pub leave: Leave,
    /// What the server does wrong on purpose, in a game day; the first that fits a question decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<Trouble>,
}

/// What a server does wrong on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Names that are concerned, and all below them, without a dot at their end; all names where there are none.
    pub names: Vec<String>,
    /// Ranges whose queries are concerned; everybody's where there are none.
    pub clients: Vec<Range>,
    /// What it does.
    pub what: Wrong,
    /// It is over so many milliseconds after the server took these settings, whoever then still tells it anything; never where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<u64>,
}

/// What a server does wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// It does not answer.
    Silent,
    /// It says that it failed (SERVFAIL).
    Failure,
    /// It says that there is no such name (NXDOMAIN).
    NoName,
    /// It says these addresses.
    Addresses(Vec<IpAddr>),
    /// It answers so many milliseconds later.
    Late(u64),
}

impl Trouble {
    /// Whether a question is concerned; the name without a dot at its end.
    #[must_use]
    pub fn concerns(&self, client: IpAddr, name: &str) -> bool {
        let of_name = |own: &String| {
            let own = own.trim_end_matches('.');
            let rest = name.len().checked_sub(own.len());
            rest.is_some_and(|rest| {
                name.get(rest..).is_some_and(|tail| tail.eq_ignore_ascii_case(own))
                    && (rest == 0 || name.as_bytes().get(rest - 1) == Some(&b'.'))
            })
        };
        (self.clients.is_empty() || self.clients.iter().any(|own| own.contains(client)))
            && (self.names.is_empty() || self.names.iter().any(of_name))
    }
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// An address of it.
    pub address: IpAddr,
    /// How many of its bits all addresses of the range share.
    pub length: u8,
}

impl Range {
    /// Whether an address is in the range.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, other, bits) = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u128::from(own.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let rest = u32::saturating_sub(bits, u32::from(self.length));
        (own ^ other).checked_shr(rest).unwrap_or(0) == 0
    }
}

/// How queries to other servers leave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// The addresses that they are sent from, at most one of each family; the kernel's choice where there is none.
    pub from: Vec<IpAddr>,
    /// The mark of their packets, where they have one.
    pub mark: Option<u32>,
}

/// A zone as it is seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Its name, without a dot at its end; empty for the root.
    pub name: String,
    /// The servers that are asked instead; the zone's own records count where there are none.
    pub forward_to: Vec<SocketAddr>,
    /// Its records.
    pub records: Vec<Record>,
}

/// Records of one owner and type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The owner, fully qualified, without a dot at its end.
    pub owner: String,
    /// The type, as zone files write it.
    pub kind: String,
    /// Time to live, in seconds.
    pub ttl: u32,
    /// The values, as zone files write them; names relative to the zone unless they end in a dot or in the zone's name.
    pub values: Vec<String>,
}

/// A name that is in no zone and stands for something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The name, fully qualified, without a dot at its end.
    pub name: String,
    /// Its addresses; none where it is not said which it has.
    pub addresses: Vec<IpAddr>,
}

/// The port of name servers.
pub const PORT: u16 = 53;

/// Time to live of records for which none is said, in seconds.
pub const TTL: u32 = 300;

#[cfg(test)]
mod tests {
    use super::Range;

    #[test]
    fn a_range_holds_the_addresses_that_share_its_bits() {
        let range = |text: &str, length| Range { address: text.parse().unwrap(), length };
        let holds = |range: Range, text: &str| range.contains(text.parse().unwrap());
        assert!(holds(range("10.0.0.0", 16), "10.0.255.255"));
        assert!(!holds(range("10.0.0.0", 16), "10.1.0.0"));
        assert!(!holds(range("10.0.0.0", 16), "::ffff:a00:1"));
        assert!(holds(range("0.0.0.0", 0), "255.255.255.255"));
        assert!(holds(range("::", 0), "2001:db8::1"));
        assert!(
            holds(range("10.0.0.1", 32), "10.0.0.1") && !holds(range("10.0.0.1", 32), "10.0.0.0")
        );
    }
}
