//! Changes that are watched until fresh starts have exercised what they may have broken ([`crate::change`]), by the starts that are reported.
//!
//! A start tells what became of a service's dependencies. Of those that it does not name nothing is said but by how it ended: a service that is ready
//! has all that it needs. That a service starts at all is a thing of its own (`auth starts`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Station, What, moment};
use crate::alert::{Alert, ChangeEvent, Guidance, Level, Notification, Status, lasted, sink};
use crate::change::{Before, Broken, Decision, Dependency, Exercise, Options, Part, State, Window};
use crate::fault;
use crate::health::Result as Found;

/// Changes that are watched, or were lately.
const MOST: usize = 64;

/// Something that a service connects to when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// The service.
    pub service: String,
    /// The dependency's name there.
    pub dependency: String,
    /// Whether it worked before the change; none where nobody knows. What did not is not the change's fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worked: Option<bool>,
}

/// A change to watch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// As a clause: `network revision 41 was applied`.
    pub what: String,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// How long ago it was applied; now unless given.
    #[serde(default)]
    pub seconds_ago: f64,
    /// Its parts, in order, with how each is taken back.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// What it may have broken.
    pub needs: Vec<Need>,
}

/// How a start ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The service is ready, with all that it needs.
    Ready,
    /// It is ready without some of what it could do without.
    Degraded,
    /// It did not start.
    Failed,
}

/// A start that somebody saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The service.
    pub service: String,
    /// How long ago it began; now unless given.
    #[serde(default)]
    pub seconds_ago: f64,
    /// How it ended.
    pub ended: Ended,
    /// Of dependencies: nothing where one works, why where it does not.
    #[serde(default)]
    pub found: BTreeMap<String, Option<String>>,
}

/// A change that is watched, over a restart too.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Watched {
    id: u64,
    applied: Duration,
    needs: Vec<Need>,
    window: Window,
    broken: Vec<Broken>,
    back: Vec<Part>,
    stays: Vec<Part>,
}

/// A change that is watched, for who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlingRow {
    /// Its number.
    pub id: u64,
    /// What was changed.
    pub change: String,
    /// When it was applied.
    pub applied: String,
    /// How far it is.
    pub state: State,
    /// What no fresh start has exercised.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// What it broke.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<Broken>,
    /// What of it goes back, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub back: Vec<Part>,
    /// What does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stays: Vec<Part>,
}

impl Watched {
    fn row(&self) -> SettlingRow {
        SettlingRow {
            id: self.id,
            change: self.window.change().to_owned(),
            applied: moment(self.applied),
            state: self.window.state(),
            waits_for: self.window.waits_for().map(str::to_owned).collect(),
            broken: self.broken.clone(),
            back: self.back.clone(),
            stays: self.stays.clone(),
        }
    }

    /// What a start says of each of its service's dependencies.
    fn exercises(&self, start: &Start, began: Duration) -> Vec<Exercise> {
        let own = self.needs.iter().filter(|need| need.service == start.service);
        let mut all: Vec<Exercise> = own
            .map(|need| {
                let (result, why) = match (start.found.get(&need.dependency), start.ended) {
                    (Some(None), _) | (None, Ended::Ready) => (Found::Passed, None),
                    (Some(Some(why)), _) => (Found::Failed, Some(why.as_str())),
                    (None, Ended::Degraded | Ended::Failed) => (Found::Unknown, None),
                };
                exercise(named(need), result, why, began)
            })
            .collect();
        let starts = match start.ended {
            Ended::Ready | Ended::Degraded => {
                exercise(starts(&start.service), Found::Passed, None, began)
            }
            Ended::Failed => {
                exercise(starts(&start.service), Found::Failed, Some("it did not start"), began)
            }
        };
        // Last: why it did not start comes before that it did not.
        all.push(starts);
        all
    }
}

fn named(need: &Need) -> String {
    format!("{} → {}", need.service, need.dependency)
}

fn starts(service: &str) -> String {
    format!("{service} starts")
}

fn exercise(dependency: String, result: Found, why: Option<&str>, began: Duration) -> Exercise {
    let fault = why.map(|why| (fault::of_text(why), why.to_owned()));
    Exercise { dependency, fresh: true, began, result, fault }
}

impl Station {
    /// Watches a change until what it may have broken was exercised by fresh starts.
    pub fn open(&mut self, change: Applied, now: Duration) -> SettlingRow {
        let ago = Duration::try_from_secs_f64(change.seconds_ago).unwrap_or_default();
        let applied = now.saturating_sub(ago);
        let event = ChangeEvent { at: applied, what: change.what.clone(), who: change.who };
        self.change(event, now);
        while self.settling.len() >= MOST {
            let given_up = self.settling.remove(0);
            if !given_up.window.is_over() {
                self.note(
                    &format!("{}: it is not watched any more", given_up.window.change()),
                    now,
                );
            }
        }
        let mut dependencies: Vec<Dependency> = Vec::new();
        for need in &change.needs {
            let before = match need.worked {
                Some(true) => Before::Worked,
                Some(false) => Before::Failed("it did not work before".to_owned()),
                None => Before::Unknown,
            };
            dependencies.push(Dependency { name: named(need), before });
        }
        let services: BTreeSet<&str> =
            change.needs.iter().map(|need| need.service.as_str()).collect();
        for service in services {
            dependencies.push(Dependency { name: starts(service), before: Before::Unknown });
        }
        let parts = if change.parts.is_empty() { unknown(&change.what) } else { change.parts };
        // A start has tried often before it has failed.
        let options = Options { failures: 1, settle: Duration::ZERO };
        let mut window = Window::open(&change.what, parts, dependencies, options, applied);
        let decision = window.settled(applied);
        self.numbered += 1;
        let watched = Watched {
            id: self.numbered,
            applied,
            needs: change.needs,
            window,
            broken: Vec::new(),
            back: Vec::new(),
            stays: Vec::new(),
        };
        let row = watched.row();
        self.settling.push(watched);
        if decision.is_some() {
            self.note(&format!("{}: nothing depends on it", row.change), now);
        }
        row
    }

    /// A change that is watched, or was.
    #[must_use]
    pub fn settling(&self, id: u64) -> Option<SettlingRow> {
        self.settling.iter().find(|watched| watched.id == id).map(Watched::row)
    }

    /// Changes that have not settled, the oldest first.
    #[must_use]
    pub fn unsettled(&self) -> Vec<SettlingRow> {
        let open = self.settling.iter().filter(|watched| !watched.window.is_over());
        open.map(Watched::row).collect()
    }

    /// Somebody saw a start: the changes that are watched, as they are by it.
    pub fn started(&mut self, start: &Start, now: Duration) -> Vec<SettlingRow> {
        let ago = Duration::try_from_secs_f64(start.seconds_ago).unwrap_or_default();
        let began = now.saturating_sub(ago);
        self.note(&told(start), now);
        let mut decided: Vec<(String, Decision)> = Vec::new();
        let mut rows = Vec::new();
        for watched in self.settling.iter_mut().filter(|watched| !watched.window.is_over()) {
            for exercise in watched.exercises(start, began) {
                let Some(decision) = watched.window.exercised(&exercise, now) else { continue };
                if let Decision::RollBack { broken, stays, .. }
                | Decision::Cannot { broken, stays } = &decision
                {
                    (watched.broken, watched.stays) = (broken.clone(), stays.clone());
                }
                if let Decision::RollBack { back, .. } = &decision {
                    watched.back.clone_from(back);
                }
                let since = lasted(began.saturating_sub(watched.applied));
                decided.push((format!("{} {since} before", watched.window.change()), decision));
            }
            rows.push(watched.row());
        }
        for (change, decision) in decided {
            self.decided(start, (&change, began), &decision, now);
        }
        let failed = if start.ended == Ended::Failed { 1.0 } else { 0.0 };
        self.measure(&start.service, "startup_failures", failed, now);
        rows
    }

    fn decided(
        &mut self,
        start: &Start,
        (change, began): (&str, Duration),
        decision: &Decision,
        now: Duration,
    ) {
        let (broken, what_to_do) = match decision {
            Decision::RollBack { broken, .. } => (
                broken,
                "Take the change back (`netwright rollback`): what runs on may die at its next start",
            ),
            Decision::Cannot { broken, .. } => {
                (broken, "Nothing of the change is known to go back: cure what it broke")
            }
            Decision::Keep { .. } => {
                return self.note(
                    &format!("{change}: every dependency was used by a fresh start: it stays"),
                    now,
                );
            }
            Decision::Restored { .. } | Decision::NotRestored { .. } => return,
        };
        let broken: Vec<String> =
            broken.iter().map(|one| format!("{}: {}", one.dependency, one.why)).collect();
        let service = &start.service;
        let alert = Alert {
            rule: "change".to_owned(),
            thing: service.clone(),
            component: service.clone(),
            level: Level::Critical,
            status: Status::Firing,
            message: format!("a fresh start of {service} lacks what it had: {}", broken.join("; ")),
            guidance: Guidance { remediation: Some(what_to_do.to_owned()), ..Guidance::default() },
            began,
            changes: vec![change.to_owned()],
            suppressed_by: None,
        };
        let notification = Notification {
            component: service.clone(),
            level: Level::Critical,
            at: now,
            repeated: false,
            alerts: vec![alert],
        };
        let (component, lines) = (service.clone(), sink::lines(&notification));
        self.journal.add(now, What::Notification { level: Level::Critical, component, lines });
        self.outbox.push(notification);
    }

    /// Somebody did what was to be done with a change, or does not want to know any more; whether there was one.
    pub fn close(&mut self, id: u64, now: Duration) -> bool {
        let Some(at) = self.settling.iter().position(|watched| watched.id == id) else {
            return false;
        };
        let watched = self.settling.remove(at);
        self.note(&format!("{}: it is not watched any more", watched.window.change()), now);
        true
    }

    /// What people are to be told that nobody carried away yet.
    pub fn outbox(&mut self) -> Vec<Notification> {
        std::mem::take(&mut self.outbox)
    }
}

/// The only part of a change of which nothing is said: whether it goes back, nobody knows.
fn unknown(what: &str) -> Vec<Part> {
    let why = "nobody said how it is taken back".to_owned();
    vec![Part { what: what.to_owned(), reversal: crate::change::Reversal::Unknown, why }]
}

fn told(start: &Start) -> String {
    let how = match start.ended {
        Ended::Ready => "is ready",
        Ended::Degraded => "is ready, degraded",
        Ended::Failed => "failed",
    };
    let failed = start.found.iter().filter_map(|(name, why)| Some((name, why.as_ref()?)));
    let failed: Vec<String> = failed.map(|(name, why)| format!("{name}: {why}")).collect();
    let more = if failed.is_empty() { String::new() } else { format!(": {}", failed.join("; ")) };
    format!("a fresh start of {} {how}{more}", start.service)
}
