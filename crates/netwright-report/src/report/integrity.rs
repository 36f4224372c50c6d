//! What was checked of the history, and what became of the data.

use serde::{Deserialize, Serialize};

use crate::{Moment, Outcome, Verdict};

/// A check of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What it checks, such as `linearizable register`.
    pub name: String,
    /// What it found.
    pub verdict: Verdict,
    /// Why, in a sentence.
    #[serde(default)]
    pub why: String,
    /// How many operations or rows it looked at; `None` where that was not counted.
    #[serde(default)]
    pub looked_at: Option<u64>,
    /// What it found in support, a line each.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// The smallest part of the history that shows what is wrong.
    #[serde(default)]
    pub witness: Option<Witness>,
}

/// A few operations that cannot be explained together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// What they show.
    pub caption: String,
    /// The operations in order of invocation.
    pub operations: Vec<WitnessOperation>,
}

/// An operation of a witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessOperation {
    /// Who invoked it.
    pub process: String,
    /// What it was with its value, such as `read x → 3`.
    pub what: String,
    /// When it was invoked.
    pub begin: Moment,
    /// When it completed; `None` if it did not.
    #[serde(default)]
    pub end: Option<Moment>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of the data. A number that was not counted is `None`, which is not zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataImpact {
    /// Writes that were acknowledged.
    pub acknowledged: Option<u64>,
    /// Of those, how many are gone.
    pub lost: Option<u64>,
    /// Writes of which nobody knew, and that are there.
    pub recovered: Option<u64>,
    /// Jobs that were given out more than once.
    pub duplicated_deliveries: Option<u64>,
    /// Jobs whose effect happened more than once.
    pub duplicated_effects: Option<u64>,
    /// Reads that missed an acknowledged write.
    pub stale_reads: Option<u64>,
    /// Entries that were written on both sides of a fault.
    pub conflicts: Option<u64>,
    /// Losers of conflicts that are kept in the audit.
    pub audited_losers: Option<u64>,
    /// Some of those losers.
    pub losers: Vec<Loser>,
    /// Some of the jobs that were given out more than once.
    pub duplicates: Vec<Duplicate>,
}

/// A write that lost a conflict and is kept in the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loser {
    /// What was written.
    pub key: String,
    /// The value that stayed.
    pub kept: String,
    /// The value that lost.
    pub lost: String,
    /// Why it lost, such as its clock against the winner's.
    #[serde(default)]
    pub why: String,
}

/// A job that was given out more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicate {
    /// The job.
    pub job: String,
    /// Each time, in order.
    pub executions: Vec<Execution>,
}

/// One time that a job was worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Who worked on it.
    pub worker: String,
    /// From when.
    pub begin: Moment,
    /// Until when; `None` if it did not end.
    #[serde(default)]
    pub end: Option<Moment>,
    /// Whether its effect happened; `None` where that is not known.
    #[serde(default)]
    pub effect: Option<bool>,
}
