//! What is asked of a network, and what comes of it.

use netwright_model::source::Sources;

use super::{Ask, Made, Probe, Probed, Seen, Which, questions};
use crate::agents::{Hosts, Registration, Report};

const NETWORK: &str = "
vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }
filters: { f: { rules: [ { direction: egress }, { direction: ingress, protocol: tcp, port: 80 } ] } }
instances:
  a: { subnet: s, address: 10.0.0.10, filters: f }
  b: { subnet: s, address: 10.0.0.11, filters: f }
expect:
  web: { from: a, to: b, service: tcp/80 }
  closed: { from: a, to: b, service: tcp/22, outcome: blocked }
  names: { from: a, to: b, service: udp/53, outcome: blocked }
";

fn ask(which: &Which) -> Ask {
    ask_of(NETWORK, which)
}

fn ask_of(network: &str, which: &Which) -> Ask {
    let network = netwright_model::load("n.yaml", network, &mut Sources::default()).unwrap();
    let Made { questions, not_asked, why_not } = questions(&network, which);
    Ask { id: "1".to_owned(), revision: 7, at: 0, questions, not_asked, why_not }
}

fn hosts(probed: Option<Probed>) -> Hosts {
    let underlay = [198, 18, 0, 1].into();
    let host = Registration { host: "h".to_owned(), underlay, labels: Default::default() };
    let report = Report { host: "h".to_owned(), probed, ..Report::default() };
    Hosts {
        joined: [("h".to_owned(), host)].into(),
        present: ["h".to_owned()].into(),
        reports: [("h".to_owned(), report)].into(),
    }
}

#[test]
fn intents_become_questions_and_what_is_not_seen_is_unknown() {
    let ask = ask(&Which::Intents(Vec::new()));
    let told: Vec<_> = ask.questions.iter().map(|q| (q.port, q.predicted)).collect();
    assert_eq!(told, [(Some(80), true), (Some(22), false)]);
    assert_eq!((ask.not_asked, ask.questions[0].place.as_str()), (1, "instance/a"));
    let nothing = Probe::of(&ask, &hosts(None));
    assert!(!nothing.complete && nothing.unknown == 2 && nothing.confirmed == 0);
    let nobody = Probe::of(&ask, &Hosts::default());
    assert!(nobody.complete && nobody.hosts.is_empty() && nobody.confirmed == 0);
    let seen = |number: u32, answered| Seen { number, answered, why: None };
    let saw = |revision, seen| {
        let probed = Probed { id: "1".to_owned(), revision, seen };
        let found = Probe::of(&ask, &hosts(Some(probed)));
        assert!(found.complete);
        (found.confirmed, found.refuted, found.unknown)
    };
    assert_eq!(saw(7, vec![seen(0, Some(true)), seen(1, Some(false))]), (2, 0, 0));
    assert_eq!(saw(7, vec![seen(0, Some(false)), seen(1, None)]), (0, 1, 1));
    assert_eq!(saw(6, vec![seen(0, Some(true))]), (0, 0, 2), "of another revision");
}

#[test]
fn pairs_of_machines_are_asked_both_ways() {
    let ask = ask(&Which::Pairs);
    let told: Vec<_> = ask.questions.iter().map(|q| (q.from.as_str(), q.port)).collect();
    assert_eq!(told, [("a", None), ("b", None)]);
    assert!(ask.questions.iter().all(|question| !question.predicted));
}

const OVERLAPPING: &str = "
vpcs:
  v: { subnets: { s: { cidr: 10.0.0.0/24 } } }
  w: { subnets: { t: { cidr: 10.0.0.0/24 } } }
filters: { f: { rules: [ { direction: egress }, { direction: ingress } ] } }
instances:
  a: { subnet: s, address: 10.0.0.10, filters: f }
  b: { subnet: s, address: 10.0.0.11, filters: f }
  c: { subnet: t, address: 10.0.0.11, filters: f }
  d: { subnet: t, address: 10.0.0.12, filters: f }
expect:
  apart: { from: a, to: c, service: tcp/80, outcome: blocked }
  nobody: { from: a, to: d, service: tcp/80, outcome: blocked }
  own: { from: a, to: b, service: tcp/80 }
";

#[test]
fn where_vpcs_share_an_address_the_one_of_the_askers_vpc_is_asked() {
    let told = |ask: &Ask| -> Vec<(String, String, bool)> {
        let one = |q: &super::Question| (q.from.clone(), q.to.clone(), q.predicted);
        ask.questions.iter().map(one).collect()
    };
    let row = |from: &str, to: &str, works| (from.to_owned(), to.to_owned(), works);
    let intents = ask_of(OVERLAPPING, &Which::Intents(Vec::new()));
    // Nobody in the asker's VPC has the address of d: that nothing is answered is seen.
    assert_eq!(told(&intents), [row("a", "d", false), row("a", "b", true)]);
    let left: Vec<_> =
        intents.why_not.iter().map(|one| (one.intent.as_deref(), &*one.why)).collect();
    assert_eq!(left, [(Some("apart"), "10.0.0.11 is also in VPC v, where b has it")]);
    assert_eq!((intents.not_asked, &*intents.why_not[0].first), (1, "a → c (10.0.0.11) tcp/80"));
    let pairs = ask_of(OVERLAPPING, &Which::Pairs);
    let works = |(from, to): (&str, &str)| row(from, to, true);
    let seen: Vec<_> = told(&pairs).into_iter().filter(|(.., works)| *works).collect();
    assert_eq!(seen, [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")].map(works));
    assert!(pairs.why_not.iter().all(|one| one.why.starts_with("10.0.0.11 is also in VPC")));
}

#[test]
fn what_packets_could_not_tell_is_left_out_with_the_reason() {
    let network = "
vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 }, t: { cidr: 10.0.1.0/24 } } } }
filters: { f: { rules: [ { direction: egress }, { direction: ingress } ] } }
instances:
  a: { subnet: s, address: 10.0.0.10, filters: f }
  b: { filters: f, interfaces: { one: { subnet: s, address: 10.0.0.11 }, two: { subnet: t, address: 10.0.1.11 } } }
load_balancers:
  l: { vpc: v, nodes: { n: { subnet: s, addresses: [10.0.0.80] } }, listeners: { web: { on: tcp/80, to: [g] } }, backends: { g: { port: tcp/80, targets: [ { target: a } ] } } }
expect:
  names: { from: a, to: b, service: udp/53 }
  second: { from: a, to: 10.0.1.11, service: tcp/80 }
  front: { from: b, to: l, service: tcp/80 }
";
    let ask = ask_of(network, &Which::Intents(Vec::new()));
    let left = |intent: &str| -> Vec<&str> {
        let own = ask.why_not.iter().filter(|one| one.intent.as_deref() == Some(intent));
        own.map(|one| &*one.why).collect()
    };
    assert_eq!(left("names"), ["of UDP nothing comes back where nobody listens"]);
    assert_eq!(left("second"), ["machines ask and answer by their first interface"]);
    assert_eq!(left("front")[0], "which backend a load balancer chose is not seen from one end");
    assert!(ask.questions.is_empty());
}
