//! Where the time of detection went: from the request to the first drop, the first miss, the declaration, and the sight of it.

use crate::markup::Markup;
use crate::report::{Detection, Report, Sighting};
use crate::{Moment, Span};

use super::{Axis, FOOT, LEFT, Px, RIGHT, WIDTH, line, rectangle, row_label, text};

/// Directions drawn at most: the slowest.
const ROWS: usize = 16;

/// The parts of the time, with their classes.
const PARTS: [&str; 4] =
    ["to the first drop", "to the first miss", "to the declaration", "to sight"];

/// Draws a bar for each direction that was detected, the slowest first; nothing where none was.
pub(crate) fn split(page: &mut Markup, report: &Report) {
    let mut seen: Vec<&Detection> = report
        .detections
        .iter()
        .filter(|detection| {
            detection.sighting() == Sighting::Detected && detection.took().is_some()
        })
        .collect();
    if seen.is_empty() {
        return;
    }
    seen.sort_by_key(|detection| std::cmp::Reverse(detection.took()));
    let count = seen.len();
    seen.truncate(ROWS);
    let longest = seen.iter().filter_map(|detection| end(detection)).max().unwrap_or_default();
    let axis = Axis::new(Span((longest.0 / 50).saturating_mul(51)));
    page.tag("figure", &[], |page| {
        let keys: Vec<(String, String)> = PARTS
            .iter()
            .zip(0..)
            .map(|(words, number): (&&str, u8)| (format!("split-{number}"), (*words).to_owned()))
            .collect();
        let note = if count > ROWS {
            format!("the {ROWS} slowest of {count}")
        } else {
            "from the request".to_owned()
        };
        crate::html::caption(page, "Where the time of detection went", &note, &keys);
        crate::html::plots(page, "Where the time of detection went", |page| {
            bars(page, axis, &seen);
        });
    });
    page.line();
}

/// The last of a detection's moments, from the request.
fn end(detection: &Detection) -> Option<Span> {
    let requested = detection.requested?;
    let last = [detection.first_drop, detection.first_miss, detection.declared, detection.visible];
    last.into_iter().flatten().max().map(|last| last.since(requested))
}

#[expect(clippy::cast_precision_loss, reason = "at most 16 rows")]
fn bars(page: &mut Markup, axis: Axis, seen: &[&Detection]) {
    let row = 20.0;
    let height = row * seen.len() as f64 + 4.0;
    let view = format!("0 0 {WIDTH} {}", Px(height + FOOT));
    let frame: [(&'static str, &dyn std::fmt::Display); 4] = [
        ("class", &"plot"),
        ("viewBox", &view),
        ("role", &"img"),
        ("aria-labelledby", &"split-title split-desc"),
    ];
    page.tag("svg", &frame, |svg| {
        svg.leaf("title", &[("id", &"split-title")], "Where the time of detection went");
        let told: Vec<String> = seen
            .iter()
            .map(|one| {
                let took = crate::words::span(one.took());
                format!("{} to {}: declared after {took}", one.from, one.to)
            })
            .collect();
        svg.leaf("desc", &[("id", &"split-desc")], crate::markup::cut(&told.join("; "), 2_000));
        rectangle(svg, "ground", (LEFT, 0.0), (RIGHT - LEFT, height));
        for tick in axis.ticks() {
            let x = axis.x(tick);
            line(svg, "grid", (x, 0.0), (x, height));
            let anchor = if x > RIGHT - 20.0 { "end" } else { "middle" };
            text(svg, ("tick", anchor), (x, height + 14.0), &axis.label(tick));
        }
        for (place, detection) in seen.iter().enumerate() {
            let top = row * place as f64 + 2.0;
            row_label(svg, top + 14.0, &format!("{} → {}", detection.from, detection.to));
            parts(svg, axis, detection, top);
        }
    });
}

/// One bar: a part whose end is not known is drawn with the next.
fn parts(svg: &mut Markup, axis: Axis, detection: &Detection, top: f64) {
    let Some(requested) = detection.requested else { return };
    let ends = [detection.first_drop, detection.first_miss, detection.declared, detection.visible];
    let mut from = Moment::START;
    for (end, number) in ends.into_iter().zip(0_u8..) {
        let Some(end) = end else { continue };
        let until = Moment(end.since(requested).0).max(from);
        if until > from {
            let (x, width) = axis.stretch(from, Some(until));
            rectangle(svg, &format!("split-{number}"), (x, top + 3.0), (width, 14.0));
        }
        from = until;
    }
}
