use std::sync::Arc;

use netwright_model::network::Network;
use netwright_model::source::Sources;
use proptest::prelude::*;

use super::free::Order;
use super::state::{Edit, State};
use super::*;

const NOW: u64 = 1_700_000_000_000;

fn time(milliseconds: u64) -> crate::time::Time {
    crate::time::Time::of_milliseconds(milliseconds)
}

fn network(text: &str) -> Arc<Network> {
    let mut sources = Sources::default();
    match netwright_model::load("test.yaml", text, &mut sources) {
        Ok(network) => Arc::new(network),
        Err(all) => panic!("{}", all.iter().map(|e| e.render(&sources, false)).collect::<String>()),
    }
}

/// One server with no store: what is decided is done at once.
struct Desk {
    state: State,
    sequence: u64,
    now: u64,
}

impl Desk {
    fn of(text: &str) -> Self {
        Self { state: State::new(network(text)), sequence: 0, now: NOW }
    }

    fn ask(&mut self, owner: &str, request: Request) -> Result<Answer, Error> {
        for edit in self.state.due(self.now, usize::MAX) {
            self.state.apply(edit, self.now);
        }
        let asked = Asked { request, owner: owner.into(), key: None };
        let decision = self.state.decide(&asked, self.now, self.sequence + 1)?;
        self.sequence += 1;
        for edit in decision.edits {
            self.state.apply(edit, self.now);
        }
        Ok(decision.answer)
    }

    fn want(&mut self, pool: &str, want: Want) -> Result<Allocation, Error> {
        let purpose = "subnet:prod/new".into();
        let pool = pool.into();
        let request = Request::Allocate { pool, want, purpose, reserve: false, seconds: None };
        match self.ask("ci", request)? {
            Answer::Allocated(allocation) => Ok(allocation),
            other => panic!("{other:?}"),
        }
    }

    fn next(&mut self, pool: &str) -> Result<String, Error> {
        self.want(pool, Want::default()).map(|allocation| allocation.value.to_string())
    }

    fn length(&mut self, pool: &str, length: u8) -> Result<String, Error> {
        let want = Want { length: Some(length), ..Want::default() };
        self.want(pool, want).map(|allocation| allocation.value.to_string())
    }

    fn exactly(&mut self, pool: &str, value: &str) -> Result<Allocation, Error> {
        self.want(pool, Want { value: Value::parse(value), ..Want::default() })
    }

    fn release(
        &mut self,
        pool: &str,
        value: &str,
        sequence: Option<u64>,
    ) -> Result<Released, Error> {
        let value = Value::parse(value).expect("a value");
        match self.ask("ci", Request::Release { pool: pool.into(), value, sequence })? {
            Answer::Released(released) => Ok(released),
            other => panic!("{other:?}"),
        }
    }

    fn declare(&mut self, text: &str) -> Result<Answer, Error> {
        self.ask("admin", Request::Declare(serde_json::from_str(text).expect("a pool")))
    }

    fn usage(&mut self, pool: &str) -> Usage {
        self.state.usage(pool, self.now).expect("a pool")
    }
}

/// The ticket's VPC: two halves of 10.0.1.0/24 are taken.
const TICKET: &str = "
vpcs:
  prod:
    cidr: 10.0.0.0/16
    subnets: { web: { cidr: 10.0.1.0/25 }, api: { cidr: 10.0.1.128/25 } }
";

#[test]
fn the_tickets_range_is_the_next_free_as_the_pool_says() {
    let mut desk = Desk::of(TICKET);
    assert_eq!(desk.length("vpc:prod", 24).as_deref(), Ok("10.0.0.0/24"), "the best fit");
    assert_eq!(desk.length("vpc:prod", 24).as_deref(), Ok("10.0.2.0/24"));
    let mut desk = Desk::of(TICKET);
    desk.declare(r#"{"pool": "vpc:prod", "kind": "ranges", "order": "next"}"#).expect("settings");
    assert_eq!(desk.length("vpc:prod", 24).as_deref(), Ok("10.0.2.0/24"), "after what is taken");
    assert_eq!(desk.length("vpc:prod", 24).as_deref(), Ok("10.0.3.0/24"));
    let mut desk =
        Desk::of(&TICKET.replace("subnets: {", "subnets: { old: { cidr: 10.0.0.0/24 },"));
    assert_eq!(
        desk.length("vpc:prod", 24).as_deref(),
        Ok("10.0.2.0/24"),
        "the only one before is taken"
    );
}

#[test]
fn a_range_that_contains_or_is_contained_is_refused_and_says_whose_it_is() {
    let mut desk = Desk::of(TICKET);
    for (value, by) in
        [("10.0.1.0/24", "described"), ("10.0.1.0/26", "described"), ("10.0.0.0/16", "described")]
    {
        let error = desk.exactly("vpc:prod", value).expect_err(value);
        assert!(
            error.to_string().contains(by) || error.to_string().contains("describes"),
            "{error}"
        );
    }
    desk.exactly("vpc:prod", "10.0.8.0/24").expect("free");
    for value in ["10.0.8.0/24", "10.0.8.0/25", "10.0.8.0/21"] {
        let error = desk.exactly("vpc:prod", value).expect_err(value);
        assert_eq!(error.slug(), "value-taken");
        assert!(error.to_string().contains("subnet:prod/new"), "{error}");
    }
    assert_eq!(
        desk.exactly("vpc:prod", "10.1.0.0/24").expect_err("outside").slug(),
        "outside-pool"
    );
}

#[test]
fn peered_vpcs_never_get_the_same_range_and_others_may() {
    let text = "
vpcs:
  a: { cidr: 10.0.0.0/22, subnets: { s: { cidr: 10.0.0.0/24 } } }
  b: { cidr: 10.0.0.0/22, subnets: { s: { cidr: 10.0.1.0/24 } } }
  c: { cidr: 10.0.0.0/22 }
peerings: { ab: { vpcs: [a, b] }, bc: { vpcs: [b, c] } }
";
    let mut desk = Desk::of(text);
    assert_eq!(desk.length("vpc:a", 24).as_deref(), Ok("10.0.2.0/24"));
    assert_eq!(desk.length("vpc:b", 24).as_deref(), Ok("10.0.3.0/24"));
    assert_eq!(desk.length("vpc:a", 24).expect_err("all taken").slug(), "pool-exhausted");
    // Peering is not transitive: what a has is free in c.
    assert_eq!(desk.length("vpc:c", 24).as_deref(), Ok("10.0.0.0/24"));
    assert_eq!(desk.length("vpc:c", 24).as_deref(), Ok("10.0.2.0/24"));
    // In b, both a and c have it: it is free when both have let it go.
    desk.declare(r#"{"pool": "vpc:a", "kind": "ranges", "hold_down_seconds": 0}"#)
        .expect("settings");
    desk.declare(r#"{"pool": "vpc:c", "kind": "ranges", "hold_down_seconds": 0}"#)
        .expect("settings");
    desk.release("vpc:a", "10.0.2.0/24", None).expect("released");
    assert_eq!(desk.exactly("vpc:b", "10.0.2.0/24").expect_err("c has it").slug(), "value-taken");
    desk.release("vpc:c", "10.0.2.0/24", None).expect("released");
    desk.exactly("vpc:b", "10.0.2.0/24").expect("free");
}

#[test]
fn connectors_get_a_28_of_their_vpc_that_no_subnet_gets() {
    let text = "
provider: gcp
vpcs: { p: { cidr: 10.8.0.0/24, subnets: { s: { cidr: 10.8.0.0/26 } } } }
connectors: { c: { vpc: p, cidr: 10.8.0.64/28 } }
";
    let mut desk = Desk::of(text);
    assert_eq!(desk.next("connectors:p").as_deref(), Ok("10.8.0.80/28"));
    assert_eq!(desk.length("vpc:p", 28).as_deref(), Ok("10.8.0.96/28"));
    assert_eq!(desk.length("vpc:p", 25).as_deref(), Ok("10.8.0.128/25"));
    assert_eq!(desk.next("connectors:p").as_deref(), Ok("10.8.0.112/28"));
    assert_eq!(desk.next("connectors:p").expect_err("full").slug(), "pool-exhausted");
}

#[test]
fn a_subnet_offers_what_is_not_reserved_and_is_exhausted_when_that_is_taken() {
    let text = "
provider: aws
vpcs: { p: { cidr: 10.0.0.0/16, subnets: { s: { cidr: 10.0.0.0/28, reserved: [10.0.0.8/31] } } } }
instances: { a: { subnet: p/s, address: 10.0.0.4 }, b: { subnet: p/s, address: 10.0.0.6 } }
";
    let mut desk = Desk::of(text);
    let before = desk.usage("subnet:p/s");
    assert_eq!((before.capacity, before.taken, before.free), (9, 2, 7), "16 without 5 and 2");
    assert_eq!(desk.next("subnet:p/s").as_deref(), Ok("10.0.0.5"));
    assert_eq!(desk.next("subnet:p/s").as_deref(), Ok("10.0.0.7"));
    assert_eq!(desk.next("subnet:p/s").as_deref(), Ok("10.0.0.10"));
    for reserved in ["10.0.0.0", "10.0.0.3", "10.0.0.15", "10.0.0.9"] {
        let error = desk.exactly("subnet:p/s", reserved).expect_err(reserved);
        assert_eq!(error.slug(), "value-taken", "{reserved}");
    }
    assert_eq!(desk.usage("subnet:p/s").warning, None);
    for _ in 0..3 {
        desk.next("subnet:p/s").expect("free");
    }
    let warning = desk.usage("subnet:p/s").warning.expect("a warning");
    assert!(warning.contains("88.9 % full: 1 of 9"), "{warning}");
    desk.next("subnet:p/s").expect("the last one");
    let full = desk.usage("subnet:p/s");
    assert!(full.exhausted && full.free == 0 && full.allocated == 7);
    let error = desk.next("subnet:p/s").expect_err("full");
    assert_eq!(error.to_string(), "`subnet:p/s` has no free address: nothing is free");
}

#[test]
fn a_subnet_of_which_not_all_is_described_gives_nothing() {
    let text = |more: &str| {
        format!(
            "vpcs: {{ p: {{ cidr: 10.0.0.0/16, subnets: {{ s: {{ cidr: 10.0.0.0/24, {more} }} }} }} }}"
        )
    };
    let mut desk = Desk::of(&text("allocated: 7"));
    let error = desk.next("subnet:p/s").expect_err("not known");
    assert!(error.to_string().contains("7 addresses are allocated and 0 are described"), "{error}");
    let usage = desk.usage("subnet:p/s");
    assert_eq!((usage.capacity, usage.taken, usage.free), (254, 7, 247));
    let full = Desk::of(&text("allocated: 254")).usage("subnet:p/s");
    assert!(full.exhausted && full.warning.is_some());
    let mut desk = Desk::of(&text("incomplete: exported in part"));
    assert_eq!(desk.next("subnet:p/s").expect_err("not known").slug(), "pool-closed");
    assert_eq!(desk.length("vpc:p", 24).expect_err("not known").slug(), "pool-closed");
    let mut desk = Desk::of("vpcs: { p: { subnets: { s: { cidr: 10.0.0.0/24 } } } }");
    assert_eq!(desk.length("vpc:p", 24).expect_err("no ranges").slug(), "pool-closed");
    desk.declare(r#"{"pool": "vpc:p", "kind": "ranges", "ranges": ["10.0.0.0/22"]}"#)
        .expect("ranges");
    assert_eq!(desk.length("vpc:p", 24).as_deref(), Ok("10.0.1.0/24"));
}

#[test]
fn ipv6_subnets_and_their_addresses_are_given_too() {
    let text = "vpcs: { p: { cidr: [10.0.0.0/16, '2001:db8::/56'], subnets: { s: { cidr: '2001:db8::/64' } } } }";
    let mut desk = Desk::of(text);
    assert_eq!(desk.length("vpc:p", 64).as_deref(), Ok("2001:db8:0:1::/64"));
    assert_eq!(desk.next("subnet:p/s").as_deref(), Ok("2001:db8::1"), "not the routers' address");
    let usage = desk.usage("vpc:p");
    assert_eq!(usage.largest.len(), 2, "{:?}", usage.largest);
}

#[test]
fn a_nats_ports_are_given_in_blocks_and_rest_before_they_are_given_again() {
    let text = "
provider: gcp
vpcs: { p: { cidr: 10.0.0.0/16, subnets: { s: { cidr: 10.0.0.0/24 } } } }
nat_gateways: { n: { vpc: p, addresses: [198.51.100.1, 198.51.100.2] } }
";
    let mut desk = Desk::of(text);
    assert_eq!(desk.usage("nat:n").capacity, 2 * 64_512);
    let first = desk.want("nat:n", Want::default()).expect("free");
    assert_eq!(first.value.to_string(), "198.51.100.1:1024-1087");
    let large = desk.want("nat:n", Want { ports: Some(32_768), ..Want::default() }).expect("free");
    assert_eq!(large.value.to_string(), "198.51.100.1:32768-65535");
    assert_eq!(desk.next("nat:n").as_deref(), Ok("198.51.100.1:1088-1151"));
    let released =
        desk.release("nat:n", "198.51.100.1:1024-1087", Some(first.sequence)).expect("it is his");
    assert_eq!(released.rests_until, Some(time(NOW + 120_000)));
    assert_eq!(desk.next("nat:n").as_deref(), Ok("198.51.100.1:1152-1215"));
    let error = desk.exactly("nat:n", "198.51.100.1:1024-1087").expect_err("it rests");
    assert!(
        matches!(error, Error::Taken { until: Some(until), .. } if until == time(NOW + 120_000))
    );
    desk.now += 120_000;
    assert_eq!(desk.next("nat:n").as_deref(), Ok("198.51.100.1:1024-1087"));
    let odd = desk.want("nat:n", Want { ports: Some(100), ..Want::default() });
    assert_eq!(odd.expect_err("no power of two").slug(), "invalid-request");
}

#[test]
fn what_was_released_first_is_free_first() {
    let mut desk = Desk::of("{}");
    desk.declare(
        r#"{"pool": "tags", "kind": "numbers", "ranges": ["1-3"], "hold_down_seconds": 60}"#,
    )
    .expect("a pool");
    for _ in 0..3 {
        desk.next("tags").expect("free");
    }
    for number in ["3", "1", "2"] {
        desk.release("tags", number, None).expect("allocated");
        desk.now += 10_000;
    }
    let error = desk.next("tags").expect_err("all rest");
    assert!(
        matches!(error, Error::Exhausted { cooling: 3, next_free_at: Some(at), .. } if at == time(NOW + 60_000))
    );
    assert_eq!(desk.usage("tags").cooling, 3);
    desk.now = NOW + 60_000;
    assert_eq!(desk.next("tags").as_deref(), Ok("3"));
    desk.now += 10_000;
    assert_eq!(desk.next("tags").as_deref(), Ok("1"));
}

#[test]
fn a_late_release_never_frees_a_successors_value() {
    let mut desk = Desk::of(TICKET);
    desk.declare(r#"{"pool": "vni", "kind": "numbers", "hold_down_seconds": 0}"#)
        .expect("settings");
    let first = desk.want("vni", Want::default()).expect("free");
    desk.release("vni", "1", Some(first.sequence)).expect("it is his");
    let second = desk.want("vni", Want::default()).expect("free");
    assert_eq!(second.value, first.value);
    let error = desk.release("vni", "1", Some(first.sequence)).expect_err("late");
    assert_eq!(
        error,
        Error::Superseded { value: "1".into(), given: first.sequence, now: second.sequence }
    );
    assert_eq!(desk.state.all().count(), 1);
    assert_eq!(desk.release("vni", "2", None).expect_err("nobody's").slug(), "not-allocated");
}

#[test]
fn the_same_release_twice_is_answered_alike() {
    let mut desk = Desk::of(TICKET);
    let made = desk.want("vni", Want::default()).expect("free");
    let once = desk.release("vni", "1", Some(made.sequence)).expect("it is his");
    assert_eq!(desk.release("vni", "1", Some(made.sequence)), Ok(once));
}

#[test]
fn a_reservation_is_taken_up_by_its_owner_or_ends() {
    let mut desk = Desk::of(TICKET);
    let reserve = |value: &str| Request::Allocate {
        pool: "vpc:prod".into(),
        want: Want { value: Value::parse(value), ..Want::default() },
        purpose: "next year".into(),
        reserve: true,
        seconds: Some(3600),
    };
    desk.ask("planner", reserve("10.0.16.0/20")).expect("free");
    desk.ask("ci", reserve("10.0.32.0/20")).expect("free");
    assert_eq!(desk.usage("vpc:prod").reserved, 2 * 4096);
    let error = desk.exactly("vpc:prod", "10.0.16.0/20").expect_err("somebody else's");
    assert!(
        matches!(&error, Error::Taken { until: Some(_), by, .. } if by.contains("planner")),
        "{error}"
    );
    let own = desk.exactly("vpc:prod", "10.0.32.0/20").expect("ci's own");
    assert!(!own.reserved);
    desk.now += 3_600_000;
    desk.exactly("vpc:prod", "10.0.16.0/20").expect("it ended");
    assert_eq!(desk.usage("vpc:prod").reserved, 0);
    assert_eq!(desk.state.all().count(), 2, "what was taken up does not end");
}

#[test]
fn declared_pools_leave_alone_what_the_network_and_other_pools_have() {
    let mut desk = Desk::of(TICKET);
    desk.declare(
        r#"{"pool": "company", "kind": "ranges", "ranges": ["10.0.0.0/14"], "length": 16}"#,
    )
    .expect("a pool");
    assert_eq!(desk.next("company").as_deref(), Ok("10.1.0.0/16"), "10.0.0.0/16 is a VPC's");
    desk.declare(r#"{"pool": "lab", "kind": "ranges", "ranges": ["10.0.0.0/22"]}"#)
        .expect("a part of the VPC");
    assert_eq!(desk.length("lab", 24).as_deref(), Ok("10.0.0.0/24"));
    assert_eq!(desk.length("lab", 24).as_deref(), Ok("10.0.2.0/24"));
    assert_eq!(desk.exactly("vpc:prod", "10.0.2.0/25").expect_err("lab's").slug(), "value-taken");
    assert_eq!(desk.length("vpc:prod", 24).as_deref(), Ok("10.0.3.0/24"));
    for (bad, slug) in [
        (r#"{"pool": "company", "kind": "numbers", "ranges": ["1"]}"#, "pool-in-use"),
        (r#"{"pool": "vpc:none", "kind": "ranges", "ranges": ["10.0.0.0/8"]}"#, "invalid-request"),
        (r#"{"pool": "vpc:prod", "kind": "addresses"}"#, "invalid-request"),
        (r#"{"pool": "x", "kind": "ranges"}"#, "invalid-request"),
        (r#"{"pool": "x", "kind": "ranges", "ranges": ["10.0.0.1/8"]}"#, "invalid-request"),
        (r#"{"pool": "x", "kind": "numbers", "ranges": ["9-1"]}"#, "invalid-request"),
        (
            r#"{"pool": "x", "kind": "numbers", "ranges": ["1"], "warn_at_percent": 120}"#,
            "invalid-request",
        ),
    ] {
        assert_eq!(desk.declare(bad).expect_err(bad).slug(), slug, "{bad}");
    }
    let remove = |pool: &str| Request::Remove { pool: pool.into() };
    assert_eq!(desk.ask("a", remove("lab")).expect_err("in use").slug(), "pool-in-use");
    assert_eq!(
        desk.ask("a", remove("vpc:prod")).expect_err("the network's").slug(),
        "invalid-request"
    );
    assert_eq!(
        desk.ask("a", remove("lub")).expect_err("none").to_string(),
        "there is no pool `lub`; did you mean `lab`?"
    );
}

#[test]
fn what_is_taken_of_something_that_is_gone_stays_taken_and_says_so() {
    let mut desk = Desk::of(TICKET);
    let made = desk.want("vpc:prod", Want { length: Some(24), ..Want::default() }).expect("free");
    desk.state.set_network(network("{}"));
    assert_eq!(desk.length("vpc:prod", 24).expect_err("gone").slug(), "pool-closed");
    assert!(desk.usage("vpc:prod").warning.is_some_and(|warning| warning.contains("no longer")));
    desk.state.set_network(network(TICKET));
    assert_eq!(desk.exactly("vpc:prod", "10.0.0.0/23").expect_err("taken").slug(), "value-taken");
    desk.state.set_network(network("{}"));
    desk.release("vpc:prod", &made.value.to_string(), Some(made.sequence)).expect("released");
    desk.now += 120_000;
    assert_eq!(desk.next("vni").as_deref(), Ok("1"));
    desk.state.set_network(network("{}"));
    assert!(!desk.state.names("", 100).contains(&"vpc:prod".to_owned()));
}

#[test]
fn what_is_described_and_allocated_is_free_when_it_is_neither() {
    let mut desk = Desk::of(TICKET);
    let made = desk.want("vpc:prod", Want { length: Some(24), ..Want::default() }).expect("free");
    assert_eq!(made.value.to_string(), "10.0.0.0/24");
    let with = |more: &str| network(&TICKET.replace("subnets: {", &format!("subnets: {{ {more},")));
    // Described, it is taken twice: when the allocation goes, the description stays.
    desk.state.set_network(with("new: { cidr: 10.0.0.0/24 }"));
    let released = desk.release("vpc:prod", "10.0.0.0/24", None).expect("released");
    assert!(released.still_described);
    desk.now += 120_000;
    assert_eq!(desk.length("vpc:prod", 24).as_deref(), Ok("10.0.2.0/24"));
}

#[derive(Debug, Clone)]
enum Step {
    Next(usize, u8),
    Exactly(usize, u8, u8),
    Release(usize, bool),
    Later(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..5, 22_u8..29).prop_map(|(pool, length)| Step::Next(pool, length)),
        2 => (0_usize..5, any::<u8>(), 22_u8..29).prop_map(|(pool, at, length)| Step::Exactly(pool, at, length)),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(which, known)| Step::Release(which, known)),
        1 => (0_u64..100_000).prop_map(Step::Later),
    ]
}

const RANGES: [&str; 5] = ["vpc:a", "vpc:b", "vpc:c", "connectors:a", "part"];

const PEERED: &str = "
vpcs:
  a: { cidr: 10.0.0.0/21, subnets: { s: { cidr: 10.0.1.0/24 } } }
  b: { cidr: 10.0.0.0/20, subnets: { s: { cidr: 10.0.3.0/26 } } }
  c: { cidr: 10.0.0.0/22 }
peerings: { ab: { vpcs: [a, b] }, bc: { vpcs: [b, c] } }
";

/// Whether a value in one pool forbids overlapping ones in the other: all but a and c meet.
fn meet(one: &str, other: &str) -> bool {
    let of = |pool: &str| pool.rsplit(':').next().unwrap_or(pool).to_owned();
    let (one, other) = (of(one), of(other));
    !(one == "a" && other == "c" || one == "c" && other == "a")
}

proptest! {
    #[test]
    fn nothing_overlaps_whatever_is_asked_and_every_edit_can_be_taken_back(
        steps in prop::collection::vec(step(), 1..80),
        undone in prop::collection::vec(any::<bool>(), 80),
    ) {
        let mut desk = Desk::of(PEERED);
        desk.declare(r#"{"pool": "part", "kind": "ranges", "ranges": ["10.0.2.0/23"], "hold_down_seconds": 50}"#).expect("a pool");
        for (step, undone) in steps.into_iter().zip(undone) {
            let all: Vec<Allocation> = desk.state.all().collect();
            let request = match step {
                Step::Later(by) => { desk.now += by; continue }
                Step::Next(pool, length) => allocate(RANGES[pool], Want { length: Some(length), ..Want::default() }),
                Step::Exactly(pool, at, length) => {
                    let base = std::net::Ipv4Addr::new(10, 0, at % 16, at & 0xF0);
                    let value = Value::Range(netwright_model::scalar::Prefix::of(base.into(), length));
                    allocate(RANGES[pool], Want { value: Some(value), ..Want::default() })
                }
                Step::Release(_, _) if all.is_empty() => continue,
                Step::Release(which, known) => {
                    let own = &all[which % all.len()];
                    let sequence = known.then_some(own.sequence);
                    Request::Release { pool: own.pool.clone(), value: own.value, sequence }
                }
            };
            for edit in desk.state.due(desk.now, usize::MAX) {
                desk.state.apply(edit, desk.now);
            }
            let asked = Asked { request, owner: "ci".into(), key: None };
            let Ok(decision) = desk.state.decide(&asked, desk.now, desk.sequence + 1) else { continue };
            desk.sequence += 1;
            let before = picture(&mut desk);
            let back: Vec<Edit> = decision.edits.into_iter().filter_map(|edit| desk.state.apply(edit, desk.now)).collect();
            if undone {
                for edit in back.into_iter().rev() {
                    desk.state.apply(edit, desk.now);
                }
                prop_assert_eq!(picture(&mut desk), before);
            }
            let all: Vec<Allocation> = desk.state.all().collect();
            for (index, one) in all.iter().enumerate() {
                for other in &all[..index] {
                    let overlap = one.value.block().expect("a block").overlaps(other.value.block().expect("a block"));
                    prop_assert!(!overlap || !meet(&one.pool, &other.pool), "{one:?} {other:?}");
                }
            }
        }
        // What is known bit by bit is what is known when all is read at once.
        let own = picture(&mut desk);
        let held = desk.state.all().collect();
        let declared = desk.state.declaration("part").cloned().into_iter().collect();
        let cooling = desk.state.resting();
        desk.state = State::loaded(network(PEERED), declared, held, cooling);
        prop_assert_eq!(picture(&mut desk), own);
    }
}

fn allocate(pool: &str, want: Want) -> Request {
    let (pool, purpose) = (pool.into(), "x".into());
    Request::Allocate { pool, want, purpose, reserve: false, seconds: None }
}

/// Positions that are free, allocated and resting, and the largest free ranges.
type Amounts = (u128, u128, u128, Vec<Value>);

/// What is taken and free everywhere.
fn picture(desk: &mut Desk) -> (Vec<Allocation>, Vec<Amounts>) {
    let usages = RANGES.map(|pool| {
        let usage = desk.usage(pool);
        (usage.free, usage.allocated, usage.cooling, usage.largest)
    });
    (desk.state.all().collect(), usages.to_vec())
}

#[test]
fn orders_are_written_as_words() {
    assert_eq!(serde_json::to_string(&Order::BestFit).expect("JSON"), "\"best-fit\"");
}

#[test]
fn a_pool_of_one_family_says_that_it_has_none_of_the_other() {
    let mut desk = Desk::of("vpcs: { v: { cidr: 10.0.0.0/16 } }\n");
    for want in [
        Want { length: Some(64), ..Want::default() },
        Want { length: Some(24), family: Some(Family::V6), ..Want::default() },
    ] {
        let asked = desk.ask("me", allocate("vpc:v", want));
        assert_eq!(asked, Err(Error::Invalid("`vpc:v` has nothing of IPv6".to_owned())));
    }
    let want = Want { length: Some(24), family: Some(Family::V4), ..Want::default() };
    assert!(desk.ask("me", allocate("vpc:v", want)).is_ok());
}
