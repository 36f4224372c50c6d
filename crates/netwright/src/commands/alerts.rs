//! `netwright alerts`.

use netwright_watch::station::documents::AlertsDocument;

use super::silence;
use super::watch::looking::Watcher;
use super::watch::rows::{alert, alert_style, beside, fires};
use crate::arguments::{Alerts, Format};
use crate::console::{Code, Console};
use crate::failure::Failure;

pub(super) fn run(arguments: &Alerts, console: &mut Console) -> Result<Code, Failure> {
    let watcher = Watcher::of(&arguments.looking)?;
    let (alerts, now) = match watcher.get::<AlertsDocument>("/v1/alerts")? {
        Some(alerts) => (alerts, true),
        None => (watcher.last(console)?.alerts, false),
    };
    match arguments.looking.format {
        Format::Json => console.json(&serde_json::to_value(&alerts).unwrap_or_default()),
        Format::Text => show(&alerts, console),
    }
    Ok(match (now, fires(&alerts)) {
        (false, _) => Code::Unknown,
        (true, true) => Code::Fail,
        (true, false) => Code::Pass,
    })
}

fn show(alerts: &AlertsDocument, console: &mut Console) {
    for row in &alerts.alerts {
        console.line(&console.styled(alert_style(row), &alert(row)));
        for line in beside(row) {
            console.line(&format!("  {line}"));
        }
    }
    if alerts.alerts.is_empty() {
        console.line("nothing fires, and nothing waits");
    }
    if !alerts.covers.is_empty() {
        console.line("");
        silence::show(&alerts.covers, console);
    }
}
