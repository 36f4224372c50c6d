//! How everything is, and what fires, as lines for people.

use netwright_watch::alert::{Level, lasted};
use netwright_watch::health::State;
use netwright_watch::load::report::shown;
use netwright_watch::station::documents::{
    AlertRow, AlertsDocument, Component, HealthDocument, Stage,
};
use std::time::Duration;

use crate::console::{Code, Style};

/// The columns of components.
pub(in crate::commands) const HEAD: [&str; 6] =
    ["COMPONENT", "STATE", "FOR", "FLAPS", "TOOK", "REASON"];

/// A component's cells.
pub(in crate::commands) fn cells(component: &Component) -> [String; 6] {
    // No changes may be a zero below zero.
    let flaps = format!("{:.0} %", component.flap_score.abs());
    let took = component.last.as_ref().map(|last| shown(seconds(last.took_seconds)));
    [
        component.name.clone(),
        component.state.to_string(),
        lasted(seconds(component.for_seconds)),
        if component.flapping { format!("{flaps}, flaps") } else { flaps },
        took.unwrap_or_else(|| "-".to_owned()),
        reason(component),
    ]
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn reason(component: &Component) -> String {
    let fault = component.fault_domain.map(|fault| format!(" [{fault}]")).unwrap_or_default();
    let reason = component.reason.as_ref().map(|reason| format!("{reason}{fault}"));
    let parent = component.suppressed_by.as_ref().map(|parent| format!("{parent} is away"));
    let all: Vec<String> = parent.into_iter().chain(reason).collect();
    all.join("; ")
}

/// How a state is shown.
pub(in crate::commands) const fn style(state: State) -> Option<Style> {
    match state {
        State::Healthy => None,
        State::Unhealthy => Some(Style::Bad),
        State::Unknown | State::Starting => Some(Style::Doubt),
        State::Draining | State::Maintenance => Some(Style::Dim),
    }
}

/// How many are in which state, in words.
pub(in crate::commands) fn counted(health: &HealthDocument) -> String {
    let all: usize = health.states.values().sum();
    if all == 0 {
        return "nothing is watched".to_owned();
    }
    let each = health.states.iter().map(|(state, count)| format!("{count} {state}"));
    format!("{all} watched: {}", each.collect::<Vec<_>>().join(", "))
}

/// 1 where something is not healthy, 3 where of something nobody knows, or nothing is watched.
pub(in crate::commands) fn code(health: &HealthDocument) -> Code {
    let any = |states: &[State]| states.iter().any(|state| health.states.contains_key(state));
    if any(&[State::Unhealthy]) {
        Code::Fail
    } else if health.states.is_empty() || any(&[State::Unknown, State::Starting]) {
        Code::Unknown
    } else {
        Code::Pass
    }
}

/// An alert in a line.
pub(in crate::commands) fn alert(row: &AlertRow) -> String {
    let fault = row.guidance.fault_domain.map(|fault| format!(" [{fault}]")).unwrap_or_default();
    format!(
        "{} {} for {}: {}{fault} ({} of {})",
        row.level.as_str(),
        row.stage.word(),
        lasted(seconds(row.for_seconds)),
        row.message,
        row.rule,
        row.thing
    )
}

/// What is said beside an alert, in lines.
pub(in crate::commands) fn beside(row: &AlertRow) -> Vec<String> {
    let mut lines: Vec<String> =
        row.changes.iter().map(|change| format!("before: {change}")).collect();
    let more = [
        ("told to nobody", &row.held_back),
        ("do", &row.guidance.remediation),
        ("next", &row.guidance.escalation),
        ("see", &row.guidance.runbook),
        ("issue", &row.guidance.issue_reference),
    ];
    for (word, text) in more {
        lines.extend(text.as_ref().map(|text| format!("{word}: {text}")));
    }
    lines
}

/// How an alert is shown.
pub(in crate::commands) const fn alert_style(row: &AlertRow) -> Style {
    match (row.stage, row.level) {
        (Stage::Firing, Level::Critical) => Style::Bad,
        (Stage::Firing, _) | (Stage::Pending, Level::Critical) => Style::Doubt,
        _ => Style::Dim,
    }
}

/// Whether people are told of something.
pub(in crate::commands) fn fires(alerts: &AlertsDocument) -> bool {
    alerts.alerts.iter().any(|row| row.stage == Stage::Firing)
}
