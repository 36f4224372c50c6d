//! What is counted, as OpenMetrics.

mod told;

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{Standing, State};
use crate::alloc::Usage;
use crate::convergence::Convergence;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

type Times = Family<RouteLabel, Histogram, fn() -> Histogram>;

/// All that a server counts.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    times: Times,
    /// Connections that are open.
    pub connections: Gauge,
    /// Streams of events that are open.
    pub streams: Gauge,
    /// Connections that were let go because all places were taken.
    pub turned_away: Counter,
    /// Requests that were refused for want of a valid key.
    pub unauthorized: Counter,
    /// Requests that were refused because their caller asked too much.
    pub limited: Counter,
    leads: Gauge,
    store: Gauge,
    revision: Gauge,
    age: Gauge<f64, std::sync::atomic::AtomicU64>,
}

fn bounds() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0])
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("netwright");
        let metrics = Self {
            requests: Family::default(),
            times: Times::new_with_constructor(bounds),
            connections: Gauge::default(),
            streams: Gauge::default(),
            turned_away: Counter::default(),
            unauthorized: Counter::default(),
            limited: Counter::default(),
            leads: Gauge::default(),
            store: Gauge::default(),
            revision: Gauge::default(),
            age: Gauge::default(),
            registry: Registry::default(),
        };
        let own = &metrics;
        registry.register("requests", "Requests that were answered", own.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "Time to an answer",
            Unit::Seconds,
            own.times.clone(),
        );
        registry.register("connections", "Connections that are open", own.connections.clone());
        registry.register("streams", "Streams of events that are open", own.streams.clone());
        registry.register(
            "connections_turned_away",
            "Connections beyond the bound",
            own.turned_away.clone(),
        );
        registry.register("unauthorized", "Requests without a valid key", own.unauthorized.clone());
        registry.register(
            "rate_limited",
            "Requests beyond their caller's rate",
            own.limited.clone(),
        );
        registry.register("leads", "1 where this server leads", own.leads.clone());
        registry.register("store_up", "1 where the store answers", own.store.clone());
        registry.register(
            "revision",
            "Revision of the store that reads are answered from",
            own.revision.clone(),
        );
        registry.register_with_unit(
            "copy_age",
            "How old what reads are answered from is",
            Unit::Seconds,
            own.age.clone(),
        );
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// A request was answered. `route` is the path as the description has it.
    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let (method, route) = (method.to_owned(), route.to_owned());
        self.times.get_or_create(&RouteLabel { route: route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&Request { method, route, status }).inc();
    }

    /// All of it, as text, with how full pools are and how far hosts.
    pub(crate) fn text(
        &self,
        state: &State,
        pools: &[Usage],
        convergence: &Convergence,
    ) -> Result<String, std::fmt::Error> {
        self.leads.set(i64::from(state.lead().is_ok()));
        self.store.set(i64::from(state.standing() == Standing::Here));
        self.revision.set(i64::try_from(state.mirror.revision().0).unwrap_or(i64::MAX));
        let age = state.mirror.age(state.now());
        self.age.set(age.map_or(f64::INFINITY, |age| age.as_secs_f64()));
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        let now = state.now().milliseconds();
        encode_registry(&mut text, &told::registry(pools, convergence, now))?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}
