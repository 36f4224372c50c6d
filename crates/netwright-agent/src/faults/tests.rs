#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it cannot go on")]

use netwright_control::agents::Registration;
use netwright_control::compile::Compiler;
use netwright_control::faults::{Effect, NewFault, Pair, Way};
use netwright_model::network::Network;
use netwright_model::network::resolve::resolve;
use netwright_model::parse_description;

use super::{Orders, table};
use crate::part::Planner;

const NETWORK: &str = "
vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }
filters: { f: { rules: [ { direction: egress }, { direction: ingress } ] } }
instances:
  a: { subnet: s, address: 10.0.0.10, filters: f }
  b: { subnet: s, address: 10.0.0.11, filters: f }
  c: { subnet: s, address: 10.0.0.12, filters: f }
";

fn network() -> Network {
    resolve(parse_description("test", NETWORK, &mut Default::default()).unwrap()).unwrap()
}

fn hosts() -> Vec<Registration> {
    let host = |number: u8| Registration {
        host: format!("h{number}"),
        underlay: [198, 18, 0, number].into(),
        labels: Default::default(),
    };
    (1..4).map(host).collect()
}

fn between(from: &str, to: &str) -> NewFault {
    let pairs = vec![Pair { from: from.to_owned(), to: to.to_owned() }];
    NewFault { title: "t".to_owned(), pairs, ..NewFault::default() }
}

#[test]
fn the_host_of_the_router_between_two_machines_is_told_and_no_other() {
    let worked = Planner.fault("f1", &network(), &hosts(), &between("a", "b")).unwrap();
    assert_eq!(worked.orders.len(), 1, "{:?}", worked.orders.keys());
    let orders = worked.orders.values().next().unwrap().clone();
    let orders: Orders = serde_json::from_value(orders).unwrap();
    assert_eq!(orders.rules.len(), 1);
    assert_eq!(orders.rules[0].namespace, "vpc/v");
    assert!(orders.rules[0].text.starts_with(&format!("table inet {} {{", table("f1"))));
    let held: String =
        orders.maps.iter().flat_map(|maps| &maps.elements).map(|(key, _)| key.clone()).collect();
    assert!(held.contains("10.0.0.10") && held.contains("10.0.0.11"), "{held}");
    assert!(!held.contains("10.0.0.12"), "{held}");
    assert_eq!(worked.pairs, [("a".to_owned(), "b".to_owned())].into());
    assert_eq!(worked.all_pairs, 3);
    let hosts = worked.hosts.len();
    assert!((1..=3).contains(&hosts), "the router's host and those of the two: {hosts}");
}

#[test]
fn one_way_is_cut_one_way_and_what_is_protected_is_said() {
    let there = NewFault { direction: Way::There, effect: Effect::Reset, ..between("a", "b") };
    let worked = Planner.fault("f", &network(), &hosts(), &there).unwrap();
    let orders = worked.orders.values().next().unwrap().clone();
    let orders: Orders = serde_json::from_value(orders).unwrap();
    assert!(orders.maps.iter().all(|maps| maps.map.contains("_there_")), "{:?}", orders.maps);
    let spared = NewFault { protect: vec!["subnet:s".to_owned()], ..between("a", "b") };
    let worked = Planner.fault("f", &network(), &hosts(), &spared).unwrap();
    assert_eq!(worked.protected, ["a".to_owned(), "b".to_owned()].into());
}

#[test]
fn everything_that_names_nothing_is_told_at_once() {
    let wrong = NewFault {
        services: vec!["tcp/none".to_owned()],
        protect: vec!["zone:x".to_owned()],
        ..between("a", "bb")
    };
    let said = Planner.fault("f", &network(), &hosts(), &wrong).unwrap_err();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("`bb` names nothing of this network: is `b` meant?"), "{said:?}");
    let same = Planner.fault("f", &network(), &hosts(), &between("a", "a")).unwrap_err();
    assert!(same[0].contains("are one endpoint"), "{same:?}");
}
