//! Histories of many clients, made by a store that is right and then spoilt in one place: what is wrong is found among all that is right, and large
//! ones are decided.
//!
//! `NETWRIGHT_HISTORY_LARGE` is how many operations they have (4,000 unless given).

use std::collections::BTreeMap;
use std::fmt::Write;

use netwright_history::{Level, Model, Options, Report, Verdict, check, read_text};

use crate::Chance;

fn size() -> usize {
    let given = std::env::var("NETWRIGHT_HISTORY_LARGE").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(4_000)
}

/// What a client is at: nothing, asked for and not done yet, or done and not answered yet.
enum At {
    Idle,
    Asked(String),
    Done(String),
}

/// Events of clients of a store, one a line: `ask` gives what a client asks for, `act` does it at one moment and gives the answer.
fn served(
    clients: usize,
    count: usize,
    chance: &mut Chance,
    ask: &mut dyn FnMut(&mut Chance) -> String,
    act: &mut dyn FnMut(&str) -> String,
) -> Vec<String> {
    let mut busy: Vec<At> = (0..clients).map(|_| At::Idle).collect();
    let mut lines = Vec::new();
    let mut asked = 0;
    while asked < count || busy.iter().any(|at| !matches!(at, At::Idle)) {
        let client = usize::try_from(chance.below(clients as u64)).expect("small");
        busy[client] = match std::mem::replace(&mut busy[client], At::Idle) {
            At::Idle if asked < count => {
                asked += 1;
                let what = ask(chance);
                lines.push(format!("{{:process {client} :type :invoke {what}}}"));
                At::Asked(what)
            }
            At::Idle => At::Idle,
            At::Asked(what) => At::Done(act(&what)),
            At::Done(answer) => {
                lines.push(format!("{{:process {client} :type :ok {answer}}}"));
                At::Idle
            }
        };
    }
    lines
}

fn judged(lines: &[String], model: &str, options: &Options) -> Report {
    let text = lines.join("\n");
    let history = read_text(text.as_bytes()).expect("a history");
    let model = Model::of(model).expect("a model");
    check(&history, model, options).expect("a report")
}

/// The parts of a line `:f :get :key "3" :value "…"`.
fn parts(what: &str) -> (&str, &str, &str) {
    let mut words = what.splitn(6, ' ').skip(1).step_by(2);
    let mut next = || words.next().unwrap_or_default();
    (next(), next(), next())
}

/// Texts by key that fifty clients replace, add to, and get.
fn texts(seed: u64) -> Vec<String> {
    let mut chance = Chance::new(seed);
    let mut next = 0;
    let mut held: BTreeMap<String, String> = BTreeMap::new();
    let mut ask = |chance: &mut Chance| {
        let key = chance.below(8);
        next += 1;
        match chance.below(10) {
            0 => format!(":f :put :key \"{key}\" :value \"x {next} y\""),
            1..=4 => format!(":f :append :key \"{key}\" :value \"x {next} y\""),
            _ => format!(":f :get :key \"{key}\" :value nil"),
        }
    };
    let mut act = |what: &str| {
        let (f, key, value) = parts(what);
        let text = held.entry(key.to_owned()).or_default();
        match f {
            ":put" => value.trim_matches('"').clone_into(text),
            ":append" => text.push_str(value.trim_matches('"')),
            _ => return format!(":f :get :key {key} :value \"{text}\""),
        }
        what.to_owned()
    };
    served(50, size(), &mut chance, &mut ask, &mut act)
}

/// The answers that got more than one piece, each with the pieces.
fn gets(lines: &[String]) -> Vec<(usize, Vec<String>)> {
    let answer = |(at, line): (usize, &String)| {
        let text = line.split_once(":ok :f :get")?.1.split_once(":value \"")?.1;
        let pieces: Vec<String> =
            text.split_inclusive('y').map(str::to_owned).filter(|p| p.starts_with('x')).collect();
        (pieces.len() > 1).then_some((at, pieces))
    };
    lines.iter().enumerate().filter_map(answer).collect()
}

#[test]
fn texts_of_fifty_clients_are_judged_and_what_was_spoilt_is_shown() {
    for seed in 1..=4 {
        let right = texts(seed);
        let report = judged(&right, "key-value", &Options::default());
        assert_eq!(report.verdict, Verdict::Valid, "seed {seed}: {}", report.why);
        let gets = gets(&right);
        let (at, pieces) = &gets[gets.len() / 2 + usize::try_from(seed).expect("small")];
        let whole = pieces.concat();
        for spoilt in [
            // Lost in the middle, in another order, twice, and never written.
            pieces[1..].concat(),
            [&pieces[1..], &pieces[..1]].concat().concat(),
            [&pieces[..], &pieces[..1]].concat().concat(),
            format!("{whole}x 0 y"),
        ] {
            let mut wrong = right.clone();
            wrong[*at] = wrong[*at].replace(&format!("\"{whole}\""), &format!("\"{spoilt}\""));
            assert_ne!(wrong[*at], right[*at]);
            let report = judged(&wrong, "key-value", &Options::default());
            assert_eq!(report.verdict, Verdict::Invalid, "seed {seed}: {}", report.why);
            let shown = report.findings[0].operations.len();
            assert!(shown < 60, "seed {seed}: {shown} operations are shown: {spoilt}");
        }
    }
}

#[test]
fn registers_that_operations_join_are_judged() {
    for seed in 1..=3 {
        let mut chance = Chance::new(seed);
        let mut held = [0_u64; 12];
        let mut ask = |chance: &mut Chance| {
            let first = chance.below(6) * 2;
            let step = |chance: &mut Chance, key: u64| match chance.below(3) {
                0 => format!("[:write {key} {}]", chance.below(5)),
                _ => format!("[:read {key} nil]"),
            };
            format!(":f :txn :value [{} {}]", step(chance, first), step(chance, first + 1))
        };
        let mut act = |what: &str| {
            let mut answer = String::new();
            for step in what.split('[').skip(2) {
                let words: Vec<&str> = step.trim_end_matches([']', ' ']).split(' ').collect();
                let at: usize = words[1].parse().expect("a register");
                if words[0] == ":write" {
                    held[at] = words[2].parse().expect("a number");
                }
                write!(answer, "[{} {at} {}] ", words[0], held[at]).expect("text");
            }
            format!(":f :txn :value [{answer}]")
        };
        let right = served(10, size() / 4, &mut chance, &mut ask, &mut act);
        let report = judged(&right, "multi-register", &Options::default());
        assert_eq!(report.verdict, Verdict::Valid, "seed {seed}: {}", report.why);
        let mut wrong = right.clone();
        let at = right.len() / 2;
        let at = at
            + right[at..]
                .iter()
                .position(|line| line.contains(":ok") && line.contains(":read"))
                .expect("a read");
        let place = wrong[at].find(":read").expect("a read") + ":read 00 ".len() - 1;
        let place = place + wrong[at][place..].find(']').expect("its end");
        wrong[at].insert(place, '7');
        let report = judged(&wrong, "multi-register", &Options::default());
        assert_eq!(report.verdict, Verdict::Invalid, "seed {seed}: {}\n{}", report.why, wrong[at]);
    }
}

/// Transactions over lists or registers on a store that does one after the other.
fn transactions(lists: bool, count: usize, seed: u64) -> Vec<String> {
    let mut chance = Chance::new(seed);
    let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut next = 0;
    let mut ask = |chance: &mut Chance| {
        let mut steps = String::new();
        for _ in 0..=chance.below(3) {
            next += 1;
            let key = next / 200 * 8 + chance.below(8);
            let write = if lists { "append" } else { "w" };
            match chance.below(2) {
                0 => write!(steps, "[:{write} {key} {next}] "),
                _ => write!(steps, "[:r {key} nil] "),
            }
            .expect("text");
        }
        format!(":f :txn :value [{steps}]")
    };
    let mut act = |what: &str| {
        let mut answer = String::new();
        for step in what.split('[').skip(2) {
            let words: Vec<&str> = step.trim_end_matches([']', ' ']).split(' ').collect();
            let list = held.entry(words[1].to_owned()).or_default();
            let seen = match words[0] {
                ":r" if lists => format!("[{}]", list.join(" ")),
                ":r" => list.last().map_or("nil", String::as_str).to_owned(),
                _ => {
                    list.push(words[2].to_owned());
                    words[2].to_owned()
                }
            };
            write!(answer, "[{} {} {seen}] ", words[0], words[1]).expect("text");
        }
        format!(":f :txn :value [{answer}]")
    };
    served(10, count, &mut chance, &mut ask, &mut act)
}

/// An anomaly by itself: how each of some transactions ends and what it did, all at once unless one begins after the others; which it is, the weakest
/// level of some that forbids it, and the strongest of some that allows it.
type Anomaly = (
    &'static [(&'static str, &'static str)],
    bool,
    &'static str,
    &'static str,
    Option<&'static str>,
);

const OF_LISTS: [Anomaly; 9] = [
    (
        &[
            ("ok", "[:append :x 1] [:append :y 1]"),
            ("ok", "[:append :x 2] [:append :y 2]"),
            ("ok", "[:r :x [1 2]] [:r :y [2 1]]"),
        ],
        false,
        "G0",
        "read-uncommitted",
        None,
    ),
    (
        &[("fail", "[:append :x 1]"), ("ok", "[:r :x [1]]")],
        false,
        "G1a",
        "read-committed",
        Some("read-uncommitted"),
    ),
    (
        &[("ok", "[:append :x 1] [:append :x 2]"), ("ok", "[:r :x [1]]")],
        false,
        "G1b",
        "read-committed",
        Some("read-uncommitted"),
    ),
    (
        &[("ok", "[:append :x 1] [:r :y [1]]"), ("ok", "[:append :y 1] [:r :x [1]]")],
        false,
        "G1c",
        "read-committed",
        Some("read-uncommitted"),
    ),
    (
        &[
            ("ok", "[:append :x 1] [:append :y 1]"),
            ("ok", "[:r :x []] [:r :y [1]]"),
            ("ok", "[:r :x [1]]"),
        ],
        false,
        "G-single-item",
        "consistent-view",
        Some("read-committed"),
    ),
    (
        &[
            ("ok", "[:r :x []] [:append :x 1]"),
            ("ok", "[:r :x []] [:append :x 2]"),
            ("ok", "[:r :x [1 2]]"),
        ],
        false,
        "lost-update",
        "cursor-stability",
        Some("read-committed"),
    ),
    (
        &[("ok", "[:r :x []] [:append :y 1]"), ("ok", "[:r :y []] [:append :x 1]")],
        false,
        "G2-item",
        "serializable",
        Some("snapshot-isolation"),
    ),
    (
        &[("ok", "[:append :x 1]"), ("ok", "[:r :x []]")],
        true,
        "G-single-item-realtime",
        "strict-serializable",
        Some("serializable"),
    ),
    (
        &[
            ("ok", "[:append :x 1]"),
            ("info", "[:append :x 2]"),
            ("ok", "[:r :x [1 2]]"),
            ("ok", "[:r :x [2]]"),
        ],
        false,
        "incompatible-order",
        "read-committed",
        None,
    ),
];

const OF_REGISTERS: [Anomaly; 7] = [
    (
        &[("fail", "[:w :x 1]"), ("ok", "[:r :x 1]")],
        false,
        "G1a",
        "read-committed",
        Some("read-uncommitted"),
    ),
    (
        &[("ok", "[:w :x 1] [:w :x 2]"), ("ok", "[:r :x 1]")],
        false,
        "G1b",
        "read-committed",
        Some("read-uncommitted"),
    ),
    (
        &[("ok", "[:w :x 1] [:r :y 1]"), ("ok", "[:w :y 1] [:r :x 1]")],
        false,
        "G1c",
        "read-committed",
        Some("read-uncommitted"),
    ),
    (
        &[("ok", "[:w :x 1] [:w :y 1]"), ("ok", "[:r :x nil] [:r :y 1]")],
        false,
        "G-single-item",
        "consistent-view",
        Some("read-committed"),
    ),
    (
        &[("ok", "[:r :x nil] [:w :x 1]"), ("ok", "[:r :x nil] [:w :x 2]")],
        false,
        "lost-update",
        "cursor-stability",
        Some("read-committed"),
    ),
    (
        &[("ok", "[:r :x nil] [:w :y 1]"), ("ok", "[:r :y nil] [:w :x 1]")],
        false,
        "G2-item",
        "serializable",
        Some("snapshot-isolation"),
    ),
    (
        &[("ok", "[:w :x 1]"), ("ok", "[:r :x nil]")],
        true,
        "G-single-item-realtime",
        "strict-serializable",
        Some("serializable"),
    ),
];

/// Puts an anomaly into the middle of a history, done by clients of its own.
fn spoilt(right: &[String], (acts, later, ..): &Anomaly) -> Vec<String> {
    let begun = |(client, (_, steps)): (usize, &(&str, &str))| {
        let asked = steps.replace(":r :x [1 2]", ":r :x nil").replace(":r :y [2 1]", ":r :y nil");
        format!("{{:process {} :type :invoke :f :txn :value [{asked}]}}", 100 + client)
    };
    let ended = |(client, (outcome, steps)): (usize, &(&str, &str))| {
        format!("{{:process {} :type :{outcome} :f :txn :value [{steps}]}}", 100 + client)
    };
    let all = || acts.iter().enumerate();
    let events: Vec<String> = if *later {
        all().flat_map(|act| [begun(act), ended(act)]).collect()
    } else {
        all().map(begun).chain(all().map(ended)).collect()
    };
    let (before, after) = right.split_at(right.len() / 2);
    [before, &events, after].concat()
}

#[test]
fn an_anomaly_is_named_among_thousands_of_transactions_and_forbidden_where_it_must_be() {
    for (model, anomalies) in [("list-append", &OF_LISTS[..]), ("rw-register", &OF_REGISTERS[..])] {
        let right = transactions(model == "list-append", size() / 4, 1);
        let level =
            |name: &str| Options { level: Level::of(name).expect("a level"), ..Options::default() };
        let report = judged(&right, model, &Options::default());
        assert_eq!(report.verdict, Verdict::Valid, "{model}: {}", report.why);
        for anomaly in anomalies {
            let (_, _, name, forbidding, allowing) = anomaly;
            let wrong = spoilt(&right, anomaly);
            let report = judged(&wrong, model, &level(forbidding));
            assert_eq!(report.verdict, Verdict::Invalid, "{model} {name}: {}", report.why);
            let named = report.findings.iter().any(|finding| finding.name == *name);
            assert!(named, "{model} {name}: {:#?}", report.findings);
            if let Some(allowing) = allowing {
                let report = judged(&wrong, model, &level(allowing));
                assert_eq!(report.verdict, Verdict::Valid, "{model} {name}: {}", report.why);
            }
        }
    }
}

#[test]
fn transactions_that_all_hang_together_are_judged() {
    // Each does not see what the next appended, all the way round.
    let count = size();
    let mut lines = Vec::new();
    for at in 0..count {
        lines.push(format!(
            "{{:process {at} :type :invoke :f :txn :value [[:append {at} 1] [:r {} nil]]}}",
            (at + 1) % count
        ));
    }
    for at in 0..count {
        lines.push(format!(
            "{{:process {at} :type :ok :f :txn :value [[:append {at} 1] [:r {} []]]}}",
            (at + 1) % count
        ));
    }
    let report = judged(&lines, "list-append", &Options::default());
    assert_eq!(report.verdict, Verdict::Invalid, "{}", report.why);
    assert_eq!(report.findings[0].name, "G2-item");
    // Many knots within each other: every third read is one of long ago.
    let mut chance = Chance::new(7);
    let mut lists: Vec<Vec<u64>> = vec![Vec::new(); 40];
    let mut lines = Vec::new();
    for at in 0..count as u64 {
        let one = usize::try_from(chance.below(40)).expect("small");
        let other = usize::try_from(chance.below(40)).expect("small");
        let seen = lists[other].len()
            - usize::try_from(chance.below(3)).expect("small").min(lists[other].len());
        if lists[one].len() < 60 {
            lists[one].push(at);
        }
        let appended = if lists[one].last() == Some(&at) {
            format!("[:append {one} {at}] ")
        } else {
            String::new()
        };
        let read = format!("{:?}", &lists[other][..seen.min(lists[other].len())]).replace(',', "");
        lines.push(format!(
            "{{:process {at} :type :invoke :f :txn :value [{appended}[:r {other} nil]]}}"
        ));
        lines.push(format!(
            "{{:process {at} :type :ok :f :txn :value [{appended}[:r {other} {read}]]}}"
        ));
    }
    let report = judged(&lines, "list-append", &Options::default());
    assert_eq!(report.verdict, Verdict::Invalid, "{}", report.why);
}
