//! Conditions of alerts in Prometheus' language.

use crate::alert::{Compare, Condition, Rule, Threshold};
use crate::health::{Profile, State};

/// What a thing's name has to match, as a matcher: `component="a"`, or `component=~"a.*"` for a beginning and `*`.
pub(super) fn component(pattern: &str) -> String {
    let literal = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    match pattern.strip_suffix('*') {
        None => format!("component=\"{}\"", literal(pattern)),
        Some("") => "component!=\"\"".to_owned(),
        Some(beginning) => format!("component=~\"{}.*\"", literal(&regex::escape(beginning))),
    }
}

/// What is asked of the metrics that `netwright watch` exports.
pub(super) fn condition(rule: &Rule) -> String {
    let of = component(&rule.things);
    match &rule.condition {
        Condition::Metric(Threshold { compare, value, .. }) => {
            let sign = match compare {
                Compare::AtLeast => ">=",
                Compare::AtMost => "<=",
            };
            format!("{} {sign} {value}", measured(rule).unwrap_or_default())
        }
        Condition::FailureRate { share, .. } => {
            format!("{} >= {share}", measured(rule).unwrap_or_default())
        }
        Condition::State(states) => {
            let states: Vec<&str> = states.iter().map(|state| State::as_str(*state)).collect();
            format!(
                "netwright_component_state{{{of},netwright_component_state=~\"{}\"}} == 1",
                states.join("|")
            )
        }
        Condition::Flapping => {
            let (_, high) = Profile::SERVICE.flapping;
            format!("netwright_component_flap_score_ratio{{{of}}} >= {}", f64::from(high) / 100.0)
        }
        Condition::Missing(metric) => {
            format!("absent(netwright_component_measure{{{of},measure=\"{metric}\"}})")
        }
    }
}

/// What is measured for a rule; none where it asks for a state.
pub(super) fn measured(rule: &Rule) -> Option<String> {
    let of = component(&rule.things);
    match &rule.condition {
        Condition::Metric(threshold) => {
            let measure = &threshold.metric;
            Some(format!("netwright_component_measure{{{of},measure=\"{measure}\"}}"))
        }
        Condition::FailureRate { .. } => Some(format!("netwright_component_failure_ratio{{{of}}}")),
        Condition::State(_) | Condition::Flapping | Condition::Missing(_) => None,
    }
}
