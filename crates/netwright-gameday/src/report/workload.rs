//! What clients tried, as the histories tell it.

use netwright_history::Outcome as Ended;
use netwright_report::{
    Expected, ExpectedCell, Gather, Moment, Operation, Outcome, Phase, PhaseKind, Span, Wanted,
    Workload,
};

use super::{Source, data};
use crate::journal::Event;
use crate::run::sample::QUERIES;

/// Refusals that are the right answer: the service was there.
const RIGHT: [&str; 4] = ["mismatch", "led", "fenced", "absent"];

pub(super) fn outcome(ended: Ended) -> Outcome {
    match ended {
        Ended::Ok => Outcome::Ok,
        Ended::Fail => Outcome::Fail,
        Ended::Info => Outcome::Info,
    }
}

/// Calls for each operation of all histories.
fn each(source: &Source<'_>, mut take: impl FnMut(Operation<'_>)) {
    for (_, event) in source.events() {
        let Event::Workload { name, history, .. } = event else { continue };
        let Some(told) = source.histories.get(history) else { continue };
        for operation in &told.operations {
            let Some((at, end)) = data::times(source, operation) else { continue };
            // What only an answer told is no request of a client.
            if operation.extra.as_ref().is_some_and(|extra| extra.attempt == Some(0)) {
                continue;
            }
            let error = operation.extra.as_ref().and_then(|extra| extra.error.as_ref()?.name());
            let right = error.is_some_and(|error| RIGHT.contains(&error));
            let outcome = if right { Outcome::Ok } else { outcome(operation.outcome) };
            take(Operation {
                kind: &format!("{name}: {}", told.name(operation)),
                process: &format!("{name} {}", told.process(operation)),
                at,
                took: end.map(|end| end.since(at)),
                outcome,
            });
        }
    }
}

/// The bounded part of all operations.
pub(super) fn gathered(source: &Source<'_>, phases: &[Phase]) -> Workload {
    let mut gather = Gather::new(phases, source.end().since(Moment::START));
    each(source, |operation| gather.add(operation));
    gather.finish()
}

/// What was measured in a part of the run.
#[derive(Default)]
struct Measured {
    took: Vec<Span>,
    ok: u32,
    tried: u32,
    /// Jobs that were enqueued.
    jobs: u32,
    /// Queries to the database in a minute, each time that they were counted.
    queries: Vec<f64>,
    /// How long it was.
    during: f64,
}

impl Measured {
    /// The median time of an answer, in milliseconds.
    fn latency(&mut self) -> Option<f64> {
        self.took.sort_unstable();
        // No more digits than mean something.
        self.took.get(self.took.len() / 2).map(|took| (took.seconds() * 10_000.0).round() / 10.0)
    }

    fn success(&self) -> Option<f64> {
        (self.tried > 0)
            .then(|| (f64::from(self.ok) * 1_000.0 / f64::from(self.tried)).floor() / 10.0)
    }

    fn queries_a_minute(&self) -> Option<f64> {
        let count = u32::try_from(self.queries.len()).ok().filter(|count| *count > 0)?;
        Some((self.queries.iter().sum::<f64>() / f64::from(count)).round())
    }

    fn jobs_a_minute(&self) -> Option<f64> {
        (self.during > 0.0 && self.jobs > 0)
            .then(|| (f64::from(self.jobs) * 60.0 / self.during).round())
    }
}

/// The runbook's table of what performance is like before, during and after, beside what was measured.
pub(super) fn foretold(source: &Source<'_>, phases: &[Phase]) -> Vec<Expected> {
    let kinds = [PhaseKind::Baseline, PhaseKind::Fault, PhaseKind::Recover];
    let mut parts = [Measured::default(), Measured::default(), Measured::default()];
    let place = |at: Moment| {
        let phase = phases.iter().rfind(|phase| phase.begin <= at)?;
        kinds.iter().position(|kind| *kind == phase.kind)
    };
    each(source, |operation| {
        let Some(part) = place(operation.at).and_then(|place| parts.get_mut(place)) else { return };
        part.tried += 1;
        if operation.outcome == Outcome::Ok {
            part.ok += 1;
            part.took.extend(operation.took);
            part.jobs += u32::from(operation.kind.ends_with("enqueue"));
        }
    });
    for (at, event) in source.events() {
        let Event::Gauge { name, value: Some(value), .. } = event else { continue };
        if let (true, Some(part)) =
            (name == QUERIES, place(at).and_then(|place| parts.get_mut(place)))
        {
            part.queries.push(*value);
        }
    }
    for phase in phases {
        let own = kinds.iter().position(|kind| *kind == phase.kind);
        if let Some(part) = own.and_then(|place| parts.get_mut(place)) {
            part.during += phase.end.unwrap_or(source.end()).since(phase.begin).seconds();
        }
    }
    let latency = parts.each_mut().map(Measured::latency);
    let success = parts.each_ref().map(Measured::success);
    let jobs = parts.each_ref().map(Measured::jobs_a_minute);
    let queries = parts.each_ref().map(Measured::queries_a_minute);
    vec![
        row(
            ("API latency, median", "ms", Wanted::AtMost),
            latency,
            [(0.0, 50.0), (200.0, 5_000.0), (0.0, 100.0)],
        ),
        row(
            ("success rate", "%", Wanted::AtLeast),
            success,
            [(99.9, 100.0), (40.0, 60.0), (95.0, 100.0)],
        ),
        row(
            ("jobs taken in", "1/min", Wanted::AtLeast),
            jobs,
            [(1_000.0, f64::INFINITY), (0.0, 500.0), (800.0, f64::INFINITY)],
        ),
        row(
            ("database queries", "1/min", Wanted::AtLeast),
            queries,
            [(5_000.0, f64::INFINITY), (0.0, 500.0), (4_000.0, f64::INFINITY)],
        ),
    ]
}

fn row(
    (metric, unit, wanted): (&str, &str, Wanted),
    measured: [Option<f64>; 3],
    foretold: [(f64, f64); 3],
) -> Expected {
    let names = ["normal", "during the partition", "recovery"];
    let cells =
        names.into_iter().zip(measured).zip(foretold).map(|((phase, measured), (least, most))| {
            ExpectedCell {
                phase: phase.to_owned(),
                least: Some(least),
                most: Some(most).filter(|most| most.is_finite()),
                measured,
            }
        });
    Expected {
        metric: metric.to_owned(),
        unit: unit.to_owned(),
        wanted: Some(wanted),
        cells: cells.collect(),
    }
}
