//! Health checks, time-outs, alerts and criteria: what can be judged on paper.

use netwright_model::language::{
    BackendGroup, EndpointKind, EndpointRef, HealthCheck, Timeout, TimeoutKind,
};
use netwright_model::network::Network;
use netwright_model::scalar::Duration;
use netwright_model::source::Spanned;

use super::Report;

pub(super) fn check(network: &Network, report: &mut Report) {
    for (name, balancer) in network.description.load_balancers.iter() {
        for (group, backends) in balancer.backends.iter() {
            if let Some(check) = &backends.health_check {
                health(
                    network,
                    &format!("{}/{}", name.value, group.value),
                    backends,
                    check,
                    report,
                );
            }
        }
    }
    for (name, timeout) in network.description.timeouts.iter() {
        nested(network, name, timeout, report);
    }
    thresholds(network, report);
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

fn whole(timeout: &Timeout) -> Option<Duration> {
    let attempts = timeout.attempts.as_ref().map_or(1, |n| n.value);
    timeout.value.as_ref().map(|value| value.value.times(attempts.into()))
}

/// A time-out against the one that it runs inside of.
fn nested(network: &Network, name: &Spanned<String>, timeout: &Timeout, report: &mut Report) {
    let all = &network.description.timeouts;
    if timeout.value.is_none() {
        let message = format!("the value of time-out {} is not known", name.value);
        report.add("NW-TIME-003", name.span, message, "find it out and write it down");
    }
    let Some(outer) = &timeout.inside else { return };
    let Some(around) = all.get(&outer.value) else {
        let message =
            format!("time-out {} runs inside {}, which is not there", name.value, outer.value);
        report.add("NW-TIME-003", outer.span, message, "describe it, or correct the name");
        return;
    };
    let kind = |timeout: &Timeout| timeout.kind.as_ref().map(|kind| kind.value).unwrap_or_default();
    match (kind(timeout), kind(around)) {
        (TimeoutKind::Deadline, TimeoutKind::Deadline) => {
            let inside: Option<Duration> = all
                .iter()
                .filter(|(_, other)| {
                    other.inside.as_ref().is_some_and(|i| i.value == outer.value)
                        && kind(other) == TimeoutKind::Deadline
                })
                .try_fold(Duration::default(), |sum, (_, other)| {
                    whole(other).map(|own| sum.plus(own))
                });
            if let (Some(inside), Some(limit)) = (inside, &around.value)
                && inside > limit.value
            {
                let message = format!(
                    "{} ends after {}, and what runs inside it may take {inside}",
                    outer.value, limit.value
                );
                report.add(
                    "NW-TIME-001",
                    outer.span,
                    message,
                    format!("make {} at least {inside}, or what is inside shorter", outer.value),
                );
            }
        }
        (TimeoutKind::Idle, TimeoutKind::Idle) => {
            let is = |t: &Timeout| t.infrastructure.as_ref().is_some_and(|yes| yes.value);
            if let (Some(own), Some(limit)) = (&timeout.value, &around.value)
                && is(around)
                && !is(timeout)
                && own.value >= limit.value
            {
                let message = format!(
                    "{} keeps silent connections for {}, and {} forgets them after {}",
                    name.value, own.value, outer.value, limit.value
                );
                report.add(
                    "NW-TIME-002",
                    name.span,
                    message,
                    format!("make {} shorter than {}", name.value, limit.value),
                );
            }
        }
        (TimeoutKind::Deadline, TimeoutKind::Idle) | (TimeoutKind::Idle, TimeoutKind::Deadline) => {
        }
    }
}

fn thresholds(network: &Network, report: &mut Report) {
    let limit = |name: &Option<Spanned<String>>| {
        let name = name.as_ref()?;
        let timeout = network.description.timeouts.get(&name.value)?;
        Some((name.value.clone(), timeout.value.as_ref()?.value))
    };
    for (name, alert) in network.description.alerts.iter() {
        if let (Some(above), Some((by, limit))) = (&alert.above, limit(&alert.bounded_by))
            && above.value >= limit
        {
            let message = format!(
                "alert {} fires above {}, and {by} ends what it measures after {limit}",
                name.value, above.value
            );
            report.add("NW-ALERT-001", above.span, message, format!("set it below {limit}"));
        }
        if alert.evaluated.as_ref().is_some_and(|evaluated| !evaluated.value) {
            let message = format!("the threshold of alert {} is never evaluated", name.value);
            report.add("NW-ALERT-002", name.span, message, "evaluate it, or remove it");
        }
    }
    for (name, criterion) in network.description.criteria.iter() {
        let Some(within) = &criterion.within else { continue };
        if let Some((by, limit)) = limit(&criterion.bounded_by)
            && within.value >= limit
        {
            let message = format!(
                "criterion {} allows {}, and {by} ends what it measures after {limit}",
                name.value, within.value
            );
            report.add("NW-CRIT-001", within.span, message, format!("set it below {limit}"));
        }
        // Unknown when one of them is.
        let total = criterion.includes.iter().try_fold(Duration::default(), |sum, part| {
            let own = network.description.timeouts.get(&part.value).and_then(whole);
            own.map(|own| sum.plus(own))
        });
        if let Some(total) = total
            && !criterion.includes.is_empty()
            && total > within.value
        {
            let message = format!(
                "criterion {} allows {}, and the time-outs that it includes add up to {total}",
                name.value, within.value
            );
            report.add("NW-CRIT-002", within.span, message, "shorten the time-outs, or allow more");
        }
    }
}
