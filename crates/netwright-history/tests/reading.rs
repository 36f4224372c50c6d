//! What readers take, what they refuse, and where they say it is wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops where it cannot go on, and says what it leaves out"
)]

use netwright_history::journal::{Entry, Journal};
use netwright_history::{
    History, Limits, MODELS, Model, Operation, Options, Outcome, Source, Value, Verdict, check,
    read, read_text, recognize, value_of,
};

fn history(text: &str) -> History {
    read_text(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn refused(text: &str) -> String {
    read_text(text.as_bytes()).expect_err("bad input").to_string()
}

const WRITE: &str = "{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :type :ok, :f :write, :value 1}\n";

#[test]
fn spaces_brackets_commas_comments_and_tags_change_nothing() {
    let plain = history(WRITE);
    for other in [
        WRITE.replace('\n', "\r\n"),
        format!("[{WRITE}]"),
        format!("({WRITE})"),
        format!("\u{feff}; a comment\n[{}]\n; the end", WRITE.replace(", ", " ")),
        WRITE.replace('{', "#jepsen.history.Op{:index 1 ").replacen(":index 1", ":index 0", 1),
        format!("#_ {{:left out}} {WRITE} #_[1 2]"),
        WRITE.replace(":process 0, :type :invoke", "\"process\" 0 \"type\" \"invoke\""),
    ] {
        let read = history(&other);
        assert_eq!(read.operations.len(), 1, "{other}");
        assert_eq!(read.operations[0].value, plain.operations[0].value, "{other}");
        assert_eq!(read.operations[0].outcome, Outcome::Ok, "{other}");
    }
}

#[test]
fn edn_has_all_its_values() {
    let value =
        |text: &str| value_of(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string();
    for (text, shown) in [
        ("[1 -2 +3 4N]", "[1 -2 3 4]"),
        ("(1.5 2.0M 1e3 ##Inf)", "[1.5 2.0 1000.0 inf]"),
        ("#{3 1 2 1}", "#{1 2 3}"),
        ("{:b 2, :a [nil true false]}", "{a [nil true false], b 2}"),
        (r#""a\n\"\u00e9\ud83d\ude00""#, "\"a\\n\\\"é😀\""),
        (r"[\a \newline \space]", "[\"a\" \"\\n\" \" \"]"),
        ("#inst \"2026-01-01\"", "\"2026-01-01\""),
        ("- ", "-"),
        ("123456789012345678901234567890", "\"123456789012345678901234567890\""),
        ("+123456789012345678901234567890N", "\"123456789012345678901234567890\""),
        ("#:jepsen{:a 1}", "{a 1}"),
        ("^{:line 3} [1 ^:tag 2]", "[1 2]"),
    ] {
        assert_eq!(value(text), shown, "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, told) in [
        ("{:type :ok", "line 1, column 11: the file ends before the `}`"),
        ("{:type :ok]", "line 1, column 11: `]` where `}` should close"),
        ("{:type :ok :f}", "line 1, column 1: this map has a key without a value"),
        ("{:type :maybe}", "line 1, column 1: `maybe` is no type of event"),
        ("\n\n{:f :read}", "line 3, column 1: this event has no type"),
        ("[{:type :ok} 3]", "line 1, column 14: an event is a map"),
        ("{:type :ok :value \"abc", "line 1, column 19: this text is not closed"),
        ("[{\"type\":\"ok\",}]", "line 1, column 15: a key in quotes is due"),
        ("{\"type\":\"ok\" \"f\":1}", "line 1, column 14: `\"` where `,` or `}` is due"),
        ("{\"type\":nul}", "line 1, column 9: `nul` is nothing of JSON"),
        ("hello world", "line 1, column 1: this is no history"),
        ("{\"netwright_history\":9}", "this history has version 9"),
    ] {
        let said = refused(text);
        assert!(said.contains(told), "{text}: {said}");
    }
    let deep = format!("{{:type :ok :value {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(refused(&deep).contains("nested deeper than 64"));
    let limits = Limits { values: 100, ..Limits::default() };
    let wide = format!("{{:type :ok :value [{}]}}", "1 ".repeat(200));
    let said = read(limits, || Ok(wide.as_bytes())).expect_err("too many values");
    assert!(said.message.contains("more than 100 values"), "{said}");
}

#[test]
fn a_read_that_breaks_off_is_an_error_and_no_end() {
    struct Broken(bool);
    impl std::io::Read for Broken {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(std::io::Error::other("the disk is gone"));
            }
            into[..WRITE.len()].copy_from_slice(WRITE.as_bytes());
            Ok(WRITE.len())
        }
    }
    let error = read(Limits::default(), || Ok(Broken(false))).expect_err("a broken disk");
    assert!(error.message.contains("the disk is gone"), "{error}");
}

#[test]
fn nothing_is_unknown_and_never_passes() {
    for text in ["", "\n\n", "[]", "()", "; only a comment\n", "[\n]"] {
        let history = history(text);
        for model in MODELS {
            let report = check(&history, model, &Options::default()).expect("a report");
            assert_eq!(report.verdict, Verdict::Unknown, "{text:?} as {}", model.name);
        }
    }
    let header = history("{\"netwright_history\":1}\n");
    assert_eq!(header.source, Source::Netwright);
    assert!(header.operations.is_empty());
}

#[test]
fn a_history_of_which_nothing_was_acknowledged_is_unknown_for_every_model() {
    let mut judged = Vec::new();
    for model in MODELS {
        let operations: &[(&str, &str)] = match model.name {
            "register" | "cas-register" | "stale-reads" | "lost-writes" | "comments"
            | "sequential" => &[("read", "nil"), ("write", "1")],
            "multi-register" => &[("txn", "[[:write :x 1]]")],
            "mutex" => &[("acquire", "nil")],
            "key-value" => &[("put", "\"x\"")],
            "set" | "set-full" | "counter" => &[("add", "1"), ("read", "nil")],
            "total-queue" | "unordered-queue" | "queue" => &[("enqueue", "1"), ("dequeue", "nil")],
            "unique-ids" => &[("generate", "nil")],
            "versions" => &[("write", "[:x 1]")],
            "leadership" => &[("lead", "1"), ("act", "1")],
            "bank" => &[("transfer", "{:from 0, :to 1, :amount 5}"), ("read", "nil")],
            "long-fork" => &[("write", "[[:w 1 1]]"), ("read", "[[:r 1 nil]]")],
            "list-append" => &[("txn", "[[:append :x 1] [:r :x nil]]")],
            "rw-register" => &[("txn", "[[:w :x 1] [:r :x nil]]")],
            "foreign-keys" | "orphans" => &[("rows", "[]")],
            other => panic!("{other} is not looked at here"),
        };
        for outcome in ["fail", "info"] {
            let mut text = String::new();
            for (client, (f, value)) in operations.iter().enumerate() {
                let value = value_of(value).unwrap().to_json();
                for kind in ["invoke", outcome] {
                    text += &format!(
                        "{{\"process\":{client},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"k\",\"value\":{value}}}\n"
                    );
                }
            }
            let ours = format!("{{\"netwright_history\":1}}\n{text}");
            for text in [&ours, &text] {
                let report = check(&history(text), model, &Options::default()).unwrap();
                if report.verdict != Verdict::Unknown {
                    judged.push(format!("{} {outcome}", model.name));
                }
            }
        }
    }
    // Histories of Jepsen and Knossos are judged as they do.
    assert_eq!(
        judged,
        [
            "register fail",
            "cas-register fail",
            "multi-register fail",
            "mutex fail",
            "key-value fail",
            "unordered-queue info",
            "queue info"
        ]
    );
}

#[test]
fn numbers_of_events_put_them_in_order() {
    let ordered = "{:index 0 :process 0 :type :invoke :f :read}\n{:index 1 :process 0 :type :ok :f :read :value 3}\n";
    let mut lines: Vec<&str> = ordered.lines().collect();
    lines.reverse();
    let shuffled = history(&lines.join("\n"));
    assert_eq!(shuffled.operations.len(), 1);
    assert_eq!(shuffled.unpaired, 0);
    assert!(shuffled.notices[0].contains("order of their numbers"), "{:?}", shuffled.notices);
    let timed = history(
        "{:time 9 :process 0 :type :ok :f :read :value 3}\n{:time 2 :process 0 :type :invoke :f :read}\n",
    );
    assert_eq!((timed.operations.len(), timed.unpaired), (1, 0));
}

#[test]
fn events_without_their_counterparts_are_never_valid() {
    let text = "{:process 0 :type :ok :f :write :value 1}\n{:process 1 :type :invoke :f :read}\n{:process 1 :type :ok :f :read :value 1}\n";
    let history = history(text);
    assert_eq!(history.unpaired, 1);
    let report = check(&history, Model::of("register").expect("a model"), &Options::default());
    assert_eq!(report.expect("a report").verdict, Verdict::Unknown);
}

#[test]
fn operations_without_clients_find_their_ends_by_what_they_do() {
    let text = "{:type :invoke :f :write :value 1}\n{:type :invoke :f :write :value 2}\n{:type :invoke :f :read :value nil}\n{:type :ok :f :write :value 2}\n{:type :ok :f :read :value 2}\n";
    let history = history(text);
    let ends: Vec<bool> = history.operations.iter().map(|one| one.end == Operation::OPEN).collect();
    assert_eq!(ends, [true, false, false]);
    assert_eq!(history.unpaired, 0);
}

#[test]
fn a_nemesis_is_no_client() {
    let text = format!(
        "{{:process :nemesis :type :info :f :start :value \"Cut off {{:n1 #[:n2]}}\"}}\n{WRITE}{{:process :a :type :invoke :f :read}}"
    );
    let history = history(&text);
    assert_eq!((history.faults.len(), history.operations.len()), (1, 2));
    assert_eq!(recognize(&history).ok().map(|model| model.name), None);
}

#[test]
fn what_was_written_is_read_and_a_torn_line_is_left_out_and_told() {
    let mut octets = Vec::new();
    let mut journal = Journal::begin(&mut octets).expect("memory");
    let two = serde_json::json!([1, 2]);
    let base = Entry {
        process: 4,
        f: "cas",
        value: Some(&two),
        wall: 5,
        mono: 6,
        link: Some("cut"),
        id: Some("k"),
        attempt: 2,
        ..Entry::default()
    };
    journal.append(&Entry { kind: "invoke", ..base.clone() }).expect("memory");
    journal
        .append(&Entry { kind: "fail", mono: 9, error: Some("mismatch"), ..base.clone() })
        .expect("memory");
    let whole = octets.len();
    let mut journal = Journal::begin(&mut octets).expect("memory");
    journal.append(&Entry { kind: "invoke", ..base }).expect("memory");
    octets.drain(whole..whole + "{\"netwright_history\":1}\n".len());
    for cut in whole + 2..octets.len() - 1 {
        let history = read_text(&octets[..cut]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(history.source, Source::Netwright);
        assert_eq!(history.operations.len(), 1, "cut at {cut}");
        assert!(history.notices[0].contains("line 4 was cut off"), "{:?}", history.notices);
    }
    let history = read_text(&octets).expect("the whole");
    let first = &history.operations[0];
    assert!(first.refused && first.outcome == Outcome::Fail);
    let extra = first.extra.as_ref().expect("what our own histories add");
    assert_eq!(
        (extra.mono, extra.attempt, extra.link.as_deref()),
        ([Some(6), Some(9)], Some(2), Some("cut"))
    );
    assert_eq!(first.value, Value::list(vec![Value::Int(1), Value::Int(2)]));
    // In the middle a torn line is damage.
    let mut damaged = octets.clone();
    damaged.splice(whole - 3..whole - 1, []);
    assert!(read_text(&damaged).is_err());
}

#[test]
fn a_long_history_is_read_through_a_small_window() {
    let mut text = String::new();
    for at in 0..20_000 {
        text += &format!(
            "{{:process {at} :type :invoke :f :add :value [{at} \"{}\"]}}\n",
            "x".repeat(at % 50)
        );
    }
    let history = history(&text);
    assert_eq!(history.operations.len(), 20_000);
    assert_eq!(history.operations[19_999].line, 20_000);
}
