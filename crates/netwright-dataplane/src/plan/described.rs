//! What a description says that links do to packets on their way.

use netwright_model::language::{EndpointKind, Link, LinkWay};
use netwright_model::network::{
    Attachment, ExternalId, InterfaceId, Network, PeeringId, SubnetId, VpnId,
};

use super::emulation::{Condition, Conditions};

/// As a description says it.
fn conditions(link: &Link) -> Conditions {
    Conditions {
        there: condition(&link.way(false)),
        back: condition(&link.way(true)),
        seed: link.seed.map(|seed| seed.value),
    }
}

fn condition(way: &LinkWay) -> Condition {
    let share = |of: &Option<
        netwright_model::source::Spanned<netwright_model::scalar::Percent>,
    >| { of.as_ref().map_or(0, |share| share.value.as_thousandths()) };
    Condition {
        latency: way.latency.map_or(0, |latency| latency.value.as_micros()),
        jitter: way.jitter.map_or(0, |jitter| jitter.value.as_micros()),
        loss: share(&way.loss),
        duplicate: share(&way.duplicate),
        reorder: share(&way.reorder),
        corrupt: share(&way.corrupt),
        rate: way.rate.map_or(0, |rate| rate.value.as_bits()),
        limit: way.limit.map_or(0, |limit| limit.value),
    }
}

/// The first that says something.
fn first<'d>(links: impl IntoIterator<Item = Option<&'d Link>>) -> Conditions {
    let mut given = links.into_iter().flatten().filter(|link| link.is_given());
    given.next().map(conditions).unwrap_or_default()
}

/// The link of an interface: its own, else its subnet's. That of a connector carries what the connector does.
pub(super) fn interface(network: &Network, id: InterfaceId) -> Conditions {
    let (row, description) = (&network[id], &network.description);
    let owner = &network[row.owner];
    let mut found = first([own(network, id), subnet(network, row.subnet)]);
    if owner.kind == EndpointKind::Connector
        && let Some(connector) = description.connectors.get(&owner.name)
    {
        found = conditions(&connector.link);
        if let Some((_, most)) = connector.carries() {
            for way in [&mut found.there, &mut found.back] {
                if way.rate == 0 {
                    way.rate = most.as_bits();
                }
            }
        }
    }
    found
}

/// What is written at an instance or at one of its interfaces.
fn own(network: &Network, id: InterfaceId) -> Option<&Link> {
    let owner = &network[network[id].owner];
    if owner.kind != EndpointKind::Instance {
        return None;
    }
    let instance = network.description.instances.get(&owner.name)?;
    let key = network[id].name.strip_prefix(&format!("{}/", owner.name));
    match key.and_then(|key| instance.interfaces.get(key)) {
        Some(interface) => Some(&interface.link),
        None => Some(&instance.link),
    }
}

fn subnet(network: &Network, id: SubnetId) -> Option<&Link> {
    let row = &network[id];
    let name = row.name.rsplit('/').next()?;
    let vpc = network.description.vpcs.get(&network[row.vpc].name)?;
    Some(&vpc.subnets.get(name)?.link)
}

/// The link of a peering, from its first VPC to its second.
pub(super) fn peering(network: &Network, id: PeeringId) -> Conditions {
    first([network.description.peerings.get(&network[id].name).map(|peering| &peering.link)])
}

/// The link of a tunnel or dedicated link: its own, else its site's.
pub(super) fn vpn(network: &Network, id: VpnId) -> Conditions {
    let row = &network[id];
    let own = network.description.vpns.get(&row.name).map(|vpn| &vpn.link);
    let site = row.site.and_then(|site| {
        let name = &network[network[site].endpoint].name;
        network.description.sites.get(name).map(|site| &site.link)
    });
    first([own, site])
}

/// The link of a hub's attachment.
pub(super) fn attachment(network: &Network, row: &Attachment) -> Conditions {
    let hub = network.description.transits.get(&network[row.transit].name);
    let name = row.name.rsplit('/').next().unwrap_or(&row.name);
    first([hub.and_then(|hub| hub.attachments.get(name)).map(|attachment| &attachment.link)])
}

/// The link by which the Internet reaches an outside service.
pub(super) fn external(network: &Network, id: ExternalId) -> Conditions {
    let name = &network[network[id].endpoint].name;
    first([network.description.externals.get(name).map(|external| &external.link)])
}
