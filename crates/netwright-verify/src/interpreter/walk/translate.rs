//! Gateways on the way of one packet: what they write into it, and what an answer finds of that.

use std::net::IpAddr;

use netwright_model::network::{GatewayId, InterfaceId, NatId, VpcId};

use super::{Arrival, Hop, Translation, Translator, Walker, blocked, unknown};
use crate::interpreter::{At, Reason, Step, unpredictable};
use crate::space::{Packet, protocol};

impl Walker<'_> {
    /// A NAT gateway in a subnet. It carries TCP, UDP and ICMP over IPv4 and nothing else (AWS VPC user guide, "NAT gateway basics").
    pub(super) fn nat(&mut self, id: NatId) -> Arrival {
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
    pub(super) fn gateway(&mut self, vpc: VpcId, id: GatewayId) -> Arrival {
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

    /// Writes another source address into the packet and remembers it. `known`: it can be known beforehand.
    pub(in crate::interpreter) fn translate_source(
        &mut self,
        by: Translator,
        at: At,
        to: IpAddr,
        known: bool,
    ) {
        self.leaves.translations.push(Translation { by, before: self.packet.src, after: to });
        self.packet.src = to;
        self.predictable = known;
        self.sender = None;
        self.steps.push(Step::Translated(at, self.packet));
    }

    pub(in crate::interpreter) fn translate_destination(&mut self, at: At, to: IpAddr) {
        self.packet.dst = to;
        self.steps.push(Step::Translated(at, self.packet));
    }

    pub(in crate::interpreter) fn remember_entering(
        &mut self,
        vpc: VpcId,
        before: IpAddr,
        after: IpAddr,
    ) {
        self.leaves.translations.push(Translation { by: Translator::Entering(vpc), before, after });
    }

    /// For an answer: the public address under which its question came into the VPC for the answer's source.
    fn entered_at(&self, vpc: VpcId) -> Option<IpAddr> {
        let entered =
            |t: &&Translation| t.by == Translator::Entering(vpc) && t.after == self.packet.src;
        Some(self.answers?.translations.iter().rev().find(entered)?.before)
    }

    /// For an answer: the translation at a VPC's edge, or under a service, that gave its destination.
    pub(in crate::interpreter) fn left_as_destination(&self) -> Option<Translation> {
        let left = |t: &&Translation| {
            matches!(t.by, Translator::Leaving(_) | Translator::Platform(_))
                && t.after == self.packet.dst
        };
        self.answers?.translations.iter().rev().find(left).copied()
    }

    /// For an answer to a NAT gateway's private address: the gateway and the address that it stood for.
    pub(super) fn translated_by_nat_at(&self, interface: InterfaceId) -> Option<(NatId, IpAddr)> {
        let nat = self.nat_at(interface)?;
        let by_it = |t: &&Translation| t.by == Translator::Nat(nat) && t.after == self.packet.dst;
        Some((nat, self.answers?.translations.iter().rev().find(by_it)?.before))
    }
}

fn nat_carries(packet: &Packet) -> bool {
    packet.src.is_ipv4()
        && matches!(packet.protocol, protocol::TCP | protocol::UDP | protocol::ICMP)
}
