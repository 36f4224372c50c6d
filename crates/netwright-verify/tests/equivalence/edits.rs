//! All pairs gone on from those before a change are all pairs from scratch, whatever the change.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_model::network::Network;
use netwright_verify::flow::Flows;
use netwright_verify::prover::Prover;
use netwright_verify::reach::{Member, Outside, Reach, Relation};

use super::random::Random;
use super::{Run, load, many, networks};

/// Peers that a rule may come to name: old ranges and new ones, in part inside others, and whom other rules name.
const PEERS: [&str; 12] = [
    "any",
    "internet",
    "10.0.0.0/30",
    "10.0.1.4/31",
    "10.0.0.5/32",
    "10.0.0.3-10.0.1.6",
    "203.0.113.0/25",
    "172.16.0.0/26",
    "0.0.0.0/1",
    "2001:db8:1::4/126",
    "group:f1",
    "group:f2",
];

/// A text in which an instance is a member of one filter more, or of one less.
fn with_member(random: &mut Random, lines: &mut [String]) {
    let is_filter = |line: &&String| line.starts_with("  f") && line.contains("attach: interface");
    let names = |line: &String| line.trim_start().split(':').next().map(str::to_owned);
    let filters: Vec<String> = lines.iter().filter(is_filter).filter_map(names).collect();
    let is_instance = |line: &String| line.starts_with("  i") && line.contains("{ subnet:");
    let instances: Vec<usize> = (0..lines.len()).filter(|at| is_instance(&lines[*at])).collect();
    let (Some(at), Some(filter)) = (random.any(&instances), random.any(&filters)) else { return };
    let line = &mut lines[at];
    if let Some(start) = line.find(", filters: [") {
        let end = line[start..].find(']').map_or(start, |length| start + length + 1);
        let own = line[start..end].to_owned();
        let more = format!(", filters: [{filter}, {}", &own[", filters: [".len()..]);
        let only = format!(", filters: [{filter}]");
        let new = [String::new(), more, only];
        *line = line.replace(&own, &random.of(&new));
    } else {
        *line = line.replace("{ subnet:", &format!("{{ filters: [{filter}], subnet:"));
    }
}

/// A rule's line with another peer on one side.
fn with_peer(random: &mut Random, line: &str) -> String {
    let peer = random.of(&PEERS);
    let side = random.of(&["from", "to"]);
    let head = format!("{side}: [");
    match line.find(&head) {
        Some(start) => {
            let place = start + head.len();
            format!("{}'{peer}', {}", &line[..place], &line[place..])
        }
        None => line.replacen(" }", &format!(", {side}: ['{peer}'] }}"), 1),
    }
}

/// A text with one line of rules, routes, instances or peerings changed, added or left out.
pub(super) fn edited(random: &mut Random, text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if random.percent(25) {
        with_member(random, &mut lines);
        return lines.join("\n");
    }
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
    match random.below(8) {
        5 | 6 => lines[at] = with_peer(random, &lines[at]),
        7 => {
            let new = with_peer(random, &lines[other]);
            lines.insert(at, new);
        }
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

/// First addresses of the pieces into which two answers together cut the outside.
fn cuts(answers: [&Reach; 2]) -> BTreeSet<(Outside, IpAddr)> {
    let members = answers.into_iter().flat_map(|reach| reach.groups.iter());
    let members = members.flat_map(|group| &group.members);
    let ranges = members.filter_map(|member| match member {
        Member::Outside(whose, first, last) => Some((*whose, *first, *last)),
        Member::Interface(..) | Member::Serverless(_) => None,
    });
    let next = |address: IpAddr| match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|n| IpAddr::V6(n.into())),
    };
    ranges
        .flat_map(|(whose, first, last)| [Some(first), next(last)].map(|a| (whose, a)))
        .filter_map(|(whose, address)| Some((whose, address?)))
        .collect()
}

/// Somebody inside, somebody outside by an address, and whether the packets go out.
type Crossing = (Member, (Outside, IpAddr), bool);

/// What passes from and to the outside, by the outside's pieces.
fn outside(reach: &Reach, cuts: &BTreeSet<(Outside, IpAddr)>) -> BTreeMap<Crossing, Flows> {
    let mut all = BTreeMap::new();
    let pieces = |member: &Member| -> Vec<(Outside, IpAddr)> {
        let Member::Outside(whose, first, last) = member else { return Vec::new() };
        cuts.range((*whose, *first)..=(*whose, *last)).copied().collect()
    };
    for entry in reach.entries() {
        for a in &reach.groups[entry.src].members {
            for b in &reach.groups[entry.dst].members {
                let out = pieces(b).into_iter().map(|piece| ((*a, piece, true), entry.flows));
                let back = pieces(a).into_iter().map(|piece| ((*b, piece, false), entry.flows));
                let is_inside = |member: &Member| !matches!(member, Member::Outside(..));
                all.extend(out.filter(|_| is_inside(a)));
                all.extend(back.filter(|_| is_inside(b)));
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
        kept += usize::from(change.goes_on());
        reach = prover.reach_after(&change, &reach).unwrap();
        let space = std::mem::take(&mut prover.space);
        let mut fresh = Prover::in_space(network, space);
        let scratch = fresh.reach().unwrap();
        prover.space = fresh.into_space();
        assert_eq!(spelled_out(network, &reach), spelled_out(network, &scratch), "{text}");
        let cuts = cuts([&reach, &scratch]);
        assert_eq!(outside(&reach, &cuts), outside(&scratch, &cuts), "{text}");
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
