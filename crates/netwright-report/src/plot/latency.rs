//! How long operations took, one by one and in quantiles, on a logarithmic scale.

use std::fmt::Write;

use crate::markup::Markup;
use crate::report::{Bucket, Outcome, Quantiles, Workload};
use crate::{Moment, Span};

use super::axis::Height;
use super::{Ground, LEFT, Px, RIGHT, Words, line, path, text};

/// Operations drawn at most.
const POINTS: usize = 5_000;

/// Lines of a scale across a panel, labelled at the left.
pub(super) fn scale(svg: &mut Markup, height: &Height) {
    for (y, label) in height.ticks() {
        line(svg, "grid", (LEFT, y), (RIGHT, y));
        text(svg, ("tick", "end"), (LEFT - 8.0, y + 4.0), &label);
    }
}

/// A line in steps through the values of buckets; it breaks where a bucket has none.
pub(super) fn steps(
    ground: &Ground,
    buckets: &[Bucket],
    width: Span,
    y: impl Fn(&Bucket) -> Option<f64>,
) -> String {
    let mut drawn = String::new();
    let mut before: Option<Moment> = None;
    for bucket in buckets.iter().take(2_000) {
        let Some(y) = y(bucket) else {
            before = None;
            continue;
        };
        let until = bucket.at.after(width);
        let letter = if before == Some(bucket.at) { 'L' } else { 'M' };
        before = Some(until);
        let (from, until) = (Px(ground.axis.x(bucket.at)), Px(ground.axis.x(until)));
        let y = Px(y);
        // Writing to a string cannot fail.
        let _written = write!(drawn, "{letter}{from} {y}L{until} {y}");
    }
    drawn
}

/// Each operation of the sample as a dot, and the quantiles of all as lines.
pub(crate) fn latency(page: &mut Markup, ground: &Ground, workload: &Workload) {
    let stride = workload.samples.len().div_ceil(POINTS).max(1);
    let drawn: Vec<(Moment, Span, Outcome)> = workload
        .samples
        .iter()
        .step_by(stride)
        .filter_map(|sample| Some((sample.at, sample.took?, sample.outcome)))
        .collect();
    let quantiles = || workload.overall.iter().filter_map(|bucket| bucket.latency);
    let values = drawn.iter().map(|(_, took, _)| *took);
    let values = values.chain(quantiles().flat_map(|found| [found.p50, found.p99, found.max]));
    let tall = 200.0;
    let height = Height::powers(values, 6.0, tall - 4.0);
    let longest = quantiles().map(|found| found.max).max();
    let shows = format!(
        "Dots are {} operations of the sample by when they were invoked and how long their answer took; lines are the median and the 99th percentile of all that happened. {}",
        drawn.len(),
        longest.map_or_else(String::new, |longest| format!("The longest took {longest}."))
    );
    let words = Words { id: "plot-latency", title: "Latency", shows: &shows };
    ground.panel(page, words, tall, |svg| {
        scale(svg, &height);
        for outcome in [Outcome::Ok, Outcome::Info, Outcome::Fail] {
            let mut dots = String::new();
            for (at, took, _) in drawn.iter().filter(|(_, _, one)| *one == outcome) {
                // Writing to a string cannot fail.
                let _written =
                    write!(dots, "M{} {}h0", Px(ground.axis.x(*at)), Px(height.of(*took)));
            }
            path(svg, &format!("dots {}", outcome.word()), &dots);
        }
        let mut quantile = |class: &str, pick: fn(&Quantiles) -> Span| {
            let y = |bucket: &Bucket| Some(height.of(pick(&bucket.latency?)));
            path(svg, class, &steps(ground, &workload.overall, workload.bucket, y));
        };
        quantile("median", |found| found.p50);
        quantile("tail", |found| found.p99);
    });
}
