//! Wall clocks of the reference system that are made wrong, and whoever renews that.
//!
//! Each process is asked on its own machine, so that no fault lies between. It makes its clock wrong for a lease; nobody renews it when whoever
//! asked has gone, and then the clock is right again by itself. Where several faults concern a clock, it is wrong by their sum.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use serde_json::json;

use super::own::told;
use super::{Setting, lock};
use crate::plan::Does;

/// How long an answer may take at most, and at least: a part of the lease between them.
const PATIENCE: Duration = Duration::from_secs(2);
const SHORTEST: Duration = Duration::from_millis(250);
/// Where clocks are set and read.
const PATH: &str = "/api/v1/test/clock";

/// The clocks of a run.
#[derive(Debug)]
pub(super) struct Clocks<'a> {
    setting: &'a Setting<'a>,
    /// By how many milliseconds the clocks of machines are to be wrong.
    wanted: Mutex<BTreeMap<String, i64>>,
    /// Those that were made wrong at some time.
    touched: Mutex<BTreeSet<String>>,
}

/// What a process says of its clock.
struct Told {
    /// By how much it was wrong before it was asked.
    before: Option<i64>,
    offset: i64,
    /// By how much it was seen to be wrong: of what fits the times at which it was asked and answered, the nearest to what it says.
    seen: i64,
}

impl<'a> Clocks<'a> {
    pub(super) fn new(setting: &'a Setting<'a>) -> Self {
        Self { setting, wanted: Mutex::default(), touched: Mutex::default() }
    }

    /// Clocks are wrong as the faults that are on say: the number of those that a fault made so, as they were seen.
    pub(super) fn set(&self, on: &[usize], new: usize) -> Result<usize, String> {
        let wanted = self.sums(on);
        let Does::Clocks(own, _) = &self.setting.plan.faults[new].does else { return Ok(0) };
        // Nobody renews what was wanted before while that changes.
        let mut held = lock(&self.wanted);
        let mut seen = 0;
        for machine in own {
            let offset = wanted.get(machine).copied().unwrap_or_default();
            lock(&self.touched).insert(machine.clone());
            let told = self.ask(machine, Some((offset, self.setting.plan.lease)));
            let told =
                told.map_err(|why| format!("the clock of {machine} cannot be set: {why}"))?;
            seen += usize::from(told.offset == offset && is_near(told.seen, offset));
        }
        *held = wanted;
        Ok(seen)
    }

    /// Takes a fault off: the machines whose clocks were right again before, in words.
    pub(super) fn unset(&self, on: &[usize], old: usize) -> Vec<String> {
        let Does::Clocks(own, _) = &self.setting.plan.faults[old].does else { return Vec::new() };
        let wanted = self.sums(on);
        let mut held = lock(&self.wanted);
        let mut lapsed = Vec::new();
        for machine in own {
            let was = held.get(machine).copied();
            let offset = wanted.get(machine).copied().unwrap_or_default();
            match self.ask(machine, Some((offset, self.setting.plan.lease))) {
                Ok(told) if told.before == was => {}
                Ok(_) => lapsed.push(format!("the clock of {machine} was right again before")),
                // Its lease ends it.
                Err(why) => lapsed.push(format!("the clock of {machine} cannot be asked: {why}")),
            }
        }
        *held = wanted;
        lapsed
    }

    /// By how much the faults that are on make each clock wrong.
    fn sums(&self, on: &[usize]) -> BTreeMap<String, i64> {
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for fault in on.iter().filter_map(|fault| self.setting.plan.faults.get(*fault)) {
            let Does::Clocks(machines, offset) = &fault.does else { continue };
            for machine in machines {
                *sums.entry(machine.clone()).or_default() += offset;
            }
        }
        sums
    }

    /// Renews what is wanted, three times in a lease, until it is over.
    pub(super) fn renew(&self, over: &AtomicBool) {
        let mut last = Instant::now();
        while !over.load(Ordering::SeqCst) {
            pause(Duration::from_millis(10));
            if last.elapsed() < self.setting.plan.lease / 3 {
                continue;
            }
            last = Instant::now();
            let held = lock(&self.wanted);
            for (machine, offset) in held.iter() {
                // A process that another fault ended or stopped is asked again; what lapsed meanwhile is told when the fault ends.
                let _later = self.ask(machine, Some((*offset, self.setting.plan.lease)));
            }
        }
    }

    /// Which clocks that were made wrong are not right, in words; nothing, where all is well.
    pub(super) fn left(&self) -> Vec<String> {
        lock(&self.wanted).clear();
        let until = Instant::now() + self.setting.plan.lease + PATIENCE;
        let mut left = Vec::new();
        for machine in lock(&self.touched).iter() {
            loop {
                let why = match self.ask(machine, None) {
                    Ok(told) if told.offset == 0 && is_near(told.seen, 0) => break,
                    Ok(told) => format!("the clock of {machine} is wrong by {} ms", told.offset),
                    // Where nothing runs, no clock is wrong.
                    Err(why) if why.contains("refused") => break,
                    Err(why) => format!("whether the clock of {machine} is right: {why}"),
                };
                if Instant::now() > until {
                    left.push(why);
                    break;
                }
                pause(Duration::from_millis(100));
            }
        }
        left
    }

    /// Asks a process for its clock, and has it be wrong for a time first.
    fn ask(&self, machine: &str, wrong: Option<(i64, Duration)>) -> Result<Told, String> {
        // A process that stands still must not keep the others from being renewed.
        let patience = PATIENCE.min(self.setting.plan.lease / 6).max(SHORTEST);
        let body = wrong.map(|(offset, time)| {
            json!({ "offset_ms": offset, "for_ms": u64::try_from(time.as_millis()).unwrap_or(u64::MAX) })
                .to_string()
        });
        let method = if body.is_some() { "POST" } else { "GET" };
        let before = wall();
        let value =
            told(self.setting, machine, (method, PATH, &body.unwrap_or_default()), patience)?;
        let after = wall();
        let number = |name: &str| value[name].as_i64();
        let offset = number("offset_ms").ok_or("it does not tell its clock")?;
        let theirs = number("wall_ms").ok_or("it does not tell its time")?;
        // It was read at some moment between those two.
        let seen = offset.min(theirs - before).max(theirs - after);
        Ok(Told { before: number("before_ms"), offset, seen })
    }
}

/// Clocks of one machine differ by their milliseconds only.
fn is_near(seen: i64, wanted: i64) -> bool {
    seen.abs_diff(wanted) <= 2
}

/// The wall clock, in milliseconds since 1970.
fn wall() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
