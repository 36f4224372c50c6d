//! Operations as bars from invocation to completion: those of the sample by process, and those of a witness by themselves.

use std::fmt::Write;

use crate::markup::{Markup, cut};
use crate::report::{Outcome, Sample, Witness, Workload};
use crate::{Moment, Span};

use super::{
    Axis, FOOT, Ground, LEFT, Px, RIGHT, WIDTH, Words, line, path, rectangle, row_label, text,
};

/// Processes drawn at most.
const PROCESSES: usize = 24;
/// Operations drawn at most.
const BARS: usize = 4_000;
/// Operations of a witness drawn at most.
const WITNESSES: usize = 30;

/// Operations of the sample, a row for each process. One whose answer never came fades out to the end of its row's next operation.
pub(crate) fn operations(page: &mut Markup, ground: &Ground, workload: &Workload) {
    let shown = workload.processes.len().min(PROCESSES);
    let inside = || workload.samples.iter().filter(|sample| sample.process < shown);
    let stride = inside().count().div_ceil(BARS).max(1);
    let drawn: Vec<&Sample> = inside().step_by(stride).collect();
    let left = workload.processes.len() - shown;
    let shows = format!(
        "{} operations of the sample from invocation to completion, a row for each of {shown} processes.{}",
        drawn.len(),
        if left > 0 { format!(" {left} more processes are not drawn.") } else { String::new() }
    );
    let row = 15.0;
    #[expect(clippy::cast_precision_loss, reason = "at most 24 rows")]
    let top = |process: usize| row * process as f64 + 2.0;
    let words = Words { id: "plot-operations", title: "Operations", shows: &shows };
    ground.panel(page, words, top(shown) + 2.0, |svg| {
        for (place, name) in workload.processes.iter().take(shown).enumerate() {
            row_label(svg, top(place) + 11.0, name);
        }
        for outcome in [Outcome::Ok, Outcome::Info, Outcome::Fail] {
            let mut bars = String::new();
            for sample in drawn.iter().filter(|sample| sample.outcome == outcome) {
                let end = sample.at.after(sample.took.unwrap_or(Span::from_millis(100)));
                let (x, width) = ground.axis.stretch(sample.at, Some(end));
                let (y, tall) = (top(sample.process) + 2.5, row - 5.0);
                // Writing to a string cannot fail.
                let _written =
                    write!(bars, "M{} {}h{}v{}H{}Z", Px(x), Px(y), Px(width), Px(tall), Px(x));
            }
            path(svg, &format!("bars {}", outcome.word()), &bars);
        }
    });
}

/// The operations of a witness, one a row, on an axis of their own.
pub(crate) fn witness(page: &mut Markup, witness: &Witness, number: usize) {
    let shown = &witness.operations[..witness.operations.len().min(WITNESSES)];
    let begin = shown.iter().map(|operation| operation.begin).min().unwrap_or_default();
    let last = shown.iter().map(|operation| operation.end.unwrap_or(operation.begin)).max();
    let axis = Axis::new(Span((last.unwrap_or_default().since(begin).0 / 20).saturating_mul(21)));
    let row = 24.0;
    #[expect(clippy::cast_precision_loss, reason = "at most 30 rows")]
    let height = row * shown.len() as f64 + 4.0;
    let (heading, description) =
        (format!("witness-{number}-title"), format!("witness-{number}-desc"));
    let labelled = format!("{heading} {description}");
    let view = format!("0 0 {WIDTH} {}", Px(height + FOOT));
    let frame: [(&'static str, &dyn std::fmt::Display); 4] =
        [("class", &"plot"), ("viewBox", &view), ("role", &"img"), ("aria-labelledby", &labelled)];
    page.tag("svg", &frame, |svg| {
        svg.leaf("title", &[("id", &heading)], cut(&witness.caption, 200));
        let told: Vec<String> = shown
            .iter()
            .map(|operation| {
                format!("{}: {} ({})", operation.process, operation.what, operation.outcome.word())
            })
            .collect();
        svg.leaf("desc", &[("id", &description)], cut(&told.join("; "), 2_000));
        rectangle(svg, "ground", (LEFT, 0.0), (RIGHT - LEFT, height));
        for tick in axis.ticks() {
            let x = axis.x(tick);
            line(svg, "grid", (x, 0.0), (x, height));
            let anchor = if x > RIGHT - 20.0 { "end" } else { "middle" };
            let label =
                if tick.0 == 0 { begin.to_string() } else { format!("+{}", axis.label(tick)) };
            text(svg, ("tick", anchor), (x, height + 14.0), &label);
        }
        let mut top = 2.0;
        for operation in shown {
            row_label(svg, top + 16.0, &operation.process);
            let end = operation.end.map(|end| Moment(end.since(begin).0));
            let (x, width) = axis.stretch(Moment(operation.begin.since(begin).0), end);
            rectangle(
                svg,
                &format!("bars {}", operation.outcome.word()),
                (x, top + 3.0),
                (width, row - 6.0),
            );
            let words = cut(&operation.what, 60);
            #[expect(clippy::cast_precision_loss, reason = "at most 60")]
            let long = 6.8 * unicode_width::UnicodeWidthStr::width(words.as_str()) as f64;
            let room = width > long + 8.0;
            let beside = RIGHT - x - width > x - LEFT;
            let (class, at) = match (room, beside) {
                (true, _) => (("inside", "start"), x + 5.0),
                (false, true) => (("beside", "start"), x + width + 5.0),
                (false, false) => (("beside", "end"), x - 5.0),
            };
            text(svg, class, (at, top + 16.0), &words);
            top += row;
        }
    });
    page.line();
}
