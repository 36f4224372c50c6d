//! Tables of what had to hold, what clients tried, how service was restored, and what happened.

use crate::report::{Expectation, Report, Wanted};
use crate::words::{count, figure, moment, span, with_unit};
use crate::{Moment, Verdict};

use super::{Cell, Table, Tone, figures, words};

pub(super) fn criteria(report: &Report) -> Table {
    let columns = [
        words("verdict"),
        words("criterion"),
        figures("measured"),
        figures("allowed"),
        words("evidence"),
    ];
    Table::of("Success criteria", columns, &report.criteria, |criterion| {
        let (measured, allowed) = match &criterion.measure {
            Some(measure) => {
                let sign = match measure.wanted {
                    Wanted::AtMost => "≤",
                    Wanted::AtLeast => "≥",
                };
                let allowed = with_unit(Some(measure.limit), &measure.unit);
                (
                    with_unit(measure.measured, &measure.unit).into(),
                    format!("{sign} {allowed}").into(),
                )
            }
            None => (Cell::from(""), Cell::from("")),
        };
        let lines = criterion.evidence.iter().take(8).cloned();
        let why: Vec<String> = [criterion.why.clone()]
            .into_iter()
            .chain(lines)
            .filter(|line| !line.is_empty())
            .collect();
        vec![
            Cell::verdict(criterion.verdict()),
            criterion.name.as_str().into(),
            measured,
            allowed,
            why.join("\n").into(),
        ]
    })
}

pub(super) fn outcomes(report: &Report) -> Table {
    let columns = [
        words("phase"),
        words("operation"),
        figures("ok"),
        figures("fail"),
        figures("info"),
        figures("ok/s"),
        figures("p50"),
        figures("p99"),
        figures("longest"),
    ];
    let caption = "What clients tried, by phase; info: nobody knows whether it happened";
    Table::of(caption, columns, &report.workload.outcomes, |row| {
        let name = report.workload.operations.get(row.operation);
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
        let rate = (row.during.0 > 0).then(|| row.ok as f64 / row.during.seconds());
        let rate = rate.map_or_else(String::new, |rate| format!("{rate:.1}"));
        let latency = |pick: fn(&crate::Quantiles) -> crate::Span| {
            row.latency.as_ref().map_or_else(
                || Cell::toned("–", Tone::Quiet),
                |found| pick(found).to_string().into(),
            )
        };
        vec![
            row.phase.as_str().into(),
            name.map_or("?", String::as_str).into(),
            count(row.ok).into(),
            count(row.fail).into(),
            count(row.info).into(),
            rate.into(),
            latency(|found| found.p50),
            latency(|found| found.p99),
            latency(|found| found.max),
        ]
    })
}

/// What was foretold of a cell: `200–5000 ms`.
fn foretold(least: Option<f64>, most: Option<f64>, unit: &str) -> String {
    match (least, most) {
        (Some(least), Some(most)) if least.to_bits() == most.to_bits() => {
            with_unit(Some(least), unit)
        }
        (Some(least), Some(most)) => format!("{}–{} {unit}", figure(least), figure(most)),
        (Some(least), None) => format!("≥ {}", with_unit(Some(least), unit)),
        (None, Some(most)) => format!("≤ {}", with_unit(Some(most), unit)),
        (None, None) => "nothing".to_owned(),
    }
}

pub(super) fn expected(report: &Report) -> Table {
    let columns = [
        words("metric"),
        words("phase"),
        figures("foretold"),
        figures("measured"),
        words("result"),
    ];
    let cells: Vec<_> = report
        .expected
        .iter()
        .flat_map(|row| row.cells.iter().map(move |cell| (row, cell)))
        .collect();
    let caption =
        "What the runbook foretold beside what was measured; it is a comparison, not a criterion";
    Table::of(caption, columns, &cells, |(row, cell)| {
        let result = cell.compare(row.wanted);
        let tone = match result {
            Expectation::AsExpected | Expectation::Better => Tone::Good,
            Expectation::Worse => Tone::Bad,
            Expectation::Different | Expectation::Unknown => Tone::Doubt,
        };
        vec![
            row.metric.as_str().into(),
            cell.phase.as_str().into(),
            foretold(cell.least, cell.most, &row.unit).into(),
            with_unit(cell.measured, &row.unit).into(),
            Cell::toned(result.word(), tone),
        ]
    })
}

pub(super) fn responses(report: &Report) -> Table {
    let columns = [words("response"), words("activated"), figures("at"), words("evidence")];
    let caption = "What the system did by itself";
    Table::of(caption, columns, &report.responses, |response| {
        let activated = match response.activated {
            Some(true) => Cell::toned("✓ yes", Tone::Good),
            Some(false) => Cell::toned("✗ no", Tone::Bad),
            None => Cell::toned("? unknown", Tone::Doubt),
        };
        let at =
            if response.activated == Some(false) { String::new() } else { moment(response.at) };
        vec![response.name.as_str().into(), activated, at.into(), response.evidence.as_str().into()]
    })
}

pub(super) fn steps(report: &Report) -> Table {
    let columns = [
        words("verdict"),
        words("step"),
        figures("began"),
        figures("took"),
        words("by"),
        words("what it found or changed"),
    ];
    Table::of("Steps of the recovery", columns, &report.recovery.steps, |step| {
        vec![
            Cell::verdict(step.verdict),
            step.name.as_str().into(),
            step.begin.to_string().into(),
            span(step.end.map(|end| end.since(step.begin))).into(),
            if step.automatic { "itself" } else { "hand" }.into(),
            step.detail.as_str().into(),
        ]
    })
}

pub(super) fn steady(report: &Report) -> Table {
    let columns = [words("steady state"), words("before"), words("after"), words("found")];
    let caption = "The steady state before anything was broken and after everything was mended";
    Table::of(caption, columns, &report.steady, |steady| {
        vec![
            steady.name.as_str().into(),
            Cell::verdict(steady.before),
            Cell::verdict(steady.after),
            steady.detail.as_str().into(),
        ]
    })
}

pub(super) fn events(report: &Report) -> Table {
    let columns = [figures("when"), words("kind"), words("what happened")];
    let mut events: Vec<_> = report.events.iter().collect();
    events.sort_by_key(|event| event.at);
    Table::of("What happened, in order", columns, &events, |event| {
        let kind = event.kind;
        let tone = match kind {
            crate::EventKind::Incident => Verdict::Failed.into(),
            crate::EventKind::Fault => Tone::Plain,
            _ => Tone::Quiet,
        };
        vec![
            event.at.to_string().into(),
            Cell::toned(kind.word(), tone),
            event.text.as_str().into(),
        ]
    })
}

pub(super) fn phases(report: &Report) -> Table {
    let columns = [words("phase"), words("for"), figures("began"), figures("took")];
    let end = |phase: &crate::Phase| -> Option<Moment> { phase.end };
    Table::of("Phases of the run", columns, &report.phases, |phase| {
        vec![
            phase.name.as_str().into(),
            phase.kind.word().into(),
            phase.begin.to_string().into(),
            span(end(phase).map(|end| end.since(phase.begin))).into(),
        ]
    })
}

pub(super) fn versions(report: &Report) -> Table {
    let columns = [words("program"), words("version")];
    Table::of("What took part", columns, &report.run.versions, |version| {
        vec![version.name.as_str().into(), version.version.as_str().into()]
    })
}
