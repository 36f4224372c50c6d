//! Zones prepared for looking names up in them: every name that exists, in the form that it has in messages.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::settings::{self, Settings};

/// Time for which it may be remembered that a name is not there, in seconds: edits of a lab are seen soon.
pub(crate) const NEGATIVE_TTL: u32 = 60;

/// A name as a key: its labels with their lengths, in lower case, without the root's. Ancestors are suffixes.
pub(crate) type Key = Vec<u8>;

/// The key of a name.
pub(crate) fn key(name: &Name) -> Key {
    let mut key = Key::with_capacity(name.len());
    for label in name {
        key.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        key.extend(label.iter().map(u8::to_ascii_lowercase));
    }
    key
}

/// A key and those of its ancestors, from the longest to the root's.
pub(crate) fn ancestors(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(key), |key| {
        let length = usize::from(*key.first()?);
        key.get(length + 1..)
    })
}

/// A name of a description in the form of messages.
pub(crate) fn wire(text: &str) -> Result<Name, String> {
    let text = text.trim_end_matches('.');
    if text.is_empty() {
        return Ok(Name::root());
    }
    Name::from_labels(text.split('.').map(str::as_bytes))
        .map_err(|error| format!("`{text}` is no name: {error}"))
}

/// Records of one type.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) kind: RecordType,
    pub(crate) ttl: u32,
    pub(crate) data: Vec<RData>,
}

/// What a name has: none where it exists only because others lie below it.
pub(crate) type Node = Vec<Set>;

/// A zone.
#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) name: Name,
    pub(crate) forward_to: Vec<SocketAddr>,
    pub(crate) soa: SOA,
    nodes: HashMap<Key, Node>,
    /// Length of its name's key.
    depth: usize,
    delegates: bool,
}

/// What a zone says to a name.
#[derive(Debug)]
pub(crate) enum Said<'z> {
    /// The name is there.
    Here(&'z Node),
    /// Another server answers for the name: the length of the key of the part that is its own, and the name servers.
    Delegated(usize, &'z Set),
    /// The name is not there.
    Nothing,
}

impl Zone {
    fn new(name: Name, forward_to: Vec<SocketAddr>) -> Self {
        let master = name.clone();
        let responsible = Name::from_labels([&b"hostmaster"[..]])
            .and_then(|label| label.append_domain(&name))
            .unwrap_or_else(|_| name.clone());
        let soa = SOA::new(master, responsible, 1, 7200, 900, 1_209_600, NEGATIVE_TTL);
        let apex = key(&name);
        let depth = apex.len();
        let start =
            Set { kind: RecordType::SOA, ttl: NEGATIVE_TTL, data: vec![RData::SOA(soa.clone())] };
        let nodes = HashMap::from([(apex, vec![start])]);
        Self { name, forward_to, soa, nodes, depth, delegates: false }
    }

    /// Adds records, and the names between them and the zone.
    fn add(&mut self, owner: &Name, set: Set) {
        let owner = key(owner);
        self.delegates |= set.kind == RecordType::NS && owner.len() > self.depth;
        for between in ancestors(&owner).skip(1).take_while(|one| one.len() > self.depth) {
            self.nodes.entry(between.to_vec()).or_default();
        }
        let node = self.nodes.entry(owner).or_default();
        match node.iter_mut().find(|known| known.kind == set.kind) {
            Some(known) => {
                known.ttl = known.ttl.min(set.ttl);
                known.data.extend(set.data);
                known.data.dedup();
            }
            None => node.push(set),
        }
    }

    /// The start of the zone's authority, for answers that something is not there.
    pub(crate) fn start(&self) -> Record {
        Record::from_rdata(self.name.clone(), NEGATIVE_TTL, RData::SOA(self.soa.clone()))
    }

    /// The same for a name that is in no zone.
    pub(crate) fn start_of(name: &Name) -> Record {
        Self::new(name.clone(), Vec::new()).start()
    }

    /// The addresses that are written for a name, whoever answers for it.
    pub(crate) fn glue(&self, name: &[u8]) -> Vec<IpAddr> {
        let node = self.nodes.get(name).map_or(&[][..], Vec::as_slice);
        let data = node.iter().flat_map(|set| &set.data);
        data.filter_map(RData::ip_addr).collect()
    }

    /// What the zone says to a name that lies in it.
    pub(crate) fn ask(&self, name: &[u8]) -> Said<'_> {
        if self.delegates {
            for part in ancestors(name).take_while(|part| part.len() > self.depth) {
                let node = self.nodes.get(part).map_or(&[][..], Vec::as_slice);
                if let Some(servers) = node.iter().find(|set| set.kind == RecordType::NS) {
                    return Said::Delegated(part.len(), servers);
                }
            }
        }
        if let Some(node) = self.nodes.get(name) {
            return Said::Here(node);
        }
        // The closest ancestor that exists decides; its wildcard stands for what does not (RFC 4592).
        let mut above = ancestors(name).skip(1).take_while(|one| one.len() >= self.depth);
        let encloser = above.find(|one| self.nodes.contains_key(*one));
        let wildcard = encloser.and_then(|encloser| {
            let wildcard: Key = [b"\x01*", encloser].concat();
            self.nodes.get(&wildcard)
        });
        wildcard.map_or(Said::Nothing, Said::Here)
    }
}

/// All zones that are seen, and names that are in none.
#[derive(Debug, Default)]
pub(crate) struct Zones {
    zones: HashMap<Key, Zone>,
    hosts: HashMap<Key, Vec<IpAddr>>,
}

/// Names that no query leaves the machine for: RFC 6761 (`localhost`, `invalid`), RFC 6303 (addresses of private networks).
const LOCAL: [&str; 13] = [
    "localhost",
    "invalid",
    "10.in-addr.arpa",
    "168.192.in-addr.arpa",
    "127.in-addr.arpa",
    "254.169.in-addr.arpa",
    "2.0.192.in-addr.arpa",
    "100.51.198.in-addr.arpa",
    "113.0.203.in-addr.arpa",
    "0.in-addr.arpa",
    "d.f.ip6.arpa",
    "8.e.f.ip6.arpa",
    "9.e.f.ip6.arpa",
];

impl Zones {
    /// The zones of a server, and what of them cannot be answered with, in words.
    pub(crate) fn of(settings: &Settings) -> (Self, Vec<String>) {
        let (mut all, mut problems) = (Self::default(), Vec::new());
        for described in &settings.zones {
            match wire(&described.name) {
                Ok(name) => {
                    let zone = zone(name, described, &mut problems);
                    all.zones.insert(key(&zone.name), zone);
                }
                Err(why) => problems.push(format!("zone {}: {why}", described.name)),
            }
        }
        for host in &settings.hosts {
            match wire(&host.name) {
                Ok(name) => {
                    all.hosts.insert(key(&name), host.addresses.clone());
                }
                Err(why) => problems.push(why),
            }
        }
        all.add_local();
        (all, problems)
    }

    fn add_local(&mut self) {
        let half = (16..32).map(|part| format!("{part}.172.in-addr.arpa"));
        for text in LOCAL.into_iter().map(str::to_owned).chain(half) {
            let Ok(name) = wire(&text) else { continue };
            // What is described goes before: it may be a zone around this one.
            if self.find(&key(&name)).is_some() {
                continue;
            }
            let mut zone = Zone::new(name.clone(), Vec::new());
            if text == "localhost" {
                for (kind, data) in [
                    (RecordType::A, RData::A(A::new(127, 0, 0, 1))),
                    (RecordType::AAAA, RData::AAAA(AAAA::new(0, 0, 0, 0, 0, 0, 0, 1))),
                ] {
                    zone.add(&name, Set { kind, ttl: settings::TTL, data: vec![data] });
                }
            }
            self.zones.insert(key(&name), zone);
        }
    }

    /// The zone that a name lies in: the longest.
    pub(crate) fn find(&self, name: &[u8]) -> Option<&Zone> {
        ancestors(name).find_map(|part| self.zones.get(part))
    }

    /// The addresses of a name that is in no zone and stands for something.
    pub(crate) fn host(&self, name: &[u8]) -> Option<&[IpAddr]> {
        Some(self.hosts.get(name)?)
    }
}

/// What of a server's settings it cannot answer with, in words.
#[must_use]
pub fn problems(settings: &Settings) -> Vec<String> {
    Zones::of(settings).1
}

fn zone(name: Name, described: &settings::Zone, problems: &mut Vec<String>) -> Zone {
    let mut zone = Zone::new(name, described.forward_to.clone());
    for record in &described.records {
        let trouble = |why: String| {
            format!("record {} {} of zone {}: {why}", record.owner, record.kind, described.name)
        };
        let owner = match wire(&record.owner) {
            Ok(owner) => owner,
            Err(why) => {
                problems.push(trouble(why));
                continue;
            }
        };
        if !zone.name.zone_of(&owner) {
            problems.push(trouble("it is no name of the zone".to_owned()));
            continue;
        }
        let Ok(kind) = RecordType::from_str(&record.kind) else {
            problems.push(trouble("a type that is not answered".to_owned()));
            continue;
        };
        let mut data = Vec::new();
        for value in &record.values {
            match rdata(kind, value, &described.name) {
                Ok(one) => data.push(one),
                Err(why) => problems.push(trouble(why)),
            }
        }
        if kind == RecordType::CNAME {
            // A name has one alias: the first that is said.
            data.truncate(1);
        }
        // Without a value that can be told the name is there all the same.
        zone.add(&owner, Set { kind, ttl: record.ttl, data });
    }
    zone
}

/// A name as a value: relative to the zone unless it ends in a dot, or in the zone's name.
fn target(text: &str, zone: &str) -> Result<Name, String> {
    let lower = text.to_ascii_lowercase();
    let inside = |zone: &str| {
        zone.is_empty()
            || lower == zone
            || lower.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
    };
    if text == "@" {
        wire(zone)
    } else if text.ends_with('.') || inside(zone) {
        wire(text)
    } else {
        wire(&format!("{text}.{zone}"))
    }
}

fn rdata(kind: RecordType, text: &str, zone: &str) -> Result<RData, String> {
    let number = |text: Option<&str>| -> Result<u16, String> {
        let text = text.ok_or("a number is missing")?;
        text.parse().map_err(|_| format!("`{text}` is no number up to 65535"))
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let name = |at: usize| -> Result<Name, String> {
        match words.get(at..) {
            Some([only]) => target(only, zone),
            _ => Err(format!("`{text}` does not have {} parts", at + 1)),
        }
    };
    let word = |at: usize| words.get(at).copied();
    match kind {
        RecordType::A => match text.parse() {
            Ok(address) => Ok(RData::A(A(address))),
            Err(_) => Err(format!("`{text}` is no IPv4 address")),
        },
        RecordType::AAAA => match text.parse() {
            Ok(address) => Ok(RData::AAAA(AAAA(address))),
            Err(_) => Err(format!("`{text}` is no IPv6 address")),
        },
        RecordType::CNAME => Ok(RData::CNAME(CNAME(name(0)?))),
        RecordType::NS => Ok(RData::NS(NS(name(0)?))),
        RecordType::PTR => Ok(RData::PTR(PTR(name(0)?))),
        RecordType::MX => Ok(RData::MX(MX::new(number(word(0))?, name(1)?))),
        RecordType::SRV => {
            let [priority, weight, port] = [number(word(0))?, number(word(1))?, number(word(2))?];
            Ok(RData::SRV(SRV::new(priority, weight, port, name(3)?)))
        }
        RecordType::TXT => {
            Ok(RData::TXT(TXT::from_bytes(strings(text)?.iter().map(Vec::as_slice).collect())))
        }
        _ => Err(format!("records of type {kind} are not answered")),
    }
}

/// The strings of a text record: those in quotes, or the whole, in pieces that fit.
fn strings(text: &str) -> Result<Vec<Vec<u8>>, String> {
    /// Octets of one string of a record.
    const LONGEST: usize = 255;
    /// Octets of a whole record.
    const MOST: usize = 65_000;
    if text.len() > MOST {
        return Err(format!("the text has more than {MOST} octets"));
    }
    let mut found: Vec<Vec<u8>> = Vec::new();
    if text.trim_start().starts_with('"') {
        let (mut inside, mut escaped, mut current) = (false, false, Vec::new());
        for octet in text.bytes() {
            match (inside, escaped, octet) {
                (true, false, b'\\') => escaped = true,
                (true, false, b'"') => {
                    found.push(std::mem::take(&mut current));
                    inside = false;
                }
                (true, ..) => {
                    escaped = false;
                    current.push(octet);
                }
                (false, _, b'"') => inside = true,
                (false, ..) => {}
            }
        }
        if inside {
            return Err("a quote is not closed".to_owned());
        }
    } else {
        found.push(text.as_bytes().to_vec());
    }
    let pieces = found.iter().flat_map(|one| {
        let empty = one.is_empty().then(Vec::new);
        empty.into_iter().chain(one.chunks(LONGEST).map(<[u8]>::to_vec))
    });
    Ok(pieces.collect())
}

#[cfg(test)]
mod tests;
