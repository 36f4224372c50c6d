//! All pairs gone on from those before a change are all pairs from scratch, whatever the change.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netwright_model::network::Network;
use netwright_verify::flow::Flows;
use netwright_verify::prover::Prover;
use netwright_verify::reach::{Member, Reach, Relation};

use super::random::Random;
use super::{Run, load, many, networks};

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

/// Goes on through several changes, one after another, and says how many networks were compared and how many of the changes used what was
/// there.
fn go_on(random: &mut Random, network: fn(&mut Random) -> String) -> (usize, usize) {
    let (mut asked, mut kept) = (0, 0);
    let mut text = network(random);
    let Some(first) = load(&text) else { return (0, 0) };
    let mut versions: Vec<(String, Network)> = Vec::new();
    for _ in 0..3 {
        let changed = edited(random, &text);
        let Some(network) = load(&changed) else { continue };
        versions.push((changed.clone(), network));
        text = changed;
    }
    let mut prover = Prover::new(&first);
    let mut reach = prover.reach().unwrap();
    for (text, network) in &versions {
        let (next, change) = prover.go_on(network);
        prover = next;
        asked += 1;
        kept += usize::from(change.is_of_rules());
        reach = prover.reach_after(&change, &reach).unwrap();
        let space = std::mem::take(&mut prover.space);
        let mut fresh = Prover::in_space(network, space);
        let scratch = fresh.reach().unwrap();
        prover.space = fresh.into_space();
        assert_eq!(spelled_out(network, &reach), spelled_out(network, &scratch), "{text}");
        if reach.groups.len() == scratch.groups.len() {
            assert_eq!(outside(&reach), outside(&scratch), "{text}");
        }
    }
    (asked, kept)
}

#[test]
fn all_pairs_after_changes_are_all_pairs_from_scratch() {
    let (asked, kept) = gone_on_is_from_scratch(Run::given());
    assert!(kept * 3 > asked, "only {kept} of {asked} changes used what was there");
}

/// How many changes were asked, and how many of them used what was there.
pub(super) fn gone_on_is_from_scratch(run: Run) -> (usize, usize) {
    let mut random = run.random(0xED17);
    let (mut asked, mut kept) = (0, 0);
    while asked < run.cases / 50 {
        let network = if random.percent(70) { networks::network } else { many::network };
        let (more, of_rules) = go_on(&mut random, network);
        (asked, kept) = (asked + more, kept + of_rules);
    }
    eprintln!("{kept} of {asked} changes used what was there");
    (asked, kept)
}
