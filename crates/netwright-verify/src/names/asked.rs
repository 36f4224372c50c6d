//! Endpoints that are named by a name of the DNS zones: whose resolver is asked, and what has the addresses that it answers.

use std::net::IpAddr;

use netwright_model::language::{EgressMode, EndpointKind, EndpointRef};
use netwright_model::network::lookup::NotFound;
use netwright_model::network::{Network, VpcId};
use netwright_model::scalar::Prefix;

use super::{Names, Outcome, Resolution};
use crate::ask::{Point, points};
use crate::prover::path::Origin;

/// What a reference stands for, as somebody sees it.
#[derive(Debug, Clone)]
pub struct Found {
    /// The points; none where the name leads nowhere, or nobody can say where.
    pub points: Vec<Point>,
    /// How the name was resolved, where zones were asked.
    pub resolution: Option<Resolution>,
}

/// The VPC whose resolver a source asks; none for one that sees only public zones.
#[must_use]
pub fn asker(network: &Network, point: &Point) -> Option<VpcId> {
    let interface = match point.origin? {
        Origin::Interface(id) => id,
        // A service that has no access to a VPC asks the public zones.
        Origin::Serverless(id) if network[id].mode != EgressMode::None => network[id].interface?,
        _ => return None,
    };
    Some(network[network[interface].subnet].vpc)
}

/// What a destination stands for, to somebody who asks the resolver of a VPC.
///
/// # Errors
///
/// When it is no name of a zone, and nothing or several things are called so.
pub fn destination(
    network: &Network,
    names: &Names,
    asker: Option<VpcId>,
    reference: &EndpointRef,
) -> Result<Found, NotFound> {
    match host_name(network, names, &[asker], reference) {
        Some(name) => through_zones(network, names.resolve(asker, &name)),
        None => Ok(Found { points: points(network, reference)?, resolution: None }),
    }
}

/// What a source stands for. Nobody in particular asks for its name: every VPC and the outside must be answered alike.
///
/// # Errors
///
/// When it is no name of a zone, and nothing or several things are called so; when it depends on who asks.
pub fn source(
    network: &Network,
    names: &Names,
    reference: &EndpointRef,
) -> Result<Found, NotFound> {
    let mut views = vec![None];
    views.extend((0..network.vpcs.len()).map(|index| Some(VpcId::at(index))));
    let Some(name) = host_name(network, names, &views, reference) else {
        return Ok(Found { points: points(network, reference)?, resolution: None });
    };
    let mut seen: Vec<Resolution> = Vec::new();
    for view in views {
        let resolution = names.resolve(view, &name);
        let same = |known: &Resolution| known.outcome == resolution.outcome;
        if !matches!(resolution.outcome, Outcome::Elsewhere(_)) && !seen.iter().any(same) {
            seen.push(resolution);
        }
    }
    if seen.len() > 1 {
        let message = format!("who `{name}` is depends on who asks: the zones answer differently");
        let help = Some("name the machine itself as the source".to_owned());
        return Err(NotFound { message, help });
    }
    let resolution = seen.pop().unwrap_or_else(|| names.resolve(None, &name));
    through_zones(network, resolution)
}

fn through_zones(network: &Network, resolution: Resolution) -> Result<Found, NotFound> {
    let mut found = Vec::new();
    let mut add = |reference: &EndpointRef| -> Result<(), NotFound> {
        for point in points(network, reference)? {
            if !found.contains(&point) {
                found.push(point);
            }
        }
        Ok(())
    };
    match &resolution.outcome {
        Outcome::Addresses(addresses) => {
            for address in addresses {
                add(&EndpointRef::Prefix(Prefix::host(*address)))?;
            }
        }
        // A name that no zone holds may still be known by the `hosts` of a service.
        Outcome::Elsewhere(last) if network.lookup.host(last).is_some() => {
            add(&EndpointRef::Name(last.clone()))?;
        }
        _ => {}
    }
    Ok(Found { points: found, resolution: Some(resolution) })
}

/// The name that a reference stands for, where zones are to be asked: it is written as a host, or a zone answers for it and nothing is
/// called so.
fn host_name(
    network: &Network,
    names: &Names,
    views: &[Option<VpcId>],
    reference: &EndpointRef,
) -> Option<String> {
    match reference {
        EndpointRef::Kind(EndpointKind::Host, name) => Some(name.clone()),
        EndpointRef::Name(name) if name.contains('.') => {
            if !views.iter().any(|view| names.answers(*view, name)) {
                return None;
            }
            let places = network.lookup.places(network, reference);
            // What `hosts` says is found there too; a zone that answers is asked first.
            let known = places.is_ok_and(|places| !places.is_empty());
            let by_host = network.lookup.host(name).is_some();
            (!known || by_host).then(|| name.clone())
        }
        _ => None,
    }
}

/// Addresses of a resolution; none where it has none.
#[must_use]
pub fn addresses(resolution: &Resolution) -> &[IpAddr] {
    match &resolution.outcome {
        Outcome::Addresses(addresses) => addresses,
        _ => &[],
    }
}
