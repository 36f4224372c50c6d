//! What stands behind a balancer is, for every packet, what the plain evaluation of all its backends says.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netwright_model::network::Network;
use netwright_model::scalar::Service;
use netwright_verify::balancer::beyond;
use netwright_verify::interpreter::{Origin, Weighed, balanced};
use netwright_verify::prover::Prover;
use netwright_verify::space::Packet;
use netwright_verify::trace::Verdict;

use super::{Named, Run, load, networks, packets, shrink, traced};

/// The engine's answer in the interpreter's form.
fn said_by_engine(prover: &mut Prover<'_>, origin: Origin, packet: Packet) -> Option<Weighed> {
    let trace = traced(prover, origin, packet);
    let beyond = beyond(prover, &trace)?;
    let known = |verdict: Verdict| match verdict {
        Verdict::Reachable => Some(true),
        Verdict::Unknown | Verdict::Unresolved => None,
        Verdict::Blocked | Verdict::NoReturn => Some(false),
    };
    let backends = beyond.doors.iter().flat_map(|door| &door.backends);
    let backends = backends.map(|behind| (behind.in_service, known(behind.verdict))).collect();
    Some(Weighed { word: beyond.verdict.word(), backends })
}

fn difference(
    network: &Network,
    prover: &mut Prover<'_>,
    origin: Origin,
    packet: Packet,
) -> Option<(Option<Weighed>, Option<Weighed>)> {
    let engine = said_by_engine(prover, origin, packet);
    let plain = balanced(network, origin, packet);
    (engine != plain).then_some((engine, plain))
}

/// Addresses by which balancers are reached.
fn fronts(network: &Network) -> Vec<IpAddr> {
    let mut all = Vec::new();
    for balancer in &network.load_balancers {
        let endpoint = &network[balancer.endpoint];
        all.extend(&endpoint.public);
        for node in &endpoint.interfaces {
            all.extend(network[*node].addresses.iter().chain(&network[*node].public));
        }
    }
    all
}

/// Ports on which balancers listen, and one beside each.
fn doors(network: &Network) -> Vec<u16> {
    let listeners = network.load_balancers.iter().flat_map(|balancer| &balancer.listeners);
    let mut all = vec![80];
    for listener in listeners {
        if let Service::Ports { ports, .. } = listener.on {
            all.extend([ports.first, ports.last, ports.first, ports.last.saturating_add(1)]);
        }
    }
    all
}

fn report(text: &str, origin: &Named, packet: Packet) {
    let differs = |text: &str| {
        let network = load(text)?;
        let from = origin.find(&network)?;
        if let Origin::Interface(id) = from
            && !packets::sends(&network, id).contains(&packet.src)
        {
            return None;
        }
        difference(&network, &mut Prover::new(&network), from, packet)
    };
    let small = shrink::shrink(text, |text| differs(text).is_some());
    eprintln!("=== {origin:?} {packet:?}\n{small}");
    let Some((engine, plain)) = differs(&small) else { return };
    eprintln!("--- engine {engine:?}\n--- plain  {plain:?}");
    let network = load(&small).unwrap();
    let mut prover = Prover::new(&network);
    let trace = traced(&mut prover, origin.find(&network).unwrap(), packet);
    if let Some(beyond) = beyond(&mut prover, &trace) {
        for behind in beyond.doors.iter().flat_map(|door| &door.backends) {
            eprintln!("{} {:?} {:?}", behind.name, behind.health, behind.why);
            for flow in behind.flow.iter().chain(&behind.probes) {
                eprintln!("  {:?}\n  {:?}", flow.forward, flow.back);
            }
        }
    }
}

#[test]
fn behind_a_balancer_the_engine_says_what_the_plain_evaluation_says() {
    let (asked, behind) = balanced_as_evaluated(Run::given());
    assert!(behind * 10 > asked, "too few packets arrive at a balancer: {behind} of {asked}");
}

/// How many packets were asked, and how many of them arrive at a balancer.
pub(super) fn balanced_as_evaluated(run: Run) -> (usize, usize) {
    let mut random = run.random(0xBA1A);
    let (mut asked, mut behind, mut differences) = (0, 0, 0);
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    while asked < run.cases / 5 {
        let text = networks::network(&mut random);
        let Some(network) = load(&text) else { continue };
        let fronts = fronts(&network);
        if fronts.is_empty() {
            continue;
        }
        let doors = doors(&network);
        let questions = packets::Questions::of(&network);
        let mut prover = Prover::new(&network);
        for _ in 0..40 {
            let Some((origin, mut packet)) = questions.one(&mut random) else { continue };
            let Some(dst) = random.any(&fronts) else { continue };
            if dst.is_ipv4() != packet.src.is_ipv4() {
                continue;
            }
            packet.dst = dst;
            if [6, 17].contains(&packet.protocol) {
                packet.dst_port = random.of(&doors);
            }
            asked += 1;
            let Some(said) = balanced(&network, origin, packet) else { continue };
            behind += 1;
            *words.entry(said.word).or_default() += 1;
            if difference(&network, &mut prover, origin, packet).is_some() {
                differences += 1;
                if differences <= 3 {
                    report(&text, &Named::of(&network, origin), packet);
                }
            }
        }
    }
    eprintln!("{behind} of {asked} packets arrive at a balancer: {words:?}");
    assert_eq!(differences, 0, "behind balancers, engine against plain evaluation");
    (asked, behind)
}
