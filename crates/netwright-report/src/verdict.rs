//! Passed, failed, or not known.

use serde::{Deserialize, Serialize};

/// What was found out about a claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds, and enough was seen to say so.
    Passed,
    /// It does not hold.
    Failed,
    /// Too little was seen.
    #[default]
    Unknown,
}

impl Verdict {
    /// The verdict of two claims together: failed if one failed, passed only if both passed.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Failed, _) | (_, Self::Failed) => Self::Failed,
            (Self::Passed, Self::Passed) => Self::Passed,
            _ => Self::Unknown,
        }
    }

    /// From whether it holds; `None` where that is not known.
    #[must_use]
    pub const fn from_known(holds: Option<bool>) -> Self {
        match holds {
            Some(true) => Self::Passed,
            Some(false) => Self::Failed,
            None => Self::Unknown,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}
