//! Intents: what must and what must not work.

use std::net::IpAddr;

use crate::scalar::{Duration, Percent, Service as Port};
use crate::source::Spanned;

use super::reference::EndpointRef;

crate::keyword! {
    /// What is expected of a flow.
    pub enum Outcome {
        /// Every flow that the intent names works, both ways.
        #[default] Reachable = "reachable" | "allow" | "allowed" | "works",
        /// None of them arrives.
        Blocked = "blocked" | "deny" | "denied" | "unreachable",
    }
}

crate::object! {
    /// An intent. It holds when every source, destination and service that it names has the expected outcome.
    pub struct Intent {
        /// Sources.
        pub from: Vec<Spanned<EndpointRef>>,
        /// Destinations.
        pub to: Vec<Spanned<EndpointRef>>,
        /// Services, for example `tcp/443`; everything unless given.
        pub service ("services", "port", "ports") : Vec<Spanned<Port>>,
        /// What is expected. Reachable unless given.
        pub outcome ("expect", "is") : Option<Spanned<Outcome>>,
        /// Packets of this size pass.
        pub mtu: Option<Spanned<u32>>,
        /// The destination sees this source address, or always one of these.
        pub source_address ("source_addresses") : Vec<Spanned<IpAddr>>,
        /// The destination can predict the source address.
        pub predictable_source: Option<Spanned<bool>>,
        /// The path uses this gateway, connector, peering or link.
        pub through ("via") : Option<Spanned<String>>,
        /// Goal for the round trip, asked by probes.
        pub latency: Option<Spanned<Duration>>,
        /// Goal for the share of probes that succeed.
        pub availability: Option<Spanned<Percent>>,
        /// Why this matters.
        pub because: Option<Spanned<String>>,
    }
}
