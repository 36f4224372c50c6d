//! Rules that are never reached, allowed already, given twice, refer to nobody, or open too much.

use netwright_model::language::{Action, Attachment, Direction};
use netwright_model::network::{AddressSet, Filter, FilterMember, Network, Rule};
use netwright_model::scalar::{PortRange, ProtocolMatch};

use crate::prover::policy::rule_set;
use crate::space::{Set, Space};

use super::Report;

/// Ports of remote administration: SSH, Telnet, RDP, VNC, `WinRM`.
const ADMINISTRATION: [u16; 6] = [22, 23, 3389, 5900, 5985, 5986];
/// Ports of databases and caches.
const DATABASES: [u16; 9] = [1433, 1521, 3306, 5432, 6379, 9042, 9200, 11211, 27017];

pub(super) fn check(network: &Network, report: &mut Report) {
    let mut space = Space::new();
    for filter in &network.filters {
        for direction in [Direction::Ingress, Direction::Egress] {
            line(filter, direction, &mut space, report);
        }
        // What nothing is attached to says nothing, whoever its rules refer to.
        let idle = filter.attach == Attachment::Interface && filter.members.is_empty();
        for rule in &filter.rules {
            if !idle {
                nobody(rule, report);
            }
            if rule.direction == Direction::Ingress && filter.attach != Attachment::Subnet {
                open(filter, rule, report);
            }
        }
    }
}

/// The packets that a rule matches, where that can be said without knowing who is in a group.
fn matched(rule: &Rule, space: &mut Space) -> Option<Set> {
    if rule.targets.is_some() || rule.uncertain.is_some() {
        return None;
    }
    let mut set = rule_set(rule, space);
    for (side, source) in [(&rule.from, true), (&rule.to, false)] {
        if side.any {
            continue;
        }
        let mut ranges = Vec::new();
        for member in &side.members {
            match member {
                FilterMember::Prefix(prefix) => ranges.push((prefix.first(), prefix.last())),
                FilterMember::Range(first, last) => ranges.push((*first, *last)),
                FilterMember::Interfaces { .. }
                | FilterMember::Internet
                | FilterMember::Unknown(_) => {
                    return None;
                }
            }
        }
        let addresses = if source { space.src_ranges(ranges) } else { space.dst_ranges(ranges) };
        set = space.and(set, addresses);
    }
    Some(set)
}

fn line(filter: &Filter, direction: Direction, space: &mut Space, report: &mut Report) {
    let rules: Vec<&Rule> = filter.rules_for(direction).map(|(_, rule)| rule).collect();
    let sets: Vec<Option<Set>> = rules.iter().map(|rule| matched(rule, space)).collect();
    let mut decided = Set::EMPTY;
    for (index, (rule, set)) in rules.iter().zip(&sets).enumerate() {
        // Nobody can remove it, so there is nothing to say about it.
        if rule.implied {
            continue;
        }
        if let Some(twin) = rules[..index].iter().find(|other| same(other, rule)) {
            let message =
                format!("{} of {} says the same as {}", called(rule), filter.name, called(twin));
            report
                .add("NW-FLT-003", rule.span, message, "remove one of the two")
                .and(twin.span, "the other rule");
            continue;
        }
        let Some(set) = *set else { continue };
        if filter.ordered {
            if !set.is_empty() && space.is_subset(set, decided) {
                shadowed(filter, rule, &rules[..index], &sets[..index], space, report);
            }
            decided = space.or(decided, set);
        } else if rule.action == Action::Allow {
            let cover = rules.iter().zip(&sets).enumerate().find(|(place, (other, own))| {
                let smaller = own.is_some_and(|own| own != set && space.is_subset(set, own));
                *place != index && other.action == Action::Allow && smaller
            });
            if let Some((_, (other, _))) = cover {
                let message = format!(
                    "{} of {} allows nothing that {} does not",
                    called(rule),
                    filter.name,
                    other.name
                );
                report
                    .add("NW-FLT-002", rule.span, message, "remove it, or narrow the other one")
                    .and(other.span, "the other rule");
            }
        }
    }
}

fn shadowed(
    filter: &Filter,
    rule: &Rule,
    earlier: &[&Rule],
    sets: &[Option<Set>],
    space: &mut Space,
    report: &mut Report,
) {
    let own = matched(rule, space).unwrap_or(Set::EMPTY);
    let by: Vec<&Rule> = earlier
        .iter()
        .zip(sets)
        .filter(|(_, set)| set.is_some_and(|set| space.intersects(set, own)))
        .map(|(rule, _)| *rule)
        .collect();
    let names: Vec<String> = by.iter().map(|rule| called(rule)).collect();
    let message = format!(
        "{} of {} is never reached: {} decides every packet before it",
        called(rule),
        filter.name,
        names.join(", ")
    );
    let opposite = by.iter().any(|other| other.action != rule.action);
    let remedy = if opposite {
        format!(
            "if {} is meant as an exception, give it a lower number than {}",
            called(rule),
            names.join(", ")
        )
    } else {
        "remove it".to_owned()
    };
    let finding = report.add("NW-FLT-001", rule.span, message, remedy);
    for other in by {
        finding.and(other.span, called(other));
    }
}

/// Whether two rules agree in the whole tuple.
fn same(a: &Rule, b: &Rule) -> bool {
    (a.direction, a.action, a.protocol, a.icmp) == (b.direction, b.action, b.protocol, b.icmp)
        && (&a.source_ports, &a.ports, &a.from, &a.to)
            == (&b.source_ports, &b.ports, &b.from, &b.to)
        && a.targets == b.targets
        && a.uncertain == b.uncertain
}

fn nobody(rule: &Rule, report: &mut Report) {
    for side in [&rule.from, &rule.to] {
        for member in &side.members {
            if let FilterMember::Interfaces { label, interfaces, .. } = member
                && interfaces.is_empty()
            {
                let message = format!("{} refers to {label}, which nothing is in", called(rule));
                report.add("NW-FLT-004", rule.span, message, "attach it, or remove the rule");
            }
        }
    }
}

/// A rule as it is called in a sentence.
fn called(rule: &Rule) -> String {
    if rule.name.starts_with("rule ") { rule.name.clone() } else { format!("rule {}", rule.name) }
}

fn everyone(side: &AddressSet) -> bool {
    let all = |member: &FilterMember| match member {
        FilterMember::Prefix(prefix) => prefix.length() == 0,
        FilterMember::Internet => true,
        FilterMember::Range(..) | FilterMember::Interfaces { .. } | FilterMember::Unknown(_) => {
            false
        }
    };
    side.any || side.members.iter().any(all)
}

fn open(filter: &Filter, rule: &Rule, report: &mut Report) {
    let tcp = rule.protocol.matches(6) && rule.icmp.kind.is_none();
    if rule.action != Action::Allow || rule.implied || !tcp || !everyone(&rule.from) {
        return;
    }
    let all = [PortRange::ALL];
    let ranges: &[PortRange] = if rule.ports.is_empty() { &all } else { &rule.ports };
    let whole = ranges.contains(&PortRange::ALL);
    let holds = |ports: &[u16]| -> Vec<String> {
        ports
            .iter()
            .filter(|port| ranges.iter().any(|r| r.contains(**port)))
            .map(ToString::to_string)
            .collect()
    };
    let what = match (rule.protocol, whole) {
        (ProtocolMatch::Any, true) => Some("everything".to_owned()),
        (ProtocolMatch::Number(_), true) => Some("every TCP port".to_owned()),
        _ => None,
    };
    for (id, kind, ports) in [
        ("NW-FLT-005", "administration", &ADMINISTRATION[..]),
        ("NW-FLT-006", "databases", &DATABASES[..]),
    ] {
        let named = holds(ports);
        if named.is_empty() || (what.is_some() && id == "NW-FLT-006") {
            continue;
        }
        let ports = what.clone().unwrap_or_else(|| format!("tcp {}", named.join(", ")));
        let message = format!(
            "{} of {} opens {ports} to every address, {kind} included",
            called(rule),
            filter.name
        );
        report.add(id, rule.span, message, "name the sources that need it");
    }
}
