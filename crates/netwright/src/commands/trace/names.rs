//! A destination that is a name of a DNS zone: resolved as the source would have it answered.

use netwright_model::language::EndpointRef;
use netwright_model::network::Network;
use netwright_model::scalar::Scalar;
use netwright_model::source::Sources;
use netwright_verify::ask::Point;
use netwright_verify::names::{Names, Outcome, Resolution, asked};
use netwright_verify::trace::Verdict;
use serde_json::{Value, json};

use super::{place, place_json, words};
use crate::arguments::{DrawnFormat, Trace};
use crate::console::{Code, Console, Style};
use crate::endpoints::{find_one, one_of};
use crate::failure::Failure;
use crate::network::Input;

/// Where a trace goes: the points, and how the name was resolved where it is one.
pub(super) fn destination(
    network: &Network,
    from: &[Point],
    text: &str,
    arguments: &Trace,
) -> Result<(Vec<Point>, Option<Resolution>), Failure> {
    let names = Names::of(network);
    let asker = from.first().and_then(|point| asked::asker(network, point));
    let reference =
        EndpointRef::parse_scalar(text).map_err(|e| Failure::usage(e.message, e.help))?;
    let found = asked::destination(network, &names, asker, &reference)
        .map_err(|missing| Failure::usage(missing.message, missing.help))?;
    let Some(resolution) = found.resolution else {
        return Ok((find_one(network, text, arguments.to_address)?, None));
    };
    let mut points = found.points;
    if let Some(wanted) = arguments.to_address
        && !points.is_empty()
    {
        points.retain(|point| point.addresses.contains(&wanted));
        if points.is_empty() {
            let known: Vec<String> =
                asked::addresses(&resolution).iter().map(ToString::to_string).collect();
            return Err(Failure::usage(
                format!("`{text}` does not resolve to the address that was asked for"),
                Some(format!("it resolves to {}", known.join(", "))),
            ));
        }
    }
    Ok((points, Some(resolution)))
}

/// Where a trace starts: the one endpoint that a text, or a name of the zones, stands for.
pub(super) fn source(
    network: &Network,
    text: &str,
    address: Option<std::net::IpAddr>,
) -> Result<Vec<Point>, Failure> {
    let reference =
        EndpointRef::parse_scalar(text).map_err(|e| Failure::usage(e.message, e.help))?;
    let found = asked::source(network, &Names::of(network), &reference)
        .map_err(|missing| Failure::usage(missing.message, missing.help))?;
    let Some(resolution) = found.resolution else { return find_one(network, text, address) };
    if found.points.is_empty() {
        let why = resolution.chain().unwrap_or_default();
        return Err(Failure::usage(format!("`{text}` has no address: {why}"), None));
    }
    one_of(network, text, found.points, address)
}

/// How a name was resolved, line by line.
pub(super) fn text(console: &mut Console, sources: &Sources, resolution: &Resolution) {
    console.line(&console.styled(Style::Strong, &format!("\nname     {}", resolution.name)));
    for (index, used) in resolution.used.iter().enumerate() {
        let wildcard = if used.wildcard { " by a wildcard" } else { "" };
        let at = place(sources, used.span);
        let at = console.styled(Style::Dim, &format!("  {at}"));
        let (name, says, zone) = (&used.name, &used.says, &used.zone);
        console.line(&format!("{:>3}   {name} → {says}{wildcard} in zone {zone}{at}", index + 1));
    }
    if let Some(why) = resolution.why() {
        let style = if resolution.fails() { Style::Bad } else { Style::Doubt };
        console.line(&console.styled(style, &format!("{:>3} ✗ {why}", resolution.used.len() + 1)));
    }
}

pub(super) fn document(sources: &Sources, resolution: &Resolution) -> Value {
    let addresses = match &resolution.outcome {
        Outcome::Addresses(all) => all.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    json!({
        "name": resolution.name,
        "records": resolution.used.iter().map(|used| json!({
            "name": used.name,
            "zone": used.zone,
            "says": used.says,
            "wildcard": used.wildcard,
            "at": place_json(sources, used.span),
        })).collect::<Vec<_>>(),
        "addresses": addresses,
        "why": resolution.why(),
    })
}

/// What is told of a name that leads nowhere, or nobody can say where.
pub(super) fn unresolved(
    console: &mut Console,
    input: &Input,
    resolution: &Resolution,
    (from, to): (&str, &str),
    format: DrawnFormat,
) -> Result<Code, Failure> {
    let verdict = if resolution.fails() { Verdict::Unresolved } else { Verdict::Unknown };
    let why = resolution.why().unwrap_or_default();
    match format {
        DrawnFormat::Text => {
            let (word, style) = words(verdict);
            let head = console.styled(style, word);
            console.line(&format!("{head}: {from} → {to}"));
            let because = console.styled(style, "because");
            console.line(&format!("  {because} {why}"));
            text(console, &input.sources, resolution);
        }
        DrawnFormat::Json => console.json(&json!({
            "version": 1,
            "verdict": verdict.word(),
            "reason": why,
            "resolution": document(&input.sources, resolution),
        })),
        DrawnFormat::Svg | DrawnFormat::Dot => {
            return Err(Failure::usage(
                format!("there is no flow to draw: {why}"),
                Some("leave `--format` out to see how the name was resolved".to_owned()),
            ));
        }
    }
    Ok(if verdict == Verdict::Unresolved { Code::Fail } else { Code::Unknown })
}
