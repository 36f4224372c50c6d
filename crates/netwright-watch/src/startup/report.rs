//! A start, as it is told to people and machines.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::flag::Setting;

/// How a phase ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It has not begun, or is not over.
    Pending,
    /// It worked.
    Passed,
    /// It did not, and the start goes on without it because a bypass is on.
    Bypassed {
        /// Why it did not work.
        why: String,
    },
    /// It did not, and the start goes on without it because it is optional.
    Missed {
        /// Why it did not work.
        why: String,
    },
    /// It did not.
    Failed {
        /// Why.
        why: String,
    },
}

/// How a start stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is not over.
    Starting,
    /// Every phase worked.
    Normal,
    /// Optional phases did not work.
    Degraded,
    /// Phases were passed by that are needed otherwise.
    EmergencyDegraded,
    /// A phase failed that could not be passed by.
    Failed,
}

/// A phase, as it is told.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PhaseReport {
    /// Its name.
    pub name: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How often it was tried in the start; 0 where what it depends on was known to be away.
    pub tries: u32,
    /// How long it took in the start, in seconds.
    pub seconds: f64,
}

/// A bypass, as it is told.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BypassReport {
    /// The flag that turns it on.
    pub flag: String,
    /// How the flag is set.
    #[serde(flatten)]
    pub setting: Setting,
    /// The phases that are passed by because of it.
    pub passed_by: Vec<String>,
    /// For how many seconds nothing was passed by although it is on; none where it is meant to stay on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<f64>,
}

/// A start, as it is told.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// How it stands.
    pub mode: Mode,
    /// Whether every phase ran and none failed that could not be passed by.
    pub complete: bool,
    /// The phases, in their order.
    pub phases: Vec<PhaseReport>,
    /// The bypasses.
    pub bypasses: Vec<BypassReport>,
}

impl Report {
    /// The first phase that failed and could not be passed by.
    #[must_use]
    pub fn failed(&self) -> Option<&PhaseReport> {
        self.phases.iter().find(|phase| matches!(phase.outcome, Outcome::Failed { .. }))
    }

    /// Why the service cannot be used, where it cannot.
    #[must_use]
    pub fn hindrance(&self) -> Option<String> {
        if self.complete {
            return None;
        }
        Some(match self.failed() {
            Some(PhaseReport { name, outcome: Outcome::Failed { why }, .. }) => {
                format!("the phase `{name}` has failed: {why}")
            }
            _ => {
                let phase = self.phases.iter().find(|phase| phase.outcome == Outcome::Pending);
                let at = phase.map(|phase| format!(": it is at the phase `{}`", phase.name));
                format!("the start is not over{}", at.unwrap_or_default())
            }
        })
    }

    /// What somebody should do something about. A bypass that nothing needed for `stale` is one of them.
    #[must_use]
    pub fn alarms(&self, stale: Duration) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        for bypass in &self.bypasses {
            let flag = bypass.flag.clone();
            if let Setting::Unparsed { value } = &bypass.setting {
                alarms.push(Alarm::Unparsed { flag, value: value.clone() });
            } else if !bypass.passed_by.is_empty() {
                alarms.push(Alarm::Active { flag, phases: bypass.passed_by.clone() });
            } else if let Some(idle) = bypass.idle_seconds
                && idle > stale.as_secs_f64()
            {
                alarms.push(Alarm::Stale { flag, minutes: (idle / 60.0).floor() });
            }
        }
        alarms
    }
}

/// What somebody should do something about.
#[derive(Debug, Clone, PartialEq)]
pub enum Alarm {
    /// Phases are passed by.
    Active {
        /// Because of this flag.
        flag: String,
        /// These.
        phases: Vec<String>,
    },
    /// The bypass is on and nothing needs it.
    Stale {
        /// Its flag.
        flag: String,
        /// For so many minutes.
        minutes: f64,
    },
    /// What a flag says is not understood, and turns nothing on.
    Unparsed {
        /// The flag.
        flag: String,
        /// What it says.
        value: String,
    },
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active { flag, phases } => write!(
                f,
                "CRITICAL: {flag} is on and the service runs without {}: it is degraded",
                phases.join(", ")
            ),
            Self::Stale { flag, minutes } => write!(
                f,
                "{flag} is on, and nothing has needed it for {minutes} minutes: turn it off before it hides the next fault"
            ),
            Self::Unparsed { flag, value } => write!(
                f,
                "{flag} says `{}`, which turns nothing on: only `true` does",
                value.escape_debug()
            ),
        }
    }
}
