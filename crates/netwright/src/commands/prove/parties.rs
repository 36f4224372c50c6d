//! Who can be asked in a lab, and where.

use std::net::IpAddr;

use netwright_dataplane::plan::{INTERNET, endpoint, machine};
use netwright_model::language::{EndpointKind, EndpointRef};
use netwright_model::network::{
    EndpointId, ExternalId, InterfaceId, Network, ServerlessId, SiteId, VpcId,
};
use netwright_verify::ask::{Point, points};
use netwright_verify::prover::path::{Arrival, End, Origin};
use netwright_verify::trace::Trace;

/// Who can be asked: a name, its namespace, and the point that the prover knows.
pub(super) struct Party {
    pub(super) name: String,
    pub(super) namespace: String,
    /// The VPC that its addresses are in.
    pub(super) vpc: Option<VpcId>,
    pub(super) point: Point,
    pub(super) sends: bool,
    pub(super) receives: bool,
}

impl Party {
    /// Where a listener has to be for a flow to this party: where it arrives, or would.
    pub(super) fn listener(&self, network: &Network, trace: &Trace) -> (String, IpAddr) {
        let path = &trace.forward.path;
        match path.end {
            End::Delivered(Arrival::Interface(id)) => (machine(network, id), path.dst),
            End::Delivered(Arrival::Endpoint(id)) => (endpoint(network, id), path.dst),
            End::Delivered(Arrival::Internet) => (INTERNET.to_owned(), path.dst),
            _ => {
                let sent_to = trace.flow.dst;
                let same = |own: &&IpAddr| own.is_ipv4() == sent_to.is_ipv4();
                let private = self.point.addresses.iter().find(same);
                (self.namespace.clone(), private.copied().unwrap_or(sent_to))
            }
        }
    }
}

/// All that sends or receives in a lab of the network.
pub(super) fn parties(network: &Network) -> Vec<Party> {
    let mut all = Vec::new();
    for (index, row) in network.interfaces.iter().enumerate() {
        let id = InterfaceId::at(index);
        let owned_by_service = network.serverless.iter().any(|s| s.endpoint == row.owner);
        if row.answers_only || !row.running || owned_by_service {
            continue;
        }
        let addresses = row.addresses.clone();
        let v6 = addresses.iter().copied().filter(IpAddr::is_ipv6);
        let origin = Some(Origin::Interface(id));
        let point = Point {
            name: row.name.clone(),
            origin,
            meant: origin,
            public: row.public.iter().copied().chain(v6).collect(),
            addresses,
            outside: None,
        };
        // Further interfaces of a machine have no routes of their own in the lab.
        let owner = &network[row.owner];
        let first =
            owner.kind == EndpointKind::LoadBalancer || owner.interfaces.first() == Some(&id);
        let namespace = machine(network, id);
        all.push(Party {
            name: row.name.clone(),
            namespace,
            vpc: Some(network[row.subnet].vpc),
            point,
            sends: first,
            receives: first,
        });
    }
    let mut named = |reference: &EndpointRef, namespace: String, receives: bool| {
        for point in points(network, reference).unwrap_or_default() {
            let sends = point.origin.is_some();
            all.push(Party {
                name: point.name.clone(),
                namespace: namespace.clone(),
                vpc: None,
                point,
                sends,
                receives,
            });
        }
    };
    named(&EndpointRef::Internet, INTERNET.to_owned(), true);
    let kind = |id: EndpointId| (network[id].kind, network[id].name.clone());
    for index in 0..network.sites.len() {
        let id = network[SiteId::at(index)].endpoint;
        let (kind, name) = kind(id);
        named(&EndpointRef::Kind(kind, name), endpoint(network, id), true);
    }
    for index in 0..network.externals.len() {
        let id = network[ExternalId::at(index)].endpoint;
        let (kind, name) = kind(id);
        named(&EndpointRef::Kind(kind, name), endpoint(network, id), true);
    }
    for index in 0..network.serverless.len() {
        let id = network[ServerlessId::at(index)].endpoint;
        let (kind, name) = kind(id);
        named(&EndpointRef::Kind(kind, name), endpoint(network, id), false);
    }
    all
}
