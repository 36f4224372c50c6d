//! What a watch measures beside its probes: connectors of a lab by their counters, pools of a server, and the changes that a server accepted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use netwright_control::change::record::Listed;
use netwright_dataplane::kernel::{Counted, Counter, pause};
use netwright_dataplane::plan::machine;
use netwright_lab::control;
use netwright_model::network::Network;
use netwright_watch::alert::ChangeEvent;
use netwright_watch::station::Shared;

use crate::arguments::{Remote, Watch};
use crate::client::Client;
use crate::commands::change::decode;
use crate::failure::Failure;

/// How often it is measured.
const EVERY: Duration = Duration::from_secs(5);

/// How often is looked whether the watch has ended.
const LOOK: Duration = Duration::from_millis(100);

/// The link of a connector into its VPC.
const LINK: &str = "eth0";

/// A connector of a lab.
#[derive(Clone)]
pub(super) struct Metered {
    name: String,
    namespace: String,
    /// What it carries at most, in bits a second.
    carries: f64,
    instances: f64,
}

/// The connectors whose throughput a lab counts.
pub(super) fn connectors(network: &Network) -> Vec<Metered> {
    let metered = network.connectors.iter().filter_map(|row| {
        let (name, written) = network.description.connectors.0.get(row.index)?;
        let (_, most) = written.carries()?;
        #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52 bits a second")]
        let carries = most.as_bits() as f64;
        Some(Metered {
            name: name.value.clone(),
            namespace: machine(network, row.interface?),
            carries,
            instances: f64::from(written.instances().1),
        })
    });
    metered.collect()
}

/// What is measured, until it ends.
pub(super) struct Meter {
    ended: Arc<AtomicBool>,
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Measures from now on, in a thread of its own: neither a lab nor a server that hangs delays a probe.
pub(super) fn measure(
    arguments: &Watch,
    shared: &Arc<Shared>,
    connectors: &Arc<Mutex<Vec<Metered>>>,
) -> Result<Meter, Failure> {
    let ended = Arc::new(AtomicBool::new(false));
    let server = arguments.follow.as_ref().or(arguments.server.as_ref());
    let server = server.map(|server| followed(server, arguments)).transpose()?;
    let (lab, shared, connectors) =
        (arguments.lab.clone(), Arc::clone(shared), Arc::clone(connectors));
    let over = Arc::clone(&ended);
    std::thread::spawn(move || {
        let mut counted: BTreeMap<String, (Instant, u64)> = BTreeMap::new();
        let mut seen = 0;
        while !over.load(Ordering::Relaxed) {
            let own = connectors.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if !own.is_empty() {
                count(&lab, &own, &mut counted, &shared);
            }
            if let Some(server) = &server {
                // A server that is away is measured again when it is back; until then nobody knows.
                let _away = follow(server, &mut seen, &shared);
            }
            let begun = Instant::now();
            while begun.elapsed() < EVERY && !over.load(Ordering::Relaxed) {
                pause(LOOK);
            }
        }
    });
    Ok(Meter { ended })
}

/// The throughput of connectors since the last look, as a share of what they carry.
fn count(
    lab: &str,
    connectors: &[Metered],
    before: &mut BTreeMap<String, (Instant, u64)>,
    shared: &Shared,
) {
    let Ok(counters) = control::counters(lab) else { return before.clear() };
    let now = Instant::now();
    for connector in connectors {
        let octets = |wanted: fn(&Counted) -> Option<&String>| {
            let own = |counter: &&Counter| {
                counter.namespace == connector.namespace
                    && wanted(&counter.counted).is_some_and(|link| link == LINK)
            };
            counters.iter().find(own).and_then(|counter| counter.octets)
        };
        let sent =
            octets(|counted| if let Counted::Sent(link) = counted { Some(link) } else { None });
        let received =
            octets(|counted| if let Counted::Received(link) = counted { Some(link) } else { None });
        // Both ways pass the same machines.
        let Some(total) = sent.zip(received).map(|(sent, received)| sent.saturating_add(received))
        else {
            continue;
        };
        let last = before.insert(connector.name.clone(), (now, total));
        // A counter that went back began anew.
        let Some((at, octets)) = last.filter(|(_, octets)| *octets <= total) else { continue };
        let seconds = now.duration_since(at).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "octets of seconds are far below 2^52")]
        let bits = (total - octets) as f64 * 8.0;
        let share = bits / seconds / connector.carries;
        shared.change(|station, now| {
            station.measure(&connector.name, "capacity_utilisation", share, now);
            station.measure(&connector.name, "instances", connector.instances, now);
        });
    }
}

/// A server, with the key and the authorities that a watch was given for it.
pub(super) fn followed(server: &str, arguments: &Watch) -> Result<Client, Failure> {
    Client::new(&Remote {
        server: server.to_owned(),
        key_file: arguments.key_file.clone(),
        ca_file: std::env::var_os("NETWRIGHT_CA_FILE").map(std::path::PathBuf::from),
        timeout: 10,
    })
}

/// The changes that a server accepted since the last look, and how full its pools are.
fn follow(server: &Client, seen: &mut u64, shared: &Shared) -> Result<(), Failure> {
    let mut page = server.get(&format!("/api/v1/changes?limit=100&from={}", *seen + 1))?.body;
    let changes: Vec<Listed> = decode(page["changes"].take())?;
    for change in changes {
        *seen = (*seen).max(change.revision);
        let why = change.why.map(|why| format!(" ({why})")).unwrap_or_default();
        let event = ChangeEvent {
            at: Duration::from_millis(change.at),
            what: format!("network revision {}{why} was applied", change.revision),
            who: Some(change.who).filter(|who| !who.is_empty()),
        };
        shared.change(|station, now| station.learn(event, now));
    }
    let pools = server.get("/api/v1/pools?limit=1000")?.body;
    let pools = pools["pools"].as_array().map_or(&[][..], Vec::as_slice);
    for pool in pools {
        let used = pool["pool"].as_str().zip(pool["used_percent"].as_f64());
        let measure = match pool["kind"].as_str() {
            Some("ports") => "nat_port_utilisation",
            _ => "address_utilisation",
        };
        if let Some((name, percent)) = used {
            // A NAT gateway's pool of blocks of ports is `nat:NAME`.
            let name = name.strip_prefix("nat:").unwrap_or(name);
            shared.change(|station, now| station.measure(name, measure, percent / 100.0, now));
        }
    }
    Ok(())
}
