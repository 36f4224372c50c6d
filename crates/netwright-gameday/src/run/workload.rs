//! Operations on the system while all of it goes on, and the histories of them.
//!
//! Requests are begun at their rate, whether or not others were answered. Each has an idempotency key; what is known of the connection
//! when it begins stands with it. An answer that did not come is `info`: the request may have been done, or may yet be.

mod client;
mod ending;
mod history;
mod kinds;
mod program;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use serde_json::{Value, json};

use self::client::{Asked, Client, Told};
use self::history::{Beside, History};
use self::kinds::Kind;
use super::request::origin;
use super::watch::Watched;
use super::{Record, Setting, lock};
use crate::detect::State;
use crate::journal::{Event, Phase};
use crate::language::{Experiment, Operations, Workload};

/// Requests of one history that are under way at a time: one that finds no client free is not made, lest a system that is slow for a moment be
/// buried under what waits.
const CLIENTS: usize = 16;
/// Requests of each kind in a second, unless the file says otherwise.
const RATE: u32 = 20;
/// The same of the reference system, which has several kinds.
const KIND_RATE: u32 = 5;
/// Requests to the reference system that are begun at once.
const BURST: u64 = 4;

/// One history that is to be made.
pub(crate) struct Job<'a> {
    pub(crate) name: String,
    /// Its file, in the run's folder.
    pub(crate) file: String,
    /// What it must be.
    pub(crate) model: Option<String>,
    work: &'a Workload,
    what: What,
    tally: Tally,
}

/// What makes a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// A program.
    Program,
    /// Requests to paths that the file names.
    Paths,
    /// Requests to the reference system.
    Kind(Operations),
}

/// Operations that have ended, by how.
#[derive(Default)]
struct Tally([AtomicU64; 3]);

impl Tally {
    fn add(&self, kind: &str) {
        let place = ["ok", "fail", "info"].iter().position(|word| *word == kind).unwrap_or(2);
        self.0[place].fetch_add(1, Ordering::Relaxed);
    }
}

/// All histories of a run, and how many of them are still being made.
pub(crate) struct Jobs<'a> {
    pub(crate) all: Vec<Job<'a>>,
    left: AtomicUsize,
    /// Nothing is read in the end: the run was broken off.
    given_up: AtomicBool,
}

impl<'a> Jobs<'a> {
    pub(crate) fn of(experiment: &'a Experiment) -> Self {
        let mut all = Vec::new();
        for work in &experiment.workload {
            let own = work.name.as_ref().map(|name| name.value.clone());
            let given = work.model.as_ref().map(|model| model.value.clone());
            let mut job = |what: What, name: String, model: Option<String>| {
                let file = format!("history-{}.jsonl", all.len());
                all.push(Job { name, file, model, work, what, tally: Tally::default() });
            };
            for kind in &work.operations {
                let word = kind.value.to_string();
                let name =
                    own.as_ref().map_or_else(|| word.clone(), |own| format!("{own}: {word}"));
                let model = given.clone().or_else(|| Some(kinds::model(kind.value).to_owned()));
                job(What::Kind(kind.value), name, model);
            }
            if work.operations.is_empty() {
                let what = if work.run.is_some() { What::Program } else { What::Paths };
                let name = own.unwrap_or_else(|| "workload".to_owned());
                job(what, name, given);
            }
        }
        let left = AtomicUsize::new(all.len());
        Self { all, left, given_up: AtomicBool::new(false) }
    }

    /// How many histories are to be made.
    pub(crate) fn count(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    /// None is made.
    pub(crate) fn none(&self) {
        self.left.store(0, Ordering::SeqCst);
    }

    /// The run was broken off: what was written is not read in the end.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }

    /// Whether the run was broken off, so that nothing was read in the end.
    pub(crate) fn gave_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }

    /// Whether any history is still being made.
    pub(crate) fn work(&self) -> bool {
        self.left.load(Ordering::SeqCst) > 0
    }

    /// Operations that have ended, of each history: done, not done, not known.
    pub(crate) fn tallies(&self) -> Vec<(String, [u64; 3])> {
        let of = |job: &Job<'_>| {
            let count = |place: usize| job.tally.0[place].load(Ordering::Relaxed);
            (job.name.clone(), [count(0), count(1), count(2)])
        };
        self.all.iter().map(of).collect()
    }
}

/// The run that histories are made in.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) setting: &'a Setting<'a>,
    pub(crate) record: &'a Record,
    /// What is known of connections, where they are watched.
    pub(crate) watched: Option<&'a Watched>,
    pub(crate) phase: &'a Mutex<Phase>,
    /// Nothing more is begun.
    pub(crate) over: &'a AtomicBool,
}

/// A workload's name for people.
pub(crate) fn name_of(work: &Workload) -> &str {
    work.name.as_ref().map_or("the workload", |name| name.value.as_str())
}

/// Makes a history until all is over.
pub(crate) fn work(around: Around<'_>, jobs: &Jobs<'_>, number: usize) {
    let Some(job) = jobs.all.get(number) else { return };
    let (name, history, model) = (job.name.clone(), job.file.clone(), job.model.clone());
    around.record.put(Event::Workload { name, history, model });
    let done = match job.what {
        What::Program => program::run(around, (number, job.work), &job.file),
        What::Paths | What::Kind(_) => requests(around, jobs, number),
    };
    if let Err(why) = done {
        around.record.put(Event::Note { text: format!("{}: {why}", job.name) });
    }
    jobs.left.fetch_sub(1, Ordering::SeqCst);
}

/// What the requests of a history are.
enum Source<'a> {
    Kind(Kind),
    Paths { run: &'a str, write: &'a str, body: &'a str },
}

impl Source<'_> {
    fn id(&self, number: u64) -> String {
        match self {
            Self::Kind(kind) => kind.id(number),
            Self::Paths { run, .. } => format!("{run}-{number}"),
        }
    }

    fn next(&self, number: u64) -> Asked {
        match self {
            Self::Kind(kind) => kind.next(number),
            Self::Paths { write, body, .. } => {
                let id = self.id(number);
                Asked {
                    f: "add",
                    method: "POST",
                    path: write.replace("{id}", &id),
                    body: body.replace("{id}", &id),
                    value: Some(json!(id)),
                    key: None,
                }
            }
        }
    }
}

/// Operations of a phase, by how they ended.
type Counts = (Phase, BTreeMap<&'static str, u64>);

/// What the clients of one history share.
struct Clients<'a> {
    source: Source<'a>,
    client: Client<'a>,
    history: &'a History,
    job: &'a Job<'a>,
    around: Around<'a>,
    counts: Mutex<BTreeMap<u8, Counts>>,
    idle: AtomicUsize,
}

impl Clients<'_> {
    /// Does what comes, until nothing more does.
    fn serve(&self, numbers: &Mutex<Receiver<u64>>) {
        loop {
            let next = lock(numbers).recv();
            let Ok(number) = next else { return };
            self.one(number);
            self.idle.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Takes a client that has nothing to do, where there is one.
    fn takes(&self) -> bool {
        let less = |idle: usize| idle.checked_sub(1);
        self.idle.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }

    /// One operation, with its beginning and its end in the history.
    fn one(&self, number: u64) {
        let at = *lock(self.around.phase);
        let asked = self.source.next(number);
        let id = self.source.id(number);
        let link = self.link().map(State::word);
        let beside = Beside { link, id: Some(&id), attempt: 1 };
        let what = (asked.key.as_ref(), asked.value.as_ref());
        let process = self.history.begin_beside(asked.f, what, beside);
        let (told, attempt) = self.client.ask(&asked, &id);
        let beside = Beside { attempt, ..beside };
        let (kind, value, error) = match &told {
            Told::Done(answer) => ("ok", self.seen(&asked, answer), ""),
            Told::Not(why) => {
                if let Source::Kind(kind) = &self.source {
                    kind.refused(&asked);
                }
                ("fail", None, why.as_str())
            }
            Told::Perhaps(why) => ("info", None, why.as_str()),
        };
        let value = value.as_ref().or(asked.value.as_ref());
        self.history.end_beside(
            process,
            (kind, asked.f),
            (asked.key.as_ref(), value),
            (beside, error),
        );
        self.job.tally.add(kind);
        let mut counts = lock(&self.counts);
        let (_, own) = counts.entry(at as u8).or_insert_with(|| (at, BTreeMap::new()));
        *own.entry(kind).or_default() += 1;
    }

    /// What is known of the connection that operations go over.
    fn link(&self) -> Option<State> {
        let from = origin(&self.around.setting.plan.experiment, self.job.work.from.as_ref())?;
        self.around.watched?.between(&from.value, &self.client.host)
    }

    fn seen(&self, asked: &Asked, answer: &Value) -> Option<Value> {
        match &self.source {
            Source::Kind(kind) => kind.seen(asked, answer),
            Source::Paths { .. } => None,
        }
    }

    /// Tells how many operations of each phase ended how.
    fn tell(&self) {
        for (phase, own) in lock(&self.counts).values() {
            let of = |kind: &str| own.get(kind).copied().unwrap_or_default();
            self.around.record.put(Event::Operations {
                name: self.job.name.clone(),
                phase: *phase,
                ok: of("ok"),
                fail: of("fail"),
                info: of("info"),
            });
        }
    }
}

/// When the requests of a history begin.
struct Rate {
    every: Duration,
    burst: u64,
}

impl Rate {
    fn of(work: &Workload, kind: bool) -> Self {
        let rate = work.rate.as_ref().map(|rate| rate.value);
        let rate = rate.unwrap_or(if kind { KIND_RATE } else { RATE }).clamp(1, 10_000);
        Self { every: Duration::from_secs(1) / rate, burst: if kind { BURST } else { 1 } }
    }

    /// When a request is due, after the first.
    fn due(&self, number: u64) -> Duration {
        let whole = number / self.burst * self.burst;
        self.every.saturating_mul(u32::try_from(whole).unwrap_or(u32::MAX))
    }
}

fn requests(around: Around<'_>, jobs: &Jobs<'_>, number: usize) -> Result<(), String> {
    let (setting, over) = (around.setting, around.over);
    let job = jobs.all.get(number).ok_or("there is no such workload")?;
    let work = job.work;
    let kind = matches!(job.what, What::Kind(_));
    let rate = Rate::of(work, kind);
    let source = match job.what {
        What::Kind(what) => {
            let seed = setting.plan.seed ^ u64::try_from(number).unwrap_or_default();
            // Two kinds that make documents make different ones.
            let run = format!("{}-{what}", setting.id);
            Source::Kind(Kind::new(what, &run, (seed, rate.burst)))
        }
        _ => Source::Paths {
            run: setting.id,
            write: &work.write.as_ref().ok_or("requests need `write`")?.value,
            body: work.body.as_ref().map_or("{\"id\": \"{id}\"}", |body| body.value.as_str()),
        },
    };
    let path = setting.folder.join(&job.file);
    let history = History::create(&path).map_err(|error| error.to_string())?;
    let clients = Clients {
        client: Client::of(setting, work)?,
        source,
        history: &history,
        job,
        around,
        counts: Mutex::default(),
        idle: AtomicUsize::new(0),
    };
    let count = open_loop(&clients, &rate);
    clients.tell();
    if let Some(why) = history.broken() {
        return Err(format!("the history cannot be written: {why}"));
    }
    while !over.load(Ordering::SeqCst) {
        pause(Duration::from_millis(20));
    }
    if jobs.gave_up() {
        return Err("the run was broken off, so nothing was read in the end".to_owned());
    }
    match &clients.source {
        Source::Kind(kind) => ending::read(kind, &clients.client, &history, count),
        source @ Source::Paths { .. } => match &work.read {
            Some(read) => {
                let of = |number| {
                    let id = source.id(number);
                    let path = read.value.replace("{id}", &id);
                    (json!(id), path)
                };
                ending::each(&clients.client, &history, (0..count).map(of))
            }
            None => Ok(()),
        },
    }
}

/// Begins requests when they are due, each by a client that has nothing to do; how many were begun.
fn open_loop(clients: &Clients<'_>, rate: &Rate) -> u64 {
    let over = clients.around.over;
    let (send, receive) = channel();
    let receive = Mutex::new(receive);
    let begun = Instant::now();
    let mut number = 0;
    std::thread::scope(|scope| {
        let mut started = 0;
        loop {
            let due = begun + rate.due(number);
            while Instant::now() < due && !over.load(Ordering::SeqCst) {
                let left = due.saturating_duration_since(Instant::now());
                pause(left.min(Duration::from_millis(20)));
            }
            // The last phases only look: what is written there would not be looked at.
            let at = *lock(clients.around.phase);
            let ends = matches!(at, Phase::After | Phase::Verdict);
            if ends || over.load(Ordering::SeqCst) || clients.history.broken().is_some() {
                break;
            }
            let new = !clients.takes();
            if !new || started < CLIENTS {
                if new {
                    started += 1;
                    scope.spawn(|| clients.serve(&receive));
                }
                let _somebody_takes_it = send.send(number);
            }
            number += 1;
        }
        drop(send);
    });
    number
}
