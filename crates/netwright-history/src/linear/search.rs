//! Looks for an order in which operations could have happened one after the other: Wing and Gong's search as Lowe made it, with a memory of
//! where it has been.
//!
//! What keeps it short, each of it sound:
//! - an operation that changes nothing and fits now is taken at once: moved to the front of any order it still fits, and hinders nobody;
//! - of indeterminate operations that do the same, the one that began first is taken first;
//! - an indeterminate operation that changes nothing is never taken, nor is one whose effect is overwritten before anybody saw it: the same order
//!   without it is an order too.

use rustc_hash::FxHashSet;

use super::machine::Machine;

/// When an operation may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The place of its beginning.
    pub(crate) start: u32,
    /// The place of its end; [`u32::MAX`] if it may happen at any time after.
    pub(crate) end: u32,
    /// Whether it need not have happened.
    pub(crate) optional: bool,
}

/// What a search says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// There is an order.
    Found,
    /// There is none.
    None,
    /// It was not looked far enough.
    Exhausted,
}

const END: usize = usize::MAX;

/// Undone acts that are looked at to see whether a text can still become what is read.
const AHEAD: usize = 96;

/// Where the search may go from a place.
#[derive(Debug, Clone, Copy)]
enum Move {
    /// The required operation of this rank.
    Required(usize),
    /// The next of this class of optional operations.
    Optional(usize),
}

struct Frame {
    moves: Vec<(Move, u32)>,
    next: usize,
    /// Moves that were made before the one that led here.
    trail: usize,
    furthest: usize,
}

pub(crate) struct Search<'a, 'b> {
    machine: &'a mut Machine<'b>,
    spans: &'a [Span],
    /// Required operations by their beginnings, as acts.
    required: Vec<usize>,
    next: Vec<usize>,
    previous: Vec<usize>,
    head: usize,
    /// Optional operations that do the same, by their beginnings.
    classes: Vec<Vec<usize>>,
    used: Vec<u32>,
    trail: Vec<Move>,
    /// The highest rank that was done, plus one.
    furthest: usize,
    seen: FxHashSet<Box<[u32]>>,
    key: Vec<u32>,
}

impl<'a, 'b> Search<'a, 'b> {
    /// Spans and acts belong together by their numbers.
    pub(crate) fn new(machine: &'a mut Machine<'b>, spans: &'a [Span]) -> Self {
        let mut required: Vec<usize> = (0..spans.len()).filter(|at| !spans[*at].optional).collect();
        required.sort_by_key(|at| spans[*at].start);
        let mut optional: Vec<usize> = (0..spans.len()).filter(|at| spans[*at].optional).collect();
        optional.retain(|at| !machine.is_pure(*at));
        optional.sort_by_key(|at| spans[*at].start);
        let mut by_act: rustc_hash::FxHashMap<&super::machine::Act, usize> =
            rustc_hash::FxHashMap::default();
        let mut classes: Vec<Vec<usize>> = Vec::new();
        for at in optional {
            let class = *by_act.entry(machine.acts[at]).or_insert_with(|| {
                classes.push(Vec::new());
                classes.len() - 1
            });
            classes[class].push(at);
        }
        let count = required.len();
        Self {
            machine,
            spans,
            next: (0..count).map(|at| if at + 1 < count { at + 1 } else { END }).collect(),
            previous: (0..count).map(|at| at.checked_sub(1).unwrap_or(END)).collect(),
            head: if count == 0 { END } else { 0 },
            used: vec![0; classes.len()],
            required,
            classes,
            trail: Vec::new(),
            furthest: 0,
            seen: FxHashSet::default(),
            key: Vec::new(),
        }
    }

    fn make(&mut self, step: Move) {
        match step {
            Move::Required(rank) => {
                let (previous, next) = (self.previous[rank], self.next[rank]);
                if previous == END {
                    self.head = next;
                } else {
                    self.next[previous] = next;
                }
                if next != END {
                    self.previous[next] = previous;
                }
                self.furthest = self.furthest.max(rank + 1);
            }
            Move::Optional(class) => self.used[class] += 1,
        }
        self.trail.push(step);
    }

    fn back(&mut self, to: usize) {
        while self.trail.len() > to {
            match self.trail.pop() {
                Some(Move::Required(rank)) => {
                    let (previous, next) = (self.previous[rank], self.next[rank]);
                    if previous == END {
                        self.head = rank;
                    } else {
                        self.next[previous] = rank;
                    }
                    if next != END {
                        self.previous[next] = rank;
                    }
                }
                Some(Move::Optional(class)) => self.used[class] -= 1,
                None => {}
            }
        }
    }

    /// Calls for each required operation that may be next; gives the first end among what is not done.
    fn enabled(&self, mut each: impl FnMut(usize)) -> u32 {
        let mut end = u32::MAX;
        let mut rank = self.head;
        while rank != END {
            let span = self.spans[self.required[rank]];
            if span.start >= end {
                break;
            }
            end = end.min(span.end);
            each(rank);
            rank = self.next[rank];
        }
        end
    }

    /// Takes all that fits and changes nothing. Tells whether there was any.
    fn settle(&mut self, state: u32) -> bool {
        let mut any = false;
        loop {
            let mut fits = Vec::new();
            self.enabled(|rank| {
                if self.machine.is_pure(self.required[rank]) {
                    fits.push(rank);
                }
            });
            fits.retain(|rank| self.machine.step(state, self.required[*rank]).is_some());
            if fits.is_empty() {
                return any;
            }
            any = true;
            for rank in fits {
                self.make(Move::Required(rank));
            }
        }
    }

    /// Whether it was here before. What was done is told by what was not done below the furthest, which is little.
    fn visited(&mut self, state: u32, unread: bool) -> bool {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        #[expect(clippy::cast_possible_truncation, reason = "places of a history fit in 32 bits")]
        {
            key.push(state);
            key.push((self.furthest as u32) << 1 | u32::from(unread));
            let mut rank = self.head;
            while rank < self.furthest {
                key.push(rank as u32);
                rank = self.next[rank];
            }
            for (class, used) in self.used.iter().enumerate().filter(|(_, used)| **used > 0) {
                key.push(u32::MAX - class as u32);
                key.push(*used);
            }
        }
        let visited = self.seen.contains(&key[..]);
        if !visited {
            self.seen.insert(key.as_slice().into());
        }
        self.key = key;
        visited
    }

    fn moves(&mut self, state: u32, unread: bool) -> Vec<(Move, u32)> {
        let mut ranks = Vec::new();
        let end = self.enabled(|rank| ranks.push(rank));
        let mut moves = Vec::new();
        ranks.sort_by_key(|rank| self.spans[self.required[*rank]].end);
        for rank in ranks {
            let act = self.required[rank];
            if self.machine.is_pure(act) || (unread && self.machine.is_blind(act)) {
                continue;
            }
            if let Some(after) = self.machine.step(state, act)
                && self.hopeful(after, Some(rank))
            {
                moves.push((Move::Required(rank), after));
            }
        }
        for class in 0..self.classes.len() {
            let Some(act) = self.classes[class].get(self.used[class] as usize).copied() else {
                continue;
            };
            if self.spans[act].start >= end || (unread && self.machine.is_blind(act)) {
                continue;
            }
            if let Some(after) = self.machine.step(state, act)
                && after != state
                && self.hopeful(after, None)
            {
                moves.push((Move::Optional(class), after));
            }
        }
        moves
    }

    /// Of texts: whether what is read soon, with nothing to replace the text before, can still be read.
    fn hopeful(&self, state: u32, without: Option<usize>) -> bool {
        if !self.machine.is_text() {
            return true;
        }
        let replaces = |act: usize| self.machine.is_blind(act);
        // The earliest beginning of what may replace the text and was not done.
        let mut replaced = u32::MAX;
        for (class, acts) in self.classes.iter().enumerate() {
            if let Some(act) = acts.get(self.used[class] as usize)
                && replaces(*act)
            {
                replaced = replaced.min(self.spans[*act].start);
            }
        }
        let mut rank = self.head;
        for looked in 0..=AHEAD {
            if rank == END {
                break;
            }
            let act = self.required[rank];
            if looked == AHEAD || (Some(rank) != without && replaces(act)) {
                replaced = replaced.min(self.spans[act].start);
                break;
            }
            rank = self.next[rank];
        }
        let mut rank = self.head;
        for _ in 0..AHEAD {
            if rank == END {
                break;
            }
            let act = self.required[rank];
            if self.spans[act].end <= replaced && !self.machine.may_grow_into(state, act) {
                return false;
            }
            rank = self.next[rank];
        }
        true
    }

    /// Places that were looked at.
    pub(crate) fn looked(&self) -> usize {
        self.seen.len()
    }

    /// Looks at so many places, no more. Asked again with more it looks from the beginning.
    pub(crate) fn run(&mut self, initial: u32, budget: usize) -> Answer {
        let mut frames: Vec<Frame> = Vec::new();
        // A state, whether what led to it was not read yet, and the moves made before that.
        let mut enter = Some((initial, false, 0));
        loop {
            if let Some((state, unread, trail)) = enter.take() {
                let unread = !self.settle(state) && unread;
                if self.head == END {
                    return Answer::Found;
                }
                if self.visited(state, unread) {
                    self.back(trail);
                } else if self.seen.len() > budget {
                    return Answer::Exhausted;
                } else {
                    let moves = self.moves(state, unread);
                    frames.push(Frame { moves, next: 0, trail, furthest: self.furthest });
                }
            }
            let Some(frame) = frames.last_mut() else { return Answer::None };
            self.furthest = frame.furthest;
            if let Some((step, after)) = frame.moves.get(frame.next).copied() {
                frame.next += 1;
                let trail = self.trail.len();
                self.make(step);
                enter = Some((after, matches!(step, Move::Optional(_)), trail));
            } else {
                self.back(frame.trail);
                frames.pop();
            }
        }
    }
}
