//! Probes: whether whom they ask can be found by the name that is written.

use std::collections::BTreeSet;

use netwright_model::decode::Entries;
use netwright_model::language::ActiveProbe;
use netwright_model::network::{Network, VpcId};
use netwright_model::source::Spanned;

use super::Report;
use crate::names::asked::{asker, source};
use crate::names::seen::hosts;
use crate::names::{Names, Outcome};

pub(super) fn check(network: &Network, report: &mut Report) {
    if network.description.probes.is_empty() {
        return;
    }
    let names = Names::of(network);
    for (name, probe) in network.description.probes.iter() {
        let targets = probe
            .target
            .iter()
            .chain(probe.steps.iter().filter_map(|(_, step)| step.target.as_ref()));
        for target in targets {
            named(network, &names, (&name.value, probe), target, report);
        }
    }
}

/// A target that is written as a part of the network is called, where nothing finds it by that name.
fn named(
    network: &Network,
    names: &Names,
    (name, probe): (&str, &ActiveProbe),
    target: &Spanned<String>,
    report: &mut Report,
) {
    let Some(host) = host(&target.value) else { return };
    let description = &network.description;
    let kinds = [
        ("an instance", called(&description.instances, host)),
        ("a database", called(&description.databases, host)),
        ("a load balancer", called(&description.load_balancers, host)),
        ("a service", called(&description.services, host)),
    ];
    let Some((kind, _)) = kinds.iter().find(|(_, is)| *is) else { return };
    // Whoever is to ask may have name servers of his own that find it; nobody is blamed for a name that somebody finds.
    let found = |from: &Option<VpcId>| {
        let known = || hosts(network, *from).iter().any(|(own, _)| own.eq_ignore_ascii_case(host));
        !matches!(names.resolve(*from, host).outcome, Outcome::Elsewhere(_)) || known()
    };
    if askers(network, names, probe).iter().any(found) {
        return;
    }
    let message = format!(
        "probe {name} asks for the name `{host}`, which no zone answers: it is what {kind} is called here"
    );
    let address = address(network, host).map_or_else(
        || "write its address, or a name of a zone".to_owned(),
        |address| format!("write its address, {address}, or a name of a zone"),
    );
    report.add("NW-PROBE-001", target.span, message, address);
}

fn called<T>(all: &Entries<T>, host: &str) -> bool {
    all.iter().any(|(own, _)| own.value.eq_ignore_ascii_case(host))
}

/// The VPCs whose name servers a probe's places ask; outside, where it has none.
fn askers(network: &Network, names: &Names, probe: &ActiveProbe) -> BTreeSet<Option<VpcId>> {
    let mut all = BTreeSet::new();
    for from in &probe.from {
        let points = source(network, names, &from.value).map(|found| found.points);
        all.extend(points.unwrap_or_default().iter().map(|point| asker(network, point)));
    }
    if all.is_empty() {
        all.insert(None);
    }
    all
}

/// The host of a target such as `https://user@host:port/path`, where it is a name.
fn host(target: &str) -> Option<&str> {
    let (_, rest) = target.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let name = host.split(':').next()?;
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    (!name.is_empty() && name.bytes().all(plain)).then_some(name)
}

/// The first address of an instance of this name.
fn address(network: &Network, name: &str) -> Option<std::net::IpAddr> {
    let own = |row: &&netwright_model::network::Interface| row.name.eq_ignore_ascii_case(name);
    network.interfaces.iter().find(own)?.addresses.first().copied()
}
