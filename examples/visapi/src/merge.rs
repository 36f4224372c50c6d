//! Two views of a queue, made one: PostgreSQL's, which is the truth, and another one (what Redis has, or an export).
//!
//! The strategy is called `timestamp_based`: where both know a job that is still to be done and its contents differ, the later stamp wins. What is
//! done stays done; what only the other view knows is adopted; nothing is thrown away but wake-ups for what needs none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Stamp;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// It is to be done.
    Pending,
    /// Somebody does it.
    Running,
    /// It is done.
    Done,
    /// It failed too often.
    Dead,
    /// An operator took it out of the queue.
    Cleared,
}

impl Stage {
    /// As the database writes it.
    pub(crate) fn parse(word: &str) -> Self {
        match word {
            "running" => Self::Running,
            "done" => Self::Done,
            "dead" => Self::Dead,
            "cleared" => Self::Cleared,
            _ => Self::Pending,
        }
    }

    /// As the database writes it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cleared => "cleared",
        }
    }
}

/// A job as a view has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Its id, which is its idempotency key too.
    pub(crate) id: String,
    /// The queue that it is in.
    pub(crate) queue: String,
    /// How far it is.
    pub(crate) state: Stage,
    /// What is to be done.
    pub(crate) payload: Value,
    /// When and by whom it was written.
    #[serde(flatten)]
    pub(crate) stamp: Stamp,
}

/// One thing that makes both views one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub(crate) enum Action {
    /// The truth does not know it: it is stored there, as far as the other view says that it is.
    Adopt {
        /// The job.
        job: Job,
    },
    /// Both know it, it is still to be done, and the other view's is later: its contents are taken.
    Replace {
        /// The job as the other view has it.
        job: Job,
    },
    /// An operator had taken it out, and the other view has it as to be done: it is to be done again.
    Restore {
        /// Which.
        id: String,
    },
    /// It is to be done, and the other view does not know it: who works is told.
    Announce {
        /// Which.
        id: String,
    },
    /// The other view has it as to be done; it needs no wake-up any more.
    Retire {
        /// Which.
        id: String,
        /// Why.
        state: Stage,
    },
}

/// What a merge may do with jobs that an operator took out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cleared {
    /// They stay out.
    Stay,
    /// They come back where the other view has them: an import.
    Return,
}

/// What makes the views one, in the order of ids. Where a view has an id twice, its latest counts.
pub(crate) fn merge(truth: &[Job], other: &[Job], cleared: Cleared) -> Vec<Action> {
    let (truth, other) = (latest(truth), latest(other));
    let mut actions = Vec::new();
    for job in other.values() {
        let waits = matches!(job.state, Stage::Pending | Stage::Running);
        match truth.get(job.id.as_str()) {
            None => actions.push(Action::Adopt { job: (*job).clone() }),
            Some(known) => match known.state {
                Stage::Pending => {
                    if waits && known.stamp < job.stamp && known.payload != job.payload {
                        actions.push(Action::Replace { job: (*job).clone() });
                    }
                }
                Stage::Cleared if cleared == Cleared::Return && waits => {
                    actions.push(Action::Restore { id: job.id.clone() });
                    if known.stamp < job.stamp && known.payload != job.payload {
                        actions.push(Action::Replace { job: (*job).clone() });
                    }
                }
                Stage::Done | Stage::Dead | Stage::Cleared if waits => {
                    actions.push(Action::Retire { id: job.id.clone(), state: known.state });
                }
                // Somebody works on it with the contents that it had.
                Stage::Running | Stage::Done | Stage::Dead | Stage::Cleared => {}
            },
        }
    }
    for job in truth.values() {
        if job.state == Stage::Pending && !other.contains_key(job.id.as_str()) {
            actions.push(Action::Announce { id: job.id.clone() });
        }
    }
    actions
}

fn latest(jobs: &[Job]) -> BTreeMap<&str, &Job> {
    let mut known: BTreeMap<&str, &Job> = BTreeMap::new();
    for job in jobs {
        let held = known.entry(&job.id).or_insert(job);
        if held.stamp < job.stamp {
            *held = job;
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::{Action, Cleared, Job, Stage, merge};
    use crate::clock::{Hlc, Stamp};

    fn jobs() -> impl Strategy<Value = Vec<Job>> {
        let stage = prop::sample::select(vec![
            Stage::Pending,
            Stage::Running,
            Stage::Done,
            Stage::Dead,
            Stage::Cleared,
        ]);
        let job = (0_u8..6, stage, 0_i64..4).prop_map(|(id, state, hlc)| Job {
            id: format!("job-{id}"),
            queue: "work".to_owned(),
            state,
            payload: json!(hlc),
            stamp: Stamp { hlc: Hlc(hlc), node: "a".to_owned() },
        });
        prop::collection::vec(job, 0..8)
    }

    /// The truth and the wake-ups after a merge was carried out, in the plainest way.
    fn carried_out(truth: &[Job], other: &[Job], cleared: Cleared) -> (Vec<Job>, Vec<Job>) {
        let keep = |jobs: &[Job]| {
            let mut map: BTreeMap<String, Job> = BTreeMap::new();
            for job in jobs {
                if map.get(&job.id).is_none_or(|held| held.stamp < job.stamp) {
                    map.insert(job.id.clone(), job.clone());
                }
            }
            map
        };
        let (mut truth, mut wake) = (keep(truth), keep(other));
        for action in merge(
            &truth.values().cloned().collect::<Vec<_>>(),
            &wake.values().cloned().collect::<Vec<_>>(),
            cleared,
        ) {
            match action {
                Action::Adopt { job } | Action::Replace { job } => {
                    truth.insert(job.id.clone(), job);
                }
                Action::Restore { id } => truth.get_mut(&id).unwrap().state = Stage::Pending,
                Action::Announce { id } => {
                    let job = truth[&id].clone();
                    wake.insert(id, job);
                }
                Action::Retire { id, .. } => {
                    wake.remove(&id);
                }
            }
        }
        (truth.into_values().collect(), wake.into_values().collect())
    }

    proptest! {
        #[test]
        fn no_job_of_either_view_is_lost(truth in jobs(), other in jobs()) {
            let (merged, _) = carried_out(&truth, &other, Cleared::Stay);
            for job in truth.iter().chain(&other) {
                prop_assert!(merged.iter().any(|one| one.id == job.id));
            }
        }

        #[test]
        fn what_is_done_stays_done(truth in jobs(), other in jobs()) {
            let done: Vec<Job> = truth.iter().filter(|job| job.state == Stage::Done).cloned().collect();
            for cleared in [Cleared::Stay, Cleared::Return] {
                let (merged, _) = carried_out(&done, &other, cleared);
                for job in &done {
                    prop_assert!(merged.iter().any(|one| one.id == job.id && one.state == Stage::Done));
                }
            }
        }

        #[test]
        fn to_merge_again_does_nothing(truth in jobs(), other in jobs()) {
            for cleared in [Cleared::Stay, Cleared::Return] {
                let (truth, wake) = carried_out(&truth, &other, cleared);
                prop_assert_eq!(merge(&truth, &wake, cleared), Vec::new());
            }
        }

        #[test]
        fn what_waits_is_announced(truth in jobs(), other in jobs()) {
            let (truth, wake) = carried_out(&truth, &other, Cleared::Stay);
            for job in truth.iter().filter(|job| job.state == Stage::Pending) {
                prop_assert!(wake.iter().any(|one| one.id == job.id));
            }
        }
    }
}
