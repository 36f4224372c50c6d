//! `netwright allocate`, `netwright release`, `netwright pools`.

use clap::ValueEnum;
use serde_json::{Map, Value, json};
use ureq::http::Method;

use crate::arguments::{Allocate, Format, Pools, PoolsCommand, Release, Remote};
use crate::client::{Client, query};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::table::table;

/// Without what is not given.
fn given(fields: Value) -> Value {
    match fields {
        Value::Object(fields) => {
            Value::Object(fields.into_iter().filter(|(_, value)| !value.is_null()).collect())
        }
        other => other,
    }
}

fn word<T: ValueEnum>(value: Option<&T>) -> Option<String> {
    value.and_then(ValueEnum::to_possible_value).map(|value| value.get_name().to_owned())
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or("-")
}

pub(super) fn allocate(arguments: &Allocate, console: &mut Console) -> Result<Code, Failure> {
    let body = given(json!({
        "pool": arguments.pool,
        "for": arguments.purpose,
        "value": arguments.value,
        "length": arguments.length,
        "family": word(arguments.family.as_ref()),
        "ports": arguments.ports,
        "reserve": arguments.reserve,
        "seconds": arguments.hours.map(|hours| hours * 3600),
    }));
    let once = arguments.once.as_deref().map(|once| ("idempotency-key", once));
    let headers: Vec<(&str, &str)> = once.into_iter().collect();
    let client = Client::new(&arguments.remote)?;
    let answer = client.ask(&Method::POST, "/api/v1/allocations", &headers, Some(&body))?.body;
    match arguments.format {
        Format::Json => console.json(&answer),
        Format::Text => {
            console.line(text(&answer, "value"));
            let sequence = answer.get("sequence").and_then(Value::as_u64).unwrap_or_default();
            let what = if arguments.reserve { "reserved" } else { "allocated" };
            console.error(&format!(
                "{what} of {} for {}, with number {sequence}\n",
                arguments.pool, arguments.purpose
            ));
        }
    }
    Ok(Code::Pass)
}

pub(super) fn release(arguments: &Release, console: &mut Console) -> Result<Code, Failure> {
    let body = given(json!({
        "pool": arguments.pool,
        "value": arguments.value,
        "sequence": arguments.sequence,
    }));
    let client = Client::new(&arguments.remote)?;
    let path = "/api/v1/allocations/release";
    let answer = client.ask(&Method::POST, path, &[], Some(&body))?.body;
    match arguments.format {
        Format::Json => console.json(&answer),
        Format::Text => {
            let rests = answer.get("rests_until").and_then(Value::as_str);
            let rests =
                rests.map_or("free at once".to_owned(), |until| format!("rests until {until}"));
            let mut line = format!(
                "{} is released; it {}",
                arguments.value,
                rests.replace("free at once", "can be allocated again at once")
            );
            if answer.get("still_described").and_then(Value::as_bool) == Some(true) {
                line += "; the network still describes something there";
            }
            console.line(&line);
        }
    }
    Ok(Code::Pass)
}

pub(super) fn pools(arguments: &Pools, console: &mut Console) -> Result<Code, Failure> {
    match &arguments.command {
        None => list(&arguments.remote, arguments.format, console),
        Some(PoolsCommand::Show { pool }) => {
            show(&arguments.remote, pool, arguments.format, console)
        }
        Some(command) => change(&arguments.remote, command, arguments.format, console),
    }
}

/// All pages of a list.
fn all(
    client: &Client,
    path: &str,
    name: &str,
    console: &mut Console,
) -> Result<Vec<Value>, Failure> {
    let mut found = Vec::new();
    let first = client.get(path)?;
    first.note(console);
    let mut page = first.body;
    loop {
        if let Some(some) = page.get_mut(name).and_then(Value::as_array_mut) {
            found.append(some);
        }
        let Some(next) = page.get("next").and_then(Value::as_str).map(query) else {
            return Ok(found);
        };
        let and = if path.contains('?') { '&' } else { '?' };
        page = client.get(&format!("{path}{and}after={next}"))?.body;
    }
}

fn list(remote: &Remote, format: Format, console: &mut Console) -> Result<Code, Failure> {
    let client = Client::new(remote)?;
    let pools = all(&client, "/api/v1/pools?limit=1000", "pools", console)?;
    match format {
        Format::Json => console.json(&json!({ "pools": pools })),
        Format::Text => usage(&pools, console),
    }
    Ok(Code::Pass)
}

/// Numbers from here on are not exact when they come as JSON: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number, whatever its size: IPv6 has more addresses than anybody counts.
fn number(of: &Value, name: &str) -> String {
    match of.get(name) {
        Some(value) => match value.as_f64().filter(|large| *large >= EXACT) {
            Some(large) => format!("≈2^{:.1}", large.log2()),
            None => value.to_string(),
        },
        None => "-".to_owned(),
    }
}

fn usage(pools: &[Value], console: &mut Console) {
    let head = ["pool", "of", "capacity", "taken", "resting", "free", "used", "largest free"];
    let row = |pool: &Value| {
        let largest = pool.get("largest").and_then(Value::as_array);
        let largest: Vec<&str> = largest.into_iter().flatten().filter_map(Value::as_str).collect();
        let closed = pool.get("closed").is_some();
        [
            text(pool, "pool").to_owned(),
            text(pool, "kind").to_owned(),
            number(pool, "capacity"),
            number(pool, "taken"),
            number(pool, "cooling"),
            number(pool, "free"),
            format!("{} %", number(pool, "used_percent")),
            if closed { "gives nothing".to_owned() } else { largest.join(", ") },
        ]
    };
    let rows: Vec<_> = pools.iter().map(row).collect();
    let warns = |at: usize| pools[at].get("warning").map(|_| Style::Doubt);
    table(head, &rows, console, warns);
    for pool in pools {
        if let Some(warning) = pool.get("warning").and_then(Value::as_str) {
            console.line(&console.styled(Style::Doubt, &format!("warning: {warning}")));
        }
        if let Some(closed) = pool.get("closed").and_then(Value::as_str) {
            console.line(&format!("{} gives nothing: {closed}", text(pool, "pool")));
        }
        if let Some(forecast) = pool.get("forecast") {
            console.line(&format!(
                "{} is exhausted about {} by estimate, if it goes on as in its last {} changes",
                text(pool, "pool"),
                text(forecast, "exhausted_at"),
                number(forecast, "changes")
            ));
        }
    }
}

fn show(
    remote: &Remote,
    pool: &str,
    format: Format,
    console: &mut Console,
) -> Result<Code, Failure> {
    let client = Client::new(remote)?;
    let own = all(&client, &format!("/api/v1/pools?pool={}", query(pool)), "pools", console)?;
    let path = format!("/api/v1/allocations?limit=1000&pool={}", query(pool));
    let allocations = all(&client, &path, "allocations", console)?;
    match format {
        Format::Json => {
            let mut shown = own.first().and_then(Value::as_object).cloned().unwrap_or_default();
            shown.insert("allocations".to_owned(), Value::Array(allocations));
            console.json(&Value::Object(shown));
        }
        Format::Text => {
            usage(&own, console);
            if allocations.is_empty() {
                return Ok(Code::Pass);
            }
            console.line("");
            let head = ["value", "for", "by", "number", "since", "state"];
            let row = |own: &Value| {
                let reserved = own.get("reserved").and_then(Value::as_bool) == Some(true);
                let until = own.get("until").and_then(Value::as_str);
                let state = match (reserved, until) {
                    (false, _) => "allocated".to_owned(),
                    (true, None) => "reserved".to_owned(),
                    (true, Some(until)) => format!("reserved until {until}"),
                };
                let [value, purpose, owner, at] =
                    ["value", "for", "owner", "at"].map(|name| text(own, name).to_owned());
                [value, purpose, owner, number(own, "sequence"), at, state]
            };
            let rows: Vec<_> = allocations.iter().map(row).collect();
            table(head, &rows, console, |_| None);
        }
    }
    Ok(Code::Pass)
}

fn change(
    remote: &Remote,
    command: &PoolsCommand,
    format: Format,
    console: &mut Console,
) -> Result<Code, Failure> {
    let client = Client::new(remote)?;
    let (answer, line) = match command {
        PoolsCommand::Set { pool, kind, ranges, order, warn_at, hold_down, length, ports } => {
            let body = given(json!({
                "pool": pool,
                "kind": word(Some(kind)),
                "ranges": ranges,
                "order": word(order.as_ref()),
                "warn_at_percent": warn_at,
                "hold_down_seconds": hold_down,
                "length": length,
                "ports": ports,
            }));
            let answer = client.ask(&Method::PUT, "/api/v1/pools", &[], Some(&body))?.body;
            (answer, format!("{pool} is as declared"))
        }
        PoolsCommand::Remove { pool } => {
            let body = json!({ "pool": pool });
            client.ask(&Method::POST, "/api/v1/pools/remove", &[], Some(&body))?;
            let mut answer = Map::new();
            answer.insert("pool".to_owned(), pool.as_str().into());
            answer.insert("removed".to_owned(), true.into());
            (Value::Object(answer), format!("{pool} is declared no longer"))
        }
        PoolsCommand::Show { .. } => return Ok(Code::Pass),
    };
    match format {
        Format::Json => console.json(&answer),
        Format::Text => console.line(&line),
    }
    Ok(Code::Pass)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::number;

    #[test]
    fn numbers_are_written_so_that_they_can_be_read() {
        let pool = json!({ "small": 251, "share": 0.4, "large": 4_722_366_482_869_645_213_696.0 });
        let shown = ["small", "share", "large", "none"].map(|name| number(&pool, name));
        assert_eq!(shown, ["251", "0.4", "≈2^72.0", "-"]);
    }
}
