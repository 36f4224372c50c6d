#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it cannot go on")]

use netwright_control::agents::Registration;
use netwright_control::compile::Compiler;
use netwright_control::faults::{Effect, Names, NewFault, Pair, Slow, Way};
use netwright_lab::faults::Strike;
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
    let met = &orders.rules[0].text;
    assert!(met.contains("10.0.0.10") && met.contains("10.0.0.11"), "{met}");
    assert!(!met.contains("10.0.0.12"), "{met}");
    let switches: Vec<&str> = orders.maps.iter().map(|maps| maps.map.as_str()).collect();
    assert_eq!(switches, ["f0_in", "f0_out"], "what puts it on, where packets come and go");
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
    let met = &orders.rules[0].text;
    assert!(met.contains("set f0_there_in4") && !met.contains("f0_back"), "{met}");
    let spared = NewFault { protect: vec!["subnet:s".to_owned()], ..between("a", "b") };
    let worked = Planner.fault("f", &network(), &hosts(), &spared).unwrap();
    assert_eq!(worked.protected, ["a".to_owned(), "b".to_owned()].into());
}

#[test]
fn what_is_done_to_processes_is_told_to_their_host_and_concerns_all_pairs_of_the_endpoint() {
    let text = NETWORK.replace("0.11, filters: f", "0.11, filters: f, exec: [ { run: sleep 1 } ]");
    let runs = resolve(parse_description("test", &text, &mut Default::default()).unwrap()).unwrap();
    let asked = NewFault {
        title: "t".to_owned(),
        effect: Effect::Stop,
        endpoints: vec!["b".to_owned()],
        process: Some("sleep".to_owned()),
        protect: vec!["b".to_owned()],
        ..NewFault::default()
    };
    let worked = Planner.fault("f", &runs, &hosts(), &asked).unwrap();
    assert_eq!(worked.orders.len(), 1);
    let orders = worked.orders.values().next().unwrap().clone();
    let orders: Orders = serde_json::from_value(orders).unwrap();
    let struck = orders.processes.unwrap();
    assert_eq!((struck.namespaces, struck.how), (vec!["instance/b".to_owned()], Strike::Kill));
    assert!(orders.rules.is_empty());
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(worked.pairs, [pair("a", "b"), pair("b", "c")].into());
    assert_eq!(worked.protected, ["b".to_owned()].into());
    // Where agents run nothing, nothing can be struck.
    let none = Planner.fault("f", &network(), &hosts(), &asked).unwrap_err();
    assert_eq!(none, ["agents run nothing on b"]);
}

#[test]
fn a_slow_link_is_told_to_the_hosts_of_its_two_ends_each_with_its_own_way() {
    let slow = Slow { latency_us: 200_000, ..Slow::default() };
    let asked = NewFault {
        title: "t".to_owned(),
        effect: Effect::Slow,
        endpoints: vec!["b".to_owned()],
        slow: Some(slow),
        seed: Some(7),
        ..NewFault::default()
    };
    let told = |asked: &NewFault| -> Vec<(String, bool)> {
        let worked = Planner.fault("f", &network(), &hosts(), asked).unwrap();
        let orders = worked.orders.into_values();
        let orders = orders.map(|own| serde_json::from_value::<Orders>(own).unwrap());
        let slow = orders.flat_map(|own| own.slow);
        let mut all: Vec<(String, bool)> = slow
            .inspect(|own| assert_eq!(own.condition.latency, 200_000))
            .map(|own| (own.namespace, own.back))
            .collect();
        all.sort();
        all
    };
    let (own, router) = (("instance/b".to_owned(), false), ("vpc/v".to_owned(), true));
    assert_eq!(told(&asked), [own.clone(), router.clone()]);
    assert_eq!(told(&NewFault { direction: Way::There, ..asked.clone() }), [own]);
    assert_eq!(told(&NewFault { direction: Way::Back, ..asked.clone() }), [router]);
    let none = NewFault { slow: Some(Slow { jitter_us: 300_000, ..slow }), ..asked };
    assert!(Planner.fault("f", &network(), &hosts(), &none).is_err(), "jitter beyond the latency");
}

#[test]
fn the_name_server_that_answers_an_endpoint_is_told_what_to_do_wrong() {
    let zone = "dns_zones: { internal: { vpcs: v, records: [ { name: b, value: 10.0.0.11 } ] } }\n";
    let text = format!("{NETWORK}{zone}");
    let named =
        resolve(parse_description("test", &text, &mut Default::default()).unwrap()).unwrap();
    let names = Names { names: vec!["b.internal.".to_owned()], ..Names::default() };
    let asked = NewFault {
        title: "t".to_owned(),
        effect: Effect::Dns,
        endpoints: vec!["a".to_owned()],
        names: Some(names),
        ..NewFault::default()
    };
    let worked = Planner.fault("f", &named, &hosts(), &asked).unwrap();
    let orders = worked.orders.into_values().next().unwrap();
    let orders: Orders = serde_json::from_value(orders).unwrap();
    let [own] = orders.misled.as_slice() else { panic!("{orders:?}") };
    assert_eq!(own.namespace, "vpc/v");
    assert!(own.trouble.concerns([10, 0, 0, 10].into(), "b.internal"));
    assert!(!own.trouble.concerns([10, 0, 0, 12].into(), "b.internal"), "it is asked by c");
    let none = Planner.fault("f", &network(), &hosts(), &asked).unwrap_err();
    assert_eq!(none, ["no name server of the network answers these endpoints"]);
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
