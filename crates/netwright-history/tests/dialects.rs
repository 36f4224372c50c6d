//! Histories as different programs write them, by hand, with the verdicts that they ought to have.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it cannot go on"
)]

use netwright_history::{Model, Options, Report, Verdict, check, read_text};

use Verdict::{Invalid, Unknown, Valid};

fn checked_with(text: &str, model: &str, options: &Options) -> Report {
    let history = read_text(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    check(&history, Model::of(model).expect("a model"), options)
        .unwrap_or_else(|error| panic!("{model}: {error}\n{text}"))
}

fn checked(text: &str, model: &str) -> Report {
    checked_with(text, model, &Options::default())
}

/// Holds that each history has its verdict.
fn judged(model: &str, cases: &[(&str, Verdict)]) {
    for (operations, wanted) in cases {
        let text = edn(operations);
        let report = checked(&text, model);
        assert_eq!(report.verdict, *wanted, "{model}: {operations}: {report:#?}\n{text}");
    }
}

/// Events of a line of words: `0! add 1` begins, `0+ add 1` is ok, `0- add 1` fails, `0? add 1` is info. Parted by semicolons.
fn edn(operations: &str) -> String {
    let event = |event: &str| {
        let mut parts = event.trim().splitn(3, ' ');
        let (who, f) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let value = parts.next().unwrap_or("nil");
        let (process, kind) = who.split_at(who.len() - 1);
        let kind = match kind {
            "!" => "invoke",
            "+" => "ok",
            "-" => "fail",
            "?" => "info",
            other => panic!("{other} begins and ends nothing"),
        };
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}\n")
    };
    operations.split(';').filter(|one| !one.trim().is_empty()).map(event).collect()
}

#[test]
fn objects_of_independent_tests_are_checked_one_by_one() {
    judged(
        "set",
        &[
            // What key 1 has is no loss of key 2.
            (
                "0! add [1 5]; 0+ add [1 5]; 0! add [2 6]; 0+ add [2 6]; 1! read [1 nil]; 1+ read [1 #{5}]; 1! read [2 nil]; 1+ read [2 [6]]",
                Valid,
            ),
            (
                "0! add [1 5]; 0+ add [1 5]; 0! add [2 6]; 0+ add [2 6]; 1! read [1 nil]; 1+ read [1 #{}]; 1! read [2 nil]; 1+ read [2 [6]]",
                Invalid,
            ),
            // One that was never read is not known.
            (
                "0! add [1 5]; 0+ add [1 5]; 0! add [2 6]; 0+ add [2 6]; 1! read [1 nil]; 1+ read [1 #{5}]",
                Unknown,
            ),
            // A set of pairs is one set.
            (
                "0! add [1 5]; 0+ add [1 5]; 0! add [2 6]; 0+ add [2 6]; 1! read nil; 1+ read [[1 5] [2 6]]",
                Valid,
            ),
            (
                "0! add [1 5]; 0+ add [1 5]; 0! add [2 6]; 0+ add [2 6]; 1! read nil; 1+ read [[1 5] [3 6]]",
                Invalid,
            ),
        ],
    );
    judged(
        "set-full",
        &[
            (
                "0! add [1 5]; 0+ add [1 5]; 1! read [1 nil]; 1+ read [1 [5]]; 0! add [2 5]; 0+ add [2 5]; 1! read [2 nil]; 1+ read [2 [5]]",
                Valid,
            ),
            (
                "0! add [1 5]; 0+ add [1 5]; 1! read [1 nil]; 1+ read [1 []]; 0! add [2 5]; 0+ add [2 5]; 1! read [2 nil]; 1+ read [2 [5]]",
                Invalid,
            ),
        ],
    );
}

#[test]
fn counters_registers_queues_and_banks_are_checked_one_by_one_too() {
    judged(
        "counter",
        &[
            (
                "0! add [:a 2]; 0+ add [:a 2]; 0! add [:b 5]; 0+ add [:b 5]; 1! read [:a nil]; 1+ read [:a 2]",
                Valid,
            ),
            (
                "0! add [:a 2]; 0+ add [:a 2]; 0! add [:b 5]; 0+ add [:b 5]; 1! read [:a nil]; 1+ read [:a 7]",
                Invalid,
            ),
        ],
    );
    judged(
        "stale-reads",
        &[
            (
                "0! write [1 4]; 0+ write [1 4]; 0! write [2 9]; 0+ write [2 9]; 1! read [1 nil]; 1+ read [1 4]",
                Valid,
            ),
            (
                "0! write [1 4]; 0+ write [1 4]; 0! write [1 9]; 0+ write [1 9]; 1! read [1 nil]; 1+ read [1 4]",
                Invalid,
            ),
        ],
    );
    judged(
        "total-queue",
        &[
            (
                "0! enqueue [1 a]; 0+ enqueue [1 a]; 0! enqueue [2 a]; 0+ enqueue [2 a]; 1! drain nil; 1+ drain [1 [a]]; 2! drain nil; 2+ drain [2 [a]]",
                Valid,
            ),
            (
                "0! enqueue [1 a]; 0+ enqueue [1 a]; 0! enqueue [2 a]; 0+ enqueue [2 a]; 1! drain nil; 1+ drain [1 [a]]; 2! drain nil; 2+ drain [2 []]",
                Invalid,
            ),
        ],
    );
    let bank = "0! read [1 nil]; 0+ read [1 {0 5, 1 5}]; 0! read [2 nil]; 0+ read [2 {0 9, 1 9}]";
    judged(
        "bank",
        &[
            (bank, Valid),
            (&*bank.replace("1 9}", "1 9}]; 0! read [1 nil]; 0+ read [1 {0 9 1 2}"), Invalid),
        ],
    );
}

#[test]
fn keys_by_name_part_what_pairs_part() {
    let event = |kind: &str, f: &str, key: u8, value: &str| {
        format!(
            "{{\"process\":0,\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":{key},\"value\":{value}}}\n"
        )
    };
    let done = |f: &str, key: u8, begun: &str, ended: &str| {
        event("invoke", f, key, begun) + &event("ok", f, key, ended)
    };
    let adds = done("add", 1, "5", "5") + &done("add", 2, "6", "6");
    let both = done("read", 1, "null", "[5]") + &done("read", 2, "null", "[6]");
    let report = checked(&(adds.clone() + &both), "set");
    assert_eq!(report.verdict, Valid, "{report:#?}");
    let swapped = done("read", 1, "null", "[6]") + &done("read", 2, "null", "[6]");
    let report = checked(&(adds + &swapped), "set");
    assert_eq!(report.verdict, Invalid, "{report:#?}");
    assert!(report.why.contains("key 1"), "{}", report.why);
    // Operations are those of the whole history.
    let lost = report.findings.iter().find(|finding| finding.name == "lost").expect("a loss");
    assert_eq!(lost.operations, [0, 2]);
}

#[test]
fn a_last_read_that_says_nothing_loses_nothing() {
    judged(
        "set",
        &[
            (
                "0! add 1; 0+ add 1; 1! read; 1+ read [1]; 0! add 2; 0+ add 2; 1! read; 1+ read nil",
                Unknown,
            ),
            (
                "0! add 1; 0+ add 1; 1! read; 1+ read [1]; 0! add 2; 0+ add 2; 1! read; 1? read nil",
                Invalid,
            ),
            ("0! add 1; 0+ add 1; 1! read; 1+ read #{1}", Valid),
            ("0! add 1; 0+ add 1; 1! read; 1+ read (1)", Valid),
            ("0! add 1; 0? add 1; 1! add 2; 1+ add 2; 1! read; 1+ read #jepsen/set #{1 2}", Valid),
        ],
    );
}

#[test]
fn what_is_given_out_is_what_generate_says() {
    judged(
        "unique-ids",
        &[
            ("0! generate; 0+ generate 1; 0! read; 0+ read nil; 0! read; 0+ read nil", Valid),
            ("0! generate; 0+ generate 1; 1! generate; 1+ generate 1", Invalid),
            ("0! generate; 0+ generate \"1\"; 1! generate; 1+ generate 1", Valid),
            ("0! generate; 0? generate 1; 1! generate; 1+ generate 1", Valid),
        ],
    );
}

#[test]
fn balances_are_counted_to_the_last_unit() {
    judged(
        "bank",
        &[
            ("0! read; 0+ read {0 10.0, 1 5}; 0! read; 0+ read {0 9, 1 6.0}", Valid),
            ("0! read; 0+ read {0 10.0, 1 5}; 0! read; 0+ read {0 9, 1 5}", Invalid),
            (
                "0! read; 0+ read {0 9223372036854775807, 1 1}; 0! read; 0+ read {0 9223372036854775807, 1 2}",
                Invalid,
            ),
            ("0! read; 0+ read {0 3, 1 nil}", Invalid),
            ("0! read; 0+ read {0 3, 1 -1}", Invalid),
        ],
    );
    let history = read_text(edn("0! read; 0+ read {0 10.5, 1 5}").as_bytes()).expect("a history");
    let refused = check(&history, Model::of("bank").expect("a model"), &Options::default());
    assert!(refused.is_err_and(|error| error.to_string().contains("no whole number")));
}

#[test]
fn counters_go_down_too() {
    judged(
        "counter",
        &[
            ("0! add 3; 0+ add 3; 0! add -2; 0+ add -2; 1! read; 1+ read 1", Valid),
            ("0! add 3; 0+ add 3; 0! add -2; 0+ add -2; 1! read; 1+ read 3", Invalid),
            ("0! add 3; 0+ add 3; 0! add -2; 0? add -2; 1! read; 1+ read 3", Valid),
            ("0! add 3; 0+ add 3; 0! add -2; 0- add -2; 1! read; 1+ read 1", Invalid),
            ("0! decrement 1; 0+ decrement 1; 1! read; 1+ read -1", Valid),
            ("0! add 1; 0+ add 1; 1! read; 1+ read 1.0", Valid),
        ],
    );
}

#[test]
fn processes_end_begin_again_and_go_missing() {
    judged(
        "register",
        &[
            // Whoever has no answer goes on as another, or as the same.
            ("0! write 1; 0? write 1; 0! read; 0+ read 1", Valid),
            ("0! write 1; 0? write 1; 0! read; 0+ read 2", Invalid),
            ("0! write 1; 0- write 1; 0! read; 0+ read 1", Invalid),
            // It has no end, and need not have happened.
            ("0! write 1; 1! read; 1+ read 0; 1! read; 1+ read 1", Valid),
            ("0! write 1; 1! read; 1+ read 1; 1! read; 1+ read 0", Invalid),
            // Who begins twice at once has said too little; what the rest says is said all the same.
            ("0! write 1; 0! write 1; 0+ write 1; 1! read; 1+ read 1", Unknown),
            ("0! write 1; 0! write 1; 0+ write 1; 1! read; 1+ read 7", Invalid),
            // A nemesis, whatever it says, is no client.
            (
                "0! write 1; :nemesis? start {:n1 #{:n2}}; 0+ write 1; :nemesis? stop nil; :nemesis! kill nil; 1! read; 1+ read 1",
                Valid,
            ),
            ("0! read; 0+ read nil", Unknown),
            ("0! read; 0? read :timeout", Unknown),
        ],
    );
}

#[test]
fn edn_as_clojure_prints_it_is_read() {
    let write = edn("0! write 1; 0+ write 1; 1! read; 1+ read 1");
    for text in [
        write.replace(":value 1}", ":value 1, :error #error {:cause \"x\" :via [{:type java.lang.Foo :at [a.B$c invoke \"B.clj\" 3]}] :trace []}}"),
        write.replace(":value 1}", ":value 1, :node #object[a.b.C 0x1f2e \"a.b.C@1f2e\"]}"),
        write.replace(":value 1}", ":value 1, :context #:jepsen{:a 1, :b #:c{:d 2}}}"),
        write.replace(":value 1}", ":value 1, :at #inst \"2026-01-01T00:00:00.000-00:00\" :id #uuid \"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"}"),
        write.replace('{', "^{:line 1} {"),
        format!("^:whole [{write}]"),
        write.replace('{', "#jepsen.history.Op{:index 0 ").replace(":index 0 ", ""),
        write.replace(":value 1}", ":value 1, :ratio 1/3 :big 12345678901234567890N :dec 1.5M :char \\a :inf ##-Inf}"),
        write.replace(", ", " ,, ").replace('\n', " \r\n\r\n;; told\r\n"),
    ] {
        assert_eq!(checked(&text, "register").verdict, Valid, "{text}");
        let wrong = text.replace(":f :read, :value 1", ":f :read, :value 2");
        let wrong = wrong.replace(":f :read ,, :value 1", ":f :read :value 2");
        assert_eq!(checked(&wrong, "register").verdict, Invalid, "{wrong}");
    }
    for (octets, told) in [
        (&b"\x1f\x8b\x08\x00abc"[..], "packed with gzip"),
        (&b"\xff\xfe{\x00:\x00"[..], "UTF-16"),
        (&b"{:a #:x 1}"[..], "`#:` stands before a map"),
        (&b"[^"[..], "`^` tells nothing"),
        (&b"#"[..], "`#` begins"),
    ] {
        let said = read_text(octets).expect_err("no history").message;
        assert!(said.contains(told), "{said}");
    }
}

#[test]
fn logs_of_etcd_say_mismatch_only_where_nothing_else_is_told() {
    let log = |fails: &str| {
        format!(
            "INFO  jepsen.util - 0 :invoke :write 1\nINFO  jepsen.util - 0 :ok :write 1\n\
             INFO  jepsen.util - 1\t:invoke\t:cas\t[1 2]\nINFO  jepsen.util - 1\t:fail\t:cas\t{fails}\n\
             INFO  jepsen.core - some words :of no event\n\
             INFO  jepsen.util - :nemesis :info :start nil\n\
             INFO  jepsen.util - 2 :invoke :read nil\r\nINFO  jepsen.util - 2 :ok :read 1\r\n"
        )
    };
    assert_eq!(checked(&log("[1 2]"), "cas-register").verdict, Invalid);
    assert_eq!(checked(&log("[1 2] :refused"), "cas-register").verdict, Valid);
    assert_eq!(checked(&log(":timed-out"), "cas-register").verdict, Valid);
    // Jepsen's own text says no more than its EDN.
    let own = log("[1 2]").replace("INFO  jepsen.util - ", "");
    assert_eq!(checked(&own, "cas-register").verdict, Valid);
}

#[test]
fn steps_of_transactions_may_leave_out_what_they_saw() {
    judged(
        "list-append",
        &[
            (
                "0! txn [[:append x 1]]; 0+ txn [[:append x 1]]; 1! txn [[:r x nil]]; 1+ txn [[:r x [1]]]",
                Valid,
            ),
            // Nothing is what was there at first.
            (
                "0! txn [[:append x 1]]; 0+ txn [[:append x 1]]; 1! txn [[:r x nil]]; 1+ txn [[:r x nil]]",
                Invalid,
            ),
            (
                "0! txn [[:append x 1]]; 0? txn [[:append x 1]]; 1! txn [[:r x]]; 1+ txn [[:r x nil]]",
                Unknown,
            ),
            (
                "0! txn [[:append x 1]]; 0- txn [[:append x 1]]; 1! txn [[:r x nil]]; 1+ txn [[:r x [1]]]",
                Invalid,
            ),
            // What has no end was done where it was read.
            ("0! txn [[:append x 1]]; 1! txn [[:r x nil]]; 1+ txn [[:r x [1]]]", Valid),
            (
                "0! txn [[:r x nil] [:append x 1]]; 0+ txn [[:r x [2]] [:append x 1]]; 1! txn [[:r x nil] [:append x 2]]; 1+ txn [[:r x [1]] [:append x 2]]",
                Invalid,
            ),
            ("0! txn [[:append x 1] [:r x nil]]; 0+ txn [[:append x 1] [:r x []]]", Invalid),
            ("0! txn []; 0+ txn []", Unknown),
        ],
    );
    judged(
        "rw-register",
        &[
            ("0! txn [[:w x 1]]; 0+ txn [[:w x 1]]; 1! txn [[:r x nil]]; 1+ txn [[:r x 1]]", Valid),
            (
                "0! txn [[:w x 1]]; 0+ txn [[:w x 1]]; 1! txn [[:r x nil]]; 1+ txn [[:r x nil]]",
                Invalid,
            ),
            (
                "0! txn [[:w x 1] [:w x 2]]; 0+ txn [[:w x 1] [:w x 2]]; 1! txn [[:r x nil]]; 1+ txn [[:r x 1]]",
                Invalid,
            ),
            (
                "0! txn [[:r x nil] [:w y 1]]; 1! txn [[:r y nil] [:w x 1]]; 0+ txn [[:r x 1] [:w y 1]]; 1+ txn [[:r y 1] [:w x 1]]",
                Invalid,
            ),
        ],
    );
    judged(
        "long-fork",
        &[
            (
                "0! write [[:w 1 1]]; 0+ write [[:w 1 1]]; 1! write [[:w 2 1]]; 1+ write [[:w 2 1]]; 2! read [[:r 1 nil] [:r 2 nil]]; 2+ read [[:r 1 1] [:r 2 nil]]; 3! read [[:r 2 nil] [:r 1 nil]]; 3+ read [[:r 2 1] [:r 1 nil]]",
                Invalid,
            ),
            (
                "0! write [[:w 1 1]]; 0+ write [[:w 1 1]]; 1! write [[:w 2 1]]; 1+ write [[:w 2 1]]; 2! read [[:r 1 nil] [:r 2 nil]]; 2+ read [[:r 1 1] [:r 2 nil]]; 3! read [[:r 2 nil] [:r 1 nil]]; 3+ read [[:r 2 1] [:r 1 1]]",
                Valid,
            ),
        ],
    );
}

#[test]
fn a_file_that_was_cut_off_is_never_valid_and_what_it_shows_is_shown() {
    let lines = edn("0! write 1; 0+ write 1; 1! read; 1+ read 1; 1! read; 1+ read 1");
    let list = format!("[{}]", lines.trim_end());
    let json: String = lines
        .lines()
        .map(|line| {
            let words = [
                (":process", "\"process\":"),
                (":type :", "\"type\":\""),
                (", :f :", "\",\"f\":\""),
            ];
            let line = words.iter().fold(line.to_owned(), |line, (a, b)| line.replace(a, b));
            line.replace(", :value ", "\",\"value\":").replace("nil", "null") + "\n"
        })
        .collect();
    let array = format!("[{}]", json.trim_end().replace('\n', ",\n"));
    let first = lines.find('\n').expect("lines");
    for whole in [&lines, &list, &json, &array] {
        assert_eq!(checked(whole, "register").verdict, Valid, "{whole}");
        for end in first + 8..whole.trim_end().len() {
            // Between two lines nothing tells that there were more.
            let there = &whole[..end];
            let bare = !there.starts_with('[');
            if bare && (there.ends_with('\n') || there.ends_with('}')) {
                continue;
            }
            let report = checked(there, "register");
            assert_eq!(report.verdict, Unknown, "{there}");
        }
        // The read of what was never written is there.
        let wrong = whole.replacen("1}", "7}", 5).replacen("7}", "1}", 2);
        assert_eq!(checked(&wrong[..wrong.len() - 4], "register").verdict, Invalid, "{wrong}");
    }
    let queue = edn("0! enqueue a; 0+ enqueue a; 1! dequeue; 1+ dequeue");
    assert_eq!(checked(&queue, "total-queue").verdict, Invalid);
    assert_eq!(checked(&queue[..queue.len() - 4], "total-queue").verdict, Unknown);
    // What is missing of events that are in no order may be any of them.
    let shuffled = "{:index 2 :process 1 :type :invoke :f :read}\n{:index 0 :process 0 :type :invoke :f :write :value 1}\n{:index 1 :pro";
    assert!(read_text(shuffled.as_bytes()).is_err());
    // What is not closed in the middle is damage, and no end.
    let damaged = format!("{}{}", lines.replacen(":read", "\"read", 1), lines.repeat(10));
    assert!(read_text(damaged.as_bytes()).is_err());
}

#[test]
fn what_is_absent_from_a_queue_that_was_not_emptied_may_be_in_it_still() {
    let unfinished = Options { unfinished: true, ..Options::default() };
    for (operations, whole, broken_off) in [
        ("0! enqueue a; 0+ enqueue a; 1! dequeue; 1+ dequeue a", Valid, Valid),
        (
            "0! enqueue a; 0+ enqueue a; 0! enqueue b; 0+ enqueue b; 1! dequeue; 1+ dequeue a",
            Invalid,
            Unknown,
        ),
        // Delivered, and its effect may be under way.
        (
            "0! enqueue a; 0+ enqueue a; 0! enqueue b; 0+ enqueue b; 1! dequeue; 1+ dequeue a; 1! effect a; 1+ effect a; 1! dequeue; 1+ dequeue b",
            Invalid,
            Unknown,
        ),
        // What came from nowhere, or was done twice, is wrong whenever it ends.
        ("0! enqueue a; 0+ enqueue a; 1! dequeue; 1+ dequeue c", Invalid, Invalid),
        (
            "0! enqueue a; 0+ enqueue a; 1! effect a; 1+ effect a; 1! effect a; 1+ effect a",
            Invalid,
            Invalid,
        ),
        ("0! enqueue a; 0+ enqueue a", Invalid, Unknown),
        ("0! enqueue a; 0? enqueue a", Unknown, Unknown),
    ] {
        let text = edn(operations);
        assert_eq!(checked(&text, "total-queue").verdict, whole, "{operations}");
        let report = checked_with(&text, "total-queue", &unfinished);
        assert_eq!(report.verdict, broken_off, "{operations}: {report:#?}");
        if (whole, broken_off) == (Invalid, Unknown) {
            assert!(report.why.contains("broken off"), "{}", report.why);
        }
    }
}
