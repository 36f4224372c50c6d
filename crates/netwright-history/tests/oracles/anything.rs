//! Histories of any events in any order, from small domains: times that are equal, clients that answer without having asked, values of every kind,
//! numbers at the ends of their range. What random octets hardly ever spell is met here at once.

use std::fmt::Write;

use netwright_history::{
    CheckError, History, MODELS, Model, Options, Report, Verdict, Weight, check, read_text,
    timeline,
};

use crate::Chance;

/// Values that histories hold, as EDN spells them; those of JSON are the same with commas and colons.
fn scalar(chance: &mut Chance) -> String {
    const ODD: [&str; 12] = [
        "9223372036854775807",
        "-9223372036854775808",
        "99999999999999999999",
        "##NaN",
        "-0.0",
        "1e308",
        "\"\"",
        "\"x\"",
        "true",
        ":x",
        "{}",
        "[]",
    ];
    match chance.below(14) {
        0 => ODD[usize::try_from(chance.below(12)).expect("small")].to_owned(),
        1 | 2 => "nil".to_owned(),
        _ => chance.below(3).to_string(),
    }
}

fn several(chance: &mut Chance, most: u64, one: &mut dyn FnMut(&mut Chance) -> String) -> String {
    let count = chance.below(most + 1);
    let items: Vec<String> = (0..count).map(|_| one(chance)).collect();
    items.join(" ")
}

/// A value such as the operations of a family have.
fn value(chance: &mut Chance, family: usize) -> String {
    if chance.one_in(12) {
        return scalar(chance);
    }
    match family {
        // Pairs, of values and of keys with them.
        1 => match chance.below(3) {
            0 => format!("[{} [{} {}]]", scalar(chance), scalar(chance), scalar(chance)),
            _ => format!("[{} {}]", scalar(chance), scalar(chance)),
        },
        // What reads of sets and lists have seen.
        2 => format!("[{}]", several(chance, 3, &mut scalar)),
        3 => format!("#{{{}}}", several(chance, 3, &mut scalar)),
        // Balances.
        4 => format!("{{:a {} :b {}}}", scalar(chance), scalar(chance)),
        5 => {
            let key = if chance.one_in(2) { "x" } else { "y" };
            let steps = several(chance, 3, &mut |chance| match chance.below(6) {
                0 | 1 => format!("[:append :{key} {}]", scalar(chance)),
                2 => format!("[:r :{key} [{}]]", several(chance, 3, &mut scalar)),
                3 => format!("[:r :x {}]", scalar(chance)),
                4 => format!("[:w :{key} {}]", scalar(chance)),
                _ => format!("[:r :{key} {}]", scalar(chance)),
            });
            format!("[{steps}]")
        }
        _ => scalar(chance),
    }
}

/// What the models know, and one that none of them does.
const NAMES: [&[&str]; 9] = [
    &["read", "write"],
    &["read", "write", "cas"],
    &["get", "put", "append"],
    &["acquire", "release"],
    &["add", "read"],
    &["enqueue", "dequeue", "drain", "effect"],
    &["lead", "act", "resign"],
    &["txn"],
    &["read", "transfer", "generate", "rows", "foreign-key", "other"],
];

/// The events of a history, one a line.
fn events(chance: &mut Chance) -> String {
    const KINDS: [&str; 6] = ["invoke", "invoke", "invoke", "ok", "ok", "info"];
    let names = NAMES[usize::try_from(chance.below(9)).expect("small")];
    let family = usize::try_from(chance.below(7)).expect("small");
    let mixed = chance.one_in(3);
    let (keyed, timed, indexed, orderly) =
        (chance.one_in(3), chance.one_in(3), chance.one_in(4), chance.one_in(2));
    let mut text = String::new();
    let mut busy: [Option<String>; 3] = [None, None, None];
    for _ in 0..chance.below(16) {
        let process = usize::try_from(chance.below(3)).expect("small");
        let name = names[usize::try_from(chance.below(names.len() as u64)).expect("small")];
        let family = if mixed { usize::try_from(chance.below(7)).expect("small") } else { family };
        let (kind, name) = match (orderly, busy[process].take()) {
            (true, None) => {
                busy[process] = Some(name.to_owned());
                ("invoke", name.to_owned())
            }
            (true, Some(name)) => (if chance.one_in(5) { "fail" } else { "ok" }, name),
            _ => (KINDS[usize::try_from(chance.below(6)).expect("small")], name.to_owned()),
        };
        write!(text, "{{:type :{kind} :f :{name} :value {}", value(chance, family)).expect("text");
        if !chance.one_in(9) {
            write!(text, " :process {process}").expect("text");
        }
        if keyed {
            write!(text, " :key {}", chance.below(2)).expect("text");
        }
        if timed {
            write!(text, " :time {}", chance.below(4)).expect("text");
        }
        if indexed {
            write!(text, " :index {}", scalar(chance)).expect("text");
        }
        text.push_str("}\n");
    }
    text
}

/// What holds of every report, whatever was checked.
fn sane(history: &History, report: &Report) -> Result<(), String> {
    let fails = report.findings.iter().any(|finding| finding.weight == Weight::Fails);
    if (report.verdict == Verdict::Invalid) != fails {
        return Err("a verdict that its findings do not bear".to_owned());
    }
    if report.verdict == Verdict::Valid && history.unpaired > 0 {
        return Err("what lacks events passes".to_owned());
    }
    for finding in &report.findings {
        if finding.operations.iter().any(|at| *at >= history.operations.len()) {
            return Err(format!("{} shows what is not there", finding.name));
        }
        drop(timeline(history, &finding.operations));
    }
    if report.why.is_empty() { Err("it does not say why".to_owned()) } else { Ok(()) }
}

fn looked(history: &History, model: Model) -> Result<Report, CheckError> {
    check(history, model, &Options { budget: 500, ..Options::default() })
}

#[test]
fn no_model_stops_at_any_history_and_what_it_says_is_borne_out() {
    let cases = std::env::var("NETWRIGHT_HISTORY_CASES").ok().and_then(|text| text.parse().ok());
    let mut judged = 0;
    for seed in 1..=cases.unwrap_or(400) * 8 {
        let text = events(&mut Chance::new(seed));
        let Ok(history) = read_text(text.as_bytes()) else { continue };
        for model in MODELS {
            let Ok(report) = looked(&history, model) else { continue };
            judged += usize::from(report.verdict != Verdict::Unknown);
            let told = sane(&history, &report);
            assert!(
                told.is_ok(),
                "{}, seed {seed}: {}: {report:#?}\n{text}",
                model.name,
                told.unwrap_err()
            );
        }
    }
    assert!(judged > 1000, "only {judged} reports say something");
}
