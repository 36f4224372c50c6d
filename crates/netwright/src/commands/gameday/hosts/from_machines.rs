//! What a game day asks from machines of hosts: an errand, and what came of it.

use std::time::{Duration, Instant};

use netwright_control::access::random;
use netwright_control::api::errands::Ended;
use netwright_control::errands::{Errand, Ran};
use netwright_gameday::hosts::{Away, Said};
use netwright_watch::probe::outcome::{Outcome, Verdict};
use serde_json::json;
use ureq::http::Method;

use super::words;
use crate::client::Client;
use crate::commands::change::decode;

const PATH: &str = "/api/v1/errands";
/// How much longer than asking may take the server is waited for: it ends what no agent answers a little before.
const ON_THE_WAY: Duration = Duration::from_secs(4);
/// How long is waited for news at a time, in seconds.
const NEWS: u64 = 5;

/// Has something asked from a machine, and waits until that has ended.
pub(super) fn ask(client: &Client, away: &Away) -> Result<Said, String> {
    let asker = random::<8>().map_err(|error| error.to_string())?;
    let time_out = u64::try_from(away.time_out.as_millis()).unwrap_or(u64::MAX);
    let (place, probe) = (away.place.clone(), away.probe.clone());
    let mut errands = vec![Errand { number: 0, place, probe, attempt: 1, time_out }];
    let until = Instant::now() + away.time_out + ON_THE_WAY;
    loop {
        let body = json!({ "asker": asker, "errands": errands, "wait": NEWS });
        let told = client.ask(&Method::POST, PATH, &[], Some(&body)).map_err(words)?;
        let Ended { ended } = decode(told.body).map_err(words)?;
        if let Some(ran) = ended.into_iter().next() {
            return said(ran);
        }
        if Instant::now() >= until {
            return Err("the server said nothing of it in time".to_owned());
        }
        errands.clear();
    }
}

fn said(Ran { outcome, why, .. }: Ran) -> Result<Said, String> {
    let Some(outcome) = outcome else { return Err(why.unwrap_or_default()) };
    let outcome: Outcome = serde_json::from_value(outcome)
        .map_err(|error| format!("what the agent found out cannot be read: {error}"))?;
    let status = outcome.seen.http.as_ref().map(|http| http.status);
    let (answered, why) = match outcome.verdict {
        Verdict::Passed => (Some(true), String::new()),
        Verdict::Failed(failure) => (Some(false), failure.text),
        Verdict::Unknown { why } => (None, why),
    };
    Ok(Said { answered, status, why })
}
