//! The service that a team runs for its network.
//!
//! A [`State`] is what all requests share. The copy of the store ([`mirror`]) answers reads, also while the store is away; whoever writes asks for
//! the store and for the lead, and is refused with a clear word where there is none. [`run`] holds it all: what feeds the copy, the election,
//! the listener.

mod lead;
mod listen;
pub mod mirror;
mod network;
pub mod snapshot;
mod supply;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use netwright_store::{AnyStore, Clock, Error as StoreError, Revision};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore, watch};

pub use lead::Leading;
pub use supply::Standing;

use crate::access::Table;
use crate::api::extract::PORTION;
use crate::api::problem::{Kind, Problem};
use crate::change::{Changes, clashes::clashes};
use crate::election::Leader;
use crate::keys::Layout;
use crate::network::Keeper;
use crate::time::{Time, Wall};
use mirror::Mirror;

/// Octets of bodies that are held at a time, of all requests together.
const BODIES: usize = 256 << 20;

/// How long it is waited for what was written to be seen.
const SEEN: Duration = Duration::from_secs(2);

/// What a server is told at its start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name, unlike those of the other servers of the network.
    pub server: String,
    /// Where others reach it, as `http://10.0.0.1:8180`.
    pub url: String,
    /// What the store is called, for people; without a password.
    pub store: String,
    /// The file that the copy of the store is kept in; none where it is not kept.
    pub snapshot: Option<PathBuf>,
    /// How long the lease of its lead lasts.
    pub lease: Duration,
    /// Nobody else can have the store.
    pub alone: bool,
    /// While there are no keys, who asks from this machine may do everything. Only for a server that nobody else reaches.
    pub trusts_this_machine: bool,
    /// Connections that are open at a time.
    pub connections: usize,
    /// Streams of events that are open at a time.
    pub streams: usize,
}

/// How the store is opened. It is tried again where it cannot be.
pub type Opener = Box<
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<AnyStore, StoreError>> + Send>> + Send + Sync,
>;

/// What all requests share.
pub struct State {
    /// Where what lies in the store.
    pub layout: Layout,
    /// What the server was told.
    pub options: Options,
    /// The wall clock.
    pub wall: Arc<dyn Wall>,
    /// What the store held when it was last heard. Reads are answered from it.
    pub mirror: Mirror,
    /// The network that it holds, and changes of it.
    pub changes: Changes<Mirror>,
    /// What agents were told last, of which network and hosts.
    pub(crate) told_agents: Mutex<Option<((u64, String), Bytes)>>,
    /// When it began.
    pub began: Time,
    /// Portions of bodies that may be held.
    pub(crate) bodies: Arc<Semaphore>,
    store: watch::Sender<Supply>,
    lead: watch::Sender<Option<Arc<Leading>>>,
    ending: watch::Sender<bool>,
}

/// The store, where it was opened, and how it stands.
#[derive(Clone)]
struct Supply {
    store: Option<AnyStore>,
    standing: Standing,
}

impl State {
    /// That of a server that has not begun.
    #[must_use]
    pub fn new(
        options: Options,
        layout: Layout,
        wall: Arc<dyn Wall>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let began = wall.now();
        let supply = Supply { store: None, standing: Standing::Starting };
        let mirror = Mirror::new(layout.clone(), clock);
        let keeper = Keeper::new(mirror.clone(), layout.clone());
        Self {
            changes: Changes::new(keeper, clashes),
            told_agents: Mutex::new(None),
            mirror,
            bodies: Arc::new(Semaphore::new(BODIES / PORTION)),
            layout,
            options,
            wall,
            began,
            store: watch::channel(supply).0,
            lead: watch::channel(None).0,
            ending: watch::channel(false).0,
        }
    }

    /// Now, by the wall clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.wall.now()
    }

    /// The store itself: for what writes, and for what asks how something was before.
    ///
    /// # Errors
    ///
    /// [`Kind::StoreAway`].
    pub fn store(&self) -> Result<AnyStore, Problem> {
        let supply = self.store.borrow();
        match (&supply.standing, &supply.store) {
            (Standing::Here, Some(store)) => Ok(store.clone()),
            (standing, _) => Err(standing.problem()),
        }
    }

    /// Waits until reads of this server see a revision that was written: who reads after his own write sees it.
    pub async fn sees(&self, revision: Revision) {
        let mut newest = self.mirror.newest();
        let seen = newest.wait_for(|newest| *newest >= revision);
        if tokio::time::timeout(SEEN, seen).await.is_err() {
            tracing::warn!(%revision, "what was written is not told by the store");
        }
    }

    /// How the store stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.store.borrow().standing.clone()
    }

    /// The lead of this server.
    ///
    /// # Errors
    ///
    /// [`Kind::StoreAway`], or [`Kind::NoLeader`] where another leads, or nobody.
    pub fn lead(&self) -> Result<Arc<Leading>, Problem> {
        self.store()?;
        let lead = self.lead.borrow().clone();
        let none = || Problem::new(Kind::NoLeader, "this server does not lead");
        lead.filter(|lead| lead.holds()).ok_or_else(none)
    }

    /// The API keys, as far as is known.
    #[must_use]
    pub fn keys(&self) -> Table {
        Table::of(&self.layout, &self.mirror.of(&self.layout.all_access()))
    }

    /// Who leads, as far as is known.
    #[must_use]
    pub fn leader(&self) -> Option<Leader> {
        let entry = self.mirror.get(&self.layout.leader())?;
        serde_json::from_slice(&entry.value).ok()
    }

    /// Tells when this server begins to lead, and when it ends.
    #[must_use]
    pub fn leads(&self) -> watch::Receiver<Option<Arc<Leading>>> {
        self.lead.subscribe()
    }

    /// Ends the server: it answers what it was asked, gives its lead back and keeps its copy.
    pub fn end(&self) {
        self.ending.send_replace(true);
    }

    /// Waits until it ends.
    pub async fn ended(&self) {
        let mut ending = self.ending.subscribe();
        // The sender lives as long as this.
        let _ended = ending.wait_for(|ending| *ending).await;
    }
}

/// Runs a server on a socket until [`State::end`] is called.
///
/// # Errors
///
/// It would be reached from beyond this machine, and there is no key that could be asked for.
pub async fn run(state: Arc<State>, opener: Opener, listener: TcpListener) -> Result<(), String> {
    supply::recall(&state).await;
    let supplied = tokio::spawn(supply::run(Arc::clone(&state), opener));
    let led = tokio::spawn(lead::run(Arc::clone(&state)));
    let network = tokio::spawn(network::run(Arc::clone(&state)));
    let allowed = has_keys(&state).await;
    if allowed.is_ok() {
        listen::run(&state, listener).await;
    }
    state.end();
    for task in [supplied, led, network] {
        if let Err(error) = task.await {
            tracing::error!(%error, "a part of the server ended early");
        }
    }
    allowed
}

/// How long it is waited for what the store says of keys.
const ASKED: Duration = Duration::from_secs(5);

/// Beyond this machine only with keys. Where it cannot be known, nobody gets in until it is.
async fn has_keys(state: &State) -> Result<(), String> {
    if state.options.trusts_this_machine {
        return Ok(());
    }
    let mut newest = state.mirror.newest();
    let read = async {
        while state.mirror.source() != mirror::Source::Store {
            if newest.changed().await.is_err() {
                return;
            }
        }
    };
    let known = tokio::time::timeout(ASKED, read).await.is_ok();
    if known && !state.keys().any(state.now()) {
        return Err(
            "there is no API key, and without one it may only listen on this machine".to_owned()
        );
    }
    Ok(())
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);
