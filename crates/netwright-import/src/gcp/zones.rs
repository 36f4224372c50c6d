//! DNS zones with their records, and certificates: only what they cover.

use netwright_model::language::{Certificate, DnsRecord, DnsZone, RecordType};
use netwright_model::source::Spanned;
use netwright_model::tree::Node;

use super::Import;
use super::export::{Object, last};
use super::networks::number;
use crate::access::Access;

impl<'e> Import<'e> {
    pub(super) fn certificates(&mut self) {
        for object in self.export.all("sslCertificate") {
            let (node, at) = (object.node, object.span());
            let managed = node.get("managed");
            let of = |list: &'e [Node]| {
                let texts = list.iter();
                texts.filter_map(|name| Some(Spanned::new(name.as_text()?.to_owned(), name.span)))
            };
            let mut names: Vec<Spanned<String>> =
                of(node.list("subjectAlternativeNames")).collect();
            if names.is_empty() {
                names.extend(managed.into_iter().flat_map(|managed| of(managed.list("domains"))));
            }
            // The provider renews its own: their last day is that of the export and not the last.
            let status = managed.and_then(|managed| managed.text("status"));
            let renewed = status.as_ref().is_some_and(|status| status.value == "ACTIVE");
            let made = Certificate {
                id: node.text("selfLink"),
                names,
                expires: node
                    .text("expireTime")
                    .filter(|_| !renewed)
                    .map(|end| end.map(|end| end.chars().take(10).collect())),
                status,
                managed: node.text("type").map(|kind| kind.map(|kind| kind == "MANAGED")),
                span: at.into(),
            };
            let place = node.get("name").map_or(at, |name| name.span);
            let key = self.names.key(*object);
            self.description.certificates.insert(Spanned::new(key, place), made);
        }
    }

    /// Managed zones. A record set names no zone: it belongs to the zone of the longest name that its own ends in.
    pub(super) fn zones(&mut self) {
        let mut zones: Vec<(Spanned<String>, DnsZone)> = Vec::new();
        for object in self.export.all("managedZone") {
            let place = object.node.get("name").map_or(object.span(), |name| name.span);
            let key = self.names.key(*object);
            let zone = self.zone(*object, &key);
            zones.push((Spanned::new(key, place), zone));
        }
        let mut left_out = 0;
        for record in self.export.all("resourceRecordSet") {
            let Some(row) = self.record(record.node, &mut left_out) else { continue };
            let length = |zone: &DnsZone| {
                let domain = zone.domain.as_ref()?.value.trim_end_matches('.');
                let name = row.name.value.trim_end_matches('.');
                let inside = name == domain
                    || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
                inside.then_some(domain.len())
            };
            let best = zones.iter().filter_map(|(_, zone)| length(zone)).max();
            let fitting: Vec<usize> = (0..zones.len())
                .filter(|&index| best.is_some() && length(&zones[index].1) == best)
                .collect();
            let named = format!("dns_record:{}", row.name.value);
            match fitting.as_slice() {
                [] => self.gap(&named, "its zone is not in the export", record.span(), false),
                [first, rest @ ..] => {
                    if !rest.is_empty() {
                        let what = "several zones have its domain, and the list of records does not say which is meant; it is taken for the first";
                        self.gap(&named, what, record.span(), false);
                    }
                    zones[*first].1.records.push(row);
                }
            }
        }
        if left_out > 0 {
            self.notes.push(format!("{left_out} DNS record sets of other types were left out"));
        }
        self.description.dns_zones.0.extend(zones);
    }

    fn zone(&mut self, object: Object<'e>, key: &str) -> DnsZone {
        let (node, at) = (object.node, object.span());
        let named = format!("dns_zone:{key}");
        let mut made = DnsZone {
            id: node.text("id"),
            domain: node.text("dnsName"),
            span: at.into(),
            ..DnsZone::default()
        };
        let visible = node.get("privateVisibilityConfig").map_or(&[][..], |v| v.list("networks"));
        for network in visible {
            let Some(link) = network.text("networkUrl") else { continue };
            match self.names.network(&link.value) {
                Some(vpc) => made.vpcs.push(Spanned::new(vpc.to_owned(), link.span)),
                None => {
                    let what = format!("network {} is not in the export", last(&link.value));
                    self.gap(&named, what, link.span, false);
                }
            }
        }
        if node.word("visibility") == Some("private") && made.vpcs.is_empty() {
            self.gap(&named, "a private zone that no network of the export sees", at, false);
        }
        let servers = node.get("forwardingConfig").map_or(&[][..], |f| f.list("targetNameServers"));
        made.forward_to.extend(servers.iter().filter_map(|server| server.address("ipv4Address")));
        if let Some(peering) = node.get("peeringConfig").filter(|peering| !peering.is_null()) {
            let what = "its names are asked for in another network (DNS peering)";
            self.gap(&named, what, peering.span, false);
        }
        made
    }

    /// A record set; nothing for types that say nothing about connections.
    fn record(&mut self, node: &'e Node, left_out: &mut usize) -> Option<DnsRecord> {
        let name = node.text("name")?;
        let kind = node.text("type")?;
        let known = match kind.value.as_str() {
            "A" => RecordType::A,
            "AAAA" => RecordType::Aaaa,
            "CNAME" => RecordType::Cname,
            "NS" => RecordType::Ns,
            "TXT" => RecordType::Txt,
            "MX" => RecordType::Mx,
            "SRV" => RecordType::Srv,
            "PTR" => RecordType::Ptr,
            _ => {
                *left_out += 1;
                return None;
            }
        };
        if let Some(policy) = node.get("routingPolicy") {
            let what = "its answer depends on a routing policy, which is not represented";
            self.gap(&format!("dns_record:{}", name.value), what, policy.span, false);
        }
        let values = node.list("rrdatas").iter();
        Some(DnsRecord {
            name,
            r#type: Some(Spanned::new(known, kind.span)),
            values: values
                .filter_map(|value| Some(Spanned::new(value.as_text()?.to_owned(), value.span)))
                .collect(),
            ttl: number(node, "ttl"),
            span: node.span.into(),
        })
    }
}
