//! An agent's life: it follows the network, brings its host there, reads back, reports, and looks from time to time whether it is still so.

mod asking;
mod breaking;
mod drift;
mod errands;
mod words;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use netwright_control::agents::{
    Mode, NAMED, Others, Outage, Registration, Report, STEPS, Step, Trouble,
};
use netwright_control::faults::Broken;
use netwright_control::probes::{Probed, Question, Seen};
use netwright_dataplane::plan::HostPlan;
use netwright_lab::probe::near::{self, Near};
use netwright_lab::tasks::mark::{self, Mark as ProcessMark};
use netwright_lab::tasks::{self, Tasks};

use crate::host::{Host, boot, concerned};
use crate::part::part;
use crate::source::{Source, Wanted, What};
use asking::Asking;
use breaking::Breaking;
use errands::Desk;
pub use errands::NEWS;
use words::{cut, deviation, stands_otherwise, trouble};

/// The first wait before something refused is tried again; it doubles.
const FIRST_TRY: Duration = Duration::from_millis(500);
/// The longest.
const LAST_TRY: Duration = Duration::from_secs(30);

/// How an agent lives.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its host.
    pub host: Registration,
    /// Where namespaces are kept, and what was applied.
    pub folder: PathBuf,
    /// How often everything is read back.
    pub check: Duration,
    /// Milliseconds since 1970.
    pub clock: fn() -> u64,
    /// The agent's version.
    pub version: String,
    /// The words with which this program becomes a part of itself that runs on a host, such as a name server; the part's name follows them.
    pub part: Vec<String>,
}

impl Settings {
    /// What all processes have in their environment that are started on this host.
    fn mark(&self) -> ProcessMark {
        let value = format!("{} {}", self.host.host, self.folder.display());
        ProcessMark { name: "NETWRIGHT_AGENT".to_owned(), value }
    }
}

/// How long an answer to a question is waited for: a request that is lost is sent again after one second.
const PROBE: Duration = Duration::from_millis(1_500);

/// What an agent hears of.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The network is another, or the hosts are.
    Wanted(Box<Wanted>),
    /// The source does not answer, and why.
    Lost(String),
    /// The source answers again.
    Back,
    /// A fault stands otherwise, or met packets: all that is known of the last.
    Faults(Vec<Broken>),
    /// Other hosts answer, or answer no longer.
    Others(Others),
    /// It cannot go on, and why.
    Refused(String),
    /// It is to end.
    End,
}

/// Ends an agent. What it made stays.
#[derive(Debug, Clone)]
pub struct Stop(Sender<Heard>);

impl Stop {
    /// Ends it when it has finished what it is doing.
    pub fn now(&self) {
        // It has ended already.
        let _gone = self.0.send(Heard::End);
    }
}

/// Is an agent until it is asked to end; `ready` is given what ends it. `say` is told what happens, in words.
///
/// # Errors
///
/// The host cannot be used, or the source refuses it.
pub fn follow(
    source: Arc<dyn Source>,
    settings: Settings,
    ready: impl FnOnce(Stop),
    say: &mut dyn FnMut(&str),
) -> io::Result<()> {
    let (host, adopted) = Host::open(&settings.folder, &settings.host.host)?;
    let (send, heard) = channel();
    ready(Stop(send.clone()));
    let report = Report {
        host: settings.host.host.clone(),
        boot: boot(),
        agent: settings.version.clone(),
        begun: (settings.clock)(),
        at: (settings.clock)(),
        adopted: adopted.namespaces > 0,
        namespaces: adopted.namespaces,
        ..Report::default()
    };
    let asking = Asking::new(Host::namespaces(&settings.folder), settings.clock);
    // What an earlier process of the agent started cannot be watched by this one: it is started again.
    match mark::end(&settings.mark()) {
        Ok(0) => {}
        Ok(ended) => {
            say(&format!("ended {ended} processes of an earlier agent, to start them again"));
        }
        Err(error) => say(&format!("processes of an earlier agent are not looked for: {error}")),
    }
    if let Some(unnamed) = tasks::prepare() {
        say(&unnamed);
    }
    let tasks = Tasks::begin(&settings.part, Some(settings.mark()))
        .map_err(|failure| io::Error::other(failure.to_string()))?;
    let breaking = Breaking::begin(&settings, tasks.clone(), send.clone())?;
    let desk = Desk::new(source, settings.host.clone(), send, (asking, breaking.sender()));
    let mut agent = Agent {
        host,
        settings,
        desk,
        report,
        tasks,
        wanted: None,
        planned: None,
        tries: 0,
        again: None,
        lost: None,
    };
    if adopted.namespaces > 0 {
        say(&format!(
            "took over {} namespaces of revision {}",
            adopted.namespaces, adopted.revision
        ));
    }
    agent.drifted(&adopted.deviations, say);
    agent.desk.names(agent.host.kernel().applied());
    agent.publish();
    agent.desk.begin()?;
    let lived = agent.live(&heard, say);
    breaking.end();
    lived
}

/// An agent.
struct Agent {
    host: Host,
    settings: Settings,
    desk: Desk,
    report: Report,
    /// Processes that run on it.
    tasks: Tasks,
    /// What the host is to have.
    wanted: Option<Wanted>,
    /// What that was planned to be.
    planned: Option<Arc<HostPlan>>,
    /// How often that was refused.
    tries: u32,
    /// When it is tried again.
    again: Option<Instant>,
    /// Since when the source does not answer.
    lost: Option<u64>,
}

impl Agent {
    fn now(&self) -> u64 {
        (self.settings.clock)()
    }

    fn live(&mut self, heard: &Receiver<Heard>, say: &mut dyn FnMut(&str)) -> io::Result<()> {
        let mut check = Instant::now() + self.first_check();
        loop {
            let due = self.again.map_or(check, |again| again.min(check));
            match heard.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(Heard::Wanted(wanted)) => {
                    self.desk.others(&wanted.hosts);
                    // It may be told only because hosts are to ask something.
                    let same = self.wanted.as_ref().is_some_and(|had| {
                        (had.revision, &had.placement) == (wanted.revision, &wanted.placement)
                    });
                    let behind = self.report.read_back != wanted.revision;
                    self.wanted = Some(*wanted);
                    if !same || self.again.is_some() || behind {
                        (self.tries, self.again) = (0, None);
                        self.work(say);
                    }
                    self.probe(say);
                }
                Ok(Heard::Others(others)) => {
                    self.report.others = Some(Others { at: self.now(), ..others });
                    self.publish();
                }
                Ok(Heard::Faults(faults)) => {
                    for (fault, standing) in stands_otherwise(&self.report.faults, &faults) {
                        say(&format!("the fault {} {standing}", fault.id));
                    }
                    self.report.faults = faults;
                    self.publish();
                }
                Ok(Heard::Lost(why)) => {
                    self.lost = Some(self.now());
                    say(&format!("the store is away, the data plane stays as it is: {why}"));
                }
                Ok(Heard::Back) => {
                    if let Some(from) = self.lost.take() {
                        let until = self.now();
                        self.report.outage = Some(Outage { from, until });
                        if self.report.mode == Mode::Following {
                            self.report.mode = Mode::Returned;
                        }
                        say(&format!("the store is back after {} ms", until.saturating_sub(from)));
                        self.publish();
                    }
                }
                Ok(Heard::Refused(why)) => return Err(io::Error::other(why)),
                Ok(Heard::End) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if self.again.is_some_and(|again| again <= now) {
                self.again = None;
                self.work(say);
                self.probe(say);
            }
            if check <= now {
                self.check(say);
                check = Instant::now() + self.settings.check;
            }
        }
    }

    /// Brings the host to what is wanted.
    fn work(&mut self, say: &mut dyn FnMut(&str)) {
        let Some(mut wanted) = self.wanted.take() else { return };
        if !wanted.joined {
            // It has not joined yet: nothing is said of it, and nothing is taken away.
            self.wanted = Some(wanted);
            return;
        }
        self.report.seen = wanted.revision;
        let seen = self.now();
        let mut step = match self.report.steps.pop() {
            Some(step) if step.revision == wanted.revision => step,
            other => {
                self.report.steps.extend(other);
                let (revision, accepted) = (wanted.revision, wanted.accepted);
                Step { revision, accepted, seen, ..Step::default() }
            }
        };
        let done = self.step(&mut wanted, &mut step);
        self.report.steps.push(step);
        let more = self.report.steps.len().saturating_sub(STEPS);
        self.report.steps.drain(..more);
        match done {
            Ok(changes) => {
                self.report.mode = Mode::Following;
                (self.tries, self.again) = (0, None);
                self.troubles(Vec::new());
                let revision = wanted.revision;
                match changes.as_slice() {
                    [] => say(&format!("revision {revision} changes nothing here")),
                    [one] => say(&format!("revision {revision}: {one}")),
                    many => say(&format!("revision {revision}: {} changes", many.len())),
                }
            }
            Err(troubles) => {
                for one in troubles.iter().take(NAMED) {
                    say(&format!("revision {}: {}: {}", wanted.revision, one.object, one.said));
                }
                self.troubles(troubles);
                let wait = FIRST_TRY.saturating_mul(1 << self.tries.min(10)).min(LAST_TRY);
                self.tries = self.tries.saturating_add(1);
                self.again = Some(Instant::now() + wait);
            }
        }
        self.wanted = Some(wanted);
        self.publish();
    }

    /// Asks with packets what hosts are to ask of a revision that this one has.
    fn probe(&mut self, say: &mut dyn FnMut(&str)) {
        let Some(ask) = self.wanted.as_ref().and_then(|wanted| wanted.probe.as_ref()) else {
            return;
        };
        let known = self.report.probed.as_ref().is_some_and(|probed| probed.id == ask.id);
        if known || self.report.read_back < ask.revision {
            return;
        }
        let kernel = self.host.kernel();
        let here = |question: &&Question| kernel.names().any(|name| name == question.place);
        let own: Vec<&Question> = ask.questions.iter().filter(here).collect();
        let near: Vec<Near> = own
            .iter()
            .map(|question| Near {
                place: question.place.clone(),
                source: question.source,
                target: question.target,
                port: question.port,
            })
            .collect();
        let told = near::ask(kernel, &near, PROBE);
        let seen = own.iter().zip(told).map(|(question, told)| {
            let (answered, why) = match told {
                Ok(answered) => (Some(answered), None),
                Err(why) => (None, Some(cut(&why))),
            };
            Seen { number: question.number, answered, why }
        });
        let seen: Vec<Seen> = seen.collect();
        if !seen.is_empty() {
            say(&format!("asked {} questions of revision {}", seen.len(), ask.revision));
        }
        let (id, revision) = (ask.id.clone(), self.report.read_back);
        self.report.probed = Some(Probed { id, revision, seen });
        self.publish();
    }

    /// What is wanted as a plan: made where it is not there. It is planned once, however often it is tried.
    fn plan(&mut self, wanted: &mut Wanted) -> Result<Arc<HostPlan>, String> {
        let plan = match &wanted.what {
            What::Network(network) => {
                Arc::new(part(network, &wanted.hosts, &self.settings.host.host)?)
            }
            What::Part { plan, .. } => Arc::clone(plan),
            What::Same => {
                let none = || "nothing was told before".to_owned();
                return self.planned.clone().ok_or_else(none);
            }
        };
        self.planned = Some(Arc::clone(&plan));
        wanted.what = What::Same;
        Ok(plan)
    }

    /// Plans, applies, reads back. What changed, in words.
    fn step(&mut self, wanted: &mut Wanted, step: &mut Step) -> Result<Vec<String>, Vec<Trouble>> {
        let plan = self.plan(wanted).map_err(|said| {
            self.report.mode = Mode::Stuck;
            vec![Trouble { object: "network".to_owned(), said }]
        })?;
        step.compiled.get_or_insert((self.settings.clock)());
        self.report.left_out = plan.left_out.iter().take(NAMED).map(|what| cut(what)).collect();
        let concerned = concerned(self.host.last(), &plan);
        let object = || "what is kept of the plan".to_owned();
        let brought = self
            .host
            .bring(wanted.revision, &plan)
            .map_err(|error| vec![Trouble { object: object(), said: error.to_string() }])?;
        self.tasks.set(self.host.kernel());
        self.desk.names(self.host.kernel().applied());
        step.changes = step.changes.max(brought.changes.len());
        self.report.namespaces = self.host.kernel().names().count();
        if !brought.failures.is_empty() {
            return Err(brought.failures.iter().map(trouble).collect());
        }
        step.applied.get_or_insert((self.settings.clock)());
        self.report.applied = wanted.revision;
        let wrong = self.host.read_back(&concerned).map_err(|failure| vec![trouble(&failure)])?;
        if !wrong.is_empty() {
            return Err(wrong.iter().map(|what| deviation(what)).collect());
        }
        let first = self.report.steps.is_empty() && step.read_back.is_none();
        if first && self.report.adopted && brought.changes.is_empty() {
            // An earlier process did it, and nobody knows when: what is here is what it changed.
            (step.compiled, step.applied) = (None, None);
            step.changes = self.report.namespaces;
        }
        step.read_back.get_or_insert((self.settings.clock)());
        self.report.read_back = wanted.revision;
        self.report.placement.clone_from(&wanted.placement);
        Ok(brought.changes)
    }

    fn troubles(&mut self, mut troubles: Vec<Trouble>) {
        self.report.more_errors = troubles.len().saturating_sub(NAMED);
        troubles.truncate(NAMED);
        for one in &mut troubles {
            one.said = cut(&one.said);
        }
        self.report.errors = troubles;
    }

    fn publish(&mut self) {
        self.report.processes = Some(self.processes());
        self.report.at = self.now();
        self.desk.publish(&self.report);
    }
}

/// Takes everything of an agent off its host, and tells the source that the host has gone. No agent may run on it.
///
/// # Errors
///
/// What could not be removed, or that the source was not told: the host is clean then, and still registered.
pub fn remove(source: &dyn Source, settings: &Settings) -> io::Result<usize> {
    let (host, adopted) = Host::open(&settings.folder, &settings.host.host)?;
    mark::end(&settings.mark())?;
    let names: Vec<String> = host.kernel().names().map(str::to_owned).collect();
    host.remove()?;
    tasks::forget(names.iter().map(String::as_str))?;
    source.remove(&settings.host.host).map_err(|away| {
        io::Error::other(format!(
            "nothing is left on this host, but it is still registered: {away}"
        ))
    })?;
    Ok(adopted.namespaces)
}
