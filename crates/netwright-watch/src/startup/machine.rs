//! The start itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::breaker::{Ask, Breaker, Remembered};
use super::phase::{Criticality, Phase};
use super::report::{BypassReport, Mode, Outcome, PhaseReport, Report};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Try this phase, and say how it went with [`Startup::ended`]; its time is over at `until`.
    Try {
        /// Its place among the phases.
        phase: usize,
        /// When its time is over.
        until: Duration,
    },
    /// Nothing until then.
    Pause {
        /// Then.
        until: Duration,
    },
    /// The start is decided.
    Decided,
}

/// What is to be done about phases that did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heal {
    /// Try this phase, and say how it went with [`Startup::healed`]; its time is over at `until`.
    Try {
        /// Its place among the phases.
        phase: usize,
        /// When its time is over.
        until: Duration,
    },
    /// Nothing until then.
    Wait {
        /// Then.
        until: Duration,
    },
    /// Nothing is missing.
    Whole,
}

/// How far the phase of now is.
#[derive(Debug, Clone, Copy)]
enum At {
    /// Nothing was done.
    Beginning,
    /// It is tried.
    Trying { until: Duration },
    /// It is tried again later.
    Pausing { until: Duration },
}

/// A phase and what became of it.
#[derive(Debug, Clone)]
struct Run {
    phase: Phase,
    outcome: Outcome,
    tries: u32,
    took: Duration,
    /// Since when the outcome is so.
    since: Duration,
}

/// A start.
#[derive(Debug, Clone)]
pub struct Startup {
    runs: Vec<Run>,
    now: usize,
    at: At,
    /// When the phase of now began.
    began: Duration,
    breakers: BTreeMap<String, Breaker>,
    /// Dependencies that only an earlier run has found away.
    recalled: BTreeSet<String>,
    /// The try of now is a short one: what it depends on was away.
    trial: bool,
}

/// How long a phase that may be passed by is tried where what it depends on was away: what is well answers in that time, and what is still away is
/// not waited for again.
const TRIAL: Duration = Duration::from_secs(2);

/// A breaker of a start: what a phase waited for in vain is away; it is asked again after a second, then ever less often, at least every minute.
fn breaker() -> Breaker {
    let second = Duration::from_secs(1);
    Breaker::new(1, (second, second * 60), second * 30)
}

impl Startup {
    /// One that begins now.
    #[must_use]
    pub fn new(phases: Vec<Phase>, now: Duration) -> Self {
        let breakers = phases.iter().map(|phase| (phase.dependency.clone(), breaker())).collect();
        let run = |phase| Run {
            phase,
            outcome: Outcome::Pending,
            tries: 0,
            took: Duration::ZERO,
            since: now,
        };
        let runs = phases.into_iter().map(run).collect();
        Self {
            runs,
            now: 0,
            at: At::Beginning,
            began: now,
            breakers,
            recalled: BTreeSet::new(),
            trial: false,
        }
    }

    /// Another breaker for a dependency than the usual one.
    #[must_use]
    pub fn with_breaker(mut self, dependency: &str, breaker: Breaker) -> Self {
        self.breakers.insert(dependency.to_owned(), breaker);
        self
    }

    /// What an earlier run of the service knew of its dependencies: what was away then is tried, and not waited for again.
    pub fn recall(&mut self, remembered: &BTreeMap<String, Remembered>, now: Duration) {
        for (dependency, breaker) in &mut self.breakers {
            if let Some(remembered) = remembered.get(dependency) {
                breaker.recall(*remembered, now);
                self.recalled.insert(dependency.clone());
            }
        }
    }

    /// What a later run of the service should know.
    #[must_use]
    pub fn remembered(&self, now: Duration) -> BTreeMap<String, Remembered> {
        let breakers = self.breakers.iter();
        breakers
            .filter_map(|(dependency, breaker)| {
                Some((dependency.clone(), breaker.remembered(now)?))
            })
            .collect()
    }

    /// A phase.
    #[must_use]
    pub fn phase(&self, phase: usize) -> Option<&Phase> {
        self.runs.get(phase).map(|run| &run.phase)
    }

    /// What is to be done now. Asking twice changes nothing.
    pub fn step(&mut self, now: Duration) -> Step {
        loop {
            let Some(run) = self.runs.get_mut(self.now) else { return Step::Decided };
            let over = self.began + run.phase.time_out;
            match self.at {
                At::Trying { until } => return Step::Try { phase: self.now, until },
                At::Pausing { until } if now < until => return Step::Pause { until },
                At::Beginning | At::Pausing { .. } => {}
            }
            let breaker = self.breakers.entry(run.phase.dependency.clone()).or_insert_with(breaker);
            let mut each = run.phase.retries.each;
            // A required phase has nothing to lose: it is tried as if nothing were known.
            if run.tries == 0 && run.phase.is_passed_by() && !breaker.is_closed() {
                let wait = breaker.ask(now);
                if let Ask::Wait(wait) = wait
                    && !self.recalled.contains(&run.phase.dependency)
                {
                    let why = format!(
                        "{} was away a moment ago; it is asked again in {:.1} s",
                        run.phase.dependency,
                        wait.as_secs_f64()
                    );
                    self.decide(Err(why), now);
                    continue;
                }
                self.trial = true;
                each = each.min(TRIAL);
            }
            run.tries += 1;
            let until = over.min(now.saturating_add(each));
            self.at = At::Trying { until };
        }
    }

    /// A try of the phase of now has ended. `chance`, between 0 and 1, shortens the pause before the next.
    pub fn ended(&mut self, result: Result<(), String>, now: Duration, chance: f64) {
        let Some(run) = self.runs.get(self.now) else { return };
        if result.is_err() && run.tries < run.phase.retries.tries && !self.trial {
            let again = now + run.phase.pause(run.tries, chance);
            // A try that could not begin in the phase's time is not waited for.
            if again < self.began + run.phase.time_out {
                self.at = At::Pausing { until: again };
                return;
            }
        }
        let dependency = &run.phase.dependency;
        if let Some(breaker) = self.breakers.get_mut(dependency) {
            match &result {
                Ok(()) => breaker.worked(),
                Err(_) => breaker.failed(now),
            }
        }
        self.decide(result, now);
    }

    /// Ends the try of now where its time is over.
    pub fn tick(&mut self, now: Duration, chance: f64) {
        if let At::Trying { until } = self.at
            && now >= until
        {
            self.ended(Err(late(until.saturating_sub(self.began))), now, chance);
        }
    }

    fn decide(&mut self, result: Result<(), String>, now: Duration) {
        let Some(run) = self.runs.get_mut(self.now) else { return };
        run.took = now.saturating_sub(self.began);
        run.since = now;
        run.outcome = outcome(&run.phase, result);
        self.recalled.remove(&run.phase.dependency);
        self.now += 1;
        self.trial = false;
        self.at = At::Beginning;
        self.began = now;
    }

    /// What is to be done about phases that did not work, once the start is decided.
    pub fn heal(&mut self, now: Duration) -> Heal {
        let mut soonest: Option<Duration> = None;
        for (at, run) in self.runs.iter().enumerate() {
            if matches!(run.outcome, Outcome::Passed | Outcome::Pending) {
                continue;
            }
            let Some(breaker) = self.breakers.get_mut(&run.phase.dependency) else { continue };
            match breaker.ask(now) {
                Ask::Go => {
                    let most = run.phase.retries.each.min(run.phase.time_out);
                    return Heal::Try { phase: at, until: now + most.min(breaker.lease()) };
                }
                Ask::Wait(wait) => {
                    let then = now + wait;
                    soonest = Some(soonest.map_or(then, |soonest| soonest.min(then)));
                }
            }
        }
        soonest.map_or(Heal::Whole, |until| Heal::Wait { until })
    }

    /// How it went with a phase that was tried again.
    pub fn healed(&mut self, phase: usize, result: Result<(), String>, now: Duration) {
        let Some(run) = self.runs.get_mut(phase) else { return };
        if let Some(breaker) = self.breakers.get_mut(&run.phase.dependency) {
            match &result {
                Ok(()) => breaker.worked(),
                Err(_) => breaker.failed(now),
            }
        }
        if result.is_ok() {
            run.since = now;
        }
        run.outcome = outcome(&run.phase, result);
    }

    /// How it stands.
    #[must_use]
    pub fn mode(&self) -> Mode {
        let any = |is: fn(&Outcome) -> bool| self.runs.iter().any(|run| is(&run.outcome));
        if self.now < self.runs.len() {
            Mode::Starting
        } else if any(|outcome| matches!(outcome, Outcome::Failed { .. })) {
            Mode::Failed
        } else if any(|outcome| matches!(outcome, Outcome::Bypassed { .. })) {
            Mode::EmergencyDegraded
        } else if any(|outcome| matches!(outcome, Outcome::Missed { .. })) {
            Mode::Degraded
        } else {
            Mode::Normal
        }
    }

    /// What is told of it.
    #[must_use]
    pub fn report(&self, now: Duration) -> Report {
        let told = |run: &Run| PhaseReport {
            name: run.phase.name.clone(),
            outcome: run.outcome.clone(),
            tries: run.tries,
            seconds: run.took.as_secs_f64(),
        };
        Report {
            mode: self.mode(),
            complete: self.is_complete(),
            phases: self.runs.iter().map(told).collect(),
            bypasses: self.bypasses(now),
        }
    }

    /// Each flag once, in the order of the phases that it is for.
    fn bypasses(&self, now: Duration) -> Vec<BypassReport> {
        let decided = self.now >= self.runs.len();
        let mut told: Vec<BypassReport> = Vec::new();
        for run in &self.runs {
            let Some(flag) = run.phase.flag() else { continue };
            let passed_by = matches!(run.outcome, Outcome::Bypassed { .. });
            let idle =
                (flag.is_on() && !flag.for_good && decided && run.outcome == Outcome::Passed)
                    .then(|| now.saturating_sub(run.since).as_secs_f64());
            let name = passed_by.then(|| run.phase.name.clone());
            match told.iter_mut().find(|told| told.flag == flag.name) {
                Some(told) => {
                    told.passed_by.extend(name);
                    // It is idle for as long as all of its phases are fine.
                    told.idle_seconds = told.idle_seconds.zip(idle).map(|(a, b)| a.min(b));
                }
                None => told.push(BypassReport {
                    flag: flag.name.clone(),
                    setting: flag.setting.clone(),
                    passed_by: name.into_iter().collect(),
                    idle_seconds: idle,
                }),
            }
        }
        told
    }

    /// Whether every phase ran and none failed that could not be passed by.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.mode(), Mode::Normal | Mode::Degraded | Mode::EmergencyDegraded)
    }
}

fn outcome(phase: &Phase, result: Result<(), String>) -> Outcome {
    match (result, &phase.criticality) {
        (Ok(()), _) => Outcome::Passed,
        (Err(why), Criticality::Bypass(flag)) if flag.is_on() => Outcome::Bypassed { why },
        (Err(why), Criticality::Optional) => Outcome::Missed { why },
        (Err(why), Criticality::Required | Criticality::Bypass(_)) => Outcome::Failed { why },
    }
}

/// Why a phase failed that took too long.
pub(super) fn late(after: Duration) -> String {
    format!("it took longer than {:.1} s", after.as_secs_f64())
}
