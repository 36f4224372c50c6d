//! Names through DNS zones, as somebody in a VPC would have them answered.
//!
//! A resolver sees the public zones and those private ones that its VPC is named for; the longest zone that a name lies in answers, a private
//! one before a public one of the same name (split horizon). Inside a zone: an exact owner, then the wildcard of the closest ancestor that
//! exists (RFC 4592). An alias is followed one query a hop, with a visited set and a limit, so that a loop is told as a loop.

pub mod asked;
pub mod seen;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_model::language::{DnsRecord, RecordType};
use netwright_model::network::{Network, VpcId};
use netwright_model::source::Span;

/// Most aliases that are followed.
pub const MOST_ALIASES: usize = 16;

/// A record that took part in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// The name that was asked.
    pub name: String,
    /// The zone that answered.
    pub zone: String,
    /// What it says: addresses or the next name.
    pub says: String,
    /// It is a wildcard's record.
    pub wildcard: bool,
    /// Where the record was written.
    pub span: Span,
}

/// How a resolution ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Addresses, sorted.
    Addresses(Vec<IpAddr>),
    /// The names stand for each other: from the first of the circle back to it.
    Loop(Vec<String>),
    /// More aliases than anybody follows.
    TooLong,
    /// The zone has no such name.
    NoName {
        /// The name.
        name: String,
        /// The zone that would hold it.
        zone: String,
    },
    /// The name is there and has no address.
    NoAddress {
        /// The name.
        name: String,
        /// The zone.
        zone: String,
    },
    /// No zone of the description that the asker sees holds the name.
    Elsewhere(String),
    /// The zone is answered by servers, or by name servers that it is delegated to, which are not described.
    Forwarded {
        /// The zone, or the part of it that is delegated.
        zone: String,
        /// Where it was written.
        span: Span,
    },
}

/// A resolution: what was used on the way, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The name that was asked, fully qualified, without its dot.
    pub name: String,
    /// Records on the way, in order.
    pub used: Vec<Used>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Resolution {
    /// Whether it failed for sure.
    #[must_use]
    pub fn fails(&self) -> bool {
        matches!(
            self.outcome,
            Outcome::Loop(_)
                | Outcome::TooLong
                | Outcome::NoName { .. }
                | Outcome::NoAddress { .. }
        )
    }

    /// The names on the way and why there is no address, as a sentence without full stop. `None` where there is one.
    #[must_use]
    pub fn chain(&self) -> Option<String> {
        let why = self.why()?;
        let Some(first) = self.used.first() else { return Some(why) };
        let says = self.used.iter().map(|used| used.says.as_str());
        let names: Vec<&str> = std::iter::once(first.name.as_str()).chain(says).collect();
        // A circle tells all its names itself.
        Some(match self.outcome {
            Outcome::Loop(_) => why,
            _ => format!("{}; {why}", names.join(" → ")),
        })
    }

    /// Why there is no address, as a sentence without full stop. `None` where there is one.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        Some(match &self.outcome {
            Outcome::Addresses(_) => return None,
            Outcome::Loop(circle) => {
                format!("these names stand for each other: {}", circle.join(" → "))
            }
            Outcome::TooLong => {
                format!("{} goes on over more than {MOST_ALIASES} aliases", self.name)
            }
            Outcome::NoName { name, zone } => format!("zone {zone} has no {name}"),
            Outcome::NoAddress { name, zone } => format!("{name} of zone {zone} has no address"),
            Outcome::Elsewhere(name) => {
                format!("no zone of the description that is seen from there holds {name}")
            }
            Outcome::Forwarded { zone, .. } => {
                format!("{zone} is answered by servers whose answers are not described")
            }
        })
    }
}

/// One record of an owner.
#[derive(Debug, Clone)]
struct Record {
    kind: RecordType,
    values: Vec<String>,
    /// In seconds, where it is said.
    ttl: Option<u32>,
    span: Span,
}

#[derive(Debug)]
struct Zone {
    /// Its name, in lower case without its dot.
    domain: String,
    /// VPCs that see it; `None` for a public one.
    seen_by: Option<BTreeSet<VpcId>>,
    /// Servers that answer for the zone.
    forward_to: Vec<IpAddr>,
    span: Span,
    owners: BTreeMap<String, Vec<Record>>,
    /// Every name that exists: owners and what lies between them and the zone (empty non-terminals).
    exists: BTreeSet<String>,
}

/// An owner of records, with whom it is seen by.
#[derive(Debug)]
pub(crate) struct Owner<'n> {
    pub(crate) name: &'n str,
    pub(crate) zone: &'n str,
    /// It is a name of the zone.
    pub(crate) inside: bool,
    /// It has an alias record.
    pub(crate) alias: bool,
    /// VPCs that see the zone; everybody where it is public.
    pub(crate) viewers: Vec<Option<VpcId>>,
    pub(crate) span: Span,
}

/// A name that is hidden by a private zone.
#[derive(Debug)]
pub(crate) struct Hidden<'n> {
    pub(crate) name: &'n str,
    /// One of the VPCs that does not find it.
    pub(crate) vpc: VpcId,
    pub(crate) span: Span,
    /// The private zone.
    pub(crate) by: Span,
}

/// All zones of a network.
#[derive(Debug)]
pub struct Names {
    zones: Vec<Zone>,
}

/// A name in lower case without its last dot.
fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Whether a name lies in a zone.
fn lies_in(name: &str, zone: &str) -> bool {
    zone.is_empty()
        || name == zone
        || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}

/// A name of a zone, fully qualified. One that ends in a dot, or in the zone's own name, is taken as it is.
fn qualified(name: &str, domain: &str) -> String {
    let lower = name.to_ascii_lowercase();
    match lower.strip_suffix('.') {
        Some(whole) => whole.to_owned(),
        None if lower == "@" => domain.to_owned(),
        None if lies_in(&lower, domain) => lower,
        None => format!("{lower}.{domain}"),
    }
}

impl Record {
    fn of(record: &DnsRecord, domain: &str) -> Self {
        let first = record.values.first().map(|value| value.value.as_str());
        let kind = record.r#type.as_ref().map_or_else(
            || match first.map(str::parse::<IpAddr>) {
                Some(Ok(IpAddr::V4(_))) | None => RecordType::A,
                Some(Ok(IpAddr::V6(_))) => RecordType::Aaaa,
                Some(Err(_)) => RecordType::Cname,
            },
            |kind| kind.value,
        );
        let value = |text: &str| match kind {
            RecordType::Cname => qualified(text, domain),
            _ => text.to_owned(),
        };
        Self {
            kind,
            values: record.values.iter().map(|text| value(&text.value)).collect(),
            ttl: record.ttl.as_ref().map(|ttl| ttl.value),
            span: *record.span,
        }
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let holds = matches!(self.kind, RecordType::A | RecordType::Aaaa);
        self.values.iter().filter(move |_| holds).filter_map(|value| value.parse().ok())
    }
}

/// What a zone says to a name.
enum Said<'z> {
    Records(&'z [Record], bool),
    Delegated(String, Span),
    Nothing,
}

impl Zone {
    /// The records of a name: its own, those of the wildcard that stands for it, or none; or whom that part of the zone is delegated to.
    fn ask(&self, name: &str) -> Said<'_> {
        for ancestor in ancestors(name).filter(|ancestor| *ancestor != self.domain) {
            if !lies_in(ancestor, &self.domain) {
                break;
            }
            let records = self.owners.get(ancestor).map_or(&[][..], Vec::as_slice);
            if let Some(record) = records.iter().find(|record| record.kind == RecordType::Ns) {
                return Said::Delegated(ancestor.to_owned(), record.span);
            }
        }
        if let Some(records) = self.owners.get(name) {
            return Said::Records(records, false);
        }
        if self.exists.contains(name) {
            return Said::Records(&[], false);
        }
        let encloser = ancestors(name).skip(1).find(|ancestor| self.exists.contains(*ancestor));
        let wildcard = encloser.map(|encloser| format!("*.{encloser}"));
        match wildcard.filter(|wildcard| self.exists.contains(wildcard)) {
            // It may be there only because others lie below it: then it stands for the name, which has nothing (RFC 4592, section 4.9).
            Some(wildcard) => {
                Said::Records(self.owners.get(&wildcard).map_or(&[][..], Vec::as_slice), true)
            }
            None => Said::Nothing,
        }
    }
}

/// A name and its ancestors, from the longest to the shortest.
fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, rest)| rest))
}

impl Names {
    /// The zones of a network.
    #[must_use]
    pub fn of(network: &Network) -> Self {
        let vpc = |wanted: &str| {
            let known = network.vpcs.iter();
            let mut found = known
                .enumerate()
                .filter(|(_, vpc)| vpc.name == wanted || vpc.id.as_deref() == Some(wanted));
            found.next().map(|(index, _)| VpcId::at(index))
        };
        let zones = network.description.dns_zones.iter().map(|(key, zone)| {
            let domain = plain(zone.domain.as_ref().map_or(&key.value, |domain| &domain.value));
            let mut owners: BTreeMap<String, Vec<Record>> = BTreeMap::new();
            for record in &zone.records {
                let owner = qualified(&record.name.value, &domain);
                owners.entry(owner).or_default().push(Record::of(record, &domain));
            }
            let mut exists = BTreeSet::from([domain.clone()]);
            for owner in owners.keys() {
                let inside = ancestors(owner).take_while(|name| lies_in(name, &domain));
                exists.extend(inside.map(str::to_owned));
            }
            let private = !zone.vpcs.is_empty();
            Zone {
                seen_by: private
                    .then(|| zone.vpcs.iter().filter_map(|name| vpc(&name.value)).collect()),
                forward_to: zone.forward_to.iter().map(|server| server.value).collect(),
                span: key.span,
                domain,
                owners,
                exists,
            }
        });
        Self { zones: zones.collect() }
    }

    /// Every owner of every zone, in the order of the zones and of the names.
    pub(crate) fn owners(&self) -> impl Iterator<Item = Owner<'_>> {
        self.zones.iter().flat_map(|zone| {
            zone.owners.iter().map(|(name, records)| Owner {
                name,
                zone: &zone.domain,
                inside: lies_in(name, &zone.domain),
                alias: records.iter().any(|record| record.kind == RecordType::Cname),
                viewers: match &zone.seen_by {
                    None => vec![None],
                    Some(vpcs) => vpcs.iter().copied().map(Some).collect(),
                },
                span: records.first().map_or(zone.span, |record| record.span),
            })
        })
    }

    /// Names of public zones that a VPC does not find, because a private zone of the same name answers there. Once for each name.
    pub(crate) fn hidden(&self) -> Vec<Hidden<'_>> {
        let mut found = Vec::new();
        for public in
            self.zones.iter().filter(|zone| zone.seen_by.is_none() && zone.forward_to.is_empty())
        {
            for private in self.zones.iter().filter(|zone| zone.domain == public.domain) {
                let Some(vpc) = private.seen_by.as_ref().and_then(|vpcs| vpcs.first()) else {
                    continue;
                };
                let missing = public.owners.iter().filter(|(name, records)| {
                    let host = records.iter().any(|r| {
                        matches!(r.kind, RecordType::A | RecordType::Aaaa | RecordType::Cname)
                    });
                    host && **name != public.domain
                        && private.forward_to.is_empty()
                        && matches!(private.ask(name), Said::Nothing)
                });
                found.extend(missing.map(|(name, records)| Hidden {
                    name,
                    vpc: *vpc,
                    span: records.first().map_or(public.span, |record| record.span),
                    by: private.span,
                }));
            }
        }
        found
    }

    /// The zone that answers for a name as seen from a VPC, or from outside.
    fn zone(&self, from: Option<VpcId>, name: &str) -> Option<&Zone> {
        let sees = |zone: &&Zone| {
            zone.seen_by.as_ref().is_none_or(|vpcs| from.is_some_and(|vpc| vpcs.contains(&vpc)))
        };
        let holding = self.zones.iter().filter(sees).filter(|zone| lies_in(name, &zone.domain));
        holding.max_by_key(|zone| (zone.domain.len(), zone.seen_by.is_some()))
    }

    /// Whether some zone that is seen from there answers for a name.
    #[must_use]
    pub fn answers(&self, from: Option<VpcId>, name: &str) -> bool {
        self.zone(from, &plain(name)).is_some()
    }

    /// Resolves a name to addresses of both families, as seen from a VPC, or from outside.
    #[must_use]
    pub fn resolve(&self, from: Option<VpcId>, name: &str) -> Resolution {
        let mut used: Vec<Used> = Vec::new();
        let first = plain(name);
        let mut current = first.clone();
        let outcome = loop {
            let asked: Vec<&String> = used.iter().map(|used| &used.name).collect();
            if let Some(start) = asked.iter().position(|name| **name == current) {
                let circle = asked[start..].iter().map(|name| (*name).clone());
                break Outcome::Loop(circle.chain([current]).collect());
            }
            if used.len() >= MOST_ALIASES {
                break Outcome::TooLong;
            }
            let Some(zone) = self.zone(from, &current) else { break Outcome::Elsewhere(current) };
            if !zone.forward_to.is_empty() {
                break Outcome::Forwarded { zone: zone.domain.clone(), span: zone.span };
            }
            let (records, wildcard) = match zone.ask(&current) {
                Said::Records(records, wildcard) => (records, wildcard),
                Said::Delegated(zone, span) => break Outcome::Forwarded { zone, span },
                Said::Nothing => {
                    break Outcome::NoName { name: current, zone: zone.domain.clone() };
                }
            };
            let use_of = |record: &Record, says: String| Used {
                name: current.clone(),
                zone: zone.domain.clone(),
                says,
                wildcard,
                span: record.span,
            };
            let alias = records.iter().find(|record| record.kind == RecordType::Cname);
            if let Some((record, target)) = alias.and_then(|r| Some((r, r.values.first()?))) {
                used.push(use_of(record, target.clone()));
                current.clone_from(target);
                continue;
            }
            let mut addresses: Vec<IpAddr> = Vec::new();
            for record in records.iter().filter(|record| record.addresses().next().is_some()) {
                let own: Vec<String> = record.addresses().map(|a| a.to_string()).collect();
                used.push(use_of(record, own.join(", ")));
                addresses.extend(record.addresses());
            }
            addresses.sort();
            addresses.dedup();
            break if addresses.is_empty() {
                Outcome::NoAddress { name: current, zone: zone.domain.clone() }
            } else {
                Outcome::Addresses(addresses)
            };
        };
        Resolution { name: first, used, outcome }
    }
}

#[cfg(test)]
mod tests;
