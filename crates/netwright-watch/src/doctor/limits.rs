//! What times are fine where a description says nothing.

use std::time::Duration;

use crate::probe::outcome::{Outcome, PhaseName};
use crate::probe::target::Target;

/// Phases that are timed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phases {
    /// From a name to an address.
    Name,
    /// To an open connection; of a database, until it takes queries.
    Connect,
    /// A TLS handshake.
    Tls,
}

/// A threshold on phases, of all outcomes of a probe: the slowest counts, since "consistently" is no mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What it is called.
    pub name: &'static str,
    /// Which phases.
    pub phases: Phases,
    /// From here on it is a warning.
    pub warn: Option<Duration>,
    /// From here on it is a failure.
    pub fail: Duration,
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The usual ones: names within 2 s, connections within 5 s (a second is worth a look), handshakes within 10 s (5 s are worth a look).
pub const LIMITS: [Limit; 3] = [
    Limit { name: "name resolution", phases: Phases::Name, warn: None, fail: seconds(2) },
    Limit { name: "connection", phases: Phases::Connect, warn: Some(seconds(1)), fail: seconds(5) },
    Limit { name: "TLS handshake", phases: Phases::Tls, warn: Some(seconds(5)), fail: seconds(10) },
];

/// Certificates that end sooner are worth a look, in days.
pub const CERTIFICATE_DAYS: f64 = 14.0;

impl Phases {
    /// How long they took in an outcome; none where none of them was gone through.
    #[must_use]
    pub fn took(self, target: &Target, outcome: &Outcome) -> Option<Duration> {
        let login = matches!(target, Target::Postgres(_) | Target::Redis(_));
        let of: &[PhaseName] = match self {
            Self::Name => &[PhaseName::Name],
            Self::Connect if login => &[PhaseName::Connect, PhaseName::Tls, PhaseName::Login],
            Self::Connect => &[PhaseName::Connect],
            Self::Tls => &[PhaseName::Tls],
        };
        let taken: Vec<Duration> = of.iter().filter_map(|phase| outcome.phase(*phase)).collect();
        (!taken.is_empty()).then(|| taken.iter().sum())
    }
}
