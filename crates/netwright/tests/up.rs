//! `netwright up`: checked, built, proved, and again with each edit, by whoever runs it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test says what it skips and stops where it cannot go on"
)]

mod harness;

use harness::{Stays, Way, text, ways};

fn example(name: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/");
    std::fs::read_to_string(format!("{root}{name}")).unwrap()
}

fn up(way: &Way, file: &str) -> Stays {
    Stays::start(way.command(&["up", file, "--name", &way.lab]))
}

/// The line that ends what is said of a state.
const SETTLED: &str = "Ctrl-C ends the lab";

#[test]
fn an_edit_is_checked_applied_and_proved_and_an_interrupt_leaves_nothing() {
    for way in ways("up") {
        let file = way.file(&example("staging-egress/before.yaml"));
        let up = up(&way, &file);
        let told = up.until(SETTLED).join("\n");
        for wanted in [
            "broken  analytics-reaches-clickhouse",
            "is up: 10 namespaces",
            "96 of 96 predictions were seen to be true",
            "answered, seen as 10.166.0.4 (the lab answered for it)",
        ] {
            assert!(told.contains(wanted), "{wanted} is missing:\n{told}");
        }

        way.file(&example("staging-egress/after.yaml"));
        let told = up.until(SETTLED).join("\n");
        for wanted in [
            "this breaks something: 2 services do not start",
            "service/auth: 1 route more and 7 less",
            "packets that are answered no more",
            "auth → internet  icmp echo, tcp/6379, tcp/9, udp/9: the source has no public address and no NAT gateway",
            "96 of 96 predictions were seen to be true",
            "calls that fail now",
            "no answer through the proxy within 1000 ms: the source has no public address and no NAT gateway",
            "1 of 5 calls of services are answered",
        ] {
            assert!(told.contains(wanted), "{wanted} is missing:\n{told}");
        }

        way.file("vpcs: [");
        up.until("the lab stays as it was");
        assert!(way.lab(&["ps"]).status.success());

        way.file(&example("staging-egress/works.yaml"));
        let told = up.until(SETTLED).join("\n");
        for wanted in ["flows gained", "packets that are answered now", "  gateway/default: "] {
            assert!(told.contains(wanted), "{wanted} is missing:\n{told}");
        }
        assert!(!told.contains("answered no more"), "{told}");

        let (status, rest) = up.interrupt();
        assert_eq!(status, Some(0), "all holds: {rest:#?}");
        assert!(!way.lab(&["ps"]).status.success(), "it has ended when the command has");
    }
}

#[test]
fn bad_input_at_first_builds_nothing_and_a_broken_intent_is_the_exit_status() {
    for way in ways("up-bad") {
        let file = way.file("vpcs: [");
        let ran = way.command(&["up", &file, "--name", &way.lab]).output().unwrap();
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        let file = way.file(&example("staging-egress/after.yaml"));
        let up = up(&way, &file);
        up.until(SETTLED);
        let (status, _) = up.interrupt();
        assert_eq!(status, Some(1));
    }
}

/// What came of the calls of a lab, by service and dependency: whether it was answered, and from which source it was seen.
fn calls(way: &Way) -> Vec<(String, bool, Option<String>, bool)> {
    let ran = way.lab(&["call", "--format", "json", "--wait", "1000"]);
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let all = json["calls"].as_array().unwrap();
    let one = |call: &serde_json::Value| {
        assert_eq!(call["agrees"], true, "{call}");
        let text = |key: &str| call[key].as_str().map(str::to_owned);
        let name = format!("{} {}", text("service").unwrap(), text("dependency").unwrap());
        (name, call["answered"] == true, text("source_seen"), call["via"] == "socket")
    };
    all.iter().map(one).collect()
}

#[test]
fn the_staging_regression_happens_with_packets() {
    for way in ways("staging") {
        let file = way.file(&example("staging-egress/before.yaml"));
        let up = way.lab(&["up", &file]);
        assert!(up.status.success(), "{up:?}");
        let answered = |calls: &[(String, bool, Option<String>, bool)]| -> Vec<String> {
            let fine = calls.iter().filter(|(_, answered, ..)| *answered);
            fine.map(|(name, ..)| name.clone()).collect()
        };

        // Before: everything but the provider that accepts listed addresses only.
        let before = calls(&way);
        let all = [
            "analytics clickhouse",
            "auth database",
            "backend database",
            "backend redis",
            "backend auth",
        ];
        assert_eq!(answered(&before), all[1..], "{before:?}");
        let by_socket = before.iter().filter(|(.., socket)| *socket).count();
        assert_eq!(by_socket, 2, "the database is behind a proxy: {before:?}");

        // After: nothing public any more, so neither the provider nor the database's proxy.
        way.file(&example("staging-egress/after.yaml"));
        assert!(way.lab(&["apply", &file]).status.success());
        assert_eq!(answered(&calls(&way)), ["backend redis"]);
        let logs = text(&way.lab(&["logs", "service/auth"]).stdout);
        assert!(logs.contains("stand-in database (database:main): no answer"), "{logs}");

        // The database by its private address: the services start, the provider stays out of reach.
        way.file(&example("staging-egress/option-2.yaml"));
        assert!(way.lab(&["apply", &file]).status.success());
        assert_eq!(answered(&calls(&way)), ["auth database", "backend database", "backend redis"]);

        // What works for everything: the provider sees the NAT gateway's address.
        way.file(&example("staging-egress/works.yaml"));
        assert!(way.lab(&["apply", &file]).status.success());
        let works = calls(&way);
        assert_eq!(answered(&works), all, "{works:?}");
        assert_eq!(works[0].2.as_deref(), Some("198.51.100.10"));

        let one = way.lab(&["call", "backend", "redis"]);
        assert!(
            one.status.success() && text(&one.stdout).contains("seen as 10.166.0.4"),
            "{one:?}"
        );
        let nobody = way.lab(&["call", "nobody"]);
        assert_eq!(nobody.status.code(), Some(2), "{nobody:?}");
    }
}

#[test]
fn a_database_answers_behind_its_socket_at_the_path_that_the_platform_gives_it() {
    for way in ways("socket") {
        let file = way.file(&example("staging-egress/before.yaml"));
        assert!(way.lab(&["up", &file]).status.success());
        let folder = "/cloudsql/staging:us-central1:main";
        let listed = way.lab(&["exec", "service/auth", "--", "ls", "-A", folder]);
        assert_eq!(text(&listed.stdout), ".s.PGSQL.5432\n", "{listed:?}");
        let other = way.lab(&["exec", "service/analytics", "--", "test", "-e", "/cloudsql"]);
        assert_eq!(other.status.code(), Some(1), "it depends on no database: {other:?}");
        let ask = ["exec", "service/auth", "--", "psql", "-h", folder, "-U", "auth", "-d", "main"];
        let ask = [&ask[..], &["-At", "-c"]].concat();
        let ran = way.lab(&[&ask[..], &["select 1"]].concat());
        if ran.status.code() == Some(127) {
            eprintln!("skipped: no psql here");
            continue;
        }
        assert_eq!(text(&ran.stdout), "1\n", "{ran:?}");
        let refused = way.lab(&[&ask[..], &["select now()"]].concat());
        let told = text(&refused.stderr);
        assert!(told.contains("it holds no data; you are seen as 198.19.0.1"), "{told}");
    }
}

#[test]
fn calls_of_other_examples_go_as_predicted_and_stand_ins_hinder_no_proof() {
    let Some(way) = ways("examples").into_iter().find(|way| !way.ordinary) else { return };
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/");
    for (example, called) in [("gcp-serverless/export", 4), ("connector-plan", 1)] {
        let path = format!("{root}{example}");
        let up = way.lab(&["up", &path]);
        assert!(up.status.success(), "{up:?}");
        let calls = calls(&way);
        assert_eq!(calls.len(), called, "{calls:?}");
        let proved = way.command(&["prove", &path, "--lab", &way.lab]).output().unwrap();
        let told = text(&proved.stdout);
        assert!(proved.status.success() && !told.contains("not tried"), "{told}");
        assert!(way.lab(&["down"]).status.success());
    }
}
