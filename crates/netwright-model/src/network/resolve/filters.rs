//! Filters, where they are attached, and their rules.

use std::sync::Arc;

use crate::language::{Action, Attachment, Peer};
use crate::network::{
    AddressSet, Filter, FilterId, FilterMember, IcmpMatch, InterfaceId, Rule, SubnetId, VpcId,
};
use crate::source::Spanned;

use super::context::{Resolver, find, flag, text};

impl Resolver<'_> {
    /// Filters without their rules, so that everything else can name them.
    pub(super) fn filters(&mut self) {
        for (name, filter) in self.description.filters.iter() {
            let vpc = filter.vpc.as_ref().and_then(|vpc| find!(self, vpc_names, vpc));
            let id = FilterId::at(self.network.filters.len());
            let attach = filter.attach.as_ref().map(|attach| attach.value).unwrap_or_default();
            self.filter_names.add(&name.value, filter.id.as_ref(), id);
            let default = |action: &Option<Spanned<Action>>| {
                action.as_ref().map_or(Action::Deny, |action| action.value)
            };
            self.network.filters.push(Filter {
                name: name.value.clone(),
                id: text(filter.id.as_ref()),
                span: name.span,
                attach,
                vpc,
                stateful: flag(filter.stateful.as_ref(), true),
                ordered: flag(filter.ordered.as_ref(), false),
                tier: filter.tier.as_ref().map_or(0, |tier| tier.value),
                default_ingress: default(&filter.default_ingress),
                default_egress: default(&filter.default_egress),
                rules: Vec::new(),
                incomplete: text(filter.incomplete.as_ref()),
                elsewhere: filter.elsewhere.is_some(),
                provided: flag(filter.provided.as_ref(), false),
                members: Vec::new(),
                named_by: Vec::new(),
            });
            if attach == Attachment::Vpc {
                let mut protected: Vec<VpcId> = vpc.into_iter().collect();
                for reference in &filter.vpcs {
                    protected.extend(find!(self, vpc_names, reference));
                }
                for vpc in protected {
                    self.network.vpcs[vpc.index()].filters.push(id);
                }
            }
        }
        self.attach_to_subnets();
        self.attach_to_vpcs();
    }

    fn attach_to_subnets(&mut self) {
        let mut subnet = 0;
        for (_, vpc) in self.description.vpcs.iter() {
            for (_, written) in vpc.subnets.iter() {
                let mut filters = Vec::new();
                for reference in &written.filters {
                    filters.extend(find!(self, filter_names, reference));
                }
                filters.sort_by_key(|filter| self.network[*filter].tier);
                self.network.subnets[SubnetId::at(subnet).index()].filters = filters;
                subnet += 1;
            }
        }
    }

    fn attach_to_vpcs(&mut self) {
        for (index, (_, vpc)) in self.description.vpcs.iter().enumerate() {
            for reference in &vpc.filters {
                let found = find!(self, filter_names, reference);
                self.network.vpcs[index].filters.extend(found);
            }
            let mut filters = std::mem::take(&mut self.network.vpcs[index].filters);
            filters.sort_by_key(|filter| (self.network[*filter].tier, *filter));
            filters.dedup();
            self.network.vpcs[index].filters = filters;
        }
    }

    /// Filters that an interface names.
    pub(super) fn interface_filters(&mut self, references: &[Spanned<String>]) -> Vec<FilterId> {
        let mut filters = Vec::new();
        for reference in references {
            filters.extend(find!(self, filter_names, reference));
        }
        filters.sort_by_key(|filter| (self.network[*filter].tier, *filter));
        filters.dedup();
        filters
    }

    /// The rules of every filter. Comes last: rules refer to interfaces.
    pub(super) fn rules(&mut self) {
        let members = MemberIndex::of(self);
        for (index, (_, filter)) in self.description.filters.iter().enumerate() {
            let id = FilterId::at(index);
            let listed = filter.rules.iter().map(|rule| (None, rule));
            let named = filter.named_rules.iter().map(|(name, rule)| (Some(name), rule));
            let mut rules = Vec::new();
            for (position, (name, rule)) in listed.chain(named).enumerate() {
                if flag(rule.enabled.as_ref(), true) {
                    rules.push(self.rule(id, position, name, rule, &members));
                }
            }
            if self.network[id].ordered {
                rules.sort_by(|a, b| rank(a).cmp(&rank(b)));
            }
            self.network.filters[index].rules = rules;
        }
    }

    fn rule(
        &mut self,
        filter: FilterId,
        position: usize,
        name: Option<&Spanned<String>>,
        rule: &crate::language::Rule,
        members: &MemberIndex,
    ) -> Rule {
        let own = rule.name.as_ref().or(name).or(rule.id.as_ref());
        let priority = rule.priority.as_ref().map(|priority| priority.value);
        let name = match (own, priority) {
            (Some(own), _) => own.value.clone(),
            (None, Some(priority)) => format!("rule {priority}"),
            (None, None) => format!("rule {}", position + 1),
        };
        let ports = |ports: &[Spanned<crate::scalar::PortRange>]| -> Vec<_> {
            ports.iter().map(|range| range.value).collect()
        };
        let icmp = rule.icmp.as_ref();
        let (targets, unsure) = self.targets(filter, rule, members);
        Rule {
            name,
            span: *rule.span,
            direction: rule.direction.value,
            action: rule.action.as_ref().map_or(Action::Allow, |action| action.value),
            priority: priority.unwrap_or_default(),
            protocol: rule.protocol.as_ref().map(|p| p.value).unwrap_or_default(),
            source_ports: ports(&rule.source_ports),
            ports: ports(&rule.ports),
            icmp: IcmpMatch {
                kind: icmp.and_then(|icmp| icmp.r#type.as_ref()).map(|kind| kind.value),
                code: icmp.and_then(|icmp| icmp.code.as_ref()).map(|code| code.value),
            },
            from: self.address_set(filter, &rule.from, members),
            to: self.address_set(filter, &rule.to, members),
            targets,
            implied: flag(rule.implied.as_ref(), false),
            uncertain: text(rule.uncertain.as_ref()).or(unsure),
        }
    }

    /// Interfaces a rule is for, and what is not known about them. Neither: all that the filter protects.
    fn targets(
        &mut self,
        filter: FilterId,
        rule: &crate::language::Rule,
        members: &MemberIndex,
    ) -> (Option<Vec<InterfaceId>>, Option<String>) {
        let set = self.address_set(filter, &rule.targets, members);
        let mut all: Vec<InterfaceId> = Vec::new();
        let mut unsure = None;
        for member in set.members {
            match member {
                FilterMember::Interfaces { interfaces, .. } => all.extend(interfaces.iter()),
                FilterMember::Unknown(what) => unsure = Some(what),
                FilterMember::Prefix(_) | FilterMember::Range(..) | FilterMember::Internet => {
                    let message = "a rule's targets are interfaces: `tag:`, `account:`, `group:` or `instance:`";
                    self.error(*rule.span, message, None);
                }
            }
        }
        if set.any || unsure.is_some() {
            return (None, unsure);
        }
        all.sort_unstable();
        all.dedup();
        (Some(all), None)
    }

    fn address_set(
        &mut self,
        filter: FilterId,
        peers: &[Spanned<Peer>],
        members: &MemberIndex,
    ) -> AddressSet {
        let mut set = AddressSet { any: peers.is_empty(), members: Vec::new() };
        for peer in peers {
            let spanned = |name: &String| Spanned::new(name.clone(), peer.span);
            match &peer.value {
                Peer::Any => set.any = true,
                Peer::Internet => set.members.push(FilterMember::Internet),
                Peer::Unknown(what) => set.members.push(FilterMember::Unknown(what.clone())),
                Peer::Prefix(prefix) => set.members.push(FilterMember::Prefix(*prefix)),
                Peer::Range(range) => {
                    set.members.push(FilterMember::Range(range.first(), range.last()));
                }
                Peer::PrefixList(name) => self.prefix_list(&spanned(name), &mut set),
                Peer::Subnet(name) => {
                    if let Some(subnet) = find!(self, subnet_names, &spanned(name)) {
                        let cidrs = &self.network[subnet].cidrs;
                        set.members.extend(cidrs.iter().copied().map(FilterMember::Prefix));
                    }
                }
                Peer::Vpc(name) => {
                    if let Some(vpc) = find!(self, vpc_names, &spanned(name)) {
                        let cidrs = &self.network[vpc].cidrs;
                        set.members.extend(cidrs.iter().copied().map(FilterMember::Prefix));
                    }
                }
                Peer::Group(name) => {
                    if let Some(group) = find!(self, filter_names, &spanned(name)) {
                        let across = self.references_cross_peerings(filter);
                        let named_by = &mut self.network.filters[group.index()].named_by;
                        if named_by.last() != Some(&filter) {
                            named_by.push(filter);
                        }
                        let interfaces = self.network[group].members.clone();
                        set.members.push(reference(peer, interfaces, across));
                    }
                }
                Peer::Instance(name) => {
                    if let Some(instance) = find!(self, instance_names, &spanned(name)) {
                        let interfaces = self.network[instance].interfaces.clone();
                        let across = self.references_cross_peerings(filter);
                        set.members.push(reference(peer, interfaces, across));
                    }
                }
                Peer::Tag(tag) => {
                    set.members.push(reference(peer, members.tagged(tag), false));
                }
                Peer::Account(account) => {
                    set.members.push(reference(peer, members.of_account(account), false));
                }
            }
        }
        set
    }

    /// Whether the provider lets this filter's references hold over a peering.
    fn references_cross_peerings(&self, filter: FilterId) -> bool {
        match self.network[filter].vpc {
            Some(vpc) => self.network[vpc].facts.groups_across_peering,
            None => self.facts(self.provider(None)).groups_across_peering,
        }
    }

    fn prefix_list(&mut self, name: &Spanned<String>, set: &mut AddressSet) {
        match self.description.prefix_list(&name.value) {
            Some(list) => {
                set.members.extend(list.cidrs.iter().map(|cidr| FilterMember::Prefix(cidr.value)));
            }
            None => {
                self.error(name.span, format!("there is no prefix list `{}`", name.value), None);
            }
        }
    }
}

/// Place of a rule in an ordered filter: priority, deny before allow before next, name.
fn rank(rule: &Rule) -> (u32, u8, &str) {
    let action = match rule.action {
        Action::Deny => 0,
        Action::Allow => 1,
        Action::Next => 2,
    };
    (rule.priority, action, &rule.name)
}

fn reference(
    peer: &Spanned<Peer>,
    mut interfaces: Vec<InterfaceId>,
    across_peering: bool,
) -> FilterMember {
    interfaces.sort_unstable();
    interfaces.dedup();
    let label = peer.value.to_string();
    FilterMember::Interfaces { label, interfaces: Arc::from(interfaces), across_peering }
}

/// Interfaces by tag and by account.
struct MemberIndex {
    tags: std::collections::BTreeMap<String, Vec<InterfaceId>>,
    accounts: std::collections::BTreeMap<String, Vec<InterfaceId>>,
}

impl MemberIndex {
    fn of(resolver: &Resolver<'_>) -> Self {
        let mut index = Self { tags: Default::default(), accounts: Default::default() };
        for (position, interface) in resolver.network.interfaces.iter().enumerate() {
            let id = InterfaceId::at(position);
            for tag in &interface.tags {
                index.tags.entry(tag.clone()).or_default().push(id);
            }
            if let Some(account) = &interface.account {
                index.accounts.entry(account.clone()).or_default().push(id);
            }
        }
        index
    }

    fn tagged(&self, tag: &str) -> Vec<InterfaceId> {
        self.tags.get(tag).cloned().unwrap_or_default()
    }

    fn of_account(&self, account: &str) -> Vec<InterfaceId> {
        self.accounts.get(account).cloned().unwrap_or_default()
    }
}
