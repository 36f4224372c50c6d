use netwright_model::source::FileId;
use netwright_model::tree::{Limits, Node, yaml};

use super::{Setting, matrix, try_settings};
use crate::trace::Verdict;

fn tree(text: &str) -> Node {
    yaml::parse(text, FileId::default(), &Limits::default()).unwrap()
}

fn setting(path: &str, value: &str) -> Setting {
    Setting { path: path.to_owned(), value: value.to_owned() }
}

/// One service with a connector; a database with both addresses, a private cache, an outside service with an allow-list. The
/// rows and columns of the published table of egress modes.
const EGRESS: &str = "
provider: gcp
vpcs:
  net:
    main_route_table: main
    route_tables: { main: { routes: [{ to: 0.0.0.0/0, via: 'internet_gateway:gw' }] } }
    subnets: { apps: { cidr: 10.0.0.0/24 } }
internet_gateways: { gw: { vpc: net } }
connectors: { c: { vpc: net, cidr: 10.8.0.0/28 } }
nat_gateways: { nat: { vpc: net, addresses: 198.51.100.1, serves: [] } }
instances: { cache: { subnet: apps, address: 10.0.0.9 } }
databases:
  both: { engine: postgres, vpc: net, private_address: 10.9.0.3, public_address: 203.0.113.9 }
  public: { public_address: 203.0.113.10 }
  private: { vpc: net, private_address: 10.9.0.4 }
externals:
  open: { addresses: 192.0.3.0/24, listens: tcp/443 }
  listed: { addresses: 192.0.4.0/24, listens: tcp/443, allow_from: 198.51.100.1 }
services:
  s:
    egress: { mode: none, connector: c }
    dependencies:
      cache: { to: 'instance:cache', port: 6379 }
      open: { to: 'external:open' }
      listed: { to: 'external:listed' }
      socket-to-public: { to: 'database:public', via: socket }
      socket-to-private: { to: 'database:private', via: socket }
      tcp-to-private: { to: 'database:both', private: true }
";

fn verdicts(text: &str, mode: &str) -> Vec<(String, bool, Option<String>)> {
    let outcome = try_settings(&tree(text), &[setting("services.s.egress.mode", mode)]).unwrap();
    let told = outcome.dependencies.into_iter().map(|answer| {
        let seen = answer.sources_seen.first().map(ToString::to_string);
        (answer.name, answer.verdict == Verdict::Reachable, seen)
    });
    told.collect()
}

fn reached(text: &str, mode: &str) -> Vec<String> {
    verdicts(text, mode).into_iter().filter(|(_, works, _)| *works).map(|(name, ..)| name).collect()
}

#[test]
fn without_vpc_access_only_public_destinations_and_the_socket_work() {
    assert_eq!(reached(EGRESS, "none"), ["open", "socket-to-public"]);
}

#[test]
fn private_ranges_only_leaves_public_destinations_direct_and_the_nat_unused() {
    let all = verdicts(EGRESS, "private-ranges-only");
    let works: Vec<&str> =
        all.iter().filter(|(_, works, _)| *works).map(|(n, ..)| n.as_str()).collect();
    assert_eq!(works, ["cache", "open", "socket-to-public", "socket-to-private", "tcp-to-private"]);
    let open = all.iter().find(|(name, ..)| name == "open").unwrap();
    assert_eq!(open.2, None, "the source address of a direct connection is not predictable");
}

#[test]
fn all_traffic_with_a_reserved_address_satisfies_an_allow_list() {
    let all = verdicts(EGRESS, "all-traffic");
    assert!(all.iter().all(|(_, works, _)| *works), "{all:?}");
    let listed = all.iter().find(|(name, ..)| name == "listed").unwrap();
    assert_eq!(listed.2.as_deref(), Some("198.51.100.1"));
}

#[test]
fn all_traffic_without_nat_reaches_nothing_public() {
    let without = EGRESS
        .replace("nat_gateways: { nat: { vpc: net, addresses: 198.51.100.1, serves: [] } }\n", "");
    assert_eq!(reached(&without, "all-traffic"), ["cache", "socket-to-private", "tcp-to-private"]);
}

#[test]
fn a_wrong_path_is_told_with_the_nearest_name() {
    let errors = try_settings(&tree(EGRESS), &[setting("servises.s.port", "1")]).unwrap_err();
    assert!(errors[0].message.contains("there is no `servises`"), "{}", errors[0].message);
    assert_eq!(errors[0].help.as_deref(), Some("did you mean `services`?"));
}

#[test]
fn every_combination_is_tried_once() {
    let modes = ["none", "private-ranges-only", "all-traffic"].map(str::to_owned).to_vec();
    let vary = [
        ("services.s.egress.mode".to_owned(), modes),
        (
            "nat_gateways.nat.address_allocation".to_owned(),
            vec!["static".into(), "automatic".into()],
        ),
    ];
    let all = matrix(&tree(EGRESS), &vary).unwrap();
    assert_eq!(all.len(), 6);
    assert_eq!(all[5].settings[0].value, "all-traffic");
}
