//! What happens, as it happens: server-sent events.
//!
//! One message for each revision of the store, whose `id` it is: who comes back with `Last-Event-ID` (or `from`) misses nothing and sees nothing
//! twice. Who watches reads on from his own place in the log that all share; nothing waits for him. Who is slower than the log is long is told so
//! (`gone`), reads everything again, and watches from there.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use netwright_store::{Error, Event, Revision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::watch::Receiver;
use tokio::time::timeout;

use super::extract::Query;
use super::problem::{Kind, Problem};
use super::route::Route;
use crate::keys::Layout;
use crate::server::State;
use crate::server::mirror::Told;

/// After how long a word is sent where nothing happens.
const BEAT: Duration = Duration::from_secs(15);

/// The kinds of entries that are told. Secrets' hashes, records of who did what and the parts of large changes are not.
const KINDS: [&str; 10] = [
    "head",
    "history",
    "pools",
    "allocations",
    "cooling",
    "agents",
    "presence",
    "leader",
    "epoch",
    "taken",
];

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/watch", "watch", "What happens, as it happens", watch)
            .says(
                "Server-sent events. `changes` holds one revision: `{\"revision\": 7, \"changes\": [{\"kind\": \"allocations\", \"name\": \
                 \"pool/10.0.2.0\", \"action\": \"put\", \"value\": {…}}]}`; its `id` is the revision. `beat` is sent every 15 seconds where nothing \
                 happens. `gone` says that what comes next is no longer known: read everything again, and watch from there.",
            )
            .query::<From>()
            .header("Last-Event-ID", "The last revision that was seen; goes before `from`.")
            .answers_other(200, "text/event-stream", "The events.")
            .may(&[Kind::Gone])
            .stays(),
    ]
}

/// From where it is watched.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct From {
    /// The first revision that is told; what comes now unless given.
    pub from: Option<u64>,
    /// Only entries of this kind, for example `allocations`; all unless given.
    pub kind: Option<String>,
}

#[derive(Serialize)]
struct Change<'a> {
    kind: &'a str,
    name: &'a str,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
}

#[derive(Serialize)]
struct Changes<'a> {
    revision: u64,
    changes: Vec<Change<'a>>,
}

/// Where one who watches is.
struct Place {
    state: Arc<State>,
    next: Revision,
    kind: Option<String>,
    waiting: VecDeque<Bytes>,
    newest: Receiver<Revision>,
    ended: bool,
    _open: Open,
}

/// A stream that is open.
struct Open {
    state: Arc<State>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.state.metrics.streams.dec();
    }
}

async fn watch(
    Shared(state): Shared<Arc<State>>,
    Query(asked): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last = match headers.get("last-event-id").map(HeaderValue::to_str) {
        None => None,
        Some(text) => {
            let last = text.ok().and_then(|text| text.trim().parse::<u64>().ok());
            let wrong = || Problem::new(Kind::Malformed, "Last-Event-ID is a revision");
            Some(Revision(last.ok_or_else(wrong)?).next())
        }
    };
    if let Some(kind) = &asked.kind
        && !KINDS.contains(&kind.as_str())
    {
        let why = format!("kind is one of {}, not {kind:?}", KINDS.join(", "));
        return Err(Problem::new(Kind::Malformed, why));
    }
    let next = last.or(asked.from.map(Revision));
    let next = next.unwrap_or_else(|| state.mirror.revision().next());
    // What is not known is said at once, and with a status.
    state.mirror.since(next)?;
    let permit = Arc::clone(&state.streams).try_acquire_owned();
    let full = |_| Problem::new(Kind::Busy, "as many streams are open as may be");
    let open = Open { state: Arc::clone(&state), _permit: permit.map_err(full)? };
    state.metrics.streams.inc();
    let hello = format!(
        "retry: 2000\nevent: beat\nid: {0}\ndata: {{\"revision\":{0}}}\n\n",
        next.0.saturating_sub(1)
    );
    let newest = state.mirror.newest();
    let waiting = VecDeque::from([Bytes::from(hello)]);
    let place = Place { state, next, kind: asked.kind, waiting, newest, ended: false, _open: open };
    let events = stream::unfold(place, |mut place| async move {
        place.step().await.map(|message| (Ok::<_, Infallible>(message), place))
    });
    let media = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((media, Body::from_stream(events)).into_response())
}

impl Place {
    /// The next message; none at the end.
    async fn step(&mut self) -> Option<Bytes> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Some(message);
            }
            if self.ended {
                return None;
            }
            self.newest.borrow_and_update();
            match self.state.mirror.since(self.next) {
                Ok((told, until)) => {
                    self.waiting.extend(self.messages(&told));
                    self.next = self.next.max(until.next());
                }
                Err(error) => {
                    self.ended = true;
                    self.waiting.push_back(gone(&error));
                }
            }
            if !self.waiting.is_empty() {
                continue;
            }
            tokio::select! {
                () = self.state.ended() => return None,
                changed = timeout(BEAT, self.newest.changed()) => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return None,
                    Err(_) => {
                        let seen = self.next.0.saturating_sub(1);
                        return Some(format!("event: beat\nid: {seen}\ndata: {{\"revision\":{seen}}}\n\n").into());
                    }
                },
            }
        }
    }

    fn messages(&self, told: &[Arc<Told>]) -> Vec<Bytes> {
        let of_one = |a: &Arc<Told>, b: &Arc<Told>| a.event.revision() == b.event.revision();
        let layout = &self.state.layout;
        told.chunk_by(of_one)
            .filter_map(|revision| match &self.kind {
                // Written once for all who watch.
                None => revision.first().map(|first| {
                    first.written.get_or_init(|| message(layout, revision, None)).clone()
                }),
                Some(kind) => Some(message(layout, revision, Some(kind))),
            })
            .filter(|message| !message.is_empty())
            .collect()
    }
}

/// The message of one revision; empty where nothing in it is told.
fn message(layout: &Layout, told: &[Arc<Told>], only: Option<&str>) -> Bytes {
    let Some(revision) = told.first().map(|told| told.event.revision()) else {
        return Bytes::new();
    };
    let changes: Vec<Change<'_>> =
        told.iter().filter_map(|told| change(layout, &told.event, only)).collect();
    if changes.is_empty() {
        return Bytes::new();
    }
    let data = serde_json::to_string(&Changes { revision: revision.0, changes });
    // JSON has no line ends of its own.
    data.map_or_else(
        |_| Bytes::new(),
        |data| format!("event: changes\nid: {revision}\ndata: {data}\n\n").into(),
    )
}

fn change<'a>(layout: &Layout, event: &'a Event, only: Option<&str>) -> Option<Change<'a>> {
    let key = std::str::from_utf8(event.key()).ok()?.strip_prefix(layout.prefix())?;
    let (kind, name) = key.split_once('/').unwrap_or((key, ""));
    if !KINDS.contains(&kind) || only.is_some_and(|only| only != kind) {
        return None;
    }
    let (action, value) = match event {
        Event::Put(entry) => ("put", serde_json::from_slice(&entry.value).ok()),
        Event::Deleted { .. } => ("deleted", None),
    };
    Some(Change { kind, name, action, value })
}

fn gone(error: &Error) -> Bytes {
    let problem = Problem::from(error.clone()).document("watch");
    format!("event: gone\ndata: {problem}\n\n").into()
}
