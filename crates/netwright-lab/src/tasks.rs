//! Processes that run in a lab's namespaces for as long as its plan says so: started, watched, started again, ended.
//!
//! One thread of process 1 owns them all ([`supervise`]); everybody else gives it a list of what is to run, and reads what it tells. A
//! process whose task did not change is left alone when the list changes.

mod backoff;
mod hold;
mod log;
pub mod mark;
mod mislead;
mod process;
mod ready;
mod supervise;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::Kernel;
use netwright_dataplane::plan::Task;
use netwright_dns::settings::Trouble;
use rustix::event::{EventfdFlags, eventfd};
use serde_json::{Value, json};

pub use log::Line;
pub(crate) use ready::listens;

use crate::failure::Failure;
use crate::names;
use crate::tunnel::secret;
use crate::view;
use hold::Hold;
use log::Logs;
use mark::Mark;
use mislead::Misled;
pub(crate) use mislead::trouble;

/// The state of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs and is not ready yet.
    Starting,
    /// It runs, and all signs of being ready were seen.
    Ready,
    /// It ended and will be started again.
    Waiting,
    /// It ended and is not to be started again: that is as it should be.
    Ended,
    /// It ended too often, or cannot be started: it is not tried any more.
    Failed,
    /// It is to end.
    Stopping,
    /// It was ended on purpose, and is started when that is over.
    Held,
}

impl State {
    /// All states with their words.
    const ALL: [(Self, &'static str); 7] = [
        (Self::Starting, "starting"),
        (Self::Ready, "ready"),
        (Self::Waiting, "waiting"),
        (Self::Ended, "ended"),
        (Self::Failed, "failed"),
        (Self::Stopping, "stopping"),
        (Self::Held, "held"),
    ];

    /// The state in a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, word)| word)
    }

    fn of(word: &str) -> Self {
        Self::ALL.iter().find(|(_, own)| *own == word).map_or(Self::Failed, |(state, _)| *state)
    }
}

/// A task of a running lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// The namespace.
    pub namespace: String,
    /// Its name there.
    pub name: String,
    /// What runs, in words.
    pub what: String,
    /// Its state.
    pub state: State,
    /// How often it was started again.
    pub restarts: u32,
    /// For how long its process runs, in milliseconds; `None` where none does.
    pub uptime: Option<u64>,
    /// How it ended last, in words.
    pub last: Option<String>,
}

impl TaskRow {
    pub(crate) fn from_json(value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let number = |key: &str| value.get(key).and_then(Value::as_u64);
        Self {
            namespace: text("namespace").unwrap_or_default(),
            name: text("name").unwrap_or_default(),
            what: text("what").unwrap_or_default(),
            state: State::of(&text("state").unwrap_or_default()),
            restarts: number("restarts").and_then(|n| u32::try_from(n).ok()).unwrap_or_default(),
            uptime: number("uptime"),
            last: text("last"),
        }
    }
}

/// What the supervisor tells of a task.
#[derive(Debug, Clone)]
struct Seen {
    what: String,
    state: State,
    restarts: u32,
    running_since: Option<Instant>,
    last: Option<String>,
}

type Key = (String, String);

/// A task that is to run, with its namespace.
#[derive(Debug)]
struct Wanted {
    task: Task,
    space: OwnedFd,
    /// The namespace's identity: one that was made anew has another.
    identity: u64,
}

/// What the supervisor shares with those who ask.
#[derive(Debug)]
struct Shared {
    begun: Instant,
    /// Wakes the supervisor.
    wake: OwnedFd,
    /// What is to run, where that was said and not taken note of.
    wanted: Mutex<Option<Vec<Wanted>>>,
    /// What holds tasks, by what it is called.
    holds: Mutex<BTreeMap<String, Hold>>,
    /// What name servers do wrong.
    misled: Mutex<Misled>,
    seen: Mutex<BTreeMap<Key, Seen>>,
    logs: Mutex<Logs>,
    /// Told when a log has a new line.
    news: Condvar,
    /// Children of process 1 that the supervisor waits for itself.
    own: Mutex<BTreeSet<i32>>,
}

/// What a thread left behind that ended in the middle is still right: each change is made whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The tasks of a lab, or of a host.
#[derive(Debug, Clone)]
pub struct Tasks {
    shared: Arc<Shared>,
}

impl Tasks {
    /// A supervisor without tasks. `part` is the words with which this program becomes a part of itself; the part's name follows them. What it starts
    /// has the mark in its environment.
    ///
    /// # Errors
    ///
    /// Its thread cannot be started.
    pub fn begin(part: &[String], mark: Option<Mark>) -> Result<Self, Failure> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| Failure::during("the supervisor of tasks")(error.into()))?;
        let shared = Arc::new(Shared {
            begun: Instant::now(),
            wake,
            wanted: Mutex::new(None),
            holds: Mutex::default(),
            misled: Mutex::default(),
            seen: Mutex::default(),
            logs: Mutex::default(),
            news: Condvar::new(),
            own: Mutex::default(),
        });
        let (theirs, part) = (Arc::clone(&shared), part.to_vec());
        std::thread::Builder::new()
            .name("tasks".to_owned())
            .spawn(move || supervise::supervise(&theirs, &part, mark.as_ref()))
            .map_err(Failure::during("the supervisor of tasks"))?;
        Ok(Self { shared })
    }

    /// Says what is to run from now on: the plan that the kernel was brought to.
    pub fn set(&self, kernel: &Kernel) {
        let tasks = &kernel.applied().tasks;
        let commands = tasks.iter().filter(|task| process::asks_for_names(&task.what));
        let asking: BTreeSet<&str> = commands.map(|task| task.namespace.as_str()).collect();
        for namespace in &kernel.applied().namespaces {
            if asking.contains(namespace.name.as_str()) {
                // Where they cannot be written, its commands ask as the machine does, and no name is found.
                let _unnamed = names::write(namespace);
            }
        }
        let wanted: Vec<Wanted> = tasks
            .iter()
            .filter_map(|task| {
                let space = kernel.namespace(&task.namespace)?;
                let identity = rustix::fs::fstat(space).ok()?.st_ino;
                let space = space.try_clone_to_owned().ok()?;
                Some(Wanted { task: task.clone(), space, identity })
            })
            .collect();
        // Where it is refused, the ends of tunnels say that they have no secret.
        let _without = secret::prepare(kernel.applied());
        secret::forget(kernel.applied());
        // Where it is refused, proxies say that they cannot listen.
        let _unseen = view::prepare(kernel.applied());
        // Seen as starting at once, so that nobody who asks now believes that there is nothing.
        let mut seen = lock(&self.shared.seen);
        for task in tasks {
            let key = (task.namespace.clone(), task.name.clone());
            seen.entry(key).or_insert_with(|| Seen {
                what: task.what.to_string(),
                state: State::Starting,
                restarts: 0,
                running_since: None,
                last: None,
            });
        }
        drop(seen);
        *lock(&self.shared.wanted) = Some(wanted);
        self.wake();
    }

    fn wake(&self) {
        // Full means that it is awake.
        let _awake = rustix::io::write(&self.shared.wake, &1_u64.to_ne_bytes());
    }

    /// Has the processes of tasks end, and none started again until a moment, or until they are let go: those of some namespaces, and of them only those
    /// whose command holds a text where one is given. Said again by the same name it lasts until another moment.
    pub fn hold(&self, name: &str, namespaces: &[String], holds: Option<&str>, until: Instant) {
        let namespaces = namespaces.iter().cloned().collect();
        let hold = Hold { namespaces, holds: holds.map(str::to_owned), until };
        lock(&self.shared.holds).insert(name.to_owned(), hold);
        self.wake();
    }

    /// Lets go what was held by a name: it is started again.
    pub fn release(&self, name: &str) {
        lock(&self.shared.holds).remove(name);
        self.wake();
    }

    /// Has the name servers of namespaces do wrong until a moment, also by their own clocks, or until they are put right. Said again by the same name it
    /// lasts until another moment.
    pub fn mislead(&self, name: &str, troubles: BTreeMap<String, Trouble>, until: Instant) {
        lock(&self.shared.misled).put(name, troubles, until);
        self.wake();
    }

    /// Puts right what was done by a name.
    pub fn put_right(&self, name: &str) {
        lock(&self.shared.misled).remove(name);
        self.wake();
    }

    /// Whether any name server is to do wrong.
    #[must_use]
    pub fn misleads(&self) -> bool {
        lock(&self.shared.misled).due().is_some()
    }

    /// Every task, sorted by namespace and name.
    #[must_use]
    pub fn all(&self) -> Vec<TaskRow> {
        self.rows().iter().map(TaskRow::from_json).collect()
    }

    /// The same, as it is told.
    pub(crate) fn rows(&self) -> Vec<Value> {
        let seen = lock(&self.shared.seen);
        let row = |((namespace, name), seen): (&Key, &Seen)| {
            let uptime = seen.running_since.map(|since| milliseconds(since.elapsed()));
            json!({
                "namespace": namespace,
                "name": name,
                "what": seen.what,
                "state": seen.state.word(),
                "restarts": seen.restarts,
                "uptime": uptime,
                "last": seen.last,
            })
        };
        seen.iter().map(row).collect()
    }

    /// Lines that are newer than a number, of all namespaces or of one; where there are none, for as long as `patience` they are waited
    /// for.
    pub(crate) fn lines(&self, namespace: Option<&str>, after: u64, patience: Duration) -> Value {
        let logs = lock(&self.shared.logs);
        let none_yet = |logs: &mut Logs| !logs.has_after(namespace, after);
        let (logs, _) = self
            .shared
            .news
            .wait_timeout_while(logs, patience, none_yet)
            .unwrap_or_else(PoisonError::into_inner);
        logs.after(namespace, after)
    }

    /// Takes note of ended processes that were left to process 1; those that somebody waits for stay.
    pub(crate) fn reap(&self) {
        let own = lock(&self.shared.own);
        process::reap(&own);
    }
}

/// Makes place for what tasks see of their namespaces' names. Gives what will not be as it should, in words.
#[must_use]
pub fn prepare() -> Option<String> {
    names::prepare()
}

/// Takes away what was kept for tasks of some namespaces.
///
/// # Errors
///
/// Something cannot be taken away.
pub fn forget<'n>(namespaces: impl IntoIterator<Item = &'n str>) -> std::io::Result<()> {
    for namespace in namespaces {
        match std::fs::remove_dir_all(view::folder(namespace)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
