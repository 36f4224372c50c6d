//! What the filters of one place decide about one packet.
//!
//! Sources of the rules: AWS VPC user guide ("Security group rules": a union of what is allowed, stateful; "Network ACL rules": by number,
//! the first match decides, stateless), Google Cloud VPC documentation ("Firewall rules": priority 0 to 65535, lower first, deny beats
//! allow at the same priority; "Firewall policies": `goto_next` leaves the decision to the next one in line), Azure documentation
//! ("Network security groups": by priority; subnet and interface must both allow).

use std::net::IpAddr;

use netwright_model::language::{Action, Direction};
use netwright_model::network::{
    AddressSet, FilterId, FilterMember, InterfaceId, Network, Rule, VpcId,
};
use netwright_model::scalar::{PortRange, Prefix};

use super::Assume;
use super::outside::{is_internet, may_hold_internet};
use crate::space::{Packet, protocol};

/// What a rule looks at: the packet, and where it came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) network: &'a Network,
    pub(super) packet: Packet,
    /// Source and destination by which groups know it; the packet's own but behind a balancer.
    pub(super) known_by: (IpAddr, IpAddr),
    /// The VPC whose interface sent the packet, while the packet has come straight from there.
    pub(super) sender: Option<Sender>,
    /// Where the packet goes straight to from here: this VPC, or the one behind a peering. None where anything else comes between.
    pub(super) straight_to: Option<Reach>,
    /// The VPC in which the question is asked.
    pub(super) vpc: VpcId,
    pub(super) direction: Direction,
    /// The interface that is protected.
    pub(super) protected: Option<InterfaceId>,
    pub(super) assume: Assume,
}

/// Whose address the source is, as long as no translation, hub, link or forwarding instance has come between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sender {
    /// The VPC of the interface that has sent the packet.
    pub(super) vpc: VpcId,
    /// It has crossed an inter-region peering.
    pub(super) inter_region: bool,
}

/// A VPC that a packet gets to without anything between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) vpc: VpcId,
    /// Over an active peering of one region.
    pub(super) over_peering: bool,
}

/// A decision: allow or deny, and the rule that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) action: Action,
    pub(super) by: Option<(FilterId, usize)>,
}

/// Whether a rule matches; `Maybe` where the description does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    No,
    Maybe,
    Yes,
}

impl From<bool> for Match {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl Question<'_> {
    /// The decision of one level's filters (an interface's, a subnet's or a VPC's): tier after tier, until one does not pass the
    /// question on; after the last, deny.
    pub(super) fn decide(&self, filters: &[FilterId]) -> Decision {
        let mut tiers: Vec<u32> = filters.iter().map(|&id| self.network[id].tier).collect();
        tiers.sort_unstable();
        tiers.dedup();
        self.ask_tiers(filters, &tiers)
    }

    fn ask_tiers(&self, filters: &[FilterId], tiers: &[u32]) -> Decision {
        let Some((&tier, later)) = tiers.split_first() else {
            return Decision { action: Action::Deny, by: None };
        };
        let members: Vec<FilterId> =
            filters.iter().copied().filter(|&id| self.network[id].tier == tier).collect();
        let rules = self.rules_in_order(&members);
        for (id, position, rule) in rules {
            let decision = match rule.action {
                Action::Next => self.ask_tiers(filters, later),
                action => Decision { action, by: Some((id, position)) },
            };
            match self.matches(rule) {
                Match::Yes => return decision,
                // It matches if that is what the assumption wants.
                Match::Maybe if decision.action == self.wanted() => return decision,
                Match::Maybe | Match::No => {}
            }
        }
        if members.iter().any(|&id| self.network[id].incomplete.is_some()) {
            // A rule that is not given may decide.
            return Decision { action: self.wanted(), by: None };
        }
        match self.default_of(&members) {
            Action::Next => self.ask_tiers(filters, later),
            action => Decision { action, by: None },
        }
    }

    /// Rules of a tier in the order in which they are asked. Ordered filters: all rules together by priority, deny before allow at the
    /// same priority, then by name. Filters without order: every deny before every allow, for any deny wins and then any allow.
    fn rules_in_order(&self, members: &[FilterId]) -> Vec<(FilterId, usize, &Rule)> {
        let mut rules = Vec::new();
        for &id in members {
            let filter = &self.network[id];
            for (position, rule) in filter.rules_for(self.direction) {
                let priority = if filter.ordered { rule.priority } else { 0 };
                let name = if filter.ordered { rule.name.as_str() } else { "" };
                // Ordered filters are asked before those without order, should a tier hold both.
                rules.push((
                    (!filter.ordered, priority, strictness(rule.action), name),
                    (id, position, rule),
                ));
            }
        }
        rules.sort_by_key(|(rank, _)| *rank);
        rules.into_iter().map(|(_, rule)| rule).collect()
    }

    /// The default of a tier. Its filters normally agree; else, as in a union, allow if any of them allows, then pass on if any passes on.
    fn default_of(&self, members: &[FilterId]) -> Action {
        let defaults: Vec<Action> =
            members.iter().map(|&id| self.network[id].default_action(self.direction)).collect();
        [Action::Allow, Action::Next]
            .into_iter()
            .find(|action| defaults.contains(action))
            .unwrap_or(Action::Deny)
    }

    fn wanted(&self) -> Action {
        match self.assume {
            Assume::Worst => Action::Deny,
            Assume::Best => Action::Allow,
        }
    }

    /// A rule matches when every part of it does.
    fn matches(&self, rule: &Rule) -> Match {
        let certain = if rule.uncertain.is_some() { Match::Maybe } else { Match::Yes };
        let target = match &rule.targets {
            None => true,
            Some(targets) => self.protected.is_some_and(|interface| targets.contains(&interface)),
        };
        [
            certain,
            target.into(),
            rule.protocol.matches(self.packet.protocol).into(),
            self.ports_match(rule).into(),
            self.icmp_matches(rule).into(),
            self.source_matches(&rule.from),
            self.destination_matches(&rule.to),
        ]
        .into_iter()
        .min()
        .unwrap_or(Match::Yes)
    }

    /// A rule that names ports matches protocols with ports only (TCP, UDP, DCCP, SCTP, UDP-Lite).
    fn ports_match(&self, rule: &Rule) -> bool {
        let one = |ranges: &[PortRange], port: u16| {
            ranges.is_empty()
                || (protocol::has_ports(self.packet.protocol)
                    && ranges.iter().any(|range| range.contains(port)))
        };
        one(&rule.source_ports, self.packet.src_port) && one(&rule.ports, self.packet.dst_port)
    }

    /// A rule that names an ICMP type or code matches ICMP and `ICMPv6` only.
    fn icmp_matches(&self, rule: &Rule) -> bool {
        let one = |wanted: Option<u8>, value: u16| {
            wanted.is_none_or(|wanted| {
                protocol::has_types(self.packet.protocol) && u16::from(wanted) == value
            })
        };
        one(rule.icmp.kind, self.packet.src_port) && one(rule.icmp.code, self.packet.dst_port)
    }

    fn source_matches(&self, set: &AddressSet) -> Match {
        self.side_matches(set, self.packet.src, |list, across| self.source_is_one_of(list, across))
    }

    fn destination_matches(&self, set: &AddressSet) -> Match {
        self.side_matches(set, self.packet.dst, |list, across| {
            self.destination_is_one_of(list, across)
        })
    }

    /// One side of a rule matches when any member does.
    fn side_matches(
        &self,
        set: &AddressSet,
        address: IpAddr,
        is_one_of: impl Fn(&[InterfaceId], bool) -> bool,
    ) -> Match {
        if set.any {
            return Match::Yes;
        }
        // An address that nobody can predict is some address of the Internet.
        let known = !address.is_unspecified();
        let member = |member: &FilterMember| match member {
            FilterMember::Prefix(prefix) if known => prefix.contains(address).into(),
            FilterMember::Range(first, last) if known => in_range(*first, *last, address).into(),
            FilterMember::Prefix(prefix) => some_internet_address(self.network, *prefix, address),
            FilterMember::Range(first, _) => {
                if first.is_ipv4() == address.is_ipv4() {
                    Match::Maybe
                } else {
                    Match::No
                }
            }
            FilterMember::Interfaces { interfaces, across_peering, .. } => {
                is_one_of(interfaces, *across_peering).into()
            }
            FilterMember::Internet if known => is_internet(self.network, address).into(),
            FilterMember::Internet => Match::Yes,
            FilterMember::Unknown(_) => Match::Maybe,
        };
        set.members.iter().map(member).max().unwrap_or(Match::No)
    }

    /// A reference to interfaces means their private addresses, and only as long as the packet comes straight from one of them: within
    /// the VPC, or over one peering of the same region where the provider allows that. It does not work "through a middlebox", and a
    /// translated address is another address (AWS VPC user guide, "Security group referencing"; Google Cloud VPC documentation, "Source
    /// tags and service accounts").
    fn source_is_one_of(&self, interfaces: &[InterfaceId], across_peering: bool) -> bool {
        let Some(sender) = self.sender else { return false };
        let near = sender.vpc == self.vpc || (across_peering && !sender.inter_region);
        near && interfaces.iter().any(|&id| {
            interface_vpc(self.network, id) == sender.vpc
                && holds(self.network, id, self.known_by.0)
        })
    }

    /// The same for the destination: an interface that the packet goes straight to, here or behind one peering of the same region.
    fn destination_is_one_of(&self, interfaces: &[InterfaceId], across_peering: bool) -> bool {
        let Some(reach) = self.straight_to else { return false };
        (!reach.over_peering || across_peering)
            && interfaces.iter().any(|&id| {
                interface_vpc(self.network, id) == reach.vpc
                    && holds(self.network, id, self.known_by.1)
            })
    }
}

fn strictness(action: Action) -> u8 {
    match action {
        Action::Deny => 0,
        Action::Allow => 1,
        Action::Next => 2,
    }
}

fn in_range(first: IpAddr, last: IpAddr, address: IpAddr) -> bool {
    first.is_ipv4() == address.is_ipv4() && first <= address && address <= last
}

/// Whether an address that is only known to be on the Internet lies in the prefix.
fn some_internet_address(network: &Network, prefix: Prefix, family_of: IpAddr) -> Match {
    if prefix.is_v4() != family_of.is_ipv4() {
        return Match::No;
    }
    if prefix.length() == 0 {
        return Match::Yes;
    }
    if may_hold_internet(network, prefix) { Match::Maybe } else { Match::No }
}

/// The VPC of an interface.
pub(super) fn interface_vpc(network: &Network, id: InterfaceId) -> VpcId {
    network[network[id].subnet].vpc
}

/// Whether the address is one of the interface's private ones.
pub(super) fn holds(network: &Network, id: InterfaceId, address: IpAddr) -> bool {
    let interface = &network[id];
    interface.addresses.contains(&address)
        || interface.prefixes.iter().any(|prefix| prefix.contains(address))
}
