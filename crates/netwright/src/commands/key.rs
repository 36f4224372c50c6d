//! `netwright key`.

use std::time::Duration;

use netwright_control::access::{self, Access, New, Role};
use netwright_control::api::keys::{Key as Told, KeyWithSecret};
use netwright_control::keys::Layout;
use netwright_control::time::Wall;
use netwright_store::{AnyStore, open};
use serde_json::{Value, json};
use ureq::http::Method;

use super::serve::{Clock, Place, runtime};
use crate::arguments::{Format, Key, KeyCommand, RoleArgument};
use crate::client::Client;
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::table::table;

pub(super) fn run(arguments: &Key, console: &mut Console) -> Result<Code, Failure> {
    let answer = if arguments.offline { offline(arguments)? } else { online(arguments, console)? };
    match arguments.format {
        Format::Json => console.json(&answer),
        Format::Text => text(&arguments.command, &answer, console),
    }
    Ok(Code::Pass)
}

fn role(role: RoleArgument) -> Role {
    match role {
        RoleArgument::Reader => Role::Reader,
        RoleArgument::Operator => Role::Operator,
        RoleArgument::Admin => Role::Admin,
    }
}

const DAY: u64 = 86_400;
const HOUR: u64 = 3_600;

fn online(arguments: &Key, console: &mut Console) -> Result<Value, Failure> {
    let client = Client::new(&arguments.remote)?;
    match &arguments.command {
        KeyCommand::Create { name, role: asked, expires } => {
            let body = json!({
                "name": name,
                "role": role(*asked),
                "expires_in": expires.map(|days| days * DAY),
            });
            Ok(client.ask(&Method::POST, "/api/v1/keys", &[], Some(&body))?.body)
        }
        KeyCommand::List => all(&client, console),
        KeyCommand::Rotate { id, overlap } => {
            let body = json!({ "overlap": overlap * HOUR });
            Ok(client.ask(&Method::POST, &path(id, "/rotate")?, &[], Some(&body))?.body)
        }
        KeyCommand::Revoke { id } => {
            client.ask(&Method::DELETE, &path(id, "")?, &[], None)?;
            Ok(json!({ "id": id, "revoked": true }))
        }
    }
}

fn path(id: &str, rest: &str) -> Result<String, Failure> {
    if id.is_empty() || !id.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return Err(Failure::usage(format!("`{id}` is no id of a key"), None));
    }
    Ok(format!("/api/v1/keys/{id}{rest}"))
}

/// All pages.
fn all(client: &Client, console: &mut Console) -> Result<Value, Failure> {
    let mut keys = Vec::new();
    let mut path = "/api/v1/keys?limit=1000".to_owned();
    loop {
        let answer = client.get(&path)?;
        answer.note(console);
        let mut page = answer.body;
        if let Some(some) = page.get_mut("keys").and_then(Value::as_array_mut) {
            keys.append(some);
        }
        match page.get("next").and_then(Value::as_str) {
            Some(next) => path = format!("/api/v1/keys?limit=1000&after={next}"),
            None => return Ok(json!({ "keys": keys })),
        }
    }
}

fn offline(arguments: &Key) -> Result<Value, Failure> {
    let place = Place::of(&arguments.store)?;
    let layout = Layout::under(&arguments.store.prefix);
    let failed = |error: access::Error| match error {
        access::Error::Wrong(_) | access::Error::NoKey(_) => {
            Failure::usage(error.to_string(), None)
        }
        other => Failure::unknown(other.to_string()),
    };
    runtime()?.block_on(async {
        let store: AnyStore = open(&place.address, &place.options).await.map_err(|error| {
            let note = "while a server has the store's file, ask the server: without --offline";
            Failure::Asked {
                message: error.to_string(),
                notes: vec![format!("help: {note}")],
                code: Code::Unknown,
            }
        })?;
        let access = Access { store: &store, layout: &layout, guard: None };
        let now = Clock.now();
        let told = match &arguments.command {
            KeyCommand::Create { name, role: asked, expires } => {
                let lasts = expires.map(|days| Duration::from_secs(days * DAY));
                let new = New { name: name.clone(), role: role(*asked), lasts };
                let issued = access.create(&new, now).await.map_err(failed)?;
                json!(KeyWithSecret::of(issued, now))
            }
            KeyCommand::List => {
                let table = access.table().await.map_err(failed)?;
                let keys: Vec<Told> =
                    table.iter().map(|(id, record)| Told::of(id, record, now)).collect();
                json!({ "keys": keys })
            }
            KeyCommand::Rotate { id, overlap } => {
                let overlap = Duration::from_secs(overlap * HOUR);
                let issued = access.rotate(id, overlap, now).await.map_err(failed)?;
                json!(KeyWithSecret::of(issued, now))
            }
            KeyCommand::Revoke { id } => {
                access.revoke(id, now).await.map_err(failed)?;
                json!({ "id": id, "revoked": true })
            }
        };
        Ok(told)
    })
}

fn text(command: &KeyCommand, answer: &Value, console: &mut Console) {
    let field = |of: &Value, name: &str| -> String {
        of.get(name).and_then(Value::as_str).unwrap_or("-").to_owned()
    };
    match command {
        KeyCommand::Create { .. } | KeyCommand::Rotate { .. } => {
            console.line(&field(answer, "key"));
            let (id, role) = (field(answer, "id"), field(answer, "role"));
            console.error(&format!("key {id} ({role}); keep it now, it is not shown again\n"));
        }
        KeyCommand::Revoke { id } => console.line(&format!("key {id} has ended")),
        KeyCommand::List => {
            let keys = answer.get("keys").and_then(Value::as_array);
            let head = ["id", "role", "name", "made", "expires", "revoked"];
            let row = |key: &Value| head.map(|name| field(key, name));
            let rows: Vec<_> = keys.into_iter().flatten().map(row).collect();
            table(head, &rows, console, |_| None);
        }
    }
}
