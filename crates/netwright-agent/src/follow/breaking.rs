//! Faults that this host does something for: their rules are laid, renewed, read, and taken away.
//!
//! It goes on beside the agent's other work, which may take long: a lease is short. The kernel ends what nobody renews, whatever becomes of this
//! process; here the tables are taken away after that too, and what an earlier process left.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use netwright_control::faults::{Broken, LEASE, Standing, Told};
use netwright_dataplane::kernel::{FAULTS, ask, kept, script, within};
use netwright_lab::faults::{Held, fill, listed};

use super::{Heard, cut};
use crate::faults::{Orders, table};

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
    /// Begins. `folder` is the agent's own, with the namespaces it keeps.
    pub(super) fn begin(
        folder: &Path,
        clock: fn() -> u64,
        tell: Sender<Heard>,
    ) -> io::Result<Self> {
        let (send, heard) = channel();
        let mut worker = Worker {
            spaces: folder.join("ns"),
            clock,
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

/// A fault that was told.
struct Own {
    told: Told,
    orders: Orders,
    /// Namespaces that have its table.
    spaces: BTreeMap<String, File>,
    /// When the kernel has ended it.
    ends: Instant,
    broken: Broken,
}

struct Worker {
    spaces: PathBuf,
    clock: fn() -> u64,
    tell: Sender<Heard>,
    on: BTreeMap<String, Own>,
    over: VecDeque<Broken>,
    /// What was told last, and when.
    told: Vec<Broken>,
    at: Option<Instant>,
}

impl Worker {
    fn work(&mut self, heard: &Receiver<Do>) {
        sweep(&self.spaces);
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
                self.on.values_mut().for_each(Own::read);
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
                    own.renew(&self.spaces, lease, self.clock);
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
        let (id, ends) = (told.id.clone(), Instant::now() + lease);
        let mut own = Own { told, orders, spaces: BTreeMap::new(), ends, broken };
        match wrong {
            Some(why) => own.stands(Standing::Refused, Some(why), self.clock),
            None => own.lay(&self.spaces, lease, self.clock),
        }
        self.on.insert(id, own);
    }

    /// Takes a fault away.
    fn off(&mut self, id: &str) {
        let Some(mut own) = self.on.remove(id) else { return };
        own.read();
        match own.clear() {
            Ok(()) => {
                // Why it never was on is told on.
                let why = own.broken.why.take();
                own.stands(Standing::Off, why, self.clock);
            }
            Err(why) => own.stands(Standing::Refused, Some(why), self.clock),
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

/// A namespace that this host keeps.
fn space(folder: &Path, name: &str) -> Result<File, String> {
    match kept(folder, name) {
        Ok(Some(space)) => Ok(space),
        Ok(None) => Err(format!("{name} is not on this host yet")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// Does commands in a namespace.
fn commands(space: &File, texts: &[String]) -> Result<(), String> {
    let ran = within(space, || texts.iter().try_for_each(|text| script(text)));
    ran.map_err(|error| error.to_string()).and_then(|ran| ran)
}

fn clear(table: &str) -> String {
    format!("add table inet {table}\ndelete table inet {table}\n")
}

impl Own {
    fn stands(&mut self, standing: Standing, why: Option<String>, clock: fn() -> u64) {
        if self.broken.standing != standing || self.broken.why != why {
            self.broken.at = clock();
        }
        self.broken.standing = standing;
        self.broken.why = why.map(|why| cut(&why));
    }

    /// Lays the rules with what their maps hold, each namespace in one transaction where that is not large.
    fn lay(&mut self, folder: &Path, lease: Duration, clock: fn() -> u64) {
        let table = table(&self.told.id);
        self.ends = Instant::now() + lease;
        let mut done = Ok(());
        for rules in &self.orders.rules {
            let name = &rules.namespace;
            let space = space(folder, name);
            done = space.and_then(|space| {
                let maps = maps(&self.orders, name);
                let mut texts = fill(&table, &maps, lease);
                if let Some(first) = texts.first_mut() {
                    *first = format!("{}{}{first}", clear(&table), rules.text);
                }
                let laid = commands(&space, &texts).map_err(|why| format!("{name}: {why}"));
                self.spaces.insert(name.clone(), space);
                laid
            });
            if done.is_err() {
                break;
            }
        }
        match done {
            Ok(()) => self.stands(Standing::On, None, clock),
            Err(why) => {
                // Half of a fault is none that anybody asked for.
                let left = self.clear().err();
                self.stands(Standing::Refused, Some(left.unwrap_or(why)), clock);
            }
        }
    }

    /// Has it last for another lease. What is not there any more, because the host was changed meanwhile, is laid again.
    fn renew(&mut self, folder: &Path, lease: Duration, clock: fn() -> u64) {
        let table = table(&self.told.id);
        let (orders, spaces) = (&self.orders, &self.spaces);
        let all = orders.rules.iter().all(|rules| {
            let name = &rules.namespace;
            let texts = fill(&table, &maps(orders, name), lease);
            spaces.get(name).is_some_and(|space| commands(space, &texts).is_ok())
        });
        if all && self.broken.standing == Standing::On {
            self.ends = Instant::now() + lease;
        } else {
            self.lay(folder, lease, clock);
        }
    }

    /// Reads what it met, and what the kernel holds of it.
    fn read(&mut self) {
        let table = table(&self.told.id);
        let (mut there, mut back, mut elements) = (0, 0, 0);
        for space in self.spaces.values() {
            let text = within(space, || ask(&["-j", "list", "table", "inet", &table]));
            // What cannot be read has been taken away, with the whole namespace.
            let Ok(Ok(text)) = text else { continue };
            let found = listed(&text);
            for (name, count) in &found.counted {
                let way = if name.ends_with("_back") { &mut back } else { &mut there };
                *way += count;
            }
            elements += found.held.iter().map(|(_, held)| held).sum::<u64>();
        }
        // Counters begin anew where rules are laid anew.
        self.broken.there = self.broken.there.max(there);
        self.broken.back = self.broken.back.max(back);
        self.broken.elements = elements;
    }

    /// Takes its tables away, and reads back that they are gone: where one is not.
    fn clear(&mut self) -> Result<(), String> {
        let table = table(&self.told.id);
        let mut left = None;
        for (name, space) in &self.spaces {
            let done = commands(space, &[clear(&table)]);
            let there = within(space, || ask(&["list", "tables"]));
            let why = match there.map_err(|error| error.to_string()).and_then(|there| there) {
                Ok(there) if there.contains(&table) => Some("its table is there still".to_owned()),
                Ok(_) => None,
                Err(why) => Some(why),
            };
            if let Some(why) = why {
                let said = done.err().map_or_else(String::new, |said| format!(" ({said})"));
                left.get_or_insert(format!("{name}: {why}{said}"));
            }
        }
        self.spaces.clear();
        self.broken.elements = 0;
        left.map_or(Ok(()), Err)
    }
}

/// What the maps of a namespace are to hold.
fn maps<'o>(orders: &'o Orders, namespace: &str) -> Vec<Held<'o>> {
    let own = orders.maps.iter().filter(|maps| maps.namespace == namespace);
    own.map(|maps| (maps.map.as_str(), maps.elements.as_slice())).collect()
}

/// Takes away what an earlier process left: nobody renews it, so that it does nothing, or will soon.
fn sweep(folder: &Path) {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
        let Ok(space) = space(folder, &name) else { continue };
        let Ok(Ok(tables)) = within(&space, || ask(&["list", "tables"])) else { continue };
        let own = tables.lines().filter_map(|line| line.trim().strip_prefix("table inet "));
        for table in own.filter(|table| table.starts_with(FAULTS)) {
            // What cannot be taken away ends with its lease.
            let _ends = commands(&space, &[clear(table)]);
        }
    }
}
