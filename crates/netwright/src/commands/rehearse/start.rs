//! Fresh starts of a network's services in a lab: each phase calls what it needs, over connections of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use netwright_dataplane::kernel::pause;
use netwright_dataplane::plan::call::Expected;
use netwright_lab::calls::Trouble;
use netwright_lab::control;
use netwright_model::language::{Service, StartupPhase};
use netwright_model::network::Network;
use netwright_watch::change::Exercise;
use netwright_watch::endpoints::{Answer, Check, Vitals, Word, answer};
use netwright_watch::fault::Domain;
use netwright_watch::health::Result as Ended;
use netwright_watch::startup::{Flag, Phase, Report, Startup, Step};

use crate::commands::lab::told;
use crate::failure::Failure;

/// How long a phase may take where the description does not say.
const PHASE: Duration = Duration::from_secs(30);

/// A service that has tried to start.
pub(super) struct Started {
    /// Its name.
    pub(super) service: String,
    /// How it went.
    pub(super) report: Report,
    /// What it answers to `/health`.
    pub(super) health: Answer,
    /// What it used.
    pub(super) used: Vec<Used>,
}

/// A dependency that was used.
pub(super) struct Used {
    /// How it went.
    pub(super) exercise: Exercise,
    /// Why it cannot work as it is described.
    pub(super) on_paper: Option<String>,
}

/// Who starts services in a lab.
pub(super) struct Starter<'a> {
    pub(super) network: &'a Network,
    pub(super) lab: &'a str,
    /// How long a call may take at most.
    pub(super) wait: Duration,
    /// What may be missing: a kind of target or a name, and whether the bypass is on.
    pub(super) bypass: Option<(&'a str, bool)>,
    /// The moment that times count from.
    pub(super) began: Instant,
}

impl Starter<'_> {
    /// Starts every service anew, each after those that it waits for.
    pub(super) fn all(&self) -> Result<Vec<Started>, Failure> {
        let mut started: Vec<Started> = Vec::new();
        for (name, service) in self.ordered() {
            let up: BTreeSet<String> = started
                .iter()
                .filter(|other| other.report.complete)
                .map(|other| other.service.clone())
                .collect();
            started.push(self.one(name, service, &up)?);
        }
        Ok(started)
    }

    /// Services in an order in which those that are waited for come first; who waits in a circle comes as written.
    fn ordered(&self) -> Vec<(&str, &Service)> {
        let mut left: Vec<(&str, &Service)> = self
            .network
            .description
            .services
            .iter()
            .map(|(name, service)| (name.value.as_str(), service))
            .collect();
        let mut ordered: Vec<(&str, &Service)> = Vec::new();
        while !left.is_empty() {
            let waits = |service: &Service| {
                let mut after = service.startup.iter().flat_map(|(_, phase)| &phase.after);
                after.any(|other| left.iter().any(|(name, _)| *name == other.value))
            };
            let next = left.iter().position(|(_, service)| !waits(service)).unwrap_or(0);
            ordered.push(left.remove(next));
        }
        ordered
    }

    fn one(
        &self,
        name: &str,
        service: &Service,
        up: &BTreeSet<String>,
    ) -> Result<Started, Failure> {
        let phases = self.phases(service);
        let mut startup =
            Startup::new(phases.iter().map(|(phase, _)| phase.clone()).collect(), self.now());
        let mut used = BTreeMap::new();
        loop {
            match startup.step(self.now()) {
                Step::Decided => break,
                Step::Pause { until } => pause(until.saturating_sub(self.now())),
                Step::Try { phase, until } => {
                    let Some((_, work)) = phases.get(phase) else { break };
                    let result = self.go((name, service), work, (up, until), &mut used)?;
                    startup.ended(result, self.now(), 0.0);
                }
            }
        }
        // What no phase needs is used all the same once the service runs.
        for (dependency, _) in service.dependencies.iter() {
            if !used.contains_key(&dependency.value) {
                let until = self.now() + self.wait;
                self.use_one((name, service), &dependency.value, until, &mut used)?;
            }
        }
        let report = startup.report(self.now());
        let checks = used.values().map(|used| part(&used.exercise)).collect();
        let vitals = Vitals::new(name, report.clone(), checks, Timestamp::now());
        let health = answer("/health", None, &vitals)
            .ok_or_else(|| Failure::unknown("a service answers nothing to /health"))?;
        Ok(Started { service: name.to_owned(), report, health, used: used.into_values().collect() })
    }

    /// The phases of a service; one for each dependency that it cannot be without, where the description names none.
    fn phases(&self, service: &Service) -> Vec<(Phase, StartupPhase)> {
        let phase = |(name, written): (&str, &StartupPhase)| {
            let time_out = written
                .timeout
                .as_ref()
                .map_or(PHASE, |timeout| Duration::from_millis(timeout.value.as_millis()));
            let tries = written.attempts.as_ref().map_or(1, |attempts| attempts.value.max(1));
            let mut phase = Phase::new(name, time_out).tries(tries, time_out);
            if let Some((what, on)) = self.bypass
                && written.needs.iter().any(|need| is_about(service, &need.value, what))
            {
                phase = phase.bypass(Flag::new(flag(what), on));
            } else if written.critical.as_ref().is_some_and(|critical| !critical.value) {
                phase = phase.optional();
            }
            (phase, written.clone())
        };
        if !service.startup.is_empty() {
            let written = service.startup.iter();
            return written.map(|(name, written)| phase((&name.value, written))).collect();
        }
        let needed = service.dependencies.iter().filter(|(_, dependency)| {
            dependency.optional.as_ref().is_none_or(|optional| !optional.value)
        });
        needed
            .map(|(name, _)| {
                let needs = StartupPhase { needs: vec![name.clone()], ..StartupPhase::default() };
                phase((&name.value, &needs))
            })
            .collect()
    }

    /// Does the work of a phase: who has to be up is up, and what it needs answers.
    fn go(
        &self,
        of: (&str, &Service),
        work: &StartupPhase,
        (up, until): (&BTreeSet<String>, Duration),
        used: &mut BTreeMap<String, Used>,
    ) -> Result<Result<(), String>, Failure> {
        for need in &work.needs {
            if let Some(why) = self.use_one(of, &need.value, until, used)? {
                return Ok(Err(why));
            }
        }
        let missing = work.after.iter().find(|other| !up.contains(&other.value));
        Ok(missing.map_or(Ok(()), |other| Err(format!("{} has not started", other.value))))
    }

    /// Calls one dependency; what went wrong.
    fn use_one(
        &self,
        (service, written): (&str, &Service),
        dependency: &str,
        until: Duration,
        used: &mut BTreeMap<String, Used>,
    ) -> Result<Option<String>, Failure> {
        let began = self.now();
        let wait = self.wait.min(until.saturating_sub(began)).max(Duration::from_millis(10));
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let made = control::call(self.lab, Some(service), Some(dependency), wait).map_err(told)?;
        let (on_paper, called) =
            made.into_iter().next().map_or_else(Default::default, |(call, called)| {
                let Expected { works, why, .. } = call.expected;
                (why.filter(|_| works == Some(false)), called)
            });
        let to = written.dependencies.iter().find(|(name, _)| name.value == dependency);
        let to = to.map_or_else(String::new, |(_, dependency)| dependency.to.value.to_string());
        let why = called.why.clone().unwrap_or_else(|| "no answer".to_owned());
        let on_paper = on_paper.filter(|_| !called.answered);
        // What kind of failure it is tells where it shows; that it cannot work as described, who can mend it.
        let of = match on_paper {
            Some(_) => Domain::Configuration,
            None => called.trouble.map_or(Domain::Unknown, domain),
        };
        let fails = (!called.answered).then(|| why.clone());
        let (result, fault) = match (called.answered, called.trouble) {
            (true, _) => (Ended::Passed, None),
            (false, None | Some(Trouble::Untried)) => (Ended::Unknown, None),
            (false, Some(_)) => (Ended::Failed, Some((of, why))),
        };
        let name = format!("{service} → {to}");
        let exercise = Exercise { dependency: name, fresh: true, began, result, fault };
        used.insert(dependency.to_owned(), Used { exercise, on_paper });
        Ok(fails)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

/// The name of the flag of a bypass, as services read it.
pub(super) fn flag(what: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("EMERGENCY_ALLOW_NO_{}", what.chars().map(plain).collect::<String>())
}

/// Whether a dependency of a service is of a kind, or has a name, or leads to it.
fn is_about(service: &Service, dependency: &str, what: &str) -> bool {
    service.dependencies.iter().any(|(name, written)| {
        let to = written.to.value.to_string();
        let of = to.split_once(':').is_some_and(|(kind, name)| kind == what || name == what);
        name.value == dependency && (dependency == what || to == what || of)
    })
}

/// Where the fault of a failed call lies: by how it failed.
const fn domain(trouble: Trouble) -> Domain {
    match trouble {
        Trouble::Silent | Trouble::Behind | Trouble::NoWay => Domain::Infrastructure,
        Trouble::Refused | Trouble::Closed => Domain::Application,
        Trouble::Untried | Trouble::Broken => Domain::Unknown,
    }
}

/// What a service says of something that it used.
fn part(exercise: &Exercise) -> Check {
    let (word, detail) = match (exercise.result, &exercise.fault) {
        (Ended::Passed, _) => (Word::Healthy, String::new()),
        (Ended::Failed, Some((_, why))) => (Word::Unhealthy, why.clone()),
        _ => (Word::Unknown, String::new()),
    };
    let mut check = Check::new(exercise.dependency.clone(), word, detail);
    check.fault = exercise.fault.as_ref().map(|(domain, _)| *domain);
    check
}
