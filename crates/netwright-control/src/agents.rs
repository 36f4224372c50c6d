//! What hosts say of themselves: that they joined, that they live, and how far they are with each revision of the network.
//!
//! A host is registered when its agent first comes, and stays so until the agent is removed: what is on it stays on it while it is away. Its
//! presence is leased and goes when the agent does not say that it lives. Its report is its own: no agent reads another's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use netwright_store::{Compare, Entry, Error, LeaseId, Op, Range, Revision, Store, Txn};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::faults::Broken;
use crate::keys::Layout;
use crate::probes::{Ask, Probed};

/// How long an agent counts as living after it last said so.
pub const PRESENCE: Duration = Duration::from_secs(10);
/// How often it says so.
pub const SIGN: Duration = Duration::from_secs(3);
/// Steps that a report keeps.
pub const STEPS: usize = 32;
/// Objects that a report names of what is wrong.
pub const NAMED: usize = 20;
/// Longest name of a host.
const NAME: usize = 63;
/// Octets of a record of a host: more is refused.
pub const RECORD: usize = 64 * 1024;

/// A host that has joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Its name.
    pub host: String,
    /// The address at which other hosts reach it.
    pub underlay: Ipv4Addr,
    /// What its operator says of it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl Registration {
    /// Why it cannot be one, where that is so.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let letter = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'.';
        let name = &self.host;
        if name.is_empty() || name.len() > NAME || !name.bytes().all(letter) {
            return Some(format!(
                "`{name}` is not a name of a host: 1 to {NAME} letters, digits, `-` and `.`"
            ));
        }
        let underlay = self.underlay;
        (underlay.is_unspecified() || underlay.is_multicast() || underlay.is_broadcast())
            .then(|| format!("other hosts cannot reach {name} at {underlay}"))
    }
}

/// How an agent stands to the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It has begun and has not planned anything yet.
    #[default]
    Starting,
    /// It follows the network.
    Following,
    /// It lost the store and kept the data plane as it was; it follows again.
    Returned,
    /// It has no plan: what it was given cannot be read.
    Stuck,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Following => "following",
            Self::Returned => "returned",
            Self::Stuck => "stuck",
        })
    }
}

/// A time in milliseconds since 1970, by the clock of who writes it.
pub type Time = u64;

/// What a host did for one revision of the network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The revision.
    pub revision: u64,
    /// When it was accepted, by the server's clock; none where that is not known.
    pub accepted: Option<Time>,
    /// When the agent saw it, by the host's clock, as the times below.
    pub seen: Time,
    /// When it was planned.
    pub compiled: Option<Time>,
    /// When the kernel had been brought to it.
    pub applied: Option<Time>,
    /// When it was read back and found to be so.
    pub read_back: Option<Time>,
    /// How many things of this host it changes; where an earlier process of the agent did it, how many there are.
    pub changes: usize,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trouble {
    /// The object: a namespace, a link, a ruleset.
    pub object: String,
    /// What was said.
    pub said: String,
}

/// What was found otherwise than it was left, and was repaired.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// How many deviations were found since the agent began.
    pub found: u64,
    /// When the last ones were.
    pub at: Option<Time>,
    /// The last ones, in words; the first of them where they are many.
    pub last: Vec<String>,
}

/// A time in which an agent had no store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outage {
    /// From when, by the host's clock.
    pub from: Time,
    /// Until when.
    pub until: Time,
}

/// What a host's agent reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The host.
    pub host: String,
    /// How the agent stands to the store.
    pub mode: Mode,
    /// The machine's boot, as its kernel names it.
    pub boot: String,
    /// The agent's version.
    pub agent: String,
    /// When this was written, by the host's clock.
    pub at: Time,
    /// When the agent began.
    pub begun: Time,
    /// The newest revision that it saw; 0 for none.
    pub seen: u64,
    /// The revision that the kernel was brought to; 0 for none.
    pub applied: u64,
    /// The revision that was read back and found to be so; 0 for none.
    pub read_back: u64,
    /// Which hosts it planned with: what [`placement`] gives.
    pub placement: String,
    /// The last revisions, the newest last.
    pub steps: Vec<Step>,
    /// What is wrong now.
    pub errors: Vec<Trouble>,
    /// How many are wrong beside these.
    pub more_errors: usize,
    /// What was repaired.
    pub drift: Drift,
    /// The last time without a store.
    pub outage: Option<Outage>,
    /// Whether this process took over what an earlier one left.
    pub adopted: bool,
    /// Namespaces of the network that are on this host.
    pub namespaces: usize,
    /// What the network says and this host does not build, in words.
    pub left_out: Vec<String>,
    /// What it saw when it was to ask with packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probed: Option<Probed>,
    /// The processes that run on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<Processes>,
    /// Which other hosts answer it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<Others>,
    /// What it did of faults; the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Broken>,
}

/// The processes of a network on a host: commands, name servers, balancers, stand-ins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Processes {
    /// How many run.
    pub run: usize,
    /// Those that do not, and how they ended.
    pub fail: Vec<Trouble>,
    /// How many more of those there are.
    pub more: usize,
}

/// Which other hosts answer a host's packets, at their underlay addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Others {
    /// When that was so, by the host's clock.
    pub at: Time,
    /// Those that answer.
    pub answer: BTreeSet<String>,
    /// Those that do not.
    pub silent: BTreeSet<String>,
}

/// A short word for a set of hosts: two agents that plan with the same hosts at the same addresses have the same.
#[must_use]
pub fn placement<'a>(hosts: impl IntoIterator<Item = &'a Registration>) -> String {
    let mut all: Vec<String> =
        hosts.into_iter().map(|one| format!("{}={}", one.host, one.underlay)).collect();
    all.sort();
    // FNV-1a of 64 bits: it tells sets apart, and hides nothing.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for octet in all.join(",").bytes() {
        hash = (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{}-{hash:016x}", all.len())
}

/// What all hosts say, at one revision of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Those that have joined.
    pub joined: BTreeMap<String, Registration>,
    /// Those that live.
    pub present: BTreeSet<String>,
    /// What they report.
    pub reports: BTreeMap<String, Report>,
}

/// Why what a host says is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is not what a host may say.
    Wrong(String),
    /// The host has not joined, or was removed.
    Unknown(String),
    /// The store's.
    Store(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(why) | Self::Unknown(why) => f.write_str(why),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Refusal> {
    let octets = serde_json::to_vec(value).map_err(|error| Refusal::Wrong(error.to_string()))?;
    if octets.len() > RECORD {
        return Err(Refusal::Wrong(format!(
            "a record of {} octets; at most {RECORD} are kept",
            octets.len()
        )));
    }
    Ok(octets)
}

/// Registers a host, or gives it another address. What is on hosts follows from which there are.
///
/// # Errors
///
/// It cannot be one, another has its address, or the store's.
pub async fn register(
    store: &impl Store,
    layout: &Layout,
    host: &Registration,
) -> Result<Revision, Refusal> {
    if let Some(fault) = host.fault() {
        return Err(Refusal::Wrong(fault));
    }
    let found = store.range(Range::of(layout.hosts())).await?;
    let all: Vec<Registration> = found.entries.iter().filter_map(read).collect();
    if all.contains(host) {
        return Ok(found.revision);
    }
    let clash = all.iter().find(|one| one.host != host.host && one.underlay == host.underlay);
    if let Some(other) = clash {
        return Err(Refusal::Wrong(format!(
            "{} is the address of the host {} already",
            host.underlay, other.host
        )));
    }
    let put = Txn::of(vec![Op::put(layout.host(&host.host), json(host)?)]);
    Ok(store.txn(put).await?.revision)
}

/// Says that a host lives, for as long as [`PRESENCE`]; with a report, what it did. `lease` is what an earlier call gave.
///
/// # Errors
///
/// The report is none of a host that has joined, or the store's.
pub async fn sign(
    store: &impl Store,
    layout: &Layout,
    (host, lease): (&str, Option<LeaseId>),
    report: Option<&Report>,
) -> Result<LeaseId, Refusal> {
    if report.is_some_and(|report| report.host != host) {
        return Err(Refusal::Wrong(format!("{host} reports of another host")));
    }
    let mut lives = None;
    if let Some(lease) = lease {
        match store.keep_alive(lease).await {
            Ok(_) => lives = Some(lease),
            Err(Error::NoLease(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut then = Vec::new();
    let lease = match lives {
        Some(lease) => lease,
        None => {
            let lease = store.grant(PRESENCE).await?;
            let key = layout.presence(host);
            then.push(Op::Put { key, value: "{}".into(), lease: Some(lease) });
            lease
        }
    };
    if let Some(report) = report {
        then.push(Op::put(layout.agent(host), json(report)?));
    }
    if !then.is_empty() {
        let joined = vec![Compare::present(layout.host(host))];
        let answer = store.txn(Txn { compare: joined, then, otherwise: Vec::new() }).await?;
        if !answer.succeeded {
            return Err(Refusal::Unknown(format!("{host} has not joined, or was removed")));
        }
    }
    Ok(lease)
}

/// Removes a host: what was on it goes to others.
///
/// # Errors
///
/// The store's.
pub async fn remove(store: &impl Store, layout: &Layout, host: &str) -> Result<Revision, Refusal> {
    let keys = [layout.host(host), layout.presence(host), layout.agent(host)];
    let then = keys.map(|key| Op::Delete(netwright_store::Keys::One(key))).to_vec();
    Ok(store.txn(Txn::of(then)).await?.revision)
}

fn read<T: DeserializeOwned>(entry: &Entry) -> Option<T> {
    // What somebody else wrote there is not what a host says.
    serde_json::from_slice(&entry.value).ok()
}

/// The host's name at the end of a key.
fn last(entry: &Entry) -> String {
    let key = String::from_utf8_lossy(&entry.key);
    key.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The hosts that have joined, in the order of their names, and at which revision of the store that is so.
///
/// # Errors
///
/// The store's.
pub async fn joined(
    store: &impl Store,
    layout: &Layout,
) -> Result<(Vec<Registration>, Revision), Error> {
    let found = store.range(Range::of(layout.hosts())).await?;
    Ok((found.entries.iter().filter_map(read).collect(), found.revision))
}

/// What hosts are to ask; none where nothing was ever asked.
///
/// # Errors
///
/// The store's.
pub async fn probe(store: &impl Store, layout: &Layout) -> Result<Option<Ask>, Error> {
    let key = netwright_store::Keys::One(layout.probe());
    let found = store.range(Range::of(key)).await?;
    Ok(found.entries.first().and_then(read))
}

/// What all hosts say.
///
/// # Errors
///
/// The store's.
pub async fn hosts(store: &impl Store, layout: &Layout) -> Result<Hosts, Error> {
    let all = [layout.hosts(), layout.all_presence(), layout.agents()];
    let then = all.map(|keys| Op::Get(Range::of(keys))).to_vec();
    let answer = store.txn(Txn::of(then)).await?;
    let entries: Vec<Entry> = answer
        .answers
        .into_iter()
        .flat_map(|answer| match answer {
            netwright_store::OpAnswer::Got(found) => found.entries,
            _ => Vec::new(),
        })
        .collect();
    Ok(Hosts::of(layout, &entries))
}

impl Hosts {
    /// What entries of the store say of hosts.
    #[must_use]
    pub fn of(layout: &Layout, entries: &[Entry]) -> Self {
        let (joined, present, reports) = (layout.hosts(), layout.all_presence(), layout.agents());
        let mut hosts = Self::default();
        for entry in entries {
            if joined.contains(&entry.key) {
                hosts.joined.extend(read(entry).map(|one: Registration| (last(entry), one)));
            } else if present.contains(&entry.key) {
                hosts.present.insert(last(entry));
            } else if reports.contains(&entry.key) {
                hosts.reports.extend(read(entry).map(|one: Report| (last(entry), one)));
            }
        }
        hosts
    }
}

/// Waits until the network, the set of hosts, what they are to ask or a fault is another than at a revision of the store, or time is up. False where time is up.
///
/// # Errors
///
/// The store's.
pub async fn changed(
    store: &impl Store,
    layout: &Layout,
    since: Revision,
    patience: Duration,
) -> Result<bool, Error> {
    let head = netwright_store::Keys::One(layout.head());
    let mut head = store.watch(head, since.next()).await?;
    let mut hosts = store.watch(layout.hosts(), since.next()).await?;
    let probe = netwright_store::Keys::One(layout.probe());
    let mut probe = store.watch(probe, since.next()).await?;
    let mut faults = store.watch(layout.faults(), since.next()).await?;
    tokio::select! {
        batch = faults.next() => batch.map(|_| true),
        batch = probe.next() => batch.map(|_| true),
        batch = head.next() => batch.map(|_| true),
        batch = hosts.next() => batch.map(|_| true),
        () = tokio::time::sleep(patience) => Ok(false),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]
mod tests {
    use super::{Refusal, Registration, Report, hosts, placement, register, remove, sign};
    use crate::keys::Layout;
    use std::sync::Arc;

    use netwright_store::Monotonic;
    use netwright_store::memory::Memory;

    fn host(name: &str, last: u8) -> Registration {
        let underlay = [198, 18, 0, last].into();
        Registration { host: name.to_owned(), underlay, labels: Default::default() }
    }

    #[tokio::test]
    async fn a_host_joins_lives_reports_and_is_removed() {
        let (store, layout) = (Memory::new(Arc::new(Monotonic::default())), Layout::default());
        register(&store, &layout, &host("h1", 1)).await.unwrap();
        let report = Report { host: "h1".to_owned(), seen: 7, ..Report::default() };
        let lease = sign(&store, &layout, ("h1", None), Some(&report)).await.unwrap();
        assert_eq!(sign(&store, &layout, ("h1", Some(lease)), None).await.unwrap(), lease);
        let all = hosts(&store, &layout).await.unwrap();
        assert_eq!(all.joined["h1"], host("h1", 1));
        assert!(all.present.contains("h1"));
        assert_eq!(all.reports["h1"].seen, 7);
        remove(&store, &layout, "h1").await.unwrap();
        assert_eq!(hosts(&store, &layout).await.unwrap(), Default::default());
    }

    #[tokio::test]
    async fn two_hosts_have_not_one_address_and_one_that_is_not_there_reports_nothing() {
        let (store, layout) = (Memory::new(Arc::new(Monotonic::default())), Layout::default());
        register(&store, &layout, &host("h1", 1)).await.unwrap();
        register(&store, &layout, &host("h1", 3)).await.unwrap();
        register(&store, &layout, &host("h2", 1)).await.unwrap();
        let clash = register(&store, &layout, &host("h3", 1)).await;
        assert!(matches!(clash, Err(Refusal::Wrong(_))), "{clash:?}");
        let strange = register(&store, &layout, &host("../h", 9)).await;
        assert!(matches!(strange, Err(Refusal::Wrong(_))), "{strange:?}");
        assert!(sign(&store, &layout, ("h9", None), None).await.is_err());
    }

    #[test]
    fn hosts_in_another_order_are_the_same_and_at_another_address_are_not() {
        let (one, two) = (host("h1", 1), host("h2", 2));
        assert_eq!(placement([&one, &two]), placement([&two, &one]));
        assert_ne!(placement([&one, &two]), placement([&one, &host("h2", 3)]));
    }
}
