//! A VPC's filters as a ruleset of its router.
//!
//! In the forward chain stateless checks come first, for they are asked about answers too; then what belongs to a known connection passes;
//! then the stateful checks. Each check is one look-up of the link in a verdict map that leads to the chain of a policy, so that what a
//! packet meets does not grow with the number of interfaces.

mod cells;
mod packed;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_model::language::{Action, Direction};
use netwright_model::network::{
    AddressSet, FilterId, FilterMember, InterfaceId, Network, Rule, SubnetId, VpcId,
};
use netwright_model::scalar::{Prefix, ProtocolMatch};
use netwright_verify::space::protocol;

use super::build::Build;
use super::intervals;
use super::nft::{self, Set, Table, quoted};
use super::vpc::link_of;
use cells::cells;
use packed::Run;

/// Puts each VPC's ruleset on its router.
pub(super) fn rulesets(build: &mut Build<'_>) {
    let network = build.network;
    let mut of_vpc: BTreeMap<VpcId, Vec<InterfaceId>> = BTreeMap::new();
    for id in (0..network.interfaces.len()).map(InterfaceId::at) {
        of_vpc.entry(network[network[id].subnet].vpc).or_default().push(id);
    }
    for index in 0..network.vpcs.len() {
        let vpc = VpcId::at(index);
        let interfaces = of_vpc.remove(&vpc).unwrap_or_default();
        let mut writer = Writer::new(build, vpc, interfaces);
        let text = writer.write();
        let left_out = std::mem::take(&mut writer.left_out);
        for what in left_out {
            build.leave_out(what);
        }
        let name = build.router(vpc);
        if let Some(router) = build.get(&name) {
            router.ruleset = text;
        }
    }
}

/// Addresses of a group's members, and the name of their set.
type Members = (Vec<IpAddr>, String);

/// One check: which interfaces or subnets ask which policy.
type Checks = BTreeMap<String, String>;

struct Writer<'b, 'n> {
    build: &'b Build<'n>,
    network: &'n Network,
    vpc: VpcId,
    interfaces: Vec<InterfaceId>,
    /// Chains by name, each a list of lines.
    chains: BTreeMap<String, Vec<String>>,
    /// Names of policies' chains.
    policies: BTreeMap<(Vec<FilterId>, Direction, Option<SubnetId>), String>,
    /// Sets of rules and of groups' members.
    sets: Vec<Set>,
    /// The set of a group's members, by its reference and family.
    groups: BTreeMap<(String, bool), Vec<Members>>,
    /// The VPC-level chains exist once for all interfaces.
    left_out: BTreeSet<String>,
}

impl<'b, 'n> Writer<'b, 'n> {
    fn new(build: &'b Build<'n>, vpc: VpcId, interfaces: Vec<InterfaceId>) -> Self {
        Self {
            build,
            network: build.network,
            vpc,
            interfaces,
            chains: BTreeMap::new(),
            policies: BTreeMap::new(),
            sets: Vec::new(),
            groups: BTreeMap::new(),
            left_out: BTreeSet::new(),
        }
    }

    fn write(&mut self) -> String {
        let mut stateless = Vec::new();
        let mut stateful = Vec::new();
        let mut maps: Vec<(String, Checks)> = Vec::new();
        for direction in [Direction::Egress, Direction::Ingress] {
            for level in [Level::Subnet, Level::Interface, Level::Vpc] {
                let (without, with) = self.checks(level, direction);
                for (kept, checks) in [(false, without), (true, with)] {
                    if !checks.is_empty() {
                        let near =
                            if direction == Direction::Egress { "iifname" } else { "oifname" };
                        let map = format!("checks{}", maps.len());
                        let line = format!("{near} vmap @{map}");
                        maps.push((map, checks));
                        if kept { stateful.push(line) } else { stateless.push(line) }
                    }
                }
            }
        }
        let mut table = Table::new();
        self.write_own(&mut table);
        for set in &self.sets {
            table.put(set);
        }
        for (name, lines) in &self.chains {
            table.chain(name, lines);
        }
        // A map's verdicts lead to chains, which are there by now.
        for (name, checks) in &maps {
            let all = checks.iter().map(|(link, chain)| format!("\"{link}\" : jump {chain}"));
            table.map(name, "ifname : verdict", &all.collect::<Vec<_>>());
        }
        let known = (!stateful.is_empty()).then(|| nft::KNOWN.to_owned());
        let forward = self.itself().into_iter().chain(stateless).chain(known).chain(stateful);
        table.hook("forward", nft::PASSED_ON, forward);
        if let Some(marks) = self.build.marks.get(&self.vpc).filter(|marks| !marks.is_empty()) {
            let marks: Vec<String> =
                marks.iter().map(|(link, mark)| format!("\"{link}\" : {mark}")).collect();
            table.map("tables", "ifname : mark", &marks);
            let mut lines = vec!["meta mark set iifname map @tables".to_owned()];
            lines.extend(self.returning());
            table.hook("marks", nft::BEFORE_ROUTING, lines);
        }
        table.finish()
    }

    /// What a balancer's node passed on with its client's address is answered through the node, wherever routes lead that address.
    fn returning(&self) -> Vec<String> {
        let nodes = self.build.returning.get(&self.vpc).map_or(&[][..], Vec::as_slice);
        let mut lines = Vec::new();
        for node in nodes {
            if node.own.is_empty() {
                let link = &node.link;
                lines.push(format!("iifname \"{link}\" ct state new ct mark set {}", node.mark));
            }
            for (word, v6) in [("ip", false), ("ip6", true)] {
                let own = node.own.iter().filter(|address| address.is_ipv6() == v6);
                let own: Vec<String> = own.map(ToString::to_string).collect();
                if !own.is_empty() {
                    lines.push(format!(
                        "iifname \"{}\" ct state new {word} saddr != {{ {} }} ct mark set {}",
                        node.link,
                        own.join(", "),
                        node.mark
                    ));
                }
            }
        }
        if !lines.is_empty() {
            lines.push("ct direction reply ct mark != 0 meta mark set ct mark".to_owned());
        }
        lines
    }

    /// A machine takes no packets of its own address that come over the network, as one does that is its own balancer's backend.
    fn itself(&self) -> Vec<String> {
        let nodes = self.build.returning.get(&self.vpc).map_or(&[][..], Vec::as_slice);
        let drop = |node: &super::balancers::Returning| {
            [("ip", "own4"), ("ip6", "own6")].map(|(word, own)| {
                format!("iifname \"{}\" oifname . {word} saddr @{own} drop", node.link)
            })
        };
        let nodes = nodes.iter().filter(|node| !node.own.is_empty());
        nodes.flat_map(drop).collect()
    }

    /// Which link holds which address: a packet that comes in by a link from its own address has come straight from there.
    fn write_own(&self, table: &mut Table) {
        for (name, v6) in [("own4", false), ("own6", true)] {
            let kind = if v6 { "ipv6_addr" } else { "ipv4_addr" };
            let elements: Vec<String> = self
                .interfaces
                .iter()
                .flat_map(|id| {
                    let row = &self.network[*id];
                    let own = row.addresses.iter().filter(move |a| a.is_ipv6() == v6);
                    let link = link_of(*id);
                    own.map(move |address| format!("\"{link}\" . {address}"))
                })
                .collect();
            let kind = format!("ifname . {kind}");
            table.put(&Set {
                name: name.to_owned(),
                kind,
                intervals: false,
                counts: false,
                elements,
            });
        }
    }

    /// The checks of a level: those of stateless policies, and those of stateful ones.
    fn checks(&mut self, level: Level, direction: Direction) -> (Checks, Checks) {
        let (mut without, mut with) = (Checks::new(), Checks::new());
        for id in self.interfaces.clone() {
            let row = &self.network[id];
            let (filters, subnet) = match level {
                Level::Subnet => (&self.network[row.subnet].filters, Some(row.subnet)),
                Level::Interface => (&row.filters, None),
                Level::Vpc if row.provider_side => continue,
                Level::Vpc => (&self.network[self.vpc].filters, None),
            };
            if filters.is_empty() {
                continue;
            }
            let stateful = filters.iter().all(|filter| self.network[*filter].stateful);
            let chain = self.policy(filters, direction, subnet);
            let checks = if stateful { &mut with } else { &mut without };
            checks.insert(link_of(id), chain);
        }
        (without, with)
    }

    /// The chain of a policy. It returns where the policy allows.
    fn policy(
        &mut self,
        filters: &[FilterId],
        direction: Direction,
        subnet: Option<SubnetId>,
    ) -> String {
        let key = (filters.to_vec(), direction, subnet);
        if let Some(known) = self.policies.get(&key) {
            return known.clone();
        }
        let base = format!("policy{}", self.policies.len());
        self.policies.insert(key, base.clone());
        let mut tiers: Vec<u32> = filters.iter().map(|id| self.network[*id].tier).collect();
        tiers.sort_unstable();
        tiers.dedup();
        for (position, tier) in tiers.iter().enumerate() {
            let members: Vec<FilterId> =
                filters.iter().copied().filter(|id| self.network[*id].tier == *tier).collect();
            let next = (position + 1 < tiers.len()).then(|| format!("{base}t{}", position + 1));
            let mut lines = Vec::new();
            if position == 0
                && let Some(subnet) = subnet
                && !self.network[self.vpc].facts.subnet_filters_inside
            {
                lines.extend(self.inside(subnet, direction));
            }
            let name = if position == 0 { base.clone() } else { format!("{base}t{position}") };
            self.tier(&members, direction, (&name, next.as_deref()), &mut lines);
            self.chains.insert(name, lines);
        }
        base
    }

    /// A subnet's filters are not asked inside it.
    fn inside(&self, subnet: SubnetId, direction: Direction) -> Option<String> {
        let links: Vec<String> = self
            .interfaces
            .iter()
            .filter(|id| self.network[**id].subnet == subnet)
            .map(|id| format!("\"{}\"", link_of(*id)))
            .collect();
        let far = if direction == Direction::Egress { "oifname" } else { "iifname" };
        (!links.is_empty()).then(|| format!("{far} {{ {} }} return", links.join(", ")))
    }

    fn tier(
        &mut self,
        members: &[FilterId],
        direction: Direction,
        (chain, next): (&str, Option<&str>),
        lines: &mut Vec<String>,
    ) {
        let network = self.network;
        let mut rules: Vec<(FilterId, &Rule)> = Vec::new();
        for id in members {
            rules.extend(network[*id].rules_for(direction).map(|(_, rule)| (*id, rule)));
        }
        rules.sort_by_key(|(id, rule)| {
            let ordered = network[*id].ordered;
            let strictness = match rule.action {
                Action::Deny => 0,
                Action::Allow => 1,
                Action::Next => 2,
            };
            let (priority, name) =
                if ordered { (rule.priority, rule.name.as_str()) } else { (0, "") };
            (!ordered, priority, strictness, name)
        });
        let verdict = |action: Action| match action {
            Action::Allow => "return".to_owned(),
            Action::Deny => "drop".to_owned(),
            Action::Next => next.map_or_else(|| "drop".to_owned(), |next| format!("goto {next}")),
        };
        let mut runs: Vec<(String, Run)> = Vec::new();
        for (id, rule) in rules {
            let verdict = verdict(rule.action);
            if runs.last().is_none_or(|(last, _)| *last != verdict) {
                runs.push((verdict.clone(), Run::default()));
            }
            let name = quoted(&format!("{}: {}", network[id].name, rule.name));
            let matching = match cells(rule) {
                Some(cells) => {
                    runs.last_mut()
                        .into_iter()
                        .for_each(|(_, run)| run.cells(cells.clone(), &name));
                    continue;
                }
                None => self.matching(id, rule, direction),
            };
            for matching in matching {
                let line = format!("{matching}counter {verdict} comment \"{name}\"");
                runs.last_mut().into_iter().for_each(|(_, run)| run.line(line.clone()));
            }
        }
        for (verdict, run) in runs {
            run.finish(chain, &verdict, &mut self.sets, lines);
        }
        for id in members {
            if let Some(why) = &network[*id].incomplete {
                self.left_out.insert(format!("filter {}: {why}", network[*id].name));
            }
        }
        let defaults: Vec<Action> =
            members.iter().map(|id| network[*id].default_action(direction)).collect();
        let default = [Action::Allow, Action::Next]
            .into_iter()
            .find(|action| defaults.contains(action))
            .unwrap_or(Action::Deny);
        let names: Vec<&str> = members.iter().map(|id| network[*id].name.as_str()).collect();
        let name = quoted(&format!("{}: default", names.join(" ")));
        lines.push(format!("counter {} comment \"{name}\"", verdict(default)));
    }

    /// What a rule matches, as the beginnings of lines; none where it matches nothing.
    fn matching(&mut self, filter: FilterId, rule: &Rule, direction: Direction) -> Vec<String> {
        if let Some(why) = &rule.uncertain {
            let name = &self.network[filter].name;
            self.left_out.insert(format!("rule {} of {name}: {why}", rule.name));
            return Vec::new();
        }
        let names_ports = !rule.source_ports.is_empty() || !rule.ports.is_empty();
        let names_types = rule.icmp.kind.is_some() || rule.icmp.code.is_some();
        if names_ports && names_types {
            return Vec::new();
        }
        let mut lines = Vec::new();
        let sides = (self.side(&rule.from, true), self.side(&rule.to, false));
        let layer4 = layer4(rule, names_ports, names_types);
        let targets = rule.targets.as_ref().map(|targets| {
            let links: Vec<String> = targets
                .iter()
                .filter(|id| self.network[self.network[**id].subnet].vpc == self.vpc)
                .map(|id| format!("\"{}\"", link_of(*id)))
                .collect();
            (links.is_empty(), links.join(", "))
        });
        let near = if direction == Direction::Egress { "iifname" } else { "oifname" };
        let targets = match targets {
            Some((true, _)) => return Vec::new(),
            Some((false, links)) => format!("{near} {{ {links} }} "),
            None => String::new(),
        };
        let (from, to) = sides;
        for source in &from {
            for destination in &to {
                if source.family.zip(destination.family).is_some_and(|(a, b)| a != b) {
                    continue;
                }
                for part in &layer4 {
                    lines.push(format!("{targets}{}{}{part}", source.text, destination.text));
                }
            }
        }
        lines
    }

    /// The alternatives of one side of a rule.
    fn side(&mut self, side: &AddressSet, source: bool) -> Vec<Side> {
        if side.any {
            return vec![Side { family: None, text: String::new() }];
        }
        let field = if source { "saddr" } else { "daddr" };
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let mut alternatives = Vec::new();
        for member in &side.members {
            match member {
                FilterMember::Prefix(prefix) => {
                    let range = (prefix.first(), prefix.last());
                    if prefix.is_v4() { &mut v4 } else { &mut v6 }.push(range);
                }
                FilterMember::Range(first, last) => {
                    if first.is_ipv4() { &mut v4 } else { &mut v6 }.push((*first, *last));
                }
                FilterMember::Interfaces { label, interfaces, across_peering } => {
                    alternatives.extend(self.group(label, interfaces, *across_peering, source));
                }
                FilterMember::Internet => alternatives.extend(self.internet(field)),
                FilterMember::Unknown(what) => {
                    self.left_out.insert(format!("{what}: it may match anything"));
                }
            }
        }
        for (family, word, members) in [(false, "ip", v4), (true, "ip6", v6)] {
            if !members.is_empty() {
                let text = format!("{word} {field} {} ", intervals::addresses(members));
                alternatives.push(Side { family: Some(family), text });
            }
        }
        alternatives
    }

    /// References to groups: addresses of the interfaces, as long as nothing lies between but one peering that references cross.
    fn group(
        &mut self,
        label: &str,
        interfaces: &[InterfaceId],
        across: bool,
        source: bool,
    ) -> Vec<Side> {
        let (field, link) = if source { ("saddr", "iifname") } else { ("daddr", "oifname") };
        let peers = self.build.peers.get(&self.vpc).map_or(&[][..], Vec::as_slice);
        let network = self.network;
        let of = |vpc: VpcId, v6: bool| -> Vec<IpAddr> {
            let members = interfaces
                .iter()
                .filter(|id| network[network[**id].subnet].vpc == vpc)
                .flat_map(|id| &network[*id].addresses)
                .filter(|address| address.is_ipv6() == v6);
            members.copied().collect()
        };
        let mut sides = Vec::new();
        for (v6, word, own) in [(false, "ip", "own4"), (true, "ip6", "own6")] {
            if v6 && !self.build.v6 {
                continue;
            }
            // A group whose members are elsewhere has its set too: one that comes here is an element more.
            let here = self.members(label, v6, of(self.vpc, v6));
            sides.push(Side {
                family: Some(v6),
                text: format!("{link} . {word} {field} @{own} {word} {field} @{here} "),
            });
            if !v6 {
                sides.extend(self.passed_on(interfaces, link));
            }
            for (peer, vpc) in peers.iter().filter(|_| across) {
                let there = of(*vpc, v6);
                if !there.is_empty() {
                    let there = self.members(&format!("{label} over {peer}"), v6, there);
                    let text = format!("{link} \"{peer}\" {word} {field} @{there} ");
                    sides.push(Side { family: Some(v6), text });
                }
            }
        }
        sides
    }

    /// A balancer's node that is in a group is known by its link: what it passes on has its client's address.
    fn passed_on(&self, interfaces: &[InterfaceId], link: &str) -> Option<Side> {
        let nodes = self.build.returning.get(&self.vpc)?;
        let own = interfaces.iter().map(|id| link_of(*id));
        let own: Vec<String> = own
            .filter(|own| nodes.iter().any(|node| node.link == *own))
            .map(|own| format!("\"{own}\""))
            .collect();
        let text = format!("{link} {{ {} }} ", own.join(", "));
        (!own.is_empty()).then_some(Side { family: None, text })
    }

    /// The set of a group's members. References that read the same and mean others (of another account) have sets of their own.
    fn members(&mut self, label: &str, v6: bool, mut members: Vec<IpAddr>) -> String {
        members.sort_unstable();
        members.dedup();
        let sets = self.groups.len();
        let known = self.groups.entry((label.to_owned(), v6)).or_default();
        if let Some((_, name)) = known.iter().find(|(own, _)| *own == members) {
            return name.clone();
        }
        let name = format!("group{sets}_{}", known.len());
        let elements = members.iter().map(ToString::to_string).collect();
        known.push((members, name.clone()));
        let kind = if v6 { "ipv6_addr" } else { "ipv4_addr" };
        self.sets.push(Set {
            name: name.clone(),
            kind: kind.to_owned(),
            intervals: false,
            counts: false,
            elements,
        });
        name
    }

    /// Every address of the Internet: those that exist there and are nobody's here.
    fn internet(&self, field: &str) -> Vec<Side> {
        let mut inside: Vec<Prefix> =
            self.network.vpcs.iter().flat_map(|vpc| vpc.cidrs.iter().copied()).collect();
        inside.extend(self.network.sites.iter().flat_map(|site| site.cidrs.iter().copied()));
        for external in self.network.externals.iter().filter(|e| !e.attached.is_empty()) {
            inside.extend(self.network[external.endpoint].prefixes.iter().copied());
        }
        inside.extend(super::outside::not_global());
        let (v4, v6): (Vec<Prefix>, Vec<Prefix>) = inside.iter().partition(|p| p.is_v4());
        let not = if v6.is_empty() {
            String::new()
        } else {
            format!("ip6 {field} != {} ", intervals::prefixes(&v6))
        };
        vec![
            Side {
                family: Some(false),
                text: format!("ip {field} != {} ", intervals::prefixes(&v4)),
            },
            Side { family: Some(true), text: format!("ip6 {field} 2000::/3 {not}") },
        ]
    }
}

#[derive(Debug, Clone, Copy)]
enum Level {
    Subnet,
    Interface,
    Vpc,
}

/// An alternative of one side of a rule: the family it is for, and its text.
struct Side {
    family: Option<bool>,
    text: String,
}

/// Protocol, ports and ICMP fields of a rule, as alternatives.
fn layer4(rule: &Rule, names_ports: bool, names_types: bool) -> Vec<String> {
    let numbers: Vec<u8> = (0..=u8::MAX).filter(|number| rule.protocol.matches(*number)).collect();
    if names_types {
        let kinds = [(protocol::ICMP, "icmp"), (protocol::ICMPV6, "icmpv6")];
        return kinds
            .iter()
            .filter(|(number, _)| numbers.contains(number))
            .map(|(number, word)| {
                let kind = rule.icmp.kind.map(|kind| format!("{word} type {kind} "));
                let code = rule.icmp.code.map(|code| format!("{word} code {code} "));
                format!(
                    "meta l4proto {number} {}{}",
                    kind.unwrap_or_default(),
                    code.unwrap_or_default()
                )
            })
            .collect();
    }
    let wanted: Vec<String> = numbers
        .iter()
        .filter(|number| !names_ports || protocol::has_ports(**number))
        .map(ToString::to_string)
        .collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    if matches!(rule.protocol, ProtocolMatch::Any) && !names_ports {
        return vec![String::new()];
    }
    let mut text = match wanted.as_slice() {
        [only] => format!("meta l4proto {only} "),
        several => format!("meta l4proto {{ {} }} ", several.join(", ")),
    };
    for (field, ranges) in [("sport", &rule.source_ports), ("dport", &rule.ports)] {
        if !ranges.is_empty() {
            text.push_str(&format!("th {field} {} ", intervals::ports(ranges)));
        }
    }
    vec![text]
}
