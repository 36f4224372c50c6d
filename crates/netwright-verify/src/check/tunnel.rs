//! Tunnels: what fits into them, and what happens to what does not. Names: loops and dangling aliases.

use std::collections::BTreeMap;

use netwright_model::language::{AddressFamily, RecordType, VpnKind};
use netwright_model::network::Network;
use netwright_model::source::Span;

use super::Report;
use crate::mtu::{Suite, esp, gre, segment, wireguard};

pub(super) fn check(network: &Network, report: &mut Report) {
    for vpn in &network.vpns {
        tunnel(network, vpn.index, report);
    }
    aliases(network, report);
}

fn tunnel(network: &Network, index: usize, report: &mut Report) {
    let Some((name, written)) = network.description.vpns.0.get(index) else { return };
    let kind = written.kind.as_ref().map(|kind| kind.value).unwrap_or_default();
    let underlay = written.underlay_mtu.as_ref().map_or(1500, |mtu| mtu.value);
    let v6 = written.underlay.as_ref().is_some_and(|family| family.value == AddressFamily::V6);
    let traversal = written.nat_traversal.as_ref().is_some_and(|yes| yes.value);
    let fits = match kind {
        VpnKind::Ipsec => {
            let suite = written.suite.as_ref().and_then(|suite| Suite::named(&suite.value));
            suite.map(|suite| esp(suite, underlay, traversal, v6))
        }
        VpnKind::Wireguard => Some(wireguard(underlay, v6)),
        VpnKind::Gre => Some(gre(underlay, v6)),
        VpnKind::Dedicated => None,
    };
    let Some(fits) = fits else { return };
    if let Some(set) = &written.mtu
        && set.value > fits
    {
        let message = format!(
            "tunnel {} is set to an MTU of {}, and packets of more than {fits} octets do not fit",
            name.value, set.value
        );
        report.add(
            "NW-MTU-001",
            set.span,
            message,
            format!("set it to {fits}, and clamp TCP segments to {}", segment(fits, false)),
        );
    }
    let no = |flag: &Option<netwright_model::source::Spanned<bool>>| {
        flag.as_ref().is_some_and(|flag| !flag.value)
    };
    if no(&written.mss_clamp) && no(&written.icmp_too_big) {
        let message = format!(
            "tunnel {} drops packets of more than {fits} octets in silence: segments are not clamped and senders are not told",
            name.value
        );
        report.add(
            "NW-MTU-002",
            name.span,
            message,
            format!("clamp TCP segments to {}, or let ICMP \"too big\" pass", segment(fits, false)),
        );
    }
}

/// Owner names of CNAME records with their targets, and all owner names, fully qualified and in lower case.
fn aliases(network: &Network, report: &mut Report) {
    let mut alias: BTreeMap<String, (String, Span)> = BTreeMap::new();
    let mut owners: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();
    let mut zones: Vec<String> = Vec::new();
    for (key, zone) in network.description.dns_zones.iter() {
        let domain = zone.domain.as_ref().map_or(&key.value, |domain| &domain.value);
        let domain = domain.trim_end_matches('.').to_ascii_lowercase();
        if zone.forward_to.is_empty() {
            zones.push(domain.clone());
        }
        for record in &zone.records {
            let owner = qualified(&record.name.value, &domain);
            owners.insert(owner.clone());
            let first = record.values.first();
            let is_alias = record.r#type.as_ref().map_or_else(
                || first.is_some_and(|value| value.parse::<std::net::IpAddr>().is_err()),
                |kind| kind.value == RecordType::Cname,
            );
            if let (true, Some(target)) = (is_alias, first) {
                alias.insert(owner, (qualified(&target.value, &domain), *record.span));
            }
        }
    }
    let mut told: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();
    for (owner, (_, span)) in &alias {
        let mut chain = vec![owner.clone()];
        while let Some((target, _)) = chain.last().and_then(|last| alias.get(last)) {
            let again = chain.iter().position(|name| name == target);
            chain.push(target.clone());
            let Some(start) = again else { continue };
            let circle = &chain[start..];
            if start == 0 && !circle.iter().any(|name| told.contains(name)) {
                let message = format!("these names stand for each other: {}", circle.join(" → "));
                report.add("NW-DNS-001", *span, message, "let one of them point to an address");
                told.extend(circle.iter().cloned());
            }
            break;
        }
    }
    for (owner, (target, span)) in &alias {
        let inside = |zone: &String| target == zone || target.ends_with(&format!(".{zone}"));
        let wildcard =
            target.split_once('.').is_some_and(|(_, rest)| owners.contains(&format!("*.{rest}")));
        if zones.iter().any(inside) && !owners.contains(target) && !wildcard {
            let message = format!("{owner} stands for {target}, which is not there");
            report.add("NW-DNS-002", *span, message, "add the name, or remove the alias");
        }
    }
}

/// A name of a zone, fully qualified. A name that ends in a dot, or in the zone's own name, is taken as it is.
fn qualified(name: &str, domain: &str) -> String {
    let lower = name.to_ascii_lowercase();
    match lower.strip_suffix('.') {
        Some(whole) => whole.to_owned(),
        None if lower == "@" => domain.to_owned(),
        None if lower == domain || lower.ends_with(&format!(".{domain}")) => lower,
        None => format!("{lower}.{domain}"),
    }
}
