//! Rules asked of things, and what fires.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::change::Changes;
use super::rule::{Condition, Level, Rule};
use crate::fault::Domain;
use crate::fleet::names;
use crate::health::{Counts, State};

/// What rules can ask.
pub trait World {
    /// The things that something is known of.
    fn things(&self) -> Vec<&str>;
    /// How one is.
    fn state(&self, thing: &str) -> Option<State>;
    /// Since when it is so.
    fn since(&self, thing: &str) -> Option<Duration>;
    /// Whether its state changes to and fro.
    fn flapping(&self, thing: &str) -> Option<bool>;
    /// The results of its window.
    fn counts(&self, thing: &str) -> Option<Counts>;
    /// What was measured of it, where that is recent enough to be believed.
    fn metric(&self, metric: &str, thing: &str) -> Option<f64>;
    /// What it depends on and is away.
    fn suppressed_by(&self, thing: &str) -> Option<&str>;
    /// Where its fault lies.
    fn fault(&self, thing: &str) -> Option<Domain>;
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Truth {
    /// It does, with what was measured.
    Yes(Option<f64>),
    /// It does not.
    No,
    /// Nobody knows: what it is about was not measured, or is not known.
    Unknown,
}

/// Whether an alert is still one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is.
    Firing,
    /// It was, until now.
    Resolved,
}

/// What helps to deal with something that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Guidance {
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<String>,
    /// Who is told next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<String>,
    /// Where to read on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// What it is about, in a tracker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_reference: Option<String>,
    /// Where the fault lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault_domain: Option<Domain>,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The rule; with `: no data` after it where what it asks about is not known.
    pub rule: String,
    /// The thing.
    pub thing: String,
    /// Of which part of the system it is.
    pub component: String,
    /// How bad it is.
    pub level: Level,
    /// Whether it is still so.
    pub status: Status,
    /// What is said.
    pub message: String,
    /// What helps to deal with it.
    #[serde(flatten)]
    pub guidance: Guidance,
    /// Since when what it is about is so.
    pub began: Duration,
    /// Changes before that, the latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// What it depends on and is away: nobody is told of it meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_by: Option<String>,
}

impl Alert {
    /// What tells it from others.
    #[must_use]
    pub fn key(&self) -> (String, String) {
        (self.rule.clone(), self.thing.clone())
    }
}

/// How far a rule is with a thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
enum Phase {
    #[default]
    Idle,
    Pending {
        began: Duration,
        value: Option<f64>,
    },
    Firing {
        began: Duration,
        /// When it held last, and what was measured.
        held: Duration,
        value: Option<f64>,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Asked {
    phase: Phase,
    /// Since when nobody knows.
    unknown: Option<Duration>,
    /// That nobody knows was told.
    told_missing: bool,
}

impl Asked {
    /// As of now where it was later: a clock that was put back between two runs.
    fn no_later(mut self, now: Duration) -> Self {
        match &mut self.phase {
            Phase::Idle => {}
            Phase::Pending { began, .. } => *began = now.min(*began),
            Phase::Firing { began, held, .. } => {
                (*began, *held) = (now.min(*began), now.min(*held));
            }
        }
        self.unknown = self.unknown.map(|since| since.min(now));
        self
    }
}

/// What an engine keeps over a restart.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct KeptRules(Vec<(String, String, Asked)>);

/// Which rules fire for which things.
#[derive(Debug, Clone, Default)]
pub struct Engine {
    rules: Vec<Rule>,
    asked: BTreeMap<(String, String), Asked>,
}

impl Engine {
    /// Rules, from now on these. What fires goes on where its rule is still there.
    pub fn rules(&mut self, rules: Vec<Rule>) {
        let kept: BTreeSet<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        self.asked.retain(|(rule, _), _| kept.contains(rule.as_str()));
        self.rules = rules;
    }

    /// The rules.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// What holds and does not fire yet, as the alerts that it would be.
    pub fn pending(&self, world: &impl World, changes: &Changes, now: Duration) -> Vec<Alert> {
        let mut all = Vec::new();
        for ((name, thing), asked) in &self.asked {
            let Phase::Pending { began, value } = asked.phase else { continue };
            let Some(rule) = self.rules.iter().find(|rule| rule.name == *name) else { continue };
            let found = Found { rule, thing, world, changes, now };
            all.push(found.alert(Status::Firing, began, value));
        }
        all
    }

    /// What is kept over a restart: whatever is not as at the beginning.
    #[must_use]
    pub fn kept(&self) -> KeptRules {
        let asked = self.asked.iter().filter(|(_, asked)| **asked != Asked::default());
        KeptRules(
            asked.map(|((rule, thing), asked)| (rule.clone(), thing.clone(), *asked)).collect(),
        )
    }

    /// Takes what was kept, of rules that are still there.
    pub fn restore(&mut self, kept: KeptRules, now: Duration) {
        for (rule, thing, asked) in kept.0 {
            if self.rules.iter().any(|own| own.name == rule) {
                self.asked.insert((rule, thing), asked.no_later(now));
            }
        }
    }

    /// Asks every rule of everything that it is about: what fires, and what has just ended.
    pub fn step(&mut self, world: &impl World, changes: &Changes, now: Duration) -> Vec<Alert> {
        let mut alerts = Vec::new();
        let all = world.things();
        let mut seen = BTreeSet::new();
        for rule in &self.rules {
            let mut things: Vec<&str> =
                all.iter().copied().filter(|thing| names(&rule.things, thing)).collect();
            // A rule about things of which nothing is known says so, and is no rule that never fires.
            if things.is_empty() {
                things.push(&rule.things);
            }
            for thing in things {
                let key = (rule.name.clone(), thing.to_owned());
                let asked = self.asked.entry(key.clone()).or_default();
                seen.insert(key);
                let found = Found { rule, thing, world, changes, now };
                found.step(asked, &mut alerts);
            }
        }
        // What is not watched any more ends in silence: nobody has found it well.
        self.asked.retain(|key, _| seen.contains(key));
        alerts
    }
}

/// Whether a rule's condition holds for a thing.
fn truth(rule: &Rule, thing: &str, world: &impl World) -> Truth {
    let of = |holds: bool, value| if holds { Truth::Yes(value) } else { Truth::No };
    match &rule.condition {
        Condition::State(states) => match world.state(thing) {
            None => Truth::Unknown,
            Some(State::Unknown) if !states.contains(&State::Unknown) => Truth::Unknown,
            Some(state) => of(states.contains(&state), None),
        },
        Condition::Flapping => {
            world.flapping(thing).map_or(Truth::Unknown, |flaps| of(flaps, None))
        }
        Condition::FailureRate { share, least } => {
            let counts = world.counts(thing).unwrap_or_default();
            match counts.failure_rate().filter(|_| counts.passed + counts.failed >= *least) {
                Some(rate) => of(rate >= *share, Some(rate)),
                None => Truth::Unknown,
            }
        }
        Condition::Metric(threshold) => match world.metric(&threshold.metric, thing) {
            Some(measured) => of(threshold.holds(measured), Some(measured)),
            None => Truth::Unknown,
        },
        Condition::Missing(metric) => of(world.metric(metric, thing).is_none(), None),
    }
}

/// What to do where nobody knows.
const MEASURE: &str = "Find out why nothing is measured; what is not measured is not well";

/// A rule that is asked of a thing.
struct Found<'f, W> {
    rule: &'f Rule,
    thing: &'f str,
    world: &'f W,
    changes: &'f Changes,
    now: Duration,
}

impl<W: World> Found<'_, W> {
    fn step(&self, asked: &mut Asked, alerts: &mut Vec<Alert>) {
        let truth = truth(self.rule, self.thing, self.world);
        self.missing(asked, truth, alerts);
        // What depends on something that is away does not become an alert meanwhile; one that is goes on, and is held back.
        let suppressed = self.world.suppressed_by(self.thing).is_some();
        let (phase, ended) = next(asked.phase, truth, self.rule, self.now, suppressed);
        asked.phase = phase;
        if let Phase::Firing { began, value, .. } = phase {
            alerts.push(self.alert(Status::Firing, began, value));
        } else if let Some((began, value)) = ended {
            alerts.push(self.alert(Status::Resolved, began, value));
        }
    }

    /// That nobody knows is an alert of its own, after a while.
    fn missing(&self, asked: &mut Asked, truth: Truth, alerts: &mut Vec<Alert>) {
        if truth != Truth::Unknown {
            let began = asked.unknown.take();
            if std::mem::take(&mut asked.told_missing) {
                alerts.push(self.missing_alert(Status::Resolved, began.unwrap_or(self.now)));
            }
            return;
        }
        let since = *asked.unknown.get_or_insert(self.now);
        let Some(after) = self.rule.missing_after else { return };
        if self.now.saturating_sub(since) >= after {
            asked.told_missing = true;
            alerts.push(self.missing_alert(Status::Firing, since));
        }
    }

    fn missing_alert(&self, status: Status, began: Duration) -> Alert {
        let what = match &self.rule.condition {
            Condition::Metric(threshold) => format!("`{}` was not measured", threshold.metric),
            Condition::FailureRate { .. } => "too few results to tell a rate".to_owned(),
            _ => "nothing is known of its state".to_owned(),
        };
        let alert = self.alert(status, began, None);
        Alert {
            rule: format!("{}: no data", self.rule.name),
            level: Level::Warning,
            message: format!(
                "{}: {what} for {}; nobody knows whether {} holds",
                self.thing,
                super::change::lasted(self.now.saturating_sub(began)),
                self.rule.name
            ),
            guidance: Guidance { remediation: Some(MEASURE.to_owned()), ..alert.guidance },
            ..alert
        }
    }

    fn alert(&self, status: Status, began: Duration, value: Option<f64>) -> Alert {
        let rule = self.rule;
        // What went wrong was wrong before the rule was sure of it.
        let began = match rule.condition {
            Condition::State(_) => {
                self.world.since(self.thing).map_or(began, |since| since.min(began))
            }
            _ => began,
        };
        Alert {
            rule: rule.name.clone(),
            thing: self.thing.to_owned(),
            component: rule.component.clone(),
            level: rule.level,
            status,
            message: rule.says_of(self.thing, value),
            guidance: Guidance {
                remediation: self.remedy(),
                escalation: rule.escalation.clone(),
                runbook: rule.runbook.clone(),
                issue_reference: rule.issue.clone(),
                fault_domain: self.world.fault(self.thing),
                value,
            },
            began,
            changes: self.changes.before(began),
            suppressed_by: self.world.suppressed_by(self.thing).map(str::to_owned),
        }
    }

    /// The first remedy whose conditions hold now.
    fn remedy(&self) -> Option<String> {
        self.rule.remedy_for(|threshold| {
            let measured = self.world.metric(&threshold.metric, self.thing);
            measured.is_some_and(|measured| threshold.holds(measured))
        })
    }
}

/// How far a rule is with a thing after it was asked, and what has ended.
fn next(
    phase: Phase,
    truth: Truth,
    rule: &Rule,
    now: Duration,
    suppressed: bool,
) -> (Phase, Option<(Duration, Option<f64>)>) {
    let pending = |began: Duration, value| {
        if now.saturating_sub(began) >= rule.after && !suppressed {
            Phase::Firing { began, held: now, value }
        } else {
            Phase::Pending { began, value }
        }
    };
    match (phase, truth) {
        (Phase::Idle, Truth::Yes(value)) => (pending(now, value), None),
        (Phase::Pending { began, .. }, Truth::Yes(value)) => (pending(began, value), None),
        (Phase::Firing { began, .. }, Truth::Yes(value)) => {
            (Phase::Firing { began, held: now, value }, None)
        }
        (Phase::Firing { began, held, value }, Truth::No)
            if now.saturating_sub(held) >= rule.keep =>
        {
            (Phase::Idle, Some((began, value)))
        }
        (Phase::Idle | Phase::Pending { .. }, Truth::No) => (Phase::Idle, None),
        // Nobody knows: what waits does not fire for it, and what fires does not end.
        (phase, Truth::No | Truth::Unknown) => (phase, None),
    }
}
