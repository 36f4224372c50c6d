//! `netwright get`.

use serde_json::{Value, json};

use super::change::query;
use crate::arguments::{Format, Get};
use crate::client::Client;
use crate::console::{Code, Console};
use crate::failure::Failure;

pub(super) fn run(arguments: &Get, console: &mut Console) -> Result<Code, Failure> {
    let client = Client::new(&arguments.remote)?;
    let at = arguments.revision.map(|revision| ("revision", revision.to_string()));
    let at: Vec<(&str, String)> = at.into_iter().collect();
    let Some(object) = &arguments.object else {
        let answer = client.get(&query("/api/v1/network", &at))?;
        answer.note(console);
        match arguments.format {
            Format::Json => console.json(&answer.body),
            Format::Text => console.write(text(&answer.body, "description")),
        }
        return Ok(Code::Pass);
    };
    let (part, name) = object.split_once('/').unwrap_or((object, ""));
    let path = format!("/api/v1/network/{part}");
    if !name.is_empty() {
        let with = [&at[..], &[("name", name.to_owned())]].concat();
        let answer = client.get(&query(&path, &with))?;
        answer.note(console);
        match arguments.format {
            Format::Json => console.json(&answer.body),
            Format::Text => console.write(text(&answer.body["objects"][0], "text")),
        }
        return Ok(Code::Pass);
    }
    let mut objects = Vec::new();
    let mut with = [&at[..], &[("limit", "1000".to_owned())]].concat();
    let revision = loop {
        let mut answer = client.get(&query(&path, &with))?;
        let mut page = answer.body.take();
        objects.append(page["objects"].as_array_mut().unwrap_or(&mut Vec::new()));
        match page["next"].as_str() {
            // All pages are of the network that the first is of.
            Some(next) => {
                with = vec![
                    ("limit", "1000".to_owned()),
                    ("revision", page["revision"].to_string()),
                    ("after", next.to_owned()),
                ];
            }
            None => {
                answer.note(console);
                break page["revision"].take();
            }
        }
    };
    match arguments.format {
        Format::Json => console.json(&json!({ "revision": revision, "objects": objects })),
        Format::Text => objects.iter().for_each(|object| {
            let (name, body) = (text(object, "name"), text(object, "text"));
            if name.is_empty() {
                console.write(body);
            } else {
                console.line(name);
            }
        }),
    }
    Ok(Code::Pass)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
