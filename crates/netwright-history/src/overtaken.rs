//! Numbers that only grow, such as epochs and versions: what was given a lower one after a higher one had been.

use crate::history::History;

/// A number, and the operation that was given it.
pub(crate) type Given = (i64, usize);

/// Those that began after an operation with a higher number had ended, in the order of their beginnings, each with the highest of these.
pub(crate) fn overtaken(history: &History, given: &[Given]) -> Vec<(Given, Given)> {
    let place = |at: usize| &history.operations[at];
    let mut by_start: Vec<(u32, Given)> =
        given.iter().map(|given| (place(given.1).start, *given)).collect();
    by_start.sort_unstable();
    let mut by_end: Vec<(u32, Given)> =
        given.iter().map(|given| (place(given.1).end, *given)).collect();
    by_end.sort_unstable();
    let mut ended = by_end.iter().peekable();
    let mut highest: Option<Given> = None;
    let mut found = Vec::new();
    for (start, given) in by_start {
        while let Some((_, other)) = ended.next_if(|(end, _)| *end <= start) {
            highest = highest.max(Some(*other));
        }
        found.extend(highest.filter(|highest| highest.0 > given.0).map(|highest| (given, highest)));
    }
    found
}
