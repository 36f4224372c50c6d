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

/// Which parts differ: the rest, filters and their rules, instances and their filters.
fn differing(changed: &str) -> (bool, Vec<[bool; 2]>, Vec<[bool; 2]>) {
    let (old, new) = (read(TEXT), read(changed));
    let pairs = |a: &[[super::Fingerprint; 2]], b: &[[super::Fingerprint; 2]]| -> Vec<[bool; 2]> {
        let each = a.iter().zip(b);
        each.map(|(one, other)| [one[0] != other[0], one[1] != other[1]]).collect()
    };
    let (filters, instances) =
        (pairs(&old.filters, &new.filters), pairs(&old.instances, &new.instances));
    let any = |all: &[[bool; 2]]| all.iter().flatten().any(|differs| *differs);
    assert_eq!(any(&filters), old.all_filters != new.all_filters, "{changed}");
    assert_eq!(any(&instances), old.all_instances != new.all_instances, "{changed}");
    (old.rest != new.rest, filters, instances)
}

#[test]
fn only_the_part_that_says_something_else_differs() {
    let same = vec![[false; 2]; 2];
    let change = |from: &str, to: &str| {
        assert!(TEXT.contains(from), "{from}");
        differing(&TEXT.replacen(from, to, 1))
    };
    assert_eq!(change("provider", "\n\nprovider"), (false, same.clone(), same.clone()));
    assert_eq!(change("aws", "gcp"), (true, same.clone(), same.clone()));
    assert_eq!(change("0.0/24", "0.0/25"), (true, same.clone(), same.clone()));
    let rules = vec![[false, true], [false; 2]];
    assert_eq!(change("[22]", "[23]"), (false, rules.clone(), same.clone()));
    assert_eq!(change("tcp", "udp"), (false, rules, same.clone()));
    let frame = vec![[false; 2], [true, false]];
    assert_eq!(change("two: {", "two: { stateful: false,"), (false, frame.clone(), same.clone()));
    assert_eq!(change("b: {", "b: { running: false,"), (false, same.clone(), frame));
    let member = vec![[false, true], [false; 2]];
    assert_eq!(change("[one]", "[two]"), (false, same.clone(), member.clone()));
    assert_eq!(change("[one]", "[one, two]"), (false, same, member));
}

#[test]
fn what_is_equal_has_equal_fingerprints_and_what_is_not_has_others() {
    let plan = |seed| Plan { shape: Shape::Flat, provider: Provider::Aws, instances: 60, seed };
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
