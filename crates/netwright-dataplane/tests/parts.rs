//! Parts of networks that are spread over hosts.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use netwright_dataplane::plan::hosts::{Place, fleet};
use netwright_dataplane::plan::{HostPlan, plan};
use netwright_model::decode_description;
use netwright_model::generate::{Plan, Shape, generate};
use netwright_model::network::resolve::resolve;
use netwright_model::source::FileId;
use netwright_model::tree::{Limits, yaml};
use proptest::prelude::*;

fn places(hosts: u8) -> Vec<Place> {
    (1..=hosts)
        .map(|n| Place { host: format!("host/h{n}"), address: [198, 18, 0, n].into() })
        .collect()
}

fn example(name: &str) -> HostPlan {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let root = yaml::parse(&text, FileId::default(), &Limits::default()).unwrap();
    plan(&resolve(decode_description(&root).unwrap()).unwrap())
}

/// What all hosts have together.
fn together(whole: &HostPlan, hosts: &[Place]) -> HostPlan {
    let mut sum =
        HostPlan { left_out: whole.left_out.clone(), hosts: whole.hosts, ..HostPlan::default() };
    let mut links = BTreeMap::new();
    for place in hosts {
        let part = whole.part(&place.host);
        sum.namespaces.extend(part.namespaces);
        sum.tasks.extend(part.tasks);
        sum.calls.extend(part.calls);
        for link in part.links {
            // Halves are of one link.
            let same = links.insert((link.a.clone(), link.b.clone()), link.clone());
            assert!(same.is_none_or(|same| same == link && link.over.is_some()));
        }
    }
    sum.links = links.into_values().collect();
    sum.namespaces.sort_by(|one, other| one.name.cmp(&other.name));
    sum.tasks.sort_by(|one, other| one.key().cmp(&other.key()));
    sum.calls.sort_by(|one, other| (&one.service, &one.name).cmp(&(&other.service, &other.name)));
    sum
}

/// Compares without the order of tasks and calls.
fn same(whole: &HostPlan, hosts: &[Place]) {
    let mut whole_sorted = whole.clone();
    whole_sorted.tasks.sort_by(|one, other| one.key().cmp(&other.key()));
    let by = |one: &netwright_dataplane::plan::Call| (one.service.clone(), one.name.clone());
    whole_sorted.calls.sort_by_key(by);
    whole_sorted.links.sort_by(|one, other| one.a.cmp(&other.a).then_with(|| one.b.cmp(&other.b)));
    assert_eq!(together(whole, hosts), whole_sorted);
}

#[test]
fn the_quickstarts_part_of_one_of_two_hosts_has_its_halves_of_links_to_the_other() {
    let whole = fleet(example("quickstart/network.yaml"), &places(2));
    insta::assert_snapshot!(format!("{}\n{}", whole.part("host/h1"), whole.part("host/h2")));
}

#[test]
fn every_namespace_of_the_examples_is_on_one_host_and_the_parts_are_the_whole() {
    for name in [
        "quickstart/network.yaml",
        "load-balancers/network.yaml",
        "ticket-3291/reported.yaml",
        "staging-egress/works.yaml",
    ] {
        let hosts = places(5);
        let whole = fleet(example(name), &hosts);
        assert!(whole.namespaces.iter().all(|one| one.host.is_some()), "{name}");
        same(&whole, &hosts);
    }
}

#[test]
fn a_host_more_takes_and_moves_nothing_between_the_others() {
    let order = Plan { shape: Shape::ManySmallVpcs, instances: 200, seed: 3, ..Plan::default() };
    let bare = plan(&resolve(generate(&order)).unwrap());
    let home = |plan: &HostPlan| -> BTreeMap<String, Option<String>> {
        plan.namespaces.iter().map(|one| (one.name.clone(), one.host.clone())).collect()
    };
    let (few, more) = (fleet(bare.clone(), &places(4)), fleet(bare, &places(5)));
    let (few, more) = (home(&few), home(&more));
    let moved: BTreeSet<_> =
        more.iter().filter(|(name, host)| few.get(*name) != Some(host)).map(|(_, h)| h).collect();
    assert_eq!(moved, BTreeSet::from([&Some("host/h5".to_owned())]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_parts_of_all_hosts_are_the_whole(seed in 0_u64..1000, hosts in 1_u8..9, shape in 0_usize..4) {
        let shape = [Shape::Flat, Shape::HubAndSpoke, Shape::ManySmallVpcs, Shape::GroupReferences][shape];
        let order = Plan { shape, instances: 40, seed, ..Plan::default() };
        let hosts = places(hosts);
        let whole = fleet(plan(&resolve(generate(&order)).unwrap()), &hosts);
        same(&whole, &hosts);
    }
}
