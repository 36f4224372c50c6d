//! Where an agent learns what its host is to have, and tells what it did.

mod beside;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use netwright_control::agents::{self, Refusal, Registration, Report, placement};
use netwright_control::errands::{Errand, Ran};
use netwright_control::faults::{self, On};
use netwright_control::keys::Layout;
use netwright_control::network::Keeper;
use netwright_control::probes::Ask;
use netwright_dataplane::plan::HostPlan;
use netwright_model::network::Network;
use netwright_store::{LeaseId, Revision, Store};
use serde::{Deserialize, Serialize};

pub use beside::Beside;

/// What an agent knows already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The revision of the network.
    pub revision: u64,
    /// Which hosts there are: what [`placement`] gives.
    pub placement: String,
    /// What hosts were to ask last.
    pub probe: Option<String>,
    /// The faults that were on.
    #[serde(default)]
    pub faults: String,
    /// The host's part, by what a server said of it; none where it gave none.
    #[serde(default)]
    pub part: Option<String>,
}

/// A network, as far as it was read.
#[derive(Debug, Clone)]
pub enum Described {
    /// A description in YAML.
    Text(String),
    /// It was resolved already.
    Resolved(Arc<Network>),
}

/// What a host is to have, as it was told.
#[derive(Debug, Clone)]
pub enum What {
    /// The whole network, of which it takes its part.
    Network(Described),
    /// Its part.
    Part {
        /// By what a server knows it.
        hash: String,
        /// What it is.
        plan: Arc<HostPlan>,
    },
    /// What it was told before.
    Same,
}

/// What a host is to have.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The revision of the network.
    pub revision: u64,
    /// When it was accepted, by the server's clock; none where that is not known.
    pub accepted: Option<u64>,
    /// Which hosts there are, by a short word.
    pub placement: String,
    /// The host is one of them.
    pub joined: bool,
    /// The hosts, by name.
    pub hosts: Vec<Registration>,
    /// What it is.
    pub what: What,
    /// What hosts are to ask with packets of their own.
    pub probe: Option<Ask>,
    /// The faults that are on, as far as the host does something for them.
    pub faults: On,
}

impl Wanted {
    /// What somebody knows who has seen this, and before it that.
    #[must_use]
    pub fn mark(&self, before: Option<&Mark>) -> Mark {
        let probe = self.probe.as_ref().map(|probe| probe.id.clone());
        let part = match &self.what {
            What::Network(_) => None,
            What::Part { hash, .. } => Some(hash.clone()),
            What::Same => before.and_then(|before| before.part.clone()),
        };
        let (placement, faults) = (self.placement.clone(), self.faults.mark.clone());
        Mark { revision: self.revision, placement, probe, faults, part }
    }
}

/// Why a source does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Away {
    /// It cannot be reached now.
    Unreachable(String),
    /// It refuses: asking again does not help.
    Refused(String),
    /// It does not know the host: it was removed, or never joined.
    Unknown(String),
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Refused(why) | Self::Unknown(why) => f.write_str(why),
        }
    }
}

/// Where an agent learns and tells. Each call waits no longer than its own time; several may run at once.
pub trait Source: Send + Sync {
    /// Says that a host is there, and at which address.
    ///
    /// # Errors
    ///
    /// Why that is not known now.
    fn register(&self, host: &Registration) -> Result<(), Away>;

    /// What a host is to have, as soon as it is another than is known; nothing where it was not within `patience`.
    ///
    /// # Errors
    ///
    /// Why it cannot be told.
    fn wanted(
        &self,
        host: &str,
        known: Option<&Mark>,
        patience: Duration,
    ) -> Result<Option<Wanted>, Away>;

    /// Says that the host lives, and what it did.
    ///
    /// # Errors
    ///
    /// Why that is not known now.
    fn sign(&self, host: &str, report: Option<&Report>) -> Result<(), Away>;

    /// Tells what was found out of what somebody who watches wanted to know, and comes for more; nothing where there was none within `patience`.
    ///
    /// # Errors
    ///
    /// Why it cannot be told; a source without a server has nobody who wants to know.
    fn errands(
        &self,
        _host: &str,
        _ran: Vec<Ran>,
        _patience: Duration,
    ) -> Result<Vec<Errand>, Away> {
        Err(Away::Refused("nobody asks through a store".to_owned()))
    }

    /// Says that the host is removed.
    ///
    /// # Errors
    ///
    /// Why that is not known now.
    fn remove(&self, host: &str) -> Result<(), Away>;
}

/// How the newest revision of the network is read from a store.
pub trait Networks<S>: Send + Sync {
    /// The network; nothing where none was ever accepted.
    fn read(
        &self,
        store: &S,
        layout: &Layout,
    ) -> impl Future<Output = Result<Option<Accepted>, String>> + Send;
}

/// A revision of the network.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The revision.
    pub revision: u64,
    /// When it was accepted; none where that is not known.
    pub at: Option<u64>,
    /// The network.
    pub network: Described,
}

/// A store, asked without a server between.
#[derive(Debug)]
pub struct FromStore<S, N> {
    store: S,
    layout: Layout,
    networks: N,
    runtime: tokio::runtime::Handle,
    lease: Mutex<Option<LeaseId>>,
    clock: fn() -> u64,
}

/// How long a store may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long is waited for what is not there yet.
const LOOK: Duration = Duration::from_millis(200);

impl<S: Store, N: Networks<S>> FromStore<S, N> {
    /// A store's. The runtime must live as long as this; `clock` gives milliseconds since 1970. Where that and the servers' differ, faults end early, or
    /// with their whole lease.
    pub fn new(
        store: S,
        layout: Layout,
        networks: N,
        runtime: tokio::runtime::Handle,
        clock: fn() -> u64,
    ) -> Self {
        Self { store, layout, networks, runtime, lease: Mutex::new(None), clock }
    }

    fn wait<T>(
        &self,
        patience: Duration,
        work: impl Future<Output = Result<T, Away>>,
    ) -> Result<T, Away> {
        let late = || Away::Unreachable("the store does not answer".to_owned());
        self.runtime
            .block_on(async { tokio::time::timeout(patience, work).await })
            .unwrap_or_else(|_| Err(late()))
    }

    async fn now(
        &self,
        host: &str,
        known: Option<&Mark>,
    ) -> Result<(Option<Wanted>, Revision), Away> {
        let store = |error: netwright_store::Error| Away::Unreachable(error.to_string());
        let (hosts, at) = agents::joined(&self.store, &self.layout).await.map_err(store)?;
        let head = netwright_store::Keys::One(self.layout.head());
        let head = self.store.range(netwright_store::Range::of(head)).await.map_err(store)?;
        let Some(revision) = head.entries.first().map(|entry| entry.modified.0) else {
            return Ok((None, at));
        };
        let probe = agents::probe(&self.store, &self.layout).await.map_err(store)?;
        let asked = probe.as_ref().map(|probe| &probe.id);
        let placement = placement(&hosts);
        let kept = faults::kept(&self.store, &self.layout).await.map_err(store)?;
        let faults = On::of(&kept, host, (self.clock)());
        if known.is_some_and(|own| {
            own.revision == revision
                && own.placement == placement
                && own.probe.as_ref() == asked
                && own.faults == faults.mark
        }) {
            return Ok((None, at));
        }
        let read = self.networks.read(&self.store, &self.layout).await;
        let Some(read) = read.map_err(Away::Unreachable)? else { return Ok((None, at)) };
        let Accepted { revision, at: accepted, network } = read;
        let joined = hosts.iter().any(|one| one.host == host);
        let what = What::Network(network);
        let wanted = Wanted { revision, accepted, placement, joined, hosts, what, probe, faults };
        Ok((Some(wanted), at))
    }
}

fn told(refusal: Refusal) -> Away {
    match refusal {
        Refusal::Wrong(why) => Away::Refused(why),
        Refusal::Store(error) if error.may_pass() => Away::Unreachable(error.to_string()),
        Refusal::Store(error) => Away::Refused(error.to_string()),
        Refusal::Unknown(why) => Away::Unknown(why),
    }
}

impl<S: Store, N: Networks<S>> Source for FromStore<S, N> {
    fn register(&self, host: &Registration) -> Result<(), Away> {
        self.wait(PATIENCE, async {
            agents::register(&self.store, &self.layout, host).await.map(drop).map_err(told)
        })
    }

    fn wanted(
        &self,
        host: &str,
        known: Option<&Mark>,
        patience: Duration,
    ) -> Result<Option<Wanted>, Away> {
        let store = |error: netwright_store::Error| Away::Unreachable(error.to_string());
        let (wanted, at) = self.wait(PATIENCE, self.now(host, known))?;
        if wanted.is_some() {
            return Ok(wanted);
        }
        // What was known may be of a store that was not at the newest revision.
        let patience = if known.is_none() { LOOK.max(patience) } else { patience };
        let changed = self.wait(patience + PATIENCE, async {
            agents::changed(&self.store, &self.layout, at, patience).await.map_err(store)
        })?;
        if changed { Ok(self.wait(PATIENCE, self.now(host, known))?.0) } else { Ok(None) }
    }

    fn sign(&self, host: &str, report: Option<&Report>) -> Result<(), Away> {
        let had = self.lease.lock().map_or(None, |lease| *lease);
        let lease = self.wait(PATIENCE, async {
            agents::sign(&self.store, &self.layout, (host, had), report).await.map_err(told)
        })?;
        if let Ok(mut kept) = self.lease.lock() {
            *kept = Some(lease);
        }
        Ok(())
    }

    fn remove(&self, host: &str) -> Result<(), Away> {
        self.wait(PATIENCE, async {
            agents::remove(&self.store, &self.layout, host).await.map(drop).map_err(told)
        })
    }
}

/// The network that a store keeps, followed.
pub struct Kept<S>(Keeper<S>);

impl<S: Store> Kept<S> {
    /// That of a store.
    pub fn new(store: S, layout: Layout) -> Self {
        Self(Keeper::new(store, layout))
    }
}

impl<S: Store> Networks<S> for Kept<S> {
    async fn read(&self, _: &S, _: &Layout) -> Result<Option<Accepted>, String> {
        let live = self.0.newest().await.map_err(|error| error.to_string())?;
        let network = Described::Resolved(Arc::clone(&live.network));
        let revision = live.revision.0;
        // The history knows when; who reads convergence looks there.
        Ok((revision > 0).then_some(Accepted { revision, at: None, network }))
    }
}
