//! After a change: a window that stays open until each dependency has worked once from a fresh start.
//!
//! In the incident the setting was changed at 04:27, and what it broke was seen 37 hours later: what ran kept the connections that it had, and only
//! what started anew found no way. So no length of time closes a [`Window`] here, and no number of successes of what was running before.
//!
//! - A success counts of a fresh start only ([`Exercise::fresh`]): of something that began after the change, and made its connections anew.
//! - A failure counts from whoever makes it, several in a row, once the change has settled. What was learnt of nothing counts for nothing.
//! - What failed before the change as well is no reason to go back, and is told: the change was perhaps to cure it.
//! - Going back names what goes back, the last step first, and what does not. Where nothing goes back the decision is [`Decision::Cannot`].
//! - After the way back only a success of each broken dependency says that it is restored.
//!
//! Who applies a change makes a window with its [`Part`]s, says when it has [settled](Window::settled), hands in each [`Exercise`], and does what the
//! [`Decision`] says. Windows are data: they are kept over a restart as they are. Times are durations since any fixed moment.

mod window;

pub use window::{Before, Broken, Decision, Dependency, Exercise, Moment, Options, State, Window};

use serde::{Deserialize, Serialize};

use netwright_verify::steps::{Step, Undo};

/// How a part of a change is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reversal {
    /// By doing the opposite.
    InPlace,
    /// By making the object anew: what depends on it is interrupted.
    Anew,
    /// Something is lost for good.
    Never,
    /// Nobody knows of this setting at this provider.
    Unknown,
}

impl Reversal {
    /// Whether going back is tried without asking anybody: what is not known is not tried.
    #[must_use]
    pub const fn goes_back(self) -> bool {
        matches!(self, Self::InPlace | Self::Anew)
    }
}

/// A part of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What is done: `change service auth: egress.mode private-ranges-only → all-traffic`.
    pub what: String,
    /// How it is taken back.
    pub reversal: Reversal,
    /// Why so.
    pub why: String,
}

impl Part {
    /// Of a step between two networks.
    #[must_use]
    pub fn of(step: &Step) -> Self {
        let field = |field: &netwright_verify::steps::Field| {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
            format!("{} {} → {}", field.path, value(&field.old), value(&field.new))
        };
        let fields: Vec<String> = step.fields.iter().map(field).collect();
        let detail = if fields.is_empty() { String::new() } else { ": ".to_owned() };
        Self {
            what: format!(
                "{} {} {}{detail}{}",
                step.action.word(),
                step.kind,
                step.name,
                fields.join(", ")
            ),
            reversal: match step.undo {
                Undo::Reversible => Reversal::InPlace,
                Undo::Replace => Reversal::Anew,
                Undo::Irreversible => Reversal::Never,
                Undo::Unknown => Reversal::Unknown,
            },
            why: step.why.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
