//! What can be checked on paper about running the network: start-up, time-outs, pools, alerts, criteria, golden paths.

use crate::scalar::{Duration, Percent};
use crate::source::Spanned;

use super::reference::EndpointRef;

crate::object! {
    /// A phase of a service's start. Phases run in the order written.
    pub struct StartupPhase {
        /// Dependencies of this service that the phase needs.
        pub needs: Vec<Spanned<String>>,
        /// Services that must have started before.
        pub after ("requires") : Vec<Spanned<String>>,
        /// Deadline of the phase.
        pub timeout: Option<Spanned<Duration>>,
        /// Tries.
        pub attempts: Option<Spanned<u32>>,
        /// A failure fails the start. True unless said otherwise.
        pub critical: Option<Spanned<bool>>,
    }
}

crate::object! {
    /// A start-up or liveness probe of a serverless platform.
    pub struct Probe {
        /// Path of an HTTP probe; a TCP probe where it is absent.
        pub path: Option<Spanned<String>>,
        /// Port.
        pub port: Option<Spanned<u16>>,
        /// Wait before the first probe.
        pub initial_delay: Option<Spanned<Duration>>,
        /// Time between probes.
        pub period ("interval") : Option<Spanned<Duration>>,
        /// Time-out of a probe.
        pub timeout: Option<Spanned<Duration>>,
        /// Failures in a row that fail the start.
        pub failure_threshold: Option<Spanned<u32>>,
    }
}

crate::object! {
    /// A pool of connections in each instance of a service.
    pub struct ConnectionPool {
        /// Connections kept.
        pub size: Option<Spanned<u32>>,
        /// Connections beyond that under load.
        pub max_overflow ("overflow") : Option<Spanned<u32>>,
        /// Longest wait for a connection from the pool.
        pub timeout: Option<Spanned<Duration>>,
        /// Age at which a connection is replaced.
        pub recycle: Option<Spanned<Duration>>,
        /// Interval of TCP keepalives.
        pub keepalive: Option<Spanned<Duration>>,
        /// A connection is tested before use.
        pub pre_ping: Option<Spanned<bool>>,
    }
}

crate::keyword! {
    /// The two kinds of time-out, which follow opposite rules.
    pub enum TimeoutKind {
        /// A limit on the whole of an operation: an outer one must be longer than the inner ones together.
        #[default] Deadline = "deadline",
        /// A limit on silence: the infrastructure's must be longer than the application's.
        Idle = "idle",
    }
}

crate::object! {
    /// A time-out. Inside one another, by `inside`, they form a hierarchy.
    pub struct Timeout {
        /// Its value. Not given: unknown.
        pub value: Option<Spanned<Duration>>,
        /// Deadline or idle limit.
        pub kind: Option<Spanned<TimeoutKind>>,
        /// The time-out that this one runs inside of.
        pub inside: Option<Spanned<String>>,
        /// Tries, each with this time-out.
        pub attempts: Option<Spanned<u32>>,
        /// For idle limits: it belongs to the infrastructure rather than the application.
        pub infrastructure: Option<Spanned<bool>>,
        /// The service it belongs to.
        pub service: Option<Spanned<String>>,
    }
}

crate::object! {
    /// An alert on a measured time, share or count.
    pub struct Alert {
        /// What is measured.
        pub metric: Option<Spanned<String>>,
        /// It fires above this time.
        pub above: Option<Spanned<Duration>>,
        /// It fires above this share.
        pub above_share: Option<Spanned<Percent>>,
        /// The time-out that ends what is measured.
        pub bounded_by: Option<Spanned<String>>,
        /// A rule evaluates this threshold. False: it is declared and never looked at.
        pub evaluated: Option<Spanned<bool>>,
        /// Severity as the user calls it.
        pub severity: Option<Spanned<String>>,
        /// What to do.
        pub runbook: Option<Spanned<String>>,
        /// What a missing measurement means; unknown unless given.
        pub missing: Option<Spanned<String>>,
    }
}

crate::object! {
    /// A success criterion on a measured time.
    pub struct Criterion {
        /// It holds while what is measured stays within this time.
        pub within: Option<Spanned<Duration>>,
        /// The time-out that ends what is measured.
        pub bounded_by: Option<Spanned<String>>,
        /// Time-outs, one after the other, that may legally be used up in what is measured.
        pub includes: Vec<Spanned<String>>,
        /// The criterion in words.
        pub text: Option<Spanned<String>>,
    }
}

crate::object! {
    /// A path that a user takes.
    pub struct GoldenPath {
        /// Where it starts; the Internet unless given.
        pub from: Option<Spanned<EndpointRef>>,
        /// The services, load balancers and databases on it, in order.
        pub through ("steps") : Vec<Spanned<EndpointRef>>,
        /// It shall take no longer.
        pub within: Option<Spanned<Duration>>,
    }
}
