//! What a name server must hold to answer as the prover resolves: the zones that somebody sees, and the names that are in none.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netwright_model::language::{EndpointRef, RecordType};
use netwright_model::network::{Network, VpcId};

use super::{Names, Zone};
use crate::ask::points;

/// A zone as somebody sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenZone<'n> {
    /// Its name, in lower case without its dot.
    pub domain: &'n str,
    /// The servers that answer for it; the records count where there are none.
    pub forward_to: &'n [IpAddr],
    /// Its records, sorted by owner.
    pub records: Vec<SeenRecord<'n>>,
}

/// Records of one owner and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRecord<'n> {
    /// The owner, fully qualified, in lower case without its dot.
    pub owner: &'n str,
    /// The type.
    pub kind: RecordType,
    /// Time to live in seconds, where it is said.
    pub ttl: Option<u32>,
    /// The values as they were written; an alias fully qualified, without its dot.
    pub values: &'n [String],
}

impl Names {
    /// The zones that are seen from a VPC, or from outside: of several of one name the one that answers.
    #[must_use]
    pub fn seen(&self, from: Option<VpcId>) -> Vec<SeenZone<'_>> {
        let domains = self.zones.iter().map(|zone| zone.domain.as_str());
        // The zone that a zone's own name lies in is that zone, or the one that hides it.
        let answering: BTreeMap<&str, &Zone> =
            domains.filter_map(|domain| Some((domain, self.zone(from, domain)?))).collect();
        let own = answering.into_iter().filter(|(domain, zone)| zone.domain == *domain);
        own.map(|(domain, zone)| SeenZone {
            domain,
            forward_to: &zone.forward_to,
            records: zone
                .owners
                .iter()
                .flat_map(|(owner, records)| {
                    records.iter().map(move |record| SeenRecord {
                        owner,
                        kind: record.kind,
                        ttl: record.ttl,
                        values: &record.values,
                    })
                })
                .collect(),
        })
        .collect()
    }
}

/// The names that services, balancers and outside services are called by, with the addresses that somebody in a VPC, or outside, reaches
/// each by; none where the description gives it none. Zones go before them.
#[must_use]
pub fn hosts(network: &Network, from: Option<VpcId>) -> Vec<(&str, Vec<IpAddr>)> {
    let hosts = network.lookup.hosts();
    hosts
        .map(|(host, _)| {
            let found = points(network, &EndpointRef::Name(host.to_owned())).unwrap_or_default();
            let mut addresses: Vec<IpAddr> = found
                .iter()
                .flat_map(|point| match from {
                    None if !point.public.is_empty() => &point.public,
                    _ => &point.addresses,
                })
                .copied()
                .collect();
            addresses.sort();
            addresses.dedup();
            (host, addresses)
        })
        .collect()
}
