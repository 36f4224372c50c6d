//! What an export does not hold and could decide: the verdicts are unknown, and the rest stands.

use netwright_model::language::{Description, RouteOrigin};
use netwright_model::network::resolve::resolve;

use super::{COMPUTE, describe, has_gap, instance, list, network, prod, route, subnet};

/// Destination, origin and route table of the routes of network `prod` that may exist.
fn doubtful(made: &Description, origin: RouteOrigin) -> Vec<(String, String)> {
    let tables = &made.vpcs.get("prod").expect("prod").route_tables;
    let mut found = Vec::new();
    for (name, table) in tables.iter() {
        let own = table
            .routes
            .iter()
            .filter(|route| route.origin.as_ref().is_some_and(|own| own.value == origin));
        found.extend(own.map(|route| (name.value.clone(), route.to.value.to_string())));
    }
    found
}

fn router(more: &str) -> String {
    format!(
        r#"{{"kind": "compute#router", "name": "edge", "network": "{COMPUTE}/global/networks/prod",
            "selfLink": "{COMPUTE}/regions/r1/routers/edge",
            "interfaces": [{{"name": "if0", "linkedVpnTunnel": "{COMPUTE}/regions/r1/vpnTunnels/t"}}],
            "bgpPeers": [{{"name": "peer0", "interfaceName": "if0", "peerIpAddress": "169.254.0.2"}}]{more}}}"#
    )
}

fn tunnel(status: &str) -> String {
    format!(
        r#"{{"kind": "compute#vpnTunnel", "name": "t", "status": "{status}", "peerIp": "198.51.100.7",
            "router": "{COMPUTE}/regions/r1/routers/edge",
            "localTrafficSelector": ["0.0.0.0/0"], "remoteTrafficSelector": ["0.0.0.0/0"],
            "selfLink": "{COMPUTE}/regions/r1/vpnTunnels/t"}}"#
    )
}

const STATUS: &str = r#"{"kind": "compute#routerStatusResponse", "result": {
    "network": "https://www.googleapis.com/compute/v1/projects/p/global/networks/prod",
    "bgpPeerStatus": [{"name": "peer0", "status": "UP"}],
    "bestRoutesForRouter": [{"kind": "compute#route", "destRange": "172.16.0.0/16", "priority": 100,
        "nextHopIp": "169.254.0.2", "routeType": "BGP", "routeStatus": "ACTIVE"}]}}"#;

#[test]
fn what_a_router_has_learned_is_unknown_without_its_status() {
    let made = prod(&[router(""), tunnel("ESTABLISHED")]);
    let open = ("routes".to_owned(), "0.0.0.0/0".to_owned());
    assert!(doubtful(&made, RouteOrigin::Possible).contains(&open));
    assert!(has_gap(&made, "router:edge: what its BGP sessions have learned"));
    assert!(resolve(made).is_ok());
}

#[test]
fn a_router_whose_links_are_down_has_learned_nothing() {
    let made = prod(&[router(""), tunnel("NO_INCOMING_PACKETS")]);
    assert!(doubtful(&made, RouteOrigin::Possible).is_empty());
}

#[test]
fn a_learned_route_leads_through_the_link_of_the_session_that_names_its_next_hop() {
    let made = prod(&[router(""), tunnel("ESTABLISHED"), STATUS.to_owned()]);
    let link = made.vpns.get("t").expect("the tunnel");
    assert_eq!(link.remote_cidrs[0].value.to_string(), "172.16.0.0/16");
    let table = made.vpcs.get("prod").and_then(|vpc| vpc.route_tables.get("routes.r1"));
    let routes = &table.expect("the region's table").routes;
    assert!(routes.iter().any(|route| route.via.value.to_string() == "vpn:t"));
    assert!(!has_gap(&made, "get-status"));
}

#[test]
fn learned_routes_hold_in_the_routers_region_unless_the_network_spreads_them() {
    let other = subnet("far", "r2", "prod", "10.9.0.0/24", "");
    let regional = prod(&[router(""), tunnel("ESTABLISHED"), STATUS.to_owned(), other.clone()]);
    let vpc = regional.vpcs.get("prod").expect("prod");
    let of = |name: &str| {
        let table = vpc.route_tables.get(name).expect("a table for the region");
        table.routes.iter().filter(|route| route.to.value.to_string() == "172.16.0.0/16").count()
    };
    assert_eq!((of("routes.r1"), of("routes.r2")), (1, 0));

    let mut objects = vec![
        network("prod", r#""routingConfig": {"routingMode": "GLOBAL"},"#),
        subnet("front", "r1", "prod", "10.0.0.0/24", ""),
        instance("web", "10.0.0.10", ""),
    ];
    objects.extend([router(""), tunnel("ESTABLISHED"), STATUS.to_owned(), other]);
    let global = describe(&[&list(&objects)]);
    let tables = &global.vpcs.get("prod").expect("prod").route_tables;
    assert_eq!(tables.iter().count(), 1);
}

fn peered(there: &str, more: &[String]) -> Description {
    let side = |name: &str, far: &str, custom: &str| {
        format!(
            r#""peerings": [{{"name": "{name}", "state": "ACTIVE", "exchangeSubnetRoutes": true,
                {custom} "network": "{COMPUTE}/global/networks/{far}"}}],"#
        )
    };
    let mut objects = vec![
        network("prod", &side("to-hub", "hub", r#""importCustomRoutes": true,"#)),
        network("hub", &side("to-prod", "prod", there)),
        subnet("front", "r1", "prod", "10.0.0.0/24", ""),
        subnet("middle", "r1", "hub", "10.5.0.0/24", ""),
    ];
    objects.extend(more.iter().cloned());
    describe(&[&list(&objects)])
}

#[test]
fn custom_routes_that_a_peering_brings_may_be_any_where_the_other_networks_are_not_listed() {
    let made = peered(r#""exportCustomRoutes": true,"#, &[]);
    let open = ("routes".to_owned(), "0.0.0.0/0".to_owned());
    assert_eq!(doubtful(&made, RouteOrigin::Possible), [open]);
    assert!(has_gap(&made, "peering:to-hub: which custom routes it brings"));
    assert!(doubtful(&peered("", &[]), RouteOrigin::Possible).is_empty());
}

#[test]
fn custom_routes_that_a_peering_brings_are_those_of_the_other_network_where_they_are_listed() {
    let hop = r#""destRange": "172.20.0.0/16", "nextHopIp": "10.5.0.9", "priority": 900,"#;
    let far = route("on", hop).replace("networks/prod", "networks/hub");
    let made = peered(r#""exportCustomRoutes": true,"#, &[far]);
    let known = ("routes".to_owned(), "172.20.0.0/16".to_owned());
    assert_eq!(doubtful(&made, RouteOrigin::Possible), [known]);
    assert!(has_gap(&made, "packets to 172.20.0.0/16 may take it"));
}

#[test]
fn a_policy_may_apply_to_its_destination_for_the_machines_with_its_tags() {
    let policy = r#"{"kind": "networkconnectivity#policyBasedRoute",
        "name": "projects/p/locations/global/policyBasedRoutes/inspect",
        "network": "projects/p/global/networks/prod", "priority": 500,
        "filter": {"protocolVersion": "IPV4", "ipProtocol": "TCP", "srcRange": "0.0.0.0/0", "destRange": "10.0.0.0/25"},
        "virtualMachine": {"tags": ["web"]}, "nextHopIlbIp": "10.0.0.99"}"#;
    let made = prod(&[policy.to_owned()]);
    let doubt = ("routes".to_owned(), "10.0.0.0/25".to_owned());
    assert_eq!(doubtful(&made, RouteOrigin::Policy), [doubt]);
    let table = made.vpcs.get("prod").and_then(|vpc| vpc.route_tables.get("routes"));
    let routes = &table.expect("the table").routes;
    let tagged = routes.iter().find(|route| !route.tags.is_empty()).expect("the policy");
    assert_eq!(tagged.tags[0].value, "web");
    assert!(has_gap(&made, "policy_based_route:inspect"));
}
