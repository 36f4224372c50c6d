//! Questions that hosts ask with packets of their own: whether what was proved of a network is so where it runs.
//!
//! The server that leads makes questions out of intents, or of pairs of machines, each with what the prover says. The agent of the host that has the machine
//! that asks sends a packet from there: whatever comes back says that it arrived and that its answer found the way, be it that nobody listens. What
//! the agent saw stands in its report. The two are compared where somebody reads them, and what nobody saw is unknown.
//!
//! Only TCP and ICMP echo are asked: of UDP nothing comes back where nobody listens. What is not asked is listed with the reason.

mod make;

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agents::{Hosts, Time};

pub use make::{Asked, MOST, Made, Which, questions};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Question {
    /// Its number among those that are asked with it.
    pub number: u32,
    /// The intent that it is of; none where it is of a pair of machines.
    pub intent: Option<String>,
    /// Who asks.
    pub from: String,
    /// Who answers.
    pub to: String,
    /// What asks, as its kind and name: `instance/web`.
    pub place: String,
    /// From which address.
    pub source: IpAddr,
    /// To which address.
    pub target: IpAddr,
    /// The port of TCP; none for an ICMP echo.
    pub port: Option<u16>,
    /// Whether it is answered, as was proved.
    pub predicted: bool,
}

impl Question {
    /// What is asked, in words: `tcp/443`, `icmp echo`.
    #[must_use]
    pub fn what(&self) -> String {
        what(self.port)
    }
}

fn what(port: Option<u16>) -> String {
    port.map_or_else(|| "icmp echo".to_owned(), |port| format!("tcp/{port}"))
}

/// Flows that are not asked, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotAsked {
    /// The intent that they are of; none where they are of pairs of machines.
    pub intent: Option<String>,
    /// Why.
    pub why: String,
    /// How many they are.
    pub flows: usize,
    /// The first of them, in words.
    pub first: String,
}

/// What hosts are to ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ask {
    /// Unlike that of any other.
    pub id: String,
    /// The revision of the network that it is about.
    pub revision: u64,
    /// When it was asked, in milliseconds since 1970.
    pub at: Time,
    /// The questions.
    pub questions: Vec<Question>,
    /// How many flows are not asked.
    pub not_asked: usize,
    /// Why they are not, by intent and reason; at most 100 of them.
    #[serde(default)]
    pub why_not: Vec<NotAsked>,
}

/// What a host saw of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    /// The question's number.
    pub number: u32,
    /// Whether something came back; none where it could not be asked.
    pub answered: Option<bool>,
    /// Why it could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What a host saw of what it was to ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Probed {
    /// Of which questions.
    pub id: String,
    /// The revision of the network that the host had then.
    pub revision: u64,
    /// What it saw, of those that are its own.
    pub seen: Vec<Seen>,
}

/// A question with what was seen of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// The question.
    #[serde(flatten)]
    pub question: Question,
    /// Whether it was answered; none where nobody can say.
    pub observed: Option<bool>,
    /// The host that asked; none where none did.
    pub host: Option<String>,
    /// Why nobody can say.
    pub why: Option<String>,
}

impl Row {
    /// Whether what was seen is what was proved; none where nothing was seen.
    #[must_use]
    pub fn agrees(&self) -> Option<bool> {
        Some(self.observed? == self.question.predicted)
    }
}

/// What came of questions, as far as hosts have said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Probe {
    /// Which questions.
    pub id: String,
    /// The revision of the network that they are about.
    pub revision: u64,
    /// When they were asked, in milliseconds since 1970.
    pub at: Time,
    /// Nothing more will come: every host that lives has answered.
    pub complete: bool,
    /// Hosts that live.
    pub hosts: Vec<String>,
    /// Those of them that have not answered yet.
    pub waiting: Vec<String>,
    /// Questions that were seen to be as was proved.
    pub confirmed: usize,
    /// Questions that were seen to be otherwise.
    pub refuted: usize,
    /// Questions of which nobody can say.
    pub unknown: usize,
    /// How many flows were not asked.
    pub not_asked: usize,
    /// Why they were not, by intent and reason; the first of them.
    pub why_not: Vec<NotAsked>,
    /// Each question.
    pub rows: Vec<Row>,
}

impl Probe {
    /// What hosts say of questions.
    #[must_use]
    pub fn of(ask: &Ask, hosts: &Hosts) -> Self {
        let lives = |host: &&String| hosts.joined.contains_key(*host);
        let present: Vec<String> = hosts.present.iter().filter(lives).cloned().collect();
        let own = |host: &String| {
            let probed = hosts.reports.get(host)?.probed.as_ref()?;
            (probed.id == ask.id).then_some(probed)
        };
        let answers: Vec<(&String, &Probed)> =
            hosts.joined.keys().filter_map(|host| Some((host, own(host)?))).collect();
        let waiting: Vec<String> =
            present.iter().filter(|host| own(host).is_none()).cloned().collect();
        let row = |question: &Question| {
            let found = answers.iter().find_map(|(host, probed)| {
                let seen = probed.seen.iter().find(|seen| seen.number == question.number)?;
                Some((*host, probed.revision, seen))
            });
            let (observed, why) = match found {
                None => (None, Some(format!("no host has answered that has {}", question.place))),
                Some((host, revision, _)) if revision != ask.revision => {
                    (None, Some(format!("{host} had revision {revision}")))
                }
                Some((_, _, seen)) => (seen.answered, seen.why.clone()),
            };
            let host = found.map(|(host, ..)| host.clone());
            Row { question: question.clone(), observed, host, why }
        };
        let rows: Vec<Row> = ask.questions.iter().map(row).collect();
        let count = |agrees: Option<bool>| rows.iter().filter(|row| row.agrees() == agrees).count();
        Self {
            id: ask.id.clone(),
            revision: ask.revision,
            at: ask.at,
            complete: waiting.is_empty(),
            hosts: present,
            waiting,
            confirmed: count(Some(true)),
            refuted: count(Some(false)),
            unknown: count(None),
            not_asked: ask.not_asked,
            why_not: ask.why_not.clone(),
            rows,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]
mod tests;
