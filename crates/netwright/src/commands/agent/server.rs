//! A server, as an agent asks it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use netwright_agent::follow::NEWS;
use netwright_agent::part::FORMAT;
use netwright_agent::source::{Away, Described, Mark, Source, Wanted, What};
use netwright_control::agents::{Registration, Report, placement};
use netwright_control::api::agents::{Signed, Told};
use netwright_control::api::errands::Errands;
use netwright_control::api::parts::ToldPart;
use netwright_control::errands::{Errand, Ran};
use netwright_control::faults::On;
use serde_json::json;
use ureq::http::Method;

use crate::arguments::Remote;
use crate::client::Client;
use crate::console::Code;
use crate::failure::Failure;

/// How long a server may take to answer, in seconds: less than an agent counts as living without a word.
const PATIENCE: u64 = 4;

/// A server.
pub(super) struct FromServer {
    client: Client,
    /// For what is waited for.
    patient: Client,
    lease: Mutex<Option<String>>,
    /// The server gives no parts that are written as this program reads them.
    whole: AtomicBool,
}

impl FromServer {
    pub(super) fn new(remote: &Remote, clear: bool) -> Result<Self, Failure> {
        let client = |timeout: u64| {
            let remote = Remote { timeout, ..remote.clone() };
            if clear { Client::in_the_clear(&remote) } else { Client::new(&remote) }
        };
        let patient = client(PATIENCE + NEWS.as_secs())?;
        Ok(Self {
            client: client(PATIENCE)?,
            patient,
            lease: Mutex::new(None),
            whole: AtomicBool::new(false),
        })
    }
}

fn away(failure: Failure) -> Away {
    match failure {
        Failure::Asked { message, code: Code::Unknown, .. } => Away::Unreachable(message),
        Failure::Asked { message, .. } => Away::Refused(message),
        _ => Away::Unreachable("the server cannot be asked".to_owned()),
    }
}

fn read<T: serde::de::DeserializeOwned>(body: serde_json::Value) -> Result<T, Away> {
    serde_json::from_value(body)
        .map_err(|error| Away::Refused(format!("the server's answer cannot be read: {error}")))
}

/// What is known already of the network and its hosts, as a question goes on with it.
fn query(known: &Mark) -> String {
    let Mark { revision, placement, probe, faults: _, part: _ } = known;
    let probe = probe.as_ref().map_or_else(String::new, |probe| format!("&probe={probe}"));
    format!("&revision={revision}&placement={placement}{probe}")
}

impl FromServer {
    /// The whole network, for a host that plans its part itself.
    fn whole(
        &self,
        host: &str,
        known: Option<&Mark>,
        patience: Duration,
    ) -> Result<Option<Wanted>, Away> {
        let mut path = format!("/api/v1/agents/wanted?wait={}", patience.as_secs());
        path.extend(known.map(query));
        let answer = self.patient.get(&path).map_err(away)?;
        if answer.body.is_null() {
            return Ok(None);
        }
        let Told { revision, accepted, hosts, network, probe } = read(answer.body)?;
        let joined = hosts.iter().any(|one| one.host == host);
        let placement = placement(&hosts);
        let what = What::Network(Described::Text(network));
        Ok(Some(Wanted {
            revision,
            accepted,
            placement,
            joined,
            hosts,
            what,
            probe,
            faults: On::default(),
        }))
    }
}

impl Source for FromServer {
    fn register(&self, host: &Registration) -> Result<(), Away> {
        let path = format!("/api/v1/hosts/{}", host.host);
        let body = json!({ "underlay": host.underlay, "labels": host.labels });
        self.client.ask(&Method::PUT, &path, &[], Some(&body)).map(drop).map_err(away)
    }

    fn wanted(
        &self,
        host: &str,
        known: Option<&Mark>,
        patience: Duration,
    ) -> Result<Option<Wanted>, Away> {
        if self.whole.load(Ordering::Relaxed) {
            return self.whole(host, known, patience);
        }
        let mut path =
            format!("/api/v1/agents/{host}/part?format={FORMAT}&wait={}", patience.as_secs());
        path.extend(known.map(query));
        let part = known.and_then(|known| known.part.as_ref());
        path.extend(part.map(|part| format!("&part={part}")));
        let faults = known.map(|known| &known.faults).filter(|faults| !faults.is_empty());
        path.extend(faults.map(|faults| format!("&faults={faults}")));
        let answer = match self.patient.get(&path) {
            // A server of another version: it tells the whole network.
            Err(Failure::Asked { code: Code::BadInput, .. }) => {
                let told = self.whole(host, known, patience)?;
                self.whole.store(true, Ordering::Relaxed);
                return Ok(told);
            }
            answer => answer.map_err(away)?,
        };
        if answer.body.is_null() {
            return Ok(None);
        }
        let told: ToldPart = read(answer.body)?;
        let ToldPart { revision, accepted, placement, joined, hosts, probe, faults, hash, part } =
            told;
        let what = match part {
            None => What::Same,
            Some(part) => What::Part { hash, plan: Arc::new(read(part)?) },
        };
        Ok(Some(Wanted { revision, accepted, placement, joined, hosts, what, probe, faults }))
    }

    fn sign(&self, host: &str, report: Option<&Report>) -> Result<(), Away> {
        let lease = self.lease.lock().map_or(None, |lease| lease.clone());
        let body = json!({ "lease": lease, "report": report });
        let path = format!("/api/v1/agents/{host}");
        let answer = self.client.ask(&Method::PUT, &path, &[], Some(&body)).map_err(away)?;
        let signed: Signed = read(answer.body)?;
        if signed.lease.is_none() {
            return Err(Away::Unknown(format!("{host} has not joined, or was removed")));
        }
        if let Ok(mut kept) = self.lease.lock() {
            *kept = signed.lease;
        }
        Ok(())
    }

    fn errands(&self, host: &str, ran: Vec<Ran>, patience: Duration) -> Result<Vec<Errand>, Away> {
        let body = json!({ "ran": ran, "wait": patience.as_secs() });
        let path = format!("/api/v1/agents/{host}/errands");
        let answer = self.patient.ask(&Method::POST, &path, &[], Some(&body)).map_err(away)?;
        let told: Errands = read(answer.body)?;
        Ok(told.errands)
    }

    fn remove(&self, host: &str) -> Result<(), Away> {
        let path = format!("/api/v1/hosts/{host}");
        self.client.ask(&Method::DELETE, &path, &[], None).map(drop).map_err(away)
    }
}
