//! What a rehearsal tells: starts, the alert, and the timeline.

use std::collections::BTreeMap;
use std::time::Duration;

use netwright_watch::alert::{ChangeEvent, Changes};
use netwright_watch::change::{Broken, Moment, Part, Window};
use netwright_watch::startup::{Outcome, Report as Startup};
use serde_json::{Value, json};

use super::start::Started;
use crate::arguments::Rehearse;
use crate::console::{Console, Style};
use crate::table::table;

/// What happened.
#[derive(Default)]
pub(super) struct Report {
    /// What became of the change.
    pub(super) verdict: &'static str,
    moments: Vec<Moment>,
    alert: Vec<String>,
}

impl Report {
    /// Services started.
    pub(super) fn notes(&mut self, at: Duration, what: &str, started: &[Started]) {
        let each: Vec<String> =
            started.iter().map(|one| format!("{} {}", one.service, mode(&one.report))).collect();
        self.moments.push(Moment { at, what: format!("{what}: {}", each.join(", ")) });
    }

    /// People were told.
    pub(super) fn alerted(&mut self, at: Duration, lines: Vec<String>) {
        self.moments.push(Moment { at, what: "people are told".to_owned() });
        self.alert = lines;
    }

    /// What a window noted.
    pub(super) fn takes(&mut self, moments: &[Moment]) {
        self.moments.extend(moments.iter().cloned());
        self.moments.sort_by_key(|moment| moment.at);
    }

    pub(super) fn text(&self, console: &mut Console) {
        console.line("\ntimeline");
        for Moment { at, what } in &self.moments {
            console.line(&format!("  {:>6.1} s  {what}", at.as_secs_f64()));
        }
        if !self.verdict.is_empty() {
            console.line(&format!("the change was {}", self.verdict));
        }
    }

    pub(super) fn json(&self) -> Value {
        let moment =
            |Moment { at, what }: &Moment| json!({"seconds": at.as_secs_f64(), "what": what});
        json!({
            "version": 1,
            "verdict": if self.verdict.is_empty() { "unknown" } else { self.verdict },
            "alert": self.alert,
            "timeline": self.moments.iter().map(moment).collect::<Vec<_>>(),
        })
    }
}

/// How a start ended, in a word as people know it.
fn mode(report: &Startup) -> String {
    serde_json::to_value(report.mode)
        .ok()
        .and_then(|mode| mode.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// A line for each service: how it started, what `/health` answers, and why.
pub(super) fn starts(started: &[Started], console: &mut Console) {
    let rows: Vec<[String; 4]> = started
        .iter()
        .map(|one| {
            let body: Value = serde_json::from_str(&one.health.body).unwrap_or_default();
            let status = body.get("status").and_then(Value::as_str).unwrap_or("unknown");
            [
                one.service.clone(),
                mode(&one.report),
                format!("{} {status}", one.health.status),
                phases(&one.report),
            ]
        })
        .collect();
    table(["SERVICE", "START", "/health", "PHASES"], &rows, console, |at| {
        (!started[at].report.complete).then_some(Style::Bad)
    });
    for one in started {
        for alarm in one.report.alarms(Duration::MAX) {
            console.line(&console.styled(Style::Bad, &format!("{}: {alarm}", one.service)));
        }
    }
}

fn phases(report: &Startup) -> String {
    let phase = |phase: &netwright_watch::startup::PhaseReport| {
        let name = &phase.name;
        match &phase.outcome {
            Outcome::Pending => format!("{name} not reached"),
            Outcome::Passed => format!("{name} passed"),
            Outcome::Bypassed { why } => format!("{name} passed by: {why}"),
            Outcome::Missed { why } => format!("{name} missing: {why}"),
            Outcome::Failed { why } => format!("{name} failed: {why}"),
        }
    };
    report.phases.iter().map(phase).collect::<Vec<_>>().join("; ")
}

/// What the window of a change waits for.
pub(super) fn waits(window: &Window, console: &mut Console) {
    let waits: Vec<&str> = window.waits_for().collect();
    if !waits.is_empty() {
        console
            .line(&format!("the window is open until a fresh start has used {}", waits.join(", ")));
    }
}

pub(super) fn kept(not_cured: &[String], console: &mut Console) {
    console.line("\nevery dependency was used by a fresh start: the change stays");
    for name in not_cured {
        console.line(
            &console.styled(Style::Doubt, &format!("  {name} failed before, and still does")),
        );
    }
}

/// What a change broke.
pub(super) struct Lost<'a> {
    /// The dependencies.
    pub(super) broken: &'a [Broken],
    /// Why they cannot work as the network is described.
    pub(super) reasons: &'a BTreeMap<String, String>,
    /// What of the change goes back.
    pub(super) back: &'a [Part],
    /// What does not.
    pub(super) stays: &'a [Part],
}

/// What people are told: what is broken, which change was before it, and what to do.
pub(super) fn alert(
    &Lost { broken, reasons, back, stays }: &Lost<'_>,
    (change, arguments): (&str, &Rehearse),
    now: Duration,
) -> Vec<String> {
    let mut changes = Changes::default();
    changes.add(ChangeEvent { at: Duration::ZERO, what: change.to_owned(), who: None });
    let mut lines = vec![format!("CRITICAL {} dependencies are lost", broken.len())];
    if let [only] = broken {
        lines[0] = format!("CRITICAL {} is lost", only.dependency);
    }
    for Broken { dependency, why, domain, .. } in broken {
        lines.push(format!("  {dependency}: {why} [{domain}]"));
    }
    let mut on_paper: Vec<&String> =
        broken.iter().filter_map(|broken| reasons.get(&broken.dependency)).collect();
    on_paper.dedup();
    lines.extend(on_paper.iter().map(|why| format!("  as described it cannot work: {why}")));
    lines.extend(changes.before(now).iter().map(|change| format!("  before it: {change}")));
    if back.is_empty() {
        lines.push(
            "  to do: nothing of the change goes back by itself: mend it forwards".to_owned(),
        );
    } else {
        lines.push(format!(
            "  to do: take it back, {} says how it was:",
            arguments.before.display()
        ));
        lines.extend(back.iter().map(|part| format!("    undo: {}", part.what)));
    }
    lines.extend(
        stays.iter().map(|part| format!("    does not go back: {} ({})", part.what, part.why)),
    );
    lines
}
