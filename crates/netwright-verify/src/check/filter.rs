//! Rules that are never reached, superfluous, contradictory, given twice, for nobody, or open too much; filters that nothing uses.

mod answers;
mod cover;
mod open;
mod place;
mod quota;

use std::collections::{BTreeMap, BTreeSet};

use netwright_model::diagnostic::Severity;
use netwright_model::language::{Action, Attachment, Direction};
use netwright_model::network::{Filter, FilterId, FilterMember, Network, Rule, SubnetId};

use netwright_model::source::Span;

use crate::prover::Prover;
use crate::space::{Set, Space};

use super::Report;
use cover::Line;

pub(super) fn check(prover: &mut Prover<'_>, report: &mut Report) {
    let network = prover.network;
    let mut space = Space::new();
    let used = Used::of(network);
    let mut outside = open::Outside::of(network);
    for (index, filter) in network.filters.iter().enumerate() {
        let id = FilterId::at(index);
        // What nothing is attached to decides nothing; how its rules stand to each other still matters to whoever attaches it.
        let idle = !used.is_used(id, filter);
        if idle && !filter.elsewhere {
            unused(filter, report);
        }
        for direction in [Direction::Ingress, Direction::Egress] {
            line(network, filter, (direction, used.is_shared(id)), &mut space, report);
        }
        if !idle {
            // A description without machines says nothing of who is in a group.
            let described = network.interfaces.iter().any(|row| !row.provider_side);
            for rule in filter.rules.iter().filter(|_| described) {
                nobody(network, filter, rule, report);
            }
            place::check(network, filter, used.subnets(id), report);
            open::check(prover, id, &mut outside, report);
        }
    }
    answers::check(prover, &used, report);
    quota::check(network, report);
}

/// Where filters are used.
struct Used {
    /// Subnets that have the filter.
    subnets: Vec<Vec<SubnetId>>,
    vpcs: Vec<bool>,
    /// Another ordered filter of the same tier is asked together with it.
    shared: Vec<bool>,
}

impl Used {
    fn of(network: &Network) -> Self {
        let count = network.filters.len();
        let mut used = Self {
            subnets: vec![Vec::new(); count],
            vpcs: vec![false; count],
            shared: vec![false; count],
        };
        for (index, subnet) in network.subnets.iter().enumerate() {
            for id in &subnet.filters {
                used.subnets[id.index()].push(SubnetId::at(index));
            }
        }
        for vpc in &network.vpcs {
            for id in &vpc.filters {
                used.vpcs[id.index()] = true;
            }
        }
        let subnets = network.subnets.iter().map(|row| &row.filters);
        let vpcs = network.vpcs.iter().map(|row| &row.filters);
        let interfaces = network.interfaces.iter().map(|row| &row.filters);
        for together in subnets.chain(vpcs).chain(interfaces).filter(|list| list.len() > 1) {
            let mut tiers: BTreeMap<u32, Vec<FilterId>> = BTreeMap::new();
            for id in together {
                tiers.entry(network[*id].tier).or_default().push(*id);
            }
            for id in tiers.into_values().filter(|ids| ids.len() > 1).flatten() {
                used.shared[id.index()] = true;
            }
        }
        used
    }

    fn is_used(&self, id: FilterId, filter: &Filter) -> bool {
        match filter.attach {
            Attachment::Interface => !filter.members.is_empty(),
            Attachment::Subnet => !self.subnets[id.index()].is_empty(),
            Attachment::Vpc => self.vpcs[id.index()],
        }
    }

    fn is_shared(&self, id: FilterId) -> bool {
        self.shared[id.index()]
    }

    fn subnets(&self, id: FilterId) -> &[SubnetId] {
        &self.subnets[id.index()]
    }
}

fn unused(filter: &Filter, report: &mut Report) {
    let what = match filter.attach {
        Attachment::Interface => "interface",
        Attachment::Subnet => "subnet",
        Attachment::Vpc => "VPC",
    };
    let message = format!("filter {} is attached to no {what}", filter.name);
    let remedy = if filter.provided {
        "it came with its VPC and nobody can remove it: it may stay"
    } else {
        "attach it, or remove it"
    };
    report.add("NW-FLT-007", filter.span, message, remedy);
}

/// What two rules must agree in to say the same: everything but the action.
fn tuple(rule: &Rule) -> String {
    let side = |side: &netwright_model::network::AddressSet| {
        let mut members: Vec<String> =
            side.members.iter().map(|member| format!("{member:?}")).collect();
        members.sort_unstable();
        (side.any, members)
    };
    format!(
        "{:?}",
        (
            (rule.protocol, rule.icmp, &rule.source_ports, &rule.ports),
            (side(&rule.from), side(&rule.to), &rule.targets, &rule.uncertain),
        )
    )
}

fn line(
    network: &Network,
    filter: &Filter,
    (direction, shared): (Direction, bool),
    space: &mut Space,
    report: &mut Report,
) {
    let mut rules: Vec<&Rule> = filter.rules_for(direction).map(|(_, rule)| rule).collect();
    if rules.is_empty() {
        return;
    }
    if !filter.ordered {
        // Without order any deny wins, then any allow.
        rules.sort_by_key(|rule| rule.action != Action::Deny);
    }
    // The same again is told as such, and takes no further part.
    let mut parts: BTreeMap<Part<'_>, usize> = BTreeMap::new();
    for rule in &rules {
        *parts.entry(part(rule)).or_default() += 1;
    }
    let mut found = Report::default();
    let mut known: BTreeMap<String, &Rule> = BTreeMap::new();
    rules.retain(|rule| match known.get(&tuple(rule)) {
        // Two tags that nobody has are still two tags.
        Some(first)
            if rule.uncertain.is_none()
                && !rule.implied
                && rule.targets.as_ref().is_none_or(|list| !list.is_empty()) =>
        {
            again(filter, rule, first, &mut found);
            false
        }
        Some(_) => true,
        None => {
            known.insert(tuple(rule), rule);
            true
        }
    });
    let line = Line::of(network, rules, space);
    let told = never_reached(filter, &line, space, &mut found);
    if filter.ordered {
        if !shared {
            changes_nothing(filter, &line, &told, space, &mut found);
        }
    } else {
        allowed_already(filter, &line, &told, space, &mut found);
    }
    whole(found, &parts, report);
}

/// What several rules have in common that were written as one, with several protocols for example: where, and under which name.
type Part<'a> = (Span, &'a str, u32);

fn part(rule: &Rule) -> Part<'_> {
    (rule.span, &rule.name, rule.priority)
}

/// Takes over what is found of whole rules: of one that was written as one and became several, only where it is found of all of them.
fn whole(found: Report, parts: &BTreeMap<Part<'_>, usize>, report: &mut Report) {
    let mut by_place: BTreeMap<Span, usize> = BTreeMap::new();
    for (key, count) in parts.iter().filter(|(key, count)| **count > 1 && key.0.is_some()) {
        *by_place.entry(key.0).or_default() += count;
    }
    let mut counted: BTreeMap<Span, usize> = BTreeMap::new();
    for finding in &found.findings {
        *counted.entry(finding.span).or_default() += 1;
    }
    let mut seen: BTreeSet<Span> = BTreeSet::new();
    for finding in found.findings {
        match by_place.get(&finding.span) {
            None => report.findings.push(finding),
            Some(count) => {
                let all = counted.get(&finding.span) == Some(count);
                if all && seen.insert(finding.span) {
                    report.findings.push(finding);
                }
            }
        }
    }
}

fn again(filter: &Filter, rule: &Rule, first: &Rule, report: &mut Report) {
    let (own, other) = (called(rule), called(first));
    if rule.action == first.action {
        let message = format!("{own} of {} says the same as {other}", filter.name);
        report
            .add("NW-FLT-003", rule.span, message, "remove one of the two")
            .and(first.span, "the other rule");
    } else {
        let message = format!(
            "{own} of {} would {} what {other} has decided to {}",
            filter.name,
            word(rule.action),
            word(first.action)
        );
        report
            .add(
                "NW-FLT-008",
                rule.span,
                message,
                "decide which of the two is meant, and remove the other",
            )
            .and(first.span, "the rule that decides");
    }
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Allow => "allow",
        Action::Deny => "deny",
        Action::Next => "pass on",
    }
}

/// Rules before which others decide every packet; and rules that match nothing. The positions of those that are told.
fn never_reached(
    filter: &Filter,
    line: &Line<'_>,
    space: &mut Space,
    report: &mut Report,
) -> BTreeSet<usize> {
    let mut decided = Set::EMPTY;
    let mut told = BTreeSet::new();
    for (index, rule) in line.rules.iter().enumerate() {
        // Denies come first where there is no order; among allows no one is before another.
        let before = if filter.ordered {
            index
        } else if rule.action == Action::Deny {
            0
        } else {
            line.rules.iter().take_while(|other| other.action == Action::Deny).count()
        };
        let plain = line.plain[index];
        // Nobody can remove an implied rule, so there is nothing to say about it.
        if !rule.implied && line.is_certain(index) && line.has_somebody(index) {
            if line.is_empty(index, space) {
                if somebody(rule) {
                    empty(filter, rule, report);
                    told.insert(index);
                }
            } else if before > 0 && space.is_subset(plain, decided) {
                let earlier: Vec<usize> = (0..before).collect();
                if line.is_plain(index) || line.is_covered(index, &earlier, space) {
                    let by = earlier.into_iter().filter(|other| line.meets(index, *other, space));
                    let by: Vec<&Rule> = by.map(|other| line.rules[other]).collect();
                    shadowed(filter, rule, &by, report);
                    told.insert(index);
                }
            }
        }
        if filter.ordered || rule.action == Action::Deny {
            decided = space.or(decided, plain);
        }
    }
    told
}

/// Whether the groups that a rule names have members: a reference to nobody is told as such.
fn somebody(rule: &Rule) -> bool {
    [&rule.from, &rule.to].into_iter().all(|side| {
        side.members.iter().all(|member| match member {
            FilterMember::Interfaces { interfaces, .. } => !interfaces.is_empty(),
            _ => true,
        })
    })
}

fn empty(filter: &Filter, rule: &Rule, report: &mut Report) {
    let message = format!("{} of {} matches no packet", called(rule), filter.name);
    let remedy = "its protocol, ports and addresses exclude each other: correct or remove it";
    report.add("NW-FLT-013", rule.span, message, remedy);
}

/// Names of rules in a sentence: the first few, and how many more.
fn list(rules: &[&Rule]) -> String {
    const SHOWN: usize = 4;
    let names: Vec<String> = rules.iter().take(SHOWN).map(|rule| called(rule)).collect();
    match rules.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn shadowed(filter: &Filter, rule: &Rule, by: &[&Rule], report: &mut Report) {
    let names = list(by);
    let decide = if by.len() == 1 { "decides" } else { "decide" };
    let message = format!(
        "{} of {} is never reached: {names} {decide} every packet before it",
        called(rule),
        filter.name
    );
    let opposite: Vec<&Rule> =
        by.iter().copied().filter(|other| other.action != rule.action).collect();
    let remedy = if opposite.is_empty() {
        "remove it".to_owned()
    } else if filter.ordered {
        let first = list(&opposite);
        format!("if {} is meant as an exception, give it a lower number than {first}", called(rule))
    } else {
        "remove it, or narrow the rules that deny".to_owned()
    };
    let finding = report.add("NW-FLT-001", rule.span, message, remedy);
    for other in by.iter().take(8) {
        finding.and(other.span, called(other));
    }
}

/// Rules of a filter without order that others make superfluous together.
fn allowed_already(
    filter: &Filter,
    line: &Line<'_>,
    told: &BTreeSet<usize>,
    space: &mut Space,
    report: &mut Report,
) {
    let allows: Vec<usize> = (0..line.rules.len())
        .filter(|rule| line.rules[*rule].action == Action::Allow && !told.contains(rule))
        .collect();
    // What a deny takes away, no other rule need allow.
    let denies: Vec<usize> =
        (0..line.rules.len()).filter(|rule| line.rules[*rule].action == Action::Deny).collect();
    let denied = space.union_all(denies.iter().map(|rule| line.plain[*rule]));
    // What the rules after each one match of nobody in particular.
    let mut after = vec![Set::EMPTY; allows.len() + 1];
    for (place, rule) in allows.iter().enumerate().rev() {
        after[place] = space.or(after[place + 1], line.plain[*rule]);
    }
    let mut before = Set::EMPTY;
    for (place, index) in allows.iter().enumerate() {
        let (rule, plain) = (line.rules[*index], line.plain[*index]);
        let others = space.or(before, after[place + 1]);
        let others = space.or(others, denied);
        before = space.or(before, plain);
        if rule.implied
            || !line.is_certain(*index)
            || !somebody(rule)
            || !space.is_subset(plain, others)
        {
            continue;
        }
        let beside = allows.iter().chain(&denies).copied();
        let rest: Vec<usize> = beside.filter(|other| other != index).collect();
        if rest.is_empty() || !(line.is_plain(*index) || line.is_covered(*index, &rest, space)) {
            continue;
        }
        let whole: Option<usize> = allows
            .iter()
            .copied()
            .filter(|other| other != index)
            .find(|other| line.is_covered(*index, &[*other], space));
        let by: Vec<&Rule> = match whole {
            Some(other) => vec![line.rules[other]],
            None => {
                let others = allows.iter().filter(|other| *other != index);
                let met = others.filter(|other| line.meets(*index, **other, space));
                met.map(|other| line.rules[*other]).collect()
            }
        };
        superfluous(filter, rule, &by, report);
    }
}

fn superfluous(filter: &Filter, rule: &Rule, by: &[&Rule], report: &mut Report) {
    let what = match rule.action {
        Action::Allow => "allows nothing",
        Action::Deny => "denies nothing",
        Action::Next => "passes nothing on",
    };
    let do_not = if by.len() == 1 { "does not" } else { "do not" };
    let message = format!("{} of {} {what} that {} {do_not}", called(rule), filter.name, list(by));
    let finding = report.add("NW-FLT-002", rule.span, message, "remove it, or narrow the others");
    for other in by.iter().take(8) {
        finding.and(other.span, called(other));
    }
}

/// Rules of an ordered filter after which the next ones would decide the same. Only where all that is asked is known: no groups, no other
/// filter between the rules.
fn changes_nothing(
    filter: &Filter,
    line: &Line<'_>,
    told: &BTreeSet<usize>,
    space: &mut Space,
    report: &mut Report,
) {
    let count = line.rules.len();
    if filter.incomplete.is_some()
        || !(0..count).all(|rule| line.is_plain(rule) && line.is_certain(rule))
    {
        return;
    }
    // What the rules from each one on decide, by action. What the provider put there and the default are left out: to write them
    // down is good practice.
    let actions = [Action::Allow, Action::Deny, Action::Next];
    let mut later = vec![[Set::EMPTY; 3]; count + 1];
    for index in (0..count).rev() {
        let (rule, own) = (line.rules[index], line.plain[index]);
        for (place, action) in actions.iter().enumerate() {
            let rest = later[index + 1][place];
            later[index][place] = match (rule.implied, rule.action == *action) {
                (true, _) => rest,
                (false, true) => space.or(rest, own),
                (false, false) => space.minus(rest, own),
            };
        }
    }
    let mut before = Set::EMPTY;
    for (index, rule) in line.rules.iter().enumerate() {
        let own = space.minus(line.plain[index], before);
        before = space.or(before, line.plain[index]);
        let place = actions.iter().position(|action| *action == rule.action).unwrap_or(0);
        let same = later[index + 1][place];
        if !rule.implied && !told.contains(&index) && !own.is_empty() && space.is_subset(own, same)
        {
            let by: Vec<&Rule> = (index + 1..count)
                .filter(|other| line.rules[*other].action == rule.action)
                .filter(|other| space.intersects(own, line.plain[*other]))
                .map(|other| line.rules[other])
                .collect();
            superfluous(filter, rule, &by, report);
        }
    }
}

fn nobody(network: &Network, filter: &Filter, rule: &Rule, report: &mut Report) {
    // A group that something has which is not described here is not empty.
    let elsewhere = |label: &str| {
        let named = label.strip_prefix("group:");
        let mut own = network.filters.iter().filter(|own| own.elsewhere);
        named.is_some_and(|name| own.any(|filter| filter.name == name))
    };
    for side in [&rule.from, &rule.to] {
        for member in &side.members {
            if let FilterMember::Interfaces { label, interfaces, .. } = member
                && interfaces.is_empty()
                && !elsewhere(label)
            {
                let message = format!(
                    "{} of {} refers to {label}, which nothing is in",
                    called(rule),
                    filter.name
                );
                report.add("NW-FLT-004", rule.span, message, "attach it, or remove the rule");
            }
        }
    }
    if rule.targets.as_ref().is_some_and(Vec::is_empty) && !rule.implied {
        let message = format!(
            "{} of {} is for interfaces with a tag or account that none has",
            called(rule),
            filter.name
        );
        let remedy = "give an interface the tag, or remove the rule";
        // Machines that come and go have it while they are there.
        report.add("NW-FLT-004", rule.span, message, remedy).severity = Severity::Info;
    }
}

/// A rule as it is called in a sentence.
fn called(rule: &Rule) -> String {
    if rule.name.starts_with("rule ") { rule.name.clone() } else { format!("rule {}", rule.name) }
}

#[cfg(test)]
mod tests;
