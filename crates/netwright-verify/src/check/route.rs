//! Routes that lead nowhere, one way only, or to several places at once.

use std::collections::BTreeMap;

use netwright_model::diagnostic::Severity;
use netwright_model::language::{PeeringState, Provider};
use netwright_model::network::{
    Network, Origin, PeeringId, Route, RouteTable, RouteTableId, SubnetId, Target, VpcId,
};
use netwright_model::scalar::Prefix;
use netwright_model::source::Span;

use super::Report;

pub(super) fn check(network: &Network, report: &mut Report) {
    for table in (0..network.route_tables.len()).map(RouteTableId::at) {
        let table = &network[table];
        for route in &table.routes {
            route_itself(network, table, route, report);
        }
        ambiguous(network, table, report);
    }
    let tables = Tables::of(network);
    for peering in (0..network.peerings.len()).map(PeeringId::at) {
        both_ways(network, &tables, peering, report);
    }
}

fn place(route: &Route, table: &RouteTable) -> Span {
    if route.span.is_some() { route.span } else { table.span }
}

fn route_itself(network: &Network, table: &RouteTable, route: &Route, report: &mut Report) {
    let at = place(route, table);
    match &route.via {
        Target::Blackhole => {
            let message = format!("route {} of {} drops what it matches", route.to, table.name);
            report.add("NW-RT-001", at, message, "remove it, or give it a target that exists");
        }
        Target::Gateway(gateway) if network[*gateway].vpc != Some(table.vpc) => {
            let message = format!(
                "route {} of {} leads to {}, which is not attached to this VPC",
                route.to, table.name, network[*gateway].name
            );
            report.add("NW-RT-002", at, message, "attach the gateway, or name another");
        }
        Target::Interface(interface) => {
            let row = &network[*interface];
            let why = match (row.running, row.forwards) {
                (false, _) => "is stopped",
                (true, false) => "does not forward packets that are not addressed to it",
                (true, true) => return,
            };
            let message =
                format!("route {} of {} leads to {}, which {why}", route.to, table.name, row.name);
            report.add(
                "NW-RT-001",
                at,
                message,
                "start it and turn its source and destination check off, or name another",
            );
        }
        Target::Peering(id) => through_peering(network, table, route, *id, report),
        _ => {}
    }
}

fn through_peering(
    network: &Network,
    table: &RouteTable,
    route: &Route,
    id: PeeringId,
    report: &mut Report,
) {
    let peering = &network[id];
    let at = place(route, table);
    if peering.state != PeeringState::Active {
        let message = format!(
            "route {} of {} leads to peering {}, which is {}",
            route.to, table.name, peering.name, peering.state
        );
        report
            .add("NW-RT-003", at, message, "have the other side accept it")
            .and(peering.span, "the peering");
        return;
    }
    let Some(other) = peering.other(table.vpc) else { return };
    let other = &network[other];
    let apart = !other.cidrs.iter().any(|cidr| cidr.overlaps(&route.to));
    if apart || route.to.length() == 0 {
        let ranges: Vec<String> = other.cidrs.iter().map(ToString::to_string).collect();
        let message = format!(
            "route {} of {} hopes to pass through {}, which holds {} only",
            route.to,
            table.name,
            other.name,
            ranges.join(", ")
        );
        report
            .add(
                "NW-RT-005",
                at,
                message,
                "peer with the network that holds the range, or use a transit hub",
            )
            .and(peering.span, "the peering");
    }
}

/// Whether routes of an origin can be equally good: those that are implied cannot, and of those that may exist nobody knows.
fn is_choice(origin: Origin) -> bool {
    origin != Origin::Local && !origin.is_uncertain()
}

/// Equally good routes to different places, told once for each two places.
fn ambiguous(network: &Network, table: &RouteTable, report: &mut Report) {
    let mut routes: Vec<&Route> =
        table.routes.iter().filter(|route| is_choice(route.origin)).collect();
    routes.sort_by_key(|route| (route.to, route.priority, route.origin, &route.via));
    let mut found: BTreeMap<(&Target, &Target), Vec<(&Route, &Route)>> = BTreeMap::new();
    for pair in routes.windows(2) {
        let [one, other] = pair else { continue };
        let equal = (one.to, one.priority, one.origin) == (other.to, other.priority, other.origin);
        if equal && one.via != other.via && one.tags == other.tags {
            found.entry((&one.via, &other.via)).or_default().push((one, other));
        }
    }
    let provider = network[table.vpc].provider;
    for pairs in found.into_values() {
        let Some((one, other)) = pairs.first() else { continue };
        let more = match pairs.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let learned = one.origin == Origin::Propagated;
        let (why, remedy) = if provider == Provider::Gcp {
            ("packets are spread over both", "see that both lead to the same place")
        } else if provider == Provider::Ibm {
            ("the packet's zone decides, or both are used", "see that both lead to the same place")
        } else if learned {
            (
                "both are learned, and the provider chooses",
                "write a route yourself where it matters",
            )
        } else {
            ("which one is used is not defined", "give one of them a lower priority, or remove it")
        };
        let message = format!("{} has equally good routes for {}{more}: {why}", table.name, one.to);
        let finding = report.add("NW-RT-006", place(other, table), message, remedy);
        if learned || matches!(provider, Provider::Gcp | Provider::Ibm) {
            finding.severity = Severity::Info;
        }
        finding.and(place(one, table), "the other route");
    }
}

/// Subnets by their route table.
struct Tables {
    subnets: Vec<Vec<SubnetId>>,
}

impl Tables {
    fn of(network: &Network) -> Self {
        let mut subnets = vec![Vec::new(); network.route_tables.len()];
        for (index, subnet) in network.subnets.iter().enumerate() {
            if let Some(own) = subnets.get_mut(subnet.table.index()) {
                own.push(SubnetId::at(index));
            }
        }
        Self { subnets }
    }

    /// Tables of a VPC that some subnet uses.
    fn used<'a>(&'a self, network: &'a Network, vpc: VpcId) -> impl Iterator<Item = RouteTableId> {
        let all = network[vpc].route_tables.iter().copied();
        all.filter(|table| !self.subnets[table.index()].is_empty())
    }
}

/// Whether packets over a peering find a way back: from the subnets that one side has routes to, to the subnets whose routes those are.
fn both_ways(network: &Network, tables: &Tables, id: PeeringId, report: &mut Report) {
    let peering = &network[id];
    let ([Some(a), Some(b)], PeeringState::Active) = (peering.vpcs, peering.state) else { return };
    let routed = |vpc: VpcId| {
        let all = network[vpc].route_tables.iter().flat_map(|table| &network[*table].routes);
        all.into_iter().any(|route| route.via == Target::Peering(id))
    };
    if !routed(a) && !routed(b) {
        let (a, b) = (&network[a], &network[b]);
        // An export without route tables says nothing about routes.
        if [a, b].iter().all(|vpc| vpc.route_tables.iter().all(|t| network[*t].span.is_some())) {
            let message = format!(
                "peering {} joins {} and {}, and neither has a route to the other",
                peering.name, a.name, b.name
            );
            report.add("NW-RT-007", peering.span, message, "add the routes, or remove the peering");
        }
        return;
    }
    for (from, to) in [(a, b), (b, a)] {
        let lost = tables.used(network, from).find_map(|table| {
            no_way_back(network, tables, id, table, to).map(|subnet| (table, subnet))
        });
        let Some((table, subnet)) = lost else { continue };
        let (from, to) = (&network[from], &network[to]);
        let message = format!(
            "peering {}: subnets of {} have routes to {}, and {} has none back",
            peering.name, network[table].name, to.name, network[subnet].name
        );
        let remedy = format!(
            "add a route to {}'s ranges via peering {} in {}",
            from.name, peering.name, to.name
        );
        report
            .add("NW-RT-004", peering.span, message, remedy)
            .and(network[subnet].span, "the subnet that does not answer");
    }
}

/// A subnet beyond a peering that a table has routes to, where no such subnet has a way back.
fn no_way_back(
    network: &Network,
    tables: &Tables,
    id: PeeringId,
    table: RouteTableId,
    to: VpcId,
) -> Option<SubnetId> {
    let mine: Vec<Prefix> = tables.subnets[table.index()]
        .iter()
        .flat_map(|subnet| network[*subnet].cidrs.iter().copied())
        .collect();
    let routes: Vec<Prefix> = network[table]
        .routes
        .iter()
        .filter(|route| route.via == Target::Peering(id))
        .map(|route| route.to)
        .collect();
    // What leads back: the peering, or anything that may lead anywhere. A gateway to the Internet does not.
    let back = |route: &Route| match &route.via {
        Target::Peering(other) => *other == id,
        Target::Transit(_) | Target::Vpn(_) | Target::Interface(_) | Target::Unknown(_) => true,
        _ => false,
    };
    let mut first = None;
    for other in tables.used(network, to) {
        let reached = tables.subnets[other.index()].iter().copied().find(|subnet| {
            let cidrs = &network[*subnet].cidrs;
            cidrs.iter().any(|cidr| routes.iter().any(|route| route.overlaps(cidr)))
        });
        let Some(reached) = reached else { continue };
        let answers = network[other]
            .routes
            .iter()
            .any(|route| back(route) && mine.iter().any(|own| own.overlaps(&route.to)));
        if answers {
            return None;
        }
        first = first.or(Some(reached));
    }
    first
}
