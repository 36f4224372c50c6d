//! Health checks of load balancers: their figures, and whether probes arrive.

use std::net::IpAddr;

use netwright_model::language::{BackendGroup, Direction, EndpointKind, EndpointRef, HealthCheck};
use netwright_model::network::{InterfaceId, LoadBalancer, Network};
use netwright_model::scalar::Service;

use super::Report;
use crate::ask::{points, set_of};
use crate::prover::Prover;
use crate::prover::path::{Origin, Seen};
use crate::space::Set;

pub(super) fn check(prover: &mut Prover<'_>, report: &mut Report) {
    let network = prover.network;
    for (index, (name, balancer)) in network.description.load_balancers.iter().enumerate() {
        for (group, backends) in balancer.backends.iter() {
            if let Some(check) = &backends.health_check {
                let name = format!("{}/{}", name.value, group.value);
                health(network, &name, backends, check, report);
                let row = network.load_balancers.iter().find(|row| row.index == index);
                if let Some(row) = row {
                    probes(prover, row, (&name, backends, check), report);
                }
            }
        }
    }
}

/// Whether each backend lets the probes in.
fn probes(
    prover: &mut Prover<'_>,
    balancer: &LoadBalancer,
    (name, backends, check): (&str, &BackendGroup, &HealthCheck),
    report: &mut Report,
) {
    let network = prover.network;
    for target in &backends.targets {
        let port = match (&check.port, &backends.port, &target.port) {
            (Some(port), ..) => port.value,
            (None, _, Some(port)) => Service::tcp(port.value),
            (None, Some(port), None) => port.value,
            (None, None, None) => continue,
        };
        let asked = set_of(&mut prover.space, port);
        for point in points(network, &target.target.value).unwrap_or_default() {
            let (Some(Origin::Interface(interface)), Some(address)) =
                (point.origin, point.addresses.first().copied())
            else {
                continue;
            };
            let refused = refused(prover, balancer, interface, address, asked);
            if let Some(source) = refused {
                let message = format!(
                    "probes of {name} from {source} do not reach {} on {port}: it counts as down",
                    point.name
                );
                let remedy = format!("allow {port} from {source}");
                report.add("NW-LB-005", target.target.span, message, remedy);
            }
        }
    }
}

/// A source of probes from which surely nothing arrives: of the provider's ranges, else the balancer's own nodes.
fn refused(
    prover: &mut Prover<'_>,
    balancer: &LoadBalancer,
    interface: InterfaceId,
    address: IpAddr,
    asked: Set,
) -> Option<String> {
    let network = prover.network;
    let vpc = network[network[interface].subnet].vpc;
    let usual = &network[vpc].facts.health_probe_sources;
    let sources = if balancer.probes.is_empty() { usual } else { &balancer.probes };
    for source in sources.iter().filter(|source| source.is_v4() == address.is_ipv4()) {
        let seen = Seen {
            src: source.host_at(1).unwrap_or_else(|| source.first()),
            dst: address,
            src_interface: None,
            dst_interface: Some(interface),
            from_peer: false,
            to_peer: false,
        };
        let levels = [prover.policies.of_vpc(interface), prover.policies.of_interface(interface)];
        for policy in levels.into_iter().flatten() {
            let permit = prover.policies.permitted(
                network,
                &mut prover.space,
                policy,
                Direction::Ingress,
                Some(interface),
                &seen,
            );
            if !prover.space.intersects(permit.may, asked) {
                return Some(source.to_string());
            }
        }
    }
    if !sources.is_empty() {
        return None;
    }
    let nodes = &network[balancer.endpoint].interfaces;
    let mut from = None;
    for node in nodes {
        for src in network[*node].addresses.iter().filter(|a| a.is_ipv4() == address.is_ipv4()) {
            let flows = prover.flows(Origin::Interface(*node), *src, address);
            if prover.space.intersects(flows.answered.may, asked) {
                return None;
            }
            from = from.or(Some(src.to_string()));
        }
    }
    from
}

fn health(
    network: &Network,
    name: &str,
    backends: &BackendGroup,
    check: &HealthCheck,
    report: &mut Report,
) {
    let serverless = backends.targets.iter().any(|target| match &target.target.value {
        EndpointRef::Kind(EndpointKind::Service, _) => true,
        EndpointRef::Name(name) => network.description.services.get(name).is_some(),
        EndpointRef::Kind(..) | EndpointRef::Internet | EndpointRef::Prefix(_) => false,
    });
    if serverless {
        let message = format!("{name} has a health check and serverless backends");
        report.add(
            "NW-LB-001",
            *check.span,
            message,
            "remove the health check: the platform watches its instances itself",
        );
    }
    if let (Some(timeout), Some(interval)) = (&check.timeout, &check.interval)
        && timeout.value > interval.value
    {
        let message = format!(
            "the health check of {name} waits {} and runs every {}",
            timeout.value, interval.value
        );
        report.add("NW-LB-002", timeout.span, message, "make the time-out at most the interval");
    }
    for (threshold, what) in
        [(&check.unhealthy_threshold, "failure"), (&check.healthy_threshold, "success")]
    {
        if let Some(threshold) = threshold.as_ref().filter(|threshold| threshold.value <= 1) {
            let message = format!("one {what} decides the health of {name}");
            report.add(
                "NW-LB-003",
                threshold.span,
                message,
                "take 3 failures to go down and 2 successes to come up",
            );
        }
    }
    if let (Some(goal), Some(interval), Some(timeout), Some(failures)) =
        (&check.detect_within, &check.interval, &check.timeout, &check.unhealthy_threshold)
    {
        let worst = interval.value.times(u64::from(failures.value.max(1))).plus(timeout.value);
        if worst > goal.value {
            let message = format!(
                "a failure of {name} is noticed after {worst} at worst, and the goal is {}",
                goal.value
            );
            report.add(
                "NW-LB-004",
                goal.span,
                message,
                "probe more often while a backend's state is in doubt",
            );
        }
    }
}
