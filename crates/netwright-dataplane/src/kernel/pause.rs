//! Waiting for what gives no sign.

use std::time::Duration;

use rustix::event::{Timespec, poll};

/// Lets time pass. Woken early by a signal, it returns early.
pub fn pause(time: Duration) {
    // What is too long to be said is for ever, as for `poll`.
    let time = Timespec::try_from(time).ok();
    let _time_is_up = poll(&mut [], time.as_ref());
}
