//! Who leads.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::extract::{Query as Parameters, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::data::{Reading, read};
use super::{Answer, Here, answer, body, wish};
use crate::commands::Command;
use crate::http;
use crate::leader::SYSTEM;
use crate::node::Node;
use crate::queries::Query;
use crate::trouble::Trouble;

/// Who leads, and who believes it. Where the database is away nobody can know, and this says so.
pub(super) async fn status(State(node): Here, Parameters(reading): Parameters<Reading>) -> Answer {
    let election = reading.election.unwrap_or_else(|| SYSTEM.to_owned());
    let own = node.belief().map(|belief| belief.epoch);
    let known = held(&node, &election).await;
    let body = match known {
        Ok(known) => known,
        Err(trouble) => {
            json!({ "election": election, "verdict": "unknown", "split_brain": null, "why": trouble.why() })
        }
    };
    let mut body = body;
    if let Some(body) = body.as_object_mut() {
        body.insert("asked".to_owned(), json!({ "node": node.name, "believes_epoch": own }));
    }
    Ok(http::json(200, &body))
}

async fn held(node: &Node, election: &str) -> Result<Value, Trouble> {
    let mut lease = node.database.lease().await?;
    let session = lease.session()?;
    let work = async {
        let select = "select epoch, holder, coalesce(expires_at > clock_timestamp(), false),
                (extract(epoch from expires_at - clock_timestamp()) * 1000)::bigint
            from leadership where election = $1";
        let row = session.maybe(select, &[&election]).await?;
        let nodes = "select node, believes_epoch, (extract(epoch from clock_timestamp() - seen_at) * 1000)::bigint
            from nodes where seen_at > clock_timestamp() - interval '10 seconds' and believes_epoch is not null order by node";
        let believers =
            if election == SYSTEM { session.rows(nodes, &[]).await? } else { Vec::new() };
        let problems = "select to_jsonb(s) from detect_split_brain(clock_timestamp() - interval '1 hour') s where election = $1";
        let problems = session.rows(problems, &[&election]).await?;
        Ok((row, believers, problems))
    };
    let result = work.await;
    let (row, believers, problems) = lease.settle(result)?;
    let believers: Vec<Value> = believers
        .iter()
        .map(|row| {
            json!({
                "node": row.get::<_, String>(0),
                "epoch": row.get::<_, i64>(1),
                "seen_ms_ago": row.get::<_, i64>(2),
            })
        })
        .collect();
    let problems: Vec<Value> = problems.iter().map(|row| row.get(0)).collect();
    // Two that believe in the same epoch; who believes in an older one is late, and fenced.
    let mut epochs = BTreeSet::new();
    let twice = believers.iter().any(|one| !epochs.insert(one["epoch"].as_i64()));
    let split = twice || !problems.is_empty();
    let (epoch, holder, live, left) = row.map_or((0, None, false, None), |row| {
        (
            row.get::<_, i64>(0),
            row.get::<_, Option<String>>(1),
            row.get::<_, bool>(2),
            row.get::<_, Option<i64>>(3),
        )
    });
    let verdict = if split {
        "split-brain"
    } else if live {
        "led"
    } else {
        "vacant"
    };
    Ok(json!({
        "election": election,
        "verdict": verdict,
        "split_brain": split,
        "epoch": epoch,
        "leader": if live { json!(holder) } else { Value::Null },
        "lease_ms": left.map(|left| left.max(0)),
        "believers": believers,
        "problems": problems,
    }))
}

#[derive(Debug, Deserialize)]
struct Lead {
    election: Option<String>,
    node: String,
    #[serde(default = "lease")]
    lease_ms: u32,
}

const fn lease() -> u32 {
    3000
}

/// Asks to lead, or to go on leading: an epoch, or 409 with who leads.
pub(super) async fn lead(State(node): Here, headers: HeaderMap, text: Bytes) -> Answer {
    let Lead { election, node: name, lease_ms } = body(&text)?;
    let election = own(election)?;
    let command = Command::Lead { election, node: name, milliseconds: lease_ms };
    Ok(answer(&node.write(command, wish(&headers)?).await?))
}

#[derive(Debug, Deserialize)]
struct Act {
    election: Option<String>,
    node: String,
    epoch: i64,
    #[serde(default)]
    what: Value,
}

/// Does something under an epoch, or is fenced with 409.
pub(super) async fn act(State(node): Here, headers: HeaderMap, text: Bytes) -> Answer {
    let Act { election, node: name, epoch, what } = body(&text)?;
    let what = what.as_str().map_or_else(|| what.to_string(), str::to_owned);
    let command = Command::Act { election: own(election)?, node: name, epoch, what };
    Ok(answer(&node.write(command, wish(&headers)?).await?))
}

/// Workloads have elections of their own: the system's is its own.
fn own(election: Option<String>) -> Result<String, Trouble> {
    let election = election.unwrap_or_else(|| "workload".to_owned());
    if election == SYSTEM {
        return Err(Trouble::wrong(format!("the election `{SYSTEM}` is the system's own")));
    }
    Ok(election)
}

pub(super) async fn actions(State(node): Here, Parameters(reading): Parameters<Reading>) -> Answer {
    let election = reading.election.clone().unwrap_or_else(|| "workload".to_owned());
    read(&node, Query::Actions { election, after: reading.after }, &reading).await
}

pub(super) async fn epochs(State(node): Here, Parameters(reading): Parameters<Reading>) -> Answer {
    let election = reading.election.clone().unwrap_or_else(|| "workload".to_owned());
    read(&node, Query::Epochs { election }, &reading).await
}

#[derive(Debug, Deserialize)]
struct Force {
    election: Option<String>,
}

/// Nobody leads any more, and who did is fenced: whoever asks next leads, in a new epoch.
pub(super) async fn force(State(node): Here, headers: HeaderMap, text: Bytes) -> Answer {
    let Force { election } = body(&text)?;
    let command =
        Command::ForceElection { election: election.unwrap_or_else(|| SYSTEM.to_owned()) };
    Ok(answer(&node.write(command, wish(&headers)?).await?))
}
