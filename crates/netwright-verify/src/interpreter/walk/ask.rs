//! The filters of a place are asked about the packet.

use std::net::IpAddr;

use netwright_model::language::{Action, Direction};

use super::{Checkpoint, Stop, Walker};
use crate::interpreter::filter::{Decision, Question, interface_vpc};
use crate::interpreter::{Assume, Reason, Step};
use crate::space::Packet;

impl Walker<'_> {
    /// Asks the filters of a place. An answer passes where all filters are stateful and the opening packet has passed them in the other
    /// direction; elsewhere they are asked about it like about any packet.
    pub(in crate::interpreter) fn ask(
        &mut self,
        checkpoint: Checkpoint,
        direction: Direction,
    ) -> Result<(), Stop> {
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
        let seen = |address: IpAddr| match self.shown {
            Some((own, client)) if own == address => client,
            _ => address,
        };
        let asked = |packet: Packet| Question {
            network,
            packet: Packet { src: seen(packet.src), dst: seen(packet.dst), ..packet },
            known_by: (packet.src, packet.dst),
            sender: self.sender,
            straight_to: self.straight_to,
            vpc,
            direction,
            protected,
            assume: self.assume,
        };
        let wanted = match self.assume {
            Assume::Worst => |decision: &Decision| decision.action != Action::Allow,
            Assume::Best => |decision: &Decision| decision.action == Action::Allow,
        };
        let decisions: Vec<Decision> =
            self.possible().into_iter().map(|packet| asked(packet).decide(filters)).collect();
        let decision = decisions.iter().find(|one| wanted(one)).unwrap_or(&decisions[0]);
        let (action, by) = (decision.action, decision.by);
        self.steps.push(Step::Asked { at, direction, action, by });
        if action != Action::Allow {
            let reason = by.map_or(Reason::NoRule, |(filter, rule)| Reason::Rule(filter, rule));
            return Err(Stop::Blocked(reason, at));
        }
        if filters.iter().all(|&id| network[id].stateful) {
            self.leaves.passed.push((checkpoint, direction));
        }
        Ok(())
    }

    /// The packets that this one may be. A NAT gateway with several public addresses takes any of them for a connection, and so the
    /// source of what it has sent, and the destination of the answer, is any of them (AWS, "NAT gateways": secondary addresses; Google
    /// Cloud, "Cloud NAT": several addresses).
    fn possible(&self) -> Vec<Packet> {
        let answer = self.answers.is_some();
        let seen = if answer { self.packet.dst } else { self.packet.src };
        let mut all = vec![self.packet];
        let nat = self.network.nats.iter().find(|nat| nat.addresses.contains(&seen));
        let others = nat.into_iter().flat_map(|nat| nat.addresses.iter().copied());
        let others = others.filter(|other| *other != seen && other.is_ipv4() == seen.is_ipv4());
        all.extend(others.map(|other| {
            if answer {
                Packet { dst: other, ..self.packet }
            } else {
                Packet { src: other, ..self.packet }
            }
        }));
        all
    }
}

fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    }
}
