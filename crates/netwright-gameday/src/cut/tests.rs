//! The rules and elements of cuts, held to what a cut means by an evaluator that shares no code with the planner.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::net::Ipv4Addr;

use netwright_model::random::Random;

use super::*;
use crate::parties::Party;

/// Machines behind two routers: each has a private address, and every third a public one too.
fn parties(count: u8) -> Parties {
    let party = |number: u8| {
        let own = IpAddr::from(Ipv4Addr::new(10, 0, number % 2, number + 1));
        let public = IpAddr::from(Ipv4Addr::new(198, 51, 100, number + 1));
        Party {
            name: format!("m{number}"),
            full: format!("instance/m{number}"),
            namespaces: vec![format!("instance/m{number}")],
            source: Some(own),
            public: None,
            outside: false,
            addresses: if number.is_multiple_of(3) { vec![own, public] } else { vec![own] },
            doors: vec![Door {
                namespace: format!("vpc/v{}", number % 2),
                link: format!("i{number}"),
            }],
            links: vec![format!("interface/m{number}")],
            listens: vec![5432],
            memberships: BTreeSet::new(),
            vague: false,
        }
    };
    Parties((0..count).map(party).collect())
}

/// Whether a packet on its way is met: where it enters the router next to its sender, or leaves the one next to its receiver.
fn meets(all: &BTreeMap<String, Met>, from: (&Party, IpAddr), to: (&Party, IpAddr)) -> bool {
    let holds = |door: &Door, hook: Hook, address: IpAddr| {
        let key = format!("\"{}\" . {address}", door.link);
        all.get(&door.namespace).is_some_and(|met| {
            (0..2).any(|way| met.get(&(way, hook, 4)).is_some_and(|own| own.contains(&key)))
        })
    };
    from.0.doors.iter().any(|door| holds(door, Hook::Enters, to.1))
        || to.0.doors.iter().any(|door| holds(door, Hook::Leaves, from.1))
}

#[test]
fn exactly_the_packets_between_the_pairs_of_a_cut_are_met_by_all_addresses() {
    let parties = parties(8);
    let mut random = Random::new(6);
    for _ in 0..200 {
        let mut pick = || -> BTreeSet<Ordered> {
            let end = |random: &mut Random| usize::try_from(random.below(8)).unwrap();
            (0..random.below(6))
                .map(|_| (end(&mut random), end(&mut random)))
                .filter(|(a, b)| a != b)
                .collect()
        };
        let cut = Cut {
            kind: FaultKind::Drop,
            there: pick(),
            back: pick(),
            initiation: false,
            services: Vec::new(),
            share: 100_000,
            octets: 0,
        };
        let held = met(&cut, &parties);
        for (from, sender) in parties.0.iter().enumerate() {
            for (to, receiver) in parties.0.iter().enumerate().filter(|(to, _)| *to != from) {
                let wanted = cut.there.contains(&(from, to)) || cut.back.contains(&(from, to));
                for source in &sender.addresses {
                    for target in &receiver.addresses {
                        let found = meets(&held, (sender, *source), (receiver, *target));
                        assert_eq!(found, wanted, "{from} → {to} in {cut:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_client_behind_a_translation_is_cut_by_whom_it_asks_and_who_answers() {
    let parties = parties(3);
    let cut = Cut {
        kind: FaultKind::Drop,
        there: [(1, 0)].into(),
        back: [(0, 1)].into(),
        initiation: false,
        services: Vec::new(),
        share: 100_000,
        octets: 0,
    };
    let held = met(&cut, &parties);
    let (client, server) = (&parties.0[1], &parties.0[0]);
    let translated = IpAddr::from(Ipv4Addr::new(203, 0, 113, 9));
    // The request leaves as itself and arrives as somebody else; the answer the other way.
    assert!(meets(&held, (client, client.addresses[0]), (server, server.addresses[1])));
    assert!(!held.values().flat_map(Met::values).flatten().any(|key| key.contains("203.0.113.9")));
    assert!(
        meets(&held, (server, server.addresses[1]), (client, translated)),
        "where it leaves the last router"
    );
}

#[test]
fn rules_lie_where_elements_go_and_name_every_map_once() {
    let parties = parties(4);
    let cut = |kind| Cut {
        kind,
        there: [(0, 1)].into(),
        back: [(1, 0)].into(),
        initiation: false,
        services: vec![Service::tcp(5432)],
        share: 100_000,
        octets: 125_000,
    };
    let kinds = [FaultKind::Drop, FaultKind::Kill, FaultKind::Rate, FaultKind::Hold];
    let cuts: Vec<(usize, Cut)> = kinds.into_iter().map(cut).enumerate().collect();
    let rules = rules(&cuts, &parties, &[Service::tcp(22)]);
    let places: Vec<&str> = rules.iter().map(|own| own.namespace.as_str()).collect();
    assert_eq!(places, ["vpc/v0", "vpc/v1"]);
    let mut maps: BTreeMap<String, usize> = BTreeMap::new();
    for (fault, cut) in &cuts {
        for own in elements(*fault, cut, &parties) {
            let text = &rules.iter().find(|rules| rules.namespace == own.namespace).unwrap().text;
            assert_eq!(text.matches(&format!("map {} {{", own.map)).count(), 1);
            assert_eq!(text.matches(&format!("chain {} {{", own.map)).count(), 1);
            assert_eq!(text.matches(&format!("vmap @{}\n", own.map)).count(), 1);
            assert_eq!(own.elements, [("ipv4".to_owned(), format!("jump {}", own.map))]);
            *maps.entry(own.map).or_default() += 1;
        }
    }
    assert_eq!(maps.len(), 4 * 2, "in and out of each fault");
    assert!(rules[0].text.contains("meta l4proto 6 th sport 22-22 return"), "{}", rules[0].text);
    let order: Vec<usize> =
        (0..4).map(|fault| rules[0].text.find(&format!("vmap @f{fault}_in")).unwrap()).collect();
    assert!(order.is_sorted(), "the first fault is asked first");
}
