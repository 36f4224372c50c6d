//! From YAML to a resolved network, and what is said when that fails.

use netwright_model::source::Sources;
use netwright_model::{load, parse_description, to_yaml};

const SMALL: &str = r"
provider: aws
vpcs:
  prod:
    cidr: 10.0.0.0/16
    main_route_table: public
    route_tables:
      public:
        routes:
          - { to: 0.0.0.0/0, via: internet_gateway:igw }
    subnets:
      web: { cidr: 10.0.1.0/24, filters: [acl] }
      db: { cidr: 10.0.2.0/24 }
internet_gateways:
  igw: { vpc: prod }
filters:
  acl:
    attach: subnet
    stateful: false
    ordered: true
    rules:
      - { direction: ingress, priority: 100, protocol: tcp, ports: [22, 80-90], from: 10.0.0.0/8 }
  web:
    rules:
      - { direction: ingress, protocol: tcp, port: 443, from: any }
      - { direction: egress }
  db:
    rules:
      - { direction: ingress, protocol: tcp, port: 5432, from: group:web }
instances:
  web-1: { subnet: web, filters: web, public_address: 198.51.100.7 }
  db-1: { subnet: prod/db, address: 10.0.2.20, filters: db }
expect:
  web-reaches-db: { from: web-1, to: db-1, service: tcp/5432 }
";

fn errors(text: &str) -> String {
    let mut sources = Sources::default();
    match load("test.yaml", text, &mut sources) {
        Ok(_) => "no error".to_owned(),
        Err(errors) => errors.iter().map(|error| error.render(&sources, false)).collect(),
    }
}

#[test]
fn a_small_description_resolves() {
    let network = load("test.yaml", SMALL, &mut Sources::default()).expect("resolves");
    assert_eq!(
        network.interfaces[0].addresses[0].to_string(),
        "10.0.1.4",
        "after AWS's four reserved addresses"
    );
    assert_eq!(network.filters[2].members.len(), 1);
    assert_eq!(network.route_tables[0].routes.len(), 2, "one implied local route and one written");
}

#[test]
fn what_is_written_reads_back_equal() {
    let mut sources = Sources::default();
    let description = parse_description("a.yaml", SMALL, &mut sources).expect("parses");
    let text = to_yaml(&description, "written by a test");
    let again = parse_description("b.yaml", &text, &mut sources).expect("parses again");
    assert_eq!(description, again, "{text}");
}

#[test]
fn all_errors_of_a_file_are_told_with_places_and_suggestions() {
    let text = errors(
        "vpcs:\n  prod:\n    cidr_block: 10.0.0.0/16\n    subnets:\n      web: { cidr: 10.0.0.0/33 }\ninstances:\n  a: { subnt: web }\n",
    );
    assert!(
        text.contains("test.yaml:3:5") && text.contains("did you mean `cidr`")
            || text.contains("its fields are"),
        "{text}"
    );
    assert!(text.contains("test.yaml:5:20") && text.contains("33 is over 32"), "{text}");
    assert!(text.contains("did you mean `subnet`"), "{text}");
}

#[test]
fn a_reference_to_nothing_names_the_nearest() {
    let text = errors(
        "vpcs: { prod: { cidr: 10.0.0.0/16, subnets: { web: { cidr: 10.0.1.0/24 } } } }\ninstances: { a: { subnet: wbe } }\n",
    );
    assert!(text.contains("there is no subnet `wbe`"), "{text}");
    assert!(text.contains("did you mean `web`"), "{text}");
}

#[test]
fn a_description_that_says_nothing_reads_back() {
    let mut sources = Sources::default();
    let nothing = parse_description("a.yaml", "{}", &mut sources).expect("parses");
    let text = to_yaml(&nothing, "");
    assert_eq!(parse_description("b.yaml", &text, &mut sources), Ok(nothing));
}
