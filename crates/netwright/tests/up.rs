//! `netwright up`: checked, built, proved, and again with each edit, by whoever runs it.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod harness;

use harness::{Stays, Way, ways};

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
        ] {
            assert!(told.contains(wanted), "{wanted} is missing:\n{told}");
        }

        way.file("vpcs: [");
        up.until("the lab stays as it was");
        assert!(way.lab(&["ps"]).status.success());

        way.file(&example("staging-egress/works.yaml"));
        let told = up.until(SETTLED).join("\n");
        for wanted in [
            "flows gained",
            "packets that are answered now",
            "gateway/default: 2 lines of its ruleset more",
        ] {
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
