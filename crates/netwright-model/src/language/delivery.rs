//! Load balancers and their health checks.

use std::net::IpAddr;

use crate::decode::Entries;
use crate::scalar::{Duration, Percent, Prefix, Service as Port};
use crate::source::Spanned;

use super::reference::EndpointRef;

crate::keyword! {
    /// Whether a load balancer is reached from the Internet.
    pub enum Scheme {
        /// From inside only.
        #[default] Internal = "internal",
        /// From the Internet too.
        External = "external" | "internet-facing" | "public",
    }
}

crate::keyword! {
    /// How a load balancer treats connections.
    pub enum LoadBalancerKind {
        /// It ends the connection and opens another one from its own address.
        #[default] Proxy = "proxy" | "application",
        /// It passes packets on and keeps the client's address.
        PassThrough = "pass-through" | "network",
    }
}

crate::keyword! {
    /// What a load balancer does while no backend of a listener is in service.
    pub enum AllDown {
        /// It refuses connections.
        #[default] Refuse = "refuse" | "closed",
        /// It sends them to all backends: health checks may be wrong, and nothing is worse than no answer.
        SendToAll = "send-to-all" | "open",
    }
}

crate::keyword! {
    /// What becomes of a backend's open connections when it goes out of service.
    pub enum OpenConnections {
        /// They stay until one of their ends closes them.
        #[default] Keep = "keep",
        /// They are closed.
        Close = "close",
    }
}

crate::object! {
    /// A load balancer.
    pub struct LoadBalancer {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// How it treats connections.
        pub kind ("type") : Option<Spanned<LoadBalancerKind>>,
        /// Whether it is reached from the Internet.
        pub scheme: Option<Spanned<Scheme>>,
        /// The VPC.
        pub vpc: Option<Spanned<String>>,
        /// Subnets it has nodes in.
        pub subnets: Vec<Spanned<String>>,
        /// Its nodes, by name: their interfaces.
        pub nodes: Entries<super::workload::Interface>,
        /// Public addresses.
        pub public_addresses ("public_address") : Vec<Spanned<IpAddr>>,
        /// Filters attached to its nodes.
        pub filters ("security_groups") : Vec<Spanned<String>>,
        /// Names it is called by.
        pub hosts ("host") : Vec<Spanned<String>>,
        /// Listeners by name.
        pub listeners: Entries<Listener>,
        /// Groups of backends by name.
        pub backends ("backend_groups", "target_groups") : Entries<BackendGroup>,
        /// Certificates that it shows.
        pub certificates ("certificate") : Vec<Spanned<String>>,
        /// Time-out for a backend's answer.
        pub timeout: Option<Spanned<Duration>>,
        /// What it does while no backend is in service; as its provider does unless given.
        pub when_all_down: Option<Spanned<AllDown>>,
        /// Requests may go to backends in other zones.
        pub cross_zone: Option<Spanned<bool>>,
        /// Where its own connections to backends come from, where they do not come from its nodes.
        pub proxy_sources: Vec<Spanned<Prefix>>,
        /// Where its health probes come from, where that is not what the provider's profile says.
        pub probe_sources: Vec<Spanned<Prefix>>,
    }
}

crate::object! {
    /// A listener of a load balancer.
    pub struct Listener {
        /// What it listens on, for example `tcp/443`.
        pub on ("port") : Spanned<Port>,
        /// Groups of backends it sends to.
        pub to ("backends") : Vec<Spanned<String>>,
        /// It ends TLS.
        pub tls: Option<Spanned<bool>>,
        /// It answers by itself, for example with a redirect or a fixed answer.
        pub answers: Option<Spanned<bool>>,
    }
}

crate::object! {
    /// A group of backends.
    pub struct BackendGroup {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// The backends.
        pub targets: Vec<Backend>,
        /// Port of the backends, for example `tcp/8000`.
        pub port: Option<Spanned<Port>>,
        /// How health is decided.
        pub health_check: Option<HealthCheck>,
        /// Time-out for an answer.
        pub timeout: Option<Spanned<Duration>>,
        /// The balancer passes the client's address on as the source.
        pub preserve_client_address: Option<Spanned<bool>>,
        /// What becomes of a backend's open connections when it goes out of service.
        pub open_connections: Option<Spanned<OpenConnections>>,
        /// Why its backends are not all known.
        pub incomplete: Option<Spanned<String>>,
    }
}

crate::object! {
    /// One backend.
    pub struct Backend {
        /// An instance, an address or a service.
        pub target: Spanned<EndpointRef>,
        /// Port, where it differs from the group's.
        pub port: Option<Spanned<u16>>,
        /// Health as the provider last showed it.
        pub healthy: Option<Spanned<bool>>,
        /// It is being taken out of service: it gets no new connections, and keeps those that it has.
        pub draining: Option<Spanned<bool>>,
        /// Share of the traffic.
        pub weight: Option<Spanned<Percent>>,
    }
}

crate::object! {
    /// A health check of a load balancer.
    pub struct HealthCheck {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// Port and protocol that are probed; the backends' unless given.
        pub port: Option<Spanned<Port>>,
        /// Path of an HTTP probe.
        pub path: Option<Spanned<String>>,
        /// Time between probes.
        pub interval: Option<Spanned<Duration>>,
        /// Time-out of a probe.
        pub timeout: Option<Spanned<Duration>>,
        /// Successes in a row until healthy.
        pub healthy_threshold: Option<Spanned<u32>>,
        /// Failures in a row until unhealthy.
        pub unhealthy_threshold: Option<Spanned<u32>>,
        /// Grace after a backend's start.
        pub initial_delay: Option<Spanned<Duration>>,
        /// Failures allowed while starting.
        pub startup_failures: Option<Spanned<u32>>,
        /// A failure shall be noticed within this time.
        pub detect_within: Option<Spanned<Duration>>,
    }
}
