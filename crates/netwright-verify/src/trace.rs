//! One flow, hop by hop, forward and back, with the rule that decides at each filter.

mod hop;
mod reason;

use std::net::IpAddr;

use netwright_model::network::Network;

use crate::flow::{Candidate, Connection, ECHO_V4, ECHO_V6, Flows, self_passes};
use crate::prover::Prover;
use crate::prover::path::{End, Origin, Path, Step};
use crate::prover::policy::{Decider, Decision, Layer4};
use crate::space::{Packet, Set, protocol};

pub use hop::{Hop, HopKind, RuleUse, hops};
pub use reason::{Reason, obstacle_reason};

/// What can be said of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// It arrives and its answer comes back.
    Reachable,
    /// It does not arrive.
    Blocked,
    /// It arrives, and its answer does not come back.
    NoReturn,
    /// The name leads nowhere.
    Unresolved,
    /// The description lacks a fact.
    Unknown,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Reachable => "reachable",
            Self::Blocked => "blocked",
            Self::NoReturn => "no_return",
            Self::Unresolved => "unresolved",
            Self::Unknown => "unknown",
        }
    }
}

/// A flow to trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Where it starts.
    pub origin: Origin,
    /// Source address. Ignored for serverless services, whose address follows from the path.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Protocol with ports (for ICMP: type and code). None asks for everything that passes.
    pub packet: Option<Layer4>,
    /// Whom it is meant for: where another has the address, it is lost. None where the address itself is asked for.
    pub meant: Option<Origin>,
}

/// How a step of a path went for a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// Nothing was asked, or it passed.
    Yes(Option<Decider>),
    /// The answer of a connection that was let through here.
    Established,
    /// It was dropped here.
    No(Decider),
    /// The translator carries only TCP, UDP and ICMP.
    WrongProtocol,
    /// It depends on something uncertain here.
    Unknown(Decider),
}

/// One direction of a trace.
#[derive(Debug, Clone)]
pub struct Direction {
    /// The path.
    pub path: Path,
    /// How each step went, by its position in the path. For a question about everything: `Yes(None)` throughout.
    pub passed: Vec<Passed>,
}

impl Direction {
    /// The first step at which it was surely dropped.
    #[must_use]
    pub fn dropped_at(&self) -> Option<usize> {
        self.passed
            .iter()
            .position(|passed| matches!(passed, Passed::No(_) | Passed::WrongProtocol))
    }

    /// The first step that depends on something uncertain.
    #[must_use]
    pub fn unsure_at(&self) -> Option<usize> {
        self.passed.iter().position(|passed| matches!(passed, Passed::Unknown(_)))
    }

    /// Whether it arrives: surely, surely not, or unknown.
    #[must_use]
    pub fn arrives(&self) -> Option<bool> {
        if self.dropped_at().is_some() {
            return Some(false);
        }
        match self.path.end {
            End::Blocked(_) => Some(false),
            End::Unknown(_) => None,
            End::Delivered(_) => self.unsure_at().is_none().then_some(true),
        }
    }
}

/// The answer to a [`Flow`].
#[derive(Debug, Clone)]
pub struct Trace {
    /// What was asked.
    pub flow: Flow,
    /// What can be said.
    pub verdict: Verdict,
    /// The request.
    pub forward: Direction,
    /// The answer; none where the request does not arrive or needs none.
    pub back: Option<Direction>,
    /// What passes between the two addresses, whatever was asked. Only filled for a question about everything.
    pub flows: Option<Flows>,
}

impl Trace {
    /// Every reason why it does not work: of the request, or else of the answer. Empty where it works.
    #[must_use]
    pub fn blockers(&self, network: &Network) -> Vec<Hop> {
        let forward = hop::blockers(network, &self.forward);
        match &self.back {
            Some(back) if forward.is_empty() => hop::blockers(network, back),
            _ => forward,
        }
    }

    /// Source address that the destination sees on the path that was followed; `None` where it cannot be predicted.
    #[must_use]
    pub fn source_seen(&self) -> Option<IpAddr> {
        Some(self.forward.path.src).filter(|address| !address.is_unspecified())
    }

    /// Every source address that the destination may see: a NAT gateway takes any of its own. The first is that of the path that was
    /// followed; none where it cannot be predicted.
    #[must_use]
    pub fn sources_seen(&self, network: &Network) -> Vec<IpAddr> {
        let Some(seen) = self.source_seen() else { return Vec::new() };
        let nat = network.nats.iter().find(|nat| nat.addresses.contains(&seen));
        let others = nat.into_iter().flat_map(|nat| nat.addresses.iter().copied());
        let others = others.filter(|a| *a != seen && a.is_ipv4() == seen.is_ipv4());
        std::iter::once(seen).chain(others).collect()
    }
}

/// The source addresses that a destination may see, in words.
#[must_use]
pub fn sources_words(seen: &[IpAddr]) -> String {
    let all: Vec<String> = seen.iter().map(ToString::to_string).collect();
    if all.is_empty() { "an address that cannot be predicted".to_owned() } else { all.join(" or ") }
}

impl Prover<'_> {
    /// Traces a flow.
    pub fn trace(&mut self, flow: Flow) -> Trace {
        let connection = self.connection_of(&flow);
        self.trace_along(flow, connection)
    }

    /// Traces a flow along the paths of its request and its answer.
    pub(crate) fn trace_along(&mut self, flow: Flow, connection: Connection) -> Trace {
        match flow.packet {
            Some(packet) => self.trace_packet(flow, packet, connection),
            None => self.trace_everything(flow, connection),
        }
    }

    fn trace_everything(&mut self, flow: Flow, connection: Connection) -> Trace {
        let flows = self.evaluate(&connection);
        let lost = flows.no_return(&mut self.space);
        let verdict = if !flows.reachable().is_empty() {
            Verdict::Reachable
        } else if flows.arrives.may.is_empty() {
            Verdict::Blocked
        } else if !flows.unknown(&mut self.space).is_empty() {
            Verdict::Unknown
        } else if lost == Set::EMPTY {
            Verdict::Blocked
        } else {
            Verdict::NoReturn
        };
        let quiet =
            |path: Path| Direction { passed: vec![Passed::Yes(None); path.steps.len()], path };
        Trace {
            flow,
            verdict,
            forward: quiet(connection.forward),
            back: connection.back.map(quiet),
            flows: Some(flows),
        }
    }

    fn trace_packet(&self, flow: Flow, packet: Layer4, connection: Connection) -> Trace {
        let forward = self.decide_along(connection.forward, packet, None);
        let arrives = forward.arrives();
        let answer = answer_of(packet);
        let back = match (arrives, connection.back, answer) {
            (Some(false), _, _) | (_, None, _) | (_, _, None) => None,
            (_, Some(path), Some(answer)) => {
                Some(self.decide_along(path, answer, Some(&forward.path)))
            }
        };
        let answered = match (&back, answer) {
            (Some(back), _) => back.arrives(),
            (None, None) => Some(true),
            (None, Some(_)) => None,
        };
        let verdict = match (arrives, answered) {
            (Some(false), _) => Verdict::Blocked,
            (None, _) | (Some(true), None) => Verdict::Unknown,
            (Some(true), Some(true)) => Verdict::Reachable,
            (Some(true), Some(false)) => Verdict::NoReturn,
        };
        Trace { flow, verdict, forward, back, flows: None }
    }

    fn decide_along(&self, path: Path, packet: Layer4, request: Option<&Path>) -> Direction {
        let passed = path
            .steps
            .iter()
            .map(|step| match step {
                Step::Check(check) => {
                    let policy = self.policies.policy(check.level);
                    let stateful = policy.is_some_and(|policy| self.policies.is_stateful(policy));
                    let candidate = Candidate { check, stateful };
                    if request.is_some_and(|request| self_passes(request, &candidate)) {
                        return Passed::Established;
                    }
                    match self.decide(check, request.is_some(), packet) {
                        Decision::Allow(decider) => Passed::Yes(Some(decider)),
                        Decision::Deny(decider) => Passed::No(decider),
                        Decision::Unknown(decider) => Passed::Unknown(decider),
                    }
                }
                Step::NatProtocolsOnly(_) if !carried_by_nat(packet.protocol) => {
                    Passed::WrongProtocol
                }
                Step::NatProtocolsOnly(_)
                | Step::At(_)
                | Step::Route { .. }
                | Step::Translate(_) => Passed::Yes(None),
            })
            .collect();
        Direction { path, passed }
    }
}

fn carried_by_nat(number: u8) -> bool {
    matches!(number, protocol::TCP | protocol::UDP | protocol::ICMP)
}

/// The packet that answers another; none where no answer is expected (ICMP other than echo requests).
fn answer_of(packet: Layer4) -> Option<Layer4> {
    if protocol::has_types(packet.protocol) {
        let (request, reply) = match packet.protocol {
            protocol::ICMP => (u16::from(ECHO_V4), 0),
            _ => (u16::from(ECHO_V6), u16::from(ECHO_V6) + 1),
        };
        return (packet.src_port == request).then_some(Layer4 { src_port: reply, ..packet });
    }
    Some(Layer4 { protocol: packet.protocol, src_port: packet.dst_port, dst_port: packet.src_port })
}

impl From<&Packet> for Layer4 {
    fn from(packet: &Packet) -> Self {
        Self { protocol: packet.protocol, src_port: packet.src_port, dst_port: packet.dst_port }
    }
}
