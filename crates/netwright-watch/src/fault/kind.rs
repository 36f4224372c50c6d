//! By the kind of a probe's failure.

use super::Domain;
use crate::probe::outcome::{Kind, PhaseName};

/// Where the fault lies, by what kind of failure it is. New kinds have to be placed here: there is no usual answer.
#[must_use]
pub const fn of_kind(kind: &Kind) -> Domain {
    use Domain::{Application, Configuration, Infrastructure, Unknown};
    match kind {
        // Somebody wrote the name, or the zone.
        Kind::NameNotFound
        | Kind::NameWithoutRecords
        | Kind::NameLoop { .. }
        | Kind::NameTooDeep { .. }
        | Kind::NameServerRefused
        | Kind::NameAnswerUnexpected => Configuration,
        Kind::NameServerUnreachable
        | Kind::NameServerFailed
        | Kind::NameServerSilent
        | Kind::NameAnswerWrong => Infrastructure,

        // Nobody answers: whatever is lost is lost before the program. That a filter says so makes it no other network.
        Kind::Unreachable
        | Kind::Prohibited
        | Kind::ConnectTimedOut
        | Kind::EchoSilent
        | Kind::BlackHole { .. }
        | Kind::TooBig { .. } => Infrastructure,
        // The machine is there, and the program is not.
        Kind::ConnectionRefused | Kind::ConnectionClosed => Application,
        // A filter does it, a balancer does it, a program that crashes does it.
        Kind::ConnectionReset => Unknown,
        Kind::TimedOut { phase } => timed_out(*phase),

        Kind::TlsAlert { .. }
        | Kind::TlsWrongName
        | Kind::TlsExpired
        | Kind::TlsNotYetValid
        | Kind::TlsSelfSigned
        | Kind::TlsUnknownIssuer
        | Kind::TlsMissingIntermediate
        | Kind::TlsBadCertificate
        | Kind::TlsNotSpoken
        | Kind::TlsExpiresSoon => Configuration,
        Kind::TlsFailed => Unknown,

        Kind::HttpStatus { status } => status_of(*status),
        Kind::HttpRedirect => Configuration,
        Kind::HttpMalformed
        | Kind::HttpTooLarge
        | Kind::HeaderMismatch
        | Kind::BodyMismatch
        | Kind::SaysUnhealthy
        | Kind::NothingToCapture => Application,

        Kind::DatabaseAuthentication | Kind::DatabaseMissing | Kind::RedisNoAuth => Configuration,
        // The server is there and cannot take more, or not yet: capacity and state of a platform.
        Kind::DatabaseTooManyConnections
        | Kind::DatabaseStarting
        | Kind::DatabaseInRecovery
        | Kind::RedisLoading
        | Kind::RedisReadOnly => Infrastructure,
        Kind::QueryTimedOut | Kind::QueryFailed { .. } | Kind::QueryAnswer => Application,
        // Something else listens there than was meant.
        Kind::Protocol => Configuration,

        // What must not be reached is reached, or by another way than was set.
        Kind::Answered | Kind::SourceAddress => Configuration,
        Kind::TooSlow => Unknown,
    }
}

/// What is late before there is a connection is late in the network; what is late after it, in the program. A handshake is both: packets that are
/// too large for the way stop there first.
const fn timed_out(phase: PhaseName) -> Domain {
    match phase {
        PhaseName::Name | PhaseName::Connect | PhaseName::Echo | PhaseName::Size => {
            Domain::Infrastructure
        }
        PhaseName::Tls => Domain::Unknown,
        PhaseName::Login | PhaseName::FirstOctet | PhaseName::Body | PhaseName::Query => {
            Domain::Application
        }
    }
}

const fn status_of(status: u16) -> Domain {
    match status {
        // A gateway tells that it gets no answer from what is behind it.
        502 | 504 => Domain::Infrastructure,
        401 | 403 | 404 | 300..=399 => Domain::Configuration,
        // A balancer without backends says so, and so does a program that is busy.
        503 | 429 => Domain::Unknown,
        _ => Domain::Application,
    }
}
