//! Why flows are lost: one of them is traced through the new network.

use std::collections::HashMap;
use std::net::IpAddr;

use netwright_model::network::{ExternalId, InterfaceId, Network, ServerlessId, SiteId};
use netwright_model::source::Span;

use super::{Change, Party};
use crate::prover::path::Origin;
use crate::prover::policy::Layer4;
use crate::prover::{Prover, UNPREDICTABLE};
use crate::space::Packet;
use crate::trace::{Flow, Verdict};

/// Why a change loses what it loses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// A sentence without full stop.
    pub text: String,
    /// The place that decides, in the new network; nowhere for an endpoint that is gone.
    pub span: Span,
    /// The endpoint is not there any more: nothing blocks it.
    pub gone: bool,
}

/// Where a network's parties are.
pub(super) struct Places<'n> {
    network: &'n Network,
    interfaces: HashMap<&'n str, InterfaceId>,
}

impl<'n> Places<'n> {
    pub(super) fn of(network: &'n Network) -> Self {
        let named = network.interfaces.iter().enumerate();
        let interfaces =
            named.map(|(index, row)| (row.name.as_str(), InterfaceId::at(index))).collect();
        Self { network, interfaces }
    }

    /// Where a party sends from, and its address. `None` where the network does not have it.
    fn find(&self, party: &Party) -> Option<(Origin, IpAddr)> {
        let network = self.network;
        match party {
            Party::Named { name, v4 } => {
                if let Some(id) = self.interfaces.get(name.as_str()) {
                    let mut own = network[*id].addresses.iter();
                    let address = own.find(|address| address.is_ipv4() == *v4)?;
                    return Some((Origin::Interface(*id), *address));
                }
                let service = network
                    .serverless
                    .iter()
                    .position(|service| network[service.endpoint].name == *name)?;
                Some((Origin::Serverless(ServerlessId::at(service)), UNPREDICTABLE))
            }
            Party::Outside(whose, first, _) => {
                if whose == "internet" {
                    return Some((Origin::Internet, *first));
                }
                let site = network.sites.iter().position(|s| network[s.endpoint].name == *whose);
                if let Some(site) = site {
                    return Some((Origin::Site(SiteId::at(site)), *first));
                }
                let mut externals = network.externals.iter();
                let external = externals.position(|e| network[e.endpoint].name == *whose)?;
                Some((Origin::External(ExternalId::at(external)), *first))
            }
        }
    }
}

/// Why a packet that a change loses does not arrive any more, or is not answered.
pub(super) fn of(
    prover: &mut Prover<'_>,
    places: &Places<'_>,
    change: &Change,
    packet: &Packet,
) -> Option<Cause> {
    let gone = |party: &&Party| places.find(party).is_none();
    let (sources, destinations): (Vec<&Party>, Vec<&Party>) =
        (change.from.iter().collect(), change.to.iter().collect());
    if let Some(first) = sources.iter().chain(&destinations).copied().find(gone) {
        let Party::Named { name, .. } = first else { return None };
        let text = format!("{name} is not there any more");
        return Some(Cause { text, span: Span::NONE, gone: true });
    }
    let pairs = sources.iter().flat_map(|from| destinations.iter().map(move |to| (*from, *to)));
    let (from, to) = pairs.into_iter().find(|(from, to)| from != to)?;
    let ((origin, src), (_, dst)) = (places.find(from)?, places.find(to)?);
    let packet =
        Layer4 { protocol: packet.protocol, src_port: packet.src_port, dst_port: packet.dst_port };
    let trace = prover.trace(Flow { origin, src, dst, packet: Some(packet), meant: None });
    if trace.verdict == Verdict::Reachable {
        return None;
    }
    let blockers = trace.blockers(prover.network);
    let first = blockers.first()?;
    let span = first.rule.as_ref().map_or(first.span, |rule| rule.span);
    Some(Cause { text: first.text.clone(), span, gone: false })
}
