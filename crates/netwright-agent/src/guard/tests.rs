#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::io::Write;
use std::time::{Duration, Instant};

use super::lines::{Lines, Next};

#[test]
fn a_line_is_waited_for_until_a_moment_and_the_end_is_told() {
    let (read, write) = std::io::pipe().unwrap();
    let mut lines = Lines::of(read);
    let soon = || Instant::now() + Duration::from_millis(20);
    let late = || Instant::now() + Duration::from_secs(60);
    assert_eq!(lines.next(soon()).unwrap(), Next::Late);
    (&write).write_all(b"one\ntwo\nthr").unwrap();
    assert_eq!(lines.next(late()).unwrap(), Next::Line("one".to_owned()));
    assert_eq!(lines.next(soon()).unwrap(), Next::Line("two".to_owned()));
    assert_eq!(lines.next(soon()).unwrap(), Next::Late);
    drop(write);
    assert_eq!(lines.next(late()).unwrap(), Next::Ended, "half a line is none");
}
