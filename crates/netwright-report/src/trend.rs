//! Several runs side by side: the verdict and the figures of each in order of time.

use crate::markup::Markup;
use crate::plot::{Small, small};
use crate::report::Report;
use crate::tables::{Cell, Column, Table, figures, words};
use crate::text::{Look, table, verdict};
use crate::words::{known, percent, span};
use crate::{Summary, Verdict};

/// Runs of a trend at most; the latest are shown.
const RUNS: usize = 100;

/// The runs in order of time.
pub(crate) fn ordered(reports: &[Report]) -> Vec<&Report> {
    let mut ordered: Vec<&Report> = reports.iter().collect();
    ordered.sort_by(|one, other| {
        (&one.run.began, &one.run.id).cmp(&(&other.run.began, &other.run.id))
    });
    ordered
}

fn latest(reports: &[Report]) -> Vec<(&Report, Summary)> {
    let ordered = ordered(reports);
    let from = ordered.len().saturating_sub(RUNS);
    ordered[from..].iter().map(|report| (*report, Summary::of(report))).collect()
}

fn runs(shown: &[(&Report, Summary)], all: usize) -> Table {
    let columns: Vec<Column> = vec![
        words("began"),
        words("run"),
        words("verdict"),
        figures("recovery"),
        figures("detection p99"),
        figures("missed"),
        figures("lost"),
        figures("doubled"),
        figures("success"),
    ];
    let row = |(report, summary): &(&Report, Summary)| -> Vec<Cell> {
        let example = if report.example { " (example)" } else { "" };
        vec![
            report.run.began.long().trim_end_matches(" UTC").into(),
            format!("{}{example}", report.title).into(),
            Cell::verdict(summary.verdict),
            span(summary.recovery_time).into(),
            span(summary.detection.p99).into(),
            summary.detection.missed.to_string().into(),
            known(summary.lost).into(),
            known(summary.duplicated_effects).into(),
            percent(summary.success_under_faults).into(),
        ]
    };
    Table {
        caption: "Runs in order of time (UTC)",
        columns,
        rows: shown.iter().map(row).collect(),
        left: all - shown.len(),
    }
}

fn tally(shown: &[(&Report, Summary)]) -> String {
    let of =
        |verdict: Verdict| shown.iter().filter(|(_, summary)| summary.verdict == verdict).count();
    format!(
        "{} runs: {} passed, {} failed, {} unknown",
        shown.len(),
        of(Verdict::Passed),
        of(Verdict::Failed),
        of(Verdict::Unknown)
    )
}

/// Several runs for a terminal.
#[must_use]
pub fn trend_text(reports: &[Report], paint: Look) -> String {
    let shown = latest(reports);
    let Some((_, last)) = shown.last() else {
        return "no runs\n".to_owned();
    };
    let last = verdict(last.verdict, paint);
    let mut out = format!("{}; the latest: {last}\n", tally(&shown));
    out += &table(&runs(&shown, reports.len()), paint);
    out
}

/// Several runs as a page.
#[must_use]
pub fn trend_html(reports: &[Report]) -> String {
    let shown = latest(reports);
    crate::html::page("Trend over game days", |page| {
        page.tag("header", &[("class", &"top")], |page| {
            page.leaf("p", &[("class", &"kind")], "Game days · trend");
            page.leaf("h1", &[], tally(&shown));
            if let (Some((first, _)), Some((last, summary))) = (shown.first(), shown.last()) {
                let (from, until) = (first.run.began.day(), last.run.began.day());
                let word = summary.verdict.word();
                page.leaf(
                    "p",
                    &[("class", &"facts")],
                    format!("{from} to {until} · the latest {word}"),
                );
            }
        });
        page.tag("main", &[("id", &"main")], |page| {
            page.tag(
                "section",
                &[("class", &"smalls"), ("aria-label", &"Small multiples")],
                |page| {
                    multiples(page, &shown);
                },
            );
            crate::html::table(page, &runs(&shown, reports.len()));
        });
    })
}

/// Takes a figure from a summary.
type Pick = fn(&Summary) -> Option<f64>;

#[expect(clippy::cast_precision_loss, reason = "places in a drawing")]
fn multiples(page: &mut Markup, shown: &[(&Report, Summary)]) {
    let verdicts: Vec<Verdict> = shown.iter().map(|(_, summary)| summary.verdict).collect();
    let all: [(&str, &str, &str, Pick); 5] = [
        ("trend-recovery", "Recovery time", "s", |summary| {
            summary.recovery_time.map(crate::Span::seconds)
        }),
        ("trend-detection", "Detection, 99th percentile", "s", |summary| {
            summary.detection.p99.map(crate::Span::seconds)
        }),
        ("trend-lost", "Acknowledged writes lost", "", |summary| {
            summary.lost.map(|lost| lost as f64)
        }),
        ("trend-doubled", "Duplicated effects", "", |summary| {
            summary.duplicated_effects.map(|number| number as f64)
        }),
        ("trend-success", "Success under faults", "%", |summary| {
            summary.success_under_faults.map(|share| share * 100.0)
        }),
    ];
    for (id, title, unit, pick) in all {
        let values: Vec<Option<f64>> = shown.iter().map(|(_, summary)| pick(summary)).collect();
        small(page, &Small { id, title, unit, values: &values, verdicts: &verdicts });
    }
}
