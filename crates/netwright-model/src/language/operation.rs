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

crate::keyword! {
    /// How a watched thing is.
    pub enum WatchedState {
        /// It does not work.
        #[default] Unhealthy = "unhealthy" | "down",
        /// Nobody has found out, or not lately.
        Unknown = "unknown",
        /// It has begun and was not healthy yet.
        Starting = "starting",
        /// It is being taken out of service.
        Draining = "draining",
        /// Somebody works on it.
        Maintenance = "maintenance",
    }
}

/// What watching measures: of probes, and what is handed in about connectors, NAT gateways, pools and databases.
pub const MEASURES: &[&str] = &[
    "seconds",
    "name_seconds",
    "connect_seconds",
    "tls_seconds",
    "login_seconds",
    "first_octet_seconds",
    "body_seconds",
    "query_seconds",
    "echo_seconds",
    "size_seconds",
    "certificate_days",
    "failure_rate",
    "capacity_utilisation",
    "cpu_utilisation",
    "nat_port_utilisation",
    "address_utilisation",
    "connection_utilisation",
    "instances",
    "startup_failures",
];

crate::object! {
    /// What to do about an alert where something holds.
    pub struct AlertRemedy {
        /// What is measured. Without it, always.
        pub metric: Option<Spanned<String>>,
        /// It is to be this at least.
        pub at_least: Option<Spanned<u32>>,
        /// What to do.
        pub text: Spanned<String>,
    }
}

crate::object! {
    /// An alert on a measured time, share or count, or on a state. A threshold counts from its value on.
    pub struct Alert {
        /// The things that it is about: a name, or a beginning and `*`. All that are watched unless given.
        pub of ("things") : Option<Spanned<String>>,
        /// What is measured; the alert's own name unless given. `failure_rate` is that of a thing's probes.
        pub metric: Option<Spanned<String>>,
        /// It fires above this time.
        pub above: Option<Spanned<Duration>>,
        /// It fires above this share.
        pub above_share: Option<Spanned<Percent>>,
        /// It fires above this number.
        pub above_count: Option<Spanned<u32>>,
        /// It fires below this number.
        pub below_count: Option<Spanned<u32>>,
        /// It fires in these states.
        pub states ("state") : Vec<Spanned<WatchedState>>,
        /// It fires while the state changes to and fro.
        pub flapping: Option<Spanned<bool>>,
        /// It fires when it has held for so long.
        pub lasts ("for") : Option<Spanned<Duration>>,
        /// It goes on firing for so long after it held last.
        pub keep_firing ("keep") : Option<Spanned<Duration>>,
        /// A rate of fewer results says nothing; 10 unless given.
        pub results: Option<Spanned<u32>>,
        /// The time-out that ends what is measured.
        pub bounded_by: Option<Spanned<String>>,
        /// A rule evaluates this threshold. False: it is declared and never looked at. True: something else does, where watching measures nothing of
        /// the name.
        pub evaluated: Option<Spanned<bool>>,
        /// Severity as the user calls it.
        pub severity: Option<Spanned<String>>,
        /// Which part of the system it is of; the thing unless given.
        pub component: Option<Spanned<String>>,
        /// What is said. `{thing}`, `{value}`, `{percent}`, `{seconds}` and `{threshold}` are filled in.
        pub message: Option<Spanned<String>>,
        /// What to do: the first that holds.
        pub remedies ("remediation", "remedy") : Vec<AlertRemedy>,
        /// Who is told next.
        pub escalation: Option<Spanned<String>>,
        /// Where to read on.
        pub runbook: Option<Spanned<String>>,
        /// What it is about, in a tracker.
        pub issue ("issue_reference") : Option<Spanned<String>>,
        /// What a missing measurement means; unknown unless given. `ignored`: nobody is told of it.
        pub missing: Option<Spanned<String>>,
    }
}

impl Alert {
    /// What is measured for it, by an alert's name: its letters, with `_` for `-`.
    #[must_use]
    pub fn measure(&self, name: &str) -> String {
        self.metric.as_ref().map_or_else(|| name.replace('-', "_"), |metric| metric.value.clone())
    }

    /// Whether it compares a measure with a threshold.
    #[must_use]
    pub const fn has_threshold(&self) -> bool {
        self.above.is_some()
            || self.above_share.is_some()
            || self.above_count.is_some()
            || self.below_count.is_some()
    }

    /// Whether watching asks it: what it is about is measured, or is a state.
    #[must_use]
    pub fn is_watched(&self, name: &str) -> bool {
        let asks =
            !self.states.is_empty() || self.flapping.as_ref().is_some_and(|flaps| flaps.value);
        asks || (self.has_threshold() && MEASURES.contains(&self.measure(name).as_str()))
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
