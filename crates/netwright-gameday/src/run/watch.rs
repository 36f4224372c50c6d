//! What is watched in a run, and what is known of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;

use netwright_dataplane::plan::{HostPlan, What};
use netwright_dns::settings::Settings;
use netwright_lab::failure::Failure;
use netwright_lab::monitor::{Hello, Monitor, NamePair, NameRow, Pair, Round, Talk, Watch};

use super::{Record, lock, now};
use crate::detect::{Change, State, Track};
use crate::journal::{Event, Link};
use crate::plan::{Does, Plan};

/// Connections that are watched all together; of more, those that faults concern.
const ALL: usize = 300;
/// Names that are watched for each client.
const NAMES: usize = 4;
/// Milliseconds between rounds, and until what did not come is missed.
pub const INTERVAL: u64 = 500;
const TIMEOUT: u64 = 400;

/// A change of a connection, with when it was told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declared {
    pub(crate) link: usize,
    pub(crate) change: Change,
    pub(crate) visible: u64,
}

#[derive(Debug, Default)]
struct Known {
    links: Vec<Track>,
    names: Vec<Track>,
    expected: Vec<Option<NameRow>>,
    declared: Vec<Declared>,
    broken_names: BTreeSet<usize>,
    rounds: u64,
}

/// What is watched.
#[derive(Debug)]
pub struct Watched {
    /// Connections, as the journal has them.
    pub links: Vec<Link>,
    /// Their ends, by the place of each endpoint.
    pub ends: Vec<(usize, usize)>,
    watch: Watch,
    names: Vec<(String, String)>,
    known: Mutex<Known>,
}

impl Watched {
    /// What a plan gives to watch: every endpoint to every port that another answers on, by TCP.
    #[must_use]
    pub fn of(plan: &Plan, host: &HostPlan) -> Self {
        let parties = &plan.parties.0;
        let mut all = Vec::new();
        for (to, far) in parties.iter().enumerate() {
            for (from, own) in parties.iter().enumerate().filter(|(from, _)| *from != to) {
                let (Some(source), Some(target)) = (own.source, plan.parties.target(from, to))
                else {
                    continue;
                };
                if source.is_ipv4() != target.is_ipv4() {
                    continue;
                }
                for port in &far.listens {
                    let pair = Pair {
                        from: own.namespaces.first().cloned().unwrap_or_default(),
                        to: far.namespaces.first().cloned().unwrap_or_default(),
                        source,
                        target: SocketAddr::new(target, *port),
                        hello: Hello::of_port(*port),
                    };
                    all.push(((from, to), *port, pair));
                }
            }
        }
        if all.len() > ALL {
            all.retain(|(ends, ..)| plan.faults.iter().any(|fault| fault.touches(*ends)));
            all.truncate(netwright_lab::monitor::MOST);
        }
        let names = names(plan, host);
        let link = |((from, to), port, _): &((usize, usize), u16, Pair)| Link {
            from: plan.parties.name(*from).to_owned(),
            to: plan.parties.name(*to).to_owned(),
            port: *port,
        };
        let known = Known {
            links: vec![Track::default(); all.len()],
            names: vec![Track::default(); names.len()],
            expected: vec![None; names.len()],
            ..Known::default()
        };
        Self {
            links: all.iter().map(link).collect(),
            ends: all.iter().map(|(ends, ..)| *ends).collect(),
            names: names.iter().map(|name| (name.from.clone(), name.name.clone())).collect(),
            watch: Watch {
                pairs: all.into_iter().map(|(.., pair)| pair).collect(),
                names,
                interval: INTERVAL,
                timeout: TIMEOUT,
            },
            known: Mutex::new(known),
        }
    }

    pub(super) fn event(&self) -> Event {
        Event::Watched { links: self.links.clone(), names: self.names.clone(), interval: INTERVAL }
    }

    pub(super) fn begin(&self, lab: &str) -> Result<(Monitor, UnixStream), Failure> {
        let monitor = Monitor::begin(lab, &self.watch)?;
        let handle = monitor.handle()?;
        Ok((monitor, handle))
    }

    /// Follows a monitor until it ends.
    pub(super) fn follow(&self, mut monitor: Monitor, record: &Record) {
        while let Ok(Some(round)) = monitor.round() {
            self.round(&round, record);
        }
    }

    fn round(&self, round: &Round, record: &Record) {
        let mut events = Vec::new();
        let mut known = lock(&self.known);
        let known = &mut *known;
        known.rounds += 1;
        for (link, (track, row)) in known.links.iter_mut().zip(&round.rows).enumerate() {
            if let Some(change) = track.round(row, round.over) {
                known.declared.push(Declared { link, change, visible: now() });
                let Change { from, to, first, declared } = change;
                events.push(Event::State { link, from, to, first, declared });
            }
        }
        for (name, (track, row)) in known.names.iter_mut().zip(&round.names).enumerate() {
            let expected = known.expected[name].get_or_insert_with(|| row.clone());
            if expected.code.is_none() {
                *expected = row.clone();
            }
            if let Some(change) = track.name(row, expected, round.over) {
                if change.to == State::DnsBroken {
                    known.broken_names.insert(name);
                }
                let Change { from, to, first, declared } = change;
                events.push(Event::Name { name, from, to, first, declared });
            }
        }
        let took = |talk: Talk| if let Talk::Answered(took) = talk { Some(took) } else { None };
        let event = Event::Round {
            began: round.began,
            took: round.rows.iter().map(|row| took(row.talk)).collect(),
            states: known.links.iter().map(Track::state).collect(),
        };
        for event in events {
            record.put(event);
        }
        record.put(event);
    }

    /// What is usual has been seen: what never worked is closed.
    pub(super) fn settle(&self) {
        let mut known = lock(&self.known);
        let known = &mut *known;
        known.links.iter_mut().chain(&mut known.names).for_each(Track::settle);
    }

    /// Of something watched it is not clear yet whether it works.
    pub(super) fn is_undecided(&self) -> bool {
        let known = lock(&self.known);
        known.links.iter().chain(&known.names).any(Track::is_undecided)
    }

    /// Whether nothing is watched.
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty() && self.names.is_empty()
    }

    /// Rounds that were seen.
    pub(super) fn rounds(&self) -> u64 {
        lock(&self.known).rounds
    }

    /// What is declared of each connection.
    #[must_use]
    pub fn states(&self) -> Vec<State> {
        lock(&self.known).links.iter().map(Track::state).collect()
    }

    /// What was declared, in its order.
    pub(super) fn declared(&self) -> Vec<Declared> {
        lock(&self.known).declared.clone()
    }

    /// Connections and names of which something bad is declared now, in words.
    pub(super) fn bad(&self) -> Vec<String> {
        let known = lock(&self.known);
        // Flapping is a flag of what was: what is now decides.
        let links = known.links.iter().zip(&self.links).filter(|(track, _)| track.now().is_bad());
        let links = links.map(|(track, link)| {
            format!("{} → {}:{} is {}", link.from, link.to, link.port, track.now())
        });
        let names = known.names.iter().zip(&self.names).filter(|(track, _)| track.now().is_bad());
        let names = names
            .map(|(track, (from, name))| format!("{name}, asked by {from}, is {}", track.now()));
        links.chain(names).collect()
    }

    /// Connections of which one of these states was declared.
    pub(super) fn were(&self, states: &[State]) -> usize {
        let known = lock(&self.known);
        let found = known.declared.iter().filter(|one| states.contains(&one.change.to));
        found.map(|one| one.link).collect::<BTreeSet<_>>().len()
    }

    /// Names of which it was declared that they are told wrongly, or not.
    pub(super) fn broken_names(&self) -> usize {
        lock(&self.known).broken_names.len()
    }

    /// The state of the connections between two endpoints that matters most: the worst.
    #[must_use]
    pub fn between(&self, from: &str, to: &str) -> Option<State> {
        let known = lock(&self.known);
        let own = self.links.iter().zip(&known.links);
        own.filter(|(link, _)| link.from == from && link.to == to)
            .map(|(_, track)| track.now())
            .max()
    }
}

/// The names that clients of faults ask for.
fn names(plan: &Plan, host: &HostPlan) -> Vec<NamePair> {
    let mut all = Vec::new();
    let resolvers: BTreeMap<&str, _> =
        host.namespaces.iter().map(|space| (space.name.as_str(), &space.resolvers)).collect();
    for fault in &plan.faults {
        let Does::Names(troubles) = &fault.does else { continue };
        let own = troubles.values().flatten().flat_map(|trouble| trouble.names.iter().cloned());
        let mut wanted: Vec<String> = own.collect();
        if wanted.is_empty() {
            wanted = served(host);
        }
        wanted.sort();
        wanted.dedup();
        for place in &fault.concerned {
            let Some(from) = plan.parties.0.get(*place).and_then(|party| party.namespaces.first())
            else {
                continue;
            };
            let Some(server) = resolvers.get(from.as_str()).and_then(|all| all.first()) else {
                continue;
            };
            for name in wanted.iter().take(NAMES) {
                let pair = NamePair { from: from.clone(), server: *server, name: name.clone() };
                if !all.contains(&pair) {
                    all.push(pair);
                }
            }
        }
    }
    all.truncate(netwright_lab::monitor::MOST);
    all
}

/// Names that some server of the lab has an address for.
pub(super) fn served(host: &HostPlan) -> Vec<String> {
    let settings = host.tasks.iter().filter_map(|task| match &task.what {
        What::Part { part, settings, .. } if part == "dns" => {
            serde_json::from_str::<Settings>(settings).ok()
        }
        _ => None,
    });
    let of = |own: Settings| {
        let records = own.zones.into_iter().flat_map(|zone| zone.records);
        let records = records.filter(|record| record.kind == "A").map(|record| record.owner);
        records.chain(own.hosts.into_iter().map(|host| host.name)).collect::<Vec<_>>()
    };
    settings.flat_map(of).collect()
}
