//! The description of the API, made from its routes.

use std::sync::OnceLock;

use axum::http::header;
use axum::response::IntoResponse;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::extract::Name;
use super::problem::Kind;
use super::route::{Meta, Route, SchemaOf};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/openapi.json", "describe", "This description", describe).open().answers_other(
            200,
            "application/json",
            "OpenAPI 3.1.",
        ),
    ]
}

async fn describe() -> impl IntoResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str())
}

/// The whole description: OpenAPI 3.1.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = SchemaGenerator::new(settings);
    let mut paths = Map::new();
    for route in super::routes() {
        let path = paths.entry(route.meta.path).or_insert_with(|| json!({}));
        let method = route.meta.method.as_str().to_lowercase();
        let operation = operation(&route.meta, &mut generator);
        if let Some(path) = path.as_object_mut() {
            path.insert(method, operation);
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Netwright",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Allocates without overlap, admits only what is proved, and knows when every host has it.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
            },
        },
    })
}

fn problem() -> Value {
    let types: Vec<String> = Kind::ALL.iter().map(|kind| kind.uri()).collect();
    json!({
        "type": "object",
        "description": "RFC 9457. Some problems say more, in members of their own.",
        "required": ["type", "title", "status", "detail", "instance"],
        "properties": {
            "type": { "type": "string", "enum": types },
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string" },
            "instance": { "type": "string" },
        },
    })
}

fn operation(meta: &Meta, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": meta.id,
        "summary": meta.summary,
        "tags": [meta.area],
        "parameters": parameters(meta, generator),
        "responses": responses(meta, generator),
        "security": if meta.needs.is_some() { json!([{ "key": [] }]) } else { json!([]) },
    });
    let Some(fields) = operation.as_object_mut() else { return operation };
    if !meta.says.is_empty() {
        fields.insert("description".to_owned(), meta.says.into());
    }
    if let Some(role) = meta.needs {
        fields.insert("x-role".to_owned(), role.as_str().into());
    }
    if let Some(body) = meta.body {
        let schema = body(generator).to_value();
        let content = json!({ "application/json": { "schema": schema } });
        fields.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    operation
}

fn parameters(meta: &Meta, generator: &mut SchemaGenerator) -> Vec<Value> {
    let mut parameters = Vec::new();
    for name in meta.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let said = meta.path_parameters.iter().find(|(known, ..)| *known == name);
        let named: SchemaOf = |generator| generator.subschema_for::<Name>();
        let (schema, says) = said.map_or((named, ""), |(_, schema, says)| (*schema, *says));
        parameters.push(json!({
            "name": name, "in": "path", "required": true, "description": says, "schema": schema(generator).to_value(),
        }));
    }
    if let Some(query) = meta.query {
        let schema = resolved(&query(generator).to_value(), generator);
        let required =
            schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            let required = required.iter().any(|known| known == name);
            let says = schema.get("description").cloned().unwrap_or_default();
            parameters.push(json!({
                "name": name, "in": "query", "required": required, "description": says, "schema": schema,
            }));
        }
    }
    for (name, says) in &meta.headers {
        // `Accept` is no parameter of OpenAPI: the media types of the answers say it.
        if !name.eq_ignore_ascii_case("accept") {
            parameters.push(json!({
                "name": name, "in": "header", "required": false, "description": says, "schema": { "type": "string" },
            }));
        }
    }
    parameters
}

/// A schema itself, where a reference to it is given.
fn resolved(schema: &Value, generator: &SchemaGenerator) -> Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|to| to.rsplit('/').next());
    name.and_then(|name| generator.definitions().get(name)).unwrap_or(schema).clone()
}

/// Problems that a route may have because of what it is.
fn problems(meta: &Meta) -> Vec<Kind> {
    let mut kinds = meta.problems.clone();
    kinds.extend([Kind::TooMany, Kind::Internal, Kind::Busy]);
    if meta.needs.is_some() {
        kinds.extend([Kind::Unauthorized, Kind::Forbidden, Kind::StoreAway]);
    }
    if meta.path.contains('{') || meta.query.is_some() || meta.body.is_some() {
        kinds.push(Kind::Malformed);
    }
    if meta.body.is_some() {
        kinds.extend([Kind::MediaType, Kind::TooLarge, Kind::Slow]);
    }
    if meta.done == super::route::Where::Leader {
        kinds.extend([Kind::NoLeader, Kind::OutcomeUnknown]);
    }
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn responses(meta: &Meta, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for answer in &meta.answers {
        let entry = responses
            .entry(answer.status.to_string())
            .or_insert_with(|| json!({ "description": answer.says }));
        if let Some((media, schema)) = answer.content {
            let schema = schema.map(|schema| schema(generator).to_value());
            let form = schema.map_or_else(|| json!({}), |schema| json!({ "schema": schema }));
            entry["content"][media] = form;
        }
    }
    for kind in problems(meta) {
        let entry = responses
            .entry(kind.status().to_string())
            .or_insert_with(|| json!({ "description": "" }));
        let says = match entry["description"].as_str() {
            None | Some("") => format!("{} (`{}`).", kind.title(), kind.slug()),
            Some(before) => format!("{before} {} (`{}`).", kind.title(), kind.slug()),
        };
        entry["description"] = says.into();
        entry["content"]["application/problem+json"] =
            json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
    }
    Value::Object(responses)
}

#[cfg(test)]
mod tests;
