//! Certificates: the names that they cover, their last day, and whether they were issued.

use netwright_model::diagnostic::Severity;
use netwright_model::language::{EndpointKind, EndpointRef};
use netwright_model::network::Network;

use super::Report;

/// Days before the last one from which on it is told.
const SOON: i64 = 30;

pub(super) fn check(network: &Network, today: Option<i64>, report: &mut Report) {
    certificates(network, report);
    outside(network, report);
    for (name, certificate) in network.description.certificates.iter() {
        if let (Some(expires), Some(today)) = (&certificate.expires, today)
            && let Some(day) = day_of(&expires.value)
        {
            let left = day - today;
            let managed = certificate.managed.as_ref().is_some_and(|managed| managed.value);
            if left < 0 {
                let message = format!("certificate {} expired on {}", name.value, expires.value);
                report.add("NW-CERT-002", expires.span, message, "renew it");
            } else if left < SOON && !managed {
                let message = format!(
                    "certificate {} expires on {}, in {left} days",
                    name.value, expires.value
                );
                report.add("NW-CERT-002", expires.span, message, "renew it").severity =
                    Severity::Warning;
            }
        }
        if let Some(status) = &certificate.status {
            let word = status.value.to_ascii_uppercase();
            if word.contains("FAILED") || word.contains("EXPIRED") || word.contains("REVOKED") {
                let message = format!("certificate {} is {}", name.value, status.value);
                let remedy = "see what the provider says of each domain";
                report.add("NW-CERT-003", status.span, message, remedy);
            }
        }
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, written `YYYY-MM-DD`; what follows the day is left out.
fn day_of(text: &str) -> Option<i64> {
    let mut parts = text.get(..10)?.split('-');
    let mut next = || parts.next()?.parse::<i64>().ok();
    let (year, month, day) = (next()?, next()?, next()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years start in March, so that the leap day is the last one (Hinnant, "chrono-compatible low-level date algorithms").
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Names that clients expect of outside services.
fn outside(network: &Network, report: &mut Report) {
    for (service, written) in network.description.services.iter() {
        for (_, need) in written.dependencies.iter() {
            let Some(expected) = &need.server_name else { continue };
            let (EndpointRef::Kind(EndpointKind::External, name) | EndpointRef::Name(name)) =
                &need.to.value
            else {
                continue;
            };
            let certificate = network
                .description
                .externals
                .get(name)
                .and_then(|external| external.certificate.as_ref())
                .map(|reference| {
                    reference.value.strip_prefix("certificate:").unwrap_or(&reference.value)
                })
                .and_then(|name| network.description.certificates.get(name));
            let Some(certificate) = certificate else { continue };
            if !certificate.names.iter().any(|own| covers(&own.value, &expected.value)) {
                let message = format!(
                    "{} expects {} of {name}, and its certificate does not cover that",
                    service.value, expected.value
                );
                let remedy = "expect a name that it covers, or have another issued";
                report.add("NW-CERT-001", expected.span, message, remedy);
            }
        }
    }
}

/// Whether a certificate's name covers a host: a wildcard stands for exactly one label (RFC 6125).
#[must_use]
pub(super) fn covers(pattern: &str, host: &str) -> bool {
    let (pattern, host) = (pattern.to_ascii_lowercase(), host.to_ascii_lowercase());
    match pattern.strip_prefix("*.") {
        Some(rest) => {
            host.split_once('.').is_some_and(|(label, own)| !label.is_empty() && own == rest)
        }
        None => pattern == host,
    }
}

fn certificates(network: &Network, report: &mut Report) {
    for (name, balancer) in network.description.load_balancers.iter() {
        let named = balancer
            .certificates
            .iter()
            .filter_map(|c| network.description.certificates.get(&c.value));
        let names: Vec<&str> =
            named.flat_map(|c| c.names.iter().map(|n| n.value.as_str())).collect();
        if names.is_empty() {
            continue;
        }
        for host in &balancer.hosts {
            if !names.iter().any(|pattern| covers(pattern, &host.value)) {
                let message = format!(
                    "load balancer {} is called {}, and its certificates cover {}",
                    name.value,
                    host.value,
                    names.join(", ")
                );
                report.add(
                    "NW-CERT-001",
                    host.span,
                    message,
                    format!("have a certificate issued for {}", host.value),
                );
            }
        }
    }
}
