//! Who asks: this process, and for what has a place of its own either one process in each namespace of the lab, or the agents of hosts.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use netwright_watch::intents::Place;
use netwright_watch::plan::{Item, Plan};
use netwright_watch::probe::outcome::{Outcome, Verdict};
use netwright_watch::probe::prober::Prober;
use netwright_watch::probe::schedule::BUDGET;
use netwright_watch::probe::target::Spec;
use netwright_watch::station::{Asker, Folder};
use netwright_watch::watcher::Ask;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Semaphore, mpsc};

use super::hosts::Hosts;
use super::place::{Answer, Question};
use super::written;
use crate::arguments::Watch;
use crate::commands::probe::described::namespace;
use crate::commands::probe::prober_of;
use crate::failure::Failure;
use crate::network::Input;

/// Questions that wait for a place.
const WAITING: usize = 4_096;

/// A place that ended is begun again after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// Why nothing is known of what was asked by the description before.
const OTHER: &str = "the description changed while it was asked";

pub(super) type Tell = mpsc::Sender<(Ask, Outcome)>;

/// The description that is watched now, for those who ask from elsewhere.
#[derive(Clone)]
pub(super) struct Accepted {
    file: PathBuf,
    now: Arc<Mutex<(u64, BTreeMap<Place, String>)>>,
}

impl Accepted {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, now: Arc::default() }
    }

    /// This one from now on.
    pub(super) fn take(&self, input: &Input, plan: &Plan, folder: &Folder) -> Result<(), Failure> {
        folder
            .put("accepted.yaml", written(input).as_bytes())
            .map_err(|error| Failure::output(&self.file, &error))?;
        let places = plan.items.values().map(|item| item.placed.from);
        let name = |place: Place| (place, namespace(&input.network, place));
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = (now.0 + 1, places.map(name).collect());
        Ok(())
    }

    fn of(&self, place: Place) -> (u64, Option<String>) {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        (now.0, now.1.get(&place).cloned())
    }
}

/// Asks from everywhere.
pub(super) struct Askers {
    prober: Arc<Prober>,
    budget: Arc<Semaphore>,
    accepted: Accepted,
    lab: String,
    ca: Option<PathBuf>,
    places: BTreeMap<String, mpsc::Sender<(u64, Ask, Tell)>>,
    /// Who is asked in the lab's place.
    hosts: Option<Hosts>,
}

impl Askers {
    pub(super) fn new(arguments: &Watch, accepted: Accepted) -> Result<Self, Failure> {
        let prober = prober_of(arguments.ca.as_deref(), arguments.resolver)?;
        Ok(Self {
            prober: Arc::new(prober),
            budget: Arc::new(Semaphore::new(BUDGET)),
            accepted,
            lab: arguments.lab.clone(),
            ca: arguments.ca.clone(),
            places: BTreeMap::new(),
            hosts: arguments
                .server
                .as_ref()
                .map(|server| Hosts::new(server, arguments))
                .transpose()?,
        })
    }

    fn here(&self, item: &Item, ask: Ask, tell: Tell) {
        let spec = Spec { timeout: ask.time_out, ..item.placed.spec.clone() };
        let (prober, place) = (self.prober.clone(), self.budget.clone().try_acquire_owned());
        tokio::spawn(async move {
            let outcome = match place {
                Ok(_place) => prober.ask(&spec, ask.attempt).await,
                Err(_) => not_asked(&ask, "no place in the budget of probes"),
            };
            // Who does not listen any more does not want it.
            let _nobody = tell.send((ask, outcome)).await;
        });
    }

    fn there(&mut self, item: &Item, ask: Ask, tell: Tell) {
        let (number, name) = self.accepted.of(item.placed.from);
        let Some(name) = name else {
            return told_later(ask, "its place is no more in the network", tell);
        };
        if let Some(hosts) = &self.hosts {
            return hosts.ask(name, item, ask, tell);
        }
        let Self { places, accepted, lab, ca, .. } = self;
        let questions = places.entry(name.clone()).or_insert_with(|| {
            let (send, questions) = mpsc::channel(WAITING);
            let (file, lab, ca) = (accepted.file.clone(), lab.clone(), ca.clone());
            tokio::spawn(InLab { file, lab, name, ca }.work(questions));
            send
        });
        if let Err(error) = questions.try_send((number, ask, tell)) {
            let (_, ask, tell) = error.into_inner();
            told_later(ask, "its place takes no more questions", tell);
        }
    }
}

impl Asker for Askers {
    fn ask(&mut self, item: &Item, ask: Ask, tell: Tell) {
        match item.placed.from {
            Place::Here => self.here(item, ask, tell),
            _ => self.there(item, ask, tell),
        }
    }
}

pub(super) fn told_later(ask: Ask, why: &str, tell: Tell) {
    let outcome = not_asked(&ask, why);
    tokio::spawn(async move { tell.send((ask, outcome)).await });
}

pub(super) fn not_asked(ask: &Ask, why: &str) -> Outcome {
    Outcome::bare(Verdict::unknown(why), Timestamp::now(), ask.attempt)
}

/// A namespace of a lab that is asked from, by this program again inside it.
struct InLab {
    file: PathBuf,
    lab: String,
    name: String,
    ca: Option<PathBuf>,
}

/// The program inside, and what it was asked.
struct Inside {
    /// By which description.
    number: u64,
    child: Child,
    questions: ChildStdin,
    answers: tokio::io::Lines<BufReader<ChildStdout>>,
    open: BTreeMap<(String, u32), (Ask, Tell)>,
}

impl InLab {
    async fn work(self, mut questions: mpsc::Receiver<(u64, Ask, Tell)>) {
        while let Some((number, ask, tell)) = questions.recv().await {
            match self.begin(number) {
                Err(why) => told_later(ask, &why, tell),
                Ok(mut inside) => {
                    inside.ask(ask, tell).await;
                    inside.work(&mut questions).await;
                }
            }
        }
    }

    fn begin(&self, number: u64) -> Result<Inside, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.arg("watch").arg(&self.file);
        command.args(["--at", &self.name, "--from", &self.name, "--lab", &self.lab]);
        command.args(self.ca.iter().flat_map(|ca| [OsStr::new("--ca"), ca.as_os_str()]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (questions, answers) = pipes.ok_or("the program inside has no pipes")?;
        let answers = BufReader::new(answers).lines();
        Ok(Inside { number, child, questions, answers, open: BTreeMap::new() })
    }
}

impl Inside {
    async fn ask(&mut self, ask: Ask, tell: Tell) {
        let question =
            Question { target: ask.target.clone(), attempt: ask.attempt, time_out: ask.time_out };
        let mut line = serde_json::to_vec(&question).unwrap_or_default();
        line.push(b'\n');
        self.open.insert((ask.target.clone(), ask.attempt), (ask, tell));
        // Where it has ended, its end says so.
        let _ended = self.questions.write_all(&line).await;
    }

    /// Asks and takes answers until it ends, or the description is another.
    async fn work(mut self, questions: &mut mpsc::Receiver<(u64, Ask, Tell)>) {
        loop {
            let answer = tokio::select! {
                answer = self.answers.next_line() => answer,
                question = questions.recv() => {
                    let Some((number, ask, tell)) = question else { return };
                    if number != self.number {
                        told_later(ask, OTHER, tell);
                        return self.end(OTHER).await;
                    }
                    self.ask(ask, tell).await;
                    continue;
                }
            };
            match answer {
                Ok(Some(line)) => self.hear(&line).await,
                Ok(None) | Err(_) => {
                    let why = self.last_words().await;
                    self.end(&why).await;
                    // What is asked meanwhile waits, and is asked of the next one.
                    return tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn hear(&mut self, line: &str) {
        let Ok(Answer { target, outcome }) = serde_json::from_str::<Answer>(line) else { return };
        if let Some((ask, tell)) = self.open.remove(&(target, outcome.attempt)) {
            let _nobody = tell.send((ask, outcome)).await;
        }
    }

    /// Why it ended, by its own words.
    async fn last_words(&mut self) -> String {
        let mut text = String::new();
        if let Some(errors) = &mut self.child.stderr {
            let _unreadable = errors.take(4_096).read_to_string(&mut text).await;
        }
        let first = text.lines().find(|line| !line.is_empty());
        first.map_or_else(
            || "the program that asks from there ended".to_owned(),
            |line| line.trim_start_matches("error: ").to_owned(),
        )
    }

    /// Nothing is known of what is still open.
    async fn end(mut self, why: &str) {
        for (_, (ask, tell)) in std::mem::take(&mut self.open) {
            told_later(ask, why, tell);
        }
        drop(self.questions);
        let _gone = self.child.kill().await;
    }
}
