//! All pairs tell senders apart that nothing but an allow-list does.

#![allow(clippy::unwrap_used, reason = "a test")]

use netwright_model::source::Sources;
use netwright_verify::prover::Prover;
use netwright_verify::reach::Member;

const NETWORK: &str = "
vpcs:
  v:
    cidr: 10.0.0.0/16
    main_route_table: t
    subnets: { one: { cidr: 10.0.1.0/24 } }
    route_tables:
      t: { routes: [ { to: 0.0.0.0/0, via: 'internet_gateway:g' } ] }
internet_gateways: { g: { vpc: v } }
instances:
  listed: { subnet: v/one, address: 10.0.1.10, public_address: 198.51.100.1 }
  other: { subnet: v/one, address: 10.0.1.11, public_address: 198.51.100.2 }
databases:
  db: { public_address: 203.0.113.7, port: 5432, authorized_networks: [198.51.100.1/32] }
";

#[test]
fn only_the_machine_whose_public_address_is_on_the_list_reaches_what_keeps_it() {
    let network = netwright_model::load("test.yaml", NETWORK, &mut Sources::default()).unwrap();
    let reach = Prover::new(&network).reach().unwrap();
    let mut senders = Vec::new();
    for entry in reach.entries() {
        let to_database = reach.groups[entry.dst].members.iter().any(|member| {
            matches!(member, Member::Outside(_, first, _) if first.to_string() == "203.0.113.7")
        });
        if !to_database {
            continue;
        }
        senders.extend(reach.groups[entry.src].members.iter().filter_map(|member| match member {
            Member::Interface(id, _) => Some(network[*id].name.clone()),
            _ => None,
        }));
    }
    assert_eq!(senders, ["listed"]);
}
