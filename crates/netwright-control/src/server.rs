//! The service that a team runs for its network.
//!
//! A [`State`] is what all requests share. The copy of the store ([`mirror`]) answers reads, also while the store is away; whoever writes asks for
//! the store and for the lead, and is refused with a clear word where there is none. [`run`] holds it all: what feeds the copy, the election,
//! the listener.

mod allocate;
pub mod audit;
pub(crate) mod forward;
mod lead;
pub mod limits;
mod listen;
mod metrics;
pub mod mirror;
mod network;
pub mod snapshot;
mod start;
mod supply;
mod tidy;
pub mod tls;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use netwright_store::{AnyStore, Clock, Error as StoreError, Revision};
use netwright_watch::startup::{Mode, Outcome, PhaseReport, Report};
use tokio::net::TcpListener;
use tokio::sync::{Mutex as Turn, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

pub use lead::Leading;
pub use metrics::Metrics;
pub use supply::Standing;

use crate::access::{self, Table};
use crate::alloc::Allocator;
use crate::api::agents::Fleet;
use crate::api::extract::PORTION;
use crate::api::parts::Parts;
use crate::api::problem::{Kind, Problem};
use crate::change::{Changes, clashes::clashes};
use crate::compile::Compiler;
use crate::convergence::Accepted;
use crate::election::Leader;
use crate::errands::Desk;
use crate::faults::Fault;
use crate::keys::Layout;
use crate::network::Keeper;
use crate::time::{Time, Wall};
use audit::Audit;
use limits::{Limiter, Rate};
use mirror::Mirror;

/// Octets of bodies that are held at a time, of all requests together.
const BODIES: usize = 256 << 20;

/// How long a write waits for a leader to be known.
const ELECTED: Duration = Duration::from_secs(3);

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
    /// What one key, and one address, may ask.
    pub rate: Rate,
    /// No phase of the start may fail: a server whose store is away does not start.
    pub strict: bool,
    /// What is needed to answer over TLS; in the clear where there is none.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whom to believe when another server is asked over TLS.
    pub peers: Option<Arc<rustls::ClientConfig>>,
}

/// What an address may try without a valid key.
const STRANGERS: Rate = Rate { each_second: 10.0, at_once: 100.0 };

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
    /// Its allocators, once it has begun.
    allocator: OnceLock<Allocator>,
    /// What agents were told last, of which network and hosts.
    pub(crate) told_agents: Turn<Option<((u64, String), Bytes)>>,
    /// Works out hosts' parts; none where agents are told the whole network.
    pub(crate) compiler: Option<Arc<dyn Compiler>>,
    /// The parts that were worked out last.
    pub(crate) parts: Turn<Option<Arc<Parts>>>,
    /// The hosts, as of a revision of the store.
    pub(crate) fleet: Mutex<Option<(Revision, Fleet)>>,
    /// What agents are to ask for who watches; empty where another server leads.
    pub(crate) errands: Mutex<Desk>,
    /// The faults that are kept, as of a revision of the store.
    pub(crate) faults: Mutex<Option<(Revision, Arc<[Fault]>)>>,
    /// One fault is asked for at a time: the next sees what it did.
    pub(crate) breaks: Turn<()>,
    /// When the newest revisions were accepted, as far as their records were read.
    pub(crate) accepted: Mutex<Accepted>,
    /// When it began.
    pub began: Time,
    /// What is counted.
    pub metrics: Metrics,
    /// Who did what.
    pub audit: Audit,
    /// Portions of bodies that may be held.
    pub(crate) bodies: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) by_key: Limiter<String>,
    pub(crate) by_address: Limiter<IpAddr>,
    pub(crate) strangers: Limiter<IpAddr>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) startup: watch::Sender<Report>,
    records: Mutex<Option<mpsc::Receiver<audit::Waiting>>>,
    store: watch::Sender<Supply>,
    lead: watch::Sender<Option<Arc<Leading>>>,
    ending: watch::Sender<bool>,
    closing: watch::Sender<bool>,
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
        let (audit, records) = Audit::new();
        let startup = Report {
            mode: Mode::Starting,
            complete: false,
            phases: Vec::new(),
            bypasses: Vec::new(),
        };
        let supply = Supply { store: None, standing: Standing::Starting };
        let mirror = Mirror::new(layout.clone(), Arc::clone(&clock));
        let keeper = Keeper::new(mirror.clone(), layout.clone());
        Self {
            changes: Changes::new(keeper, clashes),
            allocator: OnceLock::new(),
            told_agents: Turn::new(None),
            accepted: Mutex::default(),
            compiler: None,
            parts: Turn::new(None),
            fleet: Mutex::default(),
            errands: Mutex::default(),
            faults: Mutex::default(),
            breaks: Turn::new(()),
            mirror,
            bodies: Arc::new(Semaphore::new(BODIES / PORTION)),
            streams: Arc::new(Semaphore::new(options.streams)),
            by_key: Limiter::new(options.rate),
            by_address: Limiter::new(options.rate),
            strangers: Limiter::new(STRANGERS),
            metrics: Metrics::default(),
            audit,
            records: Mutex::new(Some(records)),
            clock,
            startup: watch::channel(startup).0,
            layout,
            options,
            wall,
            began,
            store: watch::channel(supply).0,
            lead: watch::channel(None).0,
            ending: watch::channel(false).0,
            closing: watch::channel(false).0,
        }
    }

    /// The same, with what works out hosts' parts.
    #[must_use]
    pub fn compiles(self, compiler: Arc<dyn Compiler>) -> Self {
        Self { compiler: Some(compiler), ..self }
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

    /// The store as it was opened, also while it is away: for what asks its members.
    pub(crate) fn opened(&self) -> Option<AnyStore> {
        self.store.borrow().store.clone()
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
        // Who was deposed is told by the store before his lease ends.
        let epoch = self.epoch();
        let is = |lead: &Arc<Leading>| lead.holds() && lead.guard().epoch() >= epoch;
        lead.filter(is).ok_or_else(none)
    }

    /// What allocates and releases.
    ///
    /// # Errors
    ///
    /// [`Kind::NotReady`] before the server has begun.
    pub fn allocator(&self) -> Result<&Allocator, Problem> {
        let none = || Problem::new(Kind::NotReady, "the server has not begun");
        self.allocator.get().ok_or_else(none)
    }

    /// The API keys, as far as is known.
    #[must_use]
    pub fn keys(&self) -> Table {
        Table::of(&self.layout, &self.mirror.of(&self.layout.all_access()))
    }

    /// Of those, the one that a request says it has: each request asks, and there may be many keys.
    pub(crate) fn key(&self, text: &str) -> Table {
        let entry = access::id(text).and_then(|id| self.mirror.get(&self.layout.access(id)));
        Table::of(&self.layout, &entry)
    }

    /// Whether there ever was a key. One that cannot be read counts: it opens nothing.
    pub(crate) fn has_keys(&self) -> bool {
        self.mirror.count(&self.layout.all_access()) > 0
    }

    /// Who leads, as far as is known.
    #[must_use]
    pub fn leader(&self) -> Option<Leader> {
        let entry = self.mirror.get(&self.layout.leader())?;
        serde_json::from_slice(&entry.value).ok()
    }

    /// Waits a little while it is open who leads; whether this server does.
    pub(crate) async fn decided(&self) -> bool {
        let mut newest = self.mirror.newest();
        let known = async {
            loop {
                let other = |leader: Leader| leader.server != self.options.server;
                if self.lead().is_ok() || self.leader().is_some_and(other) {
                    return;
                }
                // What this server itself becomes is not told by its copy.
                let _again = tokio::time::timeout(ELECTED / 60, newest.changed()).await;
            }
        };
        let _open = tokio::time::timeout(ELECTED, known).await;
        self.lead().is_ok()
    }

    /// The epoch, as far as is known; 0 before the first election.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        let entry = self.mirror.get(&self.layout.epoch());
        let epoch = entry.and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse().ok());
        epoch.unwrap_or(0)
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

    /// Waits until what was asked before the end is answered.
    pub async fn closed(&self) {
        let mut closing = self.closing.subscribe();
        let _closed = closing.wait_for(|closing| *closing).await;
    }
}

/// Runs a server on a socket until [`State::end`] is called.
///
/// # Errors
///
/// Its start failed: it would be reached from beyond this machine, and there is no key that could be asked for; or it is strict, and its store is
/// away.
pub async fn run(state: Arc<State>, opener: Opener, listener: TcpListener) -> Result<(), String> {
    let mut tasks = vec![
        tokio::spawn(supply::run(Arc::clone(&state), opener)),
        tokio::spawn(lead::run(Arc::clone(&state))),
        tokio::spawn(network::run(Arc::clone(&state))),
        tokio::spawn(allocate::run(Arc::clone(&state))),
        tokio::spawn(tidy::run(Arc::clone(&state))),
    ];
    let records = state.records.lock().unwrap_or_else(PoisonError::into_inner).take();
    tasks.extend(records.map(|records| tokio::spawn(audit::run(Arc::clone(&state), records))));
    let listening = {
        let state = Arc::clone(&state);
        tokio::spawn(async move { listen::run(&state, listener).await })
    };
    let started = tokio::select! {
        (start, began) = start::run(&state) => {
            let failed = failure(&start.report(began.elapsed()));
            if failed.is_ok() {
                tasks.push(tokio::spawn(start::heal(Arc::clone(&state), start, began)));
            }
            failed
        }
        () = state.ended() => Ok(()),
    };
    match &started {
        Ok(()) => state.ended().await,
        Err(_) => state.end(),
    }
    // What is being answered still needs the store and the lead.
    finished(listening).await;
    state.closing.send_replace(true);
    for task in tasks {
        finished(task).await;
    }
    started
}

/// What failed at the start that the server cannot do without.
fn failure(report: &Report) -> Result<(), String> {
    match report.failed() {
        Some(PhaseReport { name, outcome: Outcome::Failed { why }, .. }) => {
            Err(format!("{name}: {why}"))
        }
        _ => Ok(()),
    }
}

async fn finished(task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(%error, "a part of the server ended early");
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);
