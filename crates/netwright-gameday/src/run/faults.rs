//! Faults that are on: put on, taken off by turns, and proved to bite.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use netwright_dns::settings::Trouble;
use netwright_lab::control;
use netwright_lab::faults::{Act, Done, Strike};

use super::{Run, now};
use crate::active::Due;
use crate::cut::{counter, elements, healed, rules};
use crate::detect::State;
use crate::journal::{Event, Verdict};
use crate::plan::Does;
use crate::steps::{Abort, Steps};

/// How often counters are read until the first packet was met.
const READ: Duration = Duration::from_millis(15);
/// How long that is looked for without a pause.
const EAGER: Duration = Duration::from_secs(3);

/// A fault that was put on, and what is known of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Episode {
    /// Its number.
    pub(crate) fault: usize,
    pub(crate) requested: u64,
    pub(crate) effective: u64,
    pub(crate) first_met: Option<u64>,
    /// When it was off.
    pub(crate) off: Option<u64>,
    /// Packets that it met.
    pub(crate) met: Option<u64>,
    /// What its counters had when it was put on.
    before: u64,
    /// Processes that were struck.
    struck: usize,
}

/// All faults of a run.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) episodes: Vec<Episode>,
    read: Option<Instant>,
}

impl Run<'_> {
    /// Lays the rules, which meet nothing yet.
    pub(super) fn lay(&mut self) -> Result<(), Abort> {
        let plan = self.course.setting.plan;
        let rules = rules(&plan.cuts(), &plan.parties, &plan.protected);
        if rules.is_empty() {
            return Ok(());
        }
        self.act(&Act::Lay { rules }).map(drop)
    }

    fn act(&mut self, act: &Act) -> Result<Done, Abort> {
        self.hold.act(act).map_err(Abort)
    }

    /// Begins a fault that lasts for a time.
    pub(super) fn begin_fault(&mut self, fault: usize, length: Duration) -> Result<(), Abort> {
        let begins = Instant::now();
        let turns = self.course.setting.plan.faults[fault].turns;
        let episode = self.put_on(fault)?;
        self.course.active.begin((fault, episode), turns, (begins, length));
        Ok(())
    }

    /// Does what is due of faults: turns, ends, and the proof that they bite.
    pub(super) fn turn(&mut self) -> Result<(), Abort> {
        let time = Instant::now();
        while let Some(due) = self.course.active.due(time, Duration::ZERO) {
            match due {
                Due::On { place, fault } => {
                    let episode = self.put_on(fault)?;
                    self.course.active.is_on(place, episode);
                }
                Due::Off(episode) => self.take_off(episode)?,
            }
        }
        self.look()
    }

    fn put_on(&mut self, fault: usize) -> Result<usize, Abort> {
        let plan = self.course.setting.plan;
        let planned = &plan.faults[fault];
        let before = self.met_of(fault)?;
        let requested = now();
        let (done, struck) = match &planned.does {
            Does::Cut(cut) => {
                let maps = elements(fault, cut, &plan.parties);
                (self.act(&Act::Hold { maps })?, 0)
            }
            Does::Links(changes) => (self.act(&Act::Links { changes: changes.clone() })?, 0),
            Does::Names(_) => (self.misname(Some(fault))?, 0),
            Does::Strike(spaces, how, holds) => {
                if let (Strike::Kill, Ok(system)) = (how, &mut self.system) {
                    system.excuse(spaces);
                }
                let (mut last, mut struck) = (Done::default(), 0);
                for namespace in spaces {
                    let (namespace, holds) = (namespace.clone(), holds.clone());
                    last = self.act(&Act::Strike { namespace, how: *how, holds })?;
                    struck += last.struck.len();
                }
                (last, struck)
            }
            Does::Clocks(..) => {
                let on: Vec<usize> = self.on().chain([fault]).collect();
                let seen = self.clocks.set(&on, fault).map_err(Abort)?;
                (Done { done: now(), ..Done::default() }, seen)
            }
        };
        self.course.record.put(Event::On {
            fault: planned.name.clone(),
            what: planned.what.clone(),
            place: planned.place.clone(),
            requested,
            effective: done.done,
        });
        self.faults.episodes.push(Episode {
            fault,
            requested,
            effective: done.done,
            before,
            struck,
            ..Episode::default()
        });
        Ok(self.faults.episodes.len() - 1)
    }

    fn take_off(&mut self, episode: usize) -> Result<(), Abort> {
        let plan = self.course.setting.plan;
        let fault = self.faults.episodes[episode].fault;
        let planned = &plan.faults[fault];
        let met = self.met_of(fault)?.saturating_sub(self.faults.episodes[episode].before);
        let requested = now();
        let done = match &planned.does {
            Does::Cut(cut) => {
                let maps = healed(&elements(fault, cut, &plan.parties));
                self.act(&Act::Hold { maps })?
            }
            Does::Links(changes) => {
                let links = changes.iter().map(|(link, _)| link.clone()).collect();
                let done = self.act(&Act::Unlink { links })?;
                self.links_again(fault)?;
                done
            }
            Does::Names(_) => self.misname_without(fault)?,
            Does::Strike(spaces, Strike::Pause, holds) => {
                let mut last = Done::default();
                for namespace in spaces {
                    let (namespace, holds) = (namespace.clone(), holds.clone());
                    last = self.act(&Act::Strike { namespace, how: Strike::Resume, holds })?;
                }
                last
            }
            Does::Strike(spaces, ..) => {
                if let Ok(system) = &mut self.system {
                    system.again(self.course.setting, spaces).map_err(Abort)?;
                }
                Done { done: now(), ..Done::default() }
            }
            Does::Clocks(..) => {
                let on: Vec<usize> = self.on().filter(|own| *own != fault).collect();
                for text in self.clocks.unset(&on, fault) {
                    self.faults.episodes[episode].struck = 0;
                    self.course.record.put(Event::Note { text });
                }
                Done { done: now(), ..Done::default() }
            }
        };
        let counted = matches!(planned.does, Does::Cut(_));
        let own = &mut self.faults.episodes[episode];
        own.met = counted.then_some(met);
        own.off = Some(done.done);
        self.course.ended = Some(done.done);
        self.course.record.put(Event::Off {
            fault: planned.name.clone(),
            met: own.met,
            requested,
            effective: done.done,
        });
        Ok(())
    }

    /// Links that other faults are on for do again what those say: the later amends the earlier.
    fn links_again(&mut self, without: usize) -> Result<(), Abort> {
        let others: Vec<usize> = self.on().filter(|fault| *fault != without).collect();
        for fault in others {
            if let Does::Links(changes) = &self.course.setting.plan.faults[fault].does {
                self.act(&Act::Links { changes: changes.clone() })?;
            }
        }
        Ok(())
    }

    /// The faults that are on.
    fn on(&self) -> impl Iterator<Item = usize> {
        self.course.active.on().map(|(fault, _)| fault)
    }

    fn misname(&mut self, more: Option<usize>) -> Result<Done, Abort> {
        let on: Vec<usize> = self.on().chain(more).collect();
        self.names_of(&on)
    }

    fn misname_without(&mut self, fault: usize) -> Result<Done, Abort> {
        let on: Vec<usize> = self.on().filter(|own| *own != fault).collect();
        self.names_of(&on)
    }

    /// Name servers do what the faults that are on say, in the order in which they are written.
    fn names_of(&mut self, on: &[usize]) -> Result<Done, Abort> {
        let mut troubles: BTreeMap<String, Vec<Trouble>> = BTreeMap::new();
        for (number, fault) in self.course.setting.plan.faults.iter().enumerate() {
            if let (Does::Names(own), true) = (&fault.does, on.contains(&number)) {
                for (namespace, own) in own {
                    troubles.entry(namespace.clone()).or_default().extend(own.iter().cloned());
                }
            }
        }
        self.act(&Act::Names { troubles })
    }

    /// Packets that a fault has met since its rules were laid.
    fn met_of(&mut self, fault: usize) -> Result<u64, Abort> {
        if !matches!(self.course.setting.plan.faults[fault].does, Does::Cut(_)) {
            return Ok(0);
        }
        let read = self.act(&Act::Read)?;
        Ok(met(&read, fault))
    }

    /// Looks whether faults that are on have met their first packet.
    fn look(&mut self) -> Result<(), Abort> {
        let waits = |own: &Episode| {
            let cut = matches!(self.course.setting.plan.faults[own.fault].does, Does::Cut(_));
            cut && own.off.is_none() && own.first_met.is_none()
        };
        let waiting: Vec<usize> = (0..self.faults.episodes.len())
            .filter(|at| waits(&self.faults.episodes[*at]))
            .collect();
        let Some(newest) = waiting.iter().map(|at| self.faults.episodes[*at].effective).max()
        else {
            return Ok(());
        };
        let eager =
            now().saturating_sub(newest) < u64::try_from(EAGER.as_micros()).unwrap_or_default();
        let every = if eager { READ } else { READ * 50 };
        if self.faults.read.is_some_and(|last| last.elapsed() < every) {
            return Ok(());
        }
        let read = self.act(&Act::Read)?;
        self.faults.read = Some(Instant::now());
        let seen = read.done;
        for at in waiting {
            let own = &mut self.faults.episodes[at];
            if met(&read, own.fault) > own.before {
                own.first_met = Some(seen);
                let fault = self.course.setting.plan.faults[own.fault].name.clone();
                self.course.record.put(Event::Bit { fault, seen });
            }
        }
        Ok(())
    }

    /// Whether each fault bit, by what was counted and seen.
    pub(super) fn bites(&mut self) {
        let plan = self.course.setting.plan;
        for (number, fault) in plan.faults.iter().enumerate() {
            let own: Vec<Episode> =
                self.faults.episodes.iter().filter(|own| own.fault == number).cloned().collect();
            if own.is_empty() {
                continue;
            }
            let met: u64 = own.iter().filter_map(|own| own.met).sum();
            let early = own.iter().any(|own| own.first_met.is_some());
            let struck: usize = own.iter().map(|own| own.struck).sum();
            let (bit, evidence) = match &fault.does {
                // The kernel's counters go with the cuts; a packet that was seen in them before is none the less one.
                Does::Cut(_) if met == 0 && early => (true, "at least a packet met".to_owned()),
                Does::Cut(_) => (met > 0, format!("{met} packets met")),
                other => {
                    let (by, proof) = self.felt(other, struck);
                    self.course.record.put(Event::Felt {
                        fault: fault.name.clone(),
                        by,
                        proof: proof.clone(),
                    });
                    (by > 0, proof)
                }
            };
            let verdict = if bit { Verdict::Pass } else { Verdict::Unknown };
            self.criterion(&format!("the fault {} bit", fault.name), verdict, evidence);
        }
    }

    /// How many felt a fault that has no counters, and who.
    fn felt(&self, does: &Does, struck: usize) -> (u64, String) {
        let (by, what) = match does {
            Does::Names(_) => (self.watched.broken_names(), "watched names showed it"),
            Does::Strike(..) => (struck, "processes struck"),
            Does::Clocks(..) => (struck, "seen to be wrong for as long as asked for"),
            _ => {
                let states = [State::Slow, State::Down, State::Stalled, State::OneWayBack];
                (self.watched.were(&states), "watched connections showed it")
            }
        };
        (u64::try_from(by).unwrap_or(u64::MAX), format!("{by} {what}"))
    }

    /// Takes everything back, and reads back whether it is.
    pub(super) fn heal(&mut self) {
        for episode in self.course.active.end_all() {
            // What cannot be taken off by itself is taken back with everything.
            let _with_everything = self.take_off(episode);
        }
        let requested = now();
        let (mut left, effective) = match self.hold.end() {
            Ok(done) => (done.left, done.done),
            // Somebody ended it before: what is left of it?
            Err(_) => match netwright_lab::faults::stop(self.course.setting.lab) {
                Ok((_, left)) => (left, now()),
                Err(failure) => (vec![failure.message], now()),
            },
        };
        match control::check(self.course.setting.lab) {
            Ok(deviations) => left.extend(deviations),
            Err(failure) => left.push(failure.message),
        }
        left.extend(self.clocks.left());
        self.course.ended = self.course.ended.or(Some(effective));
        self.course.record.put(Event::Healed { left: left.clone(), requested, effective });
        let verdict = if left.is_empty() { Verdict::Pass } else { Verdict::Fail };
        let evidence = if left.is_empty() {
            "read back: the network is as it was built".to_owned()
        } else {
            left.join("; ")
        };
        self.criterion("everything was taken back", verdict, evidence);
    }
}

/// What the counters of a fault say, in all namespaces.
fn met(read: &Done, fault: usize) -> u64 {
    let own = [counter(fault, 0), counter(fault, 1)];
    read.counted.iter().filter(|(_, name, _)| own.contains(name)).map(|(_, _, count)| count).sum()
}
