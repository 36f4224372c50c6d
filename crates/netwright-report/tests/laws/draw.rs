//! Odd reports from a stream of numbers.

#![expect(
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    reason = "any number will do, and each fits"
)]

use netwright_report::{
    Bucket, Change, Check, Criterion, DataImpact, Date, Detection, Direction, Duplicate, End,
    Event, EventKind, Execution, Expected, ExpectedCell, Fault, Gauge, Lane, Leadership, Level,
    LinkStates, Loser, Measure, Moment, Outcome, Outcomes, Phase, PhaseKind, Point, Quantiles,
    Recovery, Report, Response, Run, Sample, Series, Span, StateChange, Status, Steady, Step,
    Touched, Verdict, Wanted, Witness, WitnessOperation, Workload,
};

struct Draw<'a> {
    numbers: &'a [u64],
    place: usize,
}

const TEXTS: [&str; 12] = [
    "gateway",
    "postgres",
    "",
    "</svg></style><script>alert(1)</script>",
    "\"'&<>",
    "数据库分区",
    "a\nb\tc",
    "\u{1b}[31mred\u{0}\u{202e}",
    "normal",
    "queue/worker-2.internal.example.com:6379 with a very long name that will not fit anywhere at all",
    "onload=x href=http://example.com",
    "\u{301}\u{301}\u{301}🚀",
];

impl Draw<'_> {
    fn next(&mut self) -> u64 {
        self.place += 1;
        let number = self.numbers[self.place % self.numbers.len()];
        number.rotate_left(u32::try_from(self.place / self.numbers.len() % 64).unwrap())
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        let place = self.below(of.len());
        of[place].clone()
    }

    fn text(&mut self) -> String {
        self.one(&TEXTS).to_owned()
    }

    fn moment(&mut self) -> Moment {
        let number = self.next();
        Moment(number >> self.one(&[0, 20, 34, 40, 44, 60]))
    }

    fn span(&mut self) -> Span {
        Span(self.moment().0)
    }

    fn count(&mut self) -> u64 {
        let number = self.next();
        number >> self.one(&[1, 30, 44, 54, 60])
    }

    fn maybe<T>(&mut self, of: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (!self.next().is_multiple_of(3)).then(|| of(self))
    }

    fn list<T>(&mut self, most: usize, of: impl Fn(&mut Self) -> T) -> Vec<T> {
        let count = self.below(most + 1);
        (0..count).map(|_| of(self)).collect()
    }

    fn value(&mut self) -> f64 {
        // Numbers that JSON holds exactly.
        let eighths = (self.next() >> 30) as f64 / 8.0;
        self.one(&[eighths, -eighths, 0.0, 1e300, -1e300, 0.125])
    }

    fn verdict(&mut self) -> Verdict {
        self.one(&[Verdict::Passed, Verdict::Passed, Verdict::Failed, Verdict::Unknown])
    }

    fn status(&mut self) -> Status {
        self.one(&Status::ALL)
    }

    fn outcome(&mut self) -> Outcome {
        self.one(&[Outcome::Ok, Outcome::Fail, Outcome::Info])
    }

    fn quantiles(&mut self) -> Quantiles {
        Quantiles {
            p50: self.span(),
            p90: self.span(),
            p99: self.span(),
            p999: self.span(),
            max: self.span(),
        }
    }

    fn phase(&mut self) -> Phase {
        let kinds = [
            PhaseKind::Prepare,
            PhaseKind::Baseline,
            PhaseKind::Fault,
            PhaseKind::Heal,
            PhaseKind::Recover,
            PhaseKind::Check,
        ];
        Phase {
            name: self.text(),
            kind: self.one(&kinds),
            begin: self.moment(),
            end: self.maybe(Self::moment),
        }
    }

    fn fault(&mut self) -> Fault {
        Fault {
            id: self.text(),
            kind: self.text(),
            how: self.maybe(Self::text),
            from: self.text(),
            to: self.maybe(Self::text),
            direction: self.one(&[Direction::Both, Direction::Forward, Direction::Back]),
            requested: self.moment(),
            effective: self.maybe(Self::moment),
            ending: self.maybe(Self::moment),
            removed: self.maybe(Self::moment),
            touched: self.maybe(|draw| Touched { packets: draw.count(), bytes: draw.count() }),
            felt: self.maybe(Self::count),
            proof: self.maybe(Self::text),
        }
    }

    fn detection(&mut self) -> Detection {
        Detection {
            from: self.text(),
            to: self.text(),
            fault: self.maybe(Self::text),
            injected: self.maybe(Self::status),
            seen: self.status(),
            requested: self.maybe(Self::moment),
            first_drop: self.maybe(Self::moment),
            first_miss: self.maybe(Self::moment),
            declared: self.maybe(Self::moment),
            visible: self.maybe(Self::moment),
            cleared: self.maybe(Self::moment),
        }
    }

    fn bucket(&mut self) -> Bucket {
        Bucket {
            at: self.moment(),
            ok: self.count(),
            fail: self.count(),
            info: self.count(),
            latency: self.maybe(Self::quantiles),
        }
    }

    fn workload(&mut self) -> Workload {
        let operations = vec![self.text(), self.text()];
        let processes = vec![self.text(), self.text(), self.text()];
        Workload {
            outcomes: self.list(6, |draw| Outcomes {
                phase: draw.text(),
                operation: draw.below(2),
                ok: draw.count(),
                fail: draw.count(),
                info: draw.count(),
                during: draw.span(),
                latency: draw.maybe(Self::quantiles),
            }),
            bucket: self.span(),
            overall: self.list(12, Self::bucket),
            series: self.list(2, |draw| Series {
                operation: draw.below(2),
                buckets: draw.list(6, Self::bucket),
            }),
            samples: self.list(20, |draw| Sample {
                operation: draw.below(2),
                process: draw.below(3),
                at: draw.moment(),
                took: draw.maybe(Self::span),
                outcome: draw.outcome(),
            }),
            operations,
            processes,
        }
    }

    fn witness(&mut self) -> Witness {
        let operation = |draw: &mut Self| WitnessOperation {
            process: draw.text(),
            what: draw.text(),
            begin: draw.moment(),
            end: draw.maybe(Self::moment),
            outcome: draw.outcome(),
        };
        Witness { caption: self.text(), operations: self.list(5, operation) }
    }

    fn data(&mut self) -> DataImpact {
        let execution = |draw: &mut Self| Execution {
            worker: draw.text(),
            begin: draw.moment(),
            end: draw.maybe(Self::moment),
            effect: draw.maybe(|draw| draw.next().is_multiple_of(2)),
        };
        DataImpact {
            acknowledged: self.maybe(Self::count),
            lost: self.maybe(Self::count),
            recovered: self.maybe(Self::count),
            duplicated_deliveries: self.maybe(Self::count),
            duplicated_effects: self.maybe(Self::count),
            stale_reads: self.maybe(Self::count),
            conflicts: self.maybe(Self::count),
            audited_losers: self.maybe(Self::count),
            losers: self.list(3, |draw| Loser {
                key: draw.text(),
                kept: draw.text(),
                lost: draw.text(),
                why: draw.text(),
            }),
            duplicates: self.list(3, |draw| Duplicate {
                job: draw.text(),
                executions: draw.list(4, execution),
            }),
        }
    }

    fn criterion(&mut self) -> Criterion {
        let measure = |draw: &mut Self| Measure {
            measured: draw.maybe(Self::value),
            limit: draw.value(),
            wanted: draw.one(&[Wanted::AtMost, Wanted::AtLeast]),
            unit: draw.text(),
        };
        let mut criterion = Criterion::claim(self.text(), self.verdict(), self.text());
        criterion.evidence = self.list(3, Self::text);
        criterion.measure = self.maybe(measure);
        criterion
    }

    fn expected(&mut self) -> Expected {
        let cell = |draw: &mut Self| ExpectedCell {
            phase: draw.text(),
            least: draw.maybe(Self::value),
            most: draw.maybe(Self::value),
            measured: draw.maybe(Self::value),
        };
        Expected {
            metric: self.text(),
            unit: self.text(),
            wanted: self.maybe(|draw| draw.one(&[Wanted::AtMost, Wanted::AtLeast])),
            cells: self.list(3, cell),
        }
    }

    fn recovery(&mut self) -> Recovery {
        let step = |draw: &mut Self| Step {
            name: draw.text(),
            automatic: draw.next().is_multiple_of(2),
            begin: draw.moment(),
            end: draw.maybe(Self::moment),
            verdict: draw.verdict(),
            detail: draw.text(),
        };
        Recovery {
            broken: self.maybe(Self::moment),
            restored: self.maybe(Self::moment),
            objective: self.maybe(Self::span),
            steps: self.list(3, step),
        }
    }
}

/// A report that the numbers decide.
pub(crate) fn report(numbers: &[u64]) -> Report {
    let mut draw = Draw { numbers, place: 0 };
    let run = Run {
        id: draw.text(),
        began: Date::from_unix(i64::try_from(draw.next() >> 30).unwrap()),
        duration: draw.span(),
        seed: draw.next(),
        end: draw.one(&[
            End::Completed,
            End::Completed,
            End::Interrupted,
            End::Unknown,
            End::Aborted { why: "x".to_owned() },
        ]),
        versions: Vec::new(),
    };
    let mut report = Report::new(draw.text(), run);
    report.example = draw.next().is_multiple_of(2);
    report.scenario.name = draw.text();
    report.scenario.description = draw.text();
    report.phases = draw.list(5, Draw::phase);
    report.faults = draw.list(3, Draw::fault);
    report.safety.rolled_back = draw.verdict();
    report.safety.protected = draw.list(2, Draw::text);
    report.detections = draw.list(6, Draw::detection);
    report.workload = draw.workload();
    let change = |draw: &mut Draw<'_>| Change { at: draw.moment(), status: draw.status() };
    report.connectivity = draw.list(5, |draw| LinkStates {
        from: draw.text(),
        to: draw.text(),
        seen: draw.list(4, change),
    });
    let point = |draw: &mut Draw<'_>| Point { at: draw.moment(), value: draw.maybe(Draw::value) };
    report.gauges = draw.list(3, |draw| Gauge {
        name: draw.text(),
        unit: draw.text(),
        points: draw.list(9, point),
    });
    consequences(&mut draw, &mut report);
    report
}

/// What came of it, and what was found.
fn consequences(draw: &mut Draw<'_>, report: &mut Report) {
    let state = |draw: &mut Draw<'_>| StateChange {
        at: draw.moment(),
        state: draw.text(),
        level: draw.one(&[Level::Good, Level::Degraded, Level::Bad, Level::Unknown]),
    };
    report.states =
        draw.list(4, |draw| Lane { component: draw.text(), changes: draw.list(5, state) });
    report.leaderships = draw.list(4, |draw| Leadership {
        group: draw.text(),
        epoch: draw.count(),
        leader: draw.text(),
        begin: draw.moment(),
        end: draw.maybe(Draw::moment),
    });
    report.checks = draw.list(4, |draw| Check {
        name: draw.text(),
        verdict: draw.verdict(),
        why: draw.text(),
        looked_at: draw.maybe(Draw::count),
        evidence: draw.list(2, Draw::text),
        witness: draw.maybe(Draw::witness),
    });
    report.data = draw.data();
    report.responses = draw.list(2, |draw| Response {
        name: draw.text(),
        activated: draw.maybe(|draw| draw.next().is_multiple_of(2)),
        at: draw.maybe(Draw::moment),
        evidence: draw.text(),
    });
    report.recovery = draw.recovery();
    report.steady = draw.list(2, |draw| Steady {
        name: draw.text(),
        before: draw.verdict(),
        after: draw.verdict(),
        detail: draw.text(),
    });
    report.criteria = draw.list(3, Draw::criterion);
    report.expected = draw.list(2, Draw::expected);
    report.events = draw.list(5, |draw| Event {
        at: draw.moment(),
        kind: draw.one(&[EventKind::Note, EventKind::Incident]),
        text: draw.text(),
    });
    report.lessons.worked = draw.list(2, Draw::text);
}
