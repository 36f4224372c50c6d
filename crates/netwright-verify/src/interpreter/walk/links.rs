//! What leads one packet out of its VPC but a gateway: peerings, links to sites, hubs.

use netwright_model::language::PeeringState;
use netwright_model::network::{
    Attached, AttachmentId, PeeringId, Target, TransitId, VpcId, VpnId,
};

use super::{Arrival, Hop, Walker, blocked, unknown};
use crate::interpreter::{At, Place, Reason};

impl Walker<'_> {
    /// A peering carries packets to the other VPC's own addresses: it is not transitive and gives no way on to that VPC's gateways (AWS VPC
    /// peering guide, "Limitations"; Google Cloud, "VPC Network Peering").
    pub(super) fn peering(&mut self, vpc: VpcId, id: PeeringId) -> Arrival {
        let peering = &self.network[id];
        if peering.state != PeeringState::Active {
            return blocked(Reason::PeeringNotActive, At::Peering(id));
        }
        let Some(other) = peering.other(vpc) else {
            return unknown("the other side is not described".to_owned(), At::Peering(id));
        };
        if !self.network[other].cidrs.iter().any(|prefix| prefix.contains(self.packet.dst)) {
            return blocked(Reason::NotTransitive, At::Peering(id));
        }
        if let Some(sender) = &mut self.sender {
            sender.inter_region |= peering.inter_region;
        }
        self.subnet = None;
        self.local(other)
    }

    /// A VPN or dedicated link: the one that is up and whose remote ranges match best.
    pub(super) fn link(&mut self, links: &[VpnId]) -> Arrival {
        let fitting = links.iter().filter(|&&id| self.network[id].up).filter_map(|&id| {
            let remote = self.network[id].remote.iter().filter(|p| p.contains(self.packet.dst));
            Some((remote.map(|prefix| prefix.length()).max()?, id))
        });
        let Some((_, id)) = fitting.max_by_key(|&(length, id)| (length, std::cmp::Reverse(id)))
        else {
            return blocked(Reason::NoLink, links.first().map_or(At::Internet, |id| At::Vpn(*id)));
        };
        self.sender = None;
        match self.network[id].site {
            Some(site) => Ok(Place::Site(site)),
            None => unknown("the site behind the link is not described".to_owned(), At::Vpn(id)),
        }
    }

    /// A transit hub: the VPC's attachment decides the table.
    pub(super) fn transit(&mut self, vpc: VpcId, hub: TransitId) -> Arrival {
        self.sender = None;
        self.subnet = None;
        match self.attached_to(hub, Attached::Vpc(vpc)) {
            Some(attachment) => self.through_hub(attachment),
            None => blocked(Reason::NotAttached, At::Transit(hub)),
        }
    }

    pub(in crate::interpreter) fn attached_to(
        &self,
        hub: TransitId,
        what: Attached,
    ) -> Option<AttachmentId> {
        self.network[hub].attachments.iter().copied().find(|&id| self.network[id].to == what)
    }

    /// A packet that comes into a hub from an attachment is looked up in the attachment's table.
    pub(in crate::interpreter) fn through_hub(&mut self, id: AttachmentId) -> Arrival {
        self.count(Hop::Attachment(id), At::Attachment(id))?;
        let network = self.network;
        let Some(table) = network[id].table else {
            return blocked(Reason::NoTable, At::Attachment(id));
        };
        let at = At::TransitTable(table);
        match self.choose(&network[table].routes, &[], at)? {
            Target::Attachment(out) => self.out_of_hub(network[id].transit, out),
            Target::Blackhole => blocked(Reason::Blackhole, at),
            Target::Unknown(why) => unknown(why, at),
            other => unknown(format!("a hub cannot send to {other:?}"), at),
        }
    }

    /// Out of a hub: into a VPC by the attachment's subnet (of the sender's zone where there is one), whose route table decides further;
    /// to a site; into another hub.
    fn out_of_hub(&mut self, hub: TransitId, id: AttachmentId) -> Arrival {
        let network = self.network;
        match network[id].to {
            Attached::Vpc(vpc) => {
                let zone = self.sent_from.and_then(|subnet| network[subnet].zone.as_ref());
                let doors = &network[id].subnets;
                let near =
                    doors.iter().find(|&&s| zone.is_some() && network[s].zone.as_ref() == zone);
                let Some(&door) = near.or(doors.first()) else { return self.local(vpc) };
                self.sent_from = Some(door);
                let table = network[door].table;
                let target = self.choose(&network[table].routes, &[], At::Table(table))?;
                self.follow(vpc, &target)
            }
            Attached::Vpn(link) => self.link(&[link]),
            Attached::Transit(next) => match self.attached_to(next, Attached::Transit(hub)) {
                Some(back) => self.through_hub(back),
                None => blocked(Reason::NotAttached, At::Transit(next)),
            },
            Attached::Elsewhere => {
                unknown("what is attached there is not described".to_owned(), At::Attachment(id))
            }
        }
    }
}
