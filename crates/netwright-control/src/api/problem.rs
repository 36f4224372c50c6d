//! What is answered where something cannot be done: RFC 9457, `application/problem+json`.
//!
//! Each problem has a [`Kind`], which a program can tell by its `type`; `detail` is for people. What else is known of it stands beside them, for
//! example the places of a description's mistakes in `diagnostics`.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use netwright_store::Error as StoreError;
use serde::Serialize;
use serde_json::{Map, Value};

/// How `type` begins.
const TYPE: &str = "urn:netwright:problem:";

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $slug:literal, $status:literal, $title:literal;)+) => {
        /// What kind of problem it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[doc = $doc])+ $name,)+ }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The end of its `type`.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)+ }
            }

            /// The status it is answered with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// The same words for each problem of the kind.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

kinds! {
    /// The request is not what the API's description says: no JSON, a field that nobody knows, a parameter that cannot be.
    Malformed = "malformed", 400, "The request cannot be understood";
    /// No key, or one that is not valid (any more).
    Unauthorized = "unauthorized", 401, "A valid API key is needed";
    /// The key's role is not enough.
    Forbidden = "forbidden", 403, "This is not allowed with this key";
    /// There is no such thing.
    NotFound = "not-found", 404, "There is no such thing";
    /// The path knows other methods.
    Method = "method-not-allowed", 405, "The path has no such method";
    /// The request did not arrive in time.
    Slow = "too-slow", 408, "The request did not arrive in time";
    /// It clashes with what is there.
    Conflict = "conflict", 409, "It clashes with what is there";
    /// A pool has nothing left.
    Exhausted = "exhausted", 409, "There is nothing left to allocate";
    /// A change breaks what the network promises.
    Refused = "refused", 409, "The change breaks what the network promises";
    /// What is asked for is no longer kept.
    Gone = "gone", 410, "That is no longer known";
    /// `If-Match` names another revision than that of now.
    Stale = "stale", 412, "It has changed since";
    /// The body is larger than is allowed.
    TooLarge = "too-large", 413, "The request is too large";
    /// The body is of another type than JSON.
    MediaType = "media-type", 415, "The body must be of another type";
    /// It is understood, and wrong: a description with mistakes.
    Invalid = "invalid", 422, "What was sent is wrong";
    /// An idempotency key came again with another request.
    KeyReused = "idempotency-key-reused", 422, "The idempotency key was used for another request";
    /// A write says nothing of what it expects to be there.
    PreconditionRequired = "precondition-required", 428, "If-Match is needed";
    /// More requests than are allowed.
    TooMany = "too-many-requests", 429, "Too many requests";
    /// A fault of the server.
    Internal = "internal", 500, "The server made a mistake";
    /// The store cannot be reached.
    StoreAway = "store-away", 503, "The store is away";
    /// Nobody leads who could write.
    NoLeader = "no-leader", 503, "No server leads";
    /// The server has as much to do as it can.
    Busy = "busy", 503, "The server is busy";
    /// The server has not begun, or has ended.
    NotReady = "not-ready", 503, "The server is not ready";
    /// It may have been done and it may not.
    OutcomeUnknown = "outcome-unknown", 503, "It is not known whether it was done";
}

impl Kind {
    /// Its `type`.
    #[must_use]
    pub fn uri(self) -> String {
        format!("{TYPE}{}", self.slug())
    }
}

/// A problem.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    detail: String,
    retry: Option<Duration>,
    more: Map<String, Value>,
}

impl Problem {
    /// A problem of a kind, and what it is this time.
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let retry = match kind {
            Kind::StoreAway | Kind::NoLeader | Kind::Busy | Kind::NotReady => {
                Some(Duration::from_secs(2))
            }
            Kind::TooMany => Some(Duration::from_secs(1)),
            _ => None,
        };
        Self { kind, detail: detail.into(), retry, more: Map::new() }
    }

    /// A mistake of the server's own.
    #[must_use]
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(Kind::Internal, detail)
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(Kind::NotFound, format!("there is no {what} `{name}`"))
    }

    /// Something else that is known of it; what cannot be written as JSON is left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        if let Ok(value) = serde_json::to_value(value) {
            self.more.insert(name.to_owned(), value);
        }
        self
    }

    /// When it may be tried again.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry = Some(wait);
        self
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What it is this time.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// As it is answered to a request.
    #[must_use]
    pub fn document(&self, request: &str) -> Value {
        let mut document = Map::new();
        document.insert("type".to_owned(), self.kind.uri().into());
        document.insert("title".to_owned(), self.kind.title().into());
        document.insert("status".to_owned(), self.kind.status().into());
        document.insert("detail".to_owned(), self.detail.clone().into());
        document.insert("instance".to_owned(), format!("urn:netwright:request:{request}").into());
        for (name, value) in &self.more {
            document.entry(name).or_insert_with(|| value.clone());
        }
        Value::Object(document)
    }

    /// The whole answer to a request.
    pub(crate) fn answer(&self, request: &str) -> Response {
        let status = StatusCode::from_u16(self.kind.status());
        let mut response = self.document(request).to_string().into_response();
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.retry {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.kind == Kind::Unauthorized {
            let scheme = HeaderValue::from_static("ApiKey header=\"X-API-Key\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// The answer is written where the request's name is known: around all routes.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() =
            StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Unavailable(_)
            | StoreError::Denied(_)
            | StoreError::Damaged(_)
            | StoreError::Address(_) => Kind::StoreAway,
            StoreError::OutcomeUnknown(_) => Kind::OutcomeUnknown,
            StoreError::Compacted { .. } => Kind::Gone,
            StoreError::Future { .. } => Kind::Malformed,
            StoreError::TooManyOperations { .. } | StoreError::Size { .. } => Kind::TooLarge,
            StoreError::DuplicateKey(_) | StoreError::NoLease(_) | StoreError::LeaseTime(_) => {
                Kind::Internal
            }
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Problem};

    #[test]
    fn no_two_kinds_have_one_type() {
        let mut slugs: Vec<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
    }

    #[test]
    fn what_is_known_of_a_problem_never_hides_what_it_is() {
        let problem = Problem::new(Kind::Stale, "it is at 7").with("revision", 7).with("type", "x");
        let document = problem.document("r1");
        assert_eq!(document["type"], "urn:netwright:problem:stale");
        assert_eq!(document["revision"], 7);
        assert_eq!(document["instance"], "urn:netwright:request:r1");
    }
}
