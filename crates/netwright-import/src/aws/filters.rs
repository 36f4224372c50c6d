//! Security groups and network ACLs.

use netwright_model::language::{Action, Attachment, Direction, Filter, Icmp, Peer, Rule};
use netwright_model::scalar::{PortRange, ProtocolMatch, protocol_number};
use netwright_model::source::Spanned;
use netwright_model::tree::Node;

use crate::access::Access;

use super::Import;
use super::export::key;

/// Number of the entry of every ACL that denies the rest and that nobody can remove.
const LAST_ENTRY: i64 = 32767;

impl Import<'_> {
    pub(super) fn filters(&mut self) {
        for group in self.export.all("SecurityGroups") {
            self.group(group);
        }
        for acl in self.export.all("NetworkAcls") {
            self.acl(acl);
        }
        if !self.export.has("NetworkAcls") && !self.export.all("Subnets").is_empty() {
            let span = self.export.all("Subnets")[0].span;
            self.gap("network_acls", "the export holds no network ACLs; the default one, which allows everything, is assumed", span, false);
        }
        self.missing_acls();
    }

    /// Subnets without an ACL in a VPC that has some: every subnet has one, so theirs is not in the export.
    fn missing_acls(&mut self) {
        let described: std::collections::BTreeSet<&str> =
            self.export.all("NetworkAcls").iter().filter_map(|acl| acl.word("VpcId")).collect();
        let mut missing = Vec::new();
        for (name, vpc) in self.description.vpcs.iter_mut() {
            if !vpc.id.as_ref().is_some_and(|id| described.contains(id.value.as_str())) {
                continue;
            }
            for (own, subnet) in vpc.subnets.iter_mut().filter(|(_, s)| s.filters.is_empty()) {
                let id = subnet.id.as_ref().map_or(own.value.as_str(), |id| id.value.as_str());
                let filter = format!("acl-of-{id}");
                subnet.filters.push(Spanned::new(filter.clone(), *subnet.span));
                missing.push((filter, Spanned::new(name.value.clone(), *subnet.span)));
            }
        }
        for (name, vpc) in missing {
            let what = "the network ACL of the subnet is not in the export";
            let span = vpc.span;
            self.gap(&format!("network_acl:{name}"), what, span, true);
            let row = Filter {
                attach: Some(Spanned::bare(Attachment::Subnet)),
                vpc: Some(vpc),
                stateful: Some(Spanned::bare(false)),
                ordered: Some(Spanned::bare(true)),
                incomplete: Some(Spanned::new(what.to_owned(), span)),
                span: span.into(),
                ..Filter::default()
            };
            self.description.filters.push((Spanned::new(name, span), row));
        }
    }

    fn vpc_name(&self, object: &Node) -> Option<Spanned<String>> {
        let id = object.text("VpcId")?;
        let name = self.names.of_section("Vpcs", &id.value)?.to_owned();
        Some(Spanned::new(name, id.span))
    }

    fn group(&mut self, group: &Node) {
        let Some(id) = group.text("GroupId") else {
            self.gap(
                "security_group:?",
                "a security group without GroupId was left out",
                group.span,
                true,
            );
            return;
        };
        let name = self.names.or_id("SecurityGroups", &id.value).to_owned();
        let mut rules = Vec::new();
        for (section, direction) in
            [("IpPermissions", Direction::Ingress), ("IpPermissionsEgress", Direction::Egress)]
        {
            for permission in group.list(section) {
                rules.extend(self.permission(&name, permission, direction));
            }
        }
        let lists = [group.get("IpPermissions"), group.get("IpPermissionsEgress")];
        let complete = lists.iter().all(|list| list.is_some_and(is_list));
        let row = Filter {
            vpc: self.vpc_name(group),
            incomplete: (!complete).then(|| self.rules_missing("security_group", &id)),
            id: Some(id),
            provided: group
                .get("GroupName")
                .filter(|name| name.as_text() == Some("default"))
                .map(yes),
            attach: Some(Spanned::bare(Attachment::Interface)),
            rules,
            span: group.span.into(),
            ..Filter::default()
        };
        self.description.filters.push((key(&name, group), row));
    }

    fn permission(&mut self, group: &str, permission: &Node, direction: Direction) -> Option<Rule> {
        let mut rule = Rule {
            direction: Spanned::new(direction, permission.span),
            action: Some(Spanned::bare(Action::Allow)),
            span: permission.span.into(),
            ..Rule::default()
        };
        let Some(protocol) = self.protocol(permission.word("IpProtocol").unwrap_or("-1")) else {
            self.gap(
                &format!("security_group:{group}"),
                "a rule's protocol was not understood",
                permission.span,
                true,
            );
            rule.uncertain = Some(Spanned::bare("its protocol was not understood".to_owned()));
            return Some(rule);
        };
        let (from, to) = (permission.number("FromPort"), permission.number("ToPort"));
        set_ports(&mut rule, protocol, from, to, permission);
        let peers = self.peers(group, permission);
        // A permission that names no peer lets nobody in.
        if peers.is_empty() {
            self.notes.push(format!(
                "a rule of security group {group} names no peer and matches nothing"
            ));
            return None;
        }
        match direction {
            Direction::Ingress => rule.from = peers,
            Direction::Egress => rule.to = peers,
        }
        Some(rule)
    }

    /// Why a filter is incomplete whose lists of rules are not all in the export.
    fn rules_missing(&mut self, kind: &str, id: &Spanned<String>) -> Spanned<String> {
        let what = "a list of its rules is not in the export";
        self.gap(&format!("{kind}:{}", id.value), what, id.span, true);
        Spanned::new(what.to_owned(), id.span)
    }

    /// Everybody that a permission names.
    fn peers(&mut self, group: &str, permission: &Node) -> Vec<Spanned<Peer>> {
        let mut peers: Vec<Spanned<Peer>> = Vec::new();
        for (list, field) in [("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6")] {
            for range in permission.list(list) {
                let peer = range.prefix(field).map(|prefix| prefix.map(Peer::Prefix));
                peers.push(peer.unwrap_or_else(|| self.not_understood(group, list, range)));
            }
        }
        for list in permission.list("PrefixListIds") {
            let Some(id) = list.text("PrefixListId") else {
                peers.push(self.not_understood(group, "PrefixListIds", list));
                continue;
            };
            let peer = match self.description.prefix_list(&id.value) {
                Some(_) => Peer::PrefixList(id.value.clone()),
                None => {
                    self.gap(
                        &format!("security_group:{group}"),
                        format!("prefix list {} is not in the export", id.value),
                        id.span,
                        true,
                    );
                    Peer::Unknown(id.value.clone())
                }
            };
            peers.push(Spanned::new(peer, id.span));
        }
        for pair in permission.list("UserIdGroupPairs") {
            let Some(id) = pair.text("GroupId") else {
                peers.push(self.not_understood(group, "UserIdGroupPairs", pair));
                continue;
            };
            let peer = match self.names.of_section("SecurityGroups", &id.value) {
                Some(name) => Peer::Group(name.to_owned()),
                None => {
                    self.gap(
                        &format!("security_group:{group}"),
                        format!("group {} is not in the export", id.value),
                        id.span,
                        true,
                    );
                    Peer::Unknown(id.value.clone())
                }
            };
            peers.push(Spanned::new(peer, id.span));
        }
        for list in ["IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs"] {
            let odd = permission.get(list).filter(|node| !is_list(node) && !node.is_null());
            if let Some(odd) = odd {
                peers.push(self.not_understood(group, list, odd));
            }
        }
        peers
    }

    /// A peer of a rule that cannot be read: it may be anybody.
    fn not_understood(&mut self, group: &str, list: &str, node: &Node) -> Spanned<Peer> {
        let what = format!("an entry of {list} was not understood");
        self.gap(&format!("security_group:{group}"), what, node.span, true);
        Spanned::new(Peer::Unknown(format!("an entry of {list}")), node.span)
    }

    fn protocol(&self, text: &str) -> Option<ProtocolMatch> {
        match text {
            "-1" | "all" => Some(ProtocolMatch::Any),
            _ => protocol_number(text).ok().map(ProtocolMatch::Number),
        }
    }

    fn acl(&mut self, acl: &Node) {
        let Some(id) = acl.text("NetworkAclId") else {
            self.gap(
                "network_acl:?",
                "a network ACL without NetworkAclId was left out",
                acl.span,
                true,
            );
            return;
        };
        let name = self.names.or_id("NetworkAcls", &id.value).to_owned();
        let rules = acl.list("Entries").iter().map(|entry| self.entry(&name, entry)).collect();
        for association in acl.list("Associations") {
            let Some(subnet) = association.word("SubnetId") else { continue };
            let owner = self.names.vpc_of(subnet).map(str::to_owned);
            let own = self.names.of_section("Subnets", subnet).map(str::to_owned);
            let vpc = owner.and_then(|owner| self.description.vpcs.get_mut(&owner));
            if let (Some(vpc), Some(own)) = (vpc, own)
                && let Some(subnet) = vpc.subnets.get_mut(&own)
            {
                subnet.filters.push(key(&name, association));
            }
        }
        let complete = acl.get("Entries").is_some_and(is_list);
        let row = Filter {
            vpc: self.vpc_name(acl),
            incomplete: (!complete).then(|| self.rules_missing("network_acl", &id)),
            id: Some(id),
            provided: acl.get("IsDefault").filter(|_| acl.flag("IsDefault") == Some(true)).map(yes),
            attach: Some(Spanned::bare(Attachment::Subnet)),
            stateful: Some(Spanned::bare(false)),
            ordered: Some(Spanned::bare(true)),
            rules,
            span: acl.span.into(),
            ..Filter::default()
        };
        self.description.filters.push((key(&name, acl), row));
    }

    fn entry(&mut self, acl: &str, entry: &Node) -> Rule {
        let egress = entry.flag("Egress").unwrap_or(false);
        let number = entry.number("RuleNumber").and_then(|n| u32::try_from(n).ok());
        let action =
            if entry.word("RuleAction") == Some("allow") { Action::Allow } else { Action::Deny };
        let last = entry.number("RuleNumber") == Some(LAST_ENTRY);
        let mut rule = Rule {
            direction: Spanned::new(
                if egress { Direction::Egress } else { Direction::Ingress },
                entry.span,
            ),
            action: Some(Spanned::bare(action)),
            priority: number.map(Spanned::bare),
            implied: last.then(|| Spanned::bare(true)),
            name: last.then(|| Spanned::bare("*".to_owned())),
            span: entry.span.into(),
            ..Rule::default()
        };
        let peer = entry.prefix("CidrBlock").or_else(|| entry.prefix("Ipv6CidrBlock"));
        let peers: Vec<_> = peer.map(|prefix| prefix.map(Peer::Prefix)).into_iter().collect();
        if peers.is_empty() {
            self.gap(
                &format!("network_acl:{acl}"),
                "an entry's range was not understood",
                entry.span,
                true,
            );
            rule.uncertain = Some(Spanned::bare("its range was not understood".to_owned()));
        }
        if egress {
            rule.to = peers;
        } else {
            rule.from = peers;
        }
        let Some(protocol) = self.protocol(entry.word("Protocol").unwrap_or("-1")) else {
            self.gap(
                &format!("network_acl:{acl}"),
                "an entry's protocol was not understood",
                entry.span,
                true,
            );
            rule.uncertain = Some(Spanned::bare("its protocol was not understood".to_owned()));
            return rule;
        };
        let range = entry.get("PortRange");
        let (mut from, mut to) =
            (range.and_then(|r| r.number("From")), range.and_then(|r| r.number("To")));
        if let Some(icmp) = entry.get("IcmpTypeCode").filter(|node| !node.is_null()) {
            (from, to) = (icmp.number("Type"), icmp.number("Code"));
        }
        set_ports(&mut rule, protocol, from, to, entry);
        rule
    }
}

fn is_list(node: &Node) -> bool {
    matches!(node.kind, netwright_model::tree::Kind::Sequence(_))
}

/// Ports, or ICMP type and code: AWS writes both as a from and a to; −1 is any.
fn set_ports(
    rule: &mut Rule,
    protocol: ProtocolMatch,
    from: Option<i64>,
    to: Option<i64>,
    node: &Node,
) {
    let ProtocolMatch::Number(number) = protocol else { return };
    rule.protocol = Some(Spanned::new(protocol, node.span));
    let byte =
        |value: Option<i64>| value.and_then(|value| u8::try_from(value).ok()).map(Spanned::bare);
    match number {
        1 | 58 => {
            let icmp = Icmp { r#type: byte(from), code: byte(to), span: node.span.into() };
            if icmp.r#type.is_some() || icmp.code.is_some() {
                rule.icmp = Some(icmp);
            }
        }
        6 | 17 | 33 | 132 | 136 => {
            let port = |value: Option<i64>, default: u16| match value {
                Some(value) if value >= 0 => u16::try_from(value).unwrap_or(default),
                _ => default,
            };
            let range = PortRange::new(port(from, 0), port(to, u16::MAX));
            if let Some(range) = range.filter(|range| *range != PortRange::ALL) {
                rule.ports.push(Spanned::new(range, node.span));
            }
        }
        _ => {}
    }
}

/// Yes, as a node says.
fn yes(node: &Node) -> Spanned<bool> {
    Spanned::new(true, node.span)
}
