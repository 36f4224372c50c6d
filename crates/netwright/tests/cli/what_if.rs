//! `netwright what-if` and `netwright matrix`.

use crate::folder::Folder;
use crate::run::{netwright, on};

/// A service whose database is private: only a way through the VPC reaches it.
const SERVICE: &str = r"
provider: gcp
vpcs: { net: { subnets: { apps: { cidr: 10.0.0.0/24 } } } }
connectors: { c: { vpc: net, cidr: 10.8.0.0/28 } }
databases: { main: { engine: postgres, vpc: net, private_address: 10.9.0.3 } }
services:
  api:
    egress: { mode: none, connector: c }
    dependencies: { main: { to: 'database:main', port: 5432 } }
";

#[test]
fn a_setting_that_cures_a_service_exits_0_and_one_that_does_not_1() {
    let words = ["what-if", "network.yaml", "--set", "services.api.egress.mode=all-traffic"];
    on(SERVICE, &words).ends(0);
    let words = ["what-if", "network.yaml", "--set", "services.api.egress.mode=none"];
    on(SERVICE, &words).ends(1);
}

#[test]
fn a_path_or_value_that_does_not_exist_exits_2_with_a_suggestion() {
    let words = ["what-if", "network.yaml", "--set", "services.apy.egress.mode=none"];
    assert!(on(SERVICE, &words).ends(2).err.contains("did you mean `api`"));
    let words = ["what-if", "network.yaml", "--set", "services.api.egress.mode=al-traffic"];
    assert!(on(SERVICE, &words).ends(2).err.contains("all-traffic"));
    on(SERVICE, &["what-if", "network.yaml", "--set", "services.api"]).ends(2);
}

#[test]
fn every_combination_is_tried_and_one_that_works_exits_0() {
    let words = [
        "matrix",
        "network.yaml",
        "--vary",
        "services.*.egress.mode=none,private-ranges-only,all-traffic",
        "--vary",
        "databases.main.private_address=[10.9.0.3, 10.9.0.4],10.9.0.5",
        "--format",
        "json",
    ];
    let json = on(SERVICE, &words).ends(0).json();
    let combinations = json["combinations"].as_array().expect("combinations");
    let works: Vec<bool> = combinations.iter().map(|one| one["works"] == true).collect();
    assert_eq!(works, [false, false, true, true, true, true]);
    let seen = &combinations[2]["dependencies"][0]["source_seen"];
    assert!(seen.as_str().is_some_and(|address| address.starts_with("10.8.0.")), "{seen}");
}

#[test]
fn a_folder_is_changed_like_a_file() {
    let folder = Folder::new();
    let (network, services) = SERVICE.split_once("services:").expect("two parts");
    folder.write("network/a.yaml", network);
    folder.write("network/b.yaml", format!("services:{services}"));
    let words = ["what-if", "network", "--set", "services.api.egress.mode=all-traffic"];
    netwright(&folder, &words).ends(0);
}

/// Two ways to the outside and a list there that holds one address: a service in need of it.
const LISTED: &str = r"
provider: gcp
vpcs:
  net:
    main_route_table: main
    route_tables: { main: { routes: [{ to: 0.0.0.0/0, via: 'internet_gateway:gw' }] } }
    subnets: { apps: { cidr: 10.0.0.0/24 } }
internet_gateways: { gw: { vpc: net } }
connectors: { c: { vpc: net, cidr: 10.8.0.0/28 } }
externals: { partner: { addresses: 203.0.114.0/28, listens: tcp/443, allow_from: 198.51.100.10 } }
services:
  api:
    egress: { mode: private-ranges-only, connector: c }
    dependencies: { partner: { to: 'external:partner' } }
";

#[test]
fn the_option_that_cures_and_breaks_nothing_is_recommended_and_the_cheapest_of_those() {
    let nat = "nat_gateways={},{n: {vpc: net, addresses: [198.51.100.10]}},\
               {n: {vpc: net, addresses: [198.51.100.10]}, m: {vpc: net, serves: [], addresses: [198.51.100.11]}}";
    let words = [
        "matrix",
        "network.yaml",
        "--vary",
        "services.*.egress.mode=private-ranges-only,all-traffic",
        "--vary",
        nat,
        "--format",
        "json",
    ];
    let json = on(LISTED, &words).ends(0).json();
    assert_eq!(json["recommended"]["combination"], 4, "{}", json["recommended"]);
    let best = &json["combinations"][4];
    assert_eq!(best["rank"], 1);
    assert_eq!(best["comparison"]["breaks"], serde_json::json!([]));
    let cures = best["comparison"]["cures"].as_array().expect("a list");
    assert!(cures.iter().any(|cure| cure == "api → external:partner"), "{cures:?}");
    let leaves = &json["combinations"][1]["comparison"]["does_not_cure"];
    assert!(leaves.as_array().is_some_and(|left| !left.is_empty()), "{leaves}");
}

#[test]
fn nothing_is_recommended_that_breaks_or_does_not_help() {
    let words =
        ["matrix", "network.yaml", "--vary", "services.*.egress.mode=none,private-ranges-only"];
    let ran = on(LISTED, &words).ends(1);
    assert!(ran.out.contains("none is recommended"), "{}", ran.out);
    assert!(ran.out.contains("does not cure: start of api"), "{}", ran.out);
}
