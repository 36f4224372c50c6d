//! The API is what its description says: each route of it is asked with requests that it allows and requests that it does not, others in each run. A run
//! that finds something says how it is repeated.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::server::{Answer, Folder, Server};

/// A small generator: the same requests for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(to) => resolved(document, document.pointer(to.trim_start_matches('#')).unwrap()),
        None => schema,
    }
}

/// A value that a schema allows.
fn allowed(document: &Value, schema: &Value, chance: &mut Chance, depth: usize) -> Value {
    let schema = resolved(document, schema);
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(values) = schema["enum"].as_array() {
        return values[chance.below(values.len())].clone();
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(ways) = schema[word].as_array() {
            return allowed(document, &ways[chance.below(ways.len())], chance, depth + 1);
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(only) => vec![only],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        _ => vec!["object"],
    };
    match types[chance.below(types.len())] {
        "string" => text(schema, chance),
        "integer" | "number" => {
            let least = schema["minimum"].as_u64().unwrap_or(0);
            let most = schema["maximum"].as_u64().unwrap_or(1 << 31).min(least + 1000);
            json!(least + chance.below(usize::try_from(most - least + 1).unwrap()) as u64)
        }
        "boolean" => json!(chance.below(2) == 0),
        "null" => Value::Null,
        "array" => {
            let most = if depth > 4 { 1 } else { 3 };
            (0..chance.below(most))
                .map(|_| allowed(document, &schema["items"], chance, depth + 1))
                .collect()
        }
        _ => object(document, schema, chance, depth),
    }
}

fn text(schema: &Value, chance: &mut Chance) -> Value {
    if schema["format"] == "date-time" {
        return json!("2026-11-21T12:00:00Z");
    }
    let words = ["a", "web", "10.0.2.0", "pool-1", "0123456789ab", "x.y"];
    json!(words[chance.below(words.len())])
}

fn object(document: &Value, schema: &Value, chance: &mut Chance, depth: usize) -> Value {
    let required: BTreeSet<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = schema["properties"].as_object().into_iter().flatten();
    let mut object = serde_json::Map::new();
    for (name, schema) in fields {
        if required.contains(name.as_str()) || (depth < 5 && chance.below(2) == 0) {
            object.insert(name.clone(), allowed(document, schema, chance, depth + 1));
        }
    }
    Value::Object(object)
}

/// What no schema of a body allows, as text.
fn refused(good: &Value, chance: &mut Chance) -> String {
    let mut more = good.clone();
    if let Some(fields) = more.as_object_mut() {
        fields.insert("nobody_knows_this".to_owned(), json!(1));
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let ways = [
        more.to_string(),
        String::new(),
        "{".to_owned(),
        "nul".to_owned(),
        "\u{0}".to_owned(),
        "[]".to_owned(),
        deep,
        "{\"a\":1}{\"b\":2}".to_owned(),
        "1e999".to_owned(),
    ];
    ways[chance.below(ways.len())].clone()
}

/// A body of which one place holds something else: perhaps still one that is allowed.
fn bent(good: &Value, chance: &mut Chance) -> Value {
    let odd = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("\u{0}"),
        json!("\u{202e}\u{1f980}"),
        json!("x".repeat(5000)),
        json!("../../etc/passwd"),
        json!("10.0.0.0/33"),
        json!([]),
        json!({}),
        json!([[[[[[]]]]]]),
    ];
    let other = odd[chance.below(odd.len())].clone();
    match good {
        Value::Object(fields) if !fields.is_empty() && chance.below(6) > 0 => {
            let mut fields = fields.clone();
            let name = fields.keys().nth(chance.below(fields.len())).unwrap().clone();
            match chance.below(5) {
                0 => drop(fields.remove(&name)),
                _ => {
                    let inside = bent(&fields[&name], chance);
                    fields.insert(name, inside);
                }
            }
            Value::Object(fields)
        }
        Value::Array(all) if !all.is_empty() && chance.below(3) > 0 => {
            let (mut all, at) = (all.clone(), chance.below(all.len()));
            all[at] = bent(&all[at], chance);
            Value::Array(all)
        }
        _ => other,
    }
}

/// The answer is one that the operation's description knows, in form too.
fn described(operation: &Value, answer: &Answer, what: &str) {
    assert!(
        answer.status < 500 || answer.status == 503,
        "{what}: {} {}",
        answer.status,
        answer.text
    );
    let known = &operation["responses"][answer.status.to_string()];
    assert!(known.is_object(), "{what}: {} is not described: {}", answer.status, answer.text);
    if answer.text.is_empty() {
        return;
    }
    let media = answer.media.split(';').next().unwrap();
    let content = known["content"].as_object();
    let media = content
        .is_some_and(|content| content.keys().any(|key| key.split(';').next() == Some(media)));
    assert!(media, "{what}: {} is not described: {}", answer.media, answer.text);
}

fn valid(document: &Value, operation: &Value, answer: &Answer, what: &str) {
    let schema =
        &operation["responses"][answer.status.to_string()]["content"][&answer.media]["schema"];
    if schema.is_null() {
        return;
    }
    let mut whole = schema.clone();
    if let Some(fields) = whole.as_object_mut() {
        fields.insert("components".to_owned(), document["components"].clone());
    }
    let judge = jsonschema::validator_for(&whole).unwrap();
    let json = answer.json();
    let wrong: Vec<String> = judge.iter_errors(&json).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{what}: {wrong:?}: {json}");
}

/// A path and a query that the description allows, or not.
fn path(
    document: &Value,
    path: &str,
    operation: &Value,
    chance: &mut Chance,
    good: bool,
) -> String {
    let mut path = path.to_owned();
    let mut query = Vec::new();
    let strange =
        ["..", "%2e%2e", "a%2fb", "%00", "%ff", "-1", "99999999999999999999", "%7B%7D", "a%20b"];
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        let value = if name == "wait" {
            // Whoever asks to wait does.
            "0".to_owned()
        } else if good {
            let value = allowed(document, &parameter["schema"], chance, 0);
            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
        } else {
            strange[chance.below(strange.len())].to_owned()
        };
        match parameter["in"].as_str().unwrap() {
            "path" => path = path.replace(&format!("{{{name}}}"), &value),
            "query" if value != "null" && chance.below(2) == 0 => {
                query.push(format!("{name}={value}"));
            }
            _ => {}
        }
    }
    if !good && chance.below(3) == 0 {
        query.push("nobody=knows".to_owned());
    }
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}

#[test]
fn every_route_answers_as_it_is_described_whatever_is_asked() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &["--rate", "100000"]);
    let document = server.get("/openapi.json").json();
    let moment = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    let given = std::env::var("NETWRIGHT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(u64::from(moment) % 1_000_000);
    // Shown where something fails.
    eprintln!(
        "again: NETWRIGHT_SEED={seed} cargo test -p netwright --test serve every_route_answers_as_it_is_described"
    );
    let mut chance = Chance(seed);
    let mut asked = 0;
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            // A stream does not end by itself, and a key ends what a machine may do without one.
            let streams = operation["responses"]["200"]["content"]["text/event-stream"].is_object();
            if streams || operation["operationId"] == "createKey" {
                continue;
            }
            for round in 0..24 {
                let good = round % 2 == 0;
                let path = path(&document, template, operation, &mut chance, good);
                let what = format!("{method} {path}");
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                let body = (!schema.is_null()).then(|| {
                    let body = allowed(&document, schema, &mut chance, 0);
                    match round % 4 {
                        0 | 2 => body.to_string(),
                        1 => bent(&body, &mut chance).to_string(),
                        _ => refused(&body, &mut chance),
                    }
                });
                let media = if round == 3 { "text/plain" } else { "application/json" };
                let headers: &[_] = if body.is_some() { &[("content-type", media)] } else { &[] };
                let answer = server.ask(&method.to_uppercase(), &path, headers, body.as_deref());
                let what = format!(
                    "{what} {}",
                    body.as_deref().unwrap_or_default().chars().take(300).collect::<String>()
                );
                // Such a path may be that of another route, or of none.
                if good || ![404, 405].contains(&answer.status) {
                    described(operation, &answer, &what);
                    valid(&document, operation, &answer, &what);
                }
                if !good && round == 3 && body.is_some() {
                    // Nobody may lead for a moment after a forced election.
                    assert!((400..=503).contains(&answer.status), "{what}: {}", answer.status);
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 200);
    assert_eq!(server.get("/livez").status, 200);
    assert_eq!(server.end(), Some(0));
}

#[test]
fn what_nobody_may_without_a_key_is_said_in_the_description() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &[]);
    let made = server.post("/api/v1/keys", None, r#"{"name":"a","role":"admin"}"#);
    assert_eq!(made.status, 201, "{}", made.text);
    let document = server.get("/openapi.json").json();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let path = path.replace(['{', '}'], "");
            let answer = server.ask(&method.to_uppercase(), &path, &[], None);
            let open = operation["security"] == json!([]);
            assert_eq!(answer.status == 401, !open, "{method} {path}: {}", answer.text);
        }
    }
}
