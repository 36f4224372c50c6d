//! A destination that is a name of a DNS zone: resolved as the source would have it answered.

use netwright_model::language::{EgressMode, EndpointKind, EndpointRef};
use netwright_model::network::{Network, VpcId};
use netwright_model::scalar::Scalar;
use netwright_model::source::Sources;
use netwright_verify::ask::Point;
use netwright_verify::names::{Names, Outcome, Resolution};
use netwright_verify::prover::path::Origin;
use netwright_verify::trace::Verdict;
use serde_json::{Value, json};

use super::{place, place_json, words};
use crate::arguments::{DrawnFormat, Trace};
use crate::console::{Code, Console, Style};
use crate::endpoints::{find, find_one};
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
    let asker = from.first().and_then(|point| vpc_of(network, point));
    let Some(name) = host_name(network, &names, asker, text) else {
        return Ok((find_one(network, text, arguments.to_address)?, None));
    };
    let resolution = names.resolve(asker, &name);
    let mut points = Vec::new();
    if let Outcome::Addresses(addresses) = &resolution.outcome {
        let wanted =
            |address: &&std::net::IpAddr| arguments.to_address.is_none_or(|own| own == **address);
        for address in addresses.iter().filter(wanted) {
            points.extend(find(network, &address.to_string())?);
        }
        if points.is_empty() {
            let known: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            return Err(Failure::usage(
                format!("`{text}` does not resolve to the address that was asked for"),
                Some(format!("it resolves to {}", known.join(", "))),
            ));
        }
    }
    // A name that no zone holds may still be known by the `hosts` of a service.
    if let Outcome::Elsewhere(last) = &resolution.outcome
        && network.lookup.host(last).is_some()
    {
        points.extend(find(network, last)?);
    }
    Ok((points, Some(resolution)))
}

/// The name that a text stands for, where zones are to be asked: it is written as a host, or a zone answers for it and nothing is called so.
fn host_name(network: &Network, names: &Names, asker: Option<VpcId>, text: &str) -> Option<String> {
    match EndpointRef::parse_scalar(text).ok()? {
        EndpointRef::Kind(EndpointKind::Host, name) => Some(name),
        EndpointRef::Name(name) if name.contains('.') && names.answers(asker, &name) => {
            let places = network.lookup.places(network, &EndpointRef::Name(name.clone()));
            // What `hosts` says is found there too; a zone that answers is asked first.
            let known = places.is_ok_and(|places| !places.is_empty());
            let by_host = network.lookup.host(&name).is_some();
            (!known || by_host).then_some(name)
        }
        _ => None,
    }
}

/// The VPC whose resolver a source asks.
fn vpc_of(network: &Network, point: &Point) -> Option<VpcId> {
    let interface = match point.origin? {
        Origin::Interface(id) => id,
        // A service that has no access to a VPC asks the public zones.
        Origin::Serverless(id) if network[id].mode != EgressMode::None => network[id].interface?,
        _ => return None,
    };
    Some(network[network[interface].subnet].vpc)
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
