//! Why a flow does not arrive, in words and with a stable identifier.

use netwright_model::network::Network;
use netwright_model::source::Span;

use crate::prover::path::{Gap, Object, Obstacle, Table};

use super::hop;

/// Why, with a stable identifier, a sentence, and the place that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A stable word, for example `no_route`.
    pub id: &'static str,
    /// A sentence without full stop.
    pub text: String,
    /// The place in the user's file.
    pub span: Span,
}

fn table_name(network: &Network, table: Table) -> (String, Span) {
    match table {
        Table::Vpc(id) => (network[id].name.clone(), network[id].span),
        Table::Hub(id) => (network[id].name.clone(), network[id].span),
    }
}

/// A route in words: destination and target's name.
pub(crate) fn route_words(network: &Network, table: Table, route: usize) -> (String, Span) {
    let route = match table {
        Table::Vpc(id) => &network[id].routes[route],
        Table::Hub(id) => &network[id].routes[route],
    };
    let target = hop::target_name(network, &route.via);
    (format!("{} via {target}", route.to), route.span)
}

/// The reason of an obstacle.
#[must_use]
#[expect(clippy::too_many_lines, reason = "one arm for each obstacle, each a sentence")]
pub fn obstacle_reason(network: &Network, obstacle: &Obstacle) -> Reason {
    let reason = |id, text: String, span| Reason { id, text, span };
    match *obstacle {
        Obstacle::NoRoute(table) => {
            let (name, span) = table_name(network, table);
            reason("no_route", format!("route table {name} has no route to it"), span)
        }
        Obstacle::Blackhole(table, route) => {
            let (name, span) = table_name(network, table);
            let (words, own) = route_words(network, table, route);
            let span = if own.is_some() { own } else { span };
            reason("blackhole", format!("the route {words} of {name} drops it"), span)
        }
        Obstacle::NoSubnet(vpc) => {
            let row = &network[vpc];
            reason(
                "no_such_subnet",
                format!("VPC {} has no subnet with that address", row.name),
                row.span,
            )
        }
        Obstacle::NoAddress(subnet) => {
            let row = &network[subnet];
            reason(
                "no_such_address",
                format!("nothing in subnet {} has that address", row.name),
                row.span,
            )
        }
        Obstacle::NoPublicAddress(subnet) => {
            let row = &network[subnet];
            let text = format!(
                "the source has no public address and no NAT gateway serves subnet {}",
                row.name
            );
            reason("no_public_address", text, row.span)
        }
        Obstacle::Detached(gateway) => {
            let row = &network[gateway];
            reason(
                "detached_gateway",
                format!("internet gateway {} is not attached to this VPC", row.name),
                row.span,
            )
        }
        Obstacle::EgressOnly(gateway) => {
            let row = &network[gateway];
            let text = format!(
                "internet gateway {} lets only IPv6 connections from inside pass",
                row.name
            );
            reason("egress_only", text, row.span)
        }
        Obstacle::NoGateway(vpc) => {
            let row = &network[vpc];
            reason("no_gateway", format!("VPC {} has no internet gateway", row.name), row.span)
        }
        Obstacle::PeeringInactive(peering) => {
            let row = &network[peering];
            reason("peering_inactive", format!("peering {} is {}", row.name, row.state), row.span)
        }
        Obstacle::NotTransitive(peering) => {
            let row = &network[peering];
            let text = format!(
                "peering {} carries packets only to the peer's own ranges: it is not transitive",
                row.name
            );
            reason("not_transitive", text, row.span)
        }
        Obstacle::NotAttached(hub) => {
            let row = &network[hub];
            reason(
                "not_attached",
                format!("the VPC is not attached to transit hub {}", row.name),
                row.span,
            )
        }
        Obstacle::NoHubTable(hub) => {
            let row = &network[hub];
            reason(
                "no_hub_table",
                format!("its attachment to transit hub {} has no route table", row.name),
                row.span,
            )
        }
        Obstacle::NoLink => reason("no_link", "no link that is up leads there".into(), Span::NONE),
        Obstacle::Loop => reason("loop", "it goes round in circles".into(), Span::NONE),
        Obstacle::NotForwarding(interface) => {
            let row = &network[interface];
            let text =
                format!("{} does not forward packets that are not addressed to it", row.name);
            reason("not_forwarding", text, row.span)
        }
        Obstacle::AnothersAddress(interface) => {
            let row = &network[interface];
            let vpc = &network[network[row.subnet].vpc].name;
            let text = format!("in VPC {vpc} the address is that of {}", row.name);
            reason("anothers_address", text, row.span)
        }
        Obstacle::Stopped(interface) => {
            let row = &network[interface];
            reason("stopped", format!("{} is stopped", row.name), row.span)
        }
        Obstacle::AnswersOnly(interface) => {
            let row = &network[interface];
            reason(
                "answers_only",
                format!("{} accepts only answers to its own connections", row.name),
                row.span,
            )
        }
        Obstacle::Unsolicited(nat) => {
            let row = &network[nat];
            let text = format!(
                "NAT gateway {} drops what no connection from inside has asked for",
                row.name
            );
            reason("unsolicited", text, row.span)
        }
        Obstacle::NoSender(Some(subnet)) => {
            let row = &network[subnet];
            let text = format!("nothing in subnet {} has the source address", row.name);
            reason("no_such_source", text, row.span)
        }
        Obstacle::NoSender(None) => {
            let text = "nobody sends from that source address: the Internet does not route it, and nothing here holds it";
            reason("no_such_source", text.to_owned(), Span::NONE)
        }
        Obstacle::NotRoutable => {
            reason("not_routable", "the Internet does not route that address".into(), Span::NONE)
        }
        Obstacle::NotAllowListed(endpoint) => {
            let row = &network[endpoint];
            reason(
                "not_allow_listed",
                format!("{} does not accept that source address", row.name),
                row.span,
            )
        }
        Obstacle::NotPredictable(endpoint) => {
            let row = &network[endpoint];
            let text = format!(
                "{} accepts listed sources only, and this source address cannot be predicted",
                row.name
            );
            reason("source_not_predictable", text, row.span)
        }
        Obstacle::NoVpcAccess(service) => {
            let row = &network[network[service].endpoint];
            let text = format!(
                "{} does not send this destination through a VPC, and the Internet does not route it",
                row.name
            );
            reason("no_vpc_access", text, row.span)
        }
        Obstacle::NotInitiated(endpoint) => {
            let row = &network[endpoint];
            reason("not_initiated", format!("{} opens no connections to it", row.name), row.span)
        }
        Obstacle::FamilyMismatch => reason(
            "family_mismatch",
            "source and destination are of different address families".into(),
            Span::NONE,
        ),
        Obstacle::WrongSource(address) => reason(
            "wrong_source",
            format!("the answer arrives from {address}, which was not asked"),
            Span::NONE,
        ),
        Obstacle::WrongPlace => {
            reason("wrong_place", "the answer arrives somewhere else".into(), Span::NONE)
        }
    }
}

/// The reason of what the description lacks.
#[must_use]
pub(crate) fn gap_reason(network: &Network, gap: &Gap) -> Reason {
    match gap {
        Gap::Ambiguous(table, one, other) => {
            let (name, span) = table_name(network, *table);
            let (one, at) = route_words(network, *table, *one);
            let (other, _) = route_words(network, *table, *other);
            let text =
                format!("route table {name} has two equally good routes: {one}, and {other}");
            Reason { id: "ambiguous", text, span: if at.is_some() { at } else { span } }
        }
        Gap::Target(table, route) => {
            let (name, span) = table_name(network, *table);
            let (words, at) = route_words(network, *table, *route);
            let text =
                format!("the description does not say where the route {words} of {name} leads");
            Reason { id: "unknown_target", text, span: if at.is_some() { at } else { span } }
        }
        Gap::Applies(table, route) => {
            let (name, span) = table_name(network, *table);
            let (words, at) = route_words(network, *table, *route);
            let text = format!("whether the route {words} of {name} applies is not known");
            Reason { id: "uncertain_route", text, span: if at.is_some() { at } else { span } }
        }
        Gap::SomeAddresses(endpoint, nat) => {
            let (to, nat) = (&network[*endpoint], &network[*nat]);
            let all: Vec<String> = nat.addresses.iter().map(ToString::to_string).collect();
            let text = format!(
                "{} accepts some of the addresses of NAT gateway {} ({}) and not all: only some connections work",
                to.name,
                nat.name,
                all.join(", ")
            );
            Reason { id: "some_addresses", text, span: nat.span }
        }
        Gap::Elsewhere(object) => {
            let (name, span) = match object {
                Object::Peering(id) => (network[*id].name.clone(), network[*id].span),
                Object::Transit(id) => (network[*id].name.clone(), network[*id].span),
                Object::Vpn(id) => (network[*id].name.clone(), network[*id].span),
                _ => ("it".to_owned(), Span::NONE),
            };
            let text = format!("the description does not hold what lies behind {name}");
            Reason { id: "not_described", text, span }
        }
    }
}
