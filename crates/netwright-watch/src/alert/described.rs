//! Alerts as a description declares them.

use std::time::Duration;

use netwright_model::language::{Alert, Description, WatchedState};
use netwright_model::scalar::Duration as Written;
use netwright_model::source::Spanned;

use super::rule::{Compare, Condition, Level, Rule, Threshold};
use crate::health::State;

/// Results of which a rate is told where nothing else is said.
const RESULTS: u64 = 10;

/// Rules of the alerts that a description declares and watching can ask. The others `check` tells (`NW-ALERT-004`).
#[must_use]
pub fn rules(description: &Description) -> Vec<Rule> {
    let alerts = description.alerts.iter();
    alerts.flat_map(|(name, alert)| rule(&name.value, alert)).collect()
}

/// An alert's rules: one for its threshold, one for its states, one for flapping.
fn rule(name: &str, alert: &Alert) -> Vec<Rule> {
    let off = alert.evaluated.as_ref().is_some_and(|evaluated| !evaluated.value);
    if off || !alert.is_watched(name) {
        return Vec::new();
    }
    let conditions = conditions(name, alert);
    let several = conditions.len() > 1;
    let named = conditions.into_iter().enumerate().map(|(number, condition)| {
        let name = if several { format!("{name}-{}", number + 1) } else { name.to_owned() };
        made(&name, alert, condition)
    });
    named.collect()
}

fn conditions(name: &str, alert: &Alert) -> Vec<Condition> {
    let mut all = Vec::new();
    let metric = alert.measure(name);
    for (compare, value) in thresholds(alert) {
        all.push(if metric == "failure_rate" {
            let least = alert.results.as_ref().map_or(RESULTS, |results| u64::from(results.value));
            Condition::FailureRate { share: value, least }
        } else {
            Condition::Metric(Threshold { metric: metric.clone(), compare, value })
        });
    }
    if !alert.states.is_empty() {
        all.push(Condition::State(alert.states.iter().map(|state| watched(state.value)).collect()));
    }
    if alert.flapping.as_ref().is_some_and(|flaps| flaps.value) {
        all.push(Condition::Flapping);
    }
    all
}

fn thresholds(alert: &Alert) -> Vec<(Compare, f64)> {
    let mut all = Vec::new();
    all.extend(alert.above.as_ref().map(|time| (Compare::AtLeast, of(&time.value).as_secs_f64())));
    all.extend(alert.above_share.as_ref().map(|share| (Compare::AtLeast, share.value.fraction())));
    all.extend(alert.above_count.as_ref().map(|count| (Compare::AtLeast, f64::from(count.value))));
    all.extend(alert.below_count.as_ref().map(|count| (Compare::AtMost, f64::from(count.value))));
    all
}

const fn watched(state: WatchedState) -> State {
    match state {
        WatchedState::Unhealthy => State::Unhealthy,
        WatchedState::Unknown => State::Unknown,
        WatchedState::Starting => State::Starting,
        WatchedState::Draining => State::Draining,
        WatchedState::Maintenance => State::Maintenance,
    }
}

fn of(written: &Written) -> Duration {
    Duration::from_millis(written.as_millis())
}

fn made(name: &str, alert: &Alert, condition: Condition) -> Rule {
    let text = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.value.clone());
    let things = text(&alert.of).unwrap_or_else(|| "*".to_owned());
    let level =
        text(&alert.severity).and_then(|level| Level::parse(&level)).unwrap_or(Level::Warning);
    let component =
        text(&alert.component).unwrap_or_else(|| things.trim_end_matches('*').to_owned());
    let mut rule = Rule::new(name, &component, &things, level, condition);
    rule.message = text(&alert.message).unwrap_or_default();
    for remedy in &alert.remedies {
        let metric = remedy.metric.as_ref().zip(remedy.at_least.as_ref());
        let when = metric.map(|(metric, least)| Threshold {
            metric: metric.value.clone(),
            compare: Compare::AtLeast,
            value: f64::from(least.value),
        });
        rule = rule.remedy_when(when.into_iter().collect(), &remedy.text.value);
    }
    (rule.escalation, rule.runbook) = (text(&alert.escalation), text(&alert.runbook));
    rule.issue = text(&alert.issue);
    let time = |time: &Option<Spanned<Written>>| {
        time.as_ref().map_or(Duration::ZERO, |time| of(&time.value))
    };
    (rule.after, rule.keep) = (time(&alert.lasts), time(&alert.keep_firing));
    if alert.missing.as_ref().is_some_and(|missing| missing.value == "ignored") {
        rule.missing_after = None;
    }
    rule
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use netwright_model::language::{Description, MEASURES};

    use super::rules;
    use crate::alert::{Compare, Condition, Level, Threshold};
    use crate::health::State;
    use crate::probe::outcome::PhaseName;

    fn described(text: &str) -> Description {
        let mut sources = netwright_model::source::Sources::default();
        netwright_model::parse_description("test.yaml", text, &mut sources).unwrap()
    }

    #[test]
    fn the_four_thresholds_of_the_sources_all_become_rules() {
        let description = described(
            "alerts:\n\
             \x20 vpc-connector-capacity: { of: staging-connector, metric: capacity_utilisation, above_share: 80%, severity: warning,\n\
             \x20   component: vpc_connector, message: 'VPC connector at {percent} capacity', escalation: infrastructure_team,\n\
             \x20   remedies: [{ metric: instances, at_least: 10, text: 'a larger type, another connector, or direct VPC egress' }, { text: 'raise its most instances' }] }\n\
             \x20 database-connection-time: { of: database, metric: connect_seconds, above: 5s, severity: critical, issue: '#1278' }\n\
             \x20 ssl-validation-time: { metric: tls_seconds, above: 5s, for: 1m, keep: 2m }\n\
             \x20 health-check-failure-rate: { metric: failure_rate, above_share: 10%, results: 20 }\n\
             \x20 down: { states: [unhealthy], flapping: true }\n\
             \x20 elsewhere: { metric: revenue, above_count: 3, evaluated: true }\n",
        );
        let rules = rules(&description);
        let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "vpc-connector-capacity",
                "database-connection-time",
                "ssl-validation-time",
                "health-check-failure-rate",
                "down-1",
                "down-2"
            ]
        );
        let capacity = &rules[0];
        let threshold = |metric: &str, value| Threshold {
            metric: metric.to_owned(),
            compare: Compare::AtLeast,
            value,
        };
        assert_eq!(capacity.condition, Condition::Metric(threshold("capacity_utilisation", 0.8)));
        assert_eq!((capacity.remedies.len(), capacity.level), (2, Level::Warning));
        assert_eq!(capacity.remedies[0].when, [threshold("instances", 10.0)]);
        assert_eq!(rules[1].level, Level::Critical);
        assert_eq!(
            (rules[2].after, rules[2].keep),
            (Duration::from_secs(60), Duration::from_secs(120))
        );
        assert_eq!(rules[3].condition, Condition::FailureRate { share: 0.1, least: 20 });
        assert_eq!(rules[4].condition, Condition::State(vec![State::Unhealthy]));
        assert_eq!(rules[5].condition, Condition::Flapping);
    }

    #[test]
    fn what_probes_measure_has_a_name_that_alerts_can_use() {
        for phase in PhaseName::ALL {
            let name = format!("{}_seconds", phase.name());
            assert!(MEASURES.contains(&name.as_str()), "{name}");
        }
    }
}
