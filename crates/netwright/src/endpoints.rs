//! Endpoints as people name them on the command line.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::language::EndpointRef;
use netwright_model::network::Network;
use netwright_model::scalar::Scalar;
use netwright_verify::ask::{Point, points};
use netwright_verify::prover::path::Origin;

use crate::failure::Failure;

/// The points that a text stands for.
pub(crate) fn find(network: &Network, text: &str) -> Result<Vec<Point>, Failure> {
    let reference =
        EndpointRef::parse_scalar(text).map_err(|e| Failure::usage(e.message, e.help))?;
    points(network, &reference).map_err(|missing| Failure::usage(missing.message, missing.help))
}

/// Names that are shown before the rest is counted.
const SHOWN: usize = 5;

/// The points of the one endpoint that a text stands for (several where it has several interfaces), at one of its addresses where
/// one is asked for.
pub(crate) fn find_one(
    network: &Network,
    text: &str,
    address: Option<IpAddr>,
) -> Result<Vec<Point>, Failure> {
    one_of(network, text, find(network, text)?, address)
}

/// The points of one endpoint among those found, at one of its addresses where one is asked for.
pub(crate) fn one_of(
    network: &Network,
    text: &str,
    mut found: Vec<Point>,
    address: Option<IpAddr>,
) -> Result<Vec<Point>, Failure> {
    let owner = |point: &Point| match point.origin {
        Some(Origin::Interface(id)) => network[network[id].owner].name.clone(),
        _ => point.name.clone(),
    };
    let owners: BTreeSet<String> = found.iter().map(owner).collect();
    if owners.len() > 1 {
        let mut names: Vec<&str> = owners.iter().take(SHOWN).map(String::as_str).collect();
        let more = owners.len().saturating_sub(SHOWN);
        let rest = format!("{more} more");
        if more > 0 {
            names.push(&rest);
        }
        return Err(Failure::usage(
            format!("`{text}` stands for {} endpoints; a trace follows one flow", owners.len()),
            Some(format!("name one of {}; `netwright reach` asks them all", names.join(", "))),
        ));
    }
    if found.is_empty() {
        return Err(Failure::usage(format!("`{text}` stands for no endpoint"), None));
    }
    if let Some(address) = address {
        let known: Vec<IpAddr> = found
            .iter()
            .flat_map(|point| point.addresses.iter().chain(&point.public))
            .copied()
            .collect();
        for point in &mut found {
            point.addresses.retain(|own| *own == address);
            point.public.retain(|own| *own == address);
            if point.addresses.is_empty() {
                point.addresses.clone_from(&point.public);
            }
        }
        found.retain(|point| !point.addresses.is_empty());
        if found.is_empty() {
            let known: BTreeSet<String> = known.iter().map(ToString::to_string).collect();
            let known: Vec<String> = known.into_iter().collect();
            return Err(Failure::usage(
                format!("`{text}` does not have the address {address}"),
                Some(format!("it has {}", known.join(", "))),
            ));
        }
    }
    Ok(found)
}
