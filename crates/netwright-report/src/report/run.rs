//! What ran, on what, when, through which phases, and what happened.

use serde::{Deserialize, Serialize};

use crate::{Date, Moment, Span};

/// What was tried, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scenario {
    /// Its short name, such as `backend-database`.
    pub name: String,
    /// What it does, in a sentence or two.
    pub description: String,
    /// How serious the failure would be, such as `P0`.
    pub severity: Option<String>,
    /// What was believed before: the steady state's title.
    pub hypothesis: Option<String>,
}

/// Which network was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkIdentity {
    /// Its name.
    pub name: String,
    /// Its revision, or a fingerprint of its description.
    #[serde(default)]
    pub revision: Option<String>,
}

/// When it ran, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Tells this run from all others.
    pub id: String,
    /// When it began. Every [`Moment`] counts from here.
    pub began: Date,
    /// How long it took.
    pub duration: Span,
    /// What its chances were drawn from: the same seed gives the same schedule.
    pub seed: u64,
    /// How it ended.
    #[serde(default)]
    pub end: End,
    /// What took part: Netwright, the kernel, PostgreSQL and the rest.
    #[serde(default)]
    pub versions: Vec<Version>,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum End {
    /// All phases were gone through.
    Completed,
    /// An abort condition, or a real incident, ended it.
    Aborted {
        /// Why.
        why: String,
    },
    /// Somebody ended it.
    Interrupted,
    /// The controller did not live to say.
    #[default]
    Unknown,
}

/// A program and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The program.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A part of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name in the experiment's file.
    pub name: String,
    /// What it is for.
    pub kind: PhaseKind,
    /// When it began.
    pub begin: Moment,
    /// When it ended; `None` if it did not.
    #[serde(default)]
    pub end: Option<Moment>,
}

/// What a phase is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseKind {
    /// Starting what takes part, and asking the steady state.
    Prepare,
    /// Nothing is broken: what is normal.
    Baseline,
    /// Something is broken.
    Fault,
    /// Faults are taken away.
    Heal,
    /// Service and data are put right.
    Recover,
    /// What happened is checked.
    Check,
}

impl PhaseKind {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Baseline => "baseline",
            Self::Fault => "fault",
            Self::Heal => "heal",
            Self::Recover => "recover",
            Self::Check => "check",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// What kind of thing.
    pub kind: EventKind,
    /// What, in a sentence.
    pub text: String,
}

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A phase began or ended.
    Phase,
    /// Something was broken or mended.
    Fault,
    /// A probe's finding was declared.
    Detection,
    /// A component changed its state.
    State,
    /// The system did something about it by itself.
    Response,
    /// A step of the recovery.
    Recovery,
    /// A check ended.
    Check,
    /// A bound was met, or an abort condition.
    Safety,
    /// Something broke that was not meant to.
    Incident,
    /// Somebody wrote it down.
    Note,
}

impl EventKind {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Phase => "phase",
            Self::Fault => "fault",
            Self::Detection => "detection",
            Self::State => "state",
            Self::Response => "response",
            Self::Recovery => "recovery",
            Self::Check => "check",
            Self::Safety => "safety",
            Self::Incident => "incident",
            Self::Note => "note",
        }
    }
}

/// What one component said of itself over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// The component.
    pub component: String,
    /// Its states in order of time; each holds until the next.
    pub changes: Vec<StateChange>,
}

/// A component's state from a moment on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// From when.
    pub at: Moment,
    /// The state in the component's own word, such as `degraded`.
    pub state: String,
    /// What that is for those who depend on it.
    pub level: Level,
}

/// How well a component does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should.
    Good,
    /// It answers, with less.
    Degraded,
    /// It does not do its work.
    Bad,
    /// Nobody knows.
    #[default]
    Unknown,
}

impl Level {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Degraded => "degraded",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }
}

/// One who led for a while. Two of a group that overlap are a split brain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leadership {
    /// What was led, such as `outbox`.
    pub group: String,
    /// The fencing epoch.
    pub epoch: u64,
    /// Who believed to lead.
    pub leader: String,
    /// From when.
    pub begin: Moment,
    /// Until when it believed so; `None` if until the end.
    #[serde(default)]
    pub end: Option<Moment>,
}
