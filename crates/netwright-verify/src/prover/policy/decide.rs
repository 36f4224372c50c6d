//! Which rule decides one packet.

use netwright_model::language::Action;
use netwright_model::network::{FilterId, InterfaceId, Network, Rule};

use crate::prover::path::{Check, Seen};
use crate::space::protocol;

use super::{Match, Policies, protected};

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decider {
    /// A rule, by its filter and its position there.
    Rule(FilterId, usize),
    /// The default of a filter.
    Default(FilterId),
    /// The end of the line: no tier decided.
    Nothing,
}

/// How filters decide one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It passes, and what let it.
    Allow(Decider),
    /// It is dropped, and what dropped it.
    Deny(Decider),
    /// That depends on what the description does not say; the rule or filter with the uncertainty.
    Unknown(Decider),
}

/// Protocol and ports of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer4 {
    /// Protocol number.
    pub protocol: u8,
    /// Source port, or ICMP type.
    pub src_port: u16,
    /// Destination port, or ICMP code.
    pub dst_port: u16,
}

impl Policies {
    /// How a check decides one packet.
    pub(crate) fn decide(&self, network: &Network, check: &Check, packet: Layer4) -> Decision {
        let Some(policy) = self.policy(check.level) else {
            return Decision::Allow(Decider::Nothing);
        };
        let mut line = Line {
            network,
            policies: self,
            packet,
            protected: protected(check.level),
            seen: &check.seen,
        };
        line.decide(&self.policies[policy.0 as usize], check)
    }
}

struct Line<'a> {
    network: &'a Network,
    policies: &'a Policies,
    packet: Layer4,
    protected: Option<InterfaceId>,
    seen: &'a Seen,
}

impl Line<'_> {
    /// The same as [`Policies::permit`] for one packet: what the line could come to, and what decided.
    fn decide(&mut self, policy: &super::Policy, check: &Check) -> Decision {
        let mut outcome = Outcome::default();
        let mut reached = true;
        for tier in &policy.tiers {
            if !reached {
                break;
            }
            reached = self.decide_tier(tier, check, &mut outcome);
        }
        if reached {
            outcome.add(Action::Deny, Decider::Nothing);
        }
        outcome.settle()
    }

    /// Asks one tier, and says whether the next one may be asked.
    fn decide_tier(&self, tier: &super::Tier, check: &Check, outcome: &mut Outcome) -> bool {
        let mut onwards = false;
        for (filter, index) in tier.rules(check.direction) {
            let rule = &self.network[*filter].rules[*index];
            if !layer4_matches(rule, self.packet) {
                continue;
            }
            let decider = Decider::Rule(*filter, *index);
            match self.policies.special.rule_matches(rule, self.protected, self.seen) {
                Match::No => {}
                Match::Maybe => {
                    outcome.doubt.get_or_insert(decider);
                    outcome.add(rule.action, decider);
                    onwards |= rule.action == Action::Next;
                }
                Match::Yes => {
                    outcome.add(rule.action, decider);
                    return onwards || rule.action == Action::Next;
                }
            }
        }
        let incomplete = tier.filters.iter().find(|f| self.network[**f].incomplete.is_some());
        if let Some(filter) = incomplete {
            // A rule that is not in the description may decide.
            let decider = Decider::Default(*filter);
            outcome.doubt.get_or_insert(decider);
            outcome.add(Action::Allow, decider);
            outcome.add(Action::Deny, decider);
        }
        let action = tier.default_action(self.network, check.direction);
        let agrees = |f: &&FilterId| self.network[**f].default_action(check.direction) == action;
        let filter = tier.filters.iter().find(agrees).or_else(|| tier.filters.first());
        outcome.add(action, filter.map_or(Decider::Nothing, |filter| Decider::Default(*filter)));
        onwards || action == Action::Next
    }
}

/// What a line could come to, with the first thing that decides so.
#[derive(Default)]
struct Outcome {
    /// The first uncertain thing met.
    doubt: Option<Decider>,
    allow: Option<Decider>,
    deny: Option<Decider>,
}

impl Outcome {
    fn add(&mut self, action: Action, decider: Decider) {
        match action {
            Action::Allow => self.allow.get_or_insert(decider),
            Action::Deny => self.deny.get_or_insert(decider),
            Action::Next => return,
        };
    }

    fn settle(self) -> Decision {
        match (self.allow, self.deny) {
            (Some(allow), None) => Decision::Allow(allow),
            (None, deny) => Decision::Deny(deny.unwrap_or(Decider::Nothing)),
            (Some(allow), Some(_)) => Decision::Unknown(self.doubt.unwrap_or(allow)),
        }
    }
}

/// Whether a rule's protocol, ports and ICMP fields match.
fn layer4_matches(rule: &Rule, packet: Layer4) -> bool {
    if !rule.protocol.matches(packet.protocol) {
        return false;
    }
    let ports = |ranges: &[netwright_model::scalar::PortRange], port: u16| {
        ranges.is_empty() || ranges.iter().any(|range| range.contains(port))
    };
    let names_ports = !rule.source_ports.is_empty() || !rule.ports.is_empty();
    let ports_match = protocol::has_ports(packet.protocol)
        && ports(&rule.source_ports, packet.src_port)
        && ports(&rule.ports, packet.dst_port);
    let names_type = rule.icmp.kind.is_some() || rule.icmp.code.is_some();
    let byte = |wanted: Option<u8>, value: u16| wanted.is_none_or(|b| u16::from(b) == value);
    let type_matches = protocol::has_types(packet.protocol)
        && byte(rule.icmp.kind, packet.src_port)
        && byte(rule.icmp.code, packet.dst_port);
    // A rule that names both matches nothing.
    (!names_ports || ports_match) && (!names_type || type_matches)
}
