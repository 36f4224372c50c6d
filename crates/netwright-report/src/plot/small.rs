//! Small multiples: one figure of each run, in order of time.

use crate::Verdict;
use crate::markup::Markup;
use crate::words::with_unit;

use super::axis::Height;
use super::{Px, line, path, rectangle, text};

/// One figure over runs.
#[derive(Debug)]
pub(crate) struct Small<'a> {
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) unit: &'a str,
    /// One for each run; `None` where it is not known.
    pub(crate) values: &'a [Option<f64>],
    /// The run's verdict.
    pub(crate) verdicts: &'a [Verdict],
}

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 120.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 310.0;
const FLOOR: f64 = 96.0;
/// So many verdicts have room for their marks; more are told by colour, and by the table.
const LABELLED: usize = 24;

/// Draws it: a dot for each run, a mark on the floor where the figure is not known, and the verdicts under it.
#[expect(clippy::cast_precision_loss, reason = "a place in a drawing")]
pub(crate) fn small(page: &mut Markup, what: &Small<'_>) {
    let height = Height::linear(what.values.iter().flatten().copied(), 10.0, FLOOR);
    let steps = what.values.len().saturating_sub(1).max(1) as f64;
    let x =
        |place: usize| (RIGHT - LEFT - 12.0).mul_add((place as f64 / steps).min(1.0), LEFT + 6.0);
    let last = what.values.last().copied().flatten();
    let labelled = format!("{0}-title {0}-desc", what.id);
    let view = format!("0 0 {WIDTH} {HEIGHT}");
    page.tag("figure", &[], |page| {
        page.tag("figcaption", &[], |page| {
            page.leaf("strong", &[], what.title);
            page.leaf("span", &[], format!(" latest {}", with_unit(last, what.unit)));
        });
        let frame: [(&'static str, &dyn std::fmt::Display); 4] = [
            ("class", &"small"),
            ("viewBox", &view),
            ("role", &"img"),
            ("aria-labelledby", &labelled),
        ];
        page.tag("svg", &frame, |svg| {
            svg.leaf("title", &[("id", &format!("{}-title", what.id))], what.title);
            let told: Vec<String> =
                what.values.iter().map(|value| with_unit(*value, what.unit)).collect();
            svg.leaf("desc", &[("id", &format!("{}-desc", what.id))], told.join(", "));
            for (y, label) in height.ticks() {
                line(svg, "grid", (LEFT, y), (RIGHT, y));
                text(svg, ("tick", "end"), (LEFT - 6.0, y + 4.0), &label);
            }
            let mut drawn = String::new();
            let mut open = false;
            for (place, value) in what.values.iter().enumerate() {
                if let Some(value) = value {
                    let letter = if open { 'L' } else { 'M' };
                    drawn += &format!("{letter}{} {}", Px(x(place)), Px(height.y(*value)));
                }
                open = value.is_some();
            }
            path(svg, "level", &drawn);
            let wide = ((RIGHT - LEFT - 12.0) / (steps + 1.0) - 1.0).clamp(0.5, 10.0);
            for (place, verdict) in what.verdicts.iter().enumerate() {
                let class = format!("run-{}", verdict.word());
                let at = (x(place) - wide / 2.0, FLOOR + 8.0);
                if what.verdicts.len() <= LABELLED {
                    let mark = (format!("mark-{}", verdict.word()), "middle");
                    text(
                        svg,
                        (&mark.0, mark.1),
                        (x(place), FLOOR + 18.0),
                        crate::words::mark(*verdict),
                    );
                } else {
                    rectangle(svg, &class, at, (wide, 10.0));
                }
                match what.values.get(place).copied().flatten() {
                    Some(value) => {
                        let dot = format!("M{} {}h0", Px(x(place)), Px(height.y(value)));
                        path(svg, &format!("dot {class}"), &dot);
                    }
                    None => text(svg, ("tick", "middle"), (x(place), FLOOR - 4.0), "?"),
                }
            }
        });
    });
}
