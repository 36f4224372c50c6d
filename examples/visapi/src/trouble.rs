//! Why a request was not answered as wished, and the one place where that becomes HTTP.
//!
//! Each answer says what became of the request: `not_done`, or `unknown` where its end could not be seen. Who asks again with the same
//! idempotency key learns it.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio_postgres::error::SqlState;

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// What it needs is away.
    Away { what: &'static str, why: String, retry: Duration },
    /// What it needs is there and has no place.
    Busy { why: String },
    /// There is too much of it.
    TooMany { why: String },
    /// It collided with another one and may be tried again.
    Collided { why: String },
    /// It was sent, and its end was not seen.
    Unknown { why: String },
    /// Somebody else leads, or has the job.
    Fenced { why: String },
    /// The request is wrong.
    Wrong { why: String },
    /// It is not there.
    Absent { why: String },
    /// Who asks may not.
    Denied { why: String },
    /// The idempotency key was used for something else.
    Reused { key: String },
    /// A fault of ours.
    Fault { why: String },
}

impl Trouble {
    /// The request is wrong.
    pub(crate) const fn wrong(why: String) -> Self {
        Self::Wrong { why }
    }

    /// The database did not answer in time.
    pub(crate) fn late(what: &'static str, waited: Duration) -> Self {
        let why = format!("no answer within {} ms", waited.as_millis());
        Self::Away { what, why, retry: Duration::from_secs(1) }
    }

    /// What an error of the database means while a statement runs.
    pub(crate) fn of_database(error: &tokio_postgres::Error) -> Self {
        let Some(told) = error.as_db_error() else {
            return Self::Away {
                what: "database",
                why: chain(error),
                retry: Duration::from_secs(1),
            };
        };
        let why = format!("{} ({})", told.message(), told.code().code());
        let code = told.code();
        if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED
        {
            Self::Collided { why }
        } else if code.code() == "VA001" {
            Self::Fenced { why: told.message().to_owned() }
        } else if *code == SqlState::LOCK_NOT_AVAILABLE || *code == SqlState::QUERY_CANCELED {
            Self::Busy { why }
        } else if ["08", "53", "57"].contains(&&code.code()[..2]) {
            Self::Away { what: "database", why, retry: Duration::from_secs(1) }
        } else if code.code().starts_with("22") {
            Self::Wrong { why }
        } else {
            Self::Fault { why }
        }
    }

    /// Whether something that was needed did not answer.
    pub(crate) const fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Unknown { .. })
    }

    /// In a sentence.
    pub(crate) fn why(&self) -> String {
        match self {
            Self::Away { what, why, .. } => format!("the {what} is not reached: {why}"),
            Self::Unknown { why } => {
                format!(
                    "it was sent, and its end was not seen: {why}; ask again with the same Idempotency-Key to learn it"
                )
            }
            Self::Reused { key } => {
                format!("the Idempotency-Key `{key}` was used for another request")
            }
            Self::Busy { why }
            | Self::TooMany { why }
            | Self::Collided { why }
            | Self::Fenced { why }
            | Self::Wrong { why }
            | Self::Absent { why }
            | Self::Denied { why }
            | Self::Fault { why } => why.clone(),
        }
    }

    const fn meaning(&self) -> (StatusCode, &'static str, Option<Duration>) {
        let second = Some(Duration::from_secs(1));
        match self {
            Self::Away { retry, .. } => (StatusCode::SERVICE_UNAVAILABLE, "away", Some(*retry)),
            Self::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "busy", second),
            Self::Collided { .. } => (StatusCode::SERVICE_UNAVAILABLE, "collided", second),
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many", second),
            Self::Unknown { .. } => (StatusCode::GATEWAY_TIMEOUT, "unknown", second),
            Self::Fenced { .. } => (StatusCode::CONFLICT, "fenced", None),
            Self::Wrong { .. } => (StatusCode::BAD_REQUEST, "wrong", None),
            Self::Absent { .. } => (StatusCode::NOT_FOUND, "absent", None),
            Self::Denied { .. } => (StatusCode::UNAUTHORIZED, "denied", None),
            Self::Reused { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "reused", None),
            Self::Fault { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "fault", None),
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (status, code, retry) = self.meaning();
        let outcome = if matches!(self, Self::Unknown { .. }) { "unknown" } else { "not_done" };
        if matches!(self, Self::Fault { .. }) {
            tracing::error!(why = self.why(), "a fault");
        }
        let body = json!({ "outcome": outcome, "error": { "code": code, "message": self.why() } });
        let mut response = (status, Json(body)).into_response();
        if let Some(retry) = retry {
            let seconds = retry.as_secs().max(1);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// An error with what it came from.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_said = cause.to_string();
        if !said.contains(&cause_said) {
            said = format!("{said}: {cause_said}");
        }
        source = cause.source();
    }
    said
}
