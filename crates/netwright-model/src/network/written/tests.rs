use crate::generate::{Plan, Shape, generate};
use crate::language::{Description, Provider};
use crate::source::Sources;

use super::Written;

fn read(text: &str) -> Written {
    let description = crate::parse_description("a.yaml", text, &mut Sources::default()).unwrap();
    Written::of(&description)
}

const TEXT: &str = "
provider: aws
vpcs: { v: { cidrs: [10.0.0.0/16], subnets: { s: { cidr: 10.0.0.0/24 } } } }
filters:
  one: { rules: [{ direction: ingress, protocol: tcp, ports: [22] }] }
  two: { rules: [] }
instances:
  a: { subnet: v/s, filters: [one] }
  b: { subnet: v/s, filters: [one, two] }
";

/// What differs: the rest, which filters' rules and which instances' filters (none where more of them does).
fn differing(changed: &str) -> (bool, Option<Vec<usize>>, Option<Vec<usize>>) {
    let (old, new) = (read(TEXT), read(changed));
    (old.rest != new.rest, old.filters.changed(&new.filters), old.instances.changed(&new.instances))
}

#[test]
fn only_the_part_that_says_something_else_differs() {
    let same = || Some(Vec::new());
    let change = |from: &str, to: &str| {
        assert!(TEXT.contains(from), "{from}");
        differing(&TEXT.replacen(from, to, 1))
    };
    assert_eq!(change("provider", "\n\nprovider"), (false, same(), same()));
    assert_eq!(change("aws", "gcp"), (true, same(), same()));
    assert_eq!(change("0.0/24", "0.0/25"), (true, same(), same()));
    assert_eq!(change("[22]", "[23]"), (false, Some(vec![0]), same()));
    assert_eq!(change("tcp", "udp"), (false, Some(vec![0]), same()));
    assert_eq!(change("two: {", "two: { stateful: false,"), (false, None, same()));
    assert_eq!(change("b: {", "b: { running: false,"), (false, same(), None));
    assert_eq!(change("[one]", "[two]"), (false, same(), Some(vec![0])));
    assert_eq!(change("[one]", "[one, two]"), (false, same(), Some(vec![0])));
    assert_eq!(change("[one, two]", "[one]"), (false, same(), Some(vec![1])));
}

#[test]
fn what_is_equal_has_equal_fingerprints_and_what_is_not_has_others() {
    let plan = |seed| Plan { shape: Shape::Flat, provider: Provider::Aws, instances: 200, seed };
    let all: Vec<Description> = [1, 1, 2].map(|seed| generate(&plan(seed))).into();
    let written: Vec<Written> = all.iter().map(Written::of).collect();
    for (a, one) in all.iter().zip(&written) {
        for (b, other) in all.iter().zip(&written) {
            assert_eq!(a.instances == b.instances, one.instances == other.instances);
            assert_eq!(a.filters == b.filters, one.filters == other.filters);
            assert_eq!(a.vpcs == b.vpcs, one.rest == other.rest);
        }
    }
}
