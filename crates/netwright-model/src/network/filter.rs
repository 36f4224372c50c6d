//! Resolved filters and their rules.

use crate::language::{Action, Attachment, Direction};
use crate::scalar::{PortRange, Prefix, ProtocolMatch};
use crate::source::Span;

use super::ids::{FilterId, InterfaceId, VpcId};

/// A resolved filter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Its name.
    pub name: String,
    /// Identifier in the provider's export.
    pub id: Option<String>,
    /// Where it was written.
    pub span: Span,
    /// Where it sits.
    pub attach: Attachment,
    /// The VPC it belongs to, where one is named.
    pub vpc: Option<VpcId>,
    /// Answers of an allowed connection pass by themselves.
    pub stateful: bool,
    /// Rules are asked by priority.
    pub ordered: bool,
    /// Place in line at its level.
    pub tier: u32,
    /// For incoming packets that no rule matches.
    pub default_ingress: Action,
    /// For outgoing packets that no rule matches.
    pub default_egress: Action,
    /// Rules in the order in which they are asked: for an ordered filter by priority, then deny before allow, then name; otherwise
    /// as written. Rules that are not enabled are left out.
    pub rules: Vec<Rule>,
    /// Why the rules are not all there are.
    pub incomplete: Option<String>,
    /// It protects, or may protect, more than what is described.
    pub elsewhere: bool,
    /// Nobody can remove it.
    pub provided: bool,
    /// Interfaces it is attached to by name (for `attach: interface`): what `group:` refers to.
    pub members: Vec<InterfaceId>,
    /// Filters with a rule that refers to them.
    pub named_by: Vec<FilterId>,
}

impl Filter {
    /// The action for packets of a direction that no rule matches.
    #[must_use]
    pub fn default_action(&self, direction: Direction) -> Action {
        match direction {
            Direction::Ingress => self.default_ingress,
            Direction::Egress => self.default_egress,
        }
    }

    /// Rules of a direction, in the order in which they are asked, with their positions.
    pub fn rules_for(&self, direction: Direction) -> impl Iterator<Item = (usize, &Rule)> {
        self.rules.iter().enumerate().filter(move |(_, rule)| rule.direction == direction)
    }
}

/// A resolved rule. A packet matches when every part matches.
#[derive(Debug, Clone, Default)]
pub struct Rule {
    /// Its name: as written, else its identifier, else its place ("rule 3").
    pub name: String,
    /// Where it was written.
    pub span: Span,
    /// Which packets it looks at.
    pub direction: Direction,
    /// What it does.
    pub action: Action,
    /// Its priority, where it has one.
    pub priority: u32,
    /// Protocol.
    pub protocol: ProtocolMatch,
    /// Source ports (TCP, UDP, SCTP, DCCP, UDP-Lite only); empty means all.
    pub source_ports: Vec<PortRange>,
    /// Destination ports; empty means all. A rule that names ports matches no packet without ports.
    pub ports: Vec<PortRange>,
    /// ICMP type and code; a rule that names a type matches ICMP and ICMPv6 only.
    pub icmp: IcmpMatch,
    /// Sources.
    pub from: AddressSet,
    /// Destinations.
    pub to: AddressSet,
    /// Interfaces the rule is for; `None` means all that the filter protects.
    pub targets: Option<Vec<InterfaceId>>,
    /// The provider put it there and nobody can remove it.
    pub implied: bool,
    /// Its match is uncertain: it may match any part of what the other fields say.
    pub uncertain: Option<String>,
}

/// ICMP type and code of a rule; `None` matches all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IcmpMatch {
    /// Type.
    pub kind: Option<u8>,
    /// Code.
    pub code: Option<u8>,
}

/// One side of a rule: the union of its members. `any` for all addresses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AddressSet {
    /// Every address of both families.
    pub any: bool,
    /// Members; empty and not `any` matches nothing.
    pub members: Vec<FilterMember>,
}

/// A member of an [`AddressSet`].
#[derive(Debug, Clone, PartialEq)]
pub enum FilterMember {
    /// A prefix.
    Prefix(Prefix),
    /// All addresses from the first to the last, of one family.
    Range(std::net::IpAddr, std::net::IpAddr),
    /// Private addresses of these interfaces, as long as the packet has come straight from (or goes straight to) one of them: within a
    /// VPC, or over a peering where the provider allows references across it. A translated address never matches.
    Interfaces {
        /// The reference as written, for example `group:web`.
        label: String,
        /// The interfaces, sorted.
        interfaces: std::sync::Arc<[InterfaceId]>,
        /// It still holds over a same-region peering (AWS security groups); otherwise inside one VPC only (tags, accounts).
        across_peering: bool,
    },
    /// Addresses that no VPC and no site holds and that are not private.
    Internet,
    /// Could be anything.
    Unknown(String),
}
