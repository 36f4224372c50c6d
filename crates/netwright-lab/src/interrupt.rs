//! Signals that ask a command to end, for one that stays with its lab: the lab ends first, so that nothing is left when the command has gone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{EventfdFlags, eventfd};

use crate::control;
use crate::failure::Failure;

/// The exit status of a command that a second signal ends at once: as a shell says of SIGINT.
const AT_ONCE: i32 = 130;

/// Signals that ask to end.
pub(crate) fn signals() -> SigSet {
    [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect()
}

#[derive(Debug)]
struct Shared {
    asked: AtomicBool,
    /// Readable for ever once it was asked.
    told: OwnedFd,
}

/// Whether this command was asked to end.
#[derive(Debug)]
pub struct Interrupt {
    shared: Arc<Shared>,
}

impl Interrupt {
    /// From now on a signal does not end this process, but the lab of this name, where it is up. A second one ends the process.
    ///
    /// # Errors
    ///
    /// The system refuses what that needs.
    pub fn watch(lab: &str) -> Result<Self, Failure> {
        let lab = lab.to_owned();
        Self::with(move || {
            let lab = lab.clone();
            // In a thread of its own, so that a second signal is heard. Where the lab is not up, it does not come up.
            std::thread::spawn(move || control::down(&lab));
        })
    }

    /// From now on a signal does not end this process, but is taken note of. A second one ends the process.
    ///
    /// # Errors
    ///
    /// The system refuses what that needs.
    pub fn note() -> Result<Self, Failure> {
        Self::with(|| {})
    }

    fn with(first: impl Fn() + Send + 'static) -> Result<Self, Failure> {
        let failed = |error: nix::Error| Failure::during("signals")(error.into());
        let told = eventfd(0, EventfdFlags::CLOEXEC)
            .map_err(|error| Failure::during("signals")(error.into()))?;
        let shared = Arc::new(Shared { asked: AtomicBool::new(false), told });
        let signals = signals();
        signals.thread_block().map_err(failed)?;
        let incoming = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).map_err(failed)?;
        let theirs = Arc::clone(&shared);
        let wait = move || {
            while let Ok(Some(_)) = incoming.read_signal() {
                if theirs.asked.swap(true, Ordering::SeqCst) {
                    std::process::exit(AT_ONCE);
                }
                let _told = rustix::io::write(&theirs.told, &1_u64.to_ne_bytes());
                first();
            }
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(wait)
            .map_err(Failure::during("signals"))?;
        Ok(Self { shared })
    }

    /// Whether it was asked.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// Readable when it was asked.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.shared.told.as_fd()
    }
}
