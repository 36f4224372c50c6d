//! Process 1's half of faults: does what is asked, remembers what it did, and takes all of it back when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::{ask, script, transactions, within};
use netwright_dataplane::plan::Conditions;
use netwright_dns::settings::Trouble;
use serde_json::{Value, json};

use super::{BROKEN, Lab, bring, tell, told};
use crate::faults::{Act, Done, Held, Holds, MESSAGE, Rules, Status, Strike, TABLE, fill, listed};
use crate::link::Change;
use crate::strike::{Found, Meant, find};

/// Namespaces that are worked in at a time.
const AT_A_TIME: usize = 8;
/// Shortest and longest lease, in milliseconds.
const LEASE: [u64; 2] = [200, 60_000];
/// How long a message of ours may take to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// What breaks a lab now.
#[derive(Debug, Default)]
pub(super) struct Breaking {
    session: Mutex<Option<Session>>,
    /// Why the last one ended, by its number.
    ended: Mutex<Option<(u64, String)>>,
    numbers: AtomicU64,
}

#[derive(Debug)]
struct Session {
    number: u64,
    id: String,
    title: String,
    since: Instant,
    lease: Duration,
    /// Namespaces that have rules of ours.
    spaces: BTreeMap<String, OwnedFd>,
    /// What maps hold, by namespace and map.
    held: BTreeMap<(String, String), Vec<(String, String)>>,
    /// Links that do something else, and what was said of them before.
    links: BTreeMap<String, Option<Conditions>>,
    names: Vec<String>,
    paused: BTreeMap<u64, Found>,
}

/// Microseconds of the machine's clock that does not go back.
pub(super) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default() / 1000
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves who breaks the lab, until it is over.
pub(super) fn serve(lab: &Lab, stream: &UnixStream, asked: &Value) -> io::Result<()> {
    let text = |key: &str| asked.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let lease = asked.get("lease").and_then(Value::as_u64).unwrap_or_default();
    let lease = Duration::from_millis(lease.clamp(LEASE[0], LEASE[1]));
    let number = lab.breaking.numbers.fetch_add(1, Ordering::SeqCst) + 1;
    {
        let mut session = lock(&lab.breaking.session);
        if let Some(other) = &*session {
            let since = other.since.elapsed().as_secs();
            let (title, id) = (&other.title, &other.id);
            let why = format!("a game day is under way: {title} ({id}), since {since} s");
            return tell(stream, &json!({"refused": why}));
        }
        *session = Some(Session {
            number,
            id: text("id"),
            title: text("title"),
            since: Instant::now(),
            lease,
            spaces: BTreeMap::new(),
            held: BTreeMap::new(),
            links: BTreeMap::new(),
            names: Vec::new(),
            paused: BTreeMap::new(),
        });
    }
    let why = match converse(lab, number, lease, stream) {
        Ok(why) => why,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
        {
            format!("nothing was heard for {} ms", lease.as_millis())
        }
        Err(_) => "the connection ended".to_owned(),
    };
    let _status = end(lab, Some(number), &why);
    // Whoever asked may have gone.
    tell(stream, &json!({"ended": why}))
}

/// Does one thing after the other. Gives why it is over.
fn converse(lab: &Lab, number: u64, lease: Duration, stream: &UnixStream) -> io::Result<String> {
    stream.set_write_timeout(Some(PATIENCE))?;
    tell(stream, &json!({"open": true}))?;
    stream.set_read_timeout(Some(lease))?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.by_ref().take(MESSAGE).read_line(&mut line)? == 0 {
            return Ok("whoever began it has gone".to_owned());
        }
        let heard = now();
        let act = serde_json::from_str::<Act>(&line);
        let ends = matches!(act, Ok(Act::End));
        let mut done = match (act, over(lab, number)) {
            (_, Some(why)) => Done { ended: Some(why), ..Done::default() },
            (Err(error), None) => refused(format!("the request cannot be read: {error}")),
            (Ok(Act::End), None) => {
                let (_, left) = end(lab, Some(number), "it was ended");
                Done { left, ..Done::default() }
            }
            (Ok(act), None) => act_on(lab, act),
        };
        (done.heard, done.done) = (heard, now());
        tell(stream, &serde_json::to_value(&done).unwrap_or_default())?;
        if ends {
            return Ok("it was ended".to_owned());
        }
    }
}

/// Why a session is over, where somebody else ended it.
fn over(lab: &Lab, number: u64) -> Option<String> {
    if lock(&lab.breaking.session).as_ref().is_some_and(|own| own.number == number) {
        return None;
    }
    let ended = lock(&lab.breaking.ended);
    let why = ended.as_ref().filter(|(own, _)| *own == number).map(|(_, why)| why.clone());
    Some(why.unwrap_or_else(|| "somebody ended it".to_owned()))
}

fn refused(why: String) -> Done {
    Done { refused: Some(why), ..Done::default() }
}

fn act_on(lab: &Lab, act: Act) -> Done {
    let mut session = lock(&lab.breaking.session);
    let Some(session) = session.as_mut() else { return refused("it is over".to_owned()) };
    let done = match act {
        Act::Lay { rules } => lay(lab, session, &rules),
        Act::Hold { maps } => hold(lab, session, maps),
        Act::Renew => renew(lab, session),
        Act::Read => return read(lab, session).unwrap_or_else(refused),
        Act::Links { changes } => links(lab, session, &changes),
        Act::Unlink { links } => unlink(lab, session, &links),
        Act::Names { troubles } => {
            session.names = troubles.keys().cloned().collect();
            misname(lab, troubles)
        }
        Act::Strike { namespace, how, holds } => {
            return strike(lab, session, (&namespace, how, holds.as_deref()));
        }
        Act::End => Ok(()),
    };
    done.map_or_else(refused, |()| Done::default())
}

/// Commands for a namespace: its descriptor, its name, and transactions in their order.
type Work<'s> = (&'s OwnedFd, &'s str, Vec<String>);

/// Gives commands to several namespaces, some at a time; the first refusal.
fn everywhere<'s>(lab: &Lab, work: impl IntoIterator<Item = Work<'s>>) -> Result<(), String> {
    let work: Vec<Work<'s>> = work.into_iter().collect();
    let wrong = Mutex::new(None);
    // Nobody takes the ends of these programs from us meanwhile.
    let _programs = lab.programs.read().unwrap_or_else(PoisonError::into_inner);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(work.len()) {
            scope.spawn(|| {
                while let Some((space, name, texts)) = work.get(next.fetch_add(1, Ordering::SeqCst))
                {
                    let ran =
                        within(space.as_fd(), || texts.iter().try_for_each(|text| script(text)));
                    if let Err(why) = ran.map_err(|error| error.to_string()).and_then(|ran| ran) {
                        lock(&wrong).get_or_insert(format!("{name}: {why}"));
                    }
                }
            });
        }
    });
    wrong.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn lay(lab: &Lab, session: &mut Session, rules: &[Rules]) -> Result<(), String> {
    {
        let kernel = lab.kernel.lock().map_err(|_| BROKEN.to_owned())?;
        for own in rules {
            let space = kernel.namespace(&own.namespace);
            let space = space.ok_or_else(|| format!("the lab has no {}", own.namespace))?;
            let space = space.try_clone_to_owned().map_err(|error| error.to_string())?;
            session.spaces.insert(own.namespace.clone(), space);
        }
    }
    session.held.clear();
    let clear = format!("add table inet {TABLE}\ndelete table inet {TABLE}\n");
    let work = rules.iter().filter_map(|own| {
        // Maps that hold nothing meet no packet, so rules may come in several transactions.
        let texts = [clear.clone()].into_iter().chain(transactions(&own.text)).collect();
        Some((session.spaces.get(&own.namespace)?, own.namespace.as_str(), texts))
    });
    everywhere(lab, work)
}

fn put(lab: &Lab, session: &Session, keys: &BTreeSet<(String, String)>) -> Result<(), String> {
    let mut spaces: BTreeMap<&str, Vec<Held<'_>>> = BTreeMap::new();
    for key in keys {
        let held = session.held.get(key).map_or(&[][..], Vec::as_slice);
        spaces.entry(&key.0).or_default().push((&key.1, held));
    }
    let work = spaces.iter().filter_map(|(namespace, maps)| {
        let space = session.spaces.get(*namespace)?;
        Some((space, *namespace, fill(TABLE, maps, session.lease)))
    });
    everywhere(lab, work)
}

fn hold(lab: &Lab, session: &mut Session, maps: Vec<Holds>) -> Result<(), String> {
    let mut keys = BTreeSet::new();
    for Holds { namespace, map, elements } in maps {
        if !session.spaces.contains_key(&namespace) {
            return Err(format!("{namespace} has no rules yet"));
        }
        keys.insert((namespace.clone(), map.clone()));
        session.held.insert((namespace, map), elements);
    }
    put(lab, session, &keys)
}

fn renew(lab: &Lab, session: &Session) -> Result<(), String> {
    let held = session.held.iter().filter(|(_, held)| !held.is_empty());
    put(lab, session, &held.map(|(key, _)| key.clone()).collect())
}

/// What was counted, and what the kernel holds.
fn read(lab: &Lab, session: &Session) -> Result<Done, String> {
    let mut done = Done::default();
    let _programs = lab.programs.read().unwrap_or_else(PoisonError::into_inner);
    for (name, space) in &session.spaces {
        let text = within(space.as_fd(), || ask(&["-j", "list", "table", "inet", TABLE]));
        let text = text.map_err(|error| error.to_string()).and_then(|text| text)?;
        let table = listed(&text);
        let of = |(own, count): (String, u64)| (name.clone(), own, count);
        done.counted.extend(table.counted.into_iter().map(of));
        done.held.extend(table.held.into_iter().map(of));
    }
    Ok(done)
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn links(lab: &Lab, session: &mut Session, changes: &[(String, Change)]) -> Result<(), String> {
    let mut kernel = lab.kernel.lock().map_err(|_| BROKEN.to_owned())?;
    let mut links = lab.links.lock().map_err(|_| BROKEN.to_owned())?;
    let before = links.before();
    let mut changed = BTreeMap::new();
    for (name, change) in changes {
        let done = links.change(name, &Change::default()).and_then(|full| {
            let said = links.said_of(&full);
            links.change(&full, change).map(|full| changed.entry(full).or_insert(said))
        });
        if let Err(failure) = done {
            links.restore(before);
            return Err(failure.to_string());
        }
    }
    if let (Some(failures), _) = bring(lab, &mut kernel, &mut links, before) {
        return Err(told("the links cannot do so", &failures).to_string());
    }
    for (name, said) in changed {
        links.settle(&kernel, &name).map_err(|failure| failure.to_string())?;
        session.links.entry(name).or_insert(said);
    }
    Ok(())
}

fn unlink(lab: &Lab, session: &mut Session, wanted: &[String]) -> Result<(), String> {
    let meant = |name: &String| {
        let short = name.split_once('/').map(|(_, short)| short);
        wanted.iter().any(|own| own == name || Some(own.as_str()) == short)
    };
    let own: BTreeMap<String, Option<Conditions>> = session
        .links
        .iter()
        .filter(|(name, _)| meant(name))
        .map(|(name, said)| (name.clone(), *said))
        .collect();
    said_before(lab, &own)?;
    session.links.retain(|name, _| !own.contains_key(name));
    Ok(())
}

/// Has links do again what they did before.
fn said_before(lab: &Lab, own: &BTreeMap<String, Option<Conditions>>) -> Result<(), String> {
    if own.is_empty() {
        return Ok(());
    }
    let mut kernel = lab.kernel.lock().map_err(|_| BROKEN.to_owned())?;
    let mut links = lab.links.lock().map_err(|_| BROKEN.to_owned())?;
    let before = links.before();
    links.say_again(own);
    match bring(lab, &mut kernel, &mut links, before) {
        (Some(failures), _) => Err(told("the links cannot do as before", &failures).to_string()),
        (None, _) => Ok(()),
    }
}

fn misname(lab: &Lab, troubles: BTreeMap<String, Vec<Trouble>>) -> Result<(), String> {
    let mut kernel = lab.kernel.lock().map_err(|_| BROKEN.to_owned())?;
    let mut links = lab.links.lock().map_err(|_| BROKEN.to_owned())?;
    let before = links.before();
    links.misname(troubles);
    match bring(lab, &mut kernel, &mut links, before) {
        (Some(failures), _) => Err(told("the name servers cannot do so", &failures).to_string()),
        (None, _) => Ok(()),
    }
}

fn strike(
    lab: &Lab,
    session: &mut Session,
    (namespace, how, holds): (&str, Strike, Option<&str>),
) -> Done {
    let place = {
        let Ok(kernel) = lab.kernel.lock() else { return refused(BROKEN.to_owned()) };
        let found = kernel.namespace(namespace).and_then(|space| rustix::fs::fstat(space).ok());
        let Some(found) = found else { return refused(format!("the lab has no {namespace}")) };
        found.st_ino
    };
    let mut done = Done::default();
    for process in find(&[place], Meant { mark: None, holds }) {
        if !process.strike(how) {
            continue;
        }
        let number = u64::from(process.number().unsigned_abs());
        done.struck.push((number, process.command().to_owned()));
        match how {
            Strike::Pause => drop(session.paused.insert(number, process)),
            Strike::Resume => drop(session.paused.remove(&number)),
            Strike::Kill => {}
        }
    }
    done
}

/// Ends what breaks the lab: that of a number, or whatever there is. Gives what it was, and what is left of faults in words.
pub(super) fn end(lab: &Lab, number: Option<u64>, why: &str) -> (Option<Status>, Vec<String>) {
    let mut session = lock(&lab.breaking.session);
    if number.is_some_and(|number| session.as_ref().is_none_or(|own| own.number != number)) {
        return (None, Vec::new());
    }
    let status = session.as_ref().map(Session::status);
    let own = session.take();
    let mut left = Vec::new();
    if let Some(own) = &own {
        *lock(&lab.breaking.ended) = Some((own.number, why.to_owned()));
        left.extend(mend(lab, &own.spaces));
        for process in own.paused.values() {
            let _gone = process.strike(Strike::Resume);
        }
        left.extend(said_before(lab, &own.links).err());
        if !own.names.is_empty() {
            left.extend(misname(lab, BTreeMap::new()).err());
        }
    }
    if number.is_none() {
        // Whatever there is: also what one left that is known no more.
        let spaces = lab.kernel.lock().map(|kernel| {
            let names: Vec<String> = kernel.names().map(str::to_owned).collect();
            let own = |name: String| {
                let space = kernel.namespace(&name)?.try_clone_to_owned().ok()?;
                Some((name, space))
            };
            names.into_iter().filter_map(own).collect::<BTreeMap<_, _>>()
        });
        left.extend(mend(lab, &spaces.unwrap_or_default()));
    }
    drop(session);
    (status, left)
}

/// Takes our tables away, and tells where one is still there.
fn mend(lab: &Lab, spaces: &BTreeMap<String, OwnedFd>) -> Vec<String> {
    let clear = format!("add table inet {TABLE}\ndelete table inet {TABLE}\n");
    let work = spaces.iter().map(|(name, space)| (space, name.as_str(), vec![clear.clone()]));
    let mut left: Vec<String> = everywhere(lab, work).err().into_iter().collect();
    let _programs = lab.programs.read().unwrap_or_else(PoisonError::into_inner);
    for (name, space) in spaces {
        match within(space.as_fd(), || ask(&["list", "tables"])) {
            Ok(Ok(tables)) if tables.contains(TABLE) => {
                left.push(format!("{name} has the table {TABLE}"));
            }
            Ok(Ok(_)) => {}
            Ok(Err(why)) => left.push(format!("{name} cannot be read: {why}")),
            Err(error) => left.push(format!("{name} cannot be entered: {error}")),
        }
    }
    left
}

impl Session {
    fn status(&self) -> Status {
        Status {
            id: self.id.clone(),
            title: self.title.clone(),
            milliseconds: u64::try_from(self.since.elapsed().as_millis()).unwrap_or_default(),
            lease: u64::try_from(self.lease.as_millis()).unwrap_or_default(),
            elements: count(self.held.values().map(Vec::len).sum()),
            links: self.links.keys().cloned().collect(),
            names: self.names.clone(),
            paused: count(self.paused.len()),
        }
    }
}

/// Who breaks the lab.
pub(super) fn status(lab: &Lab) -> Value {
    let session = lock(&lab.breaking.session);
    json!({"status": session.as_ref().map(Session::status)})
}

/// Ends whatever breaks the lab, and tells what it was and what is left.
pub(super) fn stop(lab: &Lab) -> Value {
    let (status, left) = end(lab, None, "somebody stopped it");
    json!({"status": status, "left": left})
}
