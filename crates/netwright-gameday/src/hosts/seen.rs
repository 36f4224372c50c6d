//! What hosts saw when they asked with packets of their own: before faults, while they are on, and after.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Live, lock, now};
use crate::journal::Event;
use crate::plan::Plan;
use crate::run::Record;

/// Flows that are asked at a time: those that faults concern, and as many others.
const FLOWS: usize = 100;

/// Who asks whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// Who asks.
    pub from: String,
    /// Who answers.
    pub to: String,
    /// The port of TCP; none for an ICMP echo.
    pub port: Option<u16>,
}

impl Flow {
    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        let what = self.port.map_or_else(|| "icmp echo".to_owned(), |port| format!("tcp/{port}"));
        format!("{} → {} {what}", self.from, self.to)
    }
}

/// The flows that a plan gives to ask, each with the places of its ends: every endpoint to every port that another answers on, or an echo where it
/// answers on none. Those that faults concern come first, and of the others there are at most as many as are asked at a time.
#[must_use]
pub fn flows(plan: &Plan) -> Vec<(Flow, (usize, usize))> {
    let parties = &plan.parties.0;
    let (mut concerned, mut others) = (Vec::new(), Vec::new());
    for (from, own) in parties.iter().enumerate() {
        for (to, far) in parties.iter().enumerate().filter(|(to, _)| *to != from) {
            let touched = plan.faults.iter().any(|fault| fault.touches((from, to)));
            let all = if touched { &mut concerned } else { &mut others };
            if all.len() >= FLOWS {
                continue;
            }
            let ports = far.listens.iter().map(|port| Some(*port));
            let ports: Vec<Option<u16>> =
                if far.listens.is_empty() { vec![None] } else { ports.collect() };
            all.extend(ports.into_iter().map(|port| {
                (Flow { from: own.name.clone(), to: far.name.clone(), port }, (from, to))
            }));
        }
    }
    concerned.truncate(FLOWS);
    others.truncate(FLOWS);
    concerned.extend(others);
    concerned
}

/// What was seen of each flow at once.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// When the hosts began to be asked.
    pub(super) from: u64,
    /// When they had said all.
    pub(super) until: u64,
    /// Whether each was answered.
    pub(super) answered: Vec<Option<bool>>,
}

/// Everything that was seen.
pub(super) struct Seen<'a> {
    pub(super) flows: Vec<(Flow, (usize, usize))>,
    /// What worked before anything was done.
    usual: Mutex<Vec<bool>>,
    looks: Mutex<Vec<Look>>,
    /// Only one asks at a time.
    turn: Mutex<()>,
    asking: AtomicUsize,
    record: &'a Record,
}

impl<'a> Seen<'a> {
    pub(super) fn of(plan: &Plan, record: &'a Record) -> Self {
        Self {
            flows: flows(plan),
            usual: Mutex::default(),
            looks: Mutex::default(),
            turn: Mutex::default(),
            asking: AtomicUsize::new(0),
            record,
        }
    }

    fn note(&self, text: String) {
        self.record.put(Event::Note { text });
    }

    fn ask(&self, live: &dyn Live) -> Result<Vec<Option<bool>>, String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let flows: Vec<Flow> = self.flows.iter().map(|(flow, _)| flow.clone()).collect();
        let answered = live.observe(&flows)?;
        if answered.len() == flows.len() {
            Ok(answered)
        } else {
            Err("what hosts saw is of other questions".to_owned())
        }
    }

    /// Finds out what works while nothing is wrong: how many flows.
    pub(super) fn usual(&self, live: &dyn Live) -> Result<usize, String> {
        let answered = self.ask(live)?;
        let usual: Vec<bool> = answered.iter().map(|one| *one == Some(true)).collect();
        let works = usual.iter().filter(|works| **works).count();
        self.note(format!("hosts asked {} flows: {works} were answered", usual.len()));
        *lock(&self.usual) = usual;
        Ok(works)
    }

    /// Hosts are about to be asked.
    pub(super) fn begins(&self) {
        self.asking.fetch_add(1, Ordering::SeqCst);
    }

    /// Looks while a fault is on, after [`Self::begins`].
    pub(super) fn during(&self, live: &dyn Live) {
        let from = now();
        match self.ask(live) {
            Ok(answered) => {
                let usual = self.worked();
                let pairs = usual.iter().zip(&answered);
                let lost = pairs.filter(|(usual, now)| **usual && **now == Some(false)).count();
                self.note(format!("hosts asked: {lost} flows that worked are not answered"));
                lock(&self.looks).push(Look { from, until: now(), answered });
            }
            Err(why) => self.note(format!("hosts could not be asked: {why}")),
        }
        self.asking.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether hosts are being asked.
    pub(super) fn asks(&self) -> bool {
        self.asking.load(Ordering::SeqCst) > 0
    }

    /// Which flows worked before anything was done.
    pub(super) fn worked(&self) -> Vec<bool> {
        lock(&self.usual).clone()
    }

    /// What was seen while faults were on.
    pub(super) fn looks(&self) -> Vec<Look> {
        lock(&self.looks).clone()
    }

    /// Flows that worked before and do not now, in words.
    pub(super) fn bad(&self, live: &dyn Live) -> Result<Vec<String>, String> {
        let answered = self.ask(live)?;
        let all = self.flows.iter().zip(self.worked()).zip(answered);
        let bad = all.filter(|((_, usual), now)| *usual && *now != Some(true));
        Ok(bad.map(|(((flow, _), _), _)| flow.words()).collect())
    }
}
