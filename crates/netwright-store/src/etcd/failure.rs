//! etcd's errors, by what the caller can do about them. Its numbers are gRPC's; its words tell more.

use etcd_client as theirs;

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

    pub(super) fn failed(self, error: &theirs::Error) -> Error {
        let status = match error {
            theirs::Error::GRpcStatus(status) => status,
            theirs::Error::LeaseKeepAliveError(_) if self.lease.is_some() => {
                return Error::NoLease(self.lease.unwrap_or(LeaseId(0)));
            }
            // Nothing was sent.
            theirs::Error::InvalidArgs(_)
            | theirs::Error::InvalidUri(_)
            | theirs::Error::EndpointError(_) => return Error::Unavailable(error.to_string()),
            other => return self.lost(other.to_string()),
        };
        let said = status.message();
        let number = status.code() as i32;
        let at = self.at.unwrap_or(Revision(0));
        match number {
            OUT_OF_RANGE if said.contains("compacted") => Error::Compacted { at },
            OUT_OF_RANGE if said.contains("future") => {
                Error::Future { asked: at, newest: Revision(0) }
            }
            NOT_FOUND if said.contains("lease") => Error::NoLease(self.lease.unwrap_or(LeaseId(0))),
            PERMISSION_DENIED | UNAUTHENTICATED => Error::Denied(said.to_owned()),
            INVALID_ARGUMENT | FAILED_PRECONDITION | RESOURCE_EXHAUSTED | UNIMPLEMENTED => {
                Error::Unavailable(said.to_owned())
            }
            // No connection: nothing was sent.
            UNAVAILABLE if said.contains("connect error") => Error::Unavailable(said.to_owned()),
            _ => self.lost(said.to_owned()),
        }
    }
}

const INVALID_ARGUMENT: i32 = 3;
const NOT_FOUND: i32 = 5;
const PERMISSION_DENIED: i32 = 7;
const RESOURCE_EXHAUSTED: i32 = 8;
const FAILED_PRECONDITION: i32 = 9;
const OUT_OF_RANGE: i32 = 11;
const UNIMPLEMENTED: i32 = 12;
const UNAVAILABLE: i32 = 14;
const UNAUTHENTICATED: i32 = 16;
