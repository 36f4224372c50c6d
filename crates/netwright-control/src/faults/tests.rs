#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    Broken, Ended, Fault, Guarded, NewFault, On, Pair, Seen, Standing, State, Worked, addresses,
    refusals,
};
use crate::agents::{Hosts, Registration, Report};

fn asked() -> NewFault {
    let pairs = vec![Pair { from: "a".to_owned(), to: "b".to_owned() }];
    NewFault { title: "t".to_owned(), pairs, ..NewFault::default() }
}

fn fault() -> Fault {
    Fault {
        id: "f".to_owned(),
        asked: asked(),
        request: None,
        by: "k".to_owned(),
        at: 1_000,
        until: 4_000,
        renewal: 0,
        ended: None,
        revision: 1,
        placement: String::new(),
        pairs: [("a".to_owned(), "b".to_owned())].into(),
        orders: [("h1".to_owned(), json!({}))].into(),
        kept: 0,
    }
}

fn worked() -> Worked {
    Worked {
        hosts: ["h1".to_owned()].into(),
        addresses: ["10.0.0.1".parse().unwrap()].into(),
        pairs: [("a".to_owned(), "b".to_owned())].into(),
        all_pairs: 3,
        ..Worked::default()
    }
}

fn host(labels: &[(&str, &str)], underlay: &str) -> Registration {
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Registration { host: "h1".to_owned(), underlay: underlay.parse().unwrap(), labels }
}

#[test]
fn more_pairs_than_half_of_all_or_than_were_allowed_are_refused_with_those_that_are_on() {
    let guarded = Guarded::default();
    assert_eq!(refusals(&asked(), &worked(), &[], &guarded), Vec::<String>::new());
    let other = Fault { pairs: [("b".to_owned(), "c".to_owned())].into(), ..fault() };
    let said = refusals(&asked(), &worked(), &[&other], &guarded);
    assert!(said[0].contains("2 of 3 pairs with those that are on already"), "{said:?}");
    let more = NewFault { most_pairs: Some(2), ..asked() };
    assert_eq!(refusals(&more, &worked(), &[&other], &guarded), Vec::<String>::new());
    let none = NewFault { most_pairs: Some(0), ..asked() };
    assert!(refusals(&none, &worked(), &[], &guarded)[0].contains("the 0 that were allowed"));
}

#[test]
fn what_is_protected_and_what_takes_a_fault_back_is_left_alone() {
    let hosts = vec![host(&[("faults", "never")], "198.18.0.1")];
    let said = refusals(&asked(), &worked(), &[], &Guarded { hosts, ..Guarded::default() });
    assert!(said[0].contains("the host h1 is protected"), "{said:?}");
    let hosts = vec![host(&[("faults", "sometimes")], "10.0.0.1")];
    let said = refusals(&asked(), &worked(), &[], &Guarded { hosts, ..Guarded::default() });
    assert!(said[0].contains("its agent could not take the fault back"), "{said:?}");
    let ways = addresses("etcd://10.0.0.9:2379,10.0.0.1:2379");
    let said = refusals(&asked(), &worked(), &[], &Guarded { ways, ..Guarded::default() });
    assert!(said[0].contains("10.0.0.1 is on the way"), "{said:?}");
    let orders = [("h1".to_owned(), json!({}))].into();
    let away = Guarded { away: ["h1".to_owned()].into(), ..Guarded::default() };
    let said = refusals(&asked(), &Worked { orders, ..worked() }, &[], &away);
    assert!(said[0].contains("the host h1 is away"), "{said:?}");
    let own = Worked { protected: ["a".to_owned()].into(), ..worked() };
    assert_eq!(refusals(&asked(), &own, &[], &Guarded::default()), ["a is protected"]);
}

#[test]
fn a_lease_has_bounds_and_no_host_is_told_of_more() {
    let with = |lease| NewFault { lease_ms: Some(lease), ..asked() }.wrong().is_some();
    assert_eq!([999, 1_000, 60_000, 60_001].map(with), [true, false, false, true]);
    assert_eq!(fault().told("h1", 3_000).unwrap().lease_ms, 1_000);
    assert_eq!(fault().told("h1", 0).unwrap().lease_ms, 3_000, "a clock that went back");
    assert_eq!(fault().told("h1", 4_000), None);
    assert_eq!(fault().told("h2", 3_000), None);
    let ended = Fault { ended: Some(Ended { at: 2_000, by: "k".to_owned() }), ..fault() };
    assert_eq!(ended.told("h1", 3_000), None);
}

#[test]
fn each_effect_is_done_where_it_can_be() {
    let ends = |endpoints: usize, process: Option<&str>| NewFault {
        title: "t".to_owned(),
        effect: super::Effect::Pause,
        endpoints: vec!["a".to_owned(); endpoints],
        process: process.map(str::to_owned),
        ..NewFault::default()
    };
    assert_eq!(ends(1, None).wrong(), None);
    assert_eq!(ends(1, Some("worker")).wrong(), None);
    let long = "x".repeat(257);
    for wrong in [
        ends(0, None),
        ends(1001, None),
        ends(1, Some(" ")),
        ends(1, Some(&long)),
        NewFault { pairs: asked().pairs, ..ends(1, None) },
        NewFault { endpoints: vec!["a".to_owned()], ..asked() },
        NewFault { process: Some("worker".to_owned()), ..asked() },
    ] {
        assert!(wrong.wrong().is_some(), "{wrong:?}");
    }
}

#[test]
fn how_slow_a_link_may_be_has_bounds() {
    let slow = |slow: super::Slow| NewFault {
        title: "t".to_owned(),
        effect: super::Effect::Slow,
        endpoints: vec!["a".to_owned()],
        slow: Some(slow),
        ..NewFault::default()
    };
    let none = super::Slow::default();
    assert_eq!(slow(super::Slow { latency_us: 60_000_000, ..none }).wrong(), None);
    assert_eq!(NewFault { share: Some(1), ..slow(none) }.wrong(), None);
    for wrong in [
        slow(none),
        slow(super::Slow { latency_us: 60_000_001, ..none }),
        slow(super::Slow { jitter_us: u64::MAX, ..none }),
        slow(super::Slow { corrupt: 100_001, ..none }),
        NewFault { process: Some("worker".to_owned()), ..slow(super::Slow { corrupt: 1, ..none }) },
        NewFault { slow: Some(super::Slow { corrupt: 1, ..none }), ..asked() },
    ] {
        assert!(wrong.wrong().is_some(), "{wrong:?}");
    }
}

#[test]
fn what_name_servers_may_be_asked_to_say_has_bounds() {
    use super::{Effect, Names, Said};
    let names = |names: Names| NewFault {
        title: "t".to_owned(),
        effect: Effect::Dns,
        endpoints: vec!["a".to_owned()],
        names: Some(names),
        ..NewFault::default()
    };
    let none = Names::default;
    let address = vec!["192.0.2.1".parse().unwrap()];
    let wrong = Names { answer: Said::Wrong, addresses: address.clone(), ..none() };
    for fine in [
        names(none()),
        NewFault { names: None, ..names(none()) },
        names(wrong.clone()),
        names(Names { answer: Said::Slow, delay_ms: Some(60_000), ..none() }),
    ] {
        assert_eq!(fine.wrong(), None);
    }
    for bad in [
        names(Names { addresses: address, ..none() }),
        names(Names { answer: Said::Wrong, ..none() }),
        names(Names { addresses: vec!["::1".parse().unwrap(); 17], ..wrong }),
        names(Names { answer: Said::Slow, delay_ms: Some(60_001), ..none() }),
        names(Names { delay_ms: Some(1), ..none() }),
        names(Names { names: vec![String::new()], ..none() }),
        names(Names { names: vec!["x".repeat(254)], ..none() }),
        NewFault { names: Some(none()), ..asked() },
    ] {
        assert!(bad.wrong().is_some(), "{bad:?}");
    }
}

#[test]
fn who_follows_hears_of_each_renewal_and_of_each_end() {
    let mark = |fault: Fault, now| On::of(&[fault], "h9", now).mark;
    let renewed = Fault { renewal: 1, ..fault() };
    assert_ne!(mark(fault(), 2_000), mark(renewed, 2_000));
    assert_eq!(mark(fault(), 4_000), "");
}

#[test]
fn a_fault_is_gone_when_every_host_has_read_that_it_is() {
    let says = |standing| {
        let broken =
            Broken { id: "f".to_owned(), standing, there: 2, back: 1, ..Broken::default() };
        let report = Report { host: "h1".to_owned(), faults: vec![broken], ..Report::default() };
        Hosts { reports: [("h1".to_owned(), report)].into(), ..Hosts::default() }
    };
    let seen = Seen::of(&fault(), &says(Standing::On), 2_000);
    assert_eq!((seen.state, seen.applied, seen.gone, seen.met), (State::On, true, false, 3));
    let seen = Seen::of(&fault(), &says(Standing::On), 5_000);
    assert_eq!((seen.state, seen.gone), (State::Expired, false));
    assert!(Seen::of(&fault(), &says(Standing::Off), 5_000).gone);
    assert!(!Seen::of(&fault(), &Hosts::default(), 2_000).gone, "it may be told of it yet");
}

#[test]
fn addresses_are_found_in_what_servers_and_stores_are_called() {
    let found = |text: &str| addresses(text).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(found("http://10.0.0.1:8180/"), ["10.0.0.1"]);
    assert_eq!(found("etcd://me@10.0.0.2:2379,[fd00::1]:2379"), ["10.0.0.2", "fd00::1"]);
    assert_eq!(found("file:/var/lib/network.redb"), Vec::<String>::new());
}
