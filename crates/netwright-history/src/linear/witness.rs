//! The smallest part of a history that cannot be explained: what is left out of it is not needed to see that.
//!
//! Nothing is left out that would make a part harder to explain than the whole: reads go, writes become such that need not have happened. So where
//! the part has no order, neither has the history.

use super::machine::{Act, World};
use super::search::{Answer, Span};
use super::{Part as Object, Problem, decide};

/// Places that each look at a part may take.
const BUDGET: usize = 100_000;

/// Looks at parts, in all.
const MOST: usize = 4_000;

/// Places that all looks together may take: what is shown is then not the smallest.
const PLACES: usize = 400_000;

/// A part of the acts, with what became of their spans.
type Part = Vec<(usize, Span)>;

struct Shrink<'a> {
    acts: &'a [&'a Act],
    world: &'a World,
    initials: Vec<u32>,
    values: usize,
    looks: usize,
    places: usize,
}

impl Shrink<'_> {
    /// Whether a part is known to have no order.
    fn refuted(&mut self, part: &[(usize, Span)]) -> bool {
        self.looks += 1;
        let acts: Vec<&Act> = part.iter().map(|(at, _)| self.acts[*at]).collect();
        let spans: Vec<Span> = part.iter().map(|(_, span)| *span).collect();
        let (world, values, places) = (self.world, self.values, &mut self.places);
        self.initials.iter().all(|initial| {
            let decided = decide((&acts, &spans), world, (*initial, values), BUDGET);
            *places += decided.looked;
            decided.answer == Answer::None
        })
    }

    /// A part without these of its members.
    fn without(&self, part: &[(usize, Span)], range: std::ops::Range<usize>) -> Part {
        let mut less = Vec::with_capacity(part.len());
        for (place, (at, span)) in part.iter().enumerate() {
            if !range.contains(&place) {
                less.push((*at, *span));
            } else if !self.acts[*at].is_pure() {
                less.push((*at, Span { end: u32::MAX, optional: true, ..*span }));
            }
        }
        less
    }

    /// What was seen from a place on. What had ended before it is told by the state at first alone.
    fn from(&self, part: &[(usize, Span)], cut: u32) -> Part {
        let mut less = Vec::new();
        for (at, span) in part {
            if span.start >= cut {
                less.push((*at, *span));
            } else if span.end >= cut && !self.acts[*at].is_pure() {
                less.push((*at, Span { end: u32::MAX, optional: true, ..*span }));
            }
        }
        less
    }

    /// The latest beginning from which a part has no order, whatever the register held then.
    fn whatever_before(&mut self, part: &[(usize, Span)]) -> Option<Part> {
        if !matches!(self.world, World::Register) {
            return None;
        }
        let mut any: Vec<u32> = Vec::new();
        for (at, _) in part {
            match self.acts[*at] {
                Act::Read(value) | Act::Not(value) | Act::Write(value) => any.push(*value),
                Act::Cas(from, to) => any.extend([*from, *to]),
                _ => {}
            }
        }
        any.sort_unstable();
        any.dedup();
        if any.len() > 64 {
            return None;
        }
        // And one that nobody asks for.
        any.push(u32::MAX - 1);
        let known = std::mem::replace(&mut self.initials, any);
        let mut starts: Vec<u32> = part.iter().map(|(_, span)| span.start).collect();
        starts.sort_unstable();
        // The part from `low` is refuted, the one from `high` is not known to be.
        let (mut low, mut high) = (0, starts.len());
        if starts.is_empty() || !self.refuted(&self.from(part, starts[0])) {
            self.initials = known;
            return None;
        }
        while low + 1 < high {
            let middle = usize::midpoint(low, high);
            if self.refuted(&self.from(part, starts[middle])) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(self.from(part, starts[low]))
    }

    /// What was seen up to a place.
    fn before(&self, part: &[(usize, Span)], cut: u32) -> Part {
        let mut less = Vec::new();
        for (at, span) in part.iter().filter(|(_, span)| span.start < cut) {
            if span.end < cut || span.optional {
                less.push((*at, *span));
            } else if !self.acts[*at].is_pure() {
                less.push((*at, Span { end: u32::MAX, optional: true, ..*span }));
            }
        }
        less
    }
}

/// The acts of a smallest part that has no order from any of the states that there may have been at first; and whether it has none from any state.
pub(crate) fn smallest(
    problem: &Problem,
    object: &Object,
    acts: &[&Act],
    hint: &[usize],
) -> Option<(Vec<usize>, bool)> {
    let (initials, values) = (problem.initials.clone(), problem.values);
    let mut shrink = Shrink { acts, world: &object.world, initials, values, looks: 0, places: 0 };
    let spans = &object.spans;
    let whole: Part = spans.iter().copied().enumerate().collect();
    let hinted: Part = hint.iter().map(|at| (*at, spans[*at])).collect();
    // A hint leaves writers out, which only counts where no other writes what is read.
    let part = if !hinted.is_empty() && shrink.refuted(&hinted) {
        hinted
    } else {
        let mut ends: Vec<u32> = spans.iter().map(|span| span.end).collect();
        ends.retain(|end| *end != u32::MAX);
        ends.sort_unstable();
        let (mut low, mut high) = (0, ends.len());
        // The part up to `high` is refuted, the one up to `low` is not known to be.
        while low + 1 < high {
            let middle = usize::midpoint(low, high);
            if shrink.refuted(&shrink.before(&whole, ends[middle - 1] + 1)) {
                high = middle;
            } else {
                low = middle;
            }
        }
        let cut = ends.get(high.wrapping_sub(1)).map_or(u32::MAX, |end| end + 1);
        let part = shrink.before(&whole, cut);
        if !shrink.refuted(&part) {
            return None;
        }
        part
    };
    let later = shrink.whatever_before(&part);
    let whatever = later.is_some();
    let mut part = later.unwrap_or(part);
    part.sort_by_key(|(_, span)| span.start);
    let mut chunk = part.len().div_ceil(2);
    while chunk > 0 {
        let mut at = part.len();
        while at > 0 && shrink.looks < MOST && shrink.places < PLACES {
            let from = at.saturating_sub(chunk);
            at = from;
            let to = (from + chunk).min(part.len());
            if part[from..to].iter().all(|(_, span)| span.optional) {
                continue;
            }
            let less = shrink.without(&part, from..to);
            if shrink.refuted(&less) {
                part = less;
            }
        }
        chunk /= 2;
    }
    Some((telling(acts, &part), whatever))
}

/// What has to be seen of a part: what must have happened, and what may have happened and would matter.
fn telling(acts: &[&Act], part: &[(usize, Span)]) -> Vec<usize> {
    let required = || part.iter().filter(|(_, span)| !span.optional).map(|(at, _)| acts[*at]);
    let asked = |value: u32| {
        required().any(|act| match act {
            Act::Read(read) | Act::Cas(read, _) => *read == value,
            Act::Not(_) => true,
            _ => false,
        })
    };
    let matters = |act: &Act| match act {
        Act::Write(value) | Act::Cas(_, value) => asked(*value),
        Act::Many(_) => true,
        Act::Put(_) | Act::Append(_) => required().any(|act| matches!(act, Act::Get(_))),
        _ => false,
    };
    let shown = part.iter().filter(|(at, span)| !span.optional || matters(acts[*at]));
    shown.map(|(at, _)| *at).collect()
}
