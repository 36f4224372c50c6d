//! Outside addresses: whose they are, and which of them nothing tells apart.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netwright_model::network::{EndpointId, ExternalId, SiteId};

use super::{Builder, Member, Node, Outside, RouteSignature, Signature};
use crate::prover::Prover;
use crate::prover::address::number;
use crate::prover::index::is_global;
use crate::prover::path::Origin;

/// Outside addresses that nothing tells apart.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    /// Whose they are; none for addresses that nobody has and that the Internet does not route.
    pub(crate) whose: Option<Outside>,
    pub(crate) origin: Origin,
    /// First and last address of each range, sorted.
    pub(crate) ranges: Vec<(IpAddr, IpAddr)>,
}

/// All outside addresses, cut where anything tells them apart.
pub(crate) fn pieces(prover: &Prover<'_>) -> Vec<Piece> {
    let mut builder = Builder::new(prover);
    builder.outside();
    let mut found: Vec<Piece> = builder.nodes.iter().filter_map(piece).collect();
    let held = union(found.iter().flat_map(|piece| piece.ranges.iter().copied()).collect());
    let mut nobodys: BTreeMap<(u32, u32, bool), Vec<(IpAddr, IpAddr)>> = BTreeMap::new();
    for (first, last) in builder.classes.pieces() {
        let next = held.partition_point(|(start, _)| *start <= first);
        let is_held = next > 0 && held[next - 1].1 >= first;
        if !is_held {
            let place = builder.outside_classes.class(first);
            let key = (builder.classes.class(first), place, first.is_ipv4());
            nobodys.entry(key).or_default().push((first, last));
        }
    }
    found.extend(nobodys.into_values().map(|ranges| Piece {
        whose: None,
        origin: Origin::Internet,
        ranges,
    }));
    found
}

/// Ranges without overlaps that hold the same addresses, sorted. Ranges of different families never touch.
pub(crate) fn union(mut ranges: Vec<(IpAddr, IpAddr)>) -> Vec<(IpAddr, IpAddr)> {
    ranges.sort_unstable();
    let mut merged: Vec<(IpAddr, IpAddr)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((start, end))
                if start.is_ipv4() == first.is_ipv4()
                    && number(*end).checked_add(1).is_none_or(|next| next >= number(first)) =>
            {
                *end = (*end).max(last);
            }
            _ => merged.push((first, last)),
        }
    }
    merged
}

fn piece(node: &Node) -> Option<Piece> {
    let mut whose = None;
    let ranges = node.members.iter().filter_map(|member| match member {
        Member::Outside(holder, first, last) => {
            whose = Some(*holder);
            Some((*first, *last))
        }
        Member::Interface(..) | Member::Serverless(_) => None,
    });
    let ranges = ranges.collect();
    Some(Piece { whose: Some(whose?), origin: node.origin, ranges })
}

impl Builder<'_, '_> {
    /// Outside addresses, piece by piece.
    pub(super) fn outside(&mut self) {
        for (first, last) in self.classes.pieces() {
            let mut holders = Vec::new();
            for site in &self.network.sites {
                if site.cidrs.iter().any(|cidr| cidr.contains(first)) {
                    holders.push((Outside::Site(site.endpoint), self.site_origin(site.endpoint)));
                }
            }
            for (index, external) in self.network.externals.iter().enumerate() {
                let prefixes = &self.network[external.endpoint].prefixes;
                if prefixes.iter().any(|prefix| prefix.contains(first)) {
                    let origin = if external.attached.is_empty() {
                        Origin::Internet
                    } else {
                        Origin::External(ExternalId::at(index))
                    };
                    holders.push((Outside::External(external.endpoint), origin));
                }
            }
            let index = &self.prover.index;
            if let Some(endpoint) = index.public_endpoint(first) {
                holders.push((Outside::External(endpoint), Origin::Internet));
            }
            let ours = index.public_interface(first).is_some() || index.nat(first).is_some();
            if holders.is_empty() && !ours && is_global(first) && index.is_internet(first) {
                holders.push((Outside::Internet, Origin::Internet));
            }
            for (whose, origin) in holders {
                self.outside_piece(whose, origin, first, last);
            }
        }
    }

    fn site_origin(&self, endpoint: EndpointId) -> Origin {
        Origin::Site(self.prover.index.site_of.get(&endpoint).copied().unwrap_or(SiteId(0)))
    }

    fn outside_piece(&mut self, whose: Outside, origin: Origin, first: IpAddr, last: IpAddr) {
        let class = self.classes.class(first);
        let place = self.outside_classes.class(first);
        let route = RouteSignature::Outside(whose, place, first.is_ipv4());
        let signature = Signature {
            route: route.clone(),
            filter: (class, 0),
            policies: [None; 3],
            outside: Some(whose),
            serverless: None,
        };
        let position = match self.by_signature.get(&signature) {
            Some(position) => *position,
            None => {
                let node = Node {
                    members: Vec::new(),
                    origin,
                    address: first,
                    public: None,
                    interface: None,
                    vpc: None,
                    subnets: Vec::new(),
                    in_subnet: BTreeMap::new(),
                    route_class: self.route_id(&route),
                    filter_class: self.filter_id(class, 0),
                    address_class: self.filter_id(class, 0),
                    policies: [None; 3],
                    sends: true,
                    receives: true,
                };
                self.by_signature.insert(signature, self.nodes.len());
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        let members = &mut self.nodes[position].members;
        // Pieces come in order: neighbours become one range.
        if let Some(Member::Outside(_, _, end)) = members.last_mut()
            && number(*end).checked_add(1) == Some(number(first))
        {
            *end = last;
        } else {
            members.push(Member::Outside(whose, first, last));
        }
    }
}
