//! What a probe found out: the verdict, how long each phase took, and what was seen on the way.
//!
//! A verdict is one of three. [`Verdict::Unknown`] is for everything that says nothing of the peer: our own machine was out of sockets, the
//! probe was never sent, "must not connect" ended by a time-out of ours. Who judges health may not take it for either of the others.
//!
//! Architecture invariant: an outcome is data. Who is to blame for a failure is decided from its [`Kind`], elsewhere.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What one attempt of one probe found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the peer did what it was to do.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// When the attempt began, by the clock that the probe was given.
    #[serde(with = "instant")]
    pub at: Timestamp,
    /// Which attempt of this probe it was, from 1.
    pub attempt: u32,
    /// From the beginning to the verdict.
    #[serde(with = "seconds", rename = "took_seconds")]
    pub took: Duration,
    /// The phases in the order in which they were gone through; the last of a failure is the one that failed, with the time it took to fail.
    pub phases: Vec<Phase>,
    /// The address that the packets came from, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Where they went, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<SocketAddr>,
    /// What else was seen.
    #[serde(default, skip_serializing_if = "Seen::is_nothing")]
    pub seen: Seen,
    /// The outcomes of a path's steps, in order; empty for every other probe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

impl Outcome {
    /// An attempt of which nothing is known but its verdict: no phase, no address, no time.
    #[must_use]
    pub fn bare(verdict: Verdict, at: Timestamp, attempt: u32) -> Self {
        Self {
            verdict,
            at,
            attempt,
            took: Duration::ZERO,
            phases: Vec::new(),
            source: None,
            peer: None,
            seen: Seen::default(),
            steps: Vec::new(),
        }
    }

    /// How long the named phase took, where it was gone through. Of a phase that was gone through several times (a redirect) it is the sum.
    #[must_use]
    pub fn phase(&self, name: PhaseName) -> Option<Duration> {
        let mut of = self
            .phases
            .iter()
            .filter(|phase| phase.name == name)
            .map(|phase| phase.took)
            .peekable();
        of.peek()?;
        Some(of.sum())
    }

    /// What it measured, by the names that alerts use: `seconds` where it passed, `connect_seconds` and so on of its phases, `certificate_days`.
    #[must_use]
    pub fn measures(&self) -> Vec<(String, f64)> {
        let mut all = Vec::new();
        if self.passed() {
            all.push(("seconds".to_owned(), self.took.as_secs_f64()));
        }
        for phase in PhaseName::ALL {
            if let Some(took) = self.phase(phase) {
                all.push((format!("{}_seconds", phase.name()), took.as_secs_f64()));
            }
        }
        if let Some(expiry) = self.seen.tls.as_ref().and_then(|tls| tls.earliest_expiry) {
            let days = expiry.duration_since(self.at).as_secs_f64() / 86_400.0;
            all.push(("certificate_days".to_owned(), days));
        }
        all
    }

    /// Whether the verdict is passed.
    #[must_use]
    pub const fn passed(&self) -> bool {
        matches!(self.verdict, Verdict::Passed)
    }

    /// What went wrong, where the verdict is failed.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match &self.verdict {
            Verdict::Failed(failure) => Some(failure),
            Verdict::Passed | Verdict::Unknown { .. } => None,
        }
    }
}

/// Whether a peer did what it was to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It did.
    Passed,
    /// It did not, and this is how.
    Failed(Failure),
    /// Nothing was learnt of the peer.
    Unknown {
        /// Why not.
        why: String,
    },
}

impl Verdict {
    /// Failed in this way.
    pub fn failed(kind: Kind, text: impl Into<String>) -> Self {
        Self::Failed(Failure { kind, text: text.into() })
    }

    /// Nothing was learnt, for this reason.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown { why: why.into() }
    }

    /// `passed`, `failed` or `unknown`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Unknown { .. } => "unknown",
        }
    }
}

/// What went wrong, for programs and for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What it was, for programs.
    #[serde(flatten)]
    pub kind: Kind,
    /// A sentence for people, without a full stop. It never holds a password.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.text, self.kind.name())
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $({ $($(#[$field_doc:meta])* $field:ident: $of:ty,)+ })? = $text:literal,)+) => {
        /// The ways in which a peer can fail a probe, fine enough to say by the kind alone where the fault is.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $text)] $name $({ $($(#[$field_doc])* $field: $of,)+ })?,)+
        }

        impl Kind {
            /// Its name in output, for example `connection_refused`.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $text,)+
                }
            }

            /// The names of all kinds.
            pub const NAMES: &'static [&'static str] = &[$($text),+];
        }
    };
}

kinds! {
    // Names.
    /// The name server says that the name does not exist (NXDOMAIN).
    NameNotFound = "name_not_found",
    /// The name exists and has no record of the type that was asked for.
    NameWithoutRecords = "name_without_records",
    /// Aliases lead back to a name that was there before.
    NameLoop {
        /// The names in order; the last is the one that was there before.
        chain: Vec<String>,
    } = "name_loop",
    /// More aliases in a row than are followed.
    NameTooDeep {
        /// The names in order.
        chain: Vec<String>,
    } = "name_too_deep",
    /// No packet gets to the name server, or nothing listens there.
    NameServerUnreachable = "name_server_unreachable",
    /// The name server refuses to answer (REFUSED).
    NameServerRefused = "name_server_refused",
    /// The name server failed (SERVFAIL and every other code of an error).
    NameServerFailed = "name_server_failed",
    /// The name server said nothing in time.
    NameServerSilent = "name_server_silent",
    /// What came as an answer was none: another question, or no DNS message.
    NameAnswerWrong = "name_answer_wrong",
    /// The answer is not one of those that were expected.
    NameAnswerUnexpected = "name_answer_unexpected",

    // Packets and connections.
    /// No route, or a router says that the peer's network or machine cannot be reached.
    Unreachable = "unreachable",
    /// A filter on the way, or on the machine, says that it forbids the packet.
    Prohibited = "prohibited",
    /// The peer's machine answers that nothing listens there.
    ConnectionRefused = "connection_refused",
    /// The connection was torn down.
    ConnectionReset = "connection_reset",
    /// The peer closed the connection before it had answered.
    ConnectionClosed = "connection_closed",
    /// No answer at all to the attempt to connect.
    ConnectTimedOut = "connect_timed_out",
    /// The connection was there, and a phase after it did not end in time.
    TimedOut {
        /// Which phase.
        phase: PhaseName,
    } = "timed_out",

    // TLS.
    /// The peer ended the handshake with an alert.
    TlsAlert {
        /// Its name in the standard, for example `handshake_failure`.
        alert: String,
    } = "tls_alert",
    /// The certificate is for other names.
    TlsWrongName = "tls_wrong_name",
    /// The certificate, or one of its chain, is no longer valid.
    TlsExpired = "tls_expired",
    /// The certificate, or one of its chain, is not valid yet.
    TlsNotYetValid = "tls_not_yet_valid",
    /// The certificate was signed with its own key, and is not trusted.
    TlsSelfSigned = "tls_self_signed",
    /// The chain ends at an authority that is not trusted.
    TlsUnknownIssuer = "tls_unknown_issuer",
    /// The peer sent its certificate without the one that links it to an authority.
    TlsMissingIntermediate = "tls_missing_intermediate",
    /// The certificate is wrong in another way: malformed, of another purpose, revoked.
    TlsBadCertificate = "tls_bad_certificate",
    /// The peer does not speak TLS.
    TlsNotSpoken = "tls_not_spoken",
    /// The handshake failed in another way.
    TlsFailed = "tls_failed",
    /// The certificate ends sooner than was asked for.
    TlsExpiresSoon = "tls_expires_soon",

    // HTTP.
    /// The status is not one of those that were expected.
    HttpStatus {
        /// The status.
        status: u16,
    } = "http_status",
    /// The answer is not HTTP, or broke a bound on heads.
    HttpMalformed = "http_malformed",
    /// The answer is larger than is read.
    HttpTooLarge = "http_too_large",
    /// The answer redirects too often or to nowhere.
    HttpRedirect = "http_redirect",
    /// A header is missing or has another value.
    HeaderMismatch = "header_mismatch",
    /// The body is not what was expected.
    BodyMismatch = "body_mismatch",
    /// The peer says itself that it is not well (`fail` in health+json).
    SaysUnhealthy = "says_unhealthy",

    // Databases and queues.
    /// The password or the user is wrong, or the server does not let the user in.
    DatabaseAuthentication = "database_authentication",
    /// The server has no connection left.
    DatabaseTooManyConnections = "database_too_many_connections",
    /// The server is starting, recovering or shutting down, and lets nobody in.
    DatabaseStarting = "database_starting",
    /// The server answers, and only reads: it follows another one.
    DatabaseInRecovery = "database_in_recovery",
    /// The database does not exist.
    DatabaseMissing = "database_missing",
    /// The query did not end in time.
    QueryTimedOut = "query_timed_out",
    /// The query failed.
    QueryFailed {
        /// The server's code of the error: five characters of SQLSTATE, or the first word of Redis' error.
        code: String,
    } = "query_failed",
    /// What the query answered is not what was expected.
    QueryAnswer = "query_answer",
    /// Redis asks for a password (NOAUTH), or the one that was given is wrong (WRONGPASS).
    RedisNoAuth = "redis_noauth",
    /// Redis is still reading its data (LOADING).
    RedisLoading = "redis_loading",
    /// Redis is a replica and takes no writes (READONLY).
    RedisReadOnly = "redis_readonly",
    /// The peer does not speak the protocol.
    Protocol = "protocol",

    // Packets and their sizes.
    /// No answer to an echo request.
    EchoSilent = "echo_silent",
    /// Packets above a size are lost without a word: a black hole.
    BlackHole {
        /// The largest packet that came back, in octets.
        passes: u32,
        /// The smallest that did not.
        lost: u32,
    } = "black_hole",
    /// The way takes smaller packets than was asked for, and says so.
    TooBig {
        /// The largest packet that came back, in octets.
        passes: u32,
    } = "too_big",

    // Probes turned around, and paths.
    /// The peer answered although it must not.
    Answered = "answered",
    /// A value that a later step needs was not in the answer.
    NothingToCapture = "nothing_to_capture",
    /// It worked, and took longer than it may.
    TooSlow = "too_slow",
    /// The peer saw another source address than was expected.
    SourceAddress = "source_address",
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A part of a probe that is timed apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseName {
    /// From a name to an address.
    Name,
    /// From the first packet to an open connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Presenting oneself to a database, until it takes queries.
    Login,
    /// From the request to the first octet of the answer.
    FirstOctet,
    /// The rest of the answer.
    Body,
    /// From a query to its whole answer.
    Query,
    /// From an echo request to its answer.
    Echo,
    /// The search for the largest packet that passes.
    Size,
}

impl PhaseName {
    /// All of them, in the order in which a probe goes through them.
    pub const ALL: [Self; 9] = [
        Self::Name,
        Self::Connect,
        Self::Tls,
        Self::Login,
        Self::FirstOctet,
        Self::Body,
        Self::Query,
        Self::Echo,
        Self::Size,
    ];

    /// Its name in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Login => "login",
            Self::FirstOctet => "first_octet",
            Self::Body => "body",
            Self::Query => "query",
            Self::Echo => "echo",
            Self::Size => "size",
        }
    }
}

impl fmt::Display for PhaseName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

/// How long one phase took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Which.
    pub name: PhaseName,
    /// How long, also when it failed.
    #[serde(with = "seconds", rename = "seconds")]
    pub took: Duration,
}

/// Where packets came from, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The address.
    pub address: IpAddr,
    /// Whether the peer told it. Otherwise it is that of our end, which a translation on the way may have replaced.
    pub seen_by_peer: bool,
}

/// What a probe saw beside its verdict. Each part is there only where it was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Of HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Box<HttpSeen>>,
    /// Of TLS, also when the handshake failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Box<TlsSeen>>,
    /// The way from the asked name to the answer: each alias, then the records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The largest packet that came back over the way, in octets, with its headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_mtu: Option<u32>,
    /// What a server says of itself: PostgreSQL's version, Redis' role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

impl Seen {
    /// Whether nothing was.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.http.is_none()
            && self.tls.is_none()
            && self.names.is_empty()
            && self.path_mtu.is_none()
            && self.server.is_none()
    }
}

/// What was seen of an HTTP answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpSeen {
    /// The status.
    pub status: u16,
    /// The version, for example `1.1`.
    pub version: String,
    /// How often a redirect was followed.
    pub redirects: u32,
    /// Octets of the body that were read.
    pub body_length: u64,
    /// The octets that the head said the body has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length: Option<u64>,
    /// `status` of an answer in health+json: `pass`, `warn` or `fail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
}

/// What was seen of a TLS handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSeen {
    /// `TLSv1.3` or `TLSv1.2`; empty where the handshake did not come so far.
    pub version: String,
    /// The certificates that the peer sent, its own first.
    pub chain: Vec<CertificateSeen>,
    /// The first of the chain's ends of validity.
    #[serde(default, with = "some_instant", skip_serializing_if = "Option::is_none")]
    pub earliest_expiry: Option<Timestamp>,
    /// What is wrong with the chain; nothing where it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<Failure>,
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateSeen {
    /// Its subject.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// From when it is valid.
    #[serde(with = "instant")]
    pub not_before: Timestamp,
    /// Until when.
    #[serde(with = "instant")]
    pub not_after: Timestamp,
    /// Its number at who signed it, in hexadecimal digits.
    pub serial: String,
}

/// What a step of a path found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The step's name.
    pub name: String,
    /// What it found out; nothing where it was not gone through, because one before it had failed.
    pub outcome: Option<Box<Outcome>>,
}

/// Durations as seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(took.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}

/// Times as RFC 3339 writes them.
mod instant {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(at)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Such times where there is one.
mod some_instant {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "what serde hands over")]
    pub(super) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => to.collect_str(at),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        text.parse().map(Some).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
