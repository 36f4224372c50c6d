//! A run: what a plan says, done to a running lab, watched, taken back, and judged.
//!
//! Three things go on beside the steps: what holds is renewed ([`hold`]), connections are watched ([`watch`]), and the workload works
//! ([`workload`]). Whatever happens, everything is taken back, and whether that is so is read back.

pub mod activity;
mod audit;
pub(crate) mod check;
mod clocks;
mod faults;
mod hold;
mod judge;
mod own;
mod refused;
pub(crate) mod request;
pub(crate) mod sample;
mod steps;
mod system;
mod tls;
pub mod watch;
pub(crate) mod workload;

use std::fmt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Scope;
use std::time::{Duration, Instant};

use netwright_dataplane::plan::HostPlan;
use netwright_lab::faults::Breaking;

use crate::active::Active;
use crate::journal::{About, Criterion, Event, Journal, Phase, Verdict};
use crate::plan::Plan;
use crate::reference;
use crate::steps::{Course, Steps};
pub use refused::refused;
pub use system::reference_programs;

use clocks::Clocks;
use faults::Faults;
use hold::Hold;
use system::System;
use watch::Watched;
use workload::{Around, Jobs};

/// What a run needs.
#[derive(Debug)]
pub struct Setting<'a> {
    /// What is done.
    pub plan: &'a Plan,
    /// The plan of the lab that runs.
    pub host: &'a HostPlan,
    /// The lab's name.
    pub lab: &'a str,
    /// The run's identifier.
    pub id: &'a str,
    /// The experiment's file, or a scenario's name.
    pub experiment: &'a str,
    /// The experiment's text.
    pub text: &'a str,
    /// The folder that the experiment is in.
    pub home: &'a Path,
    /// The network's file.
    pub network: &'a Path,
    /// Where the journal and histories go: a folder that is there.
    pub folder: &'a Path,
    /// The words with which this machine runs a command inside the lab, before the endpoint's name.
    pub exec: &'a [String],
    /// The words with which this program becomes a command of this machine, which signals end: this program may have blocked them.
    pub here: &'a [String],
}

impl Setting<'_> {
    /// A command in a namespace of the lab, or on this machine.
    fn command(&self, from: Option<&str>) -> Result<Command, String> {
        let words = if from.is_some() { self.exec } else { self.here };
        let (program, rest) = words.split_first().ok_or("there is no way into the lab")?;
        let mut command = Command::new(program);
        command.args(rest).args(from).arg("--");
        Ok(command)
    }
}

/// Why a run could not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<netwright_lab::failure::Failure> for Failure {
    fn from(failure: netwright_lab::failure::Failure) -> Self {
        Self { message: failure.message, help: failure.help }
    }
}

impl Failure {
    pub(crate) fn during(what: &str) -> impl Fn(std::io::Error) -> Self {
        move |error| Self { message: format!("{what}: {error}"), help: None }
    }
}

/// How a run came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// What it follows from.
    pub criteria: Vec<Criterion>,
    /// The journal's file.
    pub journal: PathBuf,
}

/// Microseconds of the machine's clock that does not go back.
#[must_use]
pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default() / 1000
}

pub(crate) fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The journal and whoever watches the run.
#[derive(Debug)]
pub(crate) struct Record {
    journal: Mutex<Journal>,
    told: Mutex<Sender<Event>>,
    broken: AtomicBool,
}

impl Record {
    pub(crate) fn of(journal: Journal) -> (Self, Receiver<Event>) {
        let (told, events) = channel();
        let (journal, told) = (Mutex::new(journal), Mutex::new(told));
        (Self { journal, told, broken: AtomicBool::new(false) }, events)
    }

    /// Writes an event, and passes it on.
    pub(crate) fn put(&self, event: Event) {
        if lock(&self.journal).write(&event, now()).is_err() {
            self.broken.store(true, Ordering::SeqCst);
        }
        self.tell(event);
    }

    /// Whether anything could not be written.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }

    /// Passes an event on that need not be kept.
    fn tell(&self, event: Event) {
        // Whoever listened has gone.
        let _nobody = lock(&self.told).send(event);
    }
}

/// Whoever is told what happens, as it happens.
pub(crate) struct Audience<'a> {
    events: Receiver<Event>,
    say: &'a mut dyn FnMut(&Event),
    /// When rates were told last.
    rates: Option<Instant>,
}

impl<'a> Audience<'a> {
    pub(crate) fn of(events: Receiver<Event>, say: &'a mut dyn FnMut(&Event)) -> Self {
        Self { events, say, rates: None }
    }

    /// Passes on what happened.
    pub(crate) fn drain(&mut self, record: &Record, jobs: &Jobs<'_>) {
        if !jobs.all.is_empty() && self.rates.is_none_or(|last| last.elapsed() > RATES) {
            self.rates = Some(Instant::now());
            record.tell(Event::Rates { all: jobs.tallies() });
        }
        while let Ok(event) = self.events.try_recv() {
            (self.say)(&event);
        }
    }
}

/// A run under way.
pub(crate) struct Run<'a> {
    course: Course<'a>,
    hold: &'a Hold,
    watched: &'a Watched,
    clocks: &'a Clocks<'a>,
    faults: Faults,
    /// When it began.
    begun: u64,
    /// The programs of the system under test, or why they do not run.
    system: Result<System, String>,
}

/// Why a run was broken off that somebody interrupted.
pub const INTERRUPTED: &str = "it was interrupted";
/// How often rates are told.
const RATES: Duration = Duration::from_secs(1);

/// Does what a plan says. `stop` is asked whether the run is to be broken off; `say` is told of events as they happen.
///
/// # Errors
///
/// The run could not begin: nothing was done then.
pub fn run(
    setting: &Setting<'_>,
    stop: &dyn Fn() -> bool,
    say: &mut dyn FnMut(&Event),
) -> Result<Outcome, Failure> {
    let path = setting.folder.join("journal.jsonl");
    let journal = Journal::begin(&path).map_err(Failure::during(&path.to_string_lossy()))?;
    let (record, events) = Record::of(journal);
    let plan = setting.plan;
    let breaking =
        Breaking::open(setting.lab, setting.id, &plan.experiment.title.value, plan.lease)?;
    let hold = Hold::new(breaking, plan.lease);
    let over = AtomicBool::new(false);
    let watched = Watched::of(plan, setting.host);
    let begun = now();
    record.put(begin(setting));
    record.put(watched.event());
    let phase = Mutex::new(Phase::Steady);
    let jobs = Jobs::of(&plan.experiment);
    let clocks = Clocks::new(setting);
    let (verdict, criteria) = std::thread::scope(|scope| {
        scope.spawn(|| hold.renew(&over));
        scope.spawn(|| clocks.renew(&over));
        let system = System::start(setting, stop, &mut |text| {
            record.put(Event::Note { text });
            while let Ok(event) = events.try_recv() {
                say(&event);
            }
        });
        let monitor = watch(scope, setting.lab, (&watched, &record));
        if plan.experiment.reference.is_some() && system.is_ok() {
            scope.spawn(|| sample::follow(setting, &record, &over));
        }
        let jobs = &jobs;
        // Nobody is asked where nobody answers.
        if system.is_err() {
            jobs.none();
        }
        for number in 0..jobs.count() {
            let (record, watched) = (&record, Some(&watched));
            let around = Around { setting, record, watched, phase: &phase, over: &over };
            scope.spawn(move || workload::work(around, jobs, number));
        }
        let mut run = Run {
            course: Course {
                setting,
                record: &record,
                jobs,
                audience: Audience::of(events, say),
                phase: &phase,
                over: &over,
                stop,
                active: Active::default(),
                criteria: Vec::new(),
                ended: None,
            },
            hold: &hold,
            watched: &watched,
            clocks: &clocks,
            faults: Faults::default(),
            begun,
            system,
        };
        let verdict = run.all();
        over.store(true, Ordering::SeqCst);
        if let Some(handle) = monitor {
            let _gone_already = handle.shutdown(std::net::Shutdown::Both);
        }
        run.drain();
        (verdict, run.course.criteria)
    });
    Ok(Outcome { verdict, criteria, journal: path })
}

/// Begins to watch: what ends it when it is shut down.
fn watch<'s>(
    scope: &'s Scope<'s, '_>,
    lab: &str,
    (watched, record): (&'s Watched, &'s Record),
) -> Option<UnixStream> {
    match watched.begin(lab) {
        Ok((monitor, handle)) => {
            scope.spawn(|| watched.follow(monitor, record));
            Some(handle)
        }
        Err(failure) => {
            record.put(Event::Note { text: format!("nothing is watched: {failure}") });
            None
        }
    }
}

pub(crate) fn begin(setting: &Setting<'_>) -> Event {
    let plan = setting.plan;
    Event::Run {
        id: setting.id.to_owned(),
        title: plan.experiment.title.value.clone(),
        experiment: setting.experiment.to_owned(),
        text: setting.text.to_owned(),
        network: setting.network.display().to_string(),
        lab: setting.lab.to_owned(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        blast: plan.blast.clone(),
        lease: u64::try_from(plan.lease.as_millis()).unwrap_or_default(),
        left_out: plan.left_out.clone(),
        about: about(plan),
    }
}

/// How long all of the service may be away, unless the experiment says otherwise: what the runbook allows.
const OBJECTIVE: u64 = 15 * 60 * 1000;

fn about(plan: &Plan) -> About {
    let experiment = &plan.experiment;
    let safety = &experiment.safety;
    let share = safety.most_pairs.map_or(50_000, |share| share.value.as_thousandths());
    let hosts = safety.protect.iter().chain(&safety.controller).map(|name| name.value.clone());
    let services = plan.protected.iter().map(ToString::to_string);
    let restored = experiment.expect.restored.as_ref();
    About {
        description: experiment
            .description
            .as_ref()
            .map_or_else(String::new, |own| own.value.clone()),
        hypothesis: experiment.steady_state_hypothesis.title.as_ref().map(|own| own.value.clone()),
        seed: plan.seed,
        objective: restored.map_or(OBJECTIVE, |limit| limit.value.as_millis()),
        ceiling: plan.blast.pairs * u64::from(share) / 100_000,
        protected: hosts.chain(services).collect(),
        variant: experiment
            .reference
            .as_ref()
            .map(|own| reference::variant(own).unwrap_or("correct").to_owned()),
    }
}

/// An identifier that no other run has: the time, and a few digits of the clock that does not go back.
#[must_use]
pub fn new_id() -> String {
    let time = jiff::Timestamp::now().to_string();
    let digits: String = time.chars().filter(char::is_ascii_digit).take(14).collect();
    let (day, time) = digits.split_at_checked(8).unwrap_or((&digits, ""));
    format!("{day}T{time}Z-{:04x}", (now() ^ u64::from(std::process::id())) & 0xFFFF)
}
