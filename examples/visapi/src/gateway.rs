//! The gateway: every endpoint of the game-day runbook, and those that workloads need.
//!
//! [`ROUTES`] is the list: what it says is what the README's table says.

mod access;
mod consensus;
mod consistency;
mod data;
mod queue;
mod recovery;
mod reports;
mod system;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use axum::{Router, middleware};
use serde::de::DeserializeOwned;

use crate::http;
use crate::node::Node;
use crate::trouble::Trouble;
use crate::writes::Wish;

/// The largest body: an import of a queue.
const LARGEST: usize = 64 << 20;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Everybody.
    Anyone,
    /// Who has a key.
    User,
    /// Who has the operators' key.
    Operator,
}

type Handler = MethodRouter<Arc<Node>>;

/// All routes: who may ask, the path, what answers.
fn routes() -> Vec<(Who, &'static str, Handler)> {
    let mut all = vec![
        (Who::Anyone, "/api/v1/live", get(system::live)),
        (Who::Anyone, "/api/v1/ready", get(system::ready)),
        (Who::Anyone, "/api/v1/startup", get(system::startup)),
        (Who::Anyone, "/api/v1/health", get(system::health)),
        (Who::Anyone, "/api/health", get(system::health)),
        (Who::Anyone, "/api/metrics", get(system::metrics)),
        (Who::User, "/api/v1/system/snapshot", get(system::snapshot)),
        (Who::User, "/api/v1/system/connectivity-matrix", get(system::matrix)),
        (Who::User, "/api/v1/network/partition-status", get(system::partitions)),
        (Who::User, "/api/v1/network/links", get(system::links)),
        (Who::Operator, "/api/v1/test/clock", get(system::clock_now).post(system::clock)),
        (Who::Operator, "/api/v1/workers/scale", post(system::scale)),
        (Who::Anyone, "/api/v1/auth/login", post(data::login)),
        (Who::User, "/api/v1/test/marker", post(data::put_marker)),
        (Who::User, "/api/v1/test/marker/{id}", get(data::marker)),
        (Who::User, "/api/v1/test/write", post(data::put_write)),
        (Who::User, "/api/v1/test/write/{id}", get(data::written)),
        (Who::User, "/api/v1/registers/{key}", get(data::register).put(data::set_register)),
        (Who::User, "/api/v1/registers/{key}/cas", post(data::compare_and_set)),
        (Who::User, "/api/v1/lists/{key}", get(data::list)),
        (Who::User, "/api/v1/lists/transactions", post(data::transact)),
        (Who::User, "/api/v1/sets/{name}", get(data::set).post(data::add_to_set)),
        (Who::User, "/api/v1/counters/{name}", get(data::counter).post(data::add_to_counter)),
        (Who::User, "/api/v1/ids", get(data::ids).post(data::mint)),
        (
            Who::User,
            "/api/v1/documents/{id}",
            get(data::document).put(data::write_document).delete(data::delete_document),
        ),
        (Who::User, "/api/v1/documents/{id}/versions", get(data::versions)),
    ];
    all.extend(operations());
    all
}

fn operations() -> Vec<(Who, &'static str, Handler)> {
    let consistency_report = get(consistency::report).post(consistency::report);
    vec![
        (Who::User, "/api/v1/queue/jobs", get(queue::depths).post(queue::enqueue)),
        (Who::User, "/api/v1/queue/jobs/{id}", get(queue::job)),
        (Who::User, "/api/v1/queue/take", post(queue::take)),
        (Who::User, "/api/v1/queue/effects", get(queue::effects)),
        (Who::User, "/api/v1/queue/deliveries", get(queue::deliveries)),
        (Who::User, "/api/v1/queue/merge-split-brain", post(queue::merge_split_brain)),
        (Who::Operator, "/api/v1/queue/export", get(queue::export)),
        (Who::Operator, "/api/v1/queue/clear", post(queue::clear)),
        (Who::Operator, "/api/v1/queue/import", post(queue::import)),
        (Who::Anyone, "/api/v1/consensus/status", get(consensus::status)),
        (Who::User, "/api/v1/consensus/lead", post(consensus::lead)),
        (Who::User, "/api/v1/consensus/act", post(consensus::act)),
        (Who::User, "/api/v1/consensus/actions", get(consensus::actions)),
        (Who::User, "/api/v1/consensus/epochs", get(consensus::epochs)),
        (Who::Operator, "/api/v1/consensus/force-election", post(consensus::force)),
        (Who::User, "/api/v1/consistency/split-brain-detect", get(consistency::split_brain)),
        (Who::User, "/api/v1/consistency/check", get(consistency::check)),
        (Who::User, "/api/v1/test/consistency-report", consistency_report),
        (Who::User, "/api/v1/reports/partition-recovery", post(reports::partition_recovery)),
        (Who::User, "/api/v1/database/reconcile", post(recovery::reconcile)),
        (Who::Operator, "/api/v1/database/journal", get(recovery::journal)),
        (Who::Operator, "/api/v1/database/replay-wal", post(recovery::replay)),
        (Who::Operator, "/api/v1/database/reset-pools", post(recovery::reset_pools)),
        (Who::Operator, "/api/v1/database/reset-stuck-connections", post(recovery::reset_stuck)),
        (Who::Operator, "/api/v1/database/pool", post(recovery::resize_pool)),
        (Who::Operator, "/api/v1/cache/invalidate-all", post(recovery::invalidate_all)),
        (Who::Operator, "/api/v1/cache/invalidate-own", post(recovery::invalidate_own)),
    ]
}

/// The gateway's router.
pub(crate) fn router(node: &Arc<Node>) -> Router {
    of(node, routes())
}

/// A worker's router: what tells of it, and nothing that works for anybody.
pub(crate) fn workers_router(node: &Arc<Node>) -> Router {
    let own = [
        "/api/v1/live",
        "/api/v1/ready",
        "/api/v1/startup",
        "/api/v1/health",
        "/api/metrics",
        "/api/v1/network/links",
        "/api/v1/test/clock",
    ];
    of(node, routes().into_iter().filter(|(_, path, _)| own.contains(path)).collect())
}

fn of(node: &Arc<Node>, routes: Vec<(Who, &'static str, Handler)>) -> Router {
    let gate = access::Gate::new(node);
    let mut router = Router::new();
    for (who, path, handler) in routes {
        let gate = gate.for_(who);
        let gated = handler.layer(middleware::from_fn_with_state(gate, access::pass));
        router = router.route(path, gated);
    }
    let absent = || async { Trouble::Absent { why: "there is no such endpoint".to_owned() } };
    router.fallback(absent).layer(DefaultBodyLimit::max(LARGEST)).with_state(Arc::clone(node))
}

type Here = State<Arc<Node>>;
type Answer = Result<Response, Trouble>;

/// A body of JSON, whatever its type is said to be: `curl -d` calls it a form. No body is an empty object.
fn body<T: DeserializeOwned>(body: &Bytes) -> Result<T, Trouble> {
    let text: &[u8] = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
    serde_json::from_slice(text)
        .map_err(|error| Trouble::wrong(format!("the body is not what is asked for: {error}")))
}

/// How a request wishes to be done: `Idempotency-Key`, and `Prefer: return=committed` where it must not wait in the journal.
fn wish(headers: &HeaderMap) -> Result<Wish, Trouble> {
    let key = match headers.get("idempotency-key") {
        None => None,
        Some(key) => {
            let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= 200);
            let odd =
                || Trouble::wrong("an Idempotency-Key has 1 to 200 visible characters".to_owned());
            Some(key.ok_or_else(odd)?.to_owned())
        }
    };
    let at_once = headers.get("prefer").is_some_and(|prefer| prefer == "return=committed");
    Ok(Wish { key, at_once })
}

fn answer(answer: &crate::commands::Answer) -> Response {
    http::json(answer.status, &answer.body)
}
