//! What a plan with emulated links becomes, by what the kernel can do.

use super::super::{End, HostPlan, Link, Namespace, Role, What};
use super::{Ability, Condition, Conditions, Mechanism, Queue, RELAY, Relay, emulated};

fn plan(conditions: Conditions, reversed: bool) -> HostPlan {
    let end = |name: &str, last: u8| End {
        namespace: name.to_owned(),
        name: "eth0".to_owned(),
        mac: [2, 0, 0, 0, 0, last],
    };
    HostPlan {
        namespaces: vec![Namespace::bare("a", Role::Vpc), Namespace::bare("z", Role::Machine)],
        links: vec![Link {
            a: end("a", 1),
            b: end("z", 2),
            mtu: 1500,
            name: "z".to_owned(),
            reversed,
            conditions,
            ..Link::default()
        }],
        ..HostPlan::default()
    }
}

const SLOW: Condition = Condition { rate: 8_000_000, ..Condition::CUT };

fn rate(bits: u64) -> Condition {
    Condition { rate: bits, ..Condition::default() }
}

#[test]
fn a_link_that_is_to_do_nothing_stays_one_link() {
    let plan = plan(Conditions::default(), true);
    assert_eq!(emulated(&plan, Ability::default()), plan);
}

#[test]
fn a_rate_alone_is_a_token_bucket_at_the_end_that_sends() {
    let conditions = Conditions { there: rate(8_000_000), ..Conditions::default() };
    for (reversed, at) in [(false, 0), (true, 1)] {
        let made = emulated(&plan(conditions, reversed), Ability { tbf: true, netem: true });
        let queues = made.links[0].queues;
        let Some(Queue::Tbf { rate, burst, limit }) = queues[at] else { panic!("{queues:?}") };
        assert_eq!((rate, burst, limit), (8_000_000, 5_000, 5_000 + 1_000 * 1_514));
        assert_eq!(queues[1 - at], None);
        assert!(!made.links[0].plain);
    }
}

#[test]
fn a_kernel_with_netem_keeps_the_link_whole() {
    let conditions = Conditions { there: SLOW, back: rate(1_000_000), seed: Some(7) };
    let made = emulated(&plan(conditions, true), Ability { tbf: true, netem: true });
    assert_eq!(made.links.len(), 1);
    assert!(made.links[0].plain && made.tasks.is_empty());
    let [from_a, from_b] = made.links[0].queues;
    let back = Condition { limit: 1_000, ..rate(1_000_000) };
    assert_eq!(from_a, Some(Queue::Netem { condition: back, seed: !7 }));
    let there = Condition { limit: 1_000, ..SLOW };
    assert_eq!(from_b, Some(Queue::Netem { condition: there, seed: 7 }));
}

#[test]
fn without_netem_a_relay_stands_between_two_halves_that_keep_their_outer_ends() {
    let conditions = Conditions { there: SLOW, ..Conditions::default() };
    let before = plan(conditions, true);
    let made = emulated(&before, Ability { tbf: true, netem: false });
    assert!(made.namespaces.iter().any(|one| one.name == RELAY && one.role == Role::Relay));
    let outer: Vec<&End> = made.links.iter().flat_map(|link| [&link.a, &link.b]).collect();
    assert!(outer.contains(&&before.links[0].a) && outer.contains(&&before.links[0].b));
    assert!(made.links.iter().all(|link| link.plain && link.mtu == 1500));
    let What::Part { settings, follows: true, .. } = &made.tasks[0].what else {
        panic!("{:?}", made.tasks)
    };
    let relay: Relay = serde_json::from_str(settings).expect("settings");
    let [one] = relay.links.as_slice() else { panic!("{relay:?}") };
    // What the machine sends comes in at the half that leads to it.
    let to_machine = made.links.iter().find(|link| link.b.namespace == "z").expect("a half");
    assert_eq!(one.ends[0], to_machine.a.name);
    assert_eq!(one.ways, [SLOW, Condition::default()]);
}

#[test]
fn what_does_it_follows_from_what_is_asked_and_what_the_kernel_has() {
    let of = |there, tbf, netem| {
        Mechanism::of(&Conditions { there, ..Conditions::default() }, Ability { tbf, netem })
    };
    assert_eq!(of(Condition::default(), true, true), Mechanism::None);
    assert_eq!(of(rate(1_000_000), true, false), Mechanism::Tbf);
    assert_eq!(of(rate(1_000_000), false, false), Mechanism::Relay);
    assert_eq!(of(Condition::CUT, true, true), Mechanism::Netem);
    assert_eq!(of(Condition::CUT, true, false), Mechanism::Relay);
}

#[test]
fn conditions_in_words() {
    let all = Condition {
        latency: 50_000,
        jitter: 500,
        loss: 1_500,
        duplicate: 1_000,
        reorder: 25_000,
        corrupt: 10,
        rate: 10_000_000,
        limit: 7,
    };
    assert_eq!(
        all.to_string(),
        "latency 50ms ± 500us, loss 1.5%, duplicate 1%, reorder 25%, corrupt 0.01%, rate 10Mbit/s, limit 7 packets"
    );
    assert_eq!(Condition::default().to_string(), "-");
}
