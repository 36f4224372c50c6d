//! Registers whose values are written once each: Gibbons and Korach's zones, in the time of sorting.
//!
//! All operations of a value form a zone, between its first end and its last beginning. Where the first end comes first, the register must have held the
//! value all through the zone. Two such zones cannot overlap, and no other zone can lie within one.

use rustc_hash::FxHashMap;

use super::machine::Act;
use super::search::Span;

const NOBODY: usize = usize::MAX;

#[derive(Debug, Clone, Copy)]
struct Zone {
    /// The first end among its operations, and whose it is.
    end: (u32, usize),
    /// The last beginning, and whose it is.
    start: (u32, usize),
    /// Who wrote the value; None of the value that was there at first.
    writer: Option<usize>,
    read: bool,
}

/// What zones say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Zoned {
    /// There is an order.
    Found,
    /// There is none: these operations show it.
    None(Vec<usize>),
    /// A value is written more than once, or there is more than reads and writes.
    Unfit,
}

/// The acts of one key with numbers of its own for its values, which are few among those of all keys; with the number of the first, and how many.
pub(crate) fn renamed(acts: &[&Act], initial: u32) -> (Vec<Act>, u32, usize) {
    let mut names: FxHashMap<u32, u32> = FxHashMap::default();
    names.insert(initial, 0);
    let mut name = |value: &u32| {
        let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
        *names.entry(*value).or_insert(next)
    };
    let own = acts.iter().map(|act| match act {
        Act::Read(value) => Act::Read(name(value)),
        Act::Write(value) => Act::Write(name(value)),
        other => (*other).clone(),
    });
    let own: Vec<Act> = own.collect();
    let count = names.len();
    (own, 0, count)
}

/// Looks at the zones of all values below `values`. Places of the history count from 0; what was there at first was written before all.
pub(crate) fn check(acts: &[&Act], spans: &[Span], initial: u32, values: usize) -> Zoned {
    let empty = Zone { end: (u32::MAX, NOBODY), start: (0, NOBODY), writer: None, read: false };
    let mut zones = vec![empty; values];
    for (at, act) in acts.iter().enumerate() {
        match act {
            Act::Write(value) => {
                let zone = &mut zones[*value as usize];
                if zone.writer.is_some() || *value == initial {
                    return Zoned::Unfit;
                }
                zone.writer = Some(at);
            }
            Act::Read(_) => {}
            _ => return Zoned::Unfit,
        }
    }
    for (at, act) in acts.iter().enumerate() {
        let (Act::Write(value) | Act::Read(value)) = act else { continue };
        let span = spans[at];
        let zone = &mut zones[*value as usize];
        if let Act::Read(_) = act {
            zone.read = true;
            match zone.writer {
                // Nobody wrote it, or it was read before it was written.
                None if *value != initial => return Zoned::None(vec![at]),
                Some(writer) if span.end <= spans[writer].start => {
                    return Zoned::None(vec![writer, at]);
                }
                _ => {}
            }
        }
        if span.end < zone.end.0 || zone.end.1 == NOBODY {
            zone.end = (span.end, at);
        }
        if span.start > zone.start.0 || zone.start.1 == NOBODY {
            zone.start = (span.start, at);
        }
    }
    // Before everything, with places shifted by one to make room.
    let mut intervals = Vec::new();
    for (value, zone) in zones.iter().enumerate() {
        // What may have been written and was never read need not have been.
        let unread = zone.writer.is_none_or(|writer| spans[writer].optional) && !zone.read;
        if unread {
            continue;
        }
        let first = value == initial as usize;
        let end = if first { 0 } else { zone.end.0.saturating_add(1) };
        intervals.push(Interval { end, start: zone.start.0 + 1, number: value });
    }
    let Some(clashing) = clash(intervals) else { return Zoned::Found };
    let of = |number: usize| {
        let zone = &zones[number];
        [zone.writer.unwrap_or(NOBODY), zone.end.1, zone.start.1]
    };
    let mut shown: Vec<usize> = clashing.into_iter().flat_map(of).collect();
    shown.retain(|at| *at != NOBODY);
    shown.sort_unstable();
    shown.dedup();
    Zoned::None(shown)
}

/// From the first end to the last beginning of acts that happen one after the other, with nothing else in between.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub(super) end: u32,
    pub(super) start: u32,
    pub(super) number: usize,
}

/// The numbers of two intervals that cannot be together: two whose first end comes before their last beginning and that overlap, or such a one with
/// another, all of whose acts overlap, within it.
pub(super) fn clash(intervals: Vec<Interval>) -> Option<[usize; 2]> {
    let (mut held, others): (Vec<Interval>, Vec<Interval>) =
        intervals.into_iter().partition(|one| one.end <= one.start);
    held.sort_unstable_by_key(|one| (one.end, one.start));
    for pair in held.windows(2) {
        if pair[1].end <= pair[0].start {
            return Some([pair[0].number, pair[1].number]);
        }
    }
    others.iter().find_map(|inner| {
        let at = held.partition_point(|one| one.end <= inner.start);
        let outer = held[at.checked_sub(1)?];
        (inner.end <= outer.start).then_some([outer.number, inner.number])
    })
}
