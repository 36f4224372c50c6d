//! Faults that are on: put on, taken off by turns, and taken back.

use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;

use super::{Run, Stand, lock, now};
use crate::active::Due;
use crate::journal::{Event, Verdict};
use crate::plan::Does;
use crate::steps::{Abort, Steps};

/// How long hosts may take to have a fault, or to have nothing of it any more beside its lease.
const PATIENCE: Duration = Duration::from_secs(15);
/// How much longer than was asked for a fault lasts at most, until hosts have said what they see.
const LONGER: Duration = Duration::from_secs(10);
/// How often what hosts are asked meanwhile is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How often a server is asked how a fault stands.
const ASK: Duration = Duration::from_millis(100);

/// A fault that was put on, and what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Episode {
    /// Its number.
    pub(super) fault: usize,
    /// By what the server knows it.
    pub(super) id: String,
    /// When its hosts had it.
    pub(super) effective: u64,
    /// When it was asked to end.
    pub(super) off: Option<u64>,
    /// Packets that it met.
    pub(super) met: u64,
    /// Processes that it struck.
    pub(super) struck: u64,
    /// Nothing of it is left.
    pub(super) gone: bool,
}

/// All faults of a run.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) episodes: Vec<Episode>,
}

impl Run<'_, '_, '_> {
    /// Begins a fault that lasts for a time.
    pub(super) fn begin_fault(&mut self, fault: usize, length: Duration) -> Result<(), Abort> {
        let turns = self.course.setting.plan.faults[fault].turns;
        let episode = self.put_on(fault)?;
        // It lasts from when the hosts have it.
        self.course.active.begin((fault, episode), turns, (Instant::now(), length));
        Ok(())
    }

    /// Does what is due of faults: turns and ends.
    pub(super) fn turn(&mut self) -> Result<(), Abort> {
        let time = Instant::now();
        loop {
            // A fault that nobody saw shows nothing: it lasts until the hosts have said what they see, but for one that comes and goes.
            let longer = if self.shared.seen.asks() { LONGER } else { Duration::ZERO };
            match self.course.active.due(time, longer) {
                None => break,
                Some(Due::On { place, fault }) => {
                    let episode = self.put_on(fault)?;
                    self.course.active.is_on(place, episode);
                }
                Some(Due::Off(episode)) => self.take_off(episode)?,
            }
        }
        Ok(())
    }

    /// Waits until a fault stands as wanted; how it stands then, or at last.
    fn until(
        &self,
        id: &str,
        patience: Duration,
        wanted: impl Fn(&Stand) -> bool,
    ) -> Result<Stand, String> {
        let begun = Instant::now();
        loop {
            let late = begun.elapsed() > patience;
            match self.shared.live.stands(id) {
                Ok(stand) if late || wanted(&stand) => return Ok(stand),
                Err(why) if late => return Err(why),
                Ok(_) | Err(_) => pause(ASK),
            }
        }
    }

    fn put_on(&mut self, fault: usize) -> Result<usize, Abort> {
        let planned = &self.course.setting.plan.faults[fault];
        let requested = now();
        let id = self
            .shared
            .live
            .inject(planned)
            .map_err(|why| Abort(format!("the fault {} is refused: {why}", planned.name)))?;
        let episode = self.faults.episodes.len();
        lock(&self.shared.held).insert(episode, id.clone());
        self.faults.episodes.push(Episode {
            fault,
            id: id.clone(),
            effective: now(),
            off: None,
            met: 0,
            struck: 0,
            gone: false,
        });
        let stand = self.until(&id, PATIENCE, |stand| stand.applied || !stand.wrong.is_empty());
        let stand = stand.map_err(Abort)?;
        if !stand.applied {
            let why = match stand.wrong.first() {
                Some(why) => why.clone(),
                None => "not all hosts said in time that they have it".to_owned(),
            };
            return Err(Abort(format!("the fault {} is not on: {why}", planned.name)));
        }
        let effective = now();
        self.faults.episodes[episode].effective = effective;
        self.put(Event::On {
            fault: planned.name.clone(),
            what: planned.what.clone(),
            place: planned.place.clone(),
            requested,
            effective,
        });
        // Hosts are asked meanwhile.
        let shared = self.shared;
        shared.seen.begins();
        self.scope.spawn(move || shared.seen.during(shared.live));
        Ok(episode)
    }

    fn take_off(&mut self, episode: usize) -> Result<(), Abort> {
        let requested = now();
        let id = self.faults.episodes[episode].id.clone();
        self.faults.episodes[episode].off = Some(requested);
        lock(&self.shared.held).remove(&episode);
        // Where that is not known, its lease ends it: nobody renews it any more.
        let said = self.shared.live.end(&id);
        let patience = self.course.setting.plan.lease + PATIENCE;
        let stand = self.until(&id, patience, |stand| stand.gone);
        let stand = stand.map_err(|why| Abort(said.err().unwrap_or(why)))?;
        let effective = now();
        let own = &mut self.faults.episodes[episode];
        (own.met, own.struck, own.gone) = (stand.met, stand.struck, stand.gone);
        let planned = &self.course.setting.plan.faults[own.fault];
        // Only rules count packets.
        let met = matches!(planned.does, Does::Cut(_)).then_some(own.met);
        let name = planned.name.clone();
        self.course.ended = Some(effective);
        self.put(Event::Off { fault: name.clone(), met, requested, effective });
        if stand.gone {
            return Ok(());
        }
        let why = stand.wrong.first().map_or("hosts do not say that it is", String::as_str);
        Err(Abort(format!("the fault {name} is not gone: {why}")))
    }

    /// Takes everything back, and looks whether it is.
    pub(super) fn heal(&mut self) {
        let requested = now();
        // What was put on is taken off below, whether its step had ended or not.
        let _episodes = self.course.active.end_all();
        for episode in 0..self.faults.episodes.len() {
            if !self.faults.episodes[episode].gone {
                // What is left is told below.
                let _told = self.take_off(episode);
            }
        }
        let left: Vec<String> = self
            .faults
            .episodes
            .iter()
            .filter(|own| !own.gone)
            .map(|own| {
                let name = &self.course.setting.plan.faults[own.fault].name;
                format!("no host says that nothing is left of {name} ({})", own.id)
            })
            .collect();
        let effective = now();
        self.course.ended = self.course.ended.or(Some(effective));
        self.put(Event::Healed { left: left.clone(), requested, effective });
        let (verdict, evidence) = if left.is_empty() {
            (Verdict::Pass, "read back on every host: nothing of a fault is left".to_owned())
        } else {
            (Verdict::Fail, left.join("; "))
        };
        self.criterion("everything was taken back", verdict, evidence);
    }

    /// Whether each fault bit, by what was counted.
    pub(super) fn bites(&mut self) {
        for (number, fault) in self.course.setting.plan.faults.iter().enumerate() {
            let own = self.faults.episodes.iter().filter(|own| own.fault == number);
            let own: Vec<(u64, u64)> = own.map(|own| (own.met, own.struck)).collect();
            if own.is_empty() {
                continue;
            }
            let met: u64 = own.iter().map(|(met, _)| met).sum();
            let struck: u64 = own.iter().map(|(_, struck)| struck).sum();
            let (by, evidence) = match &fault.does {
                Does::Strike(..) => (struck, format!("{struck} processes struck")),
                Does::Names(_) => (met, format!("{met} questions answered wrongly")),
                _ => (met, format!("{met} packets met")),
            };
            if !matches!(fault.does, Does::Cut(_)) {
                let (fault, proof) = (fault.name.clone(), evidence.clone());
                self.put(Event::Felt { fault, by, proof });
            }
            let verdict = if by > 0 { Verdict::Pass } else { Verdict::Unknown };
            self.criterion(&format!("the fault {} bit", fault.name), verdict, evidence);
        }
        // What hosts were asked last is heard before it is judged.
        let begun = Instant::now();
        while self.shared.seen.asks() && begun.elapsed() < PATIENCE {
            pause(LOOK);
        }
        self.drain();
    }
}
