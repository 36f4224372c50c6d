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
        let Some(policy) = self.policy(network, check.level) else {
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
    fn decide(&mut self, policy: &super::Policy, check: &Check) -> Decision {
        // The first uncertain thing met, and the actions that it and what follows could come to.
        let mut doubt: Option<Decider> = None;
        let mut possible: Vec<Action> = Vec::new();
        for tier in &policy.tiers {
            let mut decided: Option<(Action, Decider)> = None;
            for (filter, index) in tier.rules(check.direction) {
                let rule = &self.network[*filter].rules[*index];
                if !layer4_matches(rule, self.packet) {
                    continue;
                }
                match self.policies.special.rule_matches(rule, self.protected, self.seen) {
                    Match::No => {}
                    Match::Maybe => {
                        doubt.get_or_insert(Decider::Rule(*filter, *index));
                        possible.push(rule.action);
                    }
                    Match::Yes => {
                        decided = Some((rule.action, Decider::Rule(*filter, *index)));
                        break;
                    }
                }
            }
            let (action, decider) = decided.unwrap_or_else(|| {
                let action = tier.default_action(self.network, check.direction);
                let by =
                    |f: &&FilterId| self.network[**f].default_action(check.direction) == action;
                let filter = tier.filters.iter().find(by).or_else(|| tier.filters.first());
                if let Some(filter) =
                    tier.filters.iter().find(|f| self.network[**f].incomplete.is_some())
                {
                    doubt.get_or_insert(Decider::Default(*filter));
                    possible.extend([Action::Allow, Action::Deny]);
                }
                (action, filter.map_or(Decider::Nothing, |filter| Decider::Default(*filter)))
            });
            // An uncertain rule that sends on to the next tier changes nothing where the next tier is asked anyway.
            if action == Action::Next {
                possible.retain(|action| *action != Action::Next);
                continue;
            }
            return settle(action, decider, doubt, &possible);
        }
        settle(Action::Deny, Decider::Nothing, doubt, &possible)
    }
}

/// The decision when the certain part says `action` and uncertain parts could say others.
fn settle(
    action: Action,
    decider: Decider,
    doubt: Option<Decider>,
    possible: &[Action],
) -> Decision {
    match doubt {
        Some(doubt) if possible.iter().any(|other| *other != action) => Decision::Unknown(doubt),
        _ if action == Action::Allow => Decision::Allow(decider),
        _ => Decision::Deny(decider),
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
    if !rule.source_ports.is_empty() || !rule.ports.is_empty() {
        return protocol::has_ports(packet.protocol)
            && ports(&rule.source_ports, packet.src_port)
            && ports(&rule.ports, packet.dst_port);
    }
    if rule.icmp.kind.is_some() || rule.icmp.code.is_some() {
        let byte = |wanted: Option<u8>, value: u16| wanted.is_none_or(|b| u16::from(b) == value);
        return protocol::has_types(packet.protocol)
            && byte(rule.icmp.kind, packet.src_port)
            && byte(rule.icmp.code, packet.dst_port);
    }
    true
}
