//! Alerting rules for Prometheus.

use std::fmt::Write;
use std::time::Duration;

use super::promql::{condition, measured};
use super::{JOB, quoted};
use crate::alert::{Level, Rule};
use crate::doctor::{CERTIFICATE_DAYS, LIMITS, Phases};

/// A rule as Prometheus has it.
struct Written {
    name: String,
    expression: String,
    /// It holds for so long before it fires, and fires for so long after.
    times: (Duration, Duration),
    level: Level,
    component: String,
    annotations: Vec<(&'static str, String)>,
}

/// A file of rules: about probes that an exporter asks, about what watching exports for each alert of a description, and about watching itself.
#[must_use]
pub fn rules(declared: &[Rule]) -> String {
    let mut out = String::from("groups:\n");
    group(&mut out, "netwright-probes", &probes());
    let own: Vec<Written> = declared.iter().flat_map(declared_rule).collect();
    if !own.is_empty() {
        group(&mut out, "netwright-declared", &own);
    }
    group(&mut out, "netwright-watch", &watching());
    out
}

fn group(out: &mut String, name: &str, rules: &[Written]) {
    let _always = write!(out, "  - name: {name}\n    rules:\n");
    for rule in rules {
        let Written { name, expression, times: (after, keep), level, component, annotations } =
            rule;
        let _always =
            write!(out, "      - alert: {}\n        expr: {}\n", quoted(name), quoted(expression));
        for (key, time) in [("for", after), ("keep_firing_for", keep)] {
            if !time.is_zero() {
                let _always = writeln!(out, "        {key}: {}ms", time.as_millis());
            }
        }
        let severity = level.as_str().to_lowercase();
        let _always = write!(
            out,
            "        labels: {{ severity: {severity}, component: {} }}\n        annotations:\n",
            quoted(component)
        );
        for (key, text) in annotations {
            let _always = writeln!(out, "          {key}: {}", quoted(text));
        }
    }
}

fn written(name: &str, expression: String, level: Level, says: &str, remedy: &str) -> Written {
    Written {
        name: name.to_owned(),
        expression,
        times: (Duration::ZERO, Duration::ZERO),
        level,
        component: "{{ $labels.probe }}".to_owned(),
        annotations: vec![("summary", says.to_owned()), ("remediation", remedy.to_owned())],
    }
}

/// About what probes say.
fn probes() -> Vec<Written> {
    let of = format!("job=\"{JOB}\"");
    let mut all = vec![
        // What nothing was learnt of did not fail: it is told apart.
        written(
            "NetwrightProbeFailed",
            format!(
                "probe_success{{{of}}} == 0 unless on (job, instance, probe) netwright_probe_unknown{{{of}}} == 1"
            ),
            Level::Critical,
            "{{ $labels.probe }} fails: {{ $labels.instance }}",
            "`netwright doctor` says what is wrong, where the fault lies and what to do",
        ),
        written(
            "NetwrightProbeUnknown",
            format!("netwright_probe_unknown{{{of}}} == 1"),
            Level::Warning,
            "nothing is learnt of {{ $labels.probe }}",
            "Find out why it cannot be asked; what is not measured is not well",
        ),
        written(
            "NetwrightProbeMissing",
            format!("up{{{of}}} == 0"),
            Level::Warning,
            "{{ $labels.probe }} is not asked: the exporter does not answer",
            "See whether `netwright probe --serve` runs, and whether its --allow names the target",
        ),
        written(
            "NetwrightCertificateEndsSoon",
            format!(
                "(probe_ssl_earliest_cert_expiry{{{of}}} - time()) / 86400 < {CERTIFICATE_DAYS}"
            ),
            Level::Warning,
            "the certificate of {{ $labels.probe }} ends in {{ $value | humanize }} days",
            "Renew it, and find out why it was not renewed",
        ),
    ];
    all[1].times.0 = Duration::from_secs(60);
    all[2].times.0 = Duration::from_secs(60);
    for limit in LIMITS {
        let phase = match limit.phases {
            Phases::Name => "name",
            Phases::Connect => "connect",
            Phases::Tls => "tls",
        };
        let steps =
            [(limit.warn, Level::Warning, "Slow"), (Some(limit.fail), Level::Critical, "Late")];
        for (time, level, word) in steps {
            let Some(time) = time else { continue };
            let name = format!("Netwright{}{word}", capital(phase));
            let expression = format!(
                "netwright_probe_phase_seconds{{{of},phase=\"{phase}\"}} >= {}",
                time.as_secs_f64()
            );
            let says = format!(
                "{} of {{{{ $labels.probe }}}} takes {{{{ $value | humanizeDuration }}}}",
                limit.name
            );
            let remedy = "Look at the load of what answers it, and at the way to it";
            all.push(written(&name, expression, level, &says, remedy));
        }
    }
    all
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// An alert of the description, and one that its measure is missing.
fn declared_rule(rule: &Rule) -> Vec<Written> {
    let mut annotations = vec![("summary", summary(rule))];
    if !rule.remedies.is_empty() {
        annotations.push(("remediation", remedies(rule)));
    }
    let more =
        [("escalation", &rule.escalation), ("runbook_url", &rule.runbook), ("issue", &rule.issue)];
    for (key, text) in more {
        annotations.extend(text.clone().map(|text| (key, text)));
    }
    let mut all = vec![Written {
        name: rule.name.clone(),
        expression: condition(rule),
        times: (rule.after, rule.keep),
        level: rule.level,
        component: rule.component.clone(),
        annotations,
    }];
    if let (Some(after), Some(measured)) = (rule.missing_after, measured(rule)) {
        all.push(Written {
            name: format!("{}: no data", rule.name),
            expression: format!("absent({measured})"),
            times: (after, Duration::ZERO),
            level: Level::Warning,
            component: rule.component.clone(),
            annotations: vec![
                ("summary", format!("nobody measures what {} is about", rule.name)),
                (
                    "remediation",
                    "Find out why nothing is measured; what is not measured is not well".to_owned(),
                ),
            ],
        });
    }
    all
}

/// The message, filled in by Prometheus.
fn summary(rule: &Rule) -> String {
    let message = match rule.message.as_str() {
        "" => format!("{{thing}}: {}", rule.name),
        message => message.to_owned(),
    };
    // Whatever else is in braces is no template of theirs.
    let threshold =
        rule.threshold().map_or_else(|| "unknown".to_owned(), |value| value.to_string());
    message
        .replace("{{", "{ {")
        .replace("{value}", "{{ $value }}")
        .replace("{percent}", "{{ $value | humanizePercentage }}")
        .replace("{seconds}", "{{ $value | humanizeDuration }}")
        .replace("{threshold}", &threshold)
        .replace("{thing}", "{{ $labels.component }}")
}

/// What to do, with when: Prometheus fills in no condition, so that all are told.
fn remedies(rule: &Rule) -> String {
    let one = |remedy: &crate::alert::Remedy| {
        let when: Vec<String> = remedy
            .when
            .iter()
            .map(|threshold| {
                let sign = match threshold.compare {
                    crate::alert::Compare::AtLeast => "at least",
                    crate::alert::Compare::AtMost => "at most",
                };
                format!("{} is {sign} {}", threshold.metric, threshold.value)
            })
            .collect();
        if when.is_empty() {
            remedy.text.clone()
        } else {
            format!("where {}: {}", when.join(" and "), remedy.text)
        }
    };
    rule.remedies.iter().map(one).collect::<Vec<_>>().join("; else ").replace("{{", "{ {")
}

/// About watching itself.
fn watching() -> Vec<Written> {
    let mut away = written(
        "NetwrightWatchAway",
        "up{job=\"netwright-watch\"} == 0".to_owned(),
        Level::Critical,
        "nobody watches: {{ $labels.instance }} does not answer",
        "Start `netwright watch` again; it goes on where it was",
    );
    away.times.0 = Duration::from_secs(60);
    let mut wrong = written(
        "NetwrightWatchConfiguration",
        "netwright_watch_configuration_ok == 0".to_owned(),
        Level::Warning,
        "the description has mistakes: the one before is watched",
        "`netwright check` names them",
    );
    away.component = "netwright".to_owned();
    wrong.component = "netwright".to_owned();
    vec![away, wrong]
}

#[cfg(test)]
mod tests {
    use super::summary;
    use crate::alert::{Condition, Level, Rule};
    use crate::health::State;

    #[test]
    fn what_stands_in_braces_in_a_message_is_no_template() {
        let mut rule =
            Rule::new("r", "c", "t", Level::Info, Condition::State(vec![State::Unhealthy]));
        rule.message = "{{ exit }} {thing} {percent}".to_owned();
        assert_eq!(
            summary(&rule),
            "{ { exit }} {{ $labels.component }} {{ $value | humanizePercentage }}"
        );
    }
}
