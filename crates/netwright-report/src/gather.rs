//! From any number of operations to the bounded part of a report that tables and plots need: counts for each phase and stretch of time,
//! and of each stretch the slowest operations, some that did not succeed, and a few of the others.

use std::collections::HashMap;

use crate::histogram::Histogram;
use crate::{
    Bucket, Gauge, Moment, Outcome, Outcomes, Phase, Point, Sample, Series, Span, Workload,
};

/// Stretches of time at most.
const STRETCHES: u64 = 300;
/// Kinds of operations at most; whatever comes later is counted together.
const KINDS: usize = 24;
/// Processes at most; whatever comes later is shown together.
const PROCESSES: usize = 256;
/// Of each stretch, so many of the slowest, so many that did not succeed, and so many others.
const KEPT: usize = 4;
/// The name of what is counted together.
const OTHERS: &str = "others";
/// The phase of what was invoked outside of all.
const OUTSIDE: &str = "outside the phases";

/// An operation as the history has it.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    /// Its kind, such as `write`.
    pub kind: &'a str,
    /// Who invoked it.
    pub process: &'a str,
    /// When it was invoked.
    pub at: Moment,
    /// How long its answer took; `None` if none came.
    pub took: Option<Span>,
    /// What became of it.
    pub outcome: Outcome,
}

/// Takes operations one by one, in any order, and holds a bounded part of them. The same operations in the same order give the same
/// part.
#[derive(Debug)]
pub struct Gather {
    phases: Vec<Phase>,
    duration: Span,
    bucket: Span,
    kinds: Names,
    processes: Names,
    /// Counts by phase (the last is outside of all) and kind.
    by_phase: Vec<Vec<Count>>,
    /// Counts by kind and stretch.
    by_time: Vec<Vec<Count>>,
    kept: Vec<Kept>,
    seen: u64,
}

#[derive(Debug, Default)]
struct Names {
    list: Vec<String>,
    places: HashMap<String, usize>,
    limit: usize,
}

impl Names {
    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let name = if self.list.len() + 1 >= self.limit { OTHERS } else { name };
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        self.list.push(name.to_owned());
        self.places.insert(name.to_owned(), self.list.len() - 1);
        self.list.len() - 1
    }
}

#[derive(Debug, Clone, Default)]
struct Count {
    ok: u64,
    fail: u64,
    info: u64,
    latency: Histogram,
}

impl Count {
    fn add(&mut self, outcome: Outcome, took: Option<Span>) {
        match outcome {
            Outcome::Ok => {
                self.ok += 1;
                if let Some(took) = took {
                    self.latency.add(took);
                }
            }
            Outcome::Fail => self.fail += 1,
            Outcome::Info => self.info += 1,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.ok += other.ok;
        self.fail += other.fail;
        self.info += other.info;
        self.latency.merge(&other.latency);
    }

    const fn is_empty(&self) -> bool {
        self.ok == 0 && self.fail == 0 && self.info == 0
    }
}

/// What is kept of a stretch, each with the rank it was kept for: the lowest stay.
#[derive(Debug, Clone, Default)]
struct Kept {
    slowest: Vec<(u64, Sample)>,
    others: Vec<(u64, Sample)>,
    unsuccessful: Vec<(u64, Sample)>,
}

/// Keeps the lowest ranks; what had to go is returned.
fn keep(list: &mut Vec<(u64, Sample)>, rank: u64, sample: Sample) -> Option<Sample> {
    let place = list.partition_point(|(other, _)| *other <= rank);
    if place >= KEPT {
        return Some(sample);
    }
    list.insert(place, (rank, sample));
    if list.len() > KEPT { list.pop().map(|(_, sample)| sample) } else { None }
}

/// A number that scatters 1, 2, 3… evenly, so that keeping the lowest is a fair draw.
const fn scatter(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A round length of time of which at most [`STRETCHES`] fill the duration.
fn stretch(duration: Span) -> Span {
    let least = duration.0.div_ceil(STRETCHES).max(1_000);
    let mut power = 1_000_u64;
    loop {
        for factor in [1, 2, 5] {
            let length = power.saturating_mul(factor);
            if length >= least {
                return Span(length);
            }
        }
        power = power.saturating_mul(10);
    }
}

impl Gather {
    /// For a run of that length with those phases.
    #[must_use]
    pub fn new(phases: &[Phase], duration: Span) -> Self {
        let bucket = stretch(duration);
        let stretches = usize::try_from(duration.0 / bucket.0).unwrap_or(0) + 1;
        Self {
            by_phase: vec![Vec::new(); phases.len() + 1],
            phases: phases.to_vec(),
            duration,
            bucket,
            kinds: Names { limit: KINDS, ..Names::default() },
            processes: Names { limit: PROCESSES, ..Names::default() },
            by_time: Vec::new(),
            kept: vec![Kept::default(); stretches],
            seen: 0,
        }
    }

    /// Takes an operation. One that was invoked after the end belongs to the last stretch.
    pub fn add(&mut self, operation: Operation<'_>) {
        let Operation { kind, process, at, took, outcome } = operation;
        let (kind, process) = (self.kinds.place(kind), self.processes.place(process));
        let within = |phase: &Phase| phase.begin <= at && phase.end.is_none_or(|end| at < end);
        let phase = self.phases.iter().rposition(within).unwrap_or(self.phases.len());
        let row = &mut self.by_phase[phase];
        row.resize(row.len().max(kind + 1), Count::default());
        row[kind].add(outcome, took);
        self.by_time.resize(self.by_time.len().max(kind + 1), Vec::new());
        let row = &mut self.by_time[kind];
        let place = usize::try_from(at.0 / self.bucket.0).unwrap_or(usize::MAX);
        let place = place.min(self.kept.len() - 1);
        row.resize(row.len().max(place + 1), Count::default());
        row[place].add(outcome, took);
        self.seen += 1;
        let draw = scatter(self.seen);
        let sample = Sample { operation: kind, process, at, took, outcome };
        let kept = &mut self.kept[place];
        if outcome != Outcome::Ok {
            keep(&mut kept.unsuccessful, draw, sample);
            return;
        }
        let slowness = u64::MAX - took.unwrap_or_default().0;
        if let Some(rest) = keep(&mut kept.slowest, slowness, sample) {
            keep(&mut kept.others, draw, rest);
        }
    }

    /// The part that was kept.
    #[must_use]
    pub fn finish(self) -> Workload {
        let outcomes = self.outcomes();
        let row = |(operation, row): (usize, &Vec<Count>)| Series {
            operation,
            buckets: self.buckets(row),
        };
        let series = self.by_time.iter().enumerate().map(row).collect();
        let mut all = vec![Count::default(); self.kept.len()];
        for row in &self.by_time {
            for (total, count) in all.iter_mut().zip(row) {
                total.merge(count);
            }
        }
        let overall = self.buckets(&all);
        let mut samples: Vec<Sample> = self
            .kept
            .into_iter()
            .flat_map(|kept| [kept.slowest, kept.others, kept.unsuccessful].into_iter().flatten())
            .map(|(_, sample)| sample)
            .collect();
        samples.sort_by_key(|sample| (sample.at, sample.process, sample.operation, sample.took));
        Workload {
            operations: self.kinds.list,
            processes: self.processes.list,
            outcomes,
            bucket: self.bucket,
            overall,
            series,
            samples,
        }
    }

    fn buckets(&self, row: &[Count]) -> Vec<Bucket> {
        let filled = row.iter().zip(0_u64..).filter(|(count, _)| !count.is_empty());
        let bucket = |(count, place): (&Count, u64)| Bucket {
            at: Moment(place * self.bucket.0),
            ok: count.ok,
            fail: count.fail,
            info: count.info,
            latency: count.latency.quantiles(),
        };
        filled.map(bucket).collect()
    }

    fn outcomes(&self) -> Vec<Outcomes> {
        let mut rows = Vec::new();
        for (place, counts) in self.by_phase.iter().enumerate() {
            let phase = self.phases.get(place);
            let end = Moment(self.duration.0);
            let during = phase.map(|phase| phase.end.unwrap_or(end).since(phase.begin));
            for (operation, count) in
                counts.iter().enumerate().filter(|(_, count)| !count.is_empty())
            {
                rows.push(Outcomes {
                    phase: phase.map_or_else(|| OUTSIDE.to_owned(), |phase| phase.name.clone()),
                    operation,
                    ok: count.ok,
                    fail: count.fail,
                    info: count.info,
                    during: during.unwrap_or_default(),
                    latency: count.latency.quantiles(),
                });
            }
        }
        rows
    }
}

impl Gauge {
    /// At most `limit` points or so that look the same when drawn: of each stretch the first, the lowest, the highest and the last.
    #[must_use]
    pub fn thinned(&self, limit: usize) -> Self {
        let size = self.points.len().div_ceil((limit / 4).max(1));
        if size <= 4 {
            return self.clone();
        }
        let mut points: Vec<Point> = Vec::new();
        for stretch in self.points.chunks(size) {
            let by = |one: &&Point, other: &&Point| {
                let value = |point: &Point| point.value.unwrap_or(f64::NAN);
                value(one).total_cmp(&value(other))
            };
            let known = || stretch.iter().filter(|point| point.value.is_some());
            let gap = stretch.iter().find(|point| point.value.is_none());
            let mut chosen: Vec<Point> =
                [stretch.first(), known().min_by(by), known().max_by(by), gap, stretch.last()]
                    .into_iter()
                    .flatten()
                    .copied()
                    .collect();
            chosen.sort_by_key(|point| point.at);
            chosen.dedup();
            points.extend(chosen);
        }
        Self { name: self.name.clone(), unit: self.unit.clone(), points }
    }
}

#[cfg(test)]
mod tests {
    use super::{Gather, Operation};
    use crate::{Gauge, Moment, Outcome, Phase, PhaseKind, Point, Span};
    use proptest::prelude::*;

    fn phases() -> Vec<Phase> {
        let phase = |name: &str, kind, begin, end| Phase {
            name: name.to_owned(),
            kind,
            begin: Moment::from_millis(begin),
            end: Some(Moment::from_millis(end)),
        };
        vec![
            phase("normal", PhaseKind::Baseline, 0, 10_000),
            phase("cut", PhaseKind::Fault, 10_000, 20_000),
        ]
    }

    #[test]
    fn an_operation_belongs_to_the_phase_it_was_invoked_in() {
        let mut gather = Gather::new(&phases(), Span::from_secs(30));
        for (at, outcome) in
            [(9_999, Outcome::Ok), (10_000, Outcome::Fail), (25_000, Outcome::Info)]
        {
            gather.add(Operation {
                kind: "write",
                process: "p1",
                at: Moment::from_millis(at),
                took: Some(Span::from_millis(5_000)),
                outcome,
            });
        }
        let outcomes = gather.finish().outcomes;
        let told: Vec<_> =
            outcomes.iter().map(|row| (row.phase.as_str(), row.ok, row.fail, row.info)).collect();
        assert_eq!(told, [("normal", 1, 0, 0), ("cut", 0, 1, 0), ("outside the phases", 0, 0, 1)]);
    }

    #[test]
    fn a_million_operations_leave_a_bounded_part_with_the_slowest_in_it() {
        let mut gather = Gather::new(&phases(), Span::from_secs(20));
        for number in 0..1_000_000_u64 {
            let slow = number == 777_777;
            gather.add(Operation {
                kind: if number % 3 == 0 { "read" } else { "write" },
                process: ["a", "b", "c"][usize::try_from(number % 3).unwrap()],
                at: Moment(number * 20),
                took: Some(Span(if slow { 9_000_000 } else { 1_000 + number % 500 })),
                outcome: if number % 1_000 == 1 { Outcome::Fail } else { Outcome::Ok },
            });
        }
        let workload = gather.finish();
        assert!(workload.samples.len() <= 301 * 12, "{}", workload.samples.len());
        assert!(workload.samples.iter().any(|sample| sample.took == Some(Span(9_000_000))));
        let tried: u64 = workload.outcomes.iter().map(super::Outcomes::tried).sum();
        assert_eq!(tried, 1_000_000);
        let drawn: u64 = workload
            .series
            .iter()
            .flat_map(|series| &series.buckets)
            .map(|bucket| bucket.ok + bucket.fail + bucket.info)
            .sum();
        assert_eq!(drawn, 1_000_000);
        assert!(serde_json::to_string(&workload).unwrap().len() < 1_500_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn kinds_and_processes_are_bounded_whatever_comes(names in prop::collection::vec("[a-z]{1,4}", 0..600)) {
            let mut gather = Gather::new(&[], Span(1));
            for name in &names {
                let took = Some(Span(7));
                gather.add(Operation { kind: name, process: name, at: Moment(u64::MAX), took, outcome: Outcome::Ok });
            }
            let workload = gather.finish();
            prop_assert!(workload.operations.len() <= 24);
            prop_assert!(workload.processes.len() <= 256);
            prop_assert_eq!(workload.outcomes.iter().map(|row| row.ok).sum::<u64>(), names.len() as u64);
        }

        #[test]
        fn a_thinned_gauge_keeps_its_lowest_and_highest(values in prop::collection::vec(prop::option::of(-1e6..1e6_f64), 0..3_000)) {
            let points = values.iter().zip(0..).map(|(value, at)| Point { at: Moment(at), value: *value }).collect();
            let gauge = Gauge { name: "depth".to_owned(), unit: "jobs".to_owned(), points };
            let thinned = gauge.thinned(400);
            prop_assert!(thinned.points.len() <= 600);
            let range = |gauge: &Gauge| gauge.points.iter().filter_map(|point| point.value)
                .fold(None, |range: Option<(f64, f64)>, value| {
                    Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
                });
            prop_assert_eq!(range(&gauge), range(&thinned));
            prop_assert!(thinned.points.is_sorted_by_key(|point| point.at));
        }
    }
}
