//! What everybody was told, judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use netwright_control::alloc::Value as Given;
use netwright_model::source::Sources;
use serde_json::Value;

use super::history::{Attempt, Call, Left, Seen, Told};

/// What there was of each.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) allocated: usize,
    pub(super) released: usize,
    changes: usize,
    refused: usize,
    unknown: usize,
    again: usize,
    late: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { allocated, released, changes, refused, unknown, again, late } = self;
        write!(
            f,
            "{allocated} allocated, {released} released, {changes} changes, {refused} refused, {unknown} unknown, \
             {again} asked again, {late} released late"
        )
    }
}

pub(super) struct Judged {
    pub(super) wrong: Vec<String>,
    pub(super) counts: Counts,
}

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Done,
    /// Every attempt was refused: nothing of it may be there.
    Refused,
    Unknown,
}

struct Wish<'a> {
    name: &'a str,
    call: &'a Call,
    attempts: Vec<&'a Attempt>,
}

impl<'a> Wish<'a> {
    fn fate(&self) -> Fate {
        let told = |is: fn(&Told) -> bool| self.attempts.iter().any(|one| is(&one.told));
        match (
            told(|told| matches!(told, Told::Done(_))),
            told(|told| matches!(told, Told::Lost(_))),
        ) {
            (true, _) => Fate::Done,
            (false, true) => Fate::Unknown,
            (false, false) => Fate::Refused,
        }
    }

    fn began(&self) -> u64 {
        self.attempts.iter().map(|one| one.began).min().unwrap_or_default()
    }

    /// When it was first said to be done, and what was said.
    fn done(&self) -> Option<(u64, &'a Value)> {
        let done = self.attempts.iter().filter_map(|one| match &one.told {
            Told::Done(answer) => Some((one.ended, answer)),
            _ => None,
        });
        done.min_by_key(|(ended, _)| *ended)
    }

    fn is(&self, path: &str) -> bool {
        self.call.path == path
    }
}

/// A value that somebody surely had from one moment to another.
struct Held {
    what: String,
    /// Values of different groups never meet.
    group: &'static str,
    value: Given,
    sequence: Option<u64>,
    began: u64,
    from: u64,
    until: u64,
}

/// Pools whose values may meet.
fn group(pool: &str) -> &'static str {
    match pool {
        "vpc:a" | "vpc:b" | "connectors:a" => "ranges",
        "subnet:b/s" => "addresses",
        "tags" => "tags",
        "ports" => "ports",
        other => panic!("{other}"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn value(text: &str) -> Given {
    Given::parse(text).unwrap_or_else(|| panic!("{text:?} is no value"))
}

fn meet(one: Given, other: Given) -> bool {
    one.block().unwrap().overlaps(other.block().unwrap())
}

/// Whose: pool, value and sequence number.
fn mark(allocation: &Value) -> (String, String, u64) {
    let [pool, value] = ["pool", "value"].map(|name| text(&allocation[name]).to_owned());
    (pool, value, allocation["sequence"].as_u64().unwrap_or_default())
}

const ALLOCATE: &str = "/api/v1/allocations";
const RELEASE: &str = "/api/v1/allocations/release";
const CHANGE: &str = "/api/v1/network/vpcs";

struct Judge<'a> {
    wishes: Vec<Wish<'a>>,
    left: &'a [Left],
    wrong: Vec<String>,
    counts: Counts,
}

pub(super) fn judge(seen: &Seen) -> Judged {
    let mut wishes: BTreeMap<&str, Wish<'_>> = BTreeMap::new();
    for attempt in &seen.attempts {
        let new = || Wish { name: &attempt.wish, call: &attempt.call, attempts: Vec::new() };
        wishes.entry(&attempt.wish).or_insert_with(new).attempts.push(attempt);
    }
    let mut judge = Judge {
        wishes: wishes.into_values().collect(),
        left: &seen.left,
        wrong: Vec::new(),
        counts: Counts::default(),
    };
    judge.answers();
    judge.releases();
    let mut held = judge.held();
    judge.order(&held);
    held.extend(judge.described());
    judge.overlaps(&held);
    judge.left();
    judge.network();
    Judged { wrong: judge.wrong, counts: judge.counts }
}

impl Judge<'_> {
    /// A wish has one answer, whoever gives it and how often; a key belongs to one wish.
    fn answers(&mut self) {
        let mut by_key: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for wish in &self.wishes {
            let mut answers: Vec<&Value> = Vec::new();
            for attempt in &wish.attempts {
                match &attempt.told {
                    Told::Done(answer) => answers.push(answer),
                    Told::Refused(kind, _)
                        if kind == "idempotency-key-reused" && !wish.name.ends_with('!') =>
                    {
                        self.wrong
                            .push(format!("{}: its own key is another's: {attempt:?}", wish.name));
                    }
                    Told::Refused(kind, why)
                        if kind == "no problem document" || kind == "internal" =>
                    {
                        self.wrong.push(format!("{}: {kind} {why}", wish.name));
                    }
                    _ => {}
                }
            }
            self.counts.again += answers.len().saturating_sub(1);
            if answers.iter().any(|answer| *answer != answers[0]) {
                self.wrong.push(format!("{}: two answers: {answers:?}", wish.name));
            }
            let key = wish.attempts.iter().find_map(|one| one.key.as_deref());
            if let (Some(key), Fate::Done) = (key, wish.fate()) {
                let client = key.split('/').next().unwrap_or_default();
                by_key.entry((client, key)).or_default().push(wish.name);
            }
            match wish.fate() {
                Fate::Done => {}
                Fate::Refused => self.counts.refused += 1,
                Fate::Unknown => self.counts.unknown += 1,
            }
        }
        for ((_, key), wishes) in by_key {
            if wishes.len() > 1 {
                self.wrong.push(format!("the key {key} was taken for {wishes:?}"));
            }
        }
    }

    /// What has a sequence number is released once. While it rests, who releases it once more is told the same.
    fn releases(&mut self) {
        let mut done: BTreeMap<(String, String, u64), Vec<&Value>> = BTreeMap::new();
        for wish in self.wishes.iter().filter(|wish| wish.is(RELEASE)) {
            let all = done.entry(mark(&wish.call.body)).or_default();
            if let Some((_, answer)) = wish.done() {
                self.counts.released += usize::from(all.is_empty());
                all.push(answer);
            } else {
                self.counts.late += usize::from(!all.is_empty());
            }
        }
        for (what, answers) in done {
            if answers.iter().any(|answer| *answer != answers[0]) {
                self.wrong.push(format!("{what:?} was released in two ways: {answers:?}"));
            }
        }
    }

    /// When the first attempt to release something began, by what it is of.
    fn released(&self) -> BTreeMap<(String, String, u64), u64> {
        let mut released = BTreeMap::new();
        for wish in self.wishes.iter().filter(|wish| wish.is(RELEASE)) {
            let began = released.entry(mark(&wish.call.body)).or_insert(u64::MAX);
            *began = wish.began().min(*began);
        }
        released
    }

    /// What was acknowledged, for as long as it surely was somebody's.
    fn held(&mut self) -> Vec<Held> {
        let released = self.released();
        let mut held = Vec::new();
        for wish in self.wishes.iter().filter(|wish| wish.is(ALLOCATE)) {
            let Some((from, given)) = wish.done() else { continue };
            self.counts.allocated += 1;
            if text(&given["for"]) != text(&wish.call.body["for"]) {
                self.wrong.push(format!("{} got another's: {given}", wish.name));
            }
            let mark = mark(given);
            held.push(Held {
                what: format!("{} ({given})", wish.name),
                group: group(&mark.0),
                value: value(&mark.1),
                sequence: Some(mark.2),
                began: wish.began(),
                from,
                until: released.get(&mark).copied().unwrap_or(u64::MAX),
            });
        }
        held
    }

    /// Sequence numbers are each one's own, and grow with time.
    fn order(&mut self, held: &[Held]) {
        let mut seen = BTreeSet::new();
        for one in held {
            if !seen.insert(one.sequence) {
                self.wrong.push(format!("{} has another's number", one.what));
            }
        }
        let (mut by_began, mut by_from): (Vec<_>, Vec<_>) =
            (held.iter().collect(), held.iter().collect());
        by_began.sort_by_key(|one| one.began);
        by_from.sort_by_key(|one| one.from);
        let mut before = by_from.into_iter().peekable();
        let mut highest: Option<&Held> = None;
        for one in by_began {
            while let Some(earlier) = before.next_if(|earlier| earlier.from < one.began) {
                if highest.is_none_or(|highest| highest.sequence < earlier.sequence) {
                    highest = Some(earlier);
                }
            }
            if let Some(earlier) = highest.filter(|earlier| earlier.sequence >= one.sequence) {
                self.wrong.push(format!("{} came after {}", one.what, earlier.what));
            }
        }
    }

    /// Subnets that were surely in the network, each as long as it was.
    fn described(&mut self) -> Vec<Held> {
        let mut changes: Vec<&Wish<'_>> =
            self.wishes.iter().filter(|wish| wish.is(CHANGE)).collect();
        changes.sort_by_key(|wish| wish.began());
        let mut held = Vec::new();
        for (at, wish) in changes.iter().enumerate() {
            let Some((from, _)) = wish.done() else { continue };
            self.counts.changes += 1;
            for (name, cidr) in wished(wish.call) {
                let lacks = |later: &&&Wish<'_>| wished(later.call).get(&name) != Some(&cidr);
                let until =
                    changes[at + 1..].iter().find(lacks).map_or(u64::MAX, |later| later.began());
                held.push(Held {
                    what: format!("{name} {cidr} of {}", wish.name),
                    group: "ranges",
                    value: value(&cidr),
                    sequence: None,
                    began: wish.began(),
                    from,
                    until,
                });
            }
        }
        held
    }

    fn overlaps(&mut self, held: &[Held]) {
        for (at, one) in held.iter().enumerate() {
            for other in &held[..at] {
                let both = one.from.max(other.from) < one.until.min(other.until);
                let described = one.sequence.is_none() && other.sequence.is_none();
                if one.group == other.group && both && !described && meet(one.value, other.value) {
                    self.wrong.push(format!("{} and {} at the same time", one.what, other.what));
                }
            }
        }
    }

    /// What is there in the end is what everybody was told.
    fn left(&mut self) {
        let Some(first) = self.left.first() else { return };
        let mut wrong = Vec::new();
        for other in &self.left[1..] {
            if !other.agrees(first) {
                wrong.push(format!(
                    "servers {} and {} say that different things are there",
                    first.server, other.server
                ));
            }
        }
        let by_purpose: BTreeMap<&str, &Value> =
            first.allocations.iter().map(|one| (text(&one["for"]), one)).collect();
        if by_purpose.len() != first.allocations.len() {
            wrong.push("one wish has two values".to_owned());
        }
        let mut known = BTreeSet::new();
        let mut ends: BTreeMap<(String, String, u64), Fate> = BTreeMap::new();
        for wish in self.wishes.iter().filter(|wish| wish.is(RELEASE)) {
            let fate = ends.entry(mark(&wish.call.body)).or_insert(Fate::Refused);
            *fate = match (*fate, wish.fate()) {
                (Fate::Done, _) | (_, Fate::Done) => Fate::Done,
                (Fate::Unknown, _) | (_, Fate::Unknown) => Fate::Unknown,
                _ => Fate::Refused,
            };
        }
        for wish in self.wishes.iter().filter(|wish| wish.is(ALLOCATE)) {
            let purpose = text(&wish.call.body["for"]);
            known.insert(purpose);
            let there = by_purpose.get(purpose).copied();
            let is_wrong = match (wish.fate(), wish.done()) {
                (Fate::Refused, _) => there.is_some(),
                (Fate::Done, Some((_, given))) => match ends.get(&mark(given)) {
                    Some(Fate::Done) => there.is_some(),
                    Some(Fate::Unknown) => there.is_some_and(|there| there != given),
                    Some(Fate::Refused) | None => there != Some(given),
                },
                _ => false,
            };
            if is_wrong {
                wrong.push(format!(
                    "{}: {:?}, and there is {there:?}: {:?}",
                    wish.name,
                    wish.fate(),
                    wish.done()
                ));
            }
        }
        for (purpose, there) in &by_purpose {
            if !known.contains(purpose) {
                wrong.push(format!("nobody asked for {there}"));
            }
        }
        let subnets =
            first.subnets.iter().map(|(name, cidr)| (name.clone(), "ranges", value(cidr)));
        let own = first
            .allocations
            .iter()
            .map(|one| (one.to_string(), group(text(&one["pool"])), value(text(&one["value"]))));
        let all: Vec<_> = own.chain(subnets).collect();
        let described = all.len() - first.subnets.len();
        for (at, one) in all.iter().enumerate() {
            for (before, other) in all[..at].iter().enumerate() {
                let both = at >= described && before >= described;
                if !both && one.1 == other.1 && meet(one.2, other.2) {
                    wrong.push(format!("{} and {} are both there", one.0, other.0));
                }
            }
        }
        self.wrong.extend(wrong);
    }

    /// The network is what the last change made of it, or one of which nobody knows whether it was made.
    fn network(&mut self) {
        let Some(left) = self.left.first() else { return };
        let own: BTreeMap<String, String> =
            left.subnets.iter().filter(|(name, _)| name.starts_with("a/")).cloned().collect();
        let changes: Vec<_> = self.wishes.iter().filter(|wish| wish.is(CHANGE)).collect();
        let done = changes.iter().filter(|wish| wish.fate() == Fate::Done);
        let last =
            done.max_by_key(|wish| wish.done().and_then(|(_, answer)| answer["revision"].as_u64()));
        let Some(last) = last else { return };
        let may = changes.iter().filter(|wish| wish.fate() == Fate::Unknown).chain([last]);
        if !may.into_iter().any(|wish| wished(wish.call) == own) {
            self.wrong.push(format!(
                "the network has {own:?}, and {} was {:?}",
                last.name,
                wished(last.call)
            ));
        }
    }
}

/// The subnets that a change is to leave in network `a`.
fn wished(call: &Call) -> BTreeMap<String, String> {
    let text = text(&call.body["text"]);
    let description = format!("{{\"vpcs\":{{\"a\":{text}}}}}");
    let network = netwright_model::load("n.json", &description, &mut Sources::default()).unwrap();
    network
        .subnets
        .iter()
        .map(|subnet| (subnet.name.clone(), subnet.cidrs[0].to_string()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::history::{Attempt, Call, Left, Seen, Told};
    use super::{ALLOCATE, RELEASE, judge};

    fn attempt(wish: &str, at: u64, path: &str, body: Value, told: Told) -> Attempt {
        let (call, key) = (Call::post(path, body), Some(wish.to_owned()));
        Attempt { wish: wish.to_owned(), key, call, server: 0, began: at, ended: at + 5, told }
    }

    fn given(wish: &str, value: &str, sequence: u64) -> Value {
        json!({ "pool": "tags", "value": value, "for": wish, "sequence": sequence })
    }

    fn allocate(wish: &str, at: u64, value: &str, sequence: u64) -> Attempt {
        let body = json!({ "pool": "tags", "for": wish });
        attempt(wish, at, ALLOCATE, body, Told::Done(given(wish, value, sequence)))
    }

    fn release(wish: &str, at: u64, value: &str, sequence: u64, told: Told) -> Attempt {
        let body = json!({ "pool": "tags", "value": value, "sequence": sequence });
        attempt(wish, at, RELEASE, body, told)
    }

    fn left(allocations: Vec<Value>) -> Vec<Left> {
        vec![Left { server: 0, allocations, subnets: Vec::new() }]
    }

    /// Two of which one gives its value back, and the other gets it.
    fn good() -> Seen {
        let attempts = vec![
            allocate("x/1", 0, "7", 1),
            release("x/2", 10, "7", 1, Told::Done(json!(1))),
            allocate("y/1", 20, "7", 2),
            release("x/3", 30, "7", 1, Told::Refused("conflict".to_owned(), Value::Null)),
        ];
        Seen { attempts, left: left(vec![given("y/1", "7", 2)]) }
    }

    fn faults(change: impl FnOnce(&mut Seen)) -> Vec<String> {
        let mut seen = good();
        change(&mut seen);
        judge(&seen).wrong
    }

    /// Puts a fault into what was seen.
    type Change = fn(&mut Seen);

    #[test]
    fn what_is_right_is_right_and_each_fault_is_found() {
        assert_eq!(faults(|_| {}), [""; 0]);
        let changes: [(&str, Change); 8] = [
            ("lost", |seen| seen.left = left(Vec::new())),
            ("given twice", |seen| seen.attempts.insert(3, allocate("z/1", 22, "7", 3))),
            ("not asked for", |seen| seen.left[0].allocations.push(given("q", "9", 9))),
            ("freed by who came late", |seen| {
                seen.attempts[3].told = Told::Done(json!(2));
            }),
            ("another answer", |seen| {
                let mut again = seen.attempts[0].clone();
                again.told = Told::Done(given("x/1", "8", 1));
                seen.attempts.push(again);
            }),
            ("numbers that fall", |seen| seen.attempts.push(allocate("z/1", 50, "9", 0))),
            ("refused and there", |seen| {
                let told = Told::Refused("no-leader".to_owned(), Value::Null);
                let body = json!({ "pool": "tags", "for": "z/1" });
                seen.attempts.push(attempt("z/1", 40, ALLOCATE, body, told));
                seen.left[0].allocations.push(given("z/1", "9", 9));
            }),
            ("servers that do not agree", |seen| {
                seen.left.push(Left { server: 1, allocations: Vec::new(), subnets: Vec::new() });
            }),
        ];
        for (what, change) in changes {
            assert!(!faults(change).is_empty(), "{what}");
        }
    }
}
