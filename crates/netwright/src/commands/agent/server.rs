//! A server, as an agent asks it.

use std::sync::Mutex;
use std::time::Duration;

use netwright_agent::follow::NEWS;
use netwright_agent::source::{Away, Described, Mark, Source, Wanted};
use netwright_control::agents::{Registration, Report};
use netwright_control::api::agents::{Signed, Told};
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
}

impl FromServer {
    pub(super) fn new(remote: &Remote, clear: bool) -> Result<Self, Failure> {
        let client = |timeout: u64| {
            let remote = Remote { timeout, ..remote.clone() };
            if clear { Client::in_the_clear(&remote) } else { Client::new(&remote) }
        };
        let patient = client(PATIENCE + NEWS.as_secs())?;
        Ok(Self { client: client(PATIENCE)?, patient, lease: Mutex::new(None) })
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

impl Source for FromServer {
    fn register(&self, host: &Registration) -> Result<(), Away> {
        let path = format!("/api/v1/hosts/{}", host.host);
        let body = json!({ "underlay": host.underlay, "labels": host.labels });
        self.client.ask(&Method::PUT, &path, &[], Some(&body)).map(drop).map_err(away)
    }

    fn wanted(&self, known: Option<&Mark>, patience: Duration) -> Result<Option<Wanted>, Away> {
        let mut path = format!("/api/v1/agents/wanted?wait={}", patience.as_secs());
        if let Some(Mark { revision, placement }) = known {
            path.push_str(&format!("&revision={revision}&placement={placement}"));
        }
        let answer = self.patient.get(&path).map_err(away)?;
        if answer.body.is_null() {
            return Ok(None);
        }
        let told: Told = read(answer.body)?;
        let Told { revision, accepted, hosts, network } = told;
        Ok(Some(Wanted { revision, accepted, hosts, network: Described::Text(network) }))
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

    fn remove(&self, host: &str) -> Result<(), Away> {
        let path = format!("/api/v1/hosts/{host}");
        self.client.ask(&Method::DELETE, &path, &[], None).map(drop).map_err(away)
    }
}
