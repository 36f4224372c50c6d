//! What is told of pools and hosts: not counted, but as it is when it is asked for.

use std::cmp::Reverse;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::alloc::Usage;
use crate::convergence::{Convergence, State};

/// Pools that are told one by one: those that warn, and then the fullest.
const POOLS: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPool {
    pool: String,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfHost {
    host: String,
}

type Share = Gauge<f64, AtomicU64>;

#[expect(clippy::cast_precision_loss, reason = "a gauge is a floating-point number")]
fn float(number: u128) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of an age")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// All of it, as of a time in milliseconds since 1970.
pub(super) fn registry(pools: &[Usage], convergence: &Convergence, now: u64) -> Registry {
    let mut registry = Registry::with_prefix("netwright");
    self::pools(&mut registry, pools);
    hosts(&mut registry, convergence, now);
    registry
}

fn pools(registry: &mut Registry, pools: &[Usage]) {
    let all = Gauge::<i64>::default();
    all.set(count(pools.len()));
    registry.register("pools", "Pools that there are", all);
    let warn = Gauge::<i64>::default();
    warn.set(count(pools.iter().filter(|pool| pool.warning.is_some()).count()));
    registry.register(
        "pools_warning",
        "Pools that are fuller than they should be, or exhausted, or of nothing any more",
        warn,
    );
    let [capacity, free, used, ends] =
        std::array::from_fn::<_, 4, _>(|_| Family::<OfPool, Share>::default());
    let mut told: Vec<&Usage> = pools.iter().collect();
    told.sort_by(|a, b| {
        let full = |pool: &Usage| (pool.warning.is_some(), pool.used_percent);
        let ((a_warns, a_used), (b_warns, b_used)) = (full(a), full(b));
        Reverse(a_warns).cmp(&Reverse(b_warns)).then(b_used.total_cmp(&a_used))
    });
    for pool in told.into_iter().take(POOLS) {
        let label = OfPool { pool: pool.pool.clone(), kind: pool.kind.word() };
        capacity.get_or_create(&label).set(float(pool.capacity));
        free.get_or_create(&label).set(float(pool.free));
        used.get_or_create(&label).set(pool.used_percent / 100.0);
        if let Some(forecast) = &pool.forecast {
            ends.get_or_create(&label).set(seconds(forecast.exhausted_at.milliseconds()));
        }
    }
    registry.register("pool_capacity", "What a pool has to offer", capacity);
    registry.register("pool_free", "What of it is free", free);
    registry.register("pool_used_ratio", "How much of it is not free", used);
    registry.register_with_unit(
        "pool_exhausted_at",
        "When nothing of it will be free, by estimate, in seconds since 1970",
        Unit::Seconds,
        ends,
    );
}

fn hosts(registry: &mut Registry, convergence: &Convergence, now: u64) {
    let revision = Gauge::<i64>::default();
    revision.set(i64::try_from(convergence.head).unwrap_or(i64::MAX));
    registry.register("network_revision", "The newest revision of the network", revision);
    let hosts = Family::<InState, Gauge>::default();
    for (state, word) in [
        (State::Applied, "applied"),
        (State::NotConcerned, "not_concerned"),
        (State::Pending, "pending"),
        (State::Failed, "failed"),
        (State::Away, "away"),
    ] {
        let in_it = count(convergence.in_state(state).count());
        hosts.get_or_create(&InState { state: word }).set(in_it);
    }
    registry.register("hosts", "Hosts, by how far they are with that revision", hosts);
    let stale = Family::<OfHost, Share>::default();
    // The longest come first.
    for window in convergence.stale.iter().filter(|window| window.until.is_none()).rev() {
        let age = seconds(window.milliseconds(now));
        stale.get_or_create(&OfHost { host: window.host.clone() }).set(age);
    }
    registry.register_with_unit(
        "host_stale",
        "For how long a host has run something older than was accepted",
        Unit::Seconds,
        stale,
    );
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use prometheus_client::encoding::text::encode;

    use super::registry;
    use crate::agents::{Hosts, Registration};
    use crate::alloc::{Allocation, Value, state};
    use crate::convergence::Convergence;
    use crate::time::Time;

    #[test]
    fn who_scrapes_sees_how_full_pools_are_and_which_hosts_are_behind() {
        let text = "vpcs: { v: { provider: aws, cidr: 10.0.0.0/16, subnets: { s: { cidr: 10.0.1.0/28 } } } }\n";
        let network = netwright_model::load("n", text, &mut Default::default()).expect("a network");
        let mut pools = state::State::new(network.into());
        for last in 4..14 {
            let taken = Allocation {
                pool: "subnet:v/s".into(),
                value: Value::parse(&format!("10.0.1.{last}")).expect("an address"),
                purpose: "x".into(),
                owner: "me".into(),
                sequence: last,
                at: Time::of_milliseconds(1),
                reserved: false,
                until: None,
            };
            pools.apply(state::Edit::Hold(taken), 1);
        }
        let usage = ["subnet:v/s", "vni"].map(|name| pools.usage(name, 2).expect("a pool"));
        let host = |name: &str, last: u8| Registration {
            host: name.to_owned(),
            underlay: [10, 9, 0, last].into(),
            labels: BTreeMap::new(),
        };
        let joined = [("h1".to_owned(), host("h1", 1)), ("h2".to_owned(), host("h2", 2))];
        let present = BTreeSet::from(["h1".to_owned()]);
        let hosts = Hosts { joined: joined.into(), present, reports: BTreeMap::new() };
        let accepted = BTreeMap::from([(7, 1_000)]);
        let convergence = Convergence::of(7, 7, &accepted, &hosts, 4_000);
        let mut page = String::new();
        encode(&mut page, &registry(&usage, &convergence, 4_000)).expect("a page");
        for line in [
            "netwright_pools 2",
            "netwright_pools_warning 1",
            "netwright_pool_capacity{pool=\"subnet:v/s\",kind=\"addresses\"} 11.0",
            "netwright_pool_free{pool=\"subnet:v/s\",kind=\"addresses\"} 1.0",
            "netwright_hosts{state=\"pending\"} 1",
            "netwright_hosts{state=\"away\"} 1",
            "netwright_host_stale_seconds{host=\"h1\"} 3.0",
            "netwright_network_revision 7",
        ] {
            assert!(page.lines().any(|own| own == line), "{line}: {page}");
        }
    }
}
