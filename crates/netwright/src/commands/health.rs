//! `netwright health`.

use netwright_watch::station::documents::HealthDocument;

use super::started;
use super::watch::looking::Watcher;
use super::watch::rows::{HEAD, cells, code, counted, style};
use crate::arguments::{Format, Health};
use crate::client::query;
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::table::table;

pub(super) fn run(arguments: &Health, console: &mut Console) -> Result<Code, Failure> {
    let watcher = Watcher::of(&arguments.looking)?;
    let (component, limit) = (query(&arguments.component), arguments.limit);
    let now = watcher
        .get::<HealthDocument>(&format!("/v1/health?component={component}&limit={limit}"))?;
    let (health, now) = match now {
        Some(health) => (health, true),
        None => (kept(watcher.last(console)?.health, arguments, console), false),
    };
    match arguments.looking.format {
        Format::Json => console.json(&serde_json::to_value(&health).unwrap_or_default()),
        Format::Text => show(&health, console),
    }
    // What was is not what is.
    Ok(if now { code(&health) } else { Code::Unknown })
}

/// What was asked for of what was known last.
fn kept(last: HealthDocument, arguments: &Health, console: &mut Console) -> HealthDocument {
    let unlisted = last.more;
    let most = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let kept = last.only(&arguments.component, most);
    // The worst are kept by name, and how many more there were.
    if unlisted > 0 && arguments.component != "*" {
        console.error(&format!("note: of {unlisted} more nothing is kept but their number\n"));
    }
    kept
}

/// Shows how everything is.
pub(super) fn show(health: &HealthDocument, console: &mut Console) {
    if !health.components.is_empty() {
        let rows: Vec<_> = health.components.iter().map(cells).collect();
        table(HEAD, &rows, console, |at| style(health.components[at].state));
    }
    if health.more > 0 {
        console.line(&format!("and {} more (--limit)", health.more));
    }
    for left in &health.left_out {
        let line = format!("{}: not watched: {}", left.name, left.why);
        console.line(&console.styled(Style::Doubt, &line));
    }
    health.changes.iter().for_each(|row| started::show(row, console));
    console.line(&format!("{} at {}", counted(health), health.at));
    if let Some(problem) = &health.problem {
        console.line(&console.styled(
            Style::Bad,
            &format!("{} is wrong now; what it was goes on:", health.description),
        ));
        problem.lines().for_each(|line| console.line(&format!("  {line}")));
    }
}
