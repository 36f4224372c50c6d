//! `netwright convergence`, and what `--wait` of any write does.

use std::time::{Duration, Instant};

use netwright_control::convergence::{Convergence as Found, HostRow, State, Verdict};
use netwright_dataplane::kernel::pause;

use crate::arguments::{Convergence, Format};
use crate::client::{Answer, Client};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::table::table;

/// How often a server is asked while something is waited for.
const LOOK: Duration = Duration::from_millis(200);
/// Stale windows that are shown.
const WINDOWS: usize = 10;

pub(super) fn run(arguments: &Convergence, console: &mut Console) -> Result<Code, Failure> {
    let client = Client::new(&arguments.remote)?;
    let within = Duration::from_secs(arguments.within);
    let (found, answer) = match arguments.wait {
        Some(Some(revision)) => settled(&client, revision, within)?,
        Some(None) => {
            let newest = ask(&client, None)?.0.head;
            settled(&client, newest, within)?
        }
        None => ask(&client, arguments.revision)?,
    };
    answer.note(console);
    match arguments.format {
        Format::Json => {
            let value = serde_json::to_value(&found);
            console.json(&value.map_err(|error| Failure::unknown(error.to_string()))?);
        }
        Format::Text => text(&found, console),
    }
    Ok(code(&found))
}

/// Waits until every host that lives has a revision, or could not apply it, and says how it went where somebody reads it.
pub(super) fn wait(
    client: &Client,
    revision: u64,
    within: Duration,
    console: Option<&mut Console>,
) -> Result<Found, Failure> {
    let (found, answer) = settled(client, revision, within)?;
    if let Some(console) = console {
        answer.note(console);
        text(&found, console);
    }
    Ok(found)
}

/// What the server says; its answer without that.
fn ask(client: &Client, revision: Option<u64>) -> Result<(Found, Answer), Failure> {
    let query = revision.map_or_else(String::new, |revision| format!("?revision={revision}"));
    let mut answer = client.get(&format!("/api/v1/convergence{query}"))?;
    let foreign = |error| Failure::unknown(format!("the server's answer cannot be read: {error}"));
    let found = serde_json::from_value(answer.body.take()).map_err(foreign)?;
    Ok((found, answer))
}

fn settled(client: &Client, revision: u64, within: Duration) -> Result<(Found, Answer), Failure> {
    let begun = Instant::now();
    loop {
        let (found, answer) = ask(client, Some(revision))?;
        // From a copy nothing new is heard.
        if found.is_settled() && answer.degraded.is_none() || begun.elapsed() >= within {
            return Ok((found, answer));
        }
        pause(LOOK.min(within.saturating_sub(begun.elapsed())));
    }
}

/// 1 where a host that lives does not have it.
pub(super) fn code(found: &Found) -> Code {
    match found.verdict {
        Verdict::Converged | Verdict::Vacuous => Code::Pass,
        Verdict::Pending | Verdict::Failed => Code::Fail,
    }
}

fn counted(found: &Found) -> String {
    let count = |state: State| found.in_state(state).count();
    let all = [State::Applied, State::NotConcerned, State::Pending, State::Failed, State::Away];
    let parts: Vec<String> = all
        .into_iter()
        .filter(|state| count(*state) > 0)
        .map(|state| format!("{} {state}", count(state)))
        .collect();
    if parts.is_empty() { "no host has joined".to_owned() } else { parts.join(", ") }
}

fn milliseconds(after: Option<u64>) -> String {
    after.map_or_else(|| "-".to_owned(), |after| format!("{after} ms"))
}

fn text(found: &Found, console: &mut Console) {
    if found.head == 0 {
        console.line(&format!("no network was accepted yet: {}", counted(found)));
        return;
    }
    let newest = if found.revision == found.head {
        String::new()
    } else {
        format!(" (the newest is {})", found.head)
    };
    console.line(&format!(
        "revision {}{newest}: {}: {}",
        found.revision,
        found.verdict,
        counted(found)
    ));
    if found.hosts.is_empty() {
        return;
    }
    let rows: Vec<[String; 7]> = found.hosts.iter().map(row).collect();
    let headers = ["HOST", "STATE", "RUNS", "COMPILED", "APPLIED", "READ BACK", "NOTE"];
    table(headers, &rows, console, |at| match found.hosts[at].state {
        State::Failed => Some(Style::Bad),
        State::Pending | State::Away => Some(Style::Doubt),
        State::Applied | State::NotConcerned => None,
    });
    for host in &found.hosts {
        for trouble in &host.errors {
            console.line(&format!("  {}: {}: {}", host.host, trouble.object, trouble.said));
        }
    }
    for window in found.stale.iter().filter(|window| window.until.is_none()).take(WINDOWS) {
        console.line(&format!(
            "{} is without revision {} since that was accepted",
            window.host, window.without
        ));
    }
}

fn row(host: &HostRow) -> [String; 7] {
    [
        host.host.clone(),
        host.state.to_string(),
        if host.runs == 0 { "-".to_owned() } else { host.runs.to_string() },
        milliseconds(host.compiled_after),
        milliseconds(host.applied_after),
        milliseconds(host.read_back_after),
        host.note.clone().unwrap_or_default(),
    ]
}
