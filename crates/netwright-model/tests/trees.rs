//! Laws of reading and writing trees, for all texts.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

use netwright_model::decode::{Decode, Encode};
use netwright_model::diagnostic::Diagnostic;
use netwright_model::scalar::{
    AddressRange, Bandwidth, Delay, Duration, Percent, PortRange, Prefix, ProtocolMatch, Scalar,
    Service,
};
use netwright_model::source::{FileId, Sources, Span};
use netwright_model::tree::{Key, Kind, Limits, Node, emit, json, yaml};
use proptest::prelude::*;
use serde_json::Value;

/// Texts that tempt a writer of YAML to leave out quotes.
fn tempting() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "[a-z:#,&*!|>'\"%@` \\-?{}\\[\\]]{0,8}",
        "\\PC{0,8}",
        any::<String>(),
        "(true|null|~|no|0x1f|1e3|\\.5|<<|---|\\.\\.\\.|\\+1|-|=|0o7)[ :]?",
        "[a-z ]{1000,1100}",
        "[\n\t\r a:\\-]{0,10}",
    ]
}

fn node(kind: Kind) -> Node {
    Node { kind, span: Span::NONE }
}

fn leaf() -> impl Strategy<Value = Node> {
    prop_oneof![
        Just(Kind::Null),
        any::<bool>().prop_map(Kind::Bool),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,3})?"
            .prop_map(|text| Kind::Number(text.into())),
        tempting().prop_map(|text| Kind::String(text.into())),
    ]
    .prop_map(node)
}

fn tree() -> impl Strategy<Value = Node> {
    leaf().prop_recursive(5, 40, 5, |inner| {
        let keys = prop::collection::btree_map(tempting(), inner.clone(), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(|items| node(Kind::Sequence(items))),
            keys.prop_map(|entries| {
                let entries = entries.into_iter().filter(|(key, _)| key != "<<");
                let key = |text: String| Key { text: text.into(), span: Span::NONE };
                node(Kind::Mapping(entries.map(|(text, node)| (key(text), node)).collect()))
            }),
        ]
    })
}

/// A tree without its places.
fn bare(tree: &Node) -> Node {
    node(match &tree.kind {
        Kind::Sequence(items) => Kind::Sequence(items.iter().map(bare).collect()),
        Kind::Mapping(entries) => {
            let key = |key: &Key| Key { text: key.text.clone(), span: Span::NONE };
            Kind::Mapping(entries.iter().map(|(own, node)| (key(own), bare(node))).collect())
        }
        kind => kind.clone(),
    })
}

/// A tree as another parser has it. Numbers are compared by value.
fn value(tree: &Node) -> Value {
    match &tree.kind {
        Kind::Null => Value::Null,
        Kind::Bool(yes) => Value::Bool(*yes),
        Kind::Number(text) => serde_json::from_str(text).expect("a number is JSON"),
        Kind::String(text) => Value::String(text.to_string()),
        Kind::Sequence(items) => items.iter().map(value).collect(),
        Kind::Mapping(entries) => {
            entries.iter().map(|(key, node)| (key.text.to_string(), value(node))).collect()
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("is finite", |number| number.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

/// Each place lies in the file, begins where a character does, and inside the place of what holds it.
fn check_places(text: &str, tree: &Node) {
    let holds = |span: Span| {
        assert!(text.get(span.start as usize..span.end as usize).is_some(), "{span:?} {text:?}");
    };
    holds(tree.span);
    for (key, node) in tree.entries() {
        holds(key.span);
        check_places(text, node);
    }
    tree.items().iter().for_each(|item| check_places(text, item));
}

/// Reads a text both ways, and shows what is wrong with it.
fn read_and_show(text: &str) {
    let mut sources = Sources::default();
    let file = sources.add("t", text);
    let limits = Limits::default();
    let show = |error: &Diagnostic| {
        let _shown = (error.render(&sources, true), error.to_json(&sources));
    };
    let (root, errors) = yaml::read(text, file, &limits);
    errors.iter().for_each(show);
    if let Some(root) = root
        && errors.is_empty()
    {
        check_places(text, &root);
        let written = emit::to_yaml(&root, "");
        let again = yaml::parse(&written, file, &limits).expect("what is written can be read");
        assert_eq!(bare(&root), bare(&again), "{text:?} was written as {written:?}");
    }
    match json::parse(text, file, &limits) {
        Ok(root) => check_places(text, &root),
        Err(error) => show(&error),
    }
    if let Err(errors) = netwright_model::parse_description("t", text, &mut Sources::default()) {
        errors.iter().for_each(show);
    }
}

/// What is written of a scalar reads back as the same scalar, through text and through YAML.
fn survives<T: Scalar + Decode + Encode + PartialEq + std::fmt::Debug>(text: &str) {
    let Ok(value) = T::parse_scalar(text) else { return };
    let written = value.to_string();
    assert_eq!(T::parse_scalar(&written).as_ref(), Ok(&value), "{text:?} as {written:?}");
    let yaml = emit::to_yaml(&value.encode().expect("a scalar is written"), "");
    let again: Option<T> = netwright_model::decode::from_text(&yaml);
    assert_eq!(again, Some(value), "{text:?} as {yaml:?}");
}

proptest! {
    #[test]
    fn what_is_written_as_yaml_reads_back_equal(tree in tree(), header in "\\PC{0,20}(\n\\PC{0,20})?") {
        let text = emit::to_yaml(&tree, &header);
        let again = yaml::parse(&text, FileId(0), &Limits::default());
        prop_assert_eq!(again.as_ref().map(bare), Ok(tree), "{}", text);
    }

    #[test]
    fn json_reads_as_another_parser_reads_it(value_written in any_json(), pretty in any::<bool>()) {
        let text = if pretty {
            serde_json::to_string_pretty(&value_written)
        } else {
            serde_json::to_string(&value_written)
        };
        let text = text.expect("a value can be written");
        let tree = json::parse(&text, FileId(0), &Limits::default());
        prop_assert_eq!(tree.as_ref().map(value), Ok(value_written));
    }

    #[test]
    fn a_text_is_json_exactly_when_another_parser_says_so(
        text in "(\\{|\\}|\\[|\\]|,|:|\"a\"|\"b\"|-?[0-9.eE+]{1,4}|true|nul|null| |\n|\"\\\\u00e9\"|\"\\\\x\"){0,8}",
    ) {
        let theirs = serde_json::from_str::<Value>(&text);
        match json::parse(&text, FileId(0), &Limits::default()) {
            Ok(tree) if theirs.is_ok() => prop_assert_eq!(Some(value(&tree)), theirs.ok()),
            // A number beyond what a float holds is a number still.
            Ok(_) => prop_assert!(theirs.is_err_and(|e| e.to_string().contains("out of range")), "{}", text),
            // Others keep the last of two equal keys.
            Err(error) => prop_assert!(theirs.is_err() || error.code == "NW-IN-003", "{}", text),
        }
    }

    #[test]
    fn json_is_yaml(value_written in any_json()) {
        let text = serde_json::to_string(&value_written).expect("a value can be written");
        prop_assume!(!text.contains("\"<<\":"));
        let (as_json, as_yaml) = (
            json::parse(&text, FileId(0), &Limits::default()),
            yaml::parse(&text, FileId(0), &Limits::default()),
        );
        prop_assert_eq!(as_yaml.as_ref().map(bare), as_json.as_ref().map(bare), "{}", text);
    }

    #[test]
    fn no_text_makes_a_reader_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_and_show(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_text_that_looks_like_yaml_makes_a_reader_fail(
        text in "(a|b: |: |- |\\? |\\[|\\]|\\{|\\}|,|\n|\n  |\n\t|\"|'|&x |\\*x|<<: |!t |!!str |\\||>|#|---|\\.\\.\\.|%|\u{feff}|é|\r|\0|@|vpcs:|cidr: ){0,30}",
    ) {
        read_and_show(&text);
    }

    #[test]
    fn scalars_read_what_they_write(
        text in "([0-9]{1,5}|[0-9.]{1,9}|10\\.0\\.0\\.0|::1|fe80::)((/|-|:)[0-9.]{1,9})?( ?(ms|s|m|h|d|%|[kMG]bit/s|Mbps))?|(any|tcp|udp|icmp|icmpv6|esp|ip|ah|sctp|gre)(/[0-9]{1,5}){0,2}(-[0-9]{1,5})?",
    ) {
        survives::<Prefix>(&text);
        survives::<AddressRange>(&text);
        survives::<PortRange>(&text);
        survives::<ProtocolMatch>(&text);
        survives::<Service>(&text);
        survives::<Duration>(&text);
        survives::<Bandwidth>(&text);
        survives::<Delay>(&text);
        survives::<Percent>(&text);
    }
}
