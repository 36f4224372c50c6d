//! The name servers of a plan say of every name what the prover says of it, on random zones: two programs that share no code.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it cannot go on")]

use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RecordType};
use netwright_dataplane::plan::{HostPlan, What, plan};
use netwright_dns::server::{Client, Do, Server};
use netwright_dns::settings::Settings;
use netwright_model::network::resolve::resolve;
use netwright_model::network::{Network, VpcId};
use netwright_model::source::Sources;
use netwright_verify::names::seen::hosts;
use netwright_verify::names::{Names, Outcome};
use proptest::prelude::*;

fn network(zones: &str) -> Network {
    let text = format!(
        "vpcs:
  one: {{ provider: aws, cidr: 10.0.0.0/16, subnets: {{ s: {{ cidr: 10.0.0.0/24 }} }} }}
  two: {{ cidr: 10.1.0.0/16, subnets: {{ t: {{ cidr: 10.1.0.0/24 }} }} }}
instances:
  a: {{ subnet: s, address: 10.0.0.5 }}
  b: {{ subnet: t, address: 10.1.0.5 }}
externals:
  pay: {{ address: 198.51.100.7, hosts: [pay.example, a.z] }}
services:
  alone: {{ host: alone.example }}
dns_zones:
{zones}"
    );
    let mut sources = Sources::default();
    let description = netwright_model::parse_description("t.yaml", &text, &mut sources);
    let description = description.unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
    resolve(description).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"))
}

/// The name server of a namespace.
fn server(plan: &HostPlan, namespace: &str) -> (Settings, Server) {
    let task = plan.tasks.iter().find(|task| task.key() == (namespace, "dns"));
    let Some(What::Part { settings, .. }) = task.map(|task| &task.what) else {
        panic!("{namespace} has no name server")
    };
    let settings: Settings = serde_json::from_str(settings).unwrap();
    let (server, _) = Server::new(settings.clone(), Box::new(|| 1));
    (settings, server)
}

/// The answers to a name of both families: the codes, and the addresses in order; or that others are asked.
fn ask(settings: &Settings, server: &mut Server, name: &str) -> Result<Vec<IpAddr>, String> {
    let range = settings.clients.first().map_or(IpAddr::from([127, 0, 0, 1]), |own| own.address);
    let client = Client { from: SocketAddr::new(range, 9), door: 0, stream: true };
    let mut addresses = Vec::new();
    // Time passes, so that nobody asks too often.
    static NOW: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    for kind in [RecordType::A, RecordType::AAAA] {
        let mut message = Message::new(1, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(format!("{name}.")).unwrap(), kind));
        message.edns = Some(Edns::new());
        let now = NOW.fetch_add(10, std::sync::atomic::Ordering::Relaxed);
        let mut out = Vec::new();
        server.query(client, &message.to_vec().unwrap(), now, &mut out);
        let reply = out.iter().find_map(|what| match what {
            Do::Reply(_, octets) => Some(Message::from_vec(octets).unwrap()),
            _ => None,
        });
        let Some(reply) = reply else { return Err("asks others".to_owned()) };
        let extended = reply.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Unknown(15)));
        let loops = match extended {
            Some(EdnsOption::Unknown(_, octets)) => {
                String::from_utf8_lossy(octets).contains("stand for each other")
            }
            _ => false,
        };
        match reply.metadata.response_code {
            ResponseCode::NoError => {}
            ResponseCode::ServFail if loops => return Err("loop".to_owned()),
            code => return Err(format!("{code:?}")),
        }
        let found = reply.answers.iter().filter_map(|record| record.data.ip_addr());
        let before = addresses.len();
        addresses.extend(found);
        if addresses.len() == before {
            assert!(
                reply.authorities.iter().any(|r| r.record_type() == RecordType::SOA),
                "{reply}"
            );
        }
    }
    addresses.sort();
    addresses.dedup();
    Ok(addresses)
}

/// The same as the prover has it.
fn prove(network: &Network, from: Option<VpcId>, name: &str) -> Result<Vec<IpAddr>, String> {
    match Names::of(network).resolve(from, name).outcome {
        Outcome::Addresses(addresses) => Ok(addresses),
        Outcome::NoAddress { .. } => Ok(Vec::new()),
        Outcome::Loop(_) => Err("loop".to_owned()),
        Outcome::TooLong => Err("ServFail".to_owned()),
        Outcome::NoName { .. } => Err("NXDomain".to_owned()),
        Outcome::Forwarded { .. } => Err("asks others".to_owned()),
        Outcome::Elsewhere(last) => {
            match hosts(network, from).into_iter().find(|(host, _)| *host == last) {
                Some((_, addresses)) if !addresses.is_empty() => Ok(addresses),
                _ => Err("ServFail".to_owned()),
            }
        }
    }
}

const VIEWS: [(Option<VpcId>, &str); 3] =
    [(Some(VpcId(0)), "vpc/one"), (Some(VpcId(1)), "vpc/two"), (None, "internet")];

fn label() -> impl Strategy<Value = String> {
    prop_oneof![Just("a"), Just("b"), Just("c"), Just("*")].prop_map(str::to_owned)
}

fn owner() -> impl Strategy<Value = String> {
    proptest::collection::vec(label(), 0..3)
        .prop_map(|labels| if labels.is_empty() { "@".to_owned() } else { labels.join(".") })
}

fn value() -> impl Strategy<Value = (String, String)> {
    let target = prop_oneof![
        owner(),
        owner().prop_map(|name| format!("{name}.z.")),
        owner().prop_map(|name| format!("{name}.b.z.")),
        Just("pay.example.".to_owned()),
        Just("alone.example.".to_owned()),
    ];
    prop_oneof![
        3 => (1..9_u8).prop_map(|last| ("A".to_owned(), format!("10.0.9.{last}"))),
        1 => (1..9_u8).prop_map(|last| ("AAAA".to_owned(), format!("fd00::{last}"))),
        3 => target.prop_map(|name| ("CNAME".to_owned(), name)),
        1 => Just(("TXT".to_owned(), "text".to_owned())),
        1 => Just(("NS".to_owned(), "ns.elsewhere.".to_owned())),
    ]
}

/// A zone: its name, who sees it, whether it is forwarded, and its records.
fn zone() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("z"), Just("b.z"), Just("c.b.z"), Just("example")];
    let seen = prop_oneof![Just(""), Just("one"), Just("two"), Just("one, two")];
    let forwarded = prop_oneof![6 => Just(""), 1 => Just("192.0.2.53")];
    let records = proptest::collection::vec((owner(), value()), 0..12);
    (name, seen, forwarded, records).prop_map(|(name, seen, forwarded, records)| {
        let mut text =
            format!("{{ domain: {name}, vpcs: [{seen}], forward_to: [{forwarded}], records: [");
        let mut aliases = std::collections::BTreeMap::new();
        for (owner, (kind, value)) in records {
            // What has an alias has nothing else.
            let alone = kind == "CNAME";
            let known = aliases.entry(owner.clone()).or_insert((alone, 0));
            if known.1 > 0 && (alone || known.0) {
                continue;
            }
            known.1 += 1;
            text += &format!("{{ name: '{owner}', type: {kind}, value: '{value}' }}, ");
        }
        text + "] }"
    })
}

fn asked() -> impl Strategy<Value = String> {
    let label = prop_oneof![Just("a"), Just("b"), Just("c"), Just("d")].prop_map(str::to_owned);
    let end = prop_oneof![Just("z"), Just("b.z"), Just("c.b.z"), Just("example"), Just("y")];
    let inside = (proptest::collection::vec(label, 0..3), end)
        .prop_map(|(labels, end)| [labels.join("."), end.to_owned()].join("."))
        .prop_map(|name| name.trim_start_matches('.').to_owned());
    prop_oneof![9 => inside, 1 => Just("pay.example".to_owned()), 1 => Just("alone.example".to_owned())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_servers_of_a_plan_say_what_the_prover_says(
        zones in proptest::collection::vec(zone(), 0..5),
        asked in proptest::collection::vec(asked(), 1..12),
    ) {
        let lines = zones.iter().enumerate().map(|(n, zone)| format!("  k{n}: {zone}\n"));
        let text: String = lines.collect();
        let network = network(&text);
        let plan = plan(&network);
        for (from, namespace) in VIEWS {
            let (settings, mut server) = server(&plan, namespace);
            for name in &asked {
                let (said, proved) = (ask(&settings, &mut server, name), prove(&network, from, name));
                // A server of a delegated part whose address nobody knows cannot be asked.
                let lost = said == Err("ServFail".to_owned()) && proved == Err("asks others".to_owned());
                prop_assert!(lost || said == proved, "{name} from {namespace}: {said:?}, proved {proved:?}\n{text}");
            }
        }
    }
}

#[test]
fn servers_are_at_the_addresses_that_providers_give_them_and_who_asks_whom_is_planned() {
    let plan = plan(&network("  z: { vpcs: [one], records: [{ name: a, value: 10.0.0.5 }] }\n"));
    let asks = |name: &str| -> Vec<String> {
        let found = plan.namespaces.iter().find(|one| one.name == name).unwrap();
        found.resolvers.iter().map(ToString::to_string).collect()
    };
    assert_eq!(asks("instance/a"), ["10.0.0.2", "169.254.169.253"]);
    assert_eq!(asks("instance/b"), ["169.254.169.253"]);
    assert_eq!(asks("service/alone"), ["9.9.9.9"]);
    assert_eq!(asks("external/pay"), ["9.9.9.9"]);
    let (one, _) = server(&plan, "vpc/one");
    assert_eq!(one.queries_per_second, 1024);
    let zones = |settings: &Settings| -> Vec<String> {
        settings.zones.iter().map(|zone| zone.name.clone()).collect()
    };
    assert_eq!(zones(&one), ["z"]);
    assert_eq!(zones(&server(&plan, "vpc/two").0), Vec::<String>::new());
}

#[test]
fn a_network_without_names_has_no_name_servers() {
    let text =
        "vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }\ninstances: { a: { subnet: s } }\n";
    let mut sources = Sources::default();
    let description = netwright_model::parse_description("t.yaml", text, &mut sources).unwrap();
    let plan = plan(&resolve(description).unwrap());
    assert!(plan.tasks.is_empty());
    assert!(plan.namespaces.iter().all(|namespace| namespace.resolvers.is_empty()));
}
