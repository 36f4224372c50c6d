//! Levels of isolation, and what each of them forbids. After Adya's levels, Bailis' and Cerone's, as Elle combines them.

/// Which order between transactions a level keeps beside that of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kept {
    /// None.
    Data,
    /// What one client did one after the other.
    Session,
    /// What ended before something else began.
    Time,
}

/// The worst cycle that a level allows nothing of, and all that are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cycles {
    /// Of overwriting.
    G0,
    /// Of overwriting and reading.
    G1c,
    /// With one anti-dependency.
    Single,
    /// With anti-dependencies, none next to another.
    Nonadjacent,
    /// Any.
    G2,
}

/// A level of isolation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Its name.
    pub name: &'static str,
    /// Cycles of data that it forbids.
    pub(crate) cycles: Cycles,
    /// Cycles with the order that it keeps beside.
    pub(crate) ordered: Option<Cycles>,
    pub(crate) kept: Kept,
    /// Whether two transactions may not both update what they read.
    lost_update: bool,
    /// Whether a transaction sees its own writes and nothing else in between.
    internal: bool,
}

const fn level(name: &'static str, cycles: Cycles, lost_update: bool, internal: bool) -> Level {
    Level { name, cycles, ordered: None, kept: Kept::Data, lost_update, internal }
}

const fn kept(base: Level, name: &'static str, kept: Kept, ordered: Cycles) -> Level {
    Level { name, kept, ordered: Some(ordered), ..base }
}

const READ_UNCOMMITTED: Level = level("read-uncommitted", Cycles::G0, false, false);
const READ_COMMITTED: Level = level("read-committed", Cycles::G1c, false, false);
const SNAPSHOT: Level = level("snapshot-isolation", Cycles::Nonadjacent, true, true);
const SERIALIZABLE: Level = level("serializable", Cycles::G2, true, true);

/// All levels, the default last.
pub const LEVELS: [Level; 25] = [
    READ_UNCOMMITTED,
    READ_COMMITTED,
    level("monotonic-view", Cycles::G1c, false, false),
    level("monotonic-snapshot-read", Cycles::G1c, false, false),
    level("monotonic-atomic-view", Cycles::G1c, false, false),
    level("cursor-stability", Cycles::G1c, true, false),
    level("read-atomic", Cycles::G1c, false, true),
    level("causal", Cycles::G1c, false, true),
    level("prefix", Cycles::G1c, false, true),
    level("parallel-snapshot-isolation", Cycles::G1c, true, true),
    level("consistent-view", Cycles::Single, true, false),
    level("forward-consistent-view", Cycles::Single, true, false),
    level("update-serializable", Cycles::Single, true, false),
    level("repeatable-read", Cycles::G2, true, false),
    SNAPSHOT,
    SERIALIZABLE,
    kept(READ_UNCOMMITTED, "strong-session-read-uncommitted", Kept::Session, Cycles::G0),
    kept(READ_COMMITTED, "strong-session-read-committed", Kept::Session, Cycles::G1c),
    kept(SNAPSHOT, "strong-session-snapshot-isolation", Kept::Session, Cycles::Nonadjacent),
    kept(SERIALIZABLE, "strong-session-serializable", Kept::Session, Cycles::G2),
    kept(READ_UNCOMMITTED, "strong-read-uncommitted", Kept::Time, Cycles::G0),
    kept(READ_COMMITTED, "strong-read-committed", Kept::Time, Cycles::G1c),
    kept(SNAPSHOT, "strong-snapshot-isolation", Kept::Time, Cycles::Nonadjacent),
    kept(SERIALIZABLE, "strong-serializable", Kept::Time, Cycles::G2),
    kept(SERIALIZABLE, "strict-serializable", Kept::Time, Cycles::G2),
];

impl Level {
    /// A level by its name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let name = match name {
            "PL-1" => "read-uncommitted",
            "PL-2" => "read-committed",
            "PL-CS" => "cursor-stability",
            "PL-2L" => "monotonic-view",
            "PL-MSR" => "monotonic-snapshot-read",
            "PL-2+" => "consistent-view",
            "PL-FCV" => "forward-consistent-view",
            "PL-3U" => "update-serializable",
            "PL-2.99" => "repeatable-read",
            "PL-SI" => "snapshot-isolation",
            "PL-3" | "conflict-serializable" | "view-serializable" => "serializable",
            "PL-SS" => "strict-serializable",
            "causal-cerone" => "causal",
            "strong-session-PL-1" => "strong-session-read-uncommitted",
            "strong-session-PL-2" => "strong-session-read-committed",
            "strong-PL-1" => "strong-read-uncommitted",
            "strong-PL-2" => "strong-read-committed",
            other => other,
        };
        LEVELS.into_iter().find(|level| level.name == name)
    }

    /// The strongest.
    #[must_use]
    pub fn strict_serializable() -> Self {
        LEVELS[LEVELS.len() - 1]
    }

    /// Whether all transactions must have an order in which they could have happened one after the other.
    pub(crate) fn is_serial(&self) -> bool {
        self.cycles == Cycles::G2 && self.internal
    }

    /// Whether what was found cannot be where the level holds.
    pub(crate) fn forbids(&self, anomaly: &str) -> bool {
        let committed = self.cycles >= Cycles::G1c;
        let (base, ordered) =
            match anomaly.strip_suffix("-process").or(anomaly.strip_suffix("-realtime")) {
                Some(base) => (base, true),
                None => (anomaly, false),
            };
        let cycle = match base {
            "G0" => Cycles::G0,
            "G1c" => Cycles::G1c,
            "G-single-item" => Cycles::Single,
            "G-nonadjacent-item" => Cycles::Nonadjacent,
            "G2-item" => Cycles::G2,
            "duplicate-elements" => return true,
            "G1a" | "G1b" | "dirty-update" | "incompatible-order" | "future-read" | "unwritten" => {
                return committed;
            }
            "lost-update" => return self.lost_update,
            "internal" => return self.internal,
            _ => return false,
        };
        if ordered {
            self.ordered.is_some_and(|worst| cycle <= worst)
        } else {
            cycle <= self.cycles
        }
    }
}
