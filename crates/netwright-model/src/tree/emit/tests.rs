use super::to_yaml;
use crate::source::FileId;
use crate::tree::{Key, Kind, Limits, Node, yaml};

#[test]
fn what_people_would_write_stays_as_they_would_write_it() {
    let text = "\
# A header
#
# of two paragraphs
vpcs:
  prod:
    cidrs: [10.0.0.0/16, 2001:db8::/32]
    note: \"a: b\"
    routes:
      - to: 0.0.0.0/0
        via: internet_gateway:igw
      - to: 10.1.0.0/16
        via: blackhole
    empty: {}
    version: \"1\"
    port: 443
";
    let root = yaml::parse(text, FileId(0), &Limits::default()).expect("is YAML");
    assert_eq!(to_yaml(&root, "A header\n\nof two paragraphs"), text);
}

#[test]
fn a_key_longer_than_yaml_takes_unmarked_is_marked() {
    let key = "k".repeat(2000);
    let entry =
        (Key { text: key.as_str().into(), span: crate::source::Span::NONE }, Node::string("v"));
    let root = Node { kind: Kind::Mapping(vec![entry]), ..Node::default() };
    let again = yaml::parse(&to_yaml(&root, ""), FileId(0), &Limits::default());
    assert_eq!(again.expect("is YAML").get(&key).and_then(Node::as_str), Some("v"));
}
