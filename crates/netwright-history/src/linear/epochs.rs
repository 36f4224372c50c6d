//! Texts whose pieces are told apart: what was read then says which text it began with and what was added in which order, so that nothing has to be
//! tried out. As with zones of a register, in the time of sorting.
//!
//! A text that replaces begins an epoch; all that read it, and all whose additions were read, belong to it and happen one after the other. What is
//! left is whether epochs fit beside each other, which [`super::zones`] tells. What was added and never read fits wherever a text was replaced
//! that nobody read, and is an epoch by itself.

use rustc_hash::FxHashMap;

use super::machine::{Act, Numbers};
use super::search::Span;
use super::zones::{Interval, Zoned, clash};

/// The number of the text that is there at first, which is empty.
pub(crate) const EMPTY: u32 = 0;

/// Epochs by the place of the piece that begins them; the first by this.
const FIRST: usize = usize::MAX;

/// Pieces in the order of their letters, none of them the beginning of another, each with the act that writes it.
struct Pieces<'a> {
    texts: &'a Numbers<std::sync::Arc<str>>,
    sorted: Vec<(&'a str, usize)>,
}

impl<'a> Pieces<'a> {
    /// None where pieces cannot be told apart.
    fn of(acts: &[&Act], texts: &'a Numbers<std::sync::Arc<str>>) -> Option<Self> {
        let mut sorted = Vec::new();
        for (at, act) in acts.iter().enumerate() {
            match act {
                Act::Put(piece) => sorted.push((&*texts.all[*piece as usize], at)),
                Act::Append(EMPTY) | Act::Get(_) => {}
                Act::Append(piece) => sorted.push((&*texts.all[*piece as usize], at)),
                _ => return None,
            }
        }
        sorted.sort_unstable();
        // An empty text that replaces begins all others.
        let apart = sorted.windows(2).all(|pair| !pair[1].0.starts_with(pair[0].0));
        let empty = sorted.first().is_some_and(|(piece, _)| piece.is_empty());
        (apart && !empty).then_some(Self { texts, sorted })
    }

    fn text(&self, number: u32) -> &'a str {
        &self.texts.all[number as usize]
    }

    /// The act that wrote the beginning of a text, and the length of what it wrote.
    fn first(&self, text: &str) -> Option<(usize, usize)> {
        let at = self.sorted.partition_point(|(piece, _)| *piece <= text);
        let (piece, act) = self.sorted[at.checked_sub(1)?];
        text.starts_with(piece).then_some((act, piece.len()))
    }
}

/// What follows a text that replaced what was there.
#[derive(Debug, Default)]
struct Epoch {
    reads: Vec<usize>,
    /// The longest that was read of it.
    longest: u32,
}

/// An epoch's acts in the order in which they must have happened, each with its rank: reads of the same have the same.
struct Chain {
    acts: Vec<(u32, usize)>,
}

impl Chain {
    /// The order of an epoch; or the acts that show that there is none.
    fn of(
        acts: &[&Act],
        pieces: &Pieces<'_>,
        begun: usize,
        epoch: &Epoch,
    ) -> Result<Self, Vec<usize>> {
        let longest = pieces.text(epoch.longest);
        let reader = epoch.reads.iter().copied();
        let reads = |at: usize| if let Act::Get(text) = acts[at] { *text } else { EMPTY };
        let last = reader.clone().find(|at| reads(*at) == epoch.longest);
        // Where each piece ends, and who wrote it.
        let mut ends: Vec<(usize, usize)> = Vec::new();
        let mut length = 0;
        let mut once = rustc_hash::FxHashSet::default();
        while length < longest.len() {
            let found = pieces.first(&longest[length..]);
            let fits = found.filter(|(act, _)| {
                let replaces = matches!(acts[*act], Act::Put(_));
                once.insert(*act) && replaces == (length == 0 && begun != FIRST)
            });
            let Some((act, more)) = fits else {
                let mut shown: Vec<usize> = ends.iter().map(|(_, act)| *act).collect();
                shown.extend(found.map(|(act, _)| act).filter(|act| !once.contains(act)));
                shown.extend(last);
                return Err(shown);
            };
            length += more;
            ends.push((length, act));
        }
        // Ranks of pieces are odd, those of reads even.
        let mut chain: Vec<(u32, usize)> =
            (1_u32..).step_by(2).zip(ends.iter()).map(|(rank, (_, act))| (rank, *act)).collect();
        for at in reader {
            let text = pieces.text(reads(at));
            let known = ends.partition_point(|(end, _)| *end < text.len());
            let whole =
                text.is_empty() || ends.get(known).is_some_and(|(end, _)| *end == text.len());
            if !whole || !longest.starts_with(text) {
                let mut shown: Vec<usize> = ends.iter().map(|(_, act)| *act).collect();
                shown.extend(last);
                shown.push(at);
                shown.extend(writers(pieces, text));
                return Err(distinct(shown));
            }
            let rank = if text.is_empty() { 0 } else { known + 1 };
            chain.push((u32::try_from(rank).unwrap_or(u32::MAX).saturating_mul(2), at));
        }
        chain.sort_unstable();
        Ok(Self { acts: chain })
    }

    /// Two acts of which the later had ended before the earlier began, and all that tells that they are so.
    fn against_time(&self, acts: &[&Act], spans: &[Span]) -> Option<Vec<usize>> {
        let mut latest: Option<(u32, usize)> = None;
        let mut at = 0;
        while at < self.acts.len() {
            let rank = self.acts[at].0;
            let same = self.acts[at..].iter().take_while(|(other, _)| *other == rank).count();
            let own = &self.acts[at..at + same];
            if let Some((start, earlier)) = latest
                && let Some((_, later)) = own.iter().find(|(_, act)| spans[*act].end <= start)
            {
                // Their place is told by what was added before, and by whoever read it.
                let written = self.acts[..at + same].iter().map(|(_, act)| *act);
                let mut shown: Vec<usize> =
                    written.filter(|act| !matches!(acts[*act], Act::Get(_))).collect();
                shown.extend(self.acts.last().map(|(_, act)| *act));
                let rest = self.acts[at..].iter().map(|(_, act)| *act);
                shown.extend(rest.filter(|act| !matches!(acts[*act], Act::Get(_))));
                shown.extend([earlier, *later]);
                return Some(distinct(shown));
            }
            latest = latest.max(own.iter().map(|(_, act)| (spans[*act].start, *act)).max());
            at += same;
        }
        None
    }

    /// From the first end to the last beginning.
    fn interval(&self, spans: &[Span], begun: usize, number: usize) -> Interval {
        let own = || self.acts.iter().map(|(_, act)| spans[*act]);
        // The first epoch was there before all, whose places are shifted by one to make room.
        let end = own().map(|span| span.end).min().unwrap_or_default().saturating_add(1);
        let start = own().map(|span| span.start).max().unwrap_or_default() + 1;
        Interval { end: if begun == FIRST { 0 } else { end }, start, number }
    }
}

/// Who wrote the pieces of a text, as far as somebody did.
fn writers(pieces: &Pieces<'_>, text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut length = 0;
    while let Some((act, more)) = text.get(length..).and_then(|rest| pieces.first(rest)) {
        found.push(act);
        length += more;
    }
    found
}

fn distinct(mut acts: Vec<usize>) -> Vec<usize> {
    acts.sort_unstable();
    acts.dedup();
    acts
}

/// Looks whether epochs fit beside each other.
pub(crate) fn check(acts: &[&Act], spans: &[Span], texts: &Numbers<std::sync::Arc<str>>) -> Zoned {
    let Some(pieces) = Pieces::of(acts, texts) else { return Zoned::Unfit };
    let mut epochs: FxHashMap<usize, Epoch> = FxHashMap::default();
    for (at, act) in acts.iter().enumerate() {
        let Act::Get(number) = act else { continue };
        let text = pieces.text(*number);
        let begun = match pieces.first(text) {
            Some((act, _)) if matches!(acts[act], Act::Put(_)) => act,
            Some(_) => FIRST,
            None if text.is_empty() => FIRST,
            // Nobody wrote what it begins with.
            None => return Zoned::None(vec![at]),
        };
        let epoch = epochs.entry(begun).or_default();
        epoch.reads.push(at);
        if text.len() > pieces.text(epoch.longest).len() {
            epoch.longest = *number;
        }
    }
    let mut begun: Vec<usize> = epochs.keys().copied().collect();
    begun.sort_unstable();
    let mut chains = Vec::with_capacity(begun.len());
    let mut read = vec![false; acts.len()];
    let mut intervals = Vec::new();
    for (number, begun) in begun.into_iter().enumerate() {
        let chain = match Chain::of(acts, &pieces, begun, &epochs[&begun]) {
            Ok(chain) => chain,
            Err(shown) => return Zoned::None(shown),
        };
        if let Some(shown) = chain.against_time(acts, spans) {
            return Zoned::None(shown);
        }
        chain.acts.iter().for_each(|(_, act)| read[*act] = true);
        intervals.push(chain.interval(spans, begun, number));
        chains.push(chain);
    }
    // What must have happened and was never read.
    let count = chains.len();
    let unread = pieces.sorted.iter().map(|(_, act)| *act);
    let unread: Vec<usize> = unread.filter(|act| !read[*act] && !spans[*act].optional).collect();
    for (place, act) in unread.iter().enumerate() {
        let Span { start, end, .. } = spans[*act];
        intervals.push(Interval {
            end: end.saturating_add(1),
            start: start + 1,
            number: count + place,
        });
    }
    let Some(clashing) = clash(intervals) else { return Zoned::Found };
    let of = |number: usize| match chains.get(number) {
        Some(chain) => chain.acts.iter().map(|(_, act)| *act).collect(),
        None => vec![unread[number - count]],
    };
    Zoned::None(distinct(clashing.into_iter().flat_map(of).collect()))
}
