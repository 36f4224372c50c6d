//! The JSON Schema of the language, judged by another implementation: it is a valid schema, accepts what the language accepts, and
//! refuses what an editor should mark.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

use std::sync::OnceLock;

use jsonschema::Validator;
use netwright_model::decode::{Decode, Decoder};
use netwright_model::generate::{Plan, Shape, generate};
use netwright_model::language::{Description, Provider};
use netwright_model::scalar::{
    AddressRange, Bandwidth, Delay, Duration, Percent, PortRange, Prefix, ProtocolMatch, Scalar,
    Service,
};
use netwright_model::schema::{self, Describe};
use netwright_model::source::Sources;
use netwright_model::tree::{Kind, Limits, Node, json, yaml};
use netwright_model::{parse_description, to_yaml};
use proptest::prelude::*;
use serde_json::Value;

fn validator() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        jsonschema::draft202012::new(&schema::document::<Description>()).expect("is a schema")
    })
}

/// A tree as an editor's validator sees it.
fn value(tree: &Node) -> Value {
    match &tree.kind {
        Kind::Null => Value::Null,
        Kind::Bool(yes) => Value::Bool(*yes),
        Kind::Number(text) => {
            serde_json::from_str(text).unwrap_or_else(|_| text.to_string().into())
        }
        Kind::String(text) => text.to_string().into(),
        Kind::Sequence(items) => items.iter().map(value).collect(),
        Kind::Mapping(entries) => {
            entries.iter().map(|(key, node)| (key.text.to_string(), value(node))).collect()
        }
    }
}

/// What the schema says of a YAML text: the places of its errors.
fn marked(text: &str) -> Vec<String> {
    let file = Sources::default().add("t.yaml", text);
    let tree = yaml::parse(text, file, &Limits::default()).expect("is YAML");
    let value = value(&tree);
    validator()
        .iter_errors(&value)
        .map(|error| format!("{} {error}", error.instance_path()))
        .collect()
}

#[test]
fn the_schema_is_a_schema() {
    jsonschema::draft202012::meta::validate(&schema::document::<Description>())
        .expect("the specification allows it");
}

#[test]
fn the_schema_accepts_every_generated_network() {
    for shape in Shape::ALL {
        for provider in [Provider::Aws, Provider::Gcp] {
            let plan = Plan { shape: *shape, provider, instances: 60, seed: 7 };
            let errors = marked(&to_yaml(&generate(&plan), ""));
            assert!(errors.is_empty(), "{shape}: {errors:#?}");
        }
    }
}

#[test]
fn the_schema_marks_what_the_language_refuses() {
    let wrong = [
        "vpcs: { a: { cidr_block: 10.0.0.0/8 } }",
        "gaps: [{ object: x }]",
        "vpcs: [a]",
        "instances: { a: { subnet: [s] } }",
        "provider: amazon",
        "filters: { f: { stateful: sometimes } }",
        "nonsense: 1",
    ];
    for text in wrong {
        let refused = parse_description("t.yaml", text, &mut Sources::default()).is_err();
        assert!(refused, "the language takes {text}");
        assert!(!marked(text).is_empty(), "the schema takes {text}");
    }
}

#[test]
fn other_spellings_are_as_good_as_the_first() {
    for key in ["cidr", "cidrs"] {
        let text = format!("vpcs: {{ a: {{ {key}: 10.0.0.0/8 }} }}");
        assert!(parse_description("t.yaml", &text, &mut Sources::default()).is_ok(), "{text}");
        assert_eq!(marked(&text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn every_field_says_what_it_means() {
    let document = schema::document::<Description>();
    for (object, definition) in document["$defs"].as_object().expect("there are objects") {
        for (field, shape) in definition["properties"].as_object().expect("an object has fields") {
            let words = shape["description"].as_str().unwrap_or("");
            assert!(words.len() > 3, "{object}.{field} says `{words}`");
        }
    }
}

#[test]
fn the_reference_names_every_object() {
    let text = schema::reference::<Description>();
    let document = schema::document::<Description>();
    for object in document["$defs"].as_object().expect("there are objects").keys() {
        assert!(text.contains(&format!("## {object}\n")), "{object} is missing");
    }
}

/// The schema of a scalar accepts each text that the language reads as one.
fn agrees<T: Scalar + Decode + Describe>(text: &str) {
    let quoted = Value::from(text).to_string();
    let file = Sources::default().add("t.json", quoted.as_str());
    let node = json::parse(&quoted, file, &Limits::default()).expect("is JSON");
    if T::decode(&node, &mut Decoder::default()).is_some() {
        let schema = T::describe(&mut schema::Schema::default());
        assert!(jsonschema::is_valid(&schema, &Value::from(text)), "{text:?} against {schema}");
    }
}

proptest! {
    #[test]
    fn the_schema_of_a_scalar_is_no_stricter_than_the_language(
        text in "([0-9]{1,5}|[0-9.]{1,9}|10\\.0\\.0\\.0|::1|::ffff:10\\.0\\.0\\.1)( ?(/|-|:) ?([0-9]{1,4}|10\\.0\\.0\\.9|::9))?( ?(ms|s|sec|m|min|h|d|days|%|[kMG]bit/s|Mbps|bps))?|[+*]?[0-9]{0,2}",
    ) {
        agrees::<Prefix>(&text);
        agrees::<AddressRange>(&text);
        agrees::<PortRange>(&text);
        agrees::<ProtocolMatch>(&text);
        agrees::<Service>(&text);
        agrees::<Duration>(&text);
        agrees::<Bandwidth>(&text);
        agrees::<Delay>(&text);
        agrees::<Percent>(&text);
    }
}
