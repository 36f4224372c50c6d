//! What the reference system's audit says when all is over: writes that lost a conflict.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::own::told;
use super::{Run, now};
use crate::journal::{Event, Lost};
use crate::steps::Steps;

/// How long one answer may take, and how long it is asked for one.
const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(20);
/// How long is waited until it is asked again.
const AGAIN: Duration = Duration::from_millis(250);
/// Losers that are kept in the journal.
const KEPT: usize = 20;
/// Characters that are kept of what was written.
const SHOWN: usize = 60;

impl Run<'_> {
    /// Asks for conflicts since the run began. Where nobody answers, they are not known.
    pub(super) fn conflicts(&mut self) {
        if self.course.setting.plan.experiment.reference.is_none() {
            return;
        }
        let begun = Instant::now();
        loop {
            let seconds = now().saturating_sub(self.begun) / 1_000_000 + 1;
            let body = json!({ "check_type": "conflicts", "time_range": format!("{seconds}s") });
            let body = body.to_string();
            let asks = ("POST", "/api/v1/test/consistency-report", body.as_str());
            match told(self.course.setting, "gateway", asks, PATIENCE) {
                Ok(report) => return self.course.record.put(audit(&report)),
                Err(text) if begun.elapsed() > LONGEST => {
                    let text = format!("the audit of conflicts cannot be read: {text}");
                    return self.course.record.put(Event::Note { text });
                }
                Err(_) => {}
            }
            if self.still(AGAIN).is_err() {
                return;
            }
        }
    }
}

/// What a report of conflicts says.
fn audit(report: &Value) -> Event {
    let rows = report["findings"]["conflicts"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let key = |row: &Value| format!("{} {}", text(&row["kind"]), text(&row["id"]));
    let lost = |row: &Value| Lost {
        key: key(row),
        kept: format!("{} at {}", text(&row["winner_node"]), row["winner_hlc"]),
        lost: text(&row["loser"]).chars().take(SHOWN).collect(),
        why: format!(
            "{}: {} at {}",
            text(&row["reason"]),
            text(&row["loser_node"]),
            row["loser_hlc"]
        ),
    };
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    Event::Audit {
        conflicts: count(rows.iter().map(key).collect::<BTreeSet<String>>().len()),
        losers: count(rows.len()),
        some: rows.iter().take(KEPT).map(lost).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, audit, json};

    #[test]
    fn losers_are_counted_by_what_was_written_and_told_with_who_won() {
        let row = |id: &str, hlc: u64| json!({ "kind": "write", "id": id, "winner_node": "g", "winner_hlc": 9, "loser_node": "w", "loser_hlc": hlc, "reason": "late", "loser": { "side": "b" } });
        let report =
            json!({ "findings": { "conflicts": [row("a", 5), row("a", 6), row("b", 7)] } });
        let Event::Audit { conflicts, losers, some } = audit(&report) else { unreachable!() };
        assert_eq!((conflicts, losers), (2, 3));
        assert_eq!((some[0].key.as_str(), some[0].kept.as_str()), ("write a", "g at 9"));
        assert_eq!(
            (some[0].lost.as_str(), some[0].why.as_str()),
            ("{\"side\":\"b\"}", "late: w at 5")
        );
    }
}
