//! All pairs gone on from those before a change are all pairs from scratch, whatever the change.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netwright_model::network::Network;
use netwright_verify::flow::Flows;
use netwright_verify::prover::Prover;
use netwright_verify::reach::{Member, Reach, Relation};

use super::random::Random;
use super::{load, networks, number};

/// A text with one line of rules, routes, instances or peerings changed, added or left out.
pub(super) fn edited(random: &mut Random, text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let is_rule = |line: &String| line.trim_start().starts_with("{ direction:");
    let rules: Vec<usize> = (0..lines.len()).filter(|at| is_rule(&lines[*at])).collect();
    if rules.is_empty() || random.percent(15) {
        // Anything at all.
        let at = random.below(lines.len());
        if random.percent(50) {
            lines.remove(at);
        } else {
            lines[at] = lines[at].replace("running: false", "running: true").replace("/24", "/25");
        }
        return lines.join("\n");
    }
    let (at, other) = (random.of(&rules), random.of(&rules));
    match random.below(5) {
        0 => {
            lines.remove(at);
        }
        1 => lines[at] = lines[other].clone(),
        2 => lines.insert(at, lines[other].clone()),
        3 => lines[at] = lines[at].replace("action: allow", "action: deny"),
        _ => lines[at] = lines[at].replace("ports: [22]", "ports: [23]").replace("tcp", "udp"),
    }
    lines.join("\n")
}

/// Interfaces' addresses, by which groups of two answers are compared.
type Point = (netwright_model::network::InterfaceId, IpAddr);

/// What passes between every two members, by relation.
fn spelled_out(network: &Network, reach: &Reach) -> BTreeMap<(Point, Point), [Flows; 2]> {
    let mut all = BTreeMap::new();
    let points: Vec<Point> = (network.interfaces.iter().enumerate())
        .flat_map(|(at, row)| {
            let id = netwright_model::network::InterfaceId::at(at);
            row.addresses.iter().map(move |address| (id, *address))
        })
        .collect();
    for a in &points {
        for b in points.iter().filter(|b| a != *b) {
            let of = |point: &Point| reach.group_of(&Member::Interface(point.0, point.1));
            let (Some(src), Some(dst)) = (of(a), of(b)) else { continue };
            let same = network[a.0].subnet == network[b.0].subnet;
            let relation = if same { Relation::SameSubnet } else { Relation::OtherSubnet };
            for entry in reach.between(src, dst) {
                if [relation, Relation::Any].contains(&entry.relation) {
                    all.insert((*a, *b), [entry.flows, Flows::NONE]);
                }
            }
        }
    }
    all
}

/// What passes from and to the outside, by the outside's first address.
fn outside(reach: &Reach) -> BTreeMap<(Member, Member), Flows> {
    let mut all = BTreeMap::new();
    let single = |group: usize| reach.groups[group].members.clone();
    for entry in reach.entries() {
        for a in single(entry.src) {
            for b in single(entry.dst) {
                if matches!(a, Member::Interface(..)) == matches!(b, Member::Interface(..)) {
                    continue;
                }
                all.insert((a, b), entry.flows);
            }
        }
    }
    all
}

#[test]
fn all_pairs_after_a_change_are_all_pairs_from_scratch() {
    let cases = number("NETWRIGHT_CASES", 100_000) / 50;
    let mut random = Random(number("NETWRIGHT_SEED", 1) as u64 ^ 0xED17);
    let (mut asked, mut kept) = (0, 0);
    while asked < cases {
        let text = networks::network(&mut random);
        let changed = edited(&mut random, &text);
        let (Some(old), Some(new)) = (load(&text), load(&changed)) else { continue };
        asked += 1;
        let mut prover = Prover::new(&old);
        let before = prover.reach().unwrap();
        let (mut prover, change) = prover.go_on(&new);
        kept += usize::from(change.is_of_rules());
        let after = prover.reach_after(&change, &before).unwrap();
        let mut fresh = Prover::in_space(&new, prover.into_space());
        let scratch = fresh.reach().unwrap();
        assert_eq!(
            spelled_out(&new, &after),
            spelled_out(&new, &scratch),
            "{text}\n--- changed to\n{changed}"
        );
        if after.groups.len() == scratch.groups.len() {
            assert_eq!(outside(&after), outside(&scratch), "{text}\n--- changed to\n{changed}");
        }
    }
    assert!(kept * 20 > asked, "only {kept} of {asked} changes used what was there");
}
