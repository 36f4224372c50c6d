//! The JSON Schema of the language and its reference for people, from the same declarations.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::decode::Entries;
use crate::scalar::Scalar;
use crate::source::Spanned;

/// Has a JSON Schema.
pub trait Describe {
    /// The schema fragment; objects are put into the schema's definitions.
    fn describe(schema: &mut Schema) -> Value;
}

/// A field as it is documented.
#[derive(Debug)]
pub struct FieldDoc {
    /// Its name.
    pub name: &'static str,
    /// Other accepted spellings.
    pub aliases: &'static [&'static str],
    /// Its meaning.
    pub doc: &'static str,
    /// It must be given.
    pub required: bool,
    /// Its schema.
    pub shape: Value,
    /// What is expected, in words.
    pub kind: String,
}

/// An object as it is documented.
#[derive(Debug)]
struct ObjectDoc {
    doc: &'static str,
    fields: Vec<FieldDoc>,
}

/// Definitions collected while describing.
#[derive(Debug, Default)]
pub struct Schema {
    objects: BTreeMap<&'static str, Option<ObjectDoc>>,
    order: Vec<&'static str>,
}

impl Schema {
    /// Describes an object once and refers to it.
    pub fn object<T>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        fields: impl FnOnce(&mut Self) -> Vec<FieldDoc>,
    ) -> Value {
        if !self.objects.contains_key(name) {
            self.objects.insert(name, None);
            self.order.push(name);
            let fields = fields(self);
            self.objects.insert(name, Some(ObjectDoc { doc, fields }));
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }
}

fn words(doc: &str) -> String {
    doc.lines().map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned()
}

fn object_schema(object: &ObjectDoc) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut either = Vec::new();
    for field in &object.fields {
        let mut shape = field.shape.clone();
        if let Value::Object(map) = &mut shape {
            map.insert("description".into(), words(field.doc).into());
        }
        for alias in field.aliases {
            properties.insert((*alias).into(), shape.clone());
        }
        properties.insert(field.name.into(), shape);
        if field.required && field.aliases.is_empty() {
            required.push(Value::from(field.name));
        } else if field.required {
            // A field with another spelling may be given by that one.
            let spellings = std::iter::once(&field.name).chain(field.aliases);
            let given: Vec<Value> = spellings.map(|name| json!({ "required": [name] })).collect();
            either.push(json!({ "anyOf": given }));
        }
    }
    let mut schema = Map::new();
    schema.insert("description".into(), words(object.doc).into());
    schema.insert("type".into(), json!(["object", "null"]));
    schema.insert("properties".into(), properties.into());
    schema.insert("additionalProperties".into(), false.into());
    // An object that needs nothing may be left empty.
    if !required.is_empty() || !either.is_empty() {
        schema.insert("type".into(), "object".into());
    }
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
    if !either.is_empty() {
        schema.insert("allOf".into(), either.into());
    }
    schema.into()
}

/// The JSON Schema (2020-12) of a language whose root is `T`.
#[must_use]
pub fn document<T: Describe>() -> Value {
    let mut schema = Schema::default();
    let root = T::describe(&mut schema);
    let definitions: Map<String, Value> = schema
        .objects
        .iter()
        .filter_map(|(name, object)| {
            object.as_ref().map(|object| ((*name).to_owned(), object_schema(object)))
        })
        .collect();
    let mut document = Map::new();
    document.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    document.insert("title".into(), "Netwright network description".into());
    if let Value::Object(root) = root {
        document.extend(root);
    }
    document.insert("$defs".into(), definitions.into());
    document.into()
}

/// A reference of the language in Markdown.
#[must_use]
pub fn reference<T: Describe>() -> String {
    let mut schema = Schema::default();
    let _root = T::describe(&mut schema);
    let mut out = String::new();
    for name in &schema.order {
        let Some(Some(object)) = schema.objects.get(name) else { continue };
        let _infallible = writeln!(out, "## {name}\n\n{}\n", words(object.doc));
        let _infallible = writeln!(out, "| field | value | meaning |\n| --- | --- | --- |");
        for field in &object.fields {
            let mut label = format!("`{}`", field.name);
            for alias in field.aliases {
                let _infallible = write!(label, ", `{alias}`");
            }
            if field.required {
                label.push_str(" (required)");
            }
            let kind = field.kind.replace('|', "\\|");
            let doc = words(field.doc).replace('\n', " ").replace('|', "\\|");
            let _infallible = writeln!(out, "| {label} | {kind} | {doc} |");
        }
        out.push('\n');
    }
    out
}

/// The schema of a scalar: a text, or a number where its text is one.
#[must_use]
pub fn scalar<T: Scalar>() -> Value {
    let mut schema = Map::new();
    schema.insert("type".into(), json!(["string", "number"]));
    schema.insert("description".into(), T::WHAT.into());
    if let Some(pattern) = T::PATTERN {
        schema.insert("pattern".into(), pattern.into());
    }
    schema.into()
}

impl<T: Describe> Describe for Spanned<T> {
    fn describe(schema: &mut Schema) -> Value {
        T::describe(schema)
    }
}

impl<T: Describe> Describe for Option<T> {
    fn describe(schema: &mut Schema) -> Value {
        let inner = T::describe(schema);
        json!({ "anyOf": [inner, { "type": "null" }] })
    }
}

impl<T: Describe> Describe for Vec<T> {
    fn describe(schema: &mut Schema) -> Value {
        let item = T::describe(schema);
        json!({ "anyOf": [{ "type": "array", "items": item }, item, { "type": "null" }] })
    }
}

impl<T: Describe> Describe for Entries<T> {
    fn describe(schema: &mut Schema) -> Value {
        let value = T::describe(schema);
        json!({ "type": ["object", "null"], "additionalProperties": value })
    }
}

impl Describe for String {
    fn describe(_schema: &mut Schema) -> Value {
        json!({ "type": ["string", "number", "boolean"] })
    }
}

impl Describe for bool {
    fn describe(_schema: &mut Schema) -> Value {
        json!({ "type": "boolean" })
    }
}

impl Describe for IpAddr {
    fn describe(_schema: &mut Schema) -> Value {
        json!({ "type": "string", "description": "an IPv4 or IPv6 address" })
    }
}

macro_rules! whole_number {
    ($($type:ty),+) => {$(
        impl Describe for $type {
            fn describe(_schema: &mut Schema) -> Value {
                json!({ "type": "integer", "minimum": 0, "maximum": <$type>::MAX })
            }
        }
    )+};
}

whole_number!(u8, u16, u32, u64);
