//! How much was tried, how much of it happened, and what piled up meanwhile.

use std::fmt::Write;

use crate::Span;
use crate::markup::Markup;
use crate::report::{Bucket, Gauge, Workload};

use super::axis::{Height, number_of};
use super::latency::{scale, steps};
use super::{Ground, Px, Words, path};

#[expect(clippy::cast_precision_loss, reason = "a place in a drawing")]
fn per_second(count: u64, bucket: Span) -> f64 {
    count as f64 / bucket.seconds().max(1e-6)
}

fn tried(bucket: &Bucket) -> u64 {
    bucket.ok.saturating_add(bucket.info).saturating_add(bucket.fail)
}

/// An area under steps.
fn area(ground: &Ground, workload: &Workload, floor: f64, y: impl Fn(&Bucket) -> f64) -> String {
    let mut drawn = String::new();
    for bucket in workload.overall.iter().take(2_000) {
        let from = ground.axis.x(bucket.at);
        let until = ground.axis.x(bucket.at.after(workload.bucket));
        let (top, floor) = (Px(y(bucket)), Px(floor));
        // Writing to a string cannot fail.
        let _written =
            write!(drawn, "M{0} {floor}L{0} {top}L{1} {top}L{1} {floor}Z", Px(from), Px(until));
    }
    drawn
}

/// Operations a second, those that happened below those of which nobody knows and those that did not.
pub(crate) fn rates(page: &mut Markup, ground: &Ground, workload: &Workload) {
    let tall = 110.0;
    let rate = |bucket: &Bucket| per_second(tried(bucket), workload.bucket);
    let height = Height::linear(workload.overall.iter().map(rate), 6.0, tall);
    let most = workload.overall.iter().map(rate).fold(0.0_f64, f64::max);
    let shows = format!(
        "Operations invoked a second by what became of them, in stretches of {}; at most {} a second.",
        workload.bucket,
        number_of(most)
    );
    let words = Words { id: "plot-rates", title: "Rates", shows: &shows };
    ground.panel(page, words, tall, |svg| {
        scale(svg, &height);
        let level = |count: u64| height.y(per_second(count, workload.bucket));
        let all = area(ground, workload, tall, |bucket| level(tried(bucket)));
        path(svg, "area fail", &all);
        let known = |bucket: &Bucket| level(bucket.ok.saturating_add(bucket.info));
        path(svg, "area info", &area(ground, workload, tall, known));
        path(svg, "area ok", &area(ground, workload, tall, |bucket| level(bucket.ok)));
    });
}

/// The share of what was tried that happened.
pub(crate) fn success(page: &mut Markup, ground: &Ground, workload: &Workload) {
    let tall = 80.0;
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = |bucket: &Bucket| {
        let tried = tried(bucket);
        (tried > 0).then(|| bucket.ok as f64 / tried as f64 * 100.0)
    };
    let height = Height::linear([0.0, 100.0].into_iter(), 6.0, tall - 2.0);
    let least = workload.overall.iter().filter_map(share).fold(f64::INFINITY, f64::min);
    let least = if least.is_finite() {
        format!("; in the worst stretch {} %", number_of(least))
    } else {
        String::new()
    };
    let shows = format!("The share of operations that happened, in per cent{least}.");
    let words = Words { id: "plot-success", title: "Success", shows: &shows };
    ground.panel(page, words, tall, |svg| {
        scale(svg, &height);
        let line = steps(ground, &workload.overall, workload.bucket, |bucket| {
            share(bucket).map(|share| height.y(share))
        });
        path(svg, "share", &line);
    });
}

/// Something that rises and falls. Where it could not be read, nothing is drawn.
pub(crate) fn gauge(page: &mut Markup, ground: &Ground, gauge: &Gauge, number: usize) {
    let gauge = gauge.thinned(1_200);
    let tall = 80.0;
    let values = || gauge.points.iter().filter_map(|point| point.value);
    let height = Height::linear(values(), 6.0, tall - 2.0);
    let most = values()
        .fold(None, |most: Option<f64>, value| Some(most.map_or(value, |most| most.max(value))));
    let most = most.map_or_else(
        || "nothing was read".to_owned(),
        |most| format!("at most {} {}", number_of(most), gauge.unit),
    );
    let shows = format!("{} over time; {most}.", gauge.name);
    let id = format!("plot-gauge-{number}");
    let words = Words { id: &id, title: &gauge.name, shows: &shows };
    ground.panel(page, words, tall, |svg| {
        scale(svg, &height);
        let mut drawn = String::new();
        let ends = gauge.points.iter().skip(1).map(|next| next.at);
        let mut open = false;
        for (point, end) in gauge.points.iter().zip(ends.chain([ground.axis.end()])) {
            let Some(value) = point.value else {
                open = false;
                continue;
            };
            let (letter, y) = (if open { 'L' } else { 'M' }, Px(height.y(value)));
            let (from, until) = (Px(ground.axis.x(point.at)), Px(ground.axis.x(end.max(point.at))));
            open = true;
            // Writing to a string cannot fail.
            let _written = write!(drawn, "{letter}{from} {y}L{until} {y}");
        }
        path(svg, "level", &drawn);
    });
}
