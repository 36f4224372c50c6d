//! Routes that lead nowhere, one way only, or to several places at once.

use netwright_model::language::PeeringState;
use netwright_model::network::{
    Network, Origin, PeeringId, Route, RouteTable, RouteTableId, Target, VpcId,
};
use netwright_model::source::Span;

use super::Report;

pub(super) fn check(network: &Network, report: &mut Report) {
    for table in (0..network.route_tables.len()).map(RouteTableId::at) {
        let table = &network[table];
        for route in &table.routes {
            route_itself(network, table, route, report);
        }
        ambiguous(table, report);
    }
    for peering in (0..network.peerings.len()).map(PeeringId::at) {
        one_way(network, peering, report);
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
    if !other.cidrs.iter().any(|cidr| cidr.overlaps(&route.to)) {
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

fn ambiguous(table: &RouteTable, report: &mut Report) {
    let mut routes: Vec<&Route> =
        table.routes.iter().filter(|route| route.origin != Origin::Local).collect();
    routes.sort_by_key(|route| (route.to, route.priority, route.origin));
    for pair in routes.windows(2) {
        let [one, other] = pair else { continue };
        let equal = (one.to, one.priority, one.origin) == (other.to, other.priority, other.origin);
        if equal && one.via != other.via && one.tags == other.tags {
            let message = format!("{} has two equally good routes for {}", table.name, one.to);
            report
                .add(
                    "NW-RT-006",
                    place(other, table),
                    message,
                    "give one of them a lower priority, or remove it",
                )
                .and(place(one, table), "the other route");
        }
    }
}

/// A peering that one side has routes for and the other has not.
fn one_way(network: &Network, id: PeeringId, report: &mut Report) {
    let peering = &network[id];
    let ([Some(a), Some(b)], PeeringState::Active) = (peering.vpcs, peering.state) else { return };
    let has = |vpc: VpcId| {
        let tables = network[vpc].route_tables.iter();
        tables
            .flat_map(|table| &network[*table].routes)
            .any(|route| route.via == Target::Peering(id))
    };
    let (from, to) = match (has(a), has(b)) {
        (true, false) => (a, b),
        (false, true) => (b, a),
        _ => return,
    };
    let (from, to) = (&network[from], &network[to]);
    let message = format!(
        "peering {}: {} has routes to {}, and {} has none back",
        peering.name, from.name, to.name, to.name
    );
    report.add(
        "NW-RT-004",
        peering.span,
        message,
        format!(
            "add a route to {}'s ranges via peering {} in {}",
            from.name, peering.name, to.name
        ),
    );
}
