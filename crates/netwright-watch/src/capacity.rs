//! How full things are, when they will be full, and what to do about it from what was measured.
//!
//! A [`Use`] is a share of something bounded: a connector's throughput, a NAT gateway's ports, a pool of addresses, a database's connections. Its
//! [`Forecast`] is a straight line through the last measurements; nothing more is claimed. Recommendations follow the measured peak, and
//! say what can be done: a connector that has its ten instances is not told to grow.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The share of something that is to be used at its peak: what is left is for what nobody foresaw.
pub const TARGET: f64 = 0.80;

/// How much of something is used, of how much.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Use {
    /// So much.
    pub used: f64,
    /// Of so much.
    pub of: f64,
}

impl Use {
    /// The share; none where there is nothing to use, which is not 0 %.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        (self.of > 0.0 && self.used.is_finite() && self.of.is_finite()).then(|| self.used / self.of)
    }

    /// Connections that services may open to a database: each instance of each its whole pool.
    #[must_use]
    pub fn connections(services: &[Pool], limit: u32) -> Self {
        let each = |pool: &Pool| f64::from(pool.instances) * f64::from(pool.size + pool.overflow);
        Self { used: services.iter().map(each).sum(), of: f64::from(limit) }
    }

    /// Ports of a NAT gateway that are in use, of all that its addresses have.
    #[must_use]
    pub fn nat_ports(used: u64, addresses: u32, each: u32) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "there are fewer ports than 2^52")]
        let used = used as f64;
        Self { used, of: f64::from(addresses) * f64::from(each) }
    }
}

/// A service's pool of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Instances of the service at most.
    pub instances: u32,
    /// Connections that each keeps.
    pub size: u32,
    /// Connections beyond that under load.
    pub overflow: u32,
}

/// When something will be full.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// In so long, from now on.
    pub full_in: Duration,
    /// By how much its share grows in an hour.
    pub per_hour: f64,
    /// How many measurements it follows from.
    pub measurements: usize,
}

/// Measurements that are kept, that are needed, and how long they must reach.
const KEPT: usize = 120;
const FEWEST: usize = 5;
const SHORTEST: Duration = Duration::from_secs(60);

/// The last measurements of one thing.
#[derive(Debug, Clone, Default)]
pub struct Trend {
    points: VecDeque<(Duration, f64)>,
    peak: Option<f64>,
}

impl Trend {
    /// A share was measured.
    pub fn add(&mut self, now: Duration, share: f64) {
        if !share.is_finite() || self.points.back().is_some_and(|(last, _)| now <= *last) {
            return;
        }
        if self.points.len() == KEPT {
            self.points.pop_front();
        }
        self.points.push_back((now, share));
        self.peak = Some(self.peak.map_or(share, |peak| peak.max(share)));
    }

    /// The highest share that was ever measured.
    #[must_use]
    pub const fn peak(&self) -> Option<f64> {
        self.peak
    }

    /// When it will be full; none with too little to go by, or where it does not grow.
    #[must_use]
    pub fn forecast(&self, now: Duration) -> Option<Forecast> {
        let (first, last) = (self.points.front()?, self.points.back()?);
        if self.points.len() < FEWEST || last.0 - first.0 < SHORTEST {
            return None;
        }
        let points =
            || self.points.iter().map(|(at, share)| ((*at - first.0).as_secs_f64(), *share));
        #[expect(clippy::cast_precision_loss, reason = "at most 120")]
        let count = self.points.len() as f64;
        let (x, y) = points().fold((0.0, 0.0), |(x, y), (a, b)| (x + a / count, y + b / count));
        let both: f64 = points().map(|(a, b)| (a - x) * (b - y)).sum();
        let own: f64 = points().map(|(a, _)| (a - x).powi(2)).sum();
        let slope = both / own;
        let line = y + slope * (now.saturating_sub(first.0).as_secs_f64() - x);
        let left = ((1.0 - line) / slope).max(0.0);
        if slope <= 0.0 || !left.is_finite() {
            return None;
        }
        let full_in = Duration::try_from_secs_f64(left).ok()?;
        Some(Forecast { full_in, per_hour: slope * 3_600.0, measurements: self.points.len() })
    }
}

/// A machine type of connectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// What one instance carries, in Mbit/s.
    pub each: f64,
}

/// What a connector is and what was measured of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Connector {
    /// Its machine type.
    pub machine: Machine,
    /// The instances that it may have at most.
    pub most: u32,
    /// The highest throughput that was measured, in Mbit/s.
    pub peak: f64,
}

/// What to do about a connector.
#[derive(Debug, Clone, PartialEq)]
pub enum Advice {
    /// Nothing: its peak takes no more than the target share.
    Enough {
        /// The instances that it needs.
        needed: u32,
    },
    /// It may have more instances, which can be raised in place and never lowered again.
    Raise {
        /// So many at most.
        to: u32,
    },
    /// A larger machine type: a new connector, for types cannot be changed in place.
    Larger {
        /// Which.
        machine: String,
        /// With so many instances at most.
        most: u32,
    },
    /// Several connectors, each of the largest type.
    Several {
        /// So many.
        connectors: u32,
        /// Of this type.
        machine: String,
    },
    /// More than several connectors are worth: the services send by themselves.
    DirectEgress,
}

/// The instances that a connector of a provider may have.
pub const MOST_INSTANCES: u32 = 10;

/// Connectors beyond which direct VPC egress is the simpler way.
const MOST_CONNECTORS: u32 = 3;

/// Instances that a peak needs: `ceil(peak ÷ (each × 0.80))`.
#[must_use]
pub fn needed(peak: f64, each: f64) -> u32 {
    let needed = (peak / (each * TARGET)).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded before")]
    let whole = needed.clamp(1.0, 1e6) as u32;
    if needed.is_finite() { whole } else { 1 }
}

/// What to do about a connector, by its measured peak and the types there are.
#[must_use]
pub fn advice(connector: &Connector, machines: &[Machine]) -> Advice {
    let own = needed(connector.peak, connector.machine.each);
    if own <= connector.most.min(MOST_INSTANCES) {
        return Advice::Enough { needed: own };
    }
    if own <= MOST_INSTANCES {
        return Advice::Raise { to: own };
    }
    let mut larger: Vec<&Machine> =
        machines.iter().filter(|machine| machine.each > connector.machine.each).collect();
    larger.sort_by(|a, b| a.each.total_cmp(&b.each));
    let fits = larger.iter().find(|machine| needed(connector.peak, machine.each) <= MOST_INSTANCES);
    if let Some(machine) = fits {
        // A connector has three instances at most, at least.
        let most = needed(connector.peak, machine.each).max(3);
        return Advice::Larger { machine: machine.name.clone(), most };
    }
    let largest = larger.last().copied().unwrap_or(&connector.machine);
    let connectors = needed(connector.peak, largest.each).div_ceil(MOST_INSTANCES);
    if connectors <= MOST_CONNECTORS {
        Advice::Several { connectors, machine: largest.name.clone() }
    } else {
        Advice::DirectEgress
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enough { needed } => write!(f, "{needed} instances carry its peak"),
            Self::Raise { to } => {
                write!(f, "raise its most instances to {to}; they cannot be lowered again in place")
            }
            Self::Larger { machine, most } => write!(
                f,
                "make a connector of type {machine} with up to {most} instances and move the services there: ten of this type are not enough"
            ),
            Self::Several { connectors, machine } => {
                write!(f, "spread the services over {connectors} connectors of type {machine}")
            }
            Self::DirectEgress => {
                f.write_str("use direct VPC egress: no few connectors carry its peak")
            }
        }
    }
}

/// What to do about pools that may open more connections than a database takes.
#[must_use]
pub fn pools(services: &[Pool], limit: u32, reserved: u32) -> Option<u32> {
    let instances: u32 = services.iter().map(|pool| pool.instances).sum();
    let offered = limit.saturating_sub(reserved);
    let most = Use::connections(services, offered);
    let over = most.used > most.of;
    // The connections that each instance may have, its pool and its overflow together.
    over.then(|| offered.checked_div(instances)).flatten()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Advice, Connector, Machine, Pool, Trend, Use, advice, needed, pools};

    fn machines() -> Vec<Machine> {
        [("f1-micro", 50.0), ("e2-micro", 100.0), ("e2-standard-4", 1_600.0)]
            .map(|(name, each)| Machine { name: name.to_owned(), each })
            .to_vec()
    }

    fn of(machine: usize, most: u32, peak: f64) -> Advice {
        let machine = machines()[machine].clone();
        advice(&Connector { machine, most, peak }, &machines())
    }

    #[test]
    fn instances_follow_the_peak_at_eighty_percent() {
        assert_eq!(needed(240.0, 100.0), 3);
        assert_eq!(needed(240.1, 100.0), 4);
        assert_eq!(needed(0.0, 100.0), 1);
        assert_eq!(needed(f64::NAN, 100.0), 1);
        assert_eq!(needed(1.0, 0.0), 1);
    }

    #[test]
    fn a_connector_at_its_ten_instances_is_not_told_to_grow() {
        assert_eq!(of(1, 3, 240.0), Advice::Enough { needed: 3 });
        assert_eq!(of(1, 3, 300.0), Advice::Raise { to: 4 });
        assert_eq!(of(1, 10, 800.0), Advice::Enough { needed: 10 });
        let larger = Advice::Larger { machine: "e2-standard-4".to_owned(), most: 3 };
        assert_eq!(of(1, 10, 801.0), larger);
        let next = Advice::Larger { machine: "e2-micro".to_owned(), most: 7 };
        assert_eq!(of(0, 10, 500.0), next, "the smallest type that does");
        let several = Advice::Several { connectors: 2, machine: "e2-standard-4".to_owned() };
        assert_eq!(of(2, 10, 12_801.0), several);
        assert_eq!(of(2, 10, 50_000.0), Advice::DirectEgress);
        for advice in [of(1, 10, 801.0), of(2, 10, 12_801.0), of(2, 10, 50_000.0)] {
            assert!(!advice.to_string().contains("raise"), "{advice}");
        }
    }

    #[test]
    fn twelve_services_with_fifty_connections_are_six_times_a_small_database() {
        let services = [Pool { instances: 1, size: 20, overflow: 30 }; 12];
        assert_eq!(Use::connections(&services, 100).share(), Some(6.0));
        assert_eq!(pools(&services, 100, 3), Some(8), "so many for each instance");
        assert_eq!(pools(&services, 700, 3), None);
        assert_eq!(pools(&[], 0, 0), None);
    }

    #[test]
    fn nothing_to_use_is_not_zero_percent() {
        assert_eq!(Use { used: 0.0, of: 0.0 }.share(), None);
        assert_eq!(Use::nat_ports(32_256, 1, 64_512).share(), Some(0.5));
    }

    #[test]
    fn what_grows_by_a_percent_a_minute_is_full_in_time() {
        let mut trend = Trend::default();
        for minute in 0..50 {
            trend.add(Duration::from_secs(minute * 60), 0.01 * minute as f64);
        }
        let forecast = trend.forecast(Duration::from_secs(49 * 60)).unwrap();
        assert!((forecast.full_in.as_secs_f64() - 51.0 * 60.0).abs() < 1.0, "{forecast:?}");
        assert!((forecast.per_hour - 0.6).abs() < 1e-9);
        assert_eq!(trend.peak(), Some(0.49));
    }

    #[test]
    fn little_to_go_by_and_what_shrinks_say_nothing() {
        let mut trend = Trend::default();
        assert_eq!(trend.forecast(Duration::ZERO), None);
        for minute in 0..10 {
            trend.add(Duration::from_secs(minute * 60), 0.9 - 0.01 * minute as f64);
        }
        trend.add(Duration::from_secs(5), 0.0);
        trend.add(Duration::from_secs(700), f64::NAN);
        assert_eq!(trend.forecast(Duration::from_secs(540)), None);
    }
}
