//! Faults that this host does something for: their rules are laid, renewed, read, and taken away.
//!
//! It goes on beside the agent's other work, which may take long: a lease is short. The kernel ends rules that nobody renews, and a guard of its own
//! what no kernel ends ([`crate::guard`]), whatever becomes of this process; here all is taken back after that too, and what an earlier process left.

mod names;
mod own;
mod processes;
mod slow;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use netwright_control::faults::{Broken, LEASE, Standing, Told};
use netwright_dataplane::kernel::{FAULTS, ask, within};
use netwright_lab::tasks::Tasks;
use netwright_lab::tasks::mark::Mark;

use super::{Heard, Settings};
use crate::faults::Orders;
use crate::host::Host;
use own::{Own, commands, space};

/// How often what faults met is read while they are on, at most.
const READ: Duration = Duration::from_millis(250);
/// How often only that they met more is told.
const TELL: Duration = Duration::from_secs(1);
/// Faults of which it is remembered what became of them.
const REMEMBERED: usize = 24;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Do {
    /// These faults are on, and no others.
    On(Vec<Told>),
    /// All end.
    End,
}

/// Whoever does it.
pub(super) struct Breaking {
    send: Sender<Do>,
    thread: JoinHandle<()>,
}

impl Breaking {
    /// Begins. `tasks` are those of the host.
    pub(super) fn begin(
        settings: &Settings,
        tasks: Tasks,
        tell: Sender<Heard>,
    ) -> io::Result<Self> {
        let (send, heard) = channel();
        let tools = Tools {
            spaces: Host::namespaces(&settings.folder),
            clock: settings.clock,
            tasks,
            mark: settings.mark(),
            part: settings.part.clone(),
        };
        let mut worker = Worker {
            tools,
            tell,
            on: BTreeMap::new(),
            over: VecDeque::new(),
            told: Vec::new(),
            at: None,
        };
        let thread = Builder::new().name("faults".to_owned()).spawn(move || worker.work(&heard))?;
        Ok(Self { send, thread })
    }

    /// Where it is told what to do.
    pub(super) fn sender(&self) -> Sender<Do> {
        self.send.clone()
    }

    /// Takes everything away, and ends.
    pub(super) fn end(self) {
        // Where it has ended already, what is left ends with its lease.
        let _ended = self.send.send(Do::End);
        let _ended = self.thread.join();
    }
}

/// What faults are done with.
struct Tools {
    /// Where namespaces are kept.
    spaces: PathBuf,
    clock: fn() -> u64,
    /// What runs on this host.
    tasks: Tasks,
    /// What is in the environment of all that does.
    mark: Mark,
    /// The words with which this program becomes a part of itself.
    part: Vec<String>,
}

struct Worker {
    tools: Tools,
    tell: Sender<Heard>,
    on: BTreeMap<String, Own>,
    over: VecDeque<Broken>,
    /// What was told last, and when.
    told: Vec<Broken>,
    at: Option<Instant>,
}

impl Worker {
    fn work(&mut self, heard: &Receiver<Do>) {
        sweep(&self.tools.spaces);
        let mut read = Instant::now();
        loop {
            let ends = self.on.values().map(|own| own.ends).min();
            let due = ends.map(|ends| ends.min(read));
            let next = match due {
                None => heard.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => heard.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match next {
                Ok(Do::On(all)) => self.are_on(all),
                Ok(Do::End) | Err(RecvTimeoutError::Disconnected) => {
                    for id in self.on.keys().cloned().collect::<Vec<_>>() {
                        self.off(&id);
                    }
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            let over = self.on.iter().filter(|(_, own)| own.ends <= now);
            for id in over.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
                self.off(&id);
            }
            if read <= now {
                self.on.values_mut().for_each(|own| own.read(&self.tools));
                // Where there is much to read it is read less often.
                read = now + READ.max(now.elapsed() * 4);
            }
            self.say();
        }
    }

    /// These are on, for as long as each says.
    fn are_on(&mut self, all: Vec<Told>) {
        let gone: Vec<String> =
            self.on.keys().filter(|id| !all.iter().any(|told| told.id == **id)).cloned().collect();
        for id in gone {
            self.off(&id);
        }
        for told in all {
            let lease = Duration::from_millis(told.lease_ms.min(*LEASE.end()));
            if lease.is_zero() {
                continue;
            }
            match self.on.get_mut(&told.id) {
                Some(own) if own.told.orders != told.orders => {
                    let id = told.id.clone();
                    self.off(&id);
                    self.lay(told, lease);
                }
                Some(own) if own.told.renewal == told.renewal => {}
                Some(own) => {
                    own.told.renewal = told.renewal;
                    own.renew(&self.tools, lease);
                }
                None => self.lay(told, lease),
            }
        }
    }

    fn lay(&mut self, told: Told, lease: Duration) {
        let broken = match self.over.iter().position(|own| own.id == told.id) {
            // It was on before, elsewhere or otherwise: what it met then counts.
            Some(place) => self.over.remove(place).unwrap_or_default(),
            None => Broken { id: told.id.clone(), ..Broken::default() },
        };
        let (orders, wrong) = match serde_json::from_value(told.orders.clone()) {
            Ok(orders) => (orders, None),
            Err(error) => (Orders::default(), Some(format!("orders cannot be read: {error}"))),
        };
        let id = told.id.clone();
        let mut own = Own::of(told, orders, broken);
        match wrong {
            Some(why) => {
                own.ends = Instant::now() + lease;
                own.stands(Standing::Refused, Some(why), self.tools.clock);
            }
            None => own.lay(&self.tools, lease),
        }
        self.on.insert(id, own);
    }

    /// Takes a fault away.
    fn off(&mut self, id: &str) {
        let Some(mut own) = self.on.remove(id) else { return };
        own.read(&self.tools);
        match own.clear(&self.tools) {
            Ok(()) => {
                // Why it never was on is told on.
                let why = own.broken.why.take();
                own.stands(Standing::Off, why, self.tools.clock);
            }
            Err(why) => own.stands(Standing::Refused, Some(why), self.tools.clock),
        }
        self.over.push_back(own.broken);
        while self.over.len() > REMEMBERED {
            self.over.pop_front();
        }
    }

    /// Tells what is otherwise than it was told.
    fn say(&mut self) {
        let now: Vec<Broken> =
            self.over.iter().chain(self.on.values().map(|own| &own.broken)).cloned().collect();
        if now == self.told {
            return;
        }
        // That the first packet was met is told at once; that they are more can wait.
        let plain = |all: &[Broken]| -> Vec<(String, Standing, bool)> {
            let met = |own: &Broken| own.there + own.back > 0;
            all.iter().map(|own| (own.id.clone(), own.standing, met(own))).collect()
        };
        let soon = self.at.is_some_and(|at| at.elapsed() < TELL);
        if soon && plain(&now) == plain(&self.told) {
            return;
        }
        (self.at, self.told) = (Some(Instant::now()), now.clone());
        // Whoever listened has gone: the agent ends.
        let _gone = self.tell.send(Heard::Faults(now));
    }
}

/// Takes away what an earlier process left: nobody renews it, so that it does nothing, or will soon.
fn sweep(folder: &Path) {
    fn own(line: &str) -> Option<(&str, &str)> {
        let (family, table) = line.trim().strip_prefix("table ")?.split_once(' ')?;
        table.starts_with(FAULTS).then_some((family, table))
    }
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
        let Ok(space) = space(folder, &name) else { continue };
        let Ok(Ok(tables)) = within(&space, || ask(&["list", "tables"])) else { continue };
        for (family, table) in tables.lines().filter_map(own) {
            // What cannot be taken away ends with its lease.
            let text = format!("delete table {family} {table}\n");
            let _ends = commands(&space, &[text]);
        }
    }
}
