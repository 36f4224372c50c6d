//! Both sides of what was not predicted: the verdict's hops, and what netfilter did with the packets.

use netwright_dataplane::kernel::Passage;
use netwright_lab::control;
use netwright_lab::probe::Seen;
use netwright_model::network::Network;
use netwright_verify::prover::Prover;
use netwright_verify::trace::Trace;

use super::agrees;
use super::questions::Question;

/// Most disagreements that are followed through the kernel: one cause shows in many, and each takes its time.
const FOLLOWED: usize = 5;

/// A question that was not answered as predicted, asked once more by itself.
pub(super) struct Disagreement {
    /// The question's position.
    pub(super) at: usize,
    /// The verdict with its path.
    pub(super) trace: Trace,
    /// What became of its packets in each namespace, in the order of their way; or why that could not be seen.
    pub(super) kernel: Result<Vec<Passage>, String>,
}

pub(super) fn explain(
    network: &Network,
    lab: &str,
    questions: &[Question],
    seen: &[Seen],
    wait: u64,
) -> Vec<Disagreement> {
    let wrong: Vec<usize> = (0..questions.len())
        .filter(|at| agrees(&questions[*at], &seen[*at]) == Some(false))
        .take(FOLLOWED)
        .collect();
    if wrong.is_empty() {
        return Vec::new();
    }
    let mut prover = Prover::new(network);
    let each = wrong.into_iter().map(|at| Disagreement {
        at,
        trace: prover.trace(questions[at].flow),
        kernel: match control::follow(lab, &questions[at].probe, wait) {
            Ok((_, passages)) => Ok(passages),
            Err(failure) => Err(failure.to_string()),
        },
    });
    each.collect()
}
