//! What is known of watched connections and names: a state each, declared after enough rounds said the same. No clock, no sockets: rounds go
//! in with their times, changes come out.
//!
//! A round in which nothing could be sent says nothing: it neither counts for nor against. Three rounds in a row that are not good declare a
//! state, two good ones take it back. A connection that was never good while all was well is `closed`: filters forbid it, and nothing is
//! declared of it.

use std::collections::VecDeque;
use std::fmt;

use netwright_lab::monitor::{NameRow, Row, Talk};
use serde::{Deserialize, Serialize};

/// Rounds that are not good until a state is declared.
pub const MISSES: u32 = 3;
/// Good rounds until it is taken back.
pub const HITS: u32 = 2;
/// Changes within [`FLAP_WINDOW`] from which on a connection flaps.
pub const FLAPS: usize = 4;
/// The window of changes that are counted, in microseconds.
pub const FLAP_WINDOW: u64 = 120_000_000;
/// An answer is slow beyond so many times what is usual, and so much more than that.
const SLOW: (u32, u32) = (4, 50_000);

/// What a connection or name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not known yet, or no more.
    Unknown,
    /// It never worked: filters forbid it.
    Closed,
    /// It works.
    Up,
    /// It works, and much slower than before.
    Slow,
    /// Connections are made, and nothing is said over them.
    Stalled,
    /// Packets arrive, and no program answers there.
    Refused,
    /// Packets of requests get through, and those that begin connections do not.
    InitiationOnly,
    /// Requests do not arrive; the other way is open.
    OneWayThere,
    /// Requests arrive, and answers do not.
    OneWayBack,
    /// Nothing gets through.
    Down,
    /// It goes up and down again and again.
    Flapping,
    /// Names are not told, or told wrongly.
    DnsBroken,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Closed => "closed",
            Self::Up => "up",
            Self::Slow => "slow",
            Self::Stalled => "stalled",
            Self::Refused => "refused",
            Self::InitiationOnly => "initiation-only",
            Self::OneWayThere => "one-way-there",
            Self::OneWayBack => "one-way-back",
            Self::Down => "down",
            Self::Flapping => "flapping",
            Self::DnsBroken => "dns-broken",
        }
    }

    /// Whether something is wrong.
    #[must_use]
    pub fn is_bad(self) -> bool {
        !matches!(self, Self::Unknown | Self::Closed | Self::Up)
    }
}

impl State {
    /// Whether packets do not get through. What is slow, stalled or refused tells of programs, which a fault elsewhere may keep busy.
    #[must_use]
    pub fn is_cut(self) -> bool {
        matches!(self, Self::InitiationOnly | Self::OneWayThere | Self::OneWayBack | Self::Down)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What one round says of a connection.
#[must_use]
pub fn evidence(row: &Row, usual: Option<u32>) -> State {
    let slow = |took: u32| usual.is_some_and(|usual| took > usual.saturating_mul(SLOW.0) + SLOW.1);
    match row.talk {
        Talk::Answered(took) if slow(took) => State::Slow,
        Talk::Answered(_) => State::Up,
        Talk::Untried if !row.sent => State::Unknown,
        Talk::Silent => State::Stalled,
        // Where the beginning arrived, it is the far machine that refuses; otherwise somebody on the way.
        Talk::Refused if row.begun.is_some() || !row.sent => State::Refused,
        Talk::Refused | Talk::Unreachable => State::Down,
        Talk::Missed | Talk::Untried => missed(row, usual),
    }
}

/// No answer in time: what the beacons say of it.
fn missed(row: &Row, usual: Option<u32>) -> State {
    if !row.sent {
        return State::Down;
    }
    let late = |took: Option<u32>| took.is_some_and(|took| took > usual.unwrap_or(0) + SLOW.1);
    match (row.begun, row.there, row.back) {
        // Everything arrives, and one of it so late that a conversation takes longer than it is waited for.
        (Some(_), _, back) if late(row.begun) || late(back) => State::Slow,
        (Some(_), _, _) if row.answered.is_some() => State::Stalled,
        (Some(_), _, _) => State::OneWayBack,
        (None, Some(_), _) => State::InitiationOnly,
        (None, None, Some(_)) => State::OneWayThere,
        (None, None, None) => State::Down,
    }
}

/// A change of what is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub from: State,
    /// From now on.
    pub to: State,
    /// When the first round was over that said so, in microseconds.
    pub first: u64,
    /// When it was declared.
    pub declared: u64,
}

/// What is known of a connection or name.
#[derive(Debug, Clone)]
pub struct Track {
    state: State,
    /// Evidence of the last rounds that is not what is declared, with the end of the first.
    against: Vec<State>,
    first: u64,
    usual: Option<u32>,
    samples: Vec<u32>,
    changes: VecDeque<u64>,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            state: State::Unknown,
            against: Vec::new(),
            first: 0,
            usual: None,
            samples: Vec::new(),
            changes: VecDeque::new(),
        }
    }
}

/// Samples that what is usual is taken from.
const SAMPLES: usize = 15;

impl Track {
    /// What is declared; flapping where it changed too often.
    #[must_use]
    pub fn state(&self) -> State {
        if self.changes.len() >= FLAPS { State::Flapping } else { self.state }
    }

    /// What is declared, be it that it changes often.
    #[must_use]
    pub fn now(&self) -> State {
        self.state
    }

    /// How long an answer usually takes, in microseconds.
    #[must_use]
    pub fn usual(&self) -> Option<u32> {
        self.usual
    }

    /// The last rounds say something else than what is declared, and are too few to say so: it may work in truth.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.state != State::Up && !self.against.is_empty()
    }

    /// What never worked until now is closed: what is usual has been seen.
    pub fn settle(&mut self) {
        if self.state != State::Up {
            self.state = State::Closed;
        }
        self.against.clear();
    }

    /// Takes a round of a connection that was over at a time. Gives the change that it brought.
    pub fn round(&mut self, row: &Row, over: u64) -> Option<Change> {
        if let Talk::Answered(took) = row.talk
            && self.samples.len() < SAMPLES
        {
            self.samples.push(took);
            self.samples.sort_unstable();
            self.usual = self.samples.get(self.samples.len() / 2).copied();
        }
        self.take(evidence(row, self.usual), over)
    }

    /// Takes a round of a name: whether what was said is what is usually said.
    pub fn name(&mut self, row: &NameRow, expected: &NameRow, over: u64) -> Option<Change> {
        let fine = row.code == expected.code && row.addresses == expected.addresses;
        let evidence = if row.code.is_some() && fine { State::Up } else { State::DnsBroken };
        self.take(evidence, over)
    }

    /// Takes what a round says.
    pub fn take(&mut self, evidence: State, over: u64) -> Option<Change> {
        while self.changes.front().is_some_and(|change| over.saturating_sub(*change) > FLAP_WINDOW)
        {
            self.changes.pop_front();
        }
        if evidence == State::Unknown {
            return None;
        }
        if evidence == self.state || (self.state == State::Closed && evidence.is_bad()) {
            self.against.clear();
            return None;
        }
        if self.against.is_empty() {
            self.first = over;
        }
        // Good rounds and bad ones do not add up.
        if self.against.last().is_some_and(|last| last.is_bad() != evidence.is_bad()) {
            self.against.clear();
            self.first = over;
        }
        self.against.push(evidence);
        let enough = if evidence.is_bad() { MISSES } else { HITS };
        if self.against.len() < usize::try_from(enough).unwrap_or(1) {
            return None;
        }
        // What most of the rounds say; of as many, the worse.
        let count = |state: &State| self.against.iter().filter(|own| *own == state).count();
        let to = self.against.iter().copied().max_by_key(|state| (count(state), *state))?;
        self.against.clear();
        let from = std::mem::replace(&mut self.state, to);
        if from == to {
            return None;
        }
        if from.is_bad() != to.is_bad() && !matches!(from, State::Unknown | State::Closed) {
            self.changes.push_back(over);
        }
        Some(Change { from, to, first: self.first, declared: over })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(took: u32) -> Row {
        Row {
            sent: true,
            begun: Some(took / 2),
            answered: Some(took),
            there: Some(took / 2),
            back_sent: true,
            back: Some(took / 2),
            talk: Talk::Answered(took),
            ..Row::default()
        }
    }

    fn lost() -> Row {
        Row { sent: true, back_sent: true, talk: Talk::Missed, ..Row::default() }
    }

    /// A connection that has worked for a while, at rounds of half a second.
    fn up() -> (Track, u64) {
        let mut track = Track::default();
        for round in 1..=10 {
            track.round(&good(500), round * 500_000);
        }
        track.settle();
        (track, 10)
    }

    #[test]
    fn three_misses_declare_and_two_answers_take_back() {
        let (mut track, _) = up();
        assert_eq!(track.round(&lost(), 5_400_000), None);
        assert_eq!(track.round(&lost(), 5_900_000), None);
        let change = track.round(&lost(), 6_400_000);
        let wanted =
            Change { from: State::Up, to: State::Down, first: 5_400_000, declared: 6_400_000 };
        assert_eq!(change, Some(wanted));
        assert_eq!(track.round(&good(500), 6_900_000), None);
        assert_eq!(track.round(&good(500), 7_400_000).map(|change| change.to), Some(State::Up));
    }

    #[test]
    fn two_misses_between_answers_are_nothing() {
        let (mut track, _) = up();
        for round in 0..30_u64 {
            let row = if round % 3 == 2 { good(500) } else { lost() };
            assert_eq!(track.round(&row, 6_000_000 + round * 500_000), None);
        }
        assert_eq!(track.state(), State::Up);
    }

    #[test]
    fn rounds_that_could_not_be_sent_say_nothing() {
        let (mut track, _) = up();
        for round in 0..10 {
            assert_eq!(track.round(&Row::default(), round), None);
        }
        assert_eq!(track.state(), State::Up);
    }

    #[test]
    fn beacons_tell_which_way_is_open() {
        let usual = Some(500);
        let begun = Row { begun: Some(250), there: Some(250), ..lost() };
        assert_eq!(evidence(&begun, usual), State::OneWayBack);
        let there = Row { there: Some(250), back: Some(250), ..lost() };
        assert_eq!(evidence(&there, usual), State::InitiationOnly);
        let back = Row { back: Some(250), ..lost() };
        assert_eq!(evidence(&back, usual), State::OneWayThere);
        assert_eq!(evidence(&lost(), usual), State::Down);
        let late = Row { begun: Some(250_000), there: Some(250_000), ..lost() };
        assert_eq!(evidence(&late, usual), State::Slow);
        assert_eq!(evidence(&good(400_000), usual), State::Slow);
    }

    #[test]
    fn who_refuses_is_told_by_where_the_beginning_came_to() {
        let refused = Row { talk: Talk::Refused, ..lost() };
        assert_eq!(evidence(&refused, None), State::Down, "somebody on the way");
        let far = Row { begun: Some(100), ..refused };
        assert_eq!(evidence(&far, None), State::Refused, "no program listens");
        assert_eq!(evidence(&Row { talk: Talk::Silent, ..good(1) }, None), State::Stalled);
        assert_eq!(evidence(&Row { talk: Talk::Unreachable, ..lost() }, None), State::Down);
    }

    #[test]
    fn what_never_worked_is_closed_and_nothing_is_declared_of_it() {
        let mut track = Track::default();
        for round in 0..5 {
            track.round(&lost(), round);
        }
        track.settle();
        assert_eq!(track.state(), State::Closed);
        for round in 5..20 {
            assert_eq!(track.round(&lost(), round), None);
        }
        track.round(&good(500), 20);
        assert_eq!(track.round(&good(500), 21).map(|change| change.to), Some(State::Up));
    }

    #[test]
    fn what_answered_once_is_undecided_until_it_answers_again_or_does_not() {
        let mut track = Track::default();
        assert!(!track.is_undecided(), "nothing is known, and nothing is coming");
        track.round(&lost(), 0);
        assert!(track.is_undecided(), "one round says too little");
        track.round(&lost(), 1);
        track.round(&lost(), 2);
        assert_eq!((track.state(), track.is_undecided()), (State::Down, false));
        track.round(&good(500), 3);
        assert!(track.is_undecided(), "it may be up");
        track.round(&good(500), 4);
        assert_eq!((track.state(), track.is_undecided()), (State::Up, false));
        track.round(&lost(), 5);
        assert!(!track.is_undecided(), "it is known to work");
    }

    #[test]
    fn what_goes_up_and_down_again_and_again_flaps_until_it_stays() {
        let (mut track, _) = up();
        let mut at = 5_000_000;
        let mut turn = |track: &mut Track, row: Row, rounds: u32| {
            for _ in 0..rounds {
                at += 500_000;
                track.round(&row, at);
            }
        };
        for _ in 0..2 {
            turn(&mut track, lost(), 4);
            turn(&mut track, good(500), 4);
        }
        assert_eq!(track.state(), State::Flapping);
        turn(&mut track, good(500), 300);
        assert_eq!(track.state(), State::Up);
    }

    #[test]
    fn a_name_that_is_told_otherwise_is_broken() {
        let right = NameRow {
            code: Some("NOERROR".to_owned()),
            addresses: vec![[10, 0, 0, 1].into()],
            took: Some(300),
        };
        let wrong = NameRow { addresses: vec![[192, 0, 2, 1].into()], ..right.clone() };
        let mut track = Track::default();
        for round in 0..4 {
            track.name(&right, &right, round);
        }
        track.settle();
        for row in [&wrong, &NameRow::default()] {
            assert_eq!(track.name(row, &right, 10), None);
        }
        assert_eq!(track.name(&wrong, &right, 12).map(|change| change.to), Some(State::DnsBroken));
    }
}
