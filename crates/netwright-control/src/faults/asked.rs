//! What is asked of a fault: what it does, and to whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LEASE, PAIRS, USUAL};

/// What a fault does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FaultEffect")]
pub enum Effect {
    /// They are lost in silence.
    #[default]
    Drop,
    /// They are refused: a router says that it is forbidden.
    Reject,
    /// TCP connections are reset; other packets are lost.
    Reset,
    /// Connections are made, and nothing that is said over them arrives.
    Hold,
    /// Connections that are there are reset; new ones work.
    Kill,
    /// A share of them is lost.
    Loss,
    /// Those beyond a rate are lost.
    Rate,
    /// Processes that agents run on endpoints stand still.
    Pause,
    /// Processes that agents run on endpoints are ended at once, and started again when the fault is over.
    Stop,
    /// Packets on the links of endpoints take longer, arrive twice, overtake, or are damaged.
    Slow,
    /// Name servers do wrong about what endpoints ask them.
    Dns,
}

impl Effect {
    /// Whether it is done to endpoints by themselves; else to what passes between two.
    #[must_use]
    pub fn is_of_endpoints(self) -> bool {
        matches!(self, Self::Pause | Self::Stop | Self::Slow | Self::Dns)
    }
}

/// What a link does to packets beside what it does to all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "FaultSlow")]
pub struct Slow {
    /// How much longer a packet takes each way, in microseconds.
    #[schemars(range(max = 60_000_000))]
    pub latency_us: u64,
    /// Up to how much less or more, in microseconds.
    #[schemars(range(max = 60_000_000))]
    pub jitter_us: u64,
    /// Share of packets that arrive twice, in 1/100,000.
    #[schemars(range(max = 100_000))]
    pub duplicate: u32,
    /// Share of packets that take no latency and so overtake others, in 1/100,000.
    #[schemars(range(max = 100_000))]
    pub reorder: u32,
    /// Share of packets in which one bit is turned over, in 1/100,000.
    #[schemars(range(max = 100_000))]
    pub corrupt: u32,
}

/// Longest latency, in microseconds.
const LATENCY: u64 = 60_000_000;
/// Everything, in 1/100,000.
const ALL: u32 = 100_000;

impl Slow {
    fn wrong(&self) -> Option<String> {
        let shares = [self.duplicate, self.reorder, self.corrupt];
        if self.latency_us > LATENCY || self.jitter_us > LATENCY {
            return Some(format!("latency and jitter are at most {LATENCY} µs"));
        }
        let over = shares.iter().any(|share| *share > ALL);
        over.then(|| format!("shares of packets are at most {ALL}"))
    }
}

/// What a name server does wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "FaultAnswer")]
pub enum Said {
    /// It does not answer.
    #[default]
    NoAnswer,
    /// It says that it failed.
    Error,
    /// It says that there is no such name.
    NoName,
    /// It says these addresses.
    Wrong,
    /// It answers later.
    Slow,
}

/// What name servers do wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "FaultNames")]
pub struct Names {
    /// The names, and all below them; all names unless given.
    #[schemars(length(max = 1000))]
    pub names: Vec<String>,
    /// What they do; `no-answer` unless given.
    pub answer: Said,
    /// For `wrong`: what they say instead.
    #[schemars(length(max = 16))]
    pub addresses: Vec<std::net::IpAddr>,
    /// For `slow`: how much later, in milliseconds; 5,000 unless given.
    #[schemars(range(min = 1, max = 60_000))]
    pub delay_ms: Option<u64>,
}

/// Longest name, in octets (RFC 1035, section 2.3.4).
const NAME: usize = 253;
/// Addresses of a wrong answer.
const ADDRESSES: usize = 16;
/// Longest delay of an answer, in milliseconds.
const DELAY: u64 = 60_000;

impl Names {
    fn wrong(&self) -> Option<String> {
        let is_name = |name: &String| (1..=NAME).contains(&name.len());
        if self.names.len() > PAIRS || !self.names.iter().all(is_name) {
            return Some(format!("at most {PAIRS} names, each of 1 to {NAME} octets"));
        }
        let count = self.addresses.len();
        if (self.answer == Said::Wrong) != (count > 0) || count > ADDRESSES {
            return Some(format!("`addresses` are 1 to {ADDRESSES}, for the answer `wrong`"));
        }
        if self
            .delay_ms
            .is_some_and(|delay| self.answer != Said::Slow || delay == 0 || delay > DELAY)
        {
            return Some(format!("`delay_ms` is 1 to {DELAY}, for the answer `slow`"));
        }
        None
    }
}

/// Which way a fault lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FaultDirection")]
pub enum Way {
    /// Both.
    #[default]
    Both,
    /// From `from` to `to` of each pair.
    There,
    /// From `to` to `from`.
    Back,
}

/// Two endpoints of the description, by name.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FaultPair")]
pub struct Pair {
    /// Who asks.
    #[schemars(length(min = 1, max = 256))]
    pub from: String,
    /// Who answers.
    #[schemars(length(min = 1, max = 256))]
    pub to: String,
}

/// What is asked of a fault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewFault {
    /// What it is for, in words.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// The pairs of endpoints whose packets it meets.
    #[schemars(length(max = 1000))]
    pub pairs: Vec<Pair>,
    /// For `pause`, `stop`, `slow` and `dns`, in the place of pairs: the endpoints that it is done to, by name; for `dns` those that ask. It concerns all their
    /// pairs.
    #[schemars(length(max = 1000))]
    pub endpoints: Vec<String>,
    /// For `pause` and `stop`: only processes whose command holds this.
    #[schemars(length(min = 1, max = 256))]
    pub process: Option<String>,
    /// What it does; `drop` unless given.
    pub effect: Effect,
    /// Which way it lies; `both` unless given.
    pub direction: Way,
    /// Only what begins a connection is concerned.
    pub initiation: bool,
    /// Only connections to these services of `to`, as `tcp/5432`; all unless given.
    #[schemars(length(max = 100))]
    pub services: Vec<String>,
    /// For `dns`: what name servers do wrong.
    pub names: Option<Names>,
    /// For `slow`: what their links do.
    pub slow: Option<Slow>,
    /// For `slow`: what is drawn follows from this number.
    pub seed: Option<u64>,
    /// For `loss`, and for `slow` where some are lost too: the share of packets, in 1/100,000.
    #[schemars(range(min = 1, max = 100_000))]
    pub share: Option<u32>,
    /// For `rate`, and for `slow` where there is a bound too: octets a second that pass, each way.
    #[schemars(range(min = 1))]
    pub rate: Option<u64>,
    /// How long it lasts after it was renewed last, in milliseconds: 1,000 to 60,000; 3,000 unless given.
    #[schemars(range(min = 1000, max = 60_000))]
    pub lease_ms: Option<u64>,
    /// How many pairs all faults together may concern while it is on; half of all that there are unless given.
    pub most_pairs: Option<u64>,
    /// Endpoints that it may not concern: names, or `group:`, `tag:`, `subnet:`, `vpc:`, `zone:`, `region:` and a name.
    #[schemars(length(max = 1000))]
    pub protect: Vec<String>,
    /// Services that it does not meet.
    #[schemars(length(max = 100))]
    pub protect_services: Vec<String>,
}

impl NewFault {
    /// How long it lasts after it was renewed last, in milliseconds.
    #[must_use]
    pub fn lease(&self) -> u64 {
        self.lease_ms.unwrap_or(USUAL)
    }

    /// Why it cannot be understood, where that is so.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        let title = self.title.trim();
        if title.is_empty() || title.chars().count() > 200 {
            return Some("a fault has a title of 1 to 200 characters".to_owned());
        }
        if let Some(why) = self.wrong_place() {
            return Some(why);
        }
        if !LEASE.contains(&self.lease()) {
            return Some(format!(
                "a lease is {} to {} ms, not {}",
                LEASE.start(),
                LEASE.end(),
                self.lease()
            ));
        }
        match (self.effect, self.share, self.rate) {
            (Effect::Loss, None | Some(0), _) => Some("loss needs `share`".to_owned()),
            (Effect::Rate, _, None | Some(0)) => Some("rate needs `rate`".to_owned()),
            (_, Some(100_001..), _) => Some("`share` is at most 100,000".to_owned()),
            _ => None,
        }
    }

    /// Why it cannot be done where it is said to be.
    fn wrong_place(&self) -> Option<String> {
        let of_endpoints = self.effect.is_of_endpoints();
        let (named, word, other) = if of_endpoints {
            (self.endpoints.len(), "endpoints", !self.pairs.is_empty())
        } else {
            (self.pairs.len(), "pairs", !self.endpoints.is_empty())
        };
        if named == 0 || named > PAIRS {
            return Some(format!("a fault of this effect names 1 to {PAIRS} {word}, not {named}"));
        }
        if other {
            return Some(format!("a fault of this effect names {word}, and nothing else"));
        }
        match &self.slow {
            Some(_) if self.effect != Effect::Slow => {
                return Some("`slow` is for `slow`".to_owned());
            }
            Some(slow) => {
                if let Some(why) = slow.wrong() {
                    return Some(why);
                }
            }
            None => {}
        }
        match &self.names {
            Some(_) if self.effect != Effect::Dns => {
                return Some("`names` is for `dns`".to_owned());
            }
            Some(names) => {
                if let Some(why) = names.wrong() {
                    return Some(why);
                }
            }
            None => {}
        }
        let nothing = self.slow.unwrap_or_default() == Slow::default();
        if self.effect == Effect::Slow && nothing && self.share.is_none() && self.rate.is_none() {
            return Some("slow needs `slow`, `share` or `rate`".to_owned());
        }
        let of_processes = matches!(self.effect, Effect::Pause | Effect::Stop);
        match &self.process {
            Some(_) if !of_processes => Some("`process` is for `pause` and `stop`".to_owned()),
            Some(text) if text.trim().is_empty() || text.chars().count() > 256 => {
                Some("`process` is a text of 1 to 256 characters".to_owned())
            }
            _ => None,
        }
    }
}
