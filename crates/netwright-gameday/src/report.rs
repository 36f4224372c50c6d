//! The report of a run, from its journal and its histories, and from nothing else: the report of a run that was killed tells as much as it
//! lived to write.

mod data;
mod seen;
mod workload;

use std::collections::BTreeMap;

use netwright_history::History;
use netwright_report::{
    Criterion, Date, Direction, End, Event as Told, EventKind, Expected, Fault, Gauge, Leadership,
    Moment, NetworkIdentity, Phase as Stage, PhaseKind, Point, Recovery, Report, Response, Run,
    Safety, Scenario, Span, Steady, Step, Touched, Verdict as Word, Version,
};

use crate::journal::{About, Event, Line, Phase, Place, Verdict};

/// A run as it was written down.
pub(crate) struct Source<'a> {
    lines: &'a [Line],
    /// When it began, in microseconds of the clock that does not go back.
    begun: u64,
    /// Histories by the names of their files.
    histories: &'a BTreeMap<String, History>,
}

impl Source<'_> {
    fn moment(&self, mono: u64) -> Moment {
        Moment(mono.saturating_sub(self.begun))
    }

    fn events(&self) -> impl Iterator<Item = (Moment, &Event)> {
        self.lines.iter().map(|line| (self.moment(line.mono), &line.event))
    }

    fn end(&self) -> Moment {
        self.lines.last().map_or(Moment::START, |line| self.moment(line.mono))
    }
}

/// Makes a report of a journal's lines and the histories beside it; none where the journal does not say what ran.
#[must_use]
pub fn report(lines: &[Line], histories: &BTreeMap<String, History>) -> Option<Report> {
    let first = lines.first()?;
    let Event::Run { id, title, experiment, network, blast, lease, about, .. } = &first.event
    else {
        return None;
    };
    let source = Source { lines, begun: first.mono, histories };
    let began = first.at.parse::<jiff::Timestamp>().ok()?.as_second();
    let run = Run {
        id: id.clone(),
        began: Date::from_unix(began),
        duration: source.end().since(Moment::START),
        seed: about.seed,
        end: end(&source),
        versions: versions(&source),
    };
    let mut report = Report::new(title.clone(), run);
    report.scenario = scenario(experiment, about);
    let file = std::path::Path::new(network);
    let name = file.parent().and_then(|folder| folder.file_name()).or(file.file_name());
    report.network = name
        .map(|name| NetworkIdentity { name: name.to_string_lossy().into_owned(), revision: None });
    report.phases = phases(&source);
    report.faults = faults(&source);
    report.safety = Safety {
        cut: Some(blast.cut),
        of: Some(blast.pairs),
        ceiling: Some(about.ceiling),
        lease: Some(Span::from_millis(*lease)),
        protected: about.protected.clone(),
        ..safety(&source)
    };
    report.detections = seen::detections(&source);
    report.connectivity = seen::connectivity(&source);
    report.states = seen::states(&source);
    report.gauges = gauges(&source);
    report.leaderships = leaderships(&source);
    report.workload = workload::gathered(&source, &report.phases);
    report.checks = data::checks(&source);
    report.data = data::impact(&source);
    report.responses = responses(&source, &report);
    report.recovery = recovery(&source, about);
    report.steady = steady(&source);
    report.criteria = criteria(&source, &report.recovery);
    report.expected = expected(&source, &report.phases, about);
    report.events = events(&source);
    Some(report)
}

pub(crate) fn word(verdict: Verdict) -> Word {
    match verdict {
        Verdict::Pass => Word::Passed,
        Verdict::Fail => Word::Failed,
        Verdict::Unknown => Word::Unknown,
    }
}

fn scenario(experiment: &str, about: &About) -> Scenario {
    let stem = std::path::Path::new(experiment).file_stem();
    let name =
        stem.map_or_else(|| experiment.to_owned(), |stem| stem.to_string_lossy().into_owned());
    let variant = about.variant.as_ref().filter(|variant| *variant != "correct");
    let name = variant.map_or_else(|| name.clone(), |variant| format!("{name}, {variant}"));
    Scenario {
        name,
        description: about.description.clone(),
        severity: None,
        hypothesis: about.hypothesis.clone(),
    }
}

fn end(source: &Source<'_>) -> End {
    let aborted = source.events().find_map(|(_, event)| match event {
        Event::Aborted { why } => Some(why.clone()),
        _ => None,
    });
    let whole = source.events().any(|(_, event)| matches!(event, Event::Verdict { .. }));
    match aborted {
        Some(why) if why == crate::run::INTERRUPTED => End::Interrupted,
        Some(why) => End::Aborted { why },
        None if whole => End::Completed,
        None => End::Unknown,
    }
}

fn versions(source: &Source<'_>) -> Vec<Version> {
    let all = source.events().find_map(|(_, event)| match event {
        Event::Versions { all } => Some(all.clone()),
        _ => None,
    });
    let version = |(name, version)| Version { name, version };
    all.unwrap_or_default().into_iter().map(version).collect()
}

/// A part's name and what it is for.
fn part(phase: Phase) -> (&'static str, PhaseKind) {
    match phase {
        Phase::Steady => ("steady state", PhaseKind::Baseline),
        Phase::Faults => ("faults", PhaseKind::Fault),
        Phase::Heal => ("heal", PhaseKind::Heal),
        Phase::Recovery => ("recovery", PhaseKind::Recover),
        Phase::After => ("steady state again", PhaseKind::Check),
        Phase::Verdict => ("verdict", PhaseKind::Check),
    }
}

fn phases(source: &Source<'_>) -> Vec<Stage> {
    let mut all = vec![Stage {
        name: "start".to_owned(),
        kind: PhaseKind::Prepare,
        begin: Moment::START,
        end: None,
    }];
    for (at, event) in source.events() {
        let Event::Phase { phase } = event else { continue };
        if let Some(before) = all.last_mut() {
            before.end = Some(at);
        }
        let (name, kind) = part(*phase);
        all.push(Stage { name: name.to_owned(), kind, begin: at, end: None });
    }
    if let Some(last) = all.last_mut() {
        last.end = Some(source.end());
    }
    all
}

/// What a fault does, without what it is between, which stands beside it.
fn how(what: &str, place: &Place) -> String {
    match what.split_once(": ").filter(|_| place.to.is_some()) {
        Some((_, how)) => how.to_owned(),
        None => what.to_owned(),
    }
}

/// A fault that is not known to be off yet.
fn last<'f>(all: &'f mut [(String, Fault)], name: &str) -> Option<&'f mut Fault> {
    let open = all.iter_mut().rev().find(|(own, one)| own == name && one.removed.is_none());
    open.map(|(_, fault)| fault)
}

/// Each time that a fault was on.
fn faults(source: &Source<'_>) -> Vec<Fault> {
    let felt: BTreeMap<&str, (u64, &str)> = source
        .events()
        .filter_map(|(_, event)| match event {
            Event::Felt { fault, by, proof } => Some((fault.as_str(), (*by, proof.as_str()))),
            _ => None,
        })
        .collect();
    let mut all: Vec<(String, Fault)> = Vec::new();
    for (_, event) in source.events() {
        match event {
            Event::On { fault, place, what, requested, effective } => {
                let number = all.iter().filter(|(name, _)| name == fault).count();
                let id =
                    if number == 0 { fault.clone() } else { format!("{fault} {}", number + 1) };
                let felt = felt.get(fault.as_str());
                let new = Fault {
                    id,
                    kind: place.kind.clone(),
                    how: Some(how(what, place)),
                    from: place.from.clone(),
                    to: place.to.clone(),
                    direction: match place.direction.as_str() {
                        "there" => Direction::Forward,
                        "back" => Direction::Back,
                        _ => Direction::Both,
                    },
                    requested: source.moment(*requested),
                    effective: Some(source.moment(*effective)),
                    ending: None,
                    removed: None,
                    touched: None,
                    felt: felt.map(|(by, _)| *by),
                    proof: felt.map(|(_, proof)| (*proof).to_owned()),
                };
                all.push((fault.clone(), new));
            }
            // Where the run was killed, or the counters went with the cut, this is the proof that it bit.
            Event::Bit { fault, .. } => {
                if let Some(open) = last(&mut all, fault) {
                    open.felt = Some(1);
                    open.proof = Some("a packet that its rules met was counted".to_owned());
                }
            }
            Event::Off { fault, met, requested, effective } => {
                let Some(open) = last(&mut all, fault) else { continue };
                open.ending = Some(source.moment(*requested));
                open.removed = Some(source.moment(*effective));
                open.touched = met.map(|packets| Touched { packets, bytes: 0 });
                if met.is_some_and(|met| met > 0 || open.felt.is_none()) {
                    open.felt = None;
                    open.proof = Some("the counters of its own rules".to_owned());
                }
            }
            _ => {}
        }
    }
    all.into_iter().map(|(_, fault)| fault).collect()
}

fn safety(source: &Source<'_>) -> Safety {
    let healed = source.events().find_map(|(_, event)| match event {
        Event::Healed { left, .. } => Some(left.clone()),
        _ => None,
    });
    Safety {
        rolled_back: Word::from_known(healed.as_ref().map(Vec::is_empty)),
        leftovers: healed.unwrap_or_default(),
        ..Safety::default()
    }
}

fn gauges(source: &Source<'_>) -> Vec<Gauge> {
    let mut all: Vec<Gauge> = Vec::new();
    for (at, event) in source.events() {
        let Event::Gauge { name, unit, value } = event else { continue };
        let point = Point { at, value: *value };
        match all.iter_mut().find(|gauge| gauge.name == *name) {
            Some(gauge) => gauge.points.push(point),
            None => all.push(Gauge { name: name.clone(), unit: unit.clone(), points: vec![point] }),
        }
    }
    all.iter().map(|gauge| gauge.thinned(400)).collect()
}

fn leaderships(source: &Source<'_>) -> Vec<Leadership> {
    let mut all: Vec<Leadership> = Vec::new();
    for (at, event) in source.events() {
        let Event::Leads { holder, epoch } = event else { continue };
        if let Some(last) = all.last_mut().filter(|last| last.end.is_none()) {
            last.end = Some(at);
        }
        if let Some(leader) = holder.clone() {
            let group = "system".to_owned();
            all.push(Leadership { group, epoch: *epoch, leader, begin: at, end: None });
        }
    }
    all
}

/// What the system did by itself.
fn responses(source: &Source<'_>, report: &Report) -> Vec<Response> {
    if report.states.is_empty() {
        return Vec::new();
    }
    let degraded = report.states.iter().find_map(|lane| {
        let change = lane.changes.iter().find(|change| change.state == "degraded")?;
        Some((change.at, lane.component.clone()))
    });
    let queued = source.events().find_map(|(at, event)| match event {
        Event::Gauge { name, value: Some(value), .. }
            if name == "journal depth" && *value > 0.0 =>
        {
            Some((at, *value))
        }
        _ => None,
    });
    vec![
        Response {
            name: "Degraded mode".to_owned(),
            activated: Some(degraded.is_some()),
            at: degraded.as_ref().map(|(at, _)| *at),
            evidence: degraded
                .map_or_else(String::new, |(_, who)| format!("{who} says that it is degraded")),
        },
        Response {
            name: "Writes wait in a journal".to_owned(),
            activated: Some(queued.is_some()),
            at: queued.map(|(at, _)| at),
            evidence: queued
                .map_or_else(String::new, |(_, depth)| format!("{depth} writes were seen to wait")),
        },
    ]
}

fn recovery(source: &Source<'_>, about: &About) -> Recovery {
    let find =
        |of: fn(&Event) -> bool| source.events().find(|(_, event)| of(event)).map(|(at, _)| at);
    let steps = source.events().filter_map(|(at, event)| match event {
        Event::Activity { of, name, fine, output, took } if of == "recovery" => Some(Step {
            name: name.clone(),
            automatic: true,
            begin: Moment(at.0.saturating_sub(*took)),
            end: Some(at),
            verdict: Word::from_known(*fine),
            detail: output.clone(),
        }),
        _ => None,
    });
    let broken = source.events().find_map(|(_, event)| match event {
        Event::On { effective, .. } => Some(source.moment(*effective)),
        _ => None,
    });
    Recovery {
        broken,
        restored: find(|event| matches!(event, Event::Recovered { .. })),
        objective: Some(Span::from_millis(about.objective)),
        steps: steps.collect(),
    }
}

/// Each probe of the steady state: the first time that it was asked, and the last.
fn steady(source: &Source<'_>) -> Vec<Steady> {
    let healed = source.events().find(|(_, event)| matches!(event, Event::Healed { .. }));
    let healed = healed.map(|(at, _)| at);
    let mut all: Vec<Steady> = Vec::new();
    for (at, event) in source.events() {
        let Event::Activity { of, name, fine, output, .. } = event else { continue };
        if of != "steady-state-hypothesis" {
            continue;
        }
        let found = Word::from_known(*fine);
        let place = all.iter().position(|one| one.name == *name);
        let place = place.unwrap_or_else(|| {
            let (before, after) = (Word::Unknown, Word::Unknown);
            all.push(Steady { name: name.clone(), before, after, detail: String::new() });
            all.len() - 1
        });
        let Some(own) = all.get_mut(place) else { continue };
        if healed.is_some_and(|healed| at > healed) {
            own.after = found;
        } else {
            own.before = found;
        }
        own.detail.clone_from(output);
    }
    all
}

/// What the run judged by, without what stands among the checks.
fn criteria(source: &Source<'_>, recovery: &Recovery) -> Vec<Criterion> {
    let checked = data::names(source);
    let mut all: Vec<Criterion> = Vec::new();
    for (_, event) in source.events() {
        let Event::Verdict { criteria, .. } = event else { continue };
        let own = criteria.iter().filter(|one| !checked.contains(&one.name));
        all.extend(own.map(|one| Criterion::claim(&one.name, word(one.verdict), &one.evidence)));
    }
    if let (false, Some(objective)) = (all.is_empty(), recovery.objective) {
        let name = "all of the service is there again within the recovery time objective";
        all.push(Criterion::within(name, recovery.took(), objective));
    }
    all
}

/// What the runbook foretells of the reference system, beside what was measured.
fn expected(source: &Source<'_>, phases: &[Stage], about: &About) -> Vec<Expected> {
    if about.variant.is_none() { Vec::new() } else { workload::foretold(source, phases) }
}

/// What happened, in order.
fn events(source: &Source<'_>) -> Vec<Told> {
    let of = |(at, event): (Moment, &Event)| {
        let (kind, text) = match event {
            Event::Phase { phase } => (EventKind::Phase, part(*phase).0.to_owned()),
            Event::On { fault, what, .. } => (EventKind::Fault, format!("{fault} is on: {what}")),
            Event::Off { fault, .. } => (EventKind::Fault, format!("{fault} is off")),
            Event::State { link, from, to, .. } if *from != crate::detect::State::Unknown => {
                (EventKind::Detection, format!("{} is {to}", seen::link(source, *link)))
            }
            Event::Component { component, state } => {
                (EventKind::State, format!("{component} is {state}"))
            }
            Event::Activity { of, name, fine, .. } if of == "recovery" => {
                let fine = match fine {
                    Some(true) => "done",
                    Some(false) => "not fine",
                    None => "not known",
                };
                (EventKind::Recovery, format!("{name}: {fine}"))
            }
            Event::Healed { left, .. } if left.is_empty() => {
                (EventKind::Safety, "everything was taken back".to_owned())
            }
            Event::Healed { left, .. } => {
                (EventKind::Safety, format!("left behind: {}", left.join("; ")))
            }
            Event::Recovered { .. } => {
                (EventKind::Recovery, "all of the service is there again".to_owned())
            }
            Event::Aborted { why } => (EventKind::Incident, why.clone()),
            Event::Checked { name, model, verdict, .. } => {
                (EventKind::Check, format!("{name}: {model}: {}", verdict.word()))
            }
            Event::Note { text } => (EventKind::Note, text.clone()),
            _ => return None,
        };
        Some(Told { at, kind, text })
    };
    source.events().filter_map(of).collect()
}
