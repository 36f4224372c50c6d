//! Changes that are rehearsed: the incident of the sources, a change that cures, and one that changes nothing.

use super::harness::{Way, text, ways};

fn example(name: &str) -> String {
    format!("{}/../../examples/staging-egress/{name}.yaml", env!("CARGO_MANIFEST_DIR"))
}

fn rehearse(way: &Way, words: &[&str]) -> (Option<i32>, String) {
    for name in ["before", "after", "works"] {
        std::fs::copy(example(name), way.folder.join(format!("{name}.yaml"))).unwrap();
    }
    let all = [&["rehearse"][..], words, &["--name", &way.lab]].concat();
    let ran = way.command(&all).output().unwrap();
    assert!(ran.stderr.is_empty(), "{ran:?}");
    (ran.status.code(), text(&ran.stdout))
}

/// The texts stand in this order.
fn in_order(out: &str, texts: &[&str]) {
    let mut rest = out;
    for text in texts {
        let at = rest.find(text).unwrap_or_else(|| panic!("`{text}` in\n{rest}\nof\n{out}"));
        rest = &rest[at + text.len()..];
    }
}

#[test]
fn the_incident_of_staging_is_caught_at_the_next_fresh_start_and_taken_back() {
    // As an ordinary user, where there is one to be.
    for way in ways("rehearse").into_iter().rev().take(1) {
        let words = ["before.yaml", "after.yaml", "--emergency", "database", "--wait", "700"];
        let (code, out) = rehearse(&way, &words);
        assert_eq!(code, Some(1), "{out}");
        in_order(
            &out,
            &[
                "before the change",
                "auth       normal ",
                "200 healthy",
                "after.yaml is applied",
                "the window is open until a fresh start has used",
                "a fresh start",
                "auth       failed ",
                "503 unhealthy",
                "database failed: ",
                "CRITICAL ",
                "auth → database:main: ",
                "as described it cannot work: ",
                "before it: after.yaml was applied",
                "to do: take it back",
                "undo: change service",
                "a fresh start with EMERGENCY_ALLOW_NO_DATABASE on",
                "auth       emergency_degraded ",
                "200 degraded",
                "CRITICAL: EMERGENCY_ALLOW_NO_DATABASE is on",
                "before.yaml is applied again",
                "auth       normal ",
                "everything that worked before works again",
                "timeline",
                "after.yaml was applied",
                "people are told",
                "the change was taken back",
                "everything that worked before works again",
                "the change was taken back",
            ],
        );
        way.gone();
    }
}

#[test]
fn a_change_that_breaks_nothing_is_kept_when_everything_has_started_anew() {
    for way in ways("rehearse-kept").into_iter().take(1) {
        let (code, out) = rehearse(&way, &["before.yaml", "works.yaml", "--format", "json"]);
        assert_eq!(code, Some(0), "{out}");
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["verdict"], "kept", "{json}");
        way.gone();
    }
}
