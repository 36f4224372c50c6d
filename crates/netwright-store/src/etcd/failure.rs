//! etcd's errors, by what the caller can do about them. Its numbers are gRPC's; its words tell more.

use std::error::Error as _;

use tonic::{Code, Status};

use crate::error::Error;
use crate::model::{LeaseId, Revision};

/// What was asked, as far as it matters when it fails.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    /// It changes something: where the answer is lost it may have been done.
    pub(super) writes: bool,
    /// The revision that was asked for.
    pub(super) at: Option<Revision>,
    /// The lease that it was about.
    pub(super) lease: Option<LeaseId>,
}

impl Asked {
    pub(super) const READ: Self = Self { writes: false, at: None, lease: None };
    pub(super) const WRITE: Self = Self { writes: true, at: None, lease: None };

    /// The answer did not come in time, or was lost.
    pub(super) fn lost(self, why: String) -> Error {
        if self.writes { Error::OutcomeUnknown(why) } else { Error::Unavailable(why) }
    }

    pub(super) fn failed(self, status: &Status) -> Error {
        let said = status.message();
        let at = self.at.unwrap_or(Revision(0));
        match status.code() {
            Code::OutOfRange if said.contains("compacted") => Error::Compacted { at },
            Code::OutOfRange if said.contains("future") => {
                Error::Future { asked: at, newest: Revision(0) }
            }
            Code::NotFound if said.contains("lease") => {
                Error::NoLease(self.lease.unwrap_or(LeaseId(0)))
            }
            Code::PermissionDenied | Code::Unauthenticated => Error::Denied(said.to_owned()),
            _ if is_refusal(said) => Error::Denied(said.to_owned()),
            Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::ResourceExhausted
            | Code::Unimplemented => Error::Unavailable(said.to_owned()),
            // Told before anything is done.
            Code::Unavailable if said.ends_with("no leader") => Error::Unavailable(said.to_owned()),
            _ if was_not_sent(status) => Error::Unavailable(chain(status)),
            _ => match refused_by_tls(&chain(status)) {
                Some(why) => Error::Denied(why),
                None => self.lost(chain(status)),
            },
        }
    }
}

/// etcd's words for who it does not let in; most come with a number of something else.
fn is_refusal(said: &str) -> bool {
    ["authentication failed", "authentication is not enabled", "user name is empty"]
        .iter()
        .any(|words| said.contains(words))
}

/// Whether etcd wants who asks to say anew who it is: its token has ended, or rights have changed since.
pub(super) fn is_token_old(status: &Status) -> bool {
    let said = status.message();
    status.code() == Code::Unauthenticated
        || said.contains("invalid auth token")
        || said.contains("revision of auth store is old")
}

/// There was no connection to send it over.
fn was_not_sent(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// What is behind an error, down to the reason.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told: Vec<String> = Vec::new();
    let mut next = match error.downcast_ref::<Status>() {
        // A status shows all that it has; its message is what people need.
        Some(status) => {
            told.push(status.message().to_owned());
            status.source()
        }
        None => Some(error),
    };
    while let Some(error) = next {
        let said = error.to_string();
        if told.last().is_none_or(|last| *last != said) {
            told.push(said);
        }
        next = error.source();
    }
    told.join(": ")
}

/// Why TLS failed, where it did: it will not do better later.
fn refused_by_tls(told: &str) -> Option<String> {
    if let Some((_, why)) = told.split_once("invalid peer certificate: ") {
        return Some(format!("its certificate is not trusted: {why}"));
    }
    let (_, why) = told.split_once("received fatal alert: ")?;
    Some(format!("it ends TLS: {why}"))
}

/// A connection could not be made. Nothing was sent.
pub(super) fn connecting(error: &(dyn std::error::Error + 'static), to: &str) -> Error {
    let told = chain(error);
    match refused_by_tls(&told) {
        Some(why) => Error::Denied(format!("{to}: {why}")),
        None => Error::Unavailable(format!("{to}: {told}")),
    }
}
