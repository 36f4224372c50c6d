//! Requests of many clients, made true by few transactions: what is asked of the task that has all pools ([`desk`]).

mod desk;

use std::sync::Arc;
use std::time::Duration;

use netwright_model::network::Network;
use netwright_store::Store;
use tokio::sync::{mpsc, oneshot, watch};

use super::error::Error;
use super::gate::Gate;
use super::record::Allocation;
use super::request::{Answer, Asked, Hashes};
use super::state::State;
use crate::beside::Beside;
use crate::guard::Guard;
use crate::keys::Layout;
use crate::time::Wall;
use desk::Desk;

/// The network that is looked at, and its revision: that of `head`, 0 before there is one.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// The revision.
    pub revision: u64,
    /// The network.
    pub network: Arc<Network>,
}

/// What can be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Transactions that may be on their way at a time. 1 for a store that may do them in another order than they were sent in, as etcd.
    pub window: usize,
    /// Requests that may wait; who comes then is told that it is busy.
    pub waiting: usize,
    /// How long answers are kept by their idempotency keys, in milliseconds.
    pub kept: u64,
    /// How many answers are kept at most: beyond that the oldest go earlier.
    pub most_kept: usize,
    /// How long the outcome of a transaction is looked for whose answer was lost.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window: 16,
            waiting: 4096,
            kept: 24 * 3_600_000,
            most_kept: 1_000_000,
            patience: Duration::from_secs(10),
        }
    }
}

/// What an allocator works with.
pub struct Setting<S, C> {
    /// The store.
    pub store: S,
    /// What the store holds, as far as is known: what a server that does not lead reads.
    pub copy: C,
    /// Where what lies in it.
    pub layout: Layout,
    /// The network, as it changes.
    pub live: watch::Receiver<Live>,
    /// The condition under which this server writes; none while it does not lead.
    pub guard: watch::Receiver<Option<Guard>>,
    /// Closed while a change of the network is written.
    pub gate: Gate,
    /// The time.
    pub wall: Arc<dyn Wall>,
    /// A number that no other allocator has, at random.
    pub seed: u64,
    /// What can be chosen.
    pub options: Options,
}

/// What is asked. It is boxed while it waits: it is large, and moved often.
struct Ask {
    asked: Asked,
    hashes: Option<Hashes>,
    /// What is written together with what is done.
    beside: Option<Beside>,
    to: oneshot::Sender<Result<Answer, Error>>,
    attempts: u32,
}

/// A question about what is in memory: the pools, the highest sequence number that is durable, the time.
type Look = Box<dyn FnOnce(Result<(&mut State, u64, u64), Error>) + Send>;

/// Allocates and releases. Clones share one task, which ends with the last of them.
#[derive(Clone)]
pub struct Allocator {
    asks: mpsc::Sender<Box<Ask>>,
    looks: mpsc::Sender<Look>,
}

/// Questions that may wait.
const LOOKS: usize = 256;

impl Allocator {
    /// Starts the task. It needs a runtime.
    #[must_use]
    pub fn start<S: Store, C: Store>(setting: Setting<S, C>) -> Self {
        let (asks, coming) = mpsc::channel(setting.options.waiting.max(1));
        let (looks, looking) = mpsc::channel(LOOKS);
        tokio::spawn(Desk::new(setting, coming, looking).run());
        Self { asks, looks }
    }

    /// Does what is asked. The answer is durable.
    ///
    /// # Errors
    ///
    /// Why not. Nothing was done then, except perhaps with [`Error::OutcomeUnknown`].
    pub async fn ask(&self, asked: Asked) -> Result<Answer, Error> {
        self.ask_with(asked, None).await
    }

    /// The same, and something else is written in the transaction that does it. Where nothing is done, for it was done before, that is not written either.
    ///
    /// # Errors
    ///
    /// As of [`Self::ask`].
    pub async fn ask_with(&self, asked: Asked, beside: Option<Beside>) -> Result<Answer, Error> {
        asked.check()?;
        let hashes = asked.hashes();
        let (to, answer) = oneshot::channel();
        let ask = Box::new(Ask { asked, hashes, beside, to, attempts: 0 });
        self.asks.try_send(ask).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Busy,
            mpsc::error::TrySendError::Closed(_) => ended(),
        })?;
        let lost = || Error::OutcomeUnknown("the server ends".to_owned());
        answer.await.unwrap_or_else(|_| Err(lost()))
    }

    /// Looks at the pools: what is asked of them must be short. Of what is allocated, that up to the given sequence number is durable.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] where the pools are not known, [`Error::Busy`] where too many look.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut State, u64, u64) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (to, answer) = oneshot::channel();
        let look: Look = Box::new(move |state| {
            let seen = state.map(|(state, durable, now)| look(state, durable, now));
            // Who went away needs no answer.
            drop(to.send(seen));
        });
        self.looks.try_send(look).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Busy,
            mpsc::error::TrySendError::Closed(_) => ended(),
        })?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }

    /// How full pools are, by name, after a name.
    ///
    /// # Errors
    ///
    /// As of [`Self::look`].
    pub async fn pools(&self, after: String, most: usize) -> Result<Vec<super::Usage>, Error> {
        self.look(move |state, _, now| {
            let names = state.names(&after, most);
            names.iter().filter_map(|name| state.usage(name, now)).collect()
        })
        .await
    }

    /// How full a pool is.
    ///
    /// # Errors
    ///
    /// [`Error::NoPool`], and as of [`Self::look`].
    pub async fn pool(&self, name: String) -> Result<super::Usage, Error> {
        self.look(move |state, _, now| state.usage(&name, now).ok_or_else(|| state.no_pool(&name)))
            .await?
    }

    /// Allocations of a pool in the order of their values, after one of them.
    ///
    /// # Errors
    ///
    /// [`Error::NoPool`], and as of [`Self::look`].
    pub async fn allocations(
        &self,
        pool: String,
        after: Option<super::Value>,
        most: usize,
    ) -> Result<Vec<Allocation>, Error> {
        self.look(move |state, durable, _| {
            if !state.has(&pool) {
                return Err(state.no_pool(&pool));
            }
            Ok(state.allocations(&pool, after, durable, most))
        })
        .await?
    }
}

fn ended() -> Error {
    Error::Unavailable("the server ends".to_owned())
}
