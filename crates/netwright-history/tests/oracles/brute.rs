//! All orders of operations, one after the other.

use crate::Op;

/// Whether some order of what happened and of some of what may have happened explains everything. No cleverness at all.
pub(crate) fn explained<S: Clone>(
    ops: &[&Op],
    state: &S,
    apply: &dyn Fn(&S, &Op) -> Option<S>,
    timed: bool,
) -> bool {
    if ops.iter().all(|op| !op.is_ok()) {
        return true;
    }
    ops.iter().enumerate().any(|(at, op)| {
        let waits = timed && ops.iter().any(|other| other.before(op));
        if waits {
            return false;
        }
        let mut rest = ops.to_vec();
        rest.remove(at);
        apply(state, op).is_some_and(|state| explained(&rest, &state, apply, timed))
    })
}
