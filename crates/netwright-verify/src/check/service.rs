//! Serverless services, their connectors and NAT gateways, databases, certificates.

use std::collections::BTreeMap;

use netwright_model::diagnostic::Severity;
use netwright_model::language::{
    Connector, Dependency, DependencyPath, EndpointKind, EndpointRef, Subnet,
};
use netwright_model::network::Network;
use netwright_model::scalar::Duration;
use netwright_model::source::Spanned;

use super::Report;

pub(super) fn check(network: &Network, report: &mut Report) {
    connectors(network, report);
    probes(network, report);
    connections(network, report);
    databases(network, report);
    settings(network, report);
}

/// Databases whose list of networks holds everybody. It counts for the public address only.
fn databases(network: &Network, report: &mut Report) {
    for (name, database) in network.description.databases.iter() {
        let Some(all) = database.authorized_networks.iter().find(|prefix| prefix.length() == 0)
        else {
            continue;
        };
        let public = database.public.as_ref().is_some_and(|public| public.value)
            || !database.public_addresses.is_empty();
        let known = public || database.public.is_some() || !database.private_addresses.is_empty();
        let message = if public || !known {
            format!("database {} accepts connections from {}", name.value, all.value)
        } else {
            format!(
                "database {} would accept connections from {}; it has no public address now",
                name.value, all.value
            )
        };
        let remedy = "list the addresses that need it, or use the private address";
        let finding = report.add("NW-DB-001", all.span, message, remedy);
        if !public {
            finding.severity = Severity::Warning;
        }
    }
}

/// Variables that look like settings of the database proxy and are none.
fn settings(network: &Network, report: &mut Report) {
    for (service, written) in network.description.services.iter() {
        for (variable, _) in written.environment.iter() {
            let name = &variable.value;
            if name.starts_with("CLOUD_SQL_") && name.ends_with("_TIMEOUT") {
                let message = format!(
                    "service {} sets {name}, which the database proxy does not read",
                    service.value
                );
                let remedy =
                    "set the time-out in the client, or a flag of the proxy as CSQL_PROXY_...";
                report.add("NW-SVC-005", variable.span, message, remedy);
            }
        }
    }
}

fn connectors(network: &Network, report: &mut Report) {
    for (name, connector) in network.description.connectors.iter() {
        let machine = connector.machine_type.as_ref();
        if let Some(machine) = machine
            && connector.machine().is_none()
        {
            let message = format!(
                "connector {}: there is no machine type {} for connectors",
                name.value, machine.value
            );
            let remedy = "the largest is e2-standard-4, with 1,600 Mbit/s an instance";
            report.add("NW-CON-001", machine.span, message, remedy);
        }
        let (least, most) = connector.instances();
        if !(2..=9).contains(&least) || !(3..=10).contains(&most) || least >= most {
            let written = connector.max_instances.as_ref().or(connector.min_instances.as_ref());
            let span = written.map_or(name.span, |written| written.span);
            let message =
                format!("connector {} is to have {least} to {most} instances", name.value);
            let remedy = "the most is 9 to 10 instances: --min-instances 9 --max-instances 10";
            report.add("NW-CON-002", span, message, remedy);
        }
        range(network, name, connector, report);
        capacity(name, connector, most.min(10), report);
    }
}

/// A connector's range: a /28 that nothing else uses.
fn range(network: &Network, name: &Spanned<String>, connector: &Connector, report: &mut Report) {
    let Some(cidr) = &connector.cidr else { return };
    let remedy = "give it a /28 that nothing else uses";
    if cidr.length() != 28 {
        let message =
            format!("connector {} has the range {}, which is no /28", name.value, cidr.value);
        report.add("NW-CON-003", cidr.span, message, remedy);
        return;
    }
    let vpc = connector.vpc.as_ref().and_then(|vpc| network.description.vpcs.get(&vpc.value));
    let taken = vpc.and_then(|vpc| {
        let clashes = |subnet: &Subnet| subnet.cidrs.iter().any(|own| own.overlaps(cidr));
        vpc.subnets.iter().find(|(_, subnet)| clashes(subnet))
    });
    if let Some((other, _)) = taken {
        let message = format!(
            "connector {} has the range {}, which overlaps subnet {}",
            name.value, cidr.value, other.value
        );
        report.add("NW-CON-003", cidr.span, message, remedy).and(other.span, "the subnet");
    }
}

/// Instances for the expected peak against the most that there may be.
fn capacity(name: &Spanned<String>, connector: &Connector, most: u32, report: &mut Report) {
    let (Some(peak), Some(machine)) = (&connector.peak_throughput, connector.machine()) else {
        return;
    };
    let each = machine.carries().as_bits();
    let share = connector.target_utilisation.as_ref().map_or(0.8, |share| share.fraction());
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small number of instances"
    )]
    let needed = (peak.as_bits() as f64 / (each as f64 * share)).ceil() as u64;
    if needed > u64::from(most) {
        let message = format!(
            "connector {} needs {needed} instances for its peak of {} and may have {most}",
            name.value, peak.value
        );
        let remedy = "take a larger machine type, then a second connector, then direct VPC egress";
        report.add("NW-CON-004", peak.span, message, remedy);
    }
}

fn probes(network: &Network, report: &mut Report) {
    for (index, (name, service)) in network.description.services.iter().enumerate() {
        let facts = network.serverless.get(index).map(|row| &row.facts);
        let limit = service
            .startup_limit
            .as_ref()
            .map(|limit| limit.value)
            .or_else(|| facts.and_then(|f| f.startup_limit));
        if let Some(probe) = &service.startup_probe {
            let period =
                probe.period.as_ref().map_or(Duration::from_secs(10), |period| period.value);
            let failures = probe.failure_threshold.as_ref().map_or(3, |n| n.value);
            let longest = period.times(failures.into());
            if let Some(limit) = limit
                && longest > limit
            {
                let message = format!(
                    "service {} may take {longest} to start ({failures} probes every {period}), and the platform allows {limit}",
                    name.value
                );
                report.add(
                    "NW-SVC-002",
                    *probe.span,
                    message,
                    "probe less often or give up earlier",
                );
            }
        }
        for probe in [&service.startup_probe, &service.liveness_probe].into_iter().flatten() {
            if let (Some(timeout), Some(period)) = (&probe.timeout, &probe.period)
                && timeout.value >= period.value
            {
                let message = format!(
                    "a probe of service {} waits {} and runs every {}",
                    name.value, timeout.value, period.value
                );
                report.add(
                    "NW-SVC-003",
                    timeout.span,
                    message,
                    "make the time-out shorter than the period",
                );
            }
        }
        let phases = service.startup.iter().filter_map(|(_, phase)| {
            let attempts = phase.attempts.as_ref().map_or(1, |n| n.value);
            phase.timeout.as_ref().map(|timeout| timeout.value.times(attempts.into()))
        });
        let total = phases.fold(Duration::default(), Duration::plus);
        if let Some(limit) = limit
            && total > limit
        {
            let message = format!(
                "the phases of service {} may take {total} together, and the platform allows {limit}",
                name.value
            );
            report.add("NW-SVC-002", name.span, message, "shorten the phases' deadlines");
        }
    }
}

/// Connections that a database accepts, where that is known; and whether it is an estimate from its memory.
fn accepted(database: &netwright_model::language::Database) -> Option<(u32, bool)> {
    if let Some(limit) = &database.max_connections {
        return Some((limit.value, false));
    }
    // Published for PostgreSQL on Cloud SQL: 0.6 GiB 25, 3.75 GiB about 100, 7.5 GiB about 200, 15 GiB about 400.
    let memory = database.memory_mib.as_ref()?.value;
    Some((if memory < 1024 { 25 } else { memory.saturating_mul(100) / 3840 }, true))
}

/// A pool's time-outs against the connection's and the network's.
fn pool_times(network: &Network, service: &str, dependency: &Dependency, report: &mut Report) {
    let Some(pool) = &dependency.pool else { return };
    if let (Some(wait), Some(connect)) = (&pool.timeout, &dependency.connect_timeout)
        && wait.value < connect.value
    {
        let message = format!(
            "service {service} waits {} for a connection that may take {}",
            wait.value, connect.value
        );
        report.add(
            "NW-POOL-003",
            wait.span,
            message,
            "make the connect time-out shorter than the pool's",
        );
    }
    let own = network.serverless.iter().find(|row| network[row.endpoint].name == service);
    let idle = own.and_then(|row| row.facts.idle_timeout);
    let connected = dependency.via.as_ref().is_none_or(|via| via.value != DependencyPath::Udp);
    if let (Some(recycle), Some(idle), None, true) =
        (&pool.recycle, idle, &pool.keepalive, connected)
        && recycle.value > idle
    {
        let message = format!(
            "service {service} keeps connections for {}, and the network forgets idle ones after {idle}",
            recycle.value
        );
        let remedy = format!("recycle within {idle}, or send keepalives more often than that");
        report.add("NW-POOL-002", recycle.span, message, remedy);
    }
}

fn connections(network: &Network, report: &mut Report) {
    let mut wanted: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, service) in network.description.services.iter() {
        let instances = u64::from(service.max_instances.as_ref().map_or(1, |most| most.value));
        for (_, dependency) in service.dependencies.iter() {
            let Some(pool) = &dependency.pool else { continue };
            let held = pool.size.as_ref().map_or(0, |n| n.value)
                + pool.max_overflow.as_ref().map_or(0, |n| n.value);
            if let EndpointRef::Kind(EndpointKind::Database, database)
            | EndpointRef::Name(database) = &dependency.to.value
            {
                *wanted.entry(database).or_default() += instances * u64::from(held);
            }
            pool_times(network, &name.value, dependency, report);
        }
    }
    for (name, database) in network.description.databases.iter() {
        let (Some(wanted), Some((limit, estimate))) =
            (wanted.get(name.value.as_str()), accepted(database))
        else {
            continue;
        };
        let kept = database.reserved_connections.as_ref().map_or(3, |n| n.value);
        let free = limit.saturating_sub(kept);
        if *wanted > u64::from(free) {
            let about = if estimate { " (an estimate from its memory)" } else { "" };
            let message = format!(
                "services may open {wanted} connections to {}, which accepts {free}{about}",
                name.value
            );
            report.add(
                "NW-POOL-001",
                name.span,
                message,
                "make pools smaller, put a pooler between, or take a larger database",
            );
        }
    }
}
