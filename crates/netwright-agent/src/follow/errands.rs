//! What goes on beside an agent's work: it is heard what is wanted, and told that the host lives and what it did.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use netwright_control::agents::{Others, Registration, Report, SIGN};
use netwright_dataplane::kernel::pause;
use netwright_dataplane::plan::HostPlan;
use netwright_lab::probe::near;

use super::Heard;
use super::asking::Asking;
use super::breaking::Do;
use crate::source::{Away, Mark, Source};

/// How long is waited for news at a time: a way that is cut is noticed soon after.
pub const NEWS: Duration = Duration::from_secs(5);
/// How often other hosts are asked whether they answer.
const LOOK: Duration = Duration::from_secs(3);
/// After how long without an answer a host counts as silent: some requests are sent meanwhile.
const LOST: Duration = Duration::from_millis(1_500);
/// How many that are known are asked at a time, the next ones the next time: hosts that each asked all others would have work that grows with their square.
const AT_A_TIME: usize = 16;
/// The first wait before a source is asked again that did not answer; it doubles.
const FIRST: Duration = Duration::from_millis(200);
/// The longest.
const LAST: Duration = Duration::from_secs(2);

/// The report to be told, and whether it was.
#[derive(Debug, Default)]
struct Tray {
    report: Report,
    untold: bool,
}

type Shared = Arc<(Mutex<Tray>, Condvar)>;

/// Where reports go and news come.
pub(super) struct Desk {
    source: Arc<dyn Source>,
    host: Registration,
    send: Sender<Heard>,
    tray: Shared,
    others: Arc<Mutex<Vec<Registration>>>,
    asking: Asking,
    breaking: Sender<Do>,
}

impl Desk {
    pub(super) fn new(
        source: Arc<dyn Source>,
        host: Registration,
        send: Sender<Heard>,
        (asking, breaking): (Asking, Sender<Do>),
    ) -> Self {
        let (tray, others) = (Shared::default(), Arc::default());
        Self { source, host, send, tray, others, asking, breaking }
    }

    /// What machines ask for names from now on.
    pub(super) fn names(&self, plan: &HostPlan) {
        self.asking.names(plan);
    }

    /// Has other hosts asked whether they answer.
    pub(super) fn others(&self, hosts: &[Registration]) {
        let others = hosts.iter().filter(|one| one.host != self.host.host).cloned().collect();
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) = others;
    }

    /// Has a report told; one that was not told yet is told no more.
    pub(super) fn publish(&self, report: &Report) {
        let (tray, news) = &*self.tray;
        let mut tray = tray.lock().unwrap_or_else(PoisonError::into_inner);
        tray.report.clone_from(report);
        tray.untold = true;
        news.notify_all();
    }

    /// Begins with all of it; it ends with the process.
    pub(super) fn begin(&self) -> io::Result<()> {
        let (source, host, send) = (Arc::clone(&self.source), self.host.clone(), self.send.clone());
        let tray = Arc::clone(&self.tray);
        Builder::new()
            .name("signs".to_owned())
            .spawn(move || tell(&*source, &host, &tray, &send))?;
        let (source, send) = (Arc::clone(&self.source), self.send.clone());
        let host = self.host.host.clone();
        let breaking = self.breaking.clone();
        Builder::new()
            .name("news".to_owned())
            .spawn(move || hear(&*source, &host, &send, &breaking))?;
        let (own, send) = (self.host.underlay, self.send.clone());
        let others = Arc::clone(&self.others);
        Builder::new().name("others".to_owned()).spawn(move || look(own, &others, &send))?;
        self.asking.begin(&self.source, &self.host.host)
    }
}

/// Tells that the host is there, that it lives, and what it did.
fn tell(source: &dyn Source, host: &Registration, shared: &Shared, send: &Sender<Heard>) {
    let (tray, news) = &**shared;
    let (mut joined, mut wait) = (false, FIRST);
    loop {
        let report = {
            let tray = tray.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = |tray: &mut Tray| !tray.untold && joined;
            let waited = news.wait_timeout_while(tray, SIGN, idle);
            let (mut tray, _) = waited.unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut tray.untold).then(|| tray.report.clone())
        };
        let told = if joined { Ok(()) } else { source.register(host) };
        match told.and_then(|()| source.sign(&host.host, report.as_ref())) {
            Ok(()) => (joined, wait) = (true, FIRST),
            Err(away) => {
                if matches!(away, Away::Unknown(_)) {
                    joined = false;
                }
                if let Away::Refused(why) = &away
                    && !joined
                    && send.send(Heard::Refused(why.clone())).is_err()
                {
                    return;
                }
                if report.is_some() {
                    tray.lock().unwrap_or_else(PoisonError::into_inner).untold = true;
                }
                pause(wait);
                wait = (wait * 2).min(LAST);
            }
        }
    }
}

/// Asks other hosts by turns, again and again, whether they answer; tells where that has changed.
fn look(own: Ipv4Addr, others: &Mutex<Vec<Registration>>, send: &Sender<Heard>) {
    let (mut told, mut next) = (None, 0);
    let mut known: BTreeMap<(String, Ipv4Addr), bool> = BTreeMap::new();
    loop {
        let all = others.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Who is new is asked at once: of a host that was not asked nobody could say whom it reaches.
        let key = |one: &Registration| (one.host.clone(), one.underlay);
        let mut turn = turn(&all, &mut next);
        turn.retain(|one| known.contains_key(&key(one)));
        turn.extend(all.iter().filter(|one| !known.contains_key(&key(one))));
        let pairs: Vec<(IpAddr, IpAddr)> =
            turn.iter().map(|one| (own.into(), one.underlay.into())).collect();
        let answers = near::hosts(&pairs, LOST);
        known.retain(|(host, underlay), _| {
            all.iter().any(|one| one.host == *host && one.underlay == *underlay)
        });
        for (one, answer) in turn.iter().zip(answers) {
            match answer {
                Some(answer) => known.insert(key(one), answer),
                // It could not be asked: nothing is said of it.
                None => known.remove(&key(one)),
            };
        }
        let mut found = Others::default();
        for ((host, _), answers) in &known {
            let of = if *answers { &mut found.answer } else { &mut found.silent };
            of.insert(host.clone());
        }
        if told.as_ref() != Some(&found) {
            if send.send(Heard::Others(found.clone())).is_err() {
                return;
            }
            told = Some(found);
        }
        pause(LOOK);
    }
}

/// Whose turn it is to be asked, after those whose it was before.
fn turn<'a>(all: &'a [Registration], next: &mut usize) -> Vec<&'a Registration> {
    let count = all.len().min(AT_A_TIME);
    let first = *next % all.len().max(1);
    *next = first + count;
    all.iter().cycle().skip(first).take(count).collect()
}

/// Hears what is wanted.
fn hear(source: &dyn Source, host: &str, send: &Sender<Heard>, breaking: &Sender<Do>) {
    let (mut known, mut lost, mut wait) = (None::<Mark>, false, FIRST);
    loop {
        let heard = match source.wanted(host, known.as_ref(), NEWS) {
            Ok(wanted) => {
                if std::mem::take(&mut lost) && send.send(Heard::Back).is_err() {
                    return;
                }
                wait = FIRST;
                let Some(wanted) = wanted else { continue };
                let mark = wanted.mark(known.as_ref());
                let before = known.replace(mark.clone());
                let faults = wanted.faults.faults.clone();
                if breaking.send(Do::On(faults)).is_err() {
                    return;
                }
                // Faults are renewed often, and are no ground to look at anything else.
                if before
                    .is_some_and(|before| Mark { faults: mark.faults.clone(), ..before } == mark)
                {
                    continue;
                }
                Heard::Wanted(Box::new(wanted))
            }
            Err(away) => {
                let first = !std::mem::replace(&mut lost, true);
                if first && send.send(Heard::Lost(away.to_string())).is_err() {
                    return;
                }
                pause(wait);
                wait = (wait * 2).min(LAST);
                continue;
            }
        };
        if send.send(heard).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_hosts_are_asked_by_turns_and_each_as_often_as_any() {
        let host = |number: u8| Registration {
            host: format!("h{number}"),
            underlay: Ipv4Addr::new(198, 18, 0, number),
            labels: BTreeMap::default(),
        };
        for (hosts, rounds) in [(1, 3), (10, 4), (40, 5)] {
            let all: Vec<Registration> = (0..hosts).map(host).collect();
            let (mut next, mut asked) = (0, BTreeMap::<&str, usize>::new());
            for _ in 0..rounds {
                let turn = turn(&all, &mut next);
                assert_eq!(turn.len(), all.len().min(AT_A_TIME));
                turn.iter().for_each(|one| *asked.entry(one.host.as_str()).or_default() += 1);
            }
            let each = rounds * all.len().min(AT_A_TIME) / all.len();
            assert!(
                asked.len() == all.len() && asked.values().all(|count| *count == each),
                "{asked:?}"
            );
        }
        assert!(turn(&[], &mut 7).is_empty());
    }
}
