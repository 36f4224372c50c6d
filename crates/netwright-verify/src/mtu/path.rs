//! The largest packet that a path carries, and what becomes of larger ones.
//!
//! Every network that a packet crosses has a largest packet; the smallest of them is the path's. A router in front of it tells the sender of a
//! packet that does not fit (ICMP "fragmentation needed", "packet too big"), unless its tunnel is described as one that does not; TCP that is
//! clamped there sends nothing larger in the first place. Whether a filter drops the ICMP message on its way back is not asked.

use netwright_model::language::{AddressFamily, Provider, Vpn, VpnKind};
use netwright_model::network::{Network, TransitId, VpnId};
use netwright_model::source::Span;

use super::{Suite, esp, gre, wireguard};
use crate::prover::path::{Object, Path, Step};

/// Largest packet on the Internet, in octets (AWS, "Network maximum transmission unit": through an internet gateway; Google Cloud, "MTU").
const INTERNET: u32 = 1500;

/// Largest packet over an AWS transit gateway (AWS, "Transit gateway quotas": MTU).
const AWS_TRANSIT: u32 = 8500;

/// What becomes of packets that are too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Larger {
    /// Their sender is told, and sends smaller ones.
    Told,
    /// TCP is clamped so that none are sent; others are lost in silence.
    OnlyTcpFits,
    /// They are lost in silence.
    Lost,
    /// The description does not say.
    Unknown,
}

impl Larger {
    /// A stable word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::OnlyTcpFits => "only_tcp_fits",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }

    /// In words.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Told => "senders of larger ones are told",
            Self::OnlyTcpFits => "TCP is clamped to it, other larger ones are lost in silence",
            Self::Lost => "larger ones are lost in silence",
            Self::Unknown => "whether senders of larger ones are told is not described",
        }
    }
}

/// The largest packet of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathMtu {
    /// In octets, the IP header included; `None` where something on the way does not say.
    pub octets: Option<u32>,
    /// Largest packet of the sender's own network: what it would send.
    pub own: Option<u32>,
    /// What limits it, or does not say, for example `vpn tunnel`.
    pub at: String,
    /// Where that was written.
    pub span: Span,
    /// What becomes of packets that are larger than fits, where the sender's own network carries them.
    pub larger: Larger,
}

impl PathMtu {
    /// Whether something on the way carries less than the sender's own network.
    #[must_use]
    pub fn narrows(&self) -> bool {
        match (self.octets, self.own) {
            (Some(octets), Some(own)) => octets < own,
            _ => true,
        }
    }
}

/// What one network on the way carries.
struct Hop {
    octets: Option<u32>,
    name: String,
    span: Span,
    larger: Larger,
}

/// The largest packet of a path.
#[must_use]
pub fn of(network: &Network, path: &Path) -> PathMtu {
    let objects = path.steps.iter().filter_map(|step| match step {
        Step::At(object) => Some(*object),
        _ => None,
    });
    let hops: Vec<Hop> = objects.filter_map(|object| hop(network, object)).collect();
    let own = hops.first().and_then(|hop| hop.octets);
    let silent = hops.iter().find(|hop| hop.octets.is_none());
    let smallest = hops.iter().filter(|hop| hop.octets.is_some()).min_by_key(|hop| hop.octets);
    match silent.or(smallest) {
        Some(hop) => PathMtu {
            octets: hop.octets,
            own,
            at: hop.name.clone(),
            span: hop.span,
            larger: hop.larger,
        },
        None => PathMtu {
            octets: None,
            own: None,
            at: "the path".to_owned(),
            span: Span::NONE,
            larger: Larger::Unknown,
        },
    }
}

fn hop(network: &Network, object: Object) -> Option<Hop> {
    let told = |octets: u32, kind: &str, name: &str, span: Span| Hop {
        octets: Some(octets),
        name: format!("{kind} {name}"),
        span,
        larger: Larger::Told,
    };
    Some(match object {
        Object::Interface(id) => {
            let vpc = &network[network[network[id].subnet].vpc];
            told(vpc.mtu, "vpc", &vpc.name, vpc.span)
        }
        Object::Vpc(id) => told(network[id].mtu, "vpc", &network[id].name, network[id].span),
        Object::Peering(id) => {
            let row = &network[id];
            told(row.mtu?, "peering", &row.name, row.span)
        }
        Object::Transit(id) => {
            let row = &network[id];
            told(transit(network, id)?, "transit", &row.name, row.span)
        }
        Object::Internet => Hop {
            octets: Some(INTERNET),
            name: "the Internet".to_owned(),
            span: Span::NONE,
            larger: Larger::Told,
        },
        Object::Vpn(id) => link(network, id),
        Object::Endpoint(id) => {
            let site = network.sites.iter().find(|site| site.endpoint == id)?;
            told(site.mtu, "site", &network[id].name, network[id].span)
        }
        Object::Subnet(_) | Object::Gateway(_) | Object::Nat(_) | Object::Serverless(_) => {
            return None;
        }
    })
}

/// The largest packet of the network that carries a tunnel, in octets.
#[must_use]
pub fn underlay(written: &Vpn) -> u32 {
    written.underlay_mtu.as_ref().map_or(INTERNET, |mtu| mtu.value)
}

/// What fits into a tunnel by its kind, its suite and what carries it; `None` for a dedicated link and for a suite that is not known.
#[must_use]
pub fn fits(written: &Vpn) -> Option<u32> {
    let kind = written.kind.as_ref().map(|kind| kind.value).unwrap_or_default();
    let underlay = underlay(written);
    let v6 = written.underlay.as_ref().is_some_and(|family| family.value == AddressFamily::V6);
    let traversal = written.nat_traversal.as_ref().is_some_and(|yes| yes.value);
    match kind {
        VpnKind::Ipsec => {
            let suite = written.suite.as_ref().and_then(|suite| Suite::named(&suite.value));
            suite.map(|suite| esp(suite, underlay, traversal, v6))
        }
        VpnKind::Wireguard => Some(wireguard(underlay, v6)),
        VpnKind::Gre => Some(gre(underlay, v6)),
        VpnKind::Dedicated => None,
    }
}

/// The largest packet of a transit hub in octets, where it is said or its provider has one.
#[must_use]
pub fn transit(network: &Network, id: TransitId) -> Option<u32> {
    let aws = network.vpcs.iter().any(|vpc| vpc.provider == Provider::Aws);
    network[id].mtu.or(aws.then_some(AWS_TRANSIT))
}

/// The largest packet of a tunnel in octets, what becomes of larger ones, and whether TCP is clamped to it. None where the description
/// does not say how large it is.
#[must_use]
pub fn tunnel(network: &Network, id: VpnId) -> Option<(u32, Larger, bool)> {
    let hop = link(network, id);
    let written = network.description.vpns.0.get(network[id].index);
    let clamped = written.and_then(|(_, vpn)| vpn.mss_clamp.as_ref()).is_some_and(|yes| yes.value);
    Some((hop.octets?, hop.larger, clamped))
}

/// What a tunnel carries: by its suite and what carries it, or by what its interface is set to where that is less.
fn link(network: &Network, id: VpnId) -> Hop {
    let row = &network[id];
    let name = format!("vpn {}", row.name);
    let Some((_, written)) = network.description.vpns.0.get(row.index) else {
        return Hop { octets: None, name, span: row.span, larger: Larger::Unknown };
    };
    let fits = fits(written);
    let set = written.mtu.as_ref().map(|mtu| mtu.value);
    let octets = match (fits, set) {
        (Some(fits), Some(set)) => Some(fits.min(set)),
        (fits, set) => fits.or(set),
    };
    let clamped = written.mss_clamp.as_ref().map(|yes| yes.value);
    let tells = written.icmp_too_big.as_ref().map(|yes| yes.value);
    let larger = match (tells, clamped) {
        (Some(true), _) => Larger::Told,
        (Some(false), Some(true)) => Larger::OnlyTcpFits,
        (Some(false), Some(false)) => Larger::Lost,
        _ => Larger::Unknown,
    };
    Hop { octets, name, span: row.span, larger }
}

#[cfg(test)]
mod tests;
