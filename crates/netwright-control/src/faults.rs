//! Faults that are injected on purpose into the network where it runs, through the agents of its hosts.
//!
//! A cut lies between pairs of endpoints; what is done to processes is done to endpoints, and concerns each of their pairs.
//!
//! Somebody asks for a fault ([`NewFault`]); the server that leads works out what each host is to do for it, refuses what is larger than it may be or
//! would concern what is protected ([`refusals`]), and writes it down ([`Fault`]). Agents lay rules whose elements end with the fault's lease by
//! themselves, in the kernel, and report what these met ([`Broken`]). Whoever asked renews the lease; who does not, be it that he died, has the fault
//! end everywhere, also on hosts that hear of nobody any more. What became of it is remembered for a while after.
//!
//! What hosts are told is written and read by agents; here it is passed on.

mod asked;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use netwright_store::{Entry, Error, Range, Store};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::agents::{Hosts, Registration, Time};
use crate::keys::Layout;
pub use asked::{Effect, Names, NewFault, Pair, Said, Slow, Way};

/// Faults that are on at a time.
pub const MOST: usize = 16;
/// Pairs, or endpoints, that one fault names.
pub const PAIRS: usize = 1000;
/// What a lease lasts, in milliseconds.
pub const LEASE: RangeInclusive<u64> = 1_000..=60_000;
/// What it lasts unless that is said.
pub const USUAL: u64 = 3_000;
/// How long a fault is remembered after it was renewed last.
pub const KEPT: Duration = Duration::from_secs(660);
/// Octets of a fault as it is kept: more is refused.
pub const RECORD: usize = 1 << 20;
/// The label of a host that no fault may concern, and its value.
pub const NEVER: (&str, &str) = ("faults", "never");

/// What is worked out of a fault, before anything is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Worked {
    /// What each host is to do, as its agent reads it.
    pub orders: BTreeMap<String, Value>,
    /// Hosts that do something for it, and those of the endpoints that it is between.
    pub hosts: BTreeSet<String>,
    /// Endpoints that it is between.
    pub endpoints: BTreeSet<String>,
    /// Those of them that it was asked to leave alone.
    pub protected: BTreeSet<String>,
    /// All addresses of those endpoints.
    pub addresses: BTreeSet<IpAddr>,
    /// The pairs of endpoints that it concerns, each once, the names in their order.
    pub pairs: BTreeSet<(String, String)>,
    /// How many pairs of endpoints there are.
    pub all_pairs: u64,
}

/// A fault as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Unlike that of any other.
    pub id: String,
    /// What was asked.
    pub asked: NewFault,
    /// SHA-256 of the request, where it may come again.
    pub request: Option<String>,
    /// Who asked, by the id of his key.
    pub by: String,
    /// When, in milliseconds since 1970 by the server's clock, as the times below.
    pub at: Time,
    /// Until when it lasts, unless it is renewed.
    pub until: Time,
    /// How often it was renewed.
    pub renewal: u64,
    /// When it was ended, and by whom, where somebody did.
    pub ended: Option<Ended>,
    /// The revision of the network, and which hosts, that orders were worked out for.
    pub revision: u64,
    /// Which hosts there were.
    pub placement: String,
    /// The pairs that it concerns.
    pub pairs: BTreeSet<(String, String)>,
    /// What each host is to do.
    pub orders: BTreeMap<String, Value>,
    /// The store's lease on this entry.
    pub kept: u64,
}

/// Who ended a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "FaultEnded")]
pub struct Ended {
    /// When, in milliseconds since 1970.
    pub at: Time,
    /// By the id of his key.
    pub by: String,
}

impl Fault {
    /// Whether it is on at a time.
    #[must_use]
    pub fn is_on(&self, now: Time) -> bool {
        self.ended.is_none() && now < self.until
    }

    /// What a host is told of it at a time; nothing where it has nothing to do.
    #[must_use]
    pub fn told(&self, host: &str, now: Time) -> Option<Told> {
        let orders = self.orders.get(host).filter(|_| self.is_on(now))?;
        // Whatever clocks say: no longer than the lease.
        let lease_ms = self.until.saturating_sub(now).min(self.asked.lease());
        let (id, renewal) = (self.id.clone(), self.renewal);
        Some(Told { id, renewal, lease_ms, orders: orders.clone() })
    }
}

/// A fault, as a host is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "FaultOrders")]
pub struct Told {
    /// Which.
    pub id: String,
    /// How often it was renewed.
    pub renewal: u64,
    /// How long it lasts from now on unless it is renewed, in milliseconds.
    pub lease_ms: u64,
    /// What the host is to do, as `netwright agent` of the same version reads it.
    pub orders: Value,
}

/// The faults that are on, as a host is told of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "FaultsOn")]
pub struct On {
    /// A short word for which, and how often they were renewed.
    pub mark: String,
    /// Those that the host does something for.
    pub faults: Vec<Told>,
}

impl On {
    /// Those of all that are kept that concern a host.
    #[must_use]
    pub fn of(all: &[Fault], host: &str, now: Time) -> Self {
        Self {
            mark: mark(all, now),
            faults: all.iter().filter_map(|fault| fault.told(host, now)).collect(),
        }
    }
}

/// A short word for the faults that are on, and how often they were renewed; empty where none is.
#[must_use]
pub fn mark(all: &[Fault], now: Time) -> String {
    let on = all.iter().filter(|fault| fault.is_on(now));
    let words: Vec<String> = on.map(|fault| format!("{}.{}", fault.id, fault.renewal)).collect();
    words.join("-")
}

/// How a fault stands on a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FaultStanding")]
pub enum Standing {
    /// The host has not said anything of it yet.
    #[default]
    Waiting,
    /// Its rules are in the kernel, and meet packets; its processes are struck.
    On,
    /// Nothing of it is left, as was read back.
    Off,
    /// It could not be done, or not be taken back.
    Refused,
}

/// What a host did of a fault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "FaultDone")]
pub struct Broken {
    /// The fault.
    pub id: String,
    /// How it stands.
    pub standing: Standing,
    /// What was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Packets that it met on the way of requests; questions that name servers answered wrongly.
    pub there: u64,
    /// Packets that it met on the way of answers.
    pub back: u64,
    /// Processes that stood still or were ended by it, as was read of each.
    #[serde(default)]
    pub struck: u64,
    /// Elements of rules that the kernel held when it was read last.
    pub elements: u64,
    /// When it came to stand so, in milliseconds since 1970 by the host's clock.
    pub at: Time,
}

/// The faults of an entry each, in the order in which they were asked for.
#[must_use]
pub fn read(entries: &[Entry]) -> Vec<Fault> {
    let read = |entry: &Entry| serde_json::from_slice(&entry.value).ok();
    let mut all: Vec<Fault> = entries.iter().filter_map(read).collect();
    all.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
    all
}

/// The faults that a store keeps.
///
/// # Errors
///
/// The store's.
pub async fn kept(store: &impl Store, layout: &Layout) -> Result<Vec<Fault>, Error> {
    Ok(read(&store.range(Range::of(layout.faults())).await?.entries))
}

/// What no fault may concern beside what it was asked to leave alone.
#[derive(Debug, Clone, Default)]
pub struct Guarded {
    /// Addresses of servers, of the store, of whoever asks: without them nobody could take the fault back.
    pub ways: BTreeSet<IpAddr>,
    /// The hosts that have joined.
    pub hosts: Vec<Registration>,
    /// Those of them whose agents do not say that they live.
    pub away: BTreeSet<String>,
}

/// Why a fault may not be, in words: all reasons at once, and nothing where it may. `on` are those that are on already.
#[must_use]
pub fn refusals(
    asked: &NewFault,
    worked: &Worked,
    on: &[&Fault],
    guarded: &Guarded,
) -> Vec<String> {
    let mut all = Vec::new();
    if on.len() >= MOST {
        all.push(format!("{MOST} faults are on already"));
    }
    let pairs: BTreeSet<&(String, String)> =
        on.iter().flat_map(|fault| &fault.pairs).chain(&worked.pairs).collect();
    let concerned = u64::try_from(pairs.len()).unwrap_or(u64::MAX);
    let half = worked.all_pairs / 2;
    let most = asked.most_pairs.unwrap_or(half);
    if concerned > most {
        let others = if on.is_empty() { "" } else { " with those that are on already" };
        let limit = match asked.most_pairs {
            Some(_) => format!("{most} that were allowed"),
            None => format!("{most} that may be unless `most_pairs` says otherwise"),
        };
        all.push(format!(
            "it concerns {concerned} of {} pairs{others}, more than the {limit}",
            worked.all_pairs
        ));
    }
    all.extend(worked.protected.iter().map(|name| format!("{name} is protected")));
    let away = worked.orders.keys().filter(|host| guarded.away.contains(*host));
    all.extend(away.map(|host| format!("the host {host} is away: nobody there would hear of it")));
    for host in &guarded.hosts {
        if worked.hosts.contains(&host.host)
            && host.labels.get(NEVER.0).is_some_and(|value| value == NEVER.1)
        {
            let (label, value) = NEVER;
            all.push(format!("the host {} is protected: it has {label}={value}", host.host));
        }
        if worked.addresses.contains(&host.underlay.into()) {
            all.push(format!(
                "{} is where the host {} is reached: its agent could not take the fault back",
                host.underlay, host.host
            ));
        }
    }
    let ways = guarded.ways.intersection(&worked.addresses);
    all.extend(ways.map(|address| {
        format!("{address} is on the way between agents, server and store: nobody could take the fault back")
    }));
    all
}

/// Addresses that stand in a text, such as a server's or a store's place.
#[must_use]
pub fn addresses(text: &str) -> BTreeSet<IpAddr> {
    let words = text.split(|letter: char| "/,@[]?= ".contains(letter));
    let one = |word: &str| {
        let bare = word.rsplit_once(':').map_or(word, |(address, _)| address);
        word.parse().or_else(|_| bare.parse()).ok()
    };
    words.filter_map(one).collect()
}

/// How a fault stands altogether.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FaultState")]
pub enum State {
    /// It lasts.
    On,
    /// Somebody ended it.
    Ended,
    /// Nobody renewed it.
    Expired,
}

/// A fault on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "FaultOnHost")]
pub struct OnHost {
    /// The host.
    pub host: String,
    /// Its agent lives.
    pub lives: bool,
    /// What it did.
    #[serde(flatten)]
    pub broken: Broken,
}

/// A fault, with what hosts said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Fault")]
pub struct Seen {
    /// Unlike that of any other.
    pub id: String,
    /// How it stands.
    pub state: State,
    /// What was asked.
    pub asked: NewFault,
    /// Who asked, by the id of his key.
    pub by: String,
    /// When, in milliseconds since 1970.
    pub at: Time,
    /// Until when it lasts, unless it is renewed; until when it would have, where it is over.
    pub until: Time,
    /// Who ended it, where somebody did.
    pub ended: Option<Ended>,
    /// How many pairs of endpoints it concerns.
    pub concerned: usize,
    /// Each host that does something for it.
    pub hosts: Vec<OnHost>,
    /// All of them have it.
    pub applied: bool,
    /// None of them has anything of it any more, as far as they say.
    pub gone: bool,
    /// Packets that it met, or questions, of all hosts.
    pub met: u64,
    /// Processes that stood still or were ended by it, of all hosts.
    #[serde(default)]
    pub struck: u64,
}

impl Seen {
    /// What hosts say of a fault.
    #[must_use]
    pub fn of(fault: &Fault, hosts: &Hosts, now: Time) -> Self {
        let on = |host: &String| {
            let said = hosts.reports.get(host).map(|report| &report.faults);
            let own = said.into_iter().flatten().find(|broken| broken.id == fault.id);
            let broken = own
                .cloned()
                .unwrap_or_else(|| Broken { id: fault.id.clone(), ..Broken::default() });
            let lives = hosts.present.contains(host);
            OnHost { host: host.clone(), lives, broken }
        };
        let all: Vec<OnHost> = fault.orders.keys().map(on).collect();
        let state = match (&fault.ended, fault.is_on(now)) {
            (Some(_), _) => State::Ended,
            (None, true) => State::On,
            (None, false) => State::Expired,
        };
        let met = |one: &OnHost| one.broken.there.saturating_add(one.broken.back);
        // A host that never did anything of one that is over has nothing of it.
        let off = |one: &OnHost| {
            let waits = one.broken.standing == Standing::Waiting && state != State::On;
            waits || one.broken.standing == Standing::Off
        };
        Self {
            id: fault.id.clone(),
            state,
            asked: fault.asked.clone(),
            by: fault.by.clone(),
            at: fault.at,
            until: fault.until,
            ended: fault.ended.clone(),
            concerned: fault.pairs.len(),
            applied: all.iter().all(|one| one.broken.standing == Standing::On),
            gone: all.iter().all(off),
            met: all.iter().map(met).sum(),
            struck: all.iter().map(|one| one.broken.struck).sum(),
            hosts: all,
        }
    }
}

#[cfg(test)]
mod tests;
