//! What somebody who watches wants to know from machines of this host: asked from inside their namespaces, as a lab asks from its own.
//!
//! Each place that is asked from has a thread that is inside its namespace for as long as questions come; the same prober asks there as on any machine,
//! with the namespace's name servers. Nothing of it delays what brings the host to the network.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use netwright_control::errands::{Errand, Ran};
use netwright_dataplane::kernel::{enter, kept, pause};
use netwright_dataplane::plan::HostPlan;
use netwright_watch::intents::carried::read;
use netwright_watch::probe::names::Resolver;
use netwright_watch::probe::prober::{Prober, Timestamp, Trust};
use netwright_watch::probe::target::Spec;
use rustix::fs::fstat;
use tokio::sync::{Semaphore, mpsc};

use super::NEWS;
use crate::source::{Away, Source};

/// Questions that are asked at a time, of all places.
const BUDGET: usize = 128;
/// Places that are asked from at a time.
const PLACES: usize = 256;
/// Questions that wait for a place's thread.
const WAITING: usize = 256;
/// A place that nothing is asked from for so long has no thread any more.
const IDLE: Duration = Duration::from_secs(60);
/// Name servers that are asked, as many as a C library heeds.
const SERVERS: usize = 3;
/// What came of questions and was not told yet.
const UNTOLD: usize = 1_024;
/// Told at a time, and after this time, so that what ends together is told together.
const TOLD: usize = 50;
const TOGETHER: Duration = Duration::from_millis(20);
/// Longest outcome that is told, in octets.
const OUTCOME: usize = 16_384;
/// The first wait before a source is asked again that did not answer, which doubles, and the longest.
const WAIT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// The wait before a source is asked again that knows no errands.
const LONG: Duration = Duration::from_secs(30);

/// The name servers of namespaces that have any.
type Servers = Arc<Mutex<BTreeMap<String, Vec<IpAddr>>>>;

/// What asks on this host.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    /// Where its namespaces are kept.
    folder: PathBuf,
    servers: Servers,
    places: Arc<Mutex<BTreeMap<String, Place>>>,
    budget: Arc<Semaphore>,
    trust: Arc<OnceLock<Result<Trust, String>>>,
    /// Milliseconds since 1970.
    clock: fn() -> u64,
}

/// A place that is asked from.
#[derive(Debug)]
struct Place {
    /// The namespace's identity: one that was made anew has another.
    identity: u64,
    questions: mpsc::Sender<(Errand, Spec)>,
}

impl Asking {
    /// One that asks from what a folder keeps, with times of this clock.
    pub(super) fn new(folder: PathBuf, clock: fn() -> u64) -> Self {
        Self {
            folder,
            servers: Servers::default(),
            places: Arc::default(),
            budget: Arc::new(Semaphore::new(BUDGET)),
            trust: Arc::default(),
            clock,
        }
    }

    /// The name servers are those of this plan from now on.
    pub(super) fn names(&self, plan: &HostPlan) {
        let named = plan.namespaces.iter().filter(|one| !one.resolvers.is_empty());
        let named: BTreeMap<_, _> =
            named.map(|one| (one.name.clone(), one.resolvers.clone())).collect();
        // In this order everywhere.
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        // Who asks others for names begins anew.
        places.retain(|place, _| servers.get(place) == named.get(place));
        *servers = named;
    }

    /// Begins to come for errands; it ends with the process.
    pub(super) fn begin(&self, source: &Arc<dyn Source>, host: &str) -> io::Result<()> {
        let (tell, untold) = sync_channel(UNTOLD);
        let (own, source_of, name) = (self.clone(), Arc::clone(source), host.to_owned());
        let telling = tell.clone();
        Builder::new()
            .name("errands".to_owned())
            .spawn(move || own.come(&*source_of, &name, &telling))?;
        let (own, source, host) = (self.clone(), Arc::clone(source), host.to_owned());
        Builder::new()
            .name("answers".to_owned())
            .spawn(move || own.tell(&*source, &host, &untold, &tell))?;
        Ok(())
    }

    /// Comes for errands, again and again.
    fn come(&self, source: &dyn Source, host: &str, tell: &SyncSender<Ran>) {
        let mut wait = WAIT.0;
        loop {
            match source.errands(host, Vec::new(), NEWS) {
                Ok(errands) => {
                    wait = WAIT.0;
                    self.ask(errands, tell);
                }
                Err(Away::Refused(_)) => pause(LONG),
                Err(Away::Unreachable(_) | Away::Unknown(_)) => {
                    pause(wait);
                    wait = (wait * 2).min(WAIT.1);
                }
            }
        }
    }

    /// Tells what came of them.
    fn tell(
        &self,
        source: &dyn Source,
        host: &str,
        untold: &Receiver<Ran>,
        tell: &SyncSender<Ran>,
    ) {
        while let Ok(first) = untold.recv() {
            pause(TOGETHER);
            let mut ran = vec![first];
            ran.extend(untold.try_iter().take(TOLD - 1));
            // What cannot be told now is too old later: whoever waits for it is told that nobody answered.
            if let Ok(errands) = source.errands(host, ran, Duration::ZERO) {
                self.ask(errands, tell);
            }
        }
    }

    fn ask(&self, errands: Vec<Errand>, tell: &SyncSender<Ran>) {
        for errand in errands {
            let number = errand.number;
            if let Err(why) = self.one(errand, tell) {
                say(tell, Ran { number, outcome: None, why: Some(why) });
            }
        }
    }

    fn one(&self, errand: Errand, tell: &SyncSender<Ran>) -> Result<(), String> {
        let spec = read(&errand.probe)?;
        let space = kept(&self.folder, &errand.place).map_err(|error| error.to_string())?;
        let space = space.ok_or_else(|| format!("{} is not here yet", errand.place))?;
        let identity = fstat(&space).map_err(|error| error.to_string())?.st_ino;
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, place| !place.questions.is_closed());
        let stays = places.get(&errand.place).is_some_and(|place| place.identity == identity);
        if !stays {
            if places.len() >= PLACES {
                return Err(format!("{PLACES} machines of this host are asked from already"));
            }
            let questions = self.inside(space, &errand.place, tell)?;
            places.insert(errand.place.clone(), Place { identity, questions });
        }
        let place = places.get(&errand.place).ok_or("it is asked from no more")?;
        let full = |_| "its place takes no more questions".to_owned();
        place.questions.try_send((errand, spec)).map_err(full)
    }

    /// A thread inside a namespace, that asks what comes.
    fn inside(
        &self,
        space: File,
        place: &str,
        tell: &SyncSender<Ran>,
    ) -> Result<mpsc::Sender<(Errand, Spec)>, String> {
        let trust = self.trust.get_or_init(|| Trust::of_machine(&[])).clone()?;
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let resolver = resolver(place, servers.get(place).map_or(&[], Vec::as_slice));
        drop(servers);
        let clock = self.clock;
        let prober = Prober::new(trust, resolver, Arc::new(move || moment(clock())));
        let (send, questions) = mpsc::channel(WAITING);
        let (budget, tell) = (Arc::clone(&self.budget), tell.clone());
        let named = Builder::new().name("asks".to_owned());
        let work = move || match enter(space.as_fd()) {
            Ok(()) => work(prober, questions, &budget, &tell),
            Err(error) => refuse(questions, &error.to_string(), &tell),
        };
        named.spawn(work).map_err(|error| format!("no thread to ask from it: {error}"))?;
        Ok(send)
    }
}

/// A time in milliseconds since 1970.
fn moment(milliseconds: u64) -> Timestamp {
    i64::try_from(milliseconds)
        .ok()
        .and_then(|own| Timestamp::from_millisecond(own).ok())
        .unwrap_or_default()
}

/// What a namespace's processes know of names.
fn resolver(place: &str, servers: &[IpAddr]) -> Resolver {
    let servers = servers.iter().take(SERVERS).map(|server| SocketAddr::new(*server, 53));
    let mut resolver = Resolver::of(servers.collect());
    for own in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        resolver.hosts.push(("localhost".to_owned(), own));
    }
    let own = place.rsplit('/').next().unwrap_or(place);
    resolver.hosts.push((own.to_owned(), IpAddr::V4(Ipv4Addr::LOCALHOST)));
    resolver
}

/// Asks until nothing comes for a while.
fn work(
    prober: Prober,
    mut questions: mpsc::Receiver<(Errand, Spec)>,
    budget: &Arc<Semaphore>,
    tell: &SyncSender<Ran>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return refuse(questions, &error.to_string(), tell),
    };
    let prober = Arc::new(prober);
    runtime.block_on(async {
        while let Ok(Some((errand, spec))) = tokio::time::timeout(IDLE, questions.recv()).await {
            let Errand { number, attempt, time_out, .. } = errand;
            let Ok(place) = Arc::clone(budget).try_acquire_owned() else {
                let why = Some(format!("this host asks {BUDGET} questions already"));
                say(tell, Ran { number, outcome: None, why });
                continue;
            };
            let spec = Spec { timeout: Duration::from_millis(time_out), ..spec };
            let (prober, tell) = (Arc::clone(&prober), tell.clone());
            tokio::spawn(async move {
                let outcome = prober.ask(&spec, attempt).await;
                drop(place);
                let ran = match serde_json::to_value(&outcome) {
                    Ok(value) if value.to_string().len() <= OUTCOME => {
                        Ran { number, outcome: Some(value), why: None }
                    }
                    _ => {
                        let why = format!("what it found out is longer than {OUTCOME} octets");
                        Ran { number, outcome: None, why: Some(why) }
                    }
                };
                say(&tell, ran);
            });
        }
        // Who comes from now on begins another; what came meanwhile is asked of nobody, and said so by its time.
        questions.close();
    });
}

fn refuse(mut questions: mpsc::Receiver<(Errand, Spec)>, why: &str, tell: &SyncSender<Ran>) {
    questions.close();
    while let Ok((Errand { number, place, .. }, _)) = questions.try_recv() {
        let why = Some(format!("{place} cannot be asked from: {why}"));
        say(tell, Ran { number, outcome: None, why });
    }
}

/// Where too much is untold, it is told by its time that nobody answered.
fn say(tell: &SyncSender<Ran>, ran: Ran) {
    let _too_much = tell.try_send(ran);
}
