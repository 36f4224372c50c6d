//! `netwright reach`.

use crate::folder::SHOP;
use crate::run::on;

#[test]
fn all_pairs_are_told_as_exact_sets() {
    let ran = on(SHOP, &["reach", "network.yaml"]).ends(0);
    assert!(ran.out.contains("tcp dst 5432"), "{}", ran.out);
    assert!(ran.out.contains("tcp dst 443"), "{}", ran.out);
}

#[test]
fn a_source_and_a_service_narrow_the_answer() {
    let words = ["reach", "network.yaml", "--from", "internet", "--port", "tcp/443"];
    let ran = on(SHOP, &words).ends(0);
    assert!(ran.out.contains("web-1") && !ran.out.contains("db-1"), "{}", ran.out);
    on(SHOP, &["reach", "network.yaml", "--from", "internet", "--to", "db-1"]).ends(1);
}

#[test]
fn json_names_groups_and_the_flows_between_them() {
    let json = on(SHOP, &["reach", "network.yaml", "--format", "json"]).ends(0).json();
    assert_eq!(json["version"], 1);
    let groups = json["groups"].as_array().expect("groups").len();
    for flow in json["flows"].as_array().expect("flows") {
        for side in ["source", "destination"] {
            let group = flow[side].as_u64().expect("a position in groups");
            assert!(usize::try_from(group).is_ok_and(|group| group < groups));
        }
    }
}
