//! Time-outs, alerts and criteria: what can be judged on paper.

use netwright_model::language::{Alert, EndpointKind, EndpointRef, MEASURES, Timeout, TimeoutKind};
use netwright_model::network::Network;
use netwright_model::scalar::Duration;
use netwright_model::source::Spanned;
use netwright_model::suggest::nearest;

use super::Report;

pub(super) fn check(network: &Network, report: &mut Report) {
    for (name, timeout) in network.description.timeouts.iter() {
        nested(network, name, timeout, report);
    }
    thresholds(network, report);
    golden_paths(network, report);
}

/// A golden path against the connections that services on it may legally wait for.
fn golden_paths(network: &Network, report: &mut Report) {
    for (name, path) in network.description.golden_paths.iter() {
        let Some(within) = &path.within else { continue };
        let services = path.through.iter().filter_map(|step| match &step.value {
            EndpointRef::Kind(EndpointKind::Service, name) | EndpointRef::Name(name) => {
                Some((name, network.description.services.get(name)?))
            }
            _ => None,
        });
        for (service, written) in services {
            let longest = written
                .dependencies
                .iter()
                .filter(|(_, need)| need.optional.as_ref().is_none_or(|optional| !optional.value))
                .filter_map(|(_, need)| need.connect_timeout.as_ref())
                .max_by_key(|wait| wait.value);
            if let Some(wait) = longest.filter(|wait| wait.value > within.value) {
                let message = format!(
                    "golden path {} allows {}, and one connection of {service} may take {}",
                    name.value, within.value, wait.value
                );
                let remedy = "shorten the connect time-out, or allow more";
                report
                    .add("NW-CRIT-002", within.span, message, remedy)
                    .and(wait.span, "the connect time-out");
            }
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
                    around.value.as_ref().map_or(outer.span, |value| value.span),
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

/// An alert that `netwright watch` cannot ask.
fn unmeasured(name: &Spanned<String>, alert: &Alert, report: &mut Report) {
    let measure = alert.measure(&name.value);
    let message = if alert.has_threshold() {
        format!("nothing measures `{measure}`, which alert {} is about", name.value)
    } else {
        format!("alert {} has neither a threshold nor a state", name.value)
    };
    let span = alert.metric.as_ref().map_or(name.span, |metric| metric.span);
    let known = MEASURES.iter().copied();
    let remedy = match nearest(&measure, known) {
        Some(near) => {
            format!("did you mean `{near}`? `evaluated: true` says that something else asks it")
        }
        None => "name a measure, or say `evaluated: true` where something else asks it".to_owned(),
    };
    report.add("NW-ALERT-004", span, message, remedy);
}

/// An alert about things that a network does not have.
fn about_nothing(
    network: &Network,
    name: &Spanned<String>,
    of: &Spanned<String>,
    report: &mut Report,
) {
    let description = &network.description;
    let mut things: Vec<&str> = Vec::new();
    things.extend(description.probes.iter().map(|(name, _)| name.value.as_str()));
    things.extend(description.expect.iter().map(|(name, _)| name.value.as_str()));
    things.extend(description.services.iter().map(|(name, _)| name.value.as_str()));
    things.extend(description.connectors.iter().map(|(name, _)| name.value.as_str()));
    things.extend(description.nat_gateways.iter().map(|(name, _)| name.value.as_str()));
    things.extend(description.databases.iter().map(|(name, _)| name.value.as_str()));
    things.extend(description.instances.iter().map(|(name, _)| name.value.as_str()));
    things.extend(description.externals.iter().map(|(name, _)| name.value.as_str()));
    things.extend(description.load_balancers.iter().map(|(name, _)| name.value.as_str()));
    let wanted = of.value.trim_end_matches('*');
    // What stands behind a `/` is a part of a thing, and behind a `:` the name of a pool.
    let (whole, beginning) = (wanted.split('/').next().unwrap_or(wanted), wanted != of.value);
    let known = |thing: &&str| *thing == whole || (beginning && thing.starts_with(whole));
    if whole.is_empty() || whole.contains(':') || things.iter().any(known) {
        return;
    }
    let message = format!("alert {} is about `{}`, and nothing is called so", name.value, of.value);
    let remedy = match nearest(whole, things.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "name a probe, an intent, or what is measured: a connector, a database, a service"
            .to_owned(),
    };
    report.add("NW-ALERT-005", of.span, message, remedy);
}

/// Words of alerts that watching does not know.
const SEVERITIES: [&str; 8] =
    ["info", "notice", "warning", "warn", "critical", "error", "page", "emergency"];

/// An alert's words that mean nothing: its severity, and what its remedies ask.
fn misspelt(name: &Spanned<String>, alert: &Alert, report: &mut Report) {
    let mut told = |word: &Spanned<String>, what: &str, known: &[&str]| {
        let message = format!("{what} of alert {} is `{}`, which is none", name.value, word.value);
        let near = nearest(&word.value, known.iter().copied());
        let remedy = near.map_or_else(
            || format!("there are {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        report.add("NW-ALERT-006", word.span, message, remedy);
    };
    if let Some(severity) = &alert.severity
        && !SEVERITIES.contains(&severity.value.to_ascii_lowercase().as_str())
    {
        told(severity, "the severity", &SEVERITIES);
    }
    for metric in alert.remedies.iter().filter_map(|remedy| remedy.metric.as_ref()) {
        if !MEASURES.contains(&metric.value.as_str()) {
            told(metric, "the measure of a remedy", MEASURES);
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
        if alert.evaluated.is_none() && !alert.is_watched(&name.value) {
            unmeasured(name, alert, report);
        }
        if let Some(of) = &alert.of
            && !alert.evaluated.as_ref().is_some_and(|evaluated| evaluated.value)
        {
            about_nothing(network, name, of, report);
        }
        misspelt(name, alert, report);
    }
    for (name, alert) in network.description.alerts.iter() {
        let good = ["0", "zero", "ok", "healthy", "good", "pass", "fine"];
        if let Some(missing) = &alert.missing
            && good.contains(&missing.value.trim().to_ascii_lowercase().as_str())
        {
            let message = format!(
                "alert {} takes a missing measurement for {}, so it is silent when nothing is measured",
                name.value, missing.value
            );
            let remedy = "treat missing data as unknown, and alert on that too";
            report.add("NW-ALERT-003", missing.span, message, remedy);
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
