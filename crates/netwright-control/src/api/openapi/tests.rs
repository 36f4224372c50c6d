use std::collections::BTreeSet;

use serde_json::Value;

use super::document;

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| -> Vec<_> {
        let methods = item.as_object().unwrap().iter();
        methods
            .map(|(method, operation)| (method.clone(), path.clone(), operation.clone()))
            .collect()
    };
    paths.iter().flat_map(of).collect()
}

#[test]
fn each_operation_has_a_name_of_its_own_and_says_what_it_answers() {
    let document = document();
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap().to_owned();
        assert!(names.insert(name), "{method} {path} has the name of another");
        let answers = operation["responses"].as_object().unwrap();
        assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path}");
        assert!(!operation["tags"][0].as_str().unwrap().is_empty());
    }
}

#[test]
fn no_body_takes_fields_that_nobody_knows() {
    let document = document();
    for (method, path, operation) in operations(&document) {
        let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema")
        else {
            continue;
        };
        let name = schema["$ref"].as_str().map(|to| to.trim_start_matches("#"));
        let schema = name.map_or(schema, |name| document.pointer(name).unwrap());
        let closed =
            |schema: &Value| schema["additionalProperties"] == false || schema["type"] == "string";
        let parts = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
        let all = parts.map_or_else(|| closed(schema), |parts| parts.iter().all(closed));
        assert!(all, "{method} {path} takes unknown fields: {schema}");
    }
}

#[test]
fn each_reference_leads_somewhere() {
    fn walk(value: &Value, document: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(to) = fields.get("$ref").and_then(Value::as_str) {
                    assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
                }
                fields.values().for_each(|value| walk(value, document));
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, document)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}
