//! The hold on a lab's faults, and whoever renews it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use netwright_lab::faults::{Act, Breaking, Done};

use super::lock;

/// A hold on a lab's faults that several threads share.
#[derive(Debug)]
pub(crate) struct Hold {
    breaking: Mutex<Breaking>,
    lease: Duration,
    lost: Mutex<Option<String>>,
    ended: AtomicBool,
}

impl Hold {
    pub(super) fn new(breaking: Breaking, lease: Duration) -> Self {
        let (lost, ended) = (Mutex::new(None), AtomicBool::new(false));
        Self { breaking: Mutex::new(breaking), lease, lost, ended }
    }

    /// Has something done.
    pub(super) fn act(&self, act: &Act) -> Result<Done, String> {
        lock(&self.breaking).act(act).map_err(|failure| failure.message)
    }

    /// Renews what is held, three times in a lease, until it is over.
    pub(super) fn renew(&self, over: &AtomicBool) {
        let mut last = Instant::now();
        while !over.load(Ordering::SeqCst) && !self.ended.load(Ordering::SeqCst) {
            pause(Duration::from_millis(10));
            if last.elapsed() < self.lease / 3 {
                continue;
            }
            last = Instant::now();
            let mut breaking = lock(&self.breaking);
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            if let Err(failure) = breaking.act(&Act::Renew) {
                lock(&self.lost).get_or_insert(failure.message);
                return;
            }
        }
    }

    /// Why nothing is held any more.
    pub(super) fn lost(&self) -> Option<String> {
        lock(&self.lost).clone()
    }

    /// Ends everything: what is left, in words.
    pub(super) fn end(&self) -> Result<Done, String> {
        let mut breaking = lock(&self.breaking);
        self.ended.store(true, Ordering::SeqCst);
        breaking.act(&Act::End).map_err(|failure| failure.message)
    }
}
