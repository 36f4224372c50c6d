//! What is asked of the running network again and again, beside the intents.

use std::net::IpAddr;

use crate::decode::Entries;
use crate::scalar::Duration;
use crate::source::Spanned;

use super::reference::EndpointRef;

crate::object! {
    /// A probe: something that is asked of the running network. Every intent of `expect` is asked without being written here.
    pub struct ActiveProbe {
        /// Where it is asked from, each by itself: instances, services, sites, the Internet; the machine of whoever asks unless given.
        pub from: Vec<Spanned<EndpointRef>>,
        /// What is asked, for example `https://api.example/health` or `postgres://app@db.internal/shop`; `steps` in its place make a path.
        pub target: Option<Spanned<String>>,
        /// Nothing may answer.
        pub must_not_answer ("not"): Option<Spanned<bool>>,
        /// How long it may take until it counts as unanswered; 5 s unless given.
        pub timeout: Option<Spanned<Duration>>,
        /// It has failed where it takes longer.
        pub within: Option<Spanned<Duration>>,
        /// From one beginning to the next.
        pub every ("interval"): Option<Spanned<Duration>>,
        /// Successes in a row until it is healthy; 2 unless given.
        pub healthy_threshold ("up"): Option<Spanned<u32>>,
        /// Failures in a row until it is unhealthy; 3 unless given.
        pub unhealthy_threshold ("down"): Option<Spanned<u32>>,
        /// For so long after watching began, failures of what was never healthy count for nothing; 30 s unless given.
        pub initial_delay ("grace"): Option<Spanned<Duration>>,
        /// Probes and intents without which nothing can be said of this one: while one of them is away, nobody is told of it.
        pub depends_on ("parents"): Vec<Spanned<String>>,
        /// The peer is to see one of these source addresses.
        pub source_address ("source_addresses"): Vec<Spanned<IpAddr>>,
        /// What is expected of an HTTP answer.
        pub answer: ProbeAnswer,
        /// The method of an HTTP request; GET unless given.
        pub method: Option<Spanned<String>>,
        /// Headers of an HTTP request, each as `Name: value`.
        pub headers: Vec<Spanned<String>>,
        /// The body of an HTTP request.
        pub data: Option<Spanned<String>>,
        /// Steps, one after the other.
        pub steps: Entries<ProbeStep>,
    }
}

crate::object! {
    /// A step of a probe's path. `${name}` in its target, headers and body stands for what a step before it captured.
    pub struct ProbeStep {
        /// What is asked.
        pub target: Option<Spanned<String>>,
        /// The method of an HTTP request; GET unless given.
        pub method: Option<Spanned<String>>,
        /// Headers of an HTTP request, each as `Name: value`.
        pub headers: Vec<Spanned<String>>,
        /// The body of an HTTP request.
        pub data: Option<Spanned<String>>,
        /// What is expected of the answer.
        pub answer: ProbeAnswer,
        /// What is kept for later steps, each as `name=json:/order/id`, `name=header:x-token` or `name=matches:id=([0-9]+)`.
        pub capture: Vec<Spanned<String>>,
        /// It is gone also where a step before it failed: what a path began, it ends.
        pub always: Option<Spanned<bool>>,
        /// How long it may take.
        pub timeout: Option<Spanned<Duration>>,
    }
}

crate::object! {
    /// What is expected of an HTTP answer.
    pub struct ProbeAnswer {
        /// Statuses, each as `200` or `200-299`; 200-299 unless given.
        pub status: Vec<Spanned<String>>,
        /// Texts that the body holds.
        pub contains: Vec<Spanned<String>>,
        /// Regular expressions that the body matches.
        pub matches: Vec<Spanned<String>>,
        /// Headers, each as `Name: text that its value holds`.
        pub headers: Vec<Spanned<String>>,
    }
}

/// Whether a header's field tells who somebody is, and so is for nobody else's eyes: RFC 9110, 11.6.2 and 11.7.2, RFC 6265, 4.2, and API keys.
#[must_use]
pub fn is_secret_header(name: &str) -> bool {
    const SECRET: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "x-api-key"];
    SECRET.iter().any(|own| own.eq_ignore_ascii_case(name.trim()))
}
