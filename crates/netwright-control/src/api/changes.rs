//! Changes of the whole network: declared, listed, taken back.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use netwright_store::{Error, Revision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Who;
use super::extract::{Idempotency, IfMatch, Json, Once, Path, Query, etag};
use super::network::{OF_CHANGES, live};
use super::problem::{Kind, Problem};
use super::route::Route;
pub use crate::change::Answer;
use crate::change::record::Listed;
use crate::change::report::Report;
use crate::change::{Refusal, Request, Wanted};
use crate::network::Edit;
use crate::server::State;

/// The largest description that is taken.
const DESCRIPTION: usize = 64 << 20;

/// Changes of a page.
const PAGE: u16 = 100;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/v1/changes", "applyDescription", "Declare the whole network", apply)
            .says("The description is planned, proved and written, or refused with what it would break. Objects of the network that it lacks stay unless `prune` is true.")
            .header("If-Match", "The revision that the network must be at.")
            .header("Idempotency-Key", "A request that comes again with the same one is answered as it was at first.")
            .body::<Apply>()
            .body_limit(DESCRIPTION)
            .answers::<Answer>(200, "What the change does, and its revision.")
            .may(OF_CHANGES),
        Route::get("/api/v1/changes", "listChanges", "The history of the network", list)
            .query::<Since>()
            .answers::<ChangePage>(200, "A page of changes, the oldest first."),
        Route::get("/api/v1/changes/{revision}", "getChange", "One change", one)
            .part::<u64>("revision", "The revision of the network that it made.")
            .answers::<Change>(200, "The change, its edits and what was proved of it.")
            .may(&[Kind::NotFound]),
        Route::post("/api/v1/changes/{revision}/rollback", "rollback", "Bring the network back to a revision", rollback)
            .says("A change of its own, proved like any other. It is refused where going back loses something for good.")
            .part::<u64>("revision", "A revision that the network had.")
            .header("If-Match", "The revision that the network must be at.")
            .header("Idempotency-Key", "A request that comes again with the same one is answered as it was at first.")
            .body::<Back>()
            .answers::<Answer>(200, "What the change does, and its revision.")
            .may(OF_CHANGES),
    ]
}

/// A network that is declared.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The description: YAML or JSON.
    pub description: String,
    /// What it is called in messages; `network.yaml` unless given.
    #[schemars(length(min = 1, max = 400))]
    pub name: Option<String>,
    /// Objects that it lacks are taken away.
    pub prune: Option<bool>,
    /// Why.
    pub why: Option<String>,
    /// The reason to land it although it is refused.
    pub force: Option<String>,
    /// Nothing is written.
    pub dry_run: Option<bool>,
}

/// How the network is brought back.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Back {
    /// Why.
    pub why: Option<String>,
    /// The reason to land it although it is refused.
    pub force: Option<String>,
    /// Nothing is written.
    pub dry_run: Option<bool>,
}

/// Which changes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// Those that were made of this revision of the network or a later one.
    pub from: Option<u64>,
    /// At most so many, 1 to 1,000; 100 unless given.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u16>,
}

/// Some changes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ChangePage {
    /// The changes, the oldest first.
    pub changes: Vec<Listed>,
    /// What the next page is `from`; none where this is the last.
    pub next: Option<u64>,
}

/// A change with all that is kept of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Change {
    /// As the history lists it.
    #[serde(flatten)]
    pub about: Listed,
    /// What became of each object.
    pub edits: Vec<EditOf>,
    /// What was proved of it.
    pub report: Report,
}

/// What became of one object.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EditOf {
    /// The part of the description.
    pub part: String,
    /// The name there; empty for a setting.
    pub name: String,
    /// Its text before; none where it is new.
    pub old: Option<String>,
    /// Its text afterwards; none where it was taken away.
    pub new: Option<String>,
}

impl EditOf {
    fn of(edit: Edit) -> Self {
        let text = |text: Option<Arc<str>>| text.map(|text| text.to_string());
        Self { part: edit.part, name: edit.name, old: text(edit.old), new: text(edit.new) }
    }
}

/// A number that no other change has.
fn unique() -> Result<u64, Problem> {
    getrandom::u64().map_err(|error| Problem::internal(format!("no random octets: {error}")))
}

/// The longest reason.
const WORDS: usize = 4000;

/// The longest name of a description.
const NAME: usize = 400;

/// What comes with every wish.
pub(super) struct Terms {
    /// Who asks.
    pub(super) who: Who,
    /// The revision that the network must be at.
    pub(super) revision: Option<Revision>,
    /// By which it is known when it comes again.
    pub(super) idempotency: Option<Idempotency>,
    /// Why.
    pub(super) why: Option<String>,
    /// The reason to land it although it is refused.
    pub(super) force: Option<String>,
    /// Nothing is written.
    pub(super) dry_run: Option<bool>,
}

/// Judges a wish, writes it where it may land, and waits until this server shows it.
pub(super) async fn granted(
    state: &State,
    wanted: Wanted,
    terms: Terms,
) -> Result<Response, Problem> {
    for (name, words) in [("why", &terms.why), ("force", &terms.force)] {
        let wrong = |what: String| Err(Problem::new(Kind::Malformed, what));
        match words.as_deref().map(str::trim) {
            Some("") if name == "force" => return wrong("force needs a reason".to_owned()),
            Some(words) if words.len() > WORDS => {
                return wrong(format!("{name} has at most {WORDS} octets"));
            }
            _ => {}
        }
    }
    let request = Request {
        wanted,
        beside: terms.who.beside(state, 200),
        who: terms.who.name,
        why: terms.why,
        force: terms.force,
        dry_run: terms.dry_run.unwrap_or_default(),
        revision: terms.revision,
        again: terms.idempotency.map(|own| (own.key, own.request)),
        now: state.now().milliseconds(),
        unique: unique()?,
    };
    let (lead, store) = (state.lead()?, state.store()?);
    let accepted = state.changes.propose(&store, &lead.guard(), request).await?;
    if accepted.answer.outcome == "accepted" {
        state.sees(accepted.live.revision).await;
    }
    Ok(([etag(accepted.live.revision)], Json(accepted.answer)).into_response())
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(mistakes) => {
                let count = mistakes.len();
                let s = if count == 1 { "" } else { "s" };
                let why = format!("the description has {count} mistake{s}");
                Self::new(Kind::Invalid, why).with("diagnostics", mistakes)
            }
            Refusal::NoObject(why) => Self::new(Kind::NotFound, why),
            Refusal::Stale(now) => {
                let why = format!("the network is at revision {now}");
                Self::new(Kind::Stale, why).with("revision", now.0)
            }
            Refusal::Refused(answer) => {
                let why = answer.report.refused.join("; ");
                Self::new(Kind::Refused, why).with("answer", answer)
            }
            Refusal::Conflict(why) => Self::new(Kind::Conflict, why),
            Refusal::Reused => Self::new(Kind::KeyReused, "it came with another request before"),
            Refusal::NotLeading => Self::new(Kind::NoLeader, "another server leads now"),
            Refusal::Store(error @ Error::OutcomeUnknown(_)) => {
                let why = format!("{error}; ask again with the same Idempotency-Key");
                Self::new(Kind::OutcomeUnknown, why)
            }
            Refusal::Store(error) => error.into(),
        }
    }
}

async fn apply(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    IfMatch(revision): IfMatch,
    Once { asked, idempotency }: Once<Apply>,
) -> Result<Response, Problem> {
    let Apply { description, name, prune, why, force, dry_run } = asked;
    let name = name.unwrap_or_else(|| "network.yaml".to_owned());
    if name.is_empty() || name.len() > NAME {
        let why = format!("name has 1 to {NAME} octets");
        return Err(Problem::new(Kind::Malformed, why));
    }
    let wanted = Wanted::Apply { name, text: description, prune: prune.unwrap_or_default() };
    granted(&state, wanted, Terms { who, revision, idempotency, why, force, dry_run }).await
}

async fn list(
    Shared(state): Shared<Arc<State>>,
    Query(since): Query<Since>,
) -> Result<Json<ChangePage>, Problem> {
    let limit = match since.limit.unwrap_or(PAGE) {
        limit @ 1..=1000 => usize::from(limit),
        limit => {
            let why = format!("limit is 1 to 1000, not {limit}");
            return Err(Problem::new(Kind::Malformed, why));
        }
    };
    let from = Revision(since.from.unwrap_or_default());
    let (changes, more) = state.changes.history(from, limit).await?;
    let next = changes.last().filter(|_| more).map(|last| last.revision);
    Ok(Json(ChangePage { changes, next }))
}

async fn one(
    Shared(state): Shared<Arc<State>>,
    Path(revision): Path<u64>,
) -> Result<Json<Change>, Problem> {
    let found = state.changes.change(Revision(revision)).await?;
    let missing = || Problem::not_found("change that made revision", &revision.to_string());
    let (about, body) = found.ok_or_else(missing)?;
    let edits = body.edits.into_iter().map(EditOf::of).collect();
    Ok(Json(Change { about, edits, report: body.report }))
}

async fn rollback(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    IfMatch(revision): IfMatch,
    Path(to): Path<u64>,
    Once { asked, idempotency }: Once<Back>,
) -> Result<Response, Problem> {
    let to = live(&state, Some(to)).await?;
    let wanted = Wanted::Rollback { to };
    let Back { why, force, dry_run } = asked;
    granted(&state, wanted, Terms { who, revision, idempotency, why, force, dry_run }).await
}
