//! What to do about a failure, by its kind.

use crate::probe::outcome::{Kind, PhaseName};

/// What to look at first, as an order. New kinds have to be given one: there is no usual answer.
#[expect(clippy::too_many_lines, reason = "a line or two for each kind, as a table")]
#[must_use]
pub const fn of_kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::NameNotFound | Kind::NameWithoutRecords => {
            "Add the record to the zone, or correct the name; `dig` at the server that the service uses, not from the root"
        }
        Kind::NameLoop { .. } | Kind::NameTooDeep { .. } => {
            "Break the chain of aliases at the name that is told twice"
        }
        Kind::NameServerUnreachable | Kind::NameServerSilent => {
            "Let UDP and TCP 53 through to the name server, and see whether it runs"
        }
        Kind::NameServerRefused => "Allow the service's network to ask this name server",
        Kind::NameServerFailed | Kind::NameAnswerWrong => {
            "Ask the zone's own servers: the one in between fails or changes answers"
        }
        Kind::NameAnswerUnexpected => "Correct the record, or what is expected of it",
        Kind::Unreachable => "Add the route: `netwright trace` names the table that lacks it",
        Kind::Prohibited => "Add a rule that allows it: `netwright trace` names the filter",
        Kind::ConnectTimedOut | Kind::EchoSilent => {
            "Follow the flow with `netwright trace`: a filter without a word, a missing NAT gateway or a missing way back lose packets so"
        }
        Kind::BlackHole { .. } | Kind::TooBig { .. } => {
            "Lower the link's MTU or clamp the MSS to what passes, and let ICMP `fragmentation needed` through"
        }
        Kind::ConnectionRefused => "Start the program, or have it listen on this address and port",
        Kind::ConnectionClosed | Kind::ConnectionReset => {
            "Read the program's log at this moment; without a line there, look at balancers and filters between"
        }
        Kind::TimedOut { phase } => timed_out(*phase),
        Kind::TlsWrongName => {
            "Get a certificate for this name: a wildcard covers one label, not two"
        }
        Kind::TlsExpired | Kind::TlsExpiresSoon => {
            "Renew the certificate, and find out why it was not"
        }
        Kind::TlsNotYetValid => {
            "Compare the clocks of both machines with the certificate's first day"
        }
        Kind::TlsSelfSigned | Kind::TlsUnknownIssuer => {
            "Have it signed by an authority that the caller trusts, or give the caller the authority"
        }
        Kind::TlsMissingIntermediate => "Have the server send the whole chain",
        Kind::TlsBadCertificate | Kind::TlsAlert { .. } | Kind::TlsFailed => {
            "Compare what both ends offer: version, ciphers, purpose of the certificate"
        }
        Kind::TlsNotSpoken => "Ask the port that speaks TLS, or turn TLS on there",
        Kind::HttpStatus { status: 502..=504 } => {
            "Look behind the gateway: a backend does not answer, is not ready, or takes too long"
        }
        Kind::HttpStatus { status: 401 | 403 } => {
            "Give the probe a credential that may ask, or expect the refusal"
        }
        Kind::HttpStatus { .. } | Kind::HttpRedirect => "Read the program's log of this request",
        Kind::HttpMalformed | Kind::HttpTooLarge | Kind::Protocol => {
            "See what listens there: it does not speak what is expected"
        }
        Kind::HeaderMismatch | Kind::BodyMismatch | Kind::NothingToCapture | Kind::QueryAnswer => {
            "Correct the program, or what is expected of its answer"
        }
        Kind::SaysUnhealthy => {
            "Read which of its checks the service names: it says itself that it is not well"
        }
        Kind::DatabaseAuthentication | Kind::RedisNoAuth => {
            "Correct the user or password, and see whether it was rotated"
        }
        Kind::DatabaseTooManyConnections => {
            "Lower the pools of the services, or raise the server's limit: all instances' pools together must fit"
        }
        Kind::DatabaseStarting | Kind::RedisLoading => {
            "Wait until it has started; look at its log if it takes longer than its data explains"
        }
        Kind::DatabaseInRecovery | Kind::RedisReadOnly => {
            "Ask the primary: this one follows another and only reads"
        }
        Kind::DatabaseMissing => "Create the database, or correct its name",
        Kind::QueryTimedOut | Kind::QueryFailed { .. } => {
            "Look at the server's log and its slow queries"
        }
        Kind::Answered => "Close it: something lets through what must not pass",
        Kind::TooSlow => "Look at which phase takes the time, then at the load of what answers it",
        Kind::SourceAddress => {
            "Send it through the NAT gateway with the reserved address, or list the address that is seen"
        }
    }
}

const fn timed_out(phase: PhaseName) -> &'static str {
    match phase {
        PhaseName::Name => "Look at the name server and the way to it",
        PhaseName::Connect | PhaseName::Echo | PhaseName::Size => {
            "Follow the flow with `netwright trace`: packets are lost on the way"
        }
        PhaseName::Tls => {
            "Try a smaller MTU and look at the server's load: a handshake's first large packet is what gets lost"
        }
        PhaseName::Login | PhaseName::Query => {
            "Look at the database: locks, connections, disks; the way to it is open"
        }
        PhaseName::FirstOctet | PhaseName::Body => {
            "Look at the program: it took the request and does not answer"
        }
    }
}
