//! What an experiment will do to a network, before anything is done: which pairs are cut where, how much that is, and whether it may be.

mod check;
mod choose;
mod does;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use netwright_dataplane::plan::HostPlan;
use netwright_dns::settings::Trouble;
use netwright_lab::faults::Strike;
use netwright_lab::link::Change;
use netwright_model::diagnostic::Diagnostic;
use netwright_model::network::Network;
use netwright_model::scalar::Service;

use crate::cut::Cut;
use crate::detect::State;
use crate::journal::{Blast, Place};
use crate::language::{Experiment, FaultKind, Step};
use crate::load;
use crate::parties::Parties;
use crate::schedule::Turns;

/// Largest number of pairs that one fault may cut.
pub const MOST_PAIRS: usize = 20_000;

/// What a fault does to a lab.
#[derive(Debug, Clone, PartialEq)]
pub enum Does {
    /// Rules meet packets.
    Cut(Cut),
    /// Links are emulated otherwise.
    Links(Vec<(String, Change)>),
    /// Name servers do wrong, by the namespaces that they are in.
    Names(BTreeMap<String, Vec<Trouble>>),
    /// Processes of namespaces are struck.
    Strike(Vec<String>, Strike, Option<String>),
    /// Wall clocks of the reference system's machines are wrong by so many milliseconds.
    Clocks(Vec<String>, i64),
}

/// A fault as it will be injected.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// What it is, in words.
    pub what: String,
    /// What it is between.
    pub place: Place,
    /// What it does.
    pub does: Does,
    /// Endpoints that it is between, by their place.
    pub concerned: BTreeSet<usize>,
    /// Unordered pairs of endpoints whose packets it may meet.
    pub pairs: BTreeSet<(usize, usize)>,
    /// When it is on while its step lasts; all the time where `None`.
    pub turns: Option<Turns>,
}

/// What an experiment will do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The experiment.
    pub experiment: Experiment,
    /// The endpoints.
    pub parties: Parties,
    /// The faults, in the order written.
    pub faults: Vec<Planned>,
    /// How much is concerned.
    pub blast: Blast,
    /// Services that no cut meets.
    pub protected: Vec<Service>,
    /// What heals by itself so long after nobody renews it.
    pub lease: Duration,
    /// How long the steps take, apart from what activities take.
    pub length: Duration,
    /// What of the experiment is not done, in words.
    pub left_out: Vec<String>,
    /// What to know before it is done, in words.
    pub notes: Vec<String>,
    /// What is drawn in the run follows from this number.
    pub seed: u64,
}

/// Plans an experiment.
///
/// # Errors
///
/// Everything in it that names nothing, contradicts itself, goes on for ever, or concerns more than it may.
pub fn plan(
    experiment: Experiment,
    network: &Network,
    lab: &HostPlan,
) -> Result<Plan, Vec<Diagnostic>> {
    let parties = Parties::of(network, lab);
    let mut wrong = Vec::new();
    let mut notes = Vec::new();
    let mut faults = Vec::new();
    for (name, fault) in experiment.faults.iter() {
        let mut choosing = does::Choosing {
            parties: &parties,
            lab,
            has_reference: experiment.reference.is_some(),
            wrong: &mut wrong,
            notes: &mut notes,
        };
        faults.extend(choosing.fault(name, fault));
    }
    check::steps(&experiment, &mut wrong);
    check::faults_elsewhere(&experiment, &mut wrong);
    check::references(&experiment, &mut wrong);
    check::workload(&experiment, &parties, &mut wrong);
    check::reference(&experiment, &mut wrong);
    let safety = &experiment.safety;
    check::protected(&experiment, &parties, &faults, &mut wrong);
    let blast = check::blast(&experiment, &parties, &faults, &mut wrong);
    let length = check::length(&experiment, &mut wrong);
    let lease = safety.lease.as_ref().map_or(3_000, |lease| lease.value.as_millis());
    if !(500..=60_000).contains(&lease) {
        let span = safety.lease.as_ref().map_or(safety.span.0, |lease| lease.span);
        let message = "a lease is 500 ms to 60 s: it is renewed three times in that time";
        wrong.push(Diagnostic::error("NW-GD-008", span, message));
    }
    if !wrong.is_empty() {
        wrong.sort_by_key(|one: &Diagnostic| one.span);
        return Err(wrong);
    }
    let left_out = load::left_out(&experiment);
    let protected = safety.protect_services.iter().map(|service| service.value).collect();
    let lease = Duration::from_millis(lease);
    let seed =
        experiment.seed.map_or_else(|| does::seed(&experiment.title.value), |seed| seed.value);
    Ok(Plan { parties, faults, blast, protected, lease, length, left_out, notes, seed, experiment })
}

impl Plan {
    /// A fault by its name.
    #[must_use]
    pub fn fault(&self, name: &str) -> Option<(usize, &Planned)> {
        self.faults.iter().enumerate().find(|(_, fault)| fault.name == name)
    }

    /// The cuts among the faults, with their numbers.
    #[must_use]
    pub fn cuts(&self) -> Vec<(usize, Cut)> {
        let cuts = self.faults.iter().enumerate().filter_map(|(number, fault)| match &fault.does {
            Does::Cut(cut) => Some((number, cut.clone())),
            _ => None,
        });
        cuts.collect()
    }
}

impl Planned {
    /// What is to be seen on a connection between two endpoints while the fault is on; `None` where nothing, or where it cannot be said.
    #[must_use]
    pub fn seen(&self, (from, to): (usize, usize), port: u16) -> Option<State> {
        match &self.does {
            Does::Cut(cut) => of_cut(cut, (from, to), port),
            Does::Links(changes) => {
                let late = changes.iter().any(|(_, change)| change.amendment.latency.is_some());
                let met = self.pairs.contains(&(from.min(to), from.max(to)));
                (late && met).then_some(State::Slow)
            }
            Does::Names(_) | Does::Strike(..) | Does::Clocks(..) => None,
        }
    }

    /// Whether the fault may change what is seen on a connection between two endpoints, be it known how or not.
    #[must_use]
    pub fn touches(&self, (from, to): (usize, usize)) -> bool {
        match &self.does {
            Does::Cut(_) | Does::Links(_) => self.pairs.contains(&(from.min(to), from.max(to))),
            Does::Names(_) => self.concerned.contains(&from),
            Does::Strike(..) => self.concerned.contains(&from) || self.concerned.contains(&to),
            // Connections know nothing of wall clocks.
            Does::Clocks(..) => false,
        }
    }
}

fn of_cut(cut: &Cut, (from, to): (usize, usize), port: u16) -> Option<State> {
    let all = cut.services.is_empty();
    let of_service = all
        || cut.services.iter().any(|service| match service {
            Service::Ports { protocol: 6, ports } => (ports.first..=ports.last).contains(&port),
            Service::Any => true,
            _ => false,
        });
    let requests = (cut.there.contains(&(from, to)) && of_service)
        || (cut.back.contains(&(from, to)) && (all || cut.initiation && of_service));
    let answers =
        (cut.back.contains(&(to, from)) && of_service) || (cut.there.contains(&(to, from)) && all);
    match cut.kind {
        FaultKind::Drop if cut.initiation => requests.then_some(State::InitiationOnly),
        FaultKind::Drop => match (requests, answers) {
            (true, true) => Some(State::Down),
            (true, false) => Some(State::OneWayThere),
            (false, true) => Some(State::OneWayBack),
            (false, false) => None,
        },
        FaultKind::Hold => (requests || answers).then_some(State::Stalled),
        FaultKind::Reject | FaultKind::Reset => requests.then_some(State::Down),
        _ => None,
    }
}

/// The time that a step lasts, apart from what its activity takes.
#[must_use]
pub fn lasts(step: &Step) -> Duration {
    let of = |time: &Option<
        netwright_model::source::Spanned<netwright_model::scalar::Duration>,
    >| {
        time.as_ref().map_or(Duration::ZERO, |time| Duration::from_millis(time.value.as_millis()))
    };
    let pauses = [&step.pauses.before, &step.pauses.after]
        .map(|pause| load::time(pause).unwrap_or_default());
    of(&step.r#for) + of(&step.wait) + pauses[0] + pauses[1]
}

#[cfg(test)]
mod tests;
