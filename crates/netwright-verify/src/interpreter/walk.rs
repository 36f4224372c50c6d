//! The way of one packet, hop by hop.
//!
//! A walk recurses from place to place; every function here is one place and returns where the packet ends. What an opening packet leaves
//! behind (filters that remember it, translations) is the [`Memory`] that its answer is walked with.

mod ask;
mod links;
mod translate;

use std::net::IpAddr;

use netwright_model::language::{Direction, PeeringState};
use netwright_model::network::{
    AttachmentId, InterfaceId, NatId, Network, ServerlessId, SubnetId, Target, VpcId,
};

use super::filter::{Reach, Sender, holds, interface_vpc};
use super::route::{self, Lookup};
use super::{Assume, At, Outcome, Place, Reason, Step, Walk};
use crate::space::Packet;

/// Where a walk ends, or why it ends early.
pub(super) type Arrival = Result<Place, Stop>;

/// Why a walk ends early.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    Blocked(Reason, At),
    Unknown(String, At),
}

/// After so many hubs, NAT gateways and next hops a packet is taken to go round for ever.
const MOST_HOPS: usize = 16;

/// What the network remembers of an opening packet when the answer comes.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    /// Where the packet has passed stateful filters, and in which direction.
    passed: Vec<(Checkpoint, Direction)>,
    /// Its translations, in order.
    translations: Vec<Translation>,
    /// Whose private address its source was in the end.
    pub(super) sender: Option<Sender>,
}

/// A place with filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checkpoint {
    /// The filters attached to an interface.
    Interface(InterfaceId),
    /// The VPC's filters, as they protect an interface.
    Vpc(InterfaceId),
    /// The filters of a subnet's border.
    Subnet(SubnetId),
}

impl Checkpoint {
    fn at(self, network: &Network) -> At {
        match self {
            Self::Interface(id) => At::Interface(id),
            Self::Vpc(id) => At::Vpc(interface_vpc(network, id)),
            Self::Subnet(id) => At::Subnet(id),
        }
    }
}

/// One translation of an address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Translation {
    pub(super) by: Translator,
    pub(super) before: IpAddr,
    /// The unspecified address where nobody can know it.
    pub(super) after: IpAddr,
}

/// Who translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Translator {
    /// The internet gateway of a VPC, or the NAT gateway that serves a subnet there: the source of packets that leave.
    Leaving(VpcId),
    /// The internet gateway of a VPC: the destination of packets that enter.
    Entering(VpcId),
    /// A NAT gateway in a subnet: the source.
    Nat(NatId),
    /// The platform under a serverless service: the source.
    Platform(ServerlessId),
}

/// What must not come twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hop {
    Interface(InterfaceId),
    Nat(NatId),
    Attachment(AttachmentId),
}

/// One packet under way.
pub(super) struct Walker<'a> {
    pub(super) network: &'a Network,
    pub(super) assume: Assume,
    pub(super) packet: Packet,
    /// The source address that the far end sees is known beforehand.
    predictable: bool,
    /// Whose private address the source is, while that can be told.
    pub(super) sender: Option<Sender>,
    /// The VPC that the packet goes straight to from where it is.
    pub(super) straight_to: Option<Reach>,
    /// An address that filters do not see, and the one that they see in its place: behind a balancer that keeps its client's address.
    pub(super) shown: Option<(IpAddr, IpAddr)>,
    /// The subnet that the packet is in: nothing asks a subnet's filters of packets that stay inside.
    pub(super) subnet: Option<SubnetId>,
    /// The subnet from which it was sent last: a hub keeps to its zone.
    sent_from: Option<SubnetId>,
    hops: Vec<Hop>,
    steps: Vec<Step>,
    /// What the opening packet left behind, if this is the answer.
    pub(super) answers: Option<&'a Memory>,
    leaves: Memory,
}

impl<'a> Walker<'a> {
    pub(super) fn opening(network: &'a Network, packet: Packet, assume: Assume) -> Self {
        Self {
            network,
            assume,
            packet,
            predictable: true,
            sender: None,
            straight_to: None,
            shown: None,
            subnet: None,
            sent_from: None,
            hops: Vec::new(),
            steps: Vec::new(),
            answers: None,
            leaves: Memory::default(),
        }
    }

    pub(super) fn answering(
        network: &'a Network,
        packet: Packet,
        assume: Assume,
        memory: &'a Memory,
    ) -> Self {
        Self { answers: Some(memory), ..Self::opening(network, packet, assume) }
    }

    /// The result of a walk, and what it leaves behind.
    pub(super) fn finish(mut self, arrival: Arrival) -> (Walk, Memory) {
        self.leaves.sender = self.sender;
        let outcome = match arrival {
            Ok(to) => Outcome::Delivered { to, packet: self.packet, predictable: self.predictable },
            Err(Stop::Blocked(reason, at)) => Outcome::Blocked(reason, at),
            Err(Stop::Unknown(why, at)) => Outcome::Unknown(why, at),
        };
        (Walk { outcome, steps: self.steps }, self.leaves)
    }

    /// A packet sent by an interface's owner. Source and destination checks: only a forwarding instance sends what is not its own.
    pub(super) fn start_at_interface(&mut self, id: InterfaceId) -> Arrival {
        let interface = &self.network[id];
        let own = holds(self.network, id, self.packet.src);
        if !own && !interface.forwards {
            return blocked(Reason::ForeignSource, At::Interface(id));
        }
        if !interface.running {
            return blocked(Reason::NotRunning, At::Interface(id));
        }
        if own {
            let vpc = interface_vpc(self.network, id);
            self.sender = Some(Sender { vpc, inter_region: false });
        }
        self.leave(id)
    }

    /// Out of an interface: its own filters, the VPC's, then the subnet.
    fn leave(&mut self, id: InterfaceId) -> Arrival {
        self.straight_to = self.look_ahead(id);
        self.ask(Checkpoint::Interface(id), Direction::Egress)?;
        self.ask(Checkpoint::Vpc(id), Direction::Egress)?;
        self.leave_subnet(id)
    }

    /// Where an interface sends the packet, if nothing but a peering of the same region lies between.
    fn look_ahead(&self, id: InterfaceId) -> Option<Reach> {
        let subnet = &self.network[self.network[id].subnet];
        let here = Some(Reach { vpc: subnet.vpc, over_peering: false });
        if subnet.cidrs.iter().any(|prefix| prefix.contains(self.packet.dst)) {
            return here;
        }
        let routes = &self.network[subnet.table].routes;
        let Lookup::Route(route) = route::lookup(routes, &self.network[id].tags, self.packet.dst)
        else {
            return None;
        };
        match route.via {
            Target::Local => here,
            Target::Peering(id) => {
                let peering = &self.network[id];
                let usable = peering.state == PeeringState::Active && !peering.inter_region;
                let vpc = peering.other(subnet.vpc).filter(|_| usable)?;
                Some(Reach { vpc, over_peering: true })
            }
            _ => None,
        }
    }

    /// From an interface into its subnet or out of it. Subnet filters are not asked inside a subnet (AWS VPC user guide, "Network ACLs"),
    /// except where the provider asks them there too (Azure, "Network security groups").
    fn leave_subnet(&mut self, id: InterfaceId) -> Arrival {
        let home = self.network[id].subnet;
        let subnet = &self.network[home];
        self.subnet = Some(home);
        self.sent_from = Some(home);
        let stays = subnet.cidrs.iter().any(|prefix| prefix.contains(self.packet.dst));
        if !stays || self.network[subnet.vpc].facts.subnet_filters_inside {
            self.ask(Checkpoint::Subnet(home), Direction::Egress)?;
        }
        let table = &self.network[subnet.table];
        let at = At::Table(subnet.table);
        let tags = &self.network[id].tags;
        if stays {
            return match route::policy(&table.routes, tags, self.packet.dst) {
                Some(policy) => unknown(format!("a policy for {} may apply", policy.to), at),
                None => self.enter(home),
            };
        }
        let target = self.choose(&table.routes, tags, at)?;
        self.follow(subnet.vpc, &target)
    }

    /// The target of the route that the packet takes.
    fn choose(
        &mut self,
        routes: &'a [netwright_model::network::Route],
        tags: &[String],
        table: At,
    ) -> Result<Target, Stop> {
        match route::lookup(routes, tags, self.packet.dst) {
            Lookup::Route(route) => {
                let (prefix, target) = (route.to, route.via.clone());
                self.steps.push(Step::Routed { table, prefix, target: target.clone() });
                Ok(target)
            }
            Lookup::Ambiguous(route) => Err(Stop::Unknown(
                format!("several routes to {} are equally good", route.to),
                table,
            )),
            Lookup::Uncertain(route) => {
                Err(Stop::Unknown(format!("a route to {} may apply or not", route.to), table))
            }
            Lookup::None => Err(Stop::Blocked(Reason::NoRoute, table)),
        }
    }

    /// Along a route out of a table of a VPC.
    fn follow(&mut self, vpc: VpcId, target: &Target) -> Arrival {
        match target {
            Target::Local => self.local(vpc),
            Target::Gateway(id) => self.gateway(vpc, *id),
            Target::Nat(id) => self.nat(*id),
            Target::Peering(id) => self.peering(vpc, *id),
            Target::Vpn(links) => self.link(links),
            Target::Transit(id) => self.transit(vpc, *id),
            Target::Interface(id) => self.next_hop(*id),
            Target::PrivateEndpoint(id) => Ok(Place::PrivateEndpoint(*id, vpc)),
            Target::External(id) => self.attached_service(vpc, *id),
            Target::Blackhole => blocked(Reason::Blackhole, At::Vpc(vpc)),
            Target::Unknown(why) => unknown(why.clone(), At::Vpc(vpc)),
            Target::Attachment(id) => {
                unknown("an attachment is no target in a VPC".to_owned(), At::Attachment(*id))
            }
        }
    }

    /// Inside a VPC: to the subnet that holds the destination.
    pub(super) fn local(&mut self, vpc: VpcId) -> Arrival {
        let here = self.network[vpc].subnets.iter().filter_map(|&id| {
            let holding = self.network[id].cidrs.iter().filter(|p| p.contains(self.packet.dst));
            Some((holding.map(|prefix| prefix.length()).max()?, id))
        });
        match here.max_by_key(|&(length, id)| (length, std::cmp::Reverse(id))) {
            Some((_, subnet)) => self.enter(subnet),
            None => blocked(Reason::NoSuchSubnet, At::Vpc(vpc)),
        }
    }

    /// Into a subnet, to the interface with the destination's address.
    pub(super) fn enter(&mut self, id: SubnetId) -> Arrival {
        let holder = self.holder_in(id, self.packet.dst);
        self.steps.push(Step::Entered(At::Subnet(id)));
        self.straight_to = Some(Reach { vpc: self.network[id].vpc, over_peering: false });
        self.cross_into(id)?;
        let Some(interface) = holder else {
            return blocked(Reason::NoSuchAddress, At::Subnet(id));
        };
        if let Some((nat, before)) = self.translated_by_nat_at(interface) {
            self.translate_destination(At::Nat(nat), before);
            self.sender = None;
            self.straight_to = None;
            return self.leave_subnet(interface);
        }
        // A connector, a NAT gateway: only answers come in (Google Cloud, "Serverless VPC Access": nothing in the VPC can open a
        // connection to the service).
        if self.network[interface].answers_only && self.answers.is_none() {
            return blocked(Reason::AnswersOnly, At::Interface(interface));
        }
        if !self.network[interface].running {
            return blocked(Reason::NotRunning, At::Interface(interface));
        }
        self.ask(Checkpoint::Interface(interface), Direction::Ingress)?;
        self.ask(Checkpoint::Vpc(interface), Direction::Ingress)?;
        Ok(Place::Interface(interface))
    }

    /// Over the border of a subnet, unless the packet is inside already and the provider does not ask inside.
    pub(super) fn cross_into(&mut self, id: SubnetId) -> Result<(), Stop> {
        let inside = self.subnet == Some(id);
        if !inside || self.network[self.network[id].vpc].facts.subnet_filters_inside {
            self.ask(Checkpoint::Subnet(id), Direction::Ingress)?;
        }
        self.subnet = Some(id);
        Ok(())
    }

    /// The interface of a subnet with an address, or else the one with the longest prefix that holds it.
    fn holder_in(&self, subnet: SubnetId, address: IpAddr) -> Option<InterfaceId> {
        let members = (0..self.network.interfaces.len())
            .map(InterfaceId::at)
            .filter(|&id| self.network[id].subnet == subnet);
        let exact = members.clone().find(|&id| self.network[id].addresses.contains(&address));
        let widest = || {
            let holding = members.filter_map(|id| {
                let held = self.network[id].prefixes.iter().filter(|p| p.contains(address));
                Some((held.map(|prefix| prefix.length()).max()?, id))
            });
            holding.max_by_key(|&(length, id)| (length, std::cmp::Reverse(id))).map(|(_, id)| id)
        };
        exact.or_else(widest)
    }

    /// The interface of a VPC that holds an address.
    pub(super) fn holder_in_vpc(&self, vpc: VpcId, address: IpAddr) -> Option<InterfaceId> {
        self.network[vpc].subnets.iter().find_map(|&subnet| self.holder_in(subnet, address))
    }

    /// The next hop that forwards: in through its filters, out through its filters. What it forwards does not come "from" anyone any more.
    fn next_hop(&mut self, id: InterfaceId) -> Arrival {
        self.count(Hop::Interface(id), At::Interface(id))?;
        self.straight_to = None;
        let interface = &self.network[id];
        if !interface.running {
            return blocked(Reason::NotRunning, At::Interface(id));
        }
        if !interface.forwards {
            return blocked(Reason::NotForwarding, At::Interface(id));
        }
        self.cross_into(interface.subnet)?;
        self.ask(Checkpoint::Interface(id), Direction::Ingress)?;
        self.ask(Checkpoint::Vpc(id), Direction::Ingress)?;
        self.sender = None;
        self.leave(id)
    }

    fn count(&mut self, hop: Hop, at: At) -> Result<(), Stop> {
        if self.hops.contains(&hop) || self.hops.len() >= MOST_HOPS {
            return Err(Stop::Blocked(Reason::Loop, at));
        }
        self.hops.push(hop);
        Ok(())
    }
}

pub(super) fn blocked(reason: Reason, at: At) -> Arrival {
    Err(Stop::Blocked(reason, at))
}

pub(super) fn unknown(why: String, at: At) -> Arrival {
    Err(Stop::Unknown(why, at))
}

/// Whose private address the source of an opening packet is where it arrives.
pub(super) fn sender_of(
    network: &Network,
    origin: super::Origin,
    packet: Packet,
) -> Option<Sender> {
    Walker::opening(network, packet, Assume::Best).run(origin).1.sender
}
