use netwright_model::language::Description;
use netwright_model::source::Sources;

use super::{Action, Step, Undo, steps};

fn description(text: &str) -> Description {
    let mut sources = Sources::default();
    let parsed = netwright_model::parse_description("t.yaml", text, &mut sources);
    parsed.unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn between(old: &str, new: &str) -> Vec<Step> {
    steps(&description(old), &description(new))
}

fn only(steps: &[Step]) -> &Step {
    let [only] = steps else { panic!("{steps:?}") };
    only
}

const NETWORK: &str = "
provider: aws
vpcs:
  prod:
    cidr: 10.0.0.0/16
    subnets: { a: { cidr: 10.0.1.0/24 } }
    route_tables: { main: { routes: [] } }
nat_gateways:
  nat: { subnet: prod/a, addresses: 198.51.100.7 }
databases:
  main: { engine: postgres, subnets: [prod/a], authorized_networks: [192.0.2.0/24] }
filters:
  web: { vpc: prod, rules: [{ direction: ingress, protocol: tcp, port: 443 }] }
";

#[test]
fn equal_descriptions_need_no_step() {
    assert_eq!(between(NETWORK, NETWORK), []);
    // Other words for the same.
    let list = NETWORK.replace("cidr: 10.0.0.0/16", "cidrs: [10.0.0.0/16]");
    assert_eq!(between(NETWORK, &list), []);
}

#[test]
fn a_rule_that_is_changed_is_one_reversible_step_on_its_filter() {
    let steps = between(NETWORK, &NETWORK.replace("port: 443", "port: 8443"));
    let step = only(&steps);
    assert_eq!((step.action, step.kind, step.name.as_str()), (Action::Change, "filter", "web"));
    assert_eq!(step.undo, Undo::Reversible);
    assert_eq!(step.fields[0].path, "rules");
}

#[test]
fn a_subnet_with_another_range_is_replaced_and_the_vpc_is_not() {
    let steps = between(NETWORK, &NETWORK.replace("10.0.1.0/24", "10.0.2.0/24"));
    let step = only(&steps);
    assert_eq!((step.action, step.kind, step.name.as_str()), (Action::Replace, "subnet", "prod/a"));
}

#[test]
fn widening_a_subnet_is_irreversible_where_the_provider_never_narrows() {
    let gcp = NETWORK.replace("aws", "gcp");
    let steps = between(&gcp, &gcp.replace("10.0.1.0/24", "10.0.0.0/23"));
    assert_eq!(only(&steps).undo, Undo::Irreversible);
}

#[test]
fn a_released_address_is_lost_and_one_that_moves_is_not() {
    let other = NETWORK.replace("198.51.100.7", "198.51.100.8");
    let steps = between(NETWORK, &other);
    assert_eq!(only(&steps).undo, Undo::Irreversible);
    assert!(only(&steps).why.contains("198.51.100.7 is released"), "{}", only(&steps).why);
    let moved = NETWORK.replace("  nat: {", "  edge: {");
    let steps = between(NETWORK, &moved);
    assert!(steps.iter().all(|step| step.undo == Undo::Reversible), "{steps:?}");
}

#[test]
fn data_goes_with_a_database() {
    let without: String = NETWORK.replace("databases:\n  main: {", "databases:\n  other: {");
    let steps = between(NETWORK, &without);
    let gone = steps.iter().find(|step| step.action == Action::Destroy).expect("it is destroyed");
    assert_eq!((gone.kind, gone.undo), ("database", Undo::Irreversible));
}

#[test]
fn things_are_made_before_what_needs_them_and_taken_away_after() {
    let with = NETWORK.replace(
        "subnets: { a: { cidr: 10.0.1.0/24 } }",
        "subnets: { a: { cidr: 10.0.1.0/24 }, b: { cidr: 10.0.2.0/24 } }",
    ) + "instances: { new: { subnet: prod/b } }\n";
    let names = |steps: &[Step]| -> Vec<String> {
        steps.iter().map(|step| format!("{} {}", step.action.word(), step.name)).collect()
    };
    assert_eq!(names(&between(NETWORK, &with)), ["create prod/b", "create new"]);
    assert_eq!(names(&between(&with, NETWORK)), ["destroy new", "destroy prod/b"]);
}

#[test]
fn bounds_of_a_connector_only_rise() {
    let of = |max: u32| {
        format!(
            "provider: gcp\nvpcs: {{ v: {{ cidr: 10.0.0.0/16 }} }}\nconnectors: {{ c: {{ vpc: v, cidr: 10.8.0.0/28, max_instances: {max} }} }}\n"
        )
    };
    assert_eq!(only(&between(&of(3), &of(5))).undo, Undo::Irreversible);
    assert_eq!(only(&between(&of(5), &of(3))).action, Action::Replace);
}

#[test]
fn what_no_fact_is_known_of_is_unknown() {
    let azure = NETWORK.replace("aws", "azure");
    let steps =
        between(&azure, &azure.replace("cidr: 10.0.0.0/16", "cidrs: [10.0.0.0/16, 10.9.0.0/16]"));
    assert_eq!(only(&steps).undo, Undo::Unknown);
}

#[test]
fn of_long_values_the_place_is_shown_at_which_they_differ() {
    let rules = |port: u16| {
        let rule = "{name: from the office, direction: ingress, protocol: tcp}, ".repeat(3);
        Some(format!("[{rule}{{name: postgres, ports: [{port}]}}, {rule}]"))
    };
    let field = |old, new| super::Field { path: "rules".to_owned(), old, new };
    let [old, new] = field(rules(5432), rules(5433)).shown().map(|value| value.expect("a value"));
    assert!(old.starts_with('…') && old.ends_with('…') && old.contains("[5432]"), "{old}");
    assert!(new.starts_with('…') && new.ends_with('…') && new.contains("[5433]"), "{new}");
    let short = field(Some("1".to_owned()), None);
    assert_eq!(short.shown(), [Some("1".to_owned()), None]);
}
