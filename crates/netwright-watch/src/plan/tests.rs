use std::time::Duration;

use netwright_model::network::Network;
use netwright_model::source::Sources;

use super::{Plan, plan};
use crate::health::Profile;

fn network(rest: &str) -> Network {
    let text = format!(
        "provider: generic\n\
         vpcs: {{ prod: {{ cidr: 10.0.0.0/16, subnets: {{ a: {{ cidr: 10.0.1.0/24 }} }} }} }}\n\
         instances: {{ web: {{ subnet: prod/a, address: 10.0.1.10 }}, db: {{ subnet: prod/a, address: 10.0.1.20 }} }}\n{rest}"
    );
    netwright_model::load("test.yaml", &text, &mut Sources::default())
        .unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.items.keys().map(String::as_str).collect()
}

#[test]
fn what_is_asked_once_has_its_probes_name_and_what_is_asked_often_names_behind_it() {
    let plan = plan(&network(
        "expect:\n\
         \x20 one: { from: web, to: db, service: tcp/5432 }\n\
         \x20 two: { from: web, to: db, service: [tcp/1, tcp/2] }\n\
         probes:\n\
         \x20 page: { from: [web, db], target: 'http://10.0.1.10/' }\n\
         \x20 here: { target: 'tcp://10.0.1.10:80' }\n",
    ))
    .unwrap();
    let expected = [
        "here",
        "one",
        "page/db → http://10.0.1.10/",
        "page/web → http://10.0.1.10/",
        "two/web → db tcp://10.0.1.20:1",
        "two/web → db tcp://10.0.1.20:2",
    ];
    assert_eq!(names(&plan), expected);
    assert_eq!(plan.items["one"].profile, Profile::INTENT);
    assert_eq!(plan.items["here"].profile, Profile::SERVICE);
}

#[test]
fn a_probe_says_how_often_it_is_asked_and_what_it_depends_on() {
    let plan = plan(&network(
        "expect: { way: { from: web, to: db, service: [tcp/1, tcp/2] } }\n\
         probes:\n\
         \x20 slow: { target: 'tcp://10.0.1.10:80', timeout: 40s }\n\
         \x20 quick: { target: 'tcp://10.0.1.10:80', every: 1s, timeout: 500ms, up: 1, down: 5, grace: 0s, depends_on: [way, slow] }\n",
    ))
    .unwrap();
    let seconds = Duration::from_secs;
    let slow = plan.items["slow"].profile;
    assert_eq!((slow.interval, slow.time_out), (seconds(40), seconds(40)));
    assert_eq!(slow.checked(), Ok(slow));
    let quick = &plan.items["quick"];
    let Profile { interval, in_transition, up, down, grace, .. } = quick.profile;
    assert_eq!((interval, in_transition, up, down), (seconds(1), seconds(1), 1, 5));
    assert_eq!(grace, Duration::ZERO);
    assert_eq!(
        quick.parents,
        ["slow", "way/web → db tcp://10.0.1.20:1", "way/web → db tcp://10.0.1.20:2"]
    );
}

#[test]
fn what_cannot_be_is_told_where_it_was_written() {
    let wrong = plan(&network(
        "probes:\n\
         \x20 database: { target: 'tcp://10.0.1.20:5432', every: 2s, timeout: 3s }\n\
         \x20 page: { target: 'tcp://10.0.1.10:80', depends_on: databse }\n",
    ))
    .unwrap_err();
    let texts: Vec<&str> = wrong.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "the time-out is longer than the interval",
            "no probe or intent is called `databse`; did you mean `database`?"
        ]
    );
}

#[test]
fn what_agents_are_to_ask_is_carried_and_what_they_are_not_told_is_listed() {
    let network = network(
        "expect:\n\
         \x20 one: { from: web, to: db, service: tcp/5432 }\n\
         probes:\n\
         \x20 here: { target: 'postgres://app:secret@10.0.1.20/shop' }\n\
         \x20 there: { from: web, target: 'postgres://app:secret@10.0.1.20/shop' }\n\
         \x20 page: { from: web, target: 'https://10.0.1.20/' }\n",
    );
    let mut plan = plan(&network).unwrap();
    plan.by_agents(&network, true);
    assert_eq!(names(&plan), ["here", "one"]);
    assert_eq!(plan.items["here"].carried, None, "this machine asks it");
    assert!(
        plan.items["one"]
            .carried
            .as_ref()
            .is_some_and(|text| text.contains("tcp://10.0.1.20:5432"))
    );
    assert_eq!(plan.items["one"].profile, Profile::AGENTS);
    let why: Vec<&str> = plan.left.iter().map(|(_, why)| why.as_str()).collect();
    assert_eq!(
        why,
        [
            "agents do not ask it: the authorities of --ca are not sent to hosts",
            "agents do not ask it: it holds a password, which is not sent to hosts",
        ]
    );
}
