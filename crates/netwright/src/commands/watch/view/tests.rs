use netwright_watch::station::documents::{AlertsDocument, HealthDocument};
use netwright_watch::station::{Entry, What};
use serde_json::json;

use super::frame;

fn documents(count: usize) -> (HealthDocument, AlertsDocument, Vec<Entry>) {
    let component = |number: usize| {
        json!({
            "name": format!("probe-{number}"), "state": if number == 0 { "unhealthy" } else { "healthy" },
            "since": "2026-11-21T10:00:00.000Z", "for_seconds": 90.0, "flap_score": 6.25, "flapping": false,
            "reason": if number == 0 { json!("nothing listens there (connection_refused)") } else { json!(null) },
            "fault_domain": "infrastructure", "window": { "passed": 1, "failed": 2, "unknown": 0 },
        })
    };
    let health = json!({
        "version": 1, "at": "2026-11-21T10:01:30.000Z", "description": "shop.yaml", "taken": "2026-11-21T10:00:00.000Z",
        "states": { "unhealthy": 1, "healthy": count - 1 },
        "components": (0..count.min(50)).map(component).collect::<Vec<_>>(), "more": count - count.min(50), "left_out": [],
    });
    let alerts = json!({
        "version": 1, "at": "2026-11-21T10:01:30.000Z", "covers": [],
        "alerts": [{
            "stage": "firing", "rule": "down", "thing": "probe-0", "component": "shop", "level": "CRITICAL",
            "message": "probe-0 is down\u{1b}[2J", "since": "2026-11-21T10:00:00.000Z", "for_seconds": 90.0, "remediation": "Look at it",
        }],
    });
    let note = Entry {
        number: 1,
        at: "2026-11-21T10:00:00.000Z".to_owned(),
        what: What::Note { text: "something".to_owned() },
    };
    (
        serde_json::from_value(health).unwrap(),
        serde_json::from_value(alerts).unwrap(),
        vec![note; 8],
    )
}

fn drawn(count: usize, size: (usize, usize)) -> Vec<String> {
    let (health, alerts, events) = documents(count);
    let frame = frame((&health, &alerts, &events), "http://127.0.0.1:1", size);
    frame.into_iter().map(|(_, line)| line).collect()
}

#[test]
fn a_view_fits_its_terminal_and_shows_the_worst_first() {
    for (rows, columns) in [(24, 80), (10, 40), (3, 10), (60, 200)] {
        let lines = drawn(100_000, (rows, columns));
        assert!(lines.len() <= rows, "{rows}: {lines:#?}");
        assert!(lines.iter().all(|line| line.chars().count() <= columns));
    }
    let lines = drawn(100_000, (24, 120));
    assert!(lines[2].starts_with("COMPONENT"), "{lines:#?}");
    assert!(lines[3].starts_with("probe-0    unhealthy  90 s"), "{lines:#?}");
    assert!(lines[3].contains("nothing listens there (connection_refused) [infrastructure]"));
    assert!(lines.iter().any(|line| line.starts_with("and 99")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("CRITICAL firing for 90 s: probe-0 is down")));
}

#[test]
fn nothing_that_a_peer_says_moves_the_terminal() {
    assert!(drawn(1, (24, 200)).iter().all(|line| !line.contains('\u{1b}')));
}
