//! What requests hold, taken out strictly: no field that nobody knows, no name that could mean another place, no body without a bound in size
//! and time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Json as Plain;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use netwright_store::Revision;
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};

use super::problem::{Kind, Problem};
use super::route::Meta;
use crate::server::State;

/// How long the first octets of a body are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How fast a body has to come after that, in octets a second.
const PACE: u64 = 16 << 10;

/// Octets of a body that are paid for at a time out of what all bodies share.
pub(crate) const PORTION: usize = 64 << 10;

/// The longest name in a path.
const NAME: usize = 200;

/// A name in a path: of something in the store. It has no slash, however it was written, and is never `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(transparent)]
pub struct Name(#[schemars(regex(pattern = r"^[A-Za-z0-9_@:+=,.~-]{1,200}$"))] String);

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"_@:+=,.~-".contains(&octet);
        if text.is_empty() || text.len() > NAME || !text.bytes().all(allowed) {
            let why = format!(
                "a name has 1 to {NAME} letters, digits and `_ @ : + = , . ~ -`, and {text:?} is none"
            );
            return Err(D::Error::custom(why));
        }
        if text == "." || text == ".." {
            return Err(D::Error::custom("`.` and `..` are no names"));
        }
        Ok(Self(text))
    }
}

/// The parts of the path.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<State>> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Problem> {
        let found = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let refused = |why: String| Problem::new(Kind::Malformed, format!("the path: {why}"));
        found.map(|path| Self(path.0)).map_err(|error| refused(error.body_text()))
    }
}

/// The query. A type that denies unknown fields refuses parameters that nobody knows.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<State>> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Problem> {
        let found = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let refused = |error: QueryRejection| {
            Problem::new(Kind::Malformed, format!("the query: {}", error.body_text()))
        };
        found.map(|query| Self(query.0)).map_err(refused)
    }
}

/// A body of octets, up to the route's bound, that came fast enough.
#[derive(Debug, Clone)]
pub struct Octets(pub Bytes);

impl FromRequest<Arc<State>> for Octets {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self, Problem> {
        let most = request
            .extensions()
            .get::<Arc<Meta>>()
            .map_or(super::route::BODY, |meta| meta.body_limit);
        let too_large = || {
            Problem::new(Kind::TooLarge, format!("at most {most} octets are taken"))
                .with("limit", most)
        };
        let mut body = request.into_body();
        let said = axum::body::HttpBody::size_hint(&body).lower();
        if usize::try_from(said).map_or(true, |said| said > most) {
            return Err(too_large());
        }
        let began = Instant::now();
        let (mut octets, mut paid) = (Vec::new(), Vec::new());
        loop {
            let came = Duration::from_secs(octets.len() as u64 / PACE);
            let frame = timeout_at(began + PATIENCE + came, body.frame()).await;
            let slow = |_| {
                let why = format!("{} octets came in {:?}", octets.len(), began.elapsed());
                Problem::new(Kind::Slow, why)
            };
            let Some(frame) = frame.map_err(slow)? else { break };
            let broken = |error: axum::Error| {
                Problem::new(Kind::Malformed, format!("the body breaks off: {error}"))
            };
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            if octets.len() + data.len() > most {
                return Err(too_large());
            }
            octets.extend_from_slice(&data);
            while paid.len() * PORTION < octets.len() {
                // What all bodies may hold together is bounded, however many come at once.
                paid.push(state.bodies.clone().try_acquire_owned().map_err(|_| {
                    Problem::new(Kind::Busy, "other requests hold as much as is kept at a time")
                })?);
            }
        }
        Ok(Self(octets.into()))
    }
}

/// A body in JSON. A type that denies unknown fields refuses those.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<State>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(Kind::MediaType, "the body must be application/json"));
        }
        let Octets(octets) = Octets::from_request(request, state).await?;
        serde_json::from_slice(&octets).map(Self).map_err(|error| {
            Problem::new(Kind::Malformed, format!("the body: {error}"))
                .with("line", error.line())
                .with("column", error.column())
        })
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        Plain(self.0).into_response()
    }
}

/// Whether a body says that it is JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = said.and_then(|said| said.split(';').next()).map(str::trim);
    media.is_some_and(|media| media.eq_ignore_ascii_case("application/json"))
}

/// The revision at which something is, as an answer's `ETag`.
#[must_use]
pub fn etag(revision: Revision) -> (header::HeaderName, String) {
    (header::ETAG, format!("\"{revision}\""))
}

/// `If-Match`: the revision at which the caller believes something to be. None where nothing, or `*`, is given.
#[derive(Debug, Clone, Copy)]
pub struct IfMatch(pub Option<Revision>);

impl IfMatch {
    /// Refuses where it is given and what is there is at another revision.
    ///
    /// # Errors
    ///
    /// [`Kind::Stale`], with the revision of now.
    pub fn check(self, now: Revision) -> Result<(), Problem> {
        match self.0 {
            Some(given) if given != now => {
                let why = format!("it is at revision {now}, not at {given}");
                Err(Problem::new(Kind::Stale, why).with("revision", now.0))
            }
            _ => Ok(()),
        }
    }
}

impl FromRequestParts<Arc<State>> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<State>) -> Result<Self, Problem> {
        let Some(given) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let given = given.to_str().unwrap_or_default().trim();
        if given == "*" {
            return Ok(Self(None));
        }
        let number = given.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let revision = number.and_then(|number| number.parse().ok()).map(Revision);
        let wrong = || {
            Problem::new(Kind::Malformed, format!("If-Match is a quoted revision, not {given:?}"))
        };
        revision.map(|revision| Self(Some(revision))).ok_or_else(wrong)
    }
}

/// `Idempotency-Key`: a request that comes again with the same one is answered as it was at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// SHA-256 of who asks and the key, in hexadecimal digits: what the store knows it by. Keys of two callers never meet.
    pub key: String,
    /// SHA-256 of what is asked: method, path and body.
    pub request: String,
}

/// The longest idempotency key.
const IDEMPOTENCY: usize = 255;

impl Idempotency {
    /// That of a request, where it has a key. `asked` is its body as it came.
    ///
    /// # Errors
    ///
    /// [`Kind::Malformed`] where the key is empty, too long or not of visible characters.
    pub fn of(parts: &Parts, who: &str, asked: &[u8]) -> Result<Option<Self>, Problem> {
        let Some(given) = parts.headers.get("idempotency-key") else { return Ok(None) };
        let given = given.to_str().unwrap_or_default();
        if given.is_empty() || given.len() > IDEMPOTENCY {
            let why = format!("Idempotency-Key has 1 to {IDEMPOTENCY} visible characters");
            return Err(Problem::new(Kind::Malformed, why));
        }
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
        let request = digest(&[parts.method.as_str().as_bytes(), path.as_bytes(), asked]);
        Ok(Some(Self { key: digest(&[who.as_bytes(), given.as_bytes()]), request }))
    }
}

/// SHA-256 of some texts, each with its length, in hexadecimal digits.
pub(crate) fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    crate::access::hexadecimal(&hash.finalize())
}

/// A body in JSON together with the key under which it may be sent again.
#[derive(Debug, Clone)]
pub struct Once<T> {
    /// What is asked.
    pub asked: T,
    /// How it is known again, where it may come again.
    pub idempotency: Option<Idempotency>,
}

impl<T: DeserializeOwned> FromRequest<Arc<State>> for Once<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self, Problem> {
        let who = super::Who::of(request.extensions())?;
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(Problem::new(Kind::MediaType, "the body must be application/json"));
        }
        let mut rest = Request::new(body);
        *rest.extensions_mut() = parts.extensions.clone();
        let Octets(octets) = Octets::from_request(rest, state).await?;
        let idempotency = Idempotency::of(&parts, &who.key, &octets)?;
        let asked = serde_json::from_slice(&octets).map_err(|error| {
            Problem::new(Kind::Malformed, format!("the body: {error}"))
                .with("line", error.line())
                .with("column", error.column())
        })?;
        Ok(Self { asked, idempotency })
    }
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// At most so many, 1 to 1,000; 100 unless given.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u16>,
    /// What comes after the one with this name: `next` of the page before.
    #[schemars(length(max = 400))]
    pub after: Option<String>,
}

impl Page {
    /// How many.
    ///
    /// # Errors
    ///
    /// [`Kind::Malformed`] where it is 0 or more than 1,000.
    pub fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(100) {
            limit @ 1..=1000 => Ok(usize::from(limit)),
            limit => Err(Problem::new(Kind::Malformed, format!("limit is 1 to 1000, not {limit}"))),
        }
    }

    /// The part of a sorted list that is asked for, and what the next page comes after.
    ///
    /// # Errors
    ///
    /// As of [`Self::limit`].
    pub fn of<T>(
        &self,
        all: impl IntoIterator<Item = T>,
        name: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), Problem> {
        let limit = self.limit()?;
        let after = self.after.as_deref();
        let mut rest =
            all.into_iter().filter(|one| after.is_none_or(|after| name(one).as_str() > after));
        let page: Vec<T> = rest.by_ref().take(limit).collect();
        let next = rest.next().and(page.last().map(name));
        Ok((page, next))
    }
}

/// A status with a body in JSON.
pub fn created<T: Serialize>(body: T) -> Response {
    (StatusCode::CREATED, Plain(body)).into_response()
}
