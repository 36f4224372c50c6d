//! The way of one packet, hop by hop.
//!
//! A walk recurses from place to place; every function here is one place and returns where the packet ends. What an opening packet leaves
//! behind (filters that remember it, translations) is the [`Memory`] that its answer is walked with.

use std::net::IpAddr;

use netwright_model::language::{Direction, PeeringState};
use netwright_model::network::{
    Attached, AttachmentId, GatewayId, InterfaceId, NatId, Network, PeeringId, ServerlessId,
    SubnetId, Target, TransitId, VpcId, VpnId,
};

use super::filter::{Question, Reach, Sender, holds, interface_vpc};
use super::route::{self, Lookup};
use super::{Assume, At, Outcome, Place, Reason, Step, Walk, unpredictable};
use crate::space::{Packet, protocol};

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
    straight_to: Option<Reach>,
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
    pub(super) fn finish(self, arrival: Arrival) -> (Walk, Memory) {
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
        if stays {
            return self.enter(home);
        }
        let table = &self.network[subnet.table];
        let at = At::Table(subnet.table);
        let target = self.choose(&table.routes, &self.network[id].tags, at)?;
        self.follow(subnet.vpc, &target)
    }

    /// Asks the filters of a place. An answer passes where all filters are stateful and the opening packet has passed them in the other
    /// direction; elsewhere they are asked about it like about any packet.
    fn ask(&mut self, checkpoint: Checkpoint, direction: Direction) -> Result<(), Stop> {
        let network = self.network;
        // A subnet's filters protect no interface in particular: their rules have no targets.
        let (protected, vpc, filters) = match checkpoint {
            Checkpoint::Interface(id) => {
                (Some(id), interface_vpc(network, id), &network[id].filters)
            }
            Checkpoint::Vpc(id) if network[id].provider_side => return Ok(()),
            Checkpoint::Vpc(id) => {
                let vpc = interface_vpc(network, id);
                (Some(id), vpc, &network[vpc].filters)
            }
            Checkpoint::Subnet(id) => (None, network[id].vpc, &network[id].filters),
        };
        let at = checkpoint.at(network);
        if filters.is_empty() {
            return Ok(());
        }
        let remembered = self
            .answers
            .is_some_and(|memory| memory.passed.contains(&(checkpoint, opposite(direction))));
        if remembered {
            self.steps.push(Step::Remembered(at));
            return Ok(());
        }
        let question = Question {
            network,
            packet: self.packet,
            sender: self.sender,
            straight_to: self.straight_to,
            vpc,
            direction,
            protected,
            assume: self.assume,
        };
        let decision = question.decide(filters);
        let (action, by) = (decision.action, decision.by);
        self.steps.push(Step::Asked { at, direction, action, by });
        if action != netwright_model::language::Action::Allow {
            let reason = by.map_or(Reason::NoRule, |(filter, rule)| Reason::Rule(filter, rule));
            return Err(Stop::Blocked(reason, at));
        }
        if filters.iter().all(|&id| network[id].stateful) {
            self.leaves.passed.push((checkpoint, direction));
        }
        Ok(())
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
    fn cross_into(&mut self, id: SubnetId) -> Result<(), Stop> {
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

    /// A NAT gateway in a subnet. It carries TCP, UDP and ICMP over IPv4 and nothing else (AWS VPC user guide, "NAT gateway basics").
    fn nat(&mut self, id: NatId) -> Arrival {
        self.count(Hop::Nat(id), At::Nat(id))?;
        self.straight_to = None;
        let Some(interface) = self.network[id].interface else {
            return unknown("the NAT gateway stands in no subnet".to_owned(), At::Nat(id));
        };
        self.cross_into(self.network[interface].subnet)?;
        if !nat_carries(&self.packet) {
            return blocked(Reason::NatProtocol, At::Nat(id));
        }
        let private = self.network[interface].addresses.iter().copied().find(IpAddr::is_ipv4);
        let Some(private) = private else {
            return unknown("the NAT gateway has no private address".to_owned(), At::Nat(id));
        };
        self.translate_source(Translator::Nat(id), At::Nat(id), private, true);
        self.leave_subnet(interface)
    }

    /// An internet gateway. It translates one to one for interfaces with a public IPv4 address; where a NAT gateway serves the sender's
    /// subnet that one translates; IPv6 goes through as it is.
    fn gateway(&mut self, vpc: VpcId, id: GatewayId) -> Arrival {
        if self.network[id].vpc != Some(vpc) {
            return blocked(Reason::GatewayDetached, At::Gateway(id));
        }
        if self.packet.src.is_ipv6() {
            return self.internet();
        }
        // "Egress-only internet gateways are for use with IPv6 traffic only" (AWS VPC user guide).
        if self.network[id].egress_only {
            return blocked(Reason::EgressOnly, At::Gateway(id));
        }
        if let Some(public) = self.entered_at(vpc) {
            // The answer to a packet that came in here leaves under the address that was asked.
            self.packet.src = public;
            self.sender = None;
            self.steps.push(Step::Translated(At::Gateway(id), self.packet));
            return self.internet();
        }
        let Some(holder) = self.holder_in_vpc(vpc, self.packet.src) else {
            return blocked(Reason::NoPublicAddress, At::Gateway(id));
        };
        let interface = &self.network[holder];
        let by = Translator::Leaving(vpc);
        // Public addresses stand for addresses, not for further ranges (Google Cloud, "Alias IP ranges").
        let public = interface.public.iter().copied().find(IpAddr::is_ipv4);
        if let (Some(public), true) = (public, interface.addresses.contains(&self.packet.src)) {
            self.translate_source(by, At::Gateway(id), public, self.stable(holder));
            return self.internet();
        }
        if self.nat_at(holder).is_some_and(|nat| !self.network[nat].private) {
            self.translate_source(by, At::Gateway(id), unpredictable(self.packet.src), false);
            return self.internet();
        }
        let Some(nat) = self.network[interface.subnet].nat else {
            return blocked(Reason::NoPublicAddress, At::Gateway(id));
        };
        if !nat_carries(&self.packet) {
            return blocked(Reason::NatProtocol, At::Nat(nat));
        }
        let stable = self.network[nat].static_addresses;
        let address = self.network[nat].addresses.iter().copied().find(IpAddr::is_ipv4);
        let seen = address.unwrap_or(unpredictable(self.packet.src));
        self.translate_source(by, At::Nat(nat), seen, stable && address.is_some());
        self.internet()
    }

    /// A NAT gateway's public address is stable when the user has reserved it; an interface's own always is.
    fn stable(&self, interface: InterfaceId) -> bool {
        self.nat_at(interface).is_none_or(|nat| self.network[nat].static_addresses)
    }

    fn nat_at(&self, interface: InterfaceId) -> Option<NatId> {
        (0..self.network.nats.len())
            .map(NatId::at)
            .find(|&id| self.network[id].interface == Some(interface))
    }

    /// A peering carries packets to the other VPC's own addresses: it is not transitive and gives no way on to that VPC's gateways (AWS VPC
    /// peering guide, "Limitations"; Google Cloud, "VPC Network Peering").
    fn peering(&mut self, vpc: VpcId, id: PeeringId) -> Arrival {
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
    fn link(&mut self, links: &[VpnId]) -> Arrival {
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
    fn transit(&mut self, vpc: VpcId, hub: TransitId) -> Arrival {
        self.sender = None;
        self.subnet = None;
        match self.attached_to(hub, Attached::Vpc(vpc)) {
            Some(attachment) => self.through_hub(attachment),
            None => blocked(Reason::NotAttached, At::Transit(hub)),
        }
    }

    pub(super) fn attached_to(&self, hub: TransitId, what: Attached) -> Option<AttachmentId> {
        self.network[hub].attachments.iter().copied().find(|&id| self.network[id].to == what)
    }

    /// A packet that comes into a hub from an attachment is looked up in the attachment's table.
    pub(super) fn through_hub(&mut self, id: AttachmentId) -> Arrival {
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

    fn count(&mut self, hop: Hop, at: At) -> Result<(), Stop> {
        if self.hops.contains(&hop) || self.hops.len() >= MOST_HOPS {
            return Err(Stop::Blocked(Reason::Loop, at));
        }
        self.hops.push(hop);
        Ok(())
    }

    /// Writes another source address into the packet and remembers it. `known`: it can be known beforehand.
    pub(super) fn translate_source(&mut self, by: Translator, at: At, to: IpAddr, known: bool) {
        self.leaves.translations.push(Translation { by, before: self.packet.src, after: to });
        self.packet.src = to;
        self.predictable = known;
        self.sender = None;
        self.steps.push(Step::Translated(at, self.packet));
    }

    pub(super) fn translate_destination(&mut self, at: At, to: IpAddr) {
        self.packet.dst = to;
        self.steps.push(Step::Translated(at, self.packet));
    }

    pub(super) fn remember_entering(&mut self, vpc: VpcId, before: IpAddr, after: IpAddr) {
        self.leaves.translations.push(Translation { by: Translator::Entering(vpc), before, after });
    }

    /// For an answer: the public address under which its question came into the VPC for the answer's source.
    fn entered_at(&self, vpc: VpcId) -> Option<IpAddr> {
        let entered =
            |t: &&Translation| t.by == Translator::Entering(vpc) && t.after == self.packet.src;
        Some(self.answers?.translations.iter().rev().find(entered)?.before)
    }

    /// For an answer: the translation at a VPC's edge, or under a service, that gave its destination.
    pub(super) fn left_as_destination(&self) -> Option<Translation> {
        let left = |t: &&Translation| {
            matches!(t.by, Translator::Leaving(_) | Translator::Platform(_))
                && t.after == self.packet.dst
        };
        self.answers?.translations.iter().rev().find(left).copied()
    }

    /// For an answer to a NAT gateway's private address: the gateway and the address that it stood for.
    fn translated_by_nat_at(&self, interface: InterfaceId) -> Option<(NatId, IpAddr)> {
        let nat = self.nat_at(interface)?;
        let by_it = |t: &&Translation| t.by == Translator::Nat(nat) && t.after == self.packet.dst;
        Some((nat, self.answers?.translations.iter().rev().find(by_it)?.before))
    }
}

pub(super) fn blocked(reason: Reason, at: At) -> Arrival {
    Err(Stop::Blocked(reason, at))
}

pub(super) fn unknown(why: String, at: At) -> Arrival {
    Err(Stop::Unknown(why, at))
}

fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    }
}

fn nat_carries(packet: &Packet) -> bool {
    packet.src.is_ipv4()
        && matches!(packet.protocol, protocol::TCP | protocol::UDP | protocol::ICMP)
}
