//! `netwright apply --watch`: what a change may have broken, watched until fresh starts have exercised it.

use std::time::{Duration, Instant};

use netwright_control::change::Answer;
use netwright_dataplane::kernel::pause;
use netwright_model::network::Network;
use netwright_model::network::resolve::resolve;
use netwright_model::source::Sources;
use netwright_verify::dependencies;
use netwright_verify::prover::Prover;
use netwright_verify::trace::Verdict;
use netwright_watch::change::{Part, Reversal, State};
use netwright_watch::station::{Applied, Need, SettlingRow};
use ureq::http::Method;

use super::{End, Out};
use crate::client::Client;
use crate::commands::change::{decode, query};
use crate::commands::started::show;
use crate::commands::watch::looking::Watcher;
use crate::console::{Code, Style};
use crate::failure::Failure;

/// How often who watches is asked.
const LOOK: Duration = Duration::from_millis(250);

/// What services depend on after a change, and whether it worked before, as far as can be proved.
fn needs(client: &Client, answer: &Answer) -> Vec<Need> {
    let asked = |revision| {
        let network = network(client, revision)?;
        Some(dependencies::ask(&mut Prover::new(&network)))
    };
    let old = asked(answer.base);
    let new = asked(answer.revision.unwrap_or_default()).unwrap_or_default();
    let worked = |service: &str, name: &str| {
        let same =
            |answer: &&dependencies::Answer| answer.service == service && answer.name == name;
        match old.as_ref()?.iter().find(same)?.verdict {
            Verdict::Reachable => Some(true),
            Verdict::Unknown => None,
            _ => Some(false),
        }
    };
    let need = |answer: &dependencies::Answer| Need {
        service: answer.service.clone(),
        dependency: answer.name.clone(),
        worked: worked(&answer.service, &answer.name),
    };
    new.iter().map(need).collect()
}

/// The network at a revision; none where there was none, or where nobody says.
fn network(client: &Client, revision: u64) -> Option<Network> {
    if revision == 0 {
        return None;
    }
    let path = query("/api/v1/network", &[("revision", revision.to_string())]);
    let answer = client.get(&path).ok()?;
    let text = answer.body["description"].as_str()?;
    let read = netwright_model::parse_description("network", text, &mut Sources::default()).ok()?;
    resolve(read).ok()
}

fn parts(answer: &Answer) -> Vec<Part> {
    let part = |step: &netwright_control::change::report::Step| Part {
        what: format!("{} {} {}", step.action, step.kind, step.name),
        reversal: match step.undo.as_str() {
            "reversible" => Reversal::InPlace,
            "replace" => Reversal::Anew,
            "irreversible" => Reversal::Never,
            _ => Reversal::Unknown,
        },
        why: step.why.clone(),
    };
    answer.report.steps.iter().map(part).collect()
}

/// Has the change watched, and waits until it is known what is to be done, for so long.
pub(super) fn watched(
    client: &Client,
    watcher: &Watcher,
    answer: &Answer,
    within: Duration,
    out: &mut Out<'_>,
) -> Result<End, Failure> {
    let needs = needs(client, answer);
    if needs.is_empty() {
        out.say(Style::Good, "no service depends on anything: no fresh start is waited for");
        return Ok(End::Kept(Code::Pass));
    }
    let revision = answer.revision.unwrap_or_default();
    let applied = Applied {
        what: format!("network revision {revision} was applied"),
        who: None,
        seconds_ago: 0.0,
        parts: parts(answer),
        needs,
    };
    let body = serde_json::to_value(&applied).unwrap_or_default();
    let mut row: SettlingRow = decode(watcher.ask(&Method::POST, "/v1/settling", Some(&body))?)?;
    out.say(
        Style::Doubt,
        &format!("watched until fresh starts have used {} dependencies", applied.needs.len()),
    );
    out.console.flush();
    let begun = Instant::now();
    while matches!(row.state, State::Open | State::Settling) && begun.elapsed() < within {
        pause(LOOK.min(within.saturating_sub(begun.elapsed())));
        row = watcher.get(&format!("/v1/settling/{}", row.id))?.ok_or_else(|| {
            Failure::unknown("who watched the change ended: it is kept, and nobody knows whether it broke something")
        })?;
    }
    out.more["fresh_starts"] = serde_json::to_value(&row).unwrap_or_default();
    if out.text {
        show(&row, out.console);
    }
    Ok(match row.state {
        State::GoingBack | State::Stuck => End::Failed,
        State::Open | State::Settling => {
            out.say(Style::Doubt, "kept, and watched on: `netwright health` shows it");
            End::Kept(Code::Unknown)
        }
        _ => End::Kept(Code::Pass),
    })
}
