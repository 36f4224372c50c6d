//! Lines that are waited for no longer than until a moment.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Longest line.
const LINE: usize = 1 << 20;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A line, without its end.
    Line(String),
    /// Nothing until the moment.
    Late,
    /// Nothing comes any more.
    Ended,
}

/// Lines of what is read.
#[derive(Debug)]
pub(super) struct Lines<R> {
    from: R,
    read: Vec<u8>,
}

impl<R: AsFd> Lines<R> {
    pub(super) fn of(from: R) -> Self {
        Self { from, read: Vec::new() }
    }

    /// The next line, if it comes until a moment.
    pub(super) fn next(&mut self, until: Instant) -> io::Result<Next> {
        let mut octets = [0; 4096];
        loop {
            if let Some(end) = self.read.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                return Ok(Next::Line(String::from_utf8_lossy(line).into_owned()));
            }
            if self.read.len() > LINE {
                return Err(io::Error::other("a line is too long"));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Next::Late);
            }
            let left = Timespec::try_from(left).ok();
            let mut waiting = [PollFd::new(&self.from, PollFlags::IN)];
            match poll(&mut waiting, left.as_ref()) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            match rustix::io::read(&self.from, &mut octets) {
                Ok(0) => return Ok(Next::Ended),
                Ok(count) => self.read.extend(octets.iter().take(count)),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
