//! DNS zones: loops, aliases that lead nowhere or too far, names that a private zone hides, records that are not their zone's.

use std::collections::BTreeSet;

use netwright_model::network::Network;

use super::Report;
use crate::names::{MOST_ALIASES, Names, Outcome};

pub(super) fn check(network: &Network, report: &mut Report) {
    let names = Names::of(network);
    let mut circles: BTreeSet<BTreeSet<String>> = BTreeSet::new();
    let mut told: BTreeSet<(&'static str, String)> = BTreeSet::new();
    for owner in names.owners() {
        if !owner.inside {
            let message =
                format!("{} stands in zone {} and is no name of it", owner.name, owner.zone);
            let remedy = "move it to its own zone, or write it without the last dot";
            report.add("NW-DNS-004", owner.span, message, remedy);
            continue;
        }
        if !owner.alias || owner.name.starts_with("*.") {
            continue;
        }
        for viewer in &owner.viewers {
            let found = names.resolve(*viewer, owner.name);
            match &found.outcome {
                // Told once, and not for the aliases that only lead into it.
                Outcome::Loop(circle)
                    if circle.first().is_some_and(|first| first == owner.name)
                        && circles.insert(circle.iter().cloned().collect()) =>
                {
                    let message =
                        format!("these names stand for each other: {}", circle.join(" → "));
                    let remedy = "let one of them point to an address";
                    report.add("NW-DNS-001", owner.span, message, remedy);
                }
                // Of a chain the last alias is the one to mend.
                Outcome::NoName { name, .. }
                    if found.used.len() == 1
                        && told.insert(("NW-DNS-002", owner.name.to_owned())) =>
                {
                    let message = format!("{} stands for {name}, which is not there", owner.name);
                    let remedy = "add the name, or remove the alias";
                    report.add("NW-DNS-002", owner.span, message, remedy);
                }
                Outcome::TooLong if told.insert(("NW-DNS-003", owner.name.to_owned())) => {
                    let message =
                        format!("{} goes on over more than {MOST_ALIASES} aliases", owner.name);
                    let remedy = "let it point to the last of them";
                    report.add("NW-DNS-003", owner.span, message, remedy);
                }
                _ => {}
            }
        }
    }
    for hidden in names.hidden() {
        let message = format!(
            "{} is in the public zone and not in the private one of the same name: VPC {} does not find it",
            hidden.name, network[hidden.vpc].name
        );
        let remedy = "add it to the private zone too, if it is wanted there";
        report.add("NW-DNS-005", hidden.span, message, remedy).and(hidden.by, "the private zone");
    }
}
