//! Where allocators and changes of the network let each other pass.
//!
//! Both hold only where the other did nothing since it looked. Of two that go on all the time, the one that takes longer to look would never win:
//! so a change that is about to be written closes the gate, what is on its way lands, the change looks once more and is written, and the gate is
//! opened. Nothing is right or wrong because of it: what holds is decided by the conditions of the transactions, also where another server writes.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long is waited for what is on its way.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Doors {
    closed: bool,
    inside: bool,
}

/// A gate between one allocator and one writer of changes. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate(watch::Sender<Doors>);

/// The gate while it is closed; it opens when this is dropped.
#[derive(Debug)]
pub struct Closed(watch::Sender<Doors>);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.send_modify(|doors| doors.closed = false);
    }
}

impl Gate {
    /// Goes in, unless it is closed: whether it could.
    pub(super) fn enter(&self) -> bool {
        let mut entered = false;
        self.0.send_if_modified(|doors| {
            entered = !doors.closed;
            doors.inside |= entered;
            // Nobody waits for this.
            false
        });
        entered
    }

    /// Is outside again.
    pub(super) fn leave(&self) {
        self.0.send_if_modified(|doors| std::mem::take(&mut doors.inside));
    }

    /// Waits until it is open.
    pub(super) async fn opened(&self) {
        let mut doors = self.0.subscribe();
        // The sender is there as long as this.
        let _open = doors.wait_for(|doors| !doors.closed).await;
    }

    /// Closes it, and waits until nobody is inside; not for ever, for a store may be away.
    pub async fn close(&self) -> Closed {
        self.0.send_modify(|doors| doors.closed = true);
        let closed = Closed(self.0.clone());
        let mut doors = self.0.subscribe();
        let _late = timeout(PATIENCE, doors.wait_for(|doors| !doors.inside)).await;
        closed
    }
}
