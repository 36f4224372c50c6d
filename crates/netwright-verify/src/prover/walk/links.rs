//! Peerings, links to sites, transit hubs, and outside services that VPCs are attached to.

use super::{Inside, Walk, left_from};
use crate::prover::path::{Arrival, End, Gap, Object, Obstacle, Step, Table};
use crate::prover::routing::Found;
use netwright_model::language::PeeringState;
use netwright_model::network::{
    Attached, AttachmentId, ExternalId, PeeringId, SiteId, Target, TransitId, VpcId, VpnId,
};

impl Walk<'_, '_> {
    pub(super) fn peering(&mut self, vpc: VpcId, id: PeeringId) -> End {
        let network = self.prover.network;
        self.at(Object::Peering(id));
        let peering = &network[id];
        if peering.state != PeeringState::Active {
            return End::Blocked(Obstacle::PeeringInactive(id));
        }
        let Some(other) = peering.other(vpc) else {
            return End::Unknown(Gap::Elsewhere(Object::Peering(id)));
        };
        self.at(Object::Vpc(other));
        if !network[other].cidrs.iter().any(|cidr| cidr.contains(self.dst)) {
            return End::Blocked(Obstacle::NotTransitive(id));
        }
        if self.crossed || peering.inter_region {
            self.identity = None;
        }
        self.crossed = true;
        self.local(Inside { vpc: other, subnet: None, door: None })
    }

    /// Over one of some links to a site: the link that is up and whose ranges match best.
    pub(super) fn reach_site(&mut self, links: &[VpnId]) -> End {
        let network = self.prover.network;
        let best = links
            .iter()
            .filter(|link| network[**link].up)
            .filter_map(|link| {
                let matching = network[*link].remote.iter().filter(|p| p.contains(self.dst));
                matching.map(|prefix| prefix.length()).max().map(|length| (length, *link))
            })
            .max_by_key(|(length, link)| (*length, std::cmp::Reverse(*link)));
        let Some((_, link)) = best else {
            return End::Blocked(Obstacle::NoLink);
        };
        self.over_link(link)
    }

    pub(super) fn over_link(&mut self, link: VpnId) -> End {
        self.at(Object::Vpn(link));
        self.identity = None;
        match self.prover.network[link].site {
            Some(site) => {
                let endpoint = self.prover.network[site].endpoint;
                self.at(Object::Endpoint(endpoint));
                End::Delivered(Arrival::Endpoint(endpoint))
            }
            None => End::Unknown(Gap::Elsewhere(Object::Vpn(link))),
        }
    }

    pub(super) fn hub_from_vpc(&mut self, here: Inside, hub: TransitId) -> End {
        let network = self.prover.network;
        let own = network[hub]
            .attachments
            .iter()
            .copied()
            .find(|attachment| network[*attachment].to == Attached::Vpc(here.vpc));
        let zone = here.subnet.or(here.door).and_then(|subnet| network[subnet].zone.as_deref());
        match own {
            Some(attachment) => self.hub(hub, attachment, zone),
            None => {
                self.at(Object::Transit(hub));
                End::Blocked(Obstacle::NotAttached(hub))
            }
        }
    }

    /// A transit hub decides by the table of the attachment that the packet came in by.
    pub(super) fn hub(&mut self, hub: TransitId, from: AttachmentId, zone: Option<&str>) -> End {
        self.at(Object::Transit(hub));
        self.identity = None;
        if !self.turn() {
            return End::Blocked(Obstacle::Loop);
        }
        let network = self.prover.network;
        let Some(id) = network[from].table else {
            return End::Blocked(Obstacle::NoHubTable(hub));
        };
        let table = Table::Hub(id);
        let position = match self.prover.routing.find_in_hub(network, id, self.dst) {
            Found::Nothing => return End::Blocked(Obstacle::NoRoute(table)),
            Found::Ambiguous(a, b) => return End::Unknown(Gap::Ambiguous(table, a, b)),
            Found::Uncertain(route) => return End::Unknown(Gap::Applies(table, route)),
            Found::Route(position) => position,
        };
        self.steps.push(Step::Route { table, route: position });
        match &network[id].routes[position].via {
            Target::Attachment(to) => self.out_of_hub(hub, *to, zone),
            Target::Blackhole => End::Blocked(Obstacle::Blackhole(table, position)),
            _ => End::Unknown(Gap::Target(table, position)),
        }
    }

    pub(super) fn out_of_hub(
        &mut self,
        hub: TransitId,
        to: AttachmentId,
        zone: Option<&str>,
    ) -> End {
        let network = self.prover.network;
        match network[to].to {
            Attached::Vpc(vpc) => {
                self.at(Object::Vpc(vpc));
                let subnets = &network[to].subnets;
                let same_zone = subnets
                    .iter()
                    .find(|subnet| zone.is_some() && network[**subnet].zone.as_deref() == zone);
                match same_zone.or_else(|| subnets.first()) {
                    Some(door) => {
                        let here = Inside { vpc, subnet: None, door: Some(*door) };
                        self.route(here, *door, &[])
                    }
                    None => self.local(Inside { vpc, subnet: None, door: None }),
                }
            }
            Attached::Vpn(link) => {
                let row = &network[link];
                if !row.up || !row.remote.iter().any(|prefix| prefix.contains(self.dst)) {
                    return End::Blocked(Obstacle::NoLink);
                }
                self.over_link(link)
            }
            Attached::Transit(other) => {
                let back = network[other]
                    .attachments
                    .iter()
                    .copied()
                    .find(|attachment| network[*attachment].to == Attached::Transit(hub));
                match back {
                    Some(attachment) => self.hub(other, attachment, zone),
                    None => End::Unknown(Gap::Elsewhere(Object::Transit(other))),
                }
            }
            Attached::Elsewhere => End::Unknown(Gap::Elsewhere(Object::Transit(hub))),
        }
    }

    /// From a site: the link whose ranges on this side match best.
    pub(super) fn leave_site(&mut self, site: SiteId) -> End {
        let network = self.prover.network;
        self.at(Object::Endpoint(network[site].endpoint));
        let links = network.vpns.iter().enumerate().map(|(index, vpn)| (VpnId::at(index), vpn));
        let best = links
            .filter(|(_, vpn)| vpn.site == Some(site) && vpn.up)
            .filter_map(|(id, vpn)| {
                let matching = vpn.local.iter().filter(|prefix| prefix.contains(self.dst));
                matching.map(|prefix| prefix.length()).max().map(|length| (length, id))
            })
            .max_by_key(|(length, link)| (*length, std::cmp::Reverse(*link)));
        let Some((_, link)) = best else {
            return End::Blocked(Obstacle::NoLink);
        };
        self.at(Object::Vpn(link));
        if let Some(vpc) = network[link].vpc {
            self.at(Object::Vpc(vpc));
            return self.local(Inside { vpc, subnet: None, door: None });
        }
        let attached = network.attachments.iter().position(|row| row.to == Attached::Vpn(link));
        match attached.map(AttachmentId::at) {
            Some(attachment) => self.hub(network[attachment].transit, attachment, None),
            None => End::Unknown(Gap::Elsewhere(Object::Vpn(link))),
        }
    }

    /// From an outside service into an attached VPC that holds the destination.
    pub(super) fn leave_external(&mut self, external: ExternalId) -> End {
        let network = self.prover.network;
        let row = &network[external];
        self.at(Object::Endpoint(row.endpoint));
        if row.attached.is_empty() {
            // It stands on the Internet and reaches what the Internet reaches.
            return self.internet();
        }
        if !row.initiates && self.request.is_none() {
            return End::Blocked(Obstacle::NotInitiated(row.endpoint));
        }
        let holds = |vpc: &&VpcId| network[**vpc].cidrs.iter().any(|c| c.contains(self.dst));
        // Attached VPCs may overlap: an answer goes back into the VPC that the question came out of.
        let vpc = match self.request.and_then(left_from) {
            Some(vpc) => Some(vpc),
            None => row.attached.iter().find(holds).copied(),
        };
        match vpc {
            Some(vpc) => {
                self.at(Object::Vpc(vpc));
                self.local(Inside { vpc, subnet: None, door: None })
            }
            None => End::Blocked(Obstacle::NotInitiated(row.endpoint)),
        }
    }
}
