use netwright_model::network::resolve::resolve;
use netwright_model::network::{Network, VpcId};
use netwright_model::source::Sources;
use proptest::prelude::*;

use super::{MOST_ALIASES, Names, Outcome};

fn network(zones: &str) -> Network {
    let text = format!(
        "vpcs:\n  one: {{ cidr: 10.0.0.0/16 }}\n  two: {{ cidr: 10.1.0.0/16 }}\ndns_zones:\n{zones}"
    );
    let mut sources = Sources::default();
    let description = netwright_model::parse_description("t.yaml", &text, &mut sources);
    let description = description.unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
    resolve(description).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"))
}

/// How a name ends, in words: addresses, or what went wrong.
fn ask(zones: &str, from: Option<u32>, name: &str) -> String {
    let network = network(zones);
    let resolution = Names::of(&network).resolve(from.map(VpcId), name);
    match &resolution.outcome {
        Outcome::Addresses(addresses) => {
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        }
        _ => resolution.why().expect("a reason"),
    }
}

/// The zone of RFC 4592, section 2.2.1.
const RFC_4592: &str = "
  example:
    records:
      - { name: '*', type: TXT, values: [wild] }
      - { name: '*.sub', type: A, values: [192.0.2.1] }
      - { name: host1, type: A, values: [192.0.2.2] }
      - { name: 'deep.*.empty', type: A, values: [192.0.2.3] }
      - { name: _ssh._tcp.host1, type: SRV, values: ['0 0 22 host1'] }
      - { name: subdel, type: NS, values: [ns.example.com.] }
";

#[test]
fn wildcards_stand_for_what_rfc_4592_says() {
    for (name, answer) in [
        ("host1.example", "192.0.2.2"),
        // The closest ancestor that exists is sub, and it has a wildcard.
        ("a.sub.example", "192.0.2.1"),
        ("a.b.sub.example", "192.0.2.1"),
        // The zone's wildcard has no address, and the name is there by it.
        ("host3.example", "host3.example of zone example has no address"),
        ("foo.bar.example", "foo.bar.example of zone example has no address"),
        // sub and _tcp.host1 exist as empty non-terminals: nothing stands for them.
        ("sub.example", "sub.example of zone example has no address"),
        ("_tcp.host1.example", "_tcp.host1.example of zone example has no address"),
        // A wildcard that is there only because something lies below it stands for names all the same.
        ("x.empty.example", "x.empty.example of zone example has no address"),
        // host1 exists, and has no wildcard below it.
        ("a.host1.example", "zone example has no a.host1.example"),
        (
            "host.subdel.example",
            "subdel.example is answered by servers whose answers are not described",
        ),
    ] {
        assert_eq!(ask(RFC_4592, None, name), answer, "{name}");
    }
}

const SPLIT: &str = "
  public: { domain: shop.example, records: [{ name: api, value: 198.51.100.7 }, { name: www, value: 198.51.100.8 }] }
  inner: { domain: shop.example, vpcs: [one], records: [{ name: api, value: 10.0.0.7 }] }
  deeper: { domain: eu.shop.example, vpcs: [two], records: [{ name: api, value: 10.1.0.9 }] }
";

#[test]
fn a_private_zone_answers_in_its_vpcs_and_hides_the_public_one() {
    assert_eq!(ask(SPLIT, None, "api.shop.example"), "198.51.100.7");
    assert_eq!(ask(SPLIT, Some(1), "api.shop.example"), "198.51.100.7");
    assert_eq!(ask(SPLIT, Some(0), "API.shop.example."), "10.0.0.7");
    // The private zone is the one that answers: what it lacks is not there.
    assert_eq!(
        ask(SPLIT, Some(0), "www.shop.example"),
        "zone shop.example has no www.shop.example"
    );
}

#[test]
fn the_longest_zone_answers() {
    assert_eq!(ask(SPLIT, Some(1), "api.eu.shop.example"), "10.1.0.9");
    assert_eq!(
        ask(SPLIT, Some(0), "api.eu.shop.example"),
        "zone shop.example has no api.eu.shop.example"
    );
}

#[test]
fn a_name_that_only_ends_like_a_zone_is_not_in_it() {
    assert_eq!(
        ask(SPLIT, None, "myshop.example"),
        "no zone of the description that is seen from there holds myshop.example"
    );
}

#[test]
fn a_loop_is_told_as_a_loop_with_its_chain() {
    let zones = "
  internal: { vpcs: [one], records: [{ name: service-a, value: service-b }, { name: service-b, value: service-a }, { name: in, value: service-a }] }
";
    assert_eq!(
        ask(zones, Some(0), "service-a.internal"),
        "these names stand for each other: service-a.internal → service-b.internal → service-a.internal"
    );
    assert_eq!(
        ask(zones, Some(0), "in.internal"),
        "these names stand for each other: service-a.internal → service-b.internal → service-a.internal"
    );
}

#[test]
fn a_chain_is_followed_over_zones_and_a_dangling_one_names_what_is_missing() {
    let zones = "
  a.example: { records: [{ name: www, value: web.b.example. }, { name: old, value: gone.b.example. }, { name: out, value: cdn.elsewhere.net. }] }
  b.example: { records: [{ name: web, values: [192.0.2.1, 192.0.2.2] }, { name: web, type: AAAA, value: '2001:db8::1' }] }
";
    assert_eq!(ask(zones, None, "www.a.example"), "192.0.2.1 192.0.2.2 2001:db8::1");
    assert_eq!(ask(zones, None, "old.a.example"), "zone b.example has no gone.b.example");
    assert!(ask(zones, None, "out.a.example").ends_with("holds cdn.elsewhere.net"));
}

#[test]
fn a_chain_that_is_too_long_is_not_followed_to_its_end() {
    let chain = |length: usize| {
        let mut zones = String::from("  z.example:\n    records:\n");
        for number in 0..length {
            zones += &format!("      - {{ name: n{number}, value: n{} }}\n", number + 1);
        }
        zones + &format!("      - {{ name: n{length}, value: 192.0.2.1 }}\n")
    };
    assert_eq!(ask(&chain(MOST_ALIASES - 1), None, "n0.z.example"), "192.0.2.1");
    assert!(ask(&chain(MOST_ALIASES), None, "n0.z.example").contains("more than 16 aliases"));
}

#[test]
fn what_is_forwarded_is_unknown() {
    let zones = "  corp.example: { vpcs: [one], forward_to: [192.168.0.53] }\n";
    assert!(ask(zones, Some(0), "db.corp.example").contains("are not described"));
}

/// The plainest resolver: looks through all records again for every question, and knows nothing of trees.
mod naive {
    use std::net::IpAddr;

    /// Records as owner, value.
    pub(super) fn resolve(
        records: &[(String, String)],
        name: &str,
    ) -> Result<Vec<IpAddr>, &'static str> {
        let mut name = name.to_owned();
        let mut asked = vec![name.clone()];
        loop {
            let values: Vec<&String> = match find(records, &name) {
                Some(values) => values,
                None => return Err("no name"),
            };
            let addresses: Vec<IpAddr> = values.iter().filter_map(|v| v.parse().ok()).collect();
            let alias = values.iter().find(|value| value.parse::<IpAddr>().is_err());
            match alias {
                Some(alias) if asked.contains(alias) => return Err("loop"),
                Some(alias) => {
                    name = (*alias).clone();
                    asked.push(name.clone());
                }
                None if addresses.is_empty() => return Err("no address"),
                None => {
                    let mut addresses = addresses;
                    addresses.sort();
                    addresses.dedup();
                    return Ok(addresses);
                }
            }
        }
    }

    fn find<'r>(records: &'r [(String, String)], name: &str) -> Option<Vec<&'r String>> {
        let own = |owner: &str| -> Vec<&'r String> {
            records.iter().filter(|(o, _)| o == owner).map(|(_, value)| value).collect()
        };
        let there = |name: &str| {
            name == "z"
                || records.iter().any(|(o, _)| o == name || o.ends_with(&format!(".{name}")))
        };
        if there(name) {
            return Some(own(name));
        }
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if there(parent) {
                let wild = own(&format!("*.{parent}"));
                return (!wild.is_empty()).then_some(wild);
            }
            rest = parent;
        }
        None
    }
}

proptest! {
    #[test]
    fn every_name_ends_as_with_the_plainest_resolver(
        records in proptest::collection::vec(("(\\*\\.)?([ab]\\.)?[ab]", prop_oneof!["([ab]\\.)?[abc]", Just("192.0.2.1".to_owned()), Just("192.0.2.2".to_owned())]), 1..8),
        asked in "([ab]\\.)?([ab]\\.)?[abc]",
    ) {
        // One alias, or addresses, for each owner: anything else is no zone.
        let mut kept: Vec<(String, String)> = Vec::new();
        for (owner, value) in records {
            let address = value.parse::<std::net::IpAddr>().is_ok();
            let clash = kept.iter().any(|(o, v): &(String, String)| *o == owner && !(address && v.parse::<std::net::IpAddr>().is_ok()));
            if !clash {
                kept.push((owner, value));
            }
        }
        let mut zones = String::from("  z:\n    records:\n");
        for (owner, value) in &kept {
            zones += &format!("      - {{ name: '{owner}', value: '{value}' }}\n");
        }
        let full = |name: &str| if name.parse::<std::net::IpAddr>().is_ok() { name.to_owned() } else { format!("{name}.z") };
        let plain: Vec<(String, String)> = kept.iter().map(|(o, v)| (full(o), full(v))).collect();
        let network = network(&zones);
        let ours = Names::of(&network).resolve(None, &full(&asked)).outcome;
        let theirs = naive::resolve(&plain, &full(&asked));
        let agrees = match (&ours, &theirs) {
            (Outcome::Addresses(a), Ok(b)) => a == b,
            (Outcome::Loop(_), Err("loop"))
            | (Outcome::NoName { .. }, Err("no name"))
            | (Outcome::NoAddress { .. }, Err("no address")) => true,
            _ => false,
        };
        prop_assert!(agrees, "{asked}: {ours:?}, expected {theirs:?}\n{zones}");
    }
}
