//! The law that holds the prover to its specification: for every network and every packet, what the engine says of a connection is what
//! the one-packet interpreter says.
//!
//! `NETWRIGHT_CASES` sets how many packets are asked (100,000 unless given), `NETWRIGHT_SEED` which ones. A difference is shrunk to the
//! smallest network that still shows it, and printed with both answers and their steps. Beside that seed, the same laws are held to
//! others that differ from run to run: see [`fresh`].

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test that reports")]

mod balancers;
mod chosen;
mod diffs;
mod edits;
mod found;
mod fresh;
#[path = "../pairs/many.rs"]
mod many;
mod networks;
mod packets;
mod random;
mod shrink;

use std::collections::BTreeMap;

use netwright_model::network::{ExternalId, InterfaceId, Network, ServerlessId, SiteId};
use netwright_model::source::Sources;
use netwright_verify::interpreter::{
    Answer, Assume, Origin, Outcome, Place, connection, connection_assuming,
};
use netwright_verify::prover::Prover;
use netwright_verify::prover::path::{self, Arrival, End};
use netwright_verify::prover::policy::Layer4;
use netwright_verify::reach::{Member, Reach, Relation};
use netwright_verify::space::Packet;
use netwright_verify::trace::{Flow, Trace, Verdict};

use random::Random;

/// Packets asked of each network.
const PER_NETWORK: usize = 60;
/// Differences that are shrunk and printed; the rest is counted.
const MOST_PRINTED: usize = 12;

/// Which random cases are asked, and how many.
#[derive(Debug, Clone, Copy)]
struct Run {
    seed: u64,
    cases: usize,
}

impl Run {
    /// What the environment says.
    fn given() -> Self {
        let number = |variable: &str, default: u64| {
            std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        let cases = usize::try_from(number("NETWRIGHT_CASES", 100_000)).unwrap_or(usize::MAX);
        Self { seed: number("NETWRIGHT_SEED", 1), cases }
    }

    /// Random choices of one law, other than those of the other laws.
    fn random(self, law: u64) -> Random {
        Random(self.seed ^ law)
    }
}

fn load(text: &str) -> Option<Network> {
    netwright_model::load("random.yaml", text, &mut Sources::default()).ok()
}

/// An origin that survives the shrinking of its network.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    Interface(String),
    Internet,
    Site(String),
    External(String),
    Serverless(String),
}

impl Named {
    fn of(network: &Network, origin: Origin) -> Self {
        match origin {
            Origin::Interface(id) => Self::Interface(network[id].name.clone()),
            Origin::Internet => Self::Internet,
            Origin::Site(id) => Self::Site(network[network[id].endpoint].name.clone()),
            Origin::External(id) => Self::External(network[network[id].endpoint].name.clone()),
            Origin::Serverless(id) => Self::Serverless(network[network[id].endpoint].name.clone()),
        }
    }

    fn find(&self, network: &Network) -> Option<Origin> {
        let endpoint = |id: netwright_model::network::EndpointId| network[id].name.as_str();
        Some(match self {
            Self::Internet => Origin::Internet,
            Self::Interface(name) => Origin::Interface(InterfaceId::at(
                network.interfaces.iter().position(|row| row.name == *name)?,
            )),
            Self::Site(name) => Origin::Site(SiteId::at(
                network.sites.iter().position(|row| endpoint(row.endpoint) == name)?,
            )),
            Self::External(name) => Origin::External(ExternalId::at(
                network.externals.iter().position(|row| endpoint(row.endpoint) == name)?,
            )),
            Self::Serverless(name) => Origin::Serverless(ServerlessId::at(
                network.serverless.iter().position(|row| endpoint(row.endpoint) == name)?,
            )),
        })
    }
}

fn traced(prover: &mut Prover<'_>, origin: Origin, packet: Packet) -> Trace {
    let origin = match origin {
        Origin::Interface(id) => path::Origin::Interface(id),
        Origin::Internet => path::Origin::Internet,
        Origin::Site(id) => path::Origin::Site(id),
        Origin::External(id) => path::Origin::External(id),
        Origin::Serverless(id) => path::Origin::Serverless(id),
    };
    let layer4 =
        Layer4 { protocol: packet.protocol, src_port: packet.src_port, dst_port: packet.dst_port };
    prover.trace(Flow {
        origin,
        src: packet.src,
        dst: packet.dst,
        packet: Some(layer4),
        meant: None,
    })
}

/// The two answers in a form that can be compared: the verdict, and where and how the packet arrives.
fn said_by_engine(network: &Network, trace: &Trace) -> String {
    let word = trace.verdict.word();
    if trace.verdict != Verdict::Reachable {
        return word.to_owned();
    }
    let path = &trace.forward.path;
    let place = match &path.end {
        End::Delivered(Arrival::Interface(id)) => network[*id].name.clone(),
        End::Delivered(Arrival::Endpoint(id)) => network[*id].name.clone(),
        End::Delivered(Arrival::Internet) => "Internet".to_owned(),
        End::Delivered(Arrival::Serverless(id)) => network[network[*id].endpoint].name.clone(),
        other => format!("{other:?}"),
    };
    format!("{word} {place} {} -> {}", path.src, path.dst)
}

fn said_by_interpreter(network: &Network, answer: &Answer) -> String {
    let Answer::Reachable { to, arrives, .. } = answer else {
        return answer.word().to_owned();
    };
    let place = match to {
        Place::Interface(id) => network[*id].name.clone(),
        Place::Public(id) | Place::PrivateEndpoint(id, _) => network[*id].name.clone(),
        Place::Site(id) => network[network[*id].endpoint].name.clone(),
        Place::External(id) | Place::Attached(id, _) => network[network[*id].endpoint].name.clone(),
        Place::Internet => "Internet".to_owned(),
        Place::Serverless(id) => network[network[*id].endpoint].name.clone(),
    };
    format!("reachable {place} {} -> {}", arrives.src, arrives.dst)
}

/// What both say, if it is not the same.
fn difference(
    network: &Network,
    prover: &mut Prover<'_>,
    origin: Origin,
    packet: Packet,
) -> Option<(String, String)> {
    let engine = said_by_engine(network, &traced(prover, origin, packet));
    let interpreter = said_by_interpreter(network, &connection(network, origin, packet));
    (engine != interpreter).then_some((engine, interpreter))
}

fn report(text: &str, origin: &Named, packet: Packet) {
    let differs = |text: &str| {
        let network = load(text)?;
        let from = origin.find(&network)?;
        // The sender keeps its address.
        if let Origin::Interface(id) = from
            && !packets::sends(&network, id).contains(&packet.src)
        {
            return None;
        }
        let mut prover = Prover::new(&network);
        difference(&network, &mut prover, from, packet)
    };
    let Some(kind) = differs(text) else { return };
    let word = |said: &str| said.split(' ').next().unwrap_or("").to_owned();
    let same_kind = |found: &(String, String)| {
        word(&found.0) == word(&kind.0) && word(&found.1) == word(&kind.1)
    };
    let small = shrink::shrink(text, |text| differs(text).is_some_and(|found| same_kind(&found)));
    let network = load(&small).unwrap();
    let from = origin.find(&network).unwrap();
    let mut prover = Prover::new(&network);
    let trace = traced(&mut prover, from, packet);
    let (engine, interpreter) = differs(&small).unwrap();
    eprintln!("=== {origin:?} {packet:?}\n{small}\n--- engine: {engine}");
    eprintln!("there {:?}\n      {:?}", trace.forward.path.steps, trace.forward.passed);
    eprintln!("      {:?}", trace.forward.path.end);
    if let Some(back) = &trace.back {
        eprintln!(
            "back  {:?}\n      {:?}\n      {:?}",
            back.path.steps, back.passed, back.path.end
        );
    }
    eprintln!("--- interpreter: {interpreter}");
    for assume in [Assume::Worst, Assume::Best] {
        let (answer, there, back) = connection_assuming(&network, from, packet, assume);
        eprintln!("{assume:?}: {answer:?}\nthere {:?}\n      {:?}", there.steps, there.outcome);
        if let Some(back) = back {
            eprintln!("back  {:?}\n      {:?}", back.steps, back.outcome);
        }
    }
}

#[test]
fn the_engine_says_what_the_interpreter_says() {
    engine_says_what_the_interpreter_says(Run::given());
}

fn engine_says_what_the_interpreter_says(run: Run) {
    let mut random = run.random(0);
    let (mut asked, mut networks, mut refused, mut differences) = (0, 0, 0, 0);
    let mut words: BTreeMap<String, usize> = BTreeMap::new();
    let mut kinds: BTreeMap<(String, String), usize> = BTreeMap::new();
    while asked < run.cases {
        let text = networks::network(&mut random);
        let Some(network) = load(&text) else {
            refused += 1;
            assert!(
                refused < 20 + networks,
                "most networks do not resolve:\n{text}\n{:#?}",
                netwright_model::load("x", &text, &mut Sources::default()).err()
            );
            continue;
        };
        networks += 1;
        let questions = packets::Questions::of(&network);
        let mut prover = Prover::new(&network);
        for _ in 0..PER_NETWORK {
            let Some((origin, packet)) = questions.one(&mut random) else { continue };
            asked += 1;
            let said = connection(&network, origin, packet);
            *words.entry(said.word().to_owned()).or_default() += 1;
            if let Some((engine, interpreter)) = difference(&network, &mut prover, origin, packet) {
                differences += 1;
                let word = |said: &str| said.split(' ').next().unwrap_or("").to_owned();
                let kind = (word(&engine), word(&interpreter));
                let seen = kinds.entry(kind).or_default();
                *seen += 1;
                if *seen <= 2 && differences <= 40 && kinds.len() <= MOST_PRINTED {
                    report(&text, &Named::of(&network, origin), packet);
                }
            }
        }
    }
    eprintln!("{asked} packets in {networks} networks ({refused} did not resolve): {words:?}");
    assert_eq!(differences, 0, "engine against interpreter: {kinds:?}");
}

/// What "all pairs" says of a packet between two interfaces.
fn said_by_reach(
    prover: &mut Prover<'_>,
    reach: &Reach,
    (from, src): (InterfaceId, std::net::IpAddr),
    (to, dst): (InterfaceId, std::net::IpAddr),
    packet: Packet,
) -> Option<&'static str> {
    let source = reach.group_of(&Member::Interface(from, src))?;
    let target = reach.group_of(&Member::Interface(to, dst))?;
    let network = prover.network;
    let same = network[from].subnet == network[to].subnet;
    let relation = if same { Relation::SameSubnet } else { Relation::OtherSubnet };
    let mut entries = reach.between(source, target);
    let entry = entries.find(|entry| [relation, Relation::Any].contains(&entry.relation));
    let Some(entry) = entry else { return Some("blocked") };
    let space = &mut prover.space;
    let (lost, unknown) = (entry.flows.no_return(space), entry.flows.unknown(space));
    Some(if space.contains(entry.flows.reachable(), &packet) {
        "reachable"
    } else if space.contains(lost, &packet) {
        "no_return"
    } else if space.contains(unknown, &packet) {
        "unknown"
    } else {
        "blocked"
    })
}

/// What "all pairs" and the interpreter say of a packet between two interfaces of one network, where both can be asked.
fn both_say(
    network: &Network,
    prover: &mut Prover<'_>,
    reach: &Reach,
    from: InterfaceId,
    packet: Packet,
) -> Option<(&'static str, &'static str)> {
    let holders: Vec<InterfaceId> = (0..network.interfaces.len())
        .map(InterfaceId::at)
        .filter(|&id| network[id].addresses.contains(&packet.dst))
        .collect();
    // An address that two VPCs use is nobody's in particular; all pairs say nothing of talking to oneself.
    let [to] = holders[..] else { return None };
    if to == from || !network[from].addresses.contains(&packet.src) {
        return None;
    }
    let origin = Origin::Interface(from);
    let answer = connection(network, origin, packet);
    // All pairs speak of packets that arrive at the receiver, and not of those that arrive at somebody else under its address.
    let (_, there, _) = connection_assuming(network, origin, packet, Assume::Best);
    match there.outcome {
        Outcome::Delivered { to: place, .. } if place != Place::Interface(to) => return None,
        // Of those of which no table says where they go, nobody can say that they do not.
        Outcome::Unknown(..) | Outcome::Delivered { .. } | Outcome::Blocked(..) => {}
    }
    let said = said_by_reach(prover, reach, (from, packet.src), (to, packet.dst), packet)?;
    Some((said, answer.word()))
}

fn report_reach(text: &str, from: &str, packet: Packet, kind: (&str, &str)) {
    let origin = Named::Interface(from.to_owned());
    let same = |text: &str| {
        let Some(network) = load(text) else { return false };
        let Some(Origin::Interface(from)) = origin.find(&network) else { return false };
        let mut prover = Prover::new(&network);
        let Ok(reach) = prover.reach() else { return false };
        both_say(&network, &mut prover, &reach, from, packet) == Some(kind)
    };
    let small = shrink::shrink(text, same);
    eprintln!("=== {from} {packet:?}\n{small}\n--- all pairs {}, interpreter {}", kind.0, kind.1);
}

#[test]
fn all_pairs_hold_what_the_interpreter_says_of_each_packet() {
    all_pairs_say_what_the_interpreter_says(Run::given());
}

fn all_pairs_say_what_the_interpreter_says(run: Run) {
    let mut random = run.random(0xA11);
    let (mut asked, mut differences) = (0, 0);
    let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    while asked < run.cases / 5 {
        let text = networks::network(&mut random);
        let Some(network) = load(&text) else { continue };
        let questions = packets::Questions::of(&network);
        let mut prover = Prover::new(&network);
        let reach = prover.reach().unwrap();
        for _ in 0..4 * PER_NETWORK {
            let Some((Origin::Interface(from), packet)) = questions.one(&mut random) else {
                continue;
            };
            let Some(kind) = both_say(&network, &mut prover, &reach, from, packet) else {
                continue;
            };
            asked += 1;
            if kind.0 != kind.1 {
                differences += 1;
                let seen = kinds.entry(kind).or_insert(0);
                *seen += 1;
                if *seen <= 2 {
                    report_reach(&text, &network[from].name, packet, kind);
                }
            }
        }
    }
    assert_eq!(differences, 0, "of {asked}, all pairs against interpreter: {kinds:?}");
}
