//! Plots over one axis of time: every panel has the same width and the same axis, so that what stands above each other happened together.

mod axis;
mod lanes;
mod latency;
mod operations;
mod rates;
mod small;
mod split;

use std::fmt::Display;

use crate::Moment;
use crate::markup::Markup;
use crate::report::Report;

pub(crate) use axis::Axis;
pub(crate) use lanes::{connectivity, duplicates, epochs, faults, link_class, states};
pub(crate) use latency::latency;
pub(crate) use operations::{operations, witness};
pub(crate) use rates::{gauge, rates, success};
pub(crate) use small::{Small, small};
pub(crate) use split::split;

/// Width of a panel in its own units.
pub(crate) const WIDTH: f64 = 1000.0;
/// Where the axis of time begins; left of it stand labels.
pub(crate) const LEFT: f64 = 172.0;
/// Where it ends.
pub(crate) const RIGHT: f64 = 990.0;
/// Room for the axis' labels under a panel.
const FOOT: f64 = 20.0;

/// A length in a drawing: at most one digit after the point, and nothing that is not a number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Px(pub(crate) f64);

impl Display for Px {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rounded = (self.0 * 10.0).round() / 10.0;
        write!(out, "{}", if rounded.is_finite() { rounded + 0.0 } else { 0.0 })
    }
}

/// When something was broken, for the bands behind every panel.
#[derive(Debug, Default)]
pub(crate) struct Bands(Vec<(Moment, Moment)>);

impl Bands {
    /// At most so many: intermittent faults of a long run become one.
    const LIMIT: usize = 120;

    pub(crate) fn of(report: &Report) -> Self {
        let mut stretches: Vec<(Moment, Moment)> = report
            .faults
            .iter()
            .map(|fault| {
                let begin = fault.effective.unwrap_or(fault.requested);
                (begin, fault.removed.unwrap_or(Moment(u64::MAX)).max(begin))
            })
            .collect();
        stretches.sort_unstable();
        let mut merged: Vec<(Moment, Moment)> = Vec::new();
        for (begin, end) in stretches {
            match merged.last_mut() {
                Some(last) if begin <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((begin, end)),
            }
        }
        if merged.len() > Self::LIMIT
            && let (Some(first), Some(last)) = (merged.first(), merged.last())
        {
            merged = vec![(first.0, last.1)];
        }
        Self(merged)
    }
}

/// A panel's words: its id in the page, its title and what it shows, for those who do not see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a> {
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) shows: &'a str,
}

/// The ground that every panel stands on.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) axis: Axis,
    pub(crate) bands: Bands,
    /// Where phases begin and end.
    edges: Vec<Moment>,
}

impl Ground {
    pub(crate) fn of(report: &Report) -> Self {
        let mut edges: Vec<Moment> = report
            .phases
            .iter()
            .take(60)
            .flat_map(|phase| [Some(phase.begin), phase.end])
            .flatten()
            .collect();
        edges.sort_unstable();
        edges.dedup();
        Self { axis: Axis::new(report.run.duration), bands: Bands::of(report), edges }
    }

    /// A panel with its bands, its lines of time and what `inside` draws between 0 and `height`.
    pub(crate) fn panel(
        &self,
        page: &mut Markup,
        words: Words<'_>,
        height: f64,
        inside: impl FnOnce(&mut Markup),
    ) {
        let Words { id, title, shows } = words;
        let (heading, description) = (format!("{id}-title"), format!("{id}-desc"));
        let labelled = format!("{heading} {description}");
        let view = format!("0 0 {WIDTH} {}", Px(height + FOOT));
        let frame: [(&'static str, &dyn Display); 4] = [
            ("class", &"plot"),
            ("viewBox", &view),
            ("role", &"img"),
            ("aria-labelledby", &labelled),
        ];
        page.tag("svg", &frame, |svg| {
            svg.leaf("title", &[("id", &heading)], crate::markup::cut(title, 200));
            svg.leaf("desc", &[("id", &description)], crate::markup::cut(shows, 2_000));
            let ground: [(&'static str, &dyn Display); 5] = [
                ("class", &"ground"),
                ("x", &Px(LEFT)),
                ("y", &0),
                ("width", &Px(RIGHT - LEFT)),
                ("height", &Px(height)),
            ];
            svg.void("rect", &ground);
            for (begin, end) in &self.bands.0 {
                let (from, until) = (self.axis.x(*begin), self.axis.x(*end));
                rectangle(
                    svg,
                    "band",
                    (from, 0.0),
                    ((until - from).max(1.0).min(RIGHT - from), height),
                );
            }
            self.times(svg, height);
            inside(svg);
        });
        page.line();
    }

    fn times(&self, svg: &mut Markup, height: f64) {
        for tick in self.axis.ticks() {
            let x = self.axis.x(tick);
            line(svg, "grid", (x, 0.0), (x, height));
            let anchor = if x > RIGHT - 20.0 { "end" } else { "middle" };
            text(svg, ("tick", anchor), (x, height + 14.0), &self.axis.label(tick));
        }
        for edge in &self.edges {
            let x = self.axis.x(*edge);
            line(svg, "edge", (x, 0.0), (x, height));
        }
    }
}

/// A rectangle with its upper left corner and its size.
pub(crate) fn rectangle(svg: &mut Markup, class: &str, at: (f64, f64), size: (f64, f64)) {
    let attributes: [(&'static str, &dyn Display); 5] = [
        ("class", &class),
        ("x", &Px(at.0)),
        ("y", &Px(at.1)),
        ("width", &Px(size.0.max(0.0))),
        ("height", &Px(size.1.max(0.0))),
    ];
    svg.void("rect", &attributes);
}

/// A line between two points.
pub(crate) fn line(svg: &mut Markup, class: &str, from: (f64, f64), to: (f64, f64)) {
    let attributes: [(&'static str, &dyn Display); 5] = [
        ("class", &class),
        ("x1", &Px(from.0)),
        ("y1", &Px(from.1)),
        ("x2", &Px(to.0)),
        ("y2", &Px(to.1)),
    ];
    svg.void("line", &attributes);
}

/// A line of text with its class and which of its parts stands at the point.
pub(crate) fn text(svg: &mut Markup, (class, anchor): (&str, &str), at: (f64, f64), words: &str) {
    let attributes: [(&'static str, &dyn Display); 4] =
        [("class", &class), ("x", &Px(at.0)), ("y", &Px(at.1)), ("text-anchor", &anchor)];
    svg.leaf("text", &attributes, words);
}

/// A drawn path.
pub(crate) fn path(svg: &mut Markup, class: &str, drawn: &str) {
    if !drawn.is_empty() {
        svg.void("path", &[("class", &class), ("d", &drawn)]);
    }
}

/// The label of a row, left of the axis, cut to the room that it has.
pub(crate) fn row_label(svg: &mut Markup, y: f64, words: &str) {
    text(svg, ("row", "end"), (LEFT - 8.0, y), &crate::markup::cut(words, 26));
}
