mod doubts;
mod serverless;

use netwright_model::language::{
    Action, Description, EndpointRef, NatAllocation, PeeringState, RouteTarget,
};
use netwright_model::network::lookup::Place;
use netwright_model::network::resolve::resolve;
use netwright_model::source::Sources;
use netwright_model::tree::{Limits, json};

use crate::Document;

/// A description of files that are given as texts. What is written and read again is the same.
fn describe(files: &[&str]) -> Description {
    let mut sources = Sources::default();
    let documents: Vec<Document> = files
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let name = format!("export/{index}.json");
            let file = sources.add(&name, *text);
            let root = json::parse(text, file, &Limits::default()).expect("the test's JSON");
            assert!(super::recognises(&root), "file {index} is not taken for an export");
            Document { path: name.into(), file, root }
        })
        .collect();
    let description = super::import(&documents).description;
    let text = crate::to_yaml(&description);
    let again = netwright_model::parse_description("again.yaml", &text, &mut sources);
    assert_eq!(again.expect("what was written is read"), description);
    description
}

/// What the description lacks, as `object: what`.
fn gaps(description: &Description) -> Vec<String> {
    let word =
        |gap: &netwright_model::language::Gap| format!("{}: {}", gap.object.value, gap.what.value);
    description.gaps.iter().map(word).collect()
}

fn has_gap(description: &Description, words: &str) -> bool {
    gaps(description).iter().any(|gap| gap.contains(words))
}

const COMPUTE: &str = "https://www.googleapis.com/compute/v1/projects/p";

fn network(name: &str, more: &str) -> String {
    format!(
        r#"{{"kind": "compute#network", "name": "{name}", "mtu": 1460, {more}
            "selfLink": "{COMPUTE}/global/networks/{name}"}}"#
    )
}

fn subnet(name: &str, region: &str, network: &str, range: &str, more: &str) -> String {
    format!(
        r#"{{"kind": "compute#subnetwork", "name": "{name}", "ipCidrRange": "{range}", {more}
            "network": "{COMPUTE}/global/networks/{network}",
            "selfLink": "{COMPUTE}/regions/{region}/subnetworks/{name}"}}"#
    )
}

fn instance(name: &str, address: &str, more: &str) -> String {
    format!(
        r#"{{"kind": "compute#instance", "name": "{name}", "status": "RUNNING", {more}
            "selfLink": "{COMPUTE}/zones/r1-a/instances/{name}",
            "networkInterfaces": [{{"name": "nic0", "networkIP": "{address}",
                "network": "{COMPUTE}/global/networks/prod",
                "subnetwork": "{COMPUTE}/regions/r1/subnetworks/front"}}]}}"#
    )
}

fn list(objects: &[String]) -> String {
    format!("[{}]", objects.join(","))
}

/// A network with one subnet and two instances, and more beside.
fn prod(more: &[String]) -> Description {
    let mut objects = vec![
        network("prod", ""),
        subnet("front", "r1", "prod", "10.0.0.0/24", ""),
        instance("web", "10.0.0.10", r#""tags": {"items": ["web"]},"#),
        instance("db", "10.0.0.20", ""),
    ];
    objects.extend(more.iter().cloned());
    describe(&[&list(&objects)])
}

fn firewall(name: &str, more: &str) -> String {
    format!(
        r#"{{"kind": "compute#firewall", "name": "{name}", {more}
            "network": "{COMPUTE}/global/networks/prod",
            "selfLink": "{COMPUTE}/global/firewalls/{name}"}}"#
    )
}

#[test]
fn lists_are_read_bare_as_the_api_answers_and_aggregated() {
    let bare = list(&[network("prod", "")]);
    let answer = format!(
        r#"{{"kind": "compute#subnetworkList", "items": [{}]}}"#,
        subnet("front", "r1", "prod", "10.0.0.0/24", "")
    );
    let aggregated = format!(
        r#"{{"kind": "compute#instanceAggregatedList", "items": {{
            "zones/r1-b": {{"warning": {{"code": "NO_RESULTS_ON_PAGE"}}}},
            "zones/r1-a": {{"instances": [{}]}}}}}}"#,
        instance("web", "10.0.0.10", "")
    );
    let made = describe(&[&bare, &answer, &aggregated]);
    let web = made.instances.get("web").expect("the instance");
    assert_eq!(web.subnet.as_ref().map(|s| s.value.as_str()), Some("prod/front"));
    assert_eq!(web.addresses[0].value.to_string(), "10.0.0.10");
}

#[test]
fn an_object_in_two_lists_is_one() {
    let twice = list(&[network("prod", ""), network("prod", "")]);
    assert_eq!(describe(&[&twice, &twice]).vpcs.iter().count(), 1);
}

#[test]
fn networks_of_two_projects_keep_their_own_names() {
    let other = network("prod", "").replace("projects/p/", "projects/q/");
    let made = describe(&[&list(&[network("prod", ""), other])]);
    let names: Vec<&str> = made.vpcs.iter().map(|(name, _)| name.value.as_str()).collect();
    assert_eq!(names, ["prod.p", "prod.q"]);
}

#[test]
fn subnets_of_one_name_in_two_regions_are_told_apart() {
    let objects = [
        network("prod", ""),
        subnet("default", "r1", "prod", "10.0.0.0/24", ""),
        subnet("default", "r2", "prod", "10.1.0.0/24", ""),
    ];
    let made = describe(&[&list(&objects)]);
    let names: Vec<&str> = made
        .vpcs
        .get("prod")
        .expect("prod")
        .subnets
        .iter()
        .map(|(n, _)| n.value.as_str())
        .collect();
    assert_eq!(names, ["default.r1", "default.r2"]);
}

#[test]
fn secondary_and_ipv6_ranges_belong_to_the_subnet() {
    let more = r#""secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": "10.8.0.0/14"}],
        "externalIpv6Prefix": "2600:1900:1::/64", "ipv6CidrRange": "2600:1900:1::/64","#;
    let made =
        describe(&[&list(&[network("prod", ""), subnet("a", "r1", "prod", "10.0.0.0/24", more)])]);
    let subnet = made.vpcs.get("prod").and_then(|vpc| vpc.subnets.get("a")).expect("the subnet");
    let ranges: Vec<String> = subnet.cidrs.iter().map(|c| c.value.to_string()).collect();
    assert_eq!(ranges, ["10.0.0.0/24", "2600:1900:1::/64", "10.8.0.0/14"]);
}

#[test]
fn a_subnet_that_is_only_mentioned_holds_the_addresses_of_its_instances_and_says_so() {
    let made = describe(&[&list(&[network("prod", ""), instance("web", "10.0.0.10", "")])]);
    let subnet = made.vpcs.get("prod").and_then(|vpc| vpc.subnets.get("front")).expect("made");
    assert_eq!(subnet.cidrs[0].value.to_string(), "10.0.0.10/32");
    assert!(subnet.incomplete.is_some());
    assert!(has_gap(&made, "subnet front is not in the export"), "{:?}", gaps(&made));
}

#[test]
fn a_rule_is_one_for_each_protocol_and_keeps_its_priority_and_targets() {
    let made = prod(&[firewall(
        "in",
        r#""direction": "INGRESS", "priority": 700, "sourceRanges": ["10.0.0.0/8"],
           "targetTags": ["web"], "disabled": false,
           "allowed": [{"IPProtocol": "tcp", "ports": ["22", "8000-8010"]}, {"IPProtocol": "icmp"}],"#,
    )]);
    let filter = made.filters.get("prod-firewall").expect("the filter");
    assert_eq!(filter.rules.len(), 2);
    let tcp = &filter.rules[0];
    assert_eq!(tcp.priority.as_ref().map(|p| p.value), Some(700));
    assert_eq!(tcp.ports.len(), 2);
    assert_eq!(tcp.targets[0].value.to_string(), "tag:web");
    assert_eq!(filter.default_ingress.as_ref().map(|a| a.value), Some(Action::Next));
}

#[test]
fn sources_of_a_rule_are_a_union_and_default_to_all_of_ipv4() {
    let made = prod(&[
        firewall(
            "either",
            r#""direction": "INGRESS", "sourceRanges": ["10.0.0.0/8"], "sourceTags": ["web"],
               "sourceServiceAccounts": ["a@p.iam.gserviceaccount.com"],
               "allowed": [{"IPProtocol": "all"}],"#,
        ),
        firewall("open", r#""direction": "INGRESS", "allowed": [{"IPProtocol": "tcp"}],"#),
        firewall("out", r#""direction": "EGRESS", "denied": [{"IPProtocol": "tcp"}],"#),
    ]);
    let rules = &made.filters.get("prod-firewall").expect("the filter").rules;
    assert_eq!(rules[0].from.len(), 3);
    assert_eq!(rules[1].from[0].value.to_string(), "0.0.0.0/0");
    assert_eq!(rules[2].to[0].value.to_string(), "0.0.0.0/0");
    assert_eq!(rules[2].action.as_ref().map(|a| a.value), Some(Action::Deny));
}

#[test]
fn a_disabled_rule_is_written_and_not_in_force() {
    let made = prod(&[firewall(
        "off",
        r#""disabled": true, "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}],"#,
    )]);
    let rule = &made.filters.get("prod-firewall").expect("the filter").rules[0];
    assert_eq!(rule.enabled.as_ref().map(|enabled| enabled.value), Some(false));
}

#[test]
fn without_any_firewall_rules_in_the_export_the_filter_is_incomplete() {
    let made = prod(&[]);
    assert!(made.filters.get("prod-firewall").is_some_and(|filter| filter.incomplete.is_some()));
    assert!(has_gap(&made, "no firewall rules"), "{:?}", gaps(&made));
}

#[test]
fn the_implied_rules_stand_last_and_nobody_can_remove_them() {
    let made = prod(&[]);
    let implied = made.filters.get("prod-implied").expect("the implied rules");
    assert!(implied.rules.iter().all(|r| r.implied.as_ref().is_some_and(|implied| implied.value)));
    let tier = |name: &str| made.filters.get(name).and_then(|f| f.tier.as_ref()).map(|t| t.value);
    assert!(tier("prod-implied") > tier("prod-firewall"));
}

fn effective(policies: &str, order: &str) -> Description {
    let order = format!(r#""networkFirewallPolicyEnforcementOrder": "{order}","#);
    let objects = [network("prod", &order), subnet("front", "r1", "prod", "10.0.0.0/24", "")];
    let rule = firewall("in", r#""allowed": [{"IPProtocol": "tcp"}],"#);
    let answer = format!(r#"{{"firewalls": [{rule}], "firewallPolicys": [{policies}]}}"#);
    describe(&[&list(&objects), &answer])
}

fn policy(name: &str, kind: &str, rule: &str) -> String {
    format!(
        r#"{{"name": "1", "shortName": "{name}", "type": "{kind}", "rules": [{{
            "kind": "compute#firewallPolicyRule", "priority": 100, "action": "goto_next",
            "direction": "INGRESS", {rule}
            "match": {{"srcIpRanges": ["10.0.0.0/8"], "layer4Configs": [{{"ipProtocol": "all"}}]}}}}]}}"#
    )
}

#[test]
fn policies_stand_in_line_as_the_provider_asks_them() {
    let policies = [
        policy("organisation", "HIERARCHY", ""),
        policy("folder", "HIERARCHY", "").replace(r#""name": "1""#, r#""name": "2""#),
        policy("own", "NETWORK", "").replace(r#""name": "1""#, r#""name": "3""#),
    ]
    .join(",");
    let tier = |made: &Description, name: &str| {
        made.filters.get(name).and_then(|filter| filter.tier.as_ref()).map(|tier| tier.value)
    };
    let after = effective(&policies, "AFTER_CLASSIC_FIREWALL");
    let order = [
        "prod-policy-organisation",
        "prod-policy-folder",
        "prod-firewall",
        "prod-policy-own",
        "prod-implied",
    ];
    let tiers: Vec<Option<u32>> = order.iter().map(|name| tier(&after, name)).collect();
    assert!(tiers.iter().all(Option::is_some) && tiers.is_sorted(), "{tiers:?}");
    let before = effective(&policies, "BEFORE_CLASSIC_FIREWALL");
    assert!(tier(&before, "prod-policy-own") < tier(&before, "prod-firewall"));
}

#[test]
fn a_condition_that_an_export_does_not_hold_makes_a_rule_uncertain() {
    let made = effective(
        &policy("folder", "HIERARCHY", r#""targetSecureTags": [{"name": "tagValues/1"}],"#),
        "AFTER_CLASSIC_FIREWALL",
    );
    let rule = &made.filters.get("prod-policy-folder").expect("the policy").rules[0];
    assert!(rule.uncertain.is_some());
    assert!(has_gap(&made, "secure tags"), "{:?}", gaps(&made));
}

#[test]
fn a_policys_rule_for_other_networks_is_not_here() {
    let other = format!(r#""targetResources": ["{COMPUTE}/global/networks/other"],"#);
    let made = effective(&policy("folder", "HIERARCHY", &other), "AFTER_CLASSIC_FIREWALL");
    assert!(made.filters.get("prod-policy-folder").is_some_and(|policy| policy.rules.is_empty()));
}

fn route(name: &str, more: &str) -> String {
    format!(
        r#"{{"kind": "compute#route", "name": "{name}", {more}
            "network": "{COMPUTE}/global/networks/prod",
            "selfLink": "{COMPUTE}/global/routes/{name}"}}"#
    )
}

#[test]
fn routes_lead_where_they_say_and_subnet_routes_are_the_models_own() {
    let made = prod(&[
        route(
            "subnet",
            &format!(
                r#""destRange": "10.0.0.0/24", "nextHopNetwork": "{COMPUTE}/global/networks/prod","#
            ),
        ),
        route(
            "out",
            &format!(
                r#""destRange": "0.0.0.0/0", "priority": 1000, "nextHopGateway": "{COMPUTE}/global/gateways/default-internet-gateway","#
            ),
        ),
        route(
            "by-name",
            &format!(
                r#""destRange": "172.16.0.0/12", "tags": ["web"], "nextHopInstance": "{COMPUTE}/zones/r1-a/instances/db","#
            ),
        ),
        route("by-address", r#""destRange": "192.168.0.0/16", "nextHopIp": "10.0.0.20","#),
        route("lost", r#""destRange": "10.99.0.0/16", "nextHopIp": "10.0.0.99","#),
    ]);
    let table = made.vpcs.get("prod").and_then(|v| v.route_tables.get("routes")).expect("a table");
    let targets: Vec<&RouteTarget> = table.routes.iter().map(|route| &route.via.value).collect();
    assert_eq!(targets.len(), 4);
    assert_eq!(targets[0], &RouteTarget::InternetGateway("prod".to_owned()));
    assert_eq!(targets[1], &RouteTarget::Instance("db".to_owned()));
    assert_eq!(table.routes[1].tags[0].value, "web");
    assert_eq!(targets[2], &RouteTarget::Instance("db".to_owned()));
    assert!(matches!(targets[3], RouteTarget::Unknown(_)));
    assert!(has_gap(&made, "10.0.0.99, which the export does not hold"), "{:?}", gaps(&made));
}

#[test]
fn a_network_whose_routes_are_not_in_the_export_is_assumed_to_have_the_default_route() {
    let made = prod(&[]);
    assert!(has_gap(&made, "taken to have the default route"), "{:?}", gaps(&made));
}

fn router(nat: &str) -> String {
    format!(
        r#"{{"kind": "compute#router", "name": "edge", "network": "{COMPUTE}/global/networks/prod",
            "selfLink": "{COMPUTE}/regions/r1/routers/edge", "nats": [{{"name": "nat", {nat}
            "minPortsPerVm": 128}}]}}"#
    )
}

#[test]
fn a_nat_gateway_with_reserved_addresses_has_them_and_an_automatic_one_has_none() {
    let address = format!(
        r#"{{"kind": "compute#address", "name": "out", "address": "198.51.100.7",
            "selfLink": "{COMPUTE}/regions/r1/addresses/out"}}"#
    );
    let manual = prod(&[
        router(&format!(
            r#""natIpAllocateOption": "MANUAL_ONLY", "natIps": ["{COMPUTE}/regions/r1/addresses/out"],
            "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES","#
        )),
        address,
    ]);
    let nat = manual.nat_gateways.get("nat").expect("the gateway");
    assert_eq!(nat.addresses[0].value.to_string(), "198.51.100.7");
    assert_eq!(nat.ports_per_client.as_ref().map(|ports| ports.value), Some(128));
    let automatic = prod(&[router(r#""natIpAllocateOption": "AUTO_ONLY","#)]);
    let nat = automatic.nat_gateways.get("nat").expect("the gateway");
    assert!(nat.addresses.is_empty());
    assert_eq!(nat.address_allocation.as_ref().map(|a| a.value), Some(NatAllocation::Automatic));
}

#[test]
fn a_nat_gateway_serves_the_subnets_that_it_lists() {
    let made = prod(&[router(&format!(
        r#""natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
           "subnetworks": [{{"name": "{COMPUTE}/regions/r1/subnetworks/front", "sourceIpRangesToNat": ["ALL_IP_RANGES"]}}],"#
    ))]);
    let nat = made.nat_gateways.get("nat").expect("the gateway");
    assert_eq!(nat.serves[0].value, "prod/front");
}

/// A gateway that serves the listed ranges of subnet `front`, which has pods' ranges; a machine sends from one of them where `pods`.
fn partly(ranges: &str, pods: bool) -> Description {
    let link = format!("{COMPUTE}/regions/r1/subnetworks/front");
    let more = r#""secondaryIpRanges": [{"rangeName": "pods", "ipCidrRange": "10.8.0.0/14"}],"#;
    let alias =
        r#""aliasIpRanges": [{"ipCidrRange": "10.8.3.0/24", "subnetworkRangeName": "pods"}],"#;
    describe(&[
        &network("prod", ""),
        &subnet("front", "r1", "prod", "10.0.0.0/24", more),
        &format!(
            r#"{{"kind": "compute#instance", "name": "vm", "selfLink": "{COMPUTE}/zones/r1-a/instances/vm",
                "networkInterfaces": [{{"name": "nic0", {} "networkIP": "10.0.0.2", "subnetwork": "{link}",
                "network": "{COMPUTE}/global/networks/prod"}}]}}"#,
            if pods { alias } else { "" }
        ),
        &router(&format!(
            r#""natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
               "subnetworks": [{{"name": "{link}", {ranges}}}],"#
        )),
    ])
}

#[test]
fn a_nat_gateway_of_some_ranges_serves_a_subnet_whose_machines_send_from_these_only() {
    let primary = r#""sourceIpRangesToNat": ["PRIMARY_IP_RANGE"]"#;
    let pods = r#""sourceIpRangesToNat": ["LIST_OF_SECONDARY_IP_RANGES"], "secondaryIpRangeNames": ["pods"]"#;
    let both = r#""sourceIpRangesToNat": ["PRIMARY_IP_RANGE", "LIST_OF_SECONDARY_IP_RANGES"],
        "secondaryIpRangeNames": ["pods"]"#;
    let some = "it serves some ranges only";
    for (ranges, aliases, serves, gap) in [
        (primary, false, 1, false),
        (primary, true, 1, true),
        (pods, false, 0, false),
        (pods, true, 1, true),
        (both, true, 1, false),
    ] {
        let made = partly(ranges, aliases);
        let served = made.nat_gateways.get("nat").map_or(0, |nat| nat.serves.len());
        assert_eq!(served, serves, "{ranges}, with aliases: {aliases}");
        assert_eq!(
            has_gap(&made, some),
            gap,
            "{ranges}, with aliases: {aliases}: {:?}",
            gaps(&made)
        );
    }
}

fn peered(state_there: &str) -> Description {
    let side = |name: &str, far: &str, state: &str| {
        format!(
            r#""peerings": [{{"name": "{name}", "state": "{state}", "exchangeSubnetRoutes": true,
                "network": "{COMPUTE}/global/networks/{far}"}}],"#
        )
    };
    describe(&[&list(&[
        network("prod", &side("to-data", "data", "ACTIVE")),
        network("data", &side("to-prod", "prod", state_there)),
    ])])
}

#[test]
fn both_sides_of_a_peering_are_one_and_it_is_active_when_both_are() {
    let state = |made: &Description| {
        assert_eq!(made.peerings.iter().count(), 1);
        made.peerings.iter().next().and_then(|(_, p)| p.state.as_ref().map(|state| state.value))
    };
    assert_eq!(state(&peered("ACTIVE")), Some(PeeringState::Active));
    assert_eq!(state(&peered("INACTIVE")), Some(PeeringState::Pending));
}

#[test]
fn a_tunnel_leads_to_a_site_with_the_ranges_that_it_selects() {
    let gateway = format!(
        r#"{{"kind": "compute#targetVpnGateway", "name": "gw", "network": "{COMPUTE}/global/networks/prod",
            "selfLink": "{COMPUTE}/regions/r1/targetVpnGateways/gw"}}"#
    );
    let tunnel = format!(
        r#"{{"kind": "compute#vpnTunnel", "name": "office", "status": "ESTABLISHED", "peerIp": "203.0.113.9",
            "targetVpnGateway": "{COMPUTE}/regions/r1/targetVpnGateways/gw",
            "localTrafficSelector": ["10.0.0.0/24"], "remoteTrafficSelector": ["192.168.0.0/16"],
            "selfLink": "{COMPUTE}/regions/r1/vpnTunnels/office"}}"#
    );
    let way = route(
        "back",
        &format!(
            r#""destRange": "192.168.0.0/16", "nextHopVpnTunnel": "{COMPUTE}/regions/r1/vpnTunnels/office","#
        ),
    );
    let made = prod(&[gateway, tunnel, way]);
    let vpn = made.vpns.get("office").expect("the tunnel");
    assert_eq!(vpn.site.as_ref().map(|site| site.value.as_str()), Some("site-203.0.113.9"));
    assert_eq!(vpn.up.as_ref().map(|up| up.value), Some(true));
    let table = made.vpcs.get("prod").and_then(|v| v.route_tables.get("routes")).expect("a table");
    assert_eq!(table.routes[0].via.value, RouteTarget::Vpn("office".to_owned()));
}

#[test]
fn a_stopped_instance_and_one_that_forwards_are_told() {
    let stopped =
        instance("off", "10.0.0.30", r#""canIpForward": true,"#).replace("RUNNING", "TERMINATED");
    let made = prod(&[stopped]);
    let row = made.instances.get("off").expect("the instance");
    assert_eq!(row.running.as_ref().map(|running| running.value), Some(false));
    assert_eq!(row.forwards.as_ref().map(|forwards| forwards.value), Some(true));
}

#[test]
fn what_leads_packets_elsewhere_is_a_gap() {
    let mirror = format!(
        r#"{{"kind": "compute#packetMirroring", "name": "copy", "selfLink": "{COMPUTE}/regions/r1/packetMirrorings/copy"}}"#
    );
    assert!(has_gap(&prod(&[mirror]), "packet mirrors are not represented"));
}

#[test]
fn an_instance_is_found_by_its_name_and_by_its_identifier() {
    let network = resolve(prod(&[])).expect("resolves");
    for name in ["web", "projects/p/zones/r1-a/instances/web"] {
        let places = network.lookup.places(&network, &EndpointRef::Name(name.to_owned()));
        assert!(matches!(places.as_deref(), Ok([Place::Interface(_)])), "{name}: {places:?}");
    }
}

#[test]
fn a_policy_of_a_folder_that_is_only_listed_may_be_for_the_network() {
    let policy = r#"{"kind": "compute#firewallPolicy", "name": "7", "shortName": "all",
        "selfLink": "https://www.googleapis.com/compute/v1/locations/global/firewallPolicies/7",
        "rules": [{"priority": 1, "action": "deny", "direction": "INGRESS", "match": {"layer4Configs": [{"ipProtocol": "all"}]}}]}"#;
    let made = prod(&[policy.to_owned(), firewall("in", r#""allowed": [{"IPProtocol": "tcp"}],"#)]);
    assert!(made.filters.get("prod-policies").is_some_and(|filter| filter.incomplete.is_some()));
    assert!(has_gap(&made, "not whether they are for this network"), "{:?}", gaps(&made));
}

#[test]
fn a_condition_that_is_not_known_makes_a_rule_uncertain() {
    let rule = policy("folder", "HIERARCHY", "")
        .replace(r#""layer4Configs""#, r#""destNetworkType": "INTERNET", "layer4Configs""#);
    let made = effective(&rule, "AFTER_CLASSIC_FIREWALL");
    let rule = &made.filters.get("prod-policy-folder").expect("the policy").rules[0];
    assert!(rule.uncertain.as_ref().is_some_and(|why| why.value.contains("destNetworkType")));
}

#[test]
fn a_regional_policy_beside_the_answer_for_the_network_is_asked_too() {
    let rule = firewall("in", r#""allowed": [{"IPProtocol": "tcp"}],"#);
    let answer = format!(
        r#"{{"firewalls": [{rule}], "firewallPolicys": [{}]}}"#,
        policy("folder", "HIERARCHY", "")
    );
    let regional = format!(
        r#"{{"kind": "compute#firewallPolicy", "name": "near", "region": "{COMPUTE}/regions/r1",
            "selfLink": "{COMPUTE}/regions/r1/firewallPolicies/near",
            "associations": [{{"attachmentTarget": "{COMPUTE}/global/networks/prod"}}],
            "rules": [{{"priority": 1, "action": "deny", "direction": "INGRESS", "match": {{"layer4Configs": [{{"ipProtocol": "all"}}]}}}}]}}"#
    );
    let objects = [network("prod", ""), subnet("front", "r1", "prod", "10.0.0.0/24", ""), regional];
    let made = describe(&[&list(&objects), &answer]);
    assert!(made.filters.get("prod-policy-near").is_some(), "{:?}", gaps(&made));
}

#[test]
fn a_route_that_is_not_active_and_a_gateway_for_balancers_are_not_used() {
    let away = route(
        "away",
        r#""destRange": "10.99.0.0/16", "nextHopIp": "10.0.0.20", "routeStatus": "INACTIVE","#,
    );
    let made = prod(&[
        away,
        router(
            r#""natIpAllocateOption": "AUTO_ONLY", "endpointTypes": ["ENDPOINT_TYPE_MANAGED_PROXY_LB"],"#,
        ),
    ]);
    let table = made.vpcs.get("prod").and_then(|v| v.route_tables.get("routes")).expect("a table");
    assert!(table.routes.iter().all(|route| route.name.as_ref().is_none_or(|n| n.value != "away")));
    assert_eq!(made.nat_gateways.iter().count(), 0);
}
