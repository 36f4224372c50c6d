//! Packet filters in one form: security groups, network ACLs, VPC firewall rules and policies.

use crate::decode::Entries;
use crate::scalar::{PortRange, ProtocolMatch};
use crate::source::Spanned;

use super::reference::Peer;

crate::keyword! {
    /// Where a filter sits.
    pub enum Attachment {
        /// On interfaces that name it (a security group).
        #[default] Interface = "interface",
        /// Between a subnet and the rest (a network ACL). Not applied inside the subnet.
        Subnet = "subnet",
        /// On every interface of a VPC (firewall rules by tag or account, firewall policies).
        Vpc = "vpc",
    }
}

crate::keyword! {
    /// What a rule does with a packet that it matches.
    pub enum Action {
        /// Let it pass.
        #[default] Allow = "allow" | "permit" | "accept",
        /// Drop it.
        Deny = "deny" | "drop" | "block",
        /// Leave the decision to the next filter in line.
        Next = "next" | "goto_next",
    }
}

crate::keyword! {
    /// Direction of a packet, seen from what is protected.
    pub enum Direction {
        /// Towards the interface or subnet.
        #[default] Ingress = "ingress" | "in" | "inbound",
        /// Away from the interface or subnet.
        Egress = "egress" | "out" | "outbound",
    }
}

crate::object! {
    /// A packet filter. At each level (interface, subnet, VPC) filters of the lowest `tier` are asked first; a filter
    /// without order is a union of its rules with all others of its tier; every level must allow.
    pub struct Filter {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// Where it sits.
        pub attach ("attachment") : Option<Spanned<Attachment>>,
        /// The VPC it belongs to; with `attach: vpc`, the VPC that it protects.
        pub vpc: Option<Spanned<String>>,
        /// More VPCs that it protects.
        pub vpcs: Vec<Spanned<String>>,
        /// Answers of an allowed connection pass by themselves. True unless said otherwise.
        pub stateful: Option<Spanned<bool>>,
        /// Rules are asked by priority, the lowest number first, deny before allow at the same number, then by name. Without order
        /// any deny wins, then any allow.
        pub ordered: Option<Spanned<bool>>,
        /// Place in line among filters of the same level: policies before VPC rules.
        pub tier: Option<Spanned<u32>>,
        /// What happens to incoming packets that no rule matches. Deny unless given.
        pub default_ingress: Option<Spanned<Action>>,
        /// What happens to outgoing packets that no rule matches. Deny unless given.
        pub default_egress: Option<Spanned<Action>>,
        /// The rules.
        pub rules: Vec<Rule>,
        /// Rules by name, where that reads better than a list.
        pub named_rules: Entries<Rule>,
        /// Why the rules given here are not all there are. Makes verdicts through this filter unknown where no given rule decides.
        pub incomplete: Option<Spanned<String>>,
        /// What it protects, or may protect, beside what is described here.
        pub elsewhere: Option<Spanned<String>>,
        /// The provider made it together with a VPC, and nobody can remove it.
        pub provided: Option<Spanned<bool>>,
    }
}

crate::object! {
    /// One rule.
    pub struct Rule {
        /// A name for people.
        pub name: Option<Spanned<String>>,
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// Which packets it looks at.
        pub direction: Spanned<Direction>,
        /// What it does. Allow unless given.
        pub action: Option<Spanned<Action>>,
        /// Place in an ordered filter.
        pub priority ("number") : Option<Spanned<u32>>,
        /// Protocol; any unless given.
        pub protocol: Option<Spanned<ProtocolMatch>>,
        /// Destination ports; all unless given.
        pub ports ("port") : Vec<Spanned<PortRange>>,
        /// Source ports; all unless given.
        pub source_ports: Vec<Spanned<PortRange>>,
        /// ICMP type and code; all unless given.
        pub icmp: Option<Icmp>,
        /// Sources; all unless given. For egress rules: the protected side.
        pub from ("source", "sources") : Vec<Spanned<Peer>>,
        /// Destinations; all unless given. For ingress rules: the protected side.
        pub to ("destination", "destinations") : Vec<Spanned<Peer>>,
        /// Interfaces the rule is for, by tag, account or name; all that the filter protects unless given.
        pub targets: Vec<Spanned<Peer>>,
        /// False for a rule that is written but not in force.
        pub enabled: Option<Spanned<bool>>,
        /// The provider put it there and nobody can remove it.
        pub implied: Option<Spanned<bool>>,
        /// What this rule says that could not be represented. Its match is then uncertain.
        pub uncertain: Option<Spanned<String>>,
    }
}

crate::object! {
    /// ICMP type and code.
    pub struct Icmp {
        /// Type; any unless given.
        pub r#type: Option<Spanned<u8>>,
        /// Code; any unless given.
        pub code: Option<Spanned<u8>>,
    }
}
