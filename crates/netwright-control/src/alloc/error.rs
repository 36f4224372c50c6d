//! Why something is not allocated or released, by what who asked can do about it.

use std::fmt;

use crate::time::Time;

/// Why a request was refused. Each has a slug, by which programs tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// There is no such pool.
    NoPool {
        /// What was asked for.
        pool: String,
        /// The pool with the nearest name.
        near: Option<String>,
    },
    /// The request contradicts itself or the pool's kind.
    Invalid(String),
    /// Nothing is free that is large enough.
    Exhausted {
        /// The pool.
        pool: String,
        /// What was asked, for people.
        wanted: String,
        /// How much of the pool is free, and in which pieces.
        free: String,
        /// How many released values rest there.
        cooling: usize,
        /// When the first of them can be given again.
        next_free_at: Option<Time>,
    },
    /// What was asked for, or a part of it, is somebody's.
    Taken {
        /// What was asked for.
        value: String,
        /// Who has it.
        by: String,
        /// Until when, where that is known.
        until: Option<Time>,
    },
    /// What was asked for is not in the pool.
    Outside {
        /// What was asked for.
        value: String,
        /// The pool.
        pool: String,
    },
    /// The pool gives nothing, because it is not known what is free.
    Closed {
        /// The pool.
        pool: String,
        /// Why.
        why: String,
    },
    /// What is to be released is not allocated.
    NotAllocated {
        /// The value.
        value: String,
        /// The pool.
        pool: String,
    },
    /// It was released, and allocated to somebody else since.
    Superseded {
        /// The value.
        value: String,
        /// The sequence number that was given.
        given: u64,
        /// The one that it has.
        now: u64,
    },
    /// A pool cannot be taken away or made another while something of it is taken.
    InUse {
        /// The pool.
        pool: String,
        /// How many values are taken or rest.
        values: usize,
    },
    /// The idempotency key was used with another request.
    KeyReused,
    /// Too many requests wait.
    Busy,
    /// This server does not lead, or no longer.
    NotLeader,
    /// The network or the pools changed each time while this was being done.
    Conflict {
        /// How often it was tried.
        attempts: u32,
    },
    /// The store cannot be asked now. Nothing was done.
    Unavailable(String),
    /// The store's answer was lost. Asked again with the same idempotency key, the answer is what came of it.
    OutcomeUnknown(String),
}

impl Error {
    /// A short name that does not change.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::NoPool { .. } => "no-such-pool",
            Self::Invalid(_) => "invalid-request",
            Self::Exhausted { .. } => "pool-exhausted",
            Self::Taken { .. } => "value-taken",
            Self::Outside { .. } => "outside-pool",
            Self::Closed { .. } => "pool-closed",
            Self::NotAllocated { .. } => "not-allocated",
            Self::Superseded { .. } => "superseded",
            Self::InUse { .. } => "pool-in-use",
            Self::KeyReused => "idempotency-key-reused",
            Self::Busy => "busy",
            Self::NotLeader => "not-leader",
            Self::Conflict { .. } => "conflict",
            Self::Unavailable(_) => "store-unavailable",
            Self::OutcomeUnknown(_) => "outcome-unknown",
        }
    }

    /// Whether the same request may do better later.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::NotLeader
                | Self::Conflict { .. }
                | Self::Unavailable(_)
                | Self::OutcomeUnknown(_)
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPool { pool, near } => {
                write!(f, "there is no pool `{pool}`")?;
                near.as_ref().map_or(Ok(()), |near| write!(f, "; did you mean `{near}`?"))
            }
            Self::Invalid(why) => f.write_str(why),
            Self::Exhausted { pool, wanted, free, cooling, .. } => {
                write!(f, "`{pool}` has no free {wanted}: {free}")?;
                match cooling {
                    0 => Ok(()),
                    1 => f.write_str("; 1 released value still rests"),
                    more => write!(f, "; {more} released values still rest"),
                }
            }
            Self::Taken { value, by, .. } => write!(f, "{value} is taken by {by}"),
            Self::Outside { value, pool } => write!(f, "{value} is not in `{pool}`"),
            Self::Closed { pool, why } => write!(f, "`{pool}` gives nothing: {why}"),
            Self::NotAllocated { value, pool } => {
                write!(f, "{value} of `{pool}` is not allocated")
            }
            Self::Superseded { value, given, now } => write!(
                f,
                "{value} was released since, and belongs to another: its sequence number is {now}, not {given}"
            ),
            Self::InUse { pool, values } => {
                write!(f, "`{pool}` is in use: {values} of its values are taken or rest")
            }
            Self::KeyReused => {
                f.write_str("the idempotency key was used with another request before")
            }
            Self::Busy => f.write_str("too many requests wait; try again"),
            Self::NotLeader => f.write_str("this server does not lead"),
            Self::Conflict { attempts } => {
                write!(f, "the network or the pools changed during each of {attempts} attempts")
            }
            Self::Unavailable(why) => write!(f, "nothing was done: {why}"),
            Self::OutcomeUnknown(why) => write!(
                f,
                "it is not known whether it was done; ask again with the same idempotency key: {why}"
            ),
        }
    }
}

impl std::error::Error for Error {}
