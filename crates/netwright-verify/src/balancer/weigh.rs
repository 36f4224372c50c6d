//! What follows from the health and the legs of several backends.

use netwright_model::network::{LoadBalancerId, Network};

use super::{Door, words};
use crate::trace::Verdict;

/// A verdict as yes, no or unknown.
pub(super) fn certainty(verdict: Verdict) -> Option<bool> {
    match verdict {
        Verdict::Reachable => Some(true),
        Verdict::Blocked | Verdict::NoReturn => Some(false),
        Verdict::Unresolved | Verdict::Unknown => None,
    }
}

/// Whether a request finds a backend that answers, given of each backend whether it is in service and whether it can answer.
///
/// A request works when some backend in service can answer it. With `fails_open` a balancer without any backend in service sends to
/// all of them. What is unknown of a backend may be either; the result is known where all of these come to the same.
pub(super) fn works(backends: &[(Option<bool>, Option<bool>)], fails_open: bool) -> Option<bool> {
    let surely =
        backends.iter().any(|(health, answers)| *health == Some(true) && *answers == Some(true));
    let possibly =
        backends.iter().any(|(health, answers)| *health != Some(false) && *answers != Some(false));
    if surely {
        return Some(true);
    }
    if !fails_open {
        return if possibly { None } else { Some(false) };
    }
    // At worst a backend that may not answer is in service, and keeps requests from going to all; or none is, and none answers.
    let trapped =
        backends.iter().any(|(health, answers)| *health != Some(false) && *answers != Some(true));
    let none_answers = backends.iter().all(|(_, answers)| *answers != Some(true));
    let may_fail = trapped || none_answers;
    // At best none is in service, and one of them answers.
    let all_down = backends.iter().all(|(health, _)| *health != Some(true));
    let may_work =
        possibly || (all_down && backends.iter().any(|(_, answers)| *answers != Some(false)));
    match (may_fail, may_work) {
        (_, false) => Some(false),
        (false, true) => Some(true),
        (true, true) => None,
    }
}

/// Decides a listener.
pub(super) fn door(network: &Network, id: LoadBalancerId, door: &mut Door) {
    let mut backends: Vec<(Option<bool>, Option<bool>)> =
        door.backends.iter().map(|behind| (behind.in_service, certainty(behind.verdict))).collect();
    let none_up = backends.iter().all(|(health, _)| *health == Some(false));
    door.fails_open = network[id].fails_open && !backends.is_empty() && none_up;
    // Of backends that are not described, nothing is known.
    backends.extend(door.missing.iter().map(|_| (None, None)));
    door.verdict = match works(&backends, network[id].fails_open) {
        Some(true) => Verdict::Reachable,
        None => Verdict::Unknown,
        Some(false) => {
            let lost = |behind: &super::Behind| {
                behind.verdict == Verdict::NoReturn
                    && (behind.in_service != Some(false) || door.fails_open)
            };
            if door.backends.iter().any(lost) { Verdict::NoReturn } else { Verdict::Blocked }
        }
    };
    door.why = (door.verdict != Verdict::Reachable).then(|| words::why(network, id, door));
}

/// What several listeners come to: all of them, or any.
pub(super) fn doors(doors: &[Door], all: bool) -> Verdict {
    let any = |wanted: Verdict| doors.iter().any(|door| door.verdict == wanted);
    let bad = [Verdict::Blocked, Verdict::NoReturn].into_iter().find(|verdict| any(*verdict));
    let good = any(Verdict::Reachable);
    let unknown = any(Verdict::Unknown);
    match (all, bad) {
        (true, Some(verdict)) => verdict,
        (true, None) if unknown => Verdict::Unknown,
        (false, _) if good => Verdict::Reachable,
        (false, _) if unknown => Verdict::Unknown,
        (false, Some(verdict)) => verdict,
        (true, None) if good => Verdict::Reachable,
        (_, None) => Verdict::Blocked,
    }
}

#[cfg(test)]
mod tests;
