//! Serverless services, databases, load balancers, endpoints and zones: a test for each rule.

use netwright_model::language::{
    DependencyPath, Description, EgressMode, EndpointKind, EndpointRef, Scheme, Service,
    ServiceIngress,
};
use netwright_model::network::resolve::resolve;

use super::{COMPUTE, describe, has_gap, list, network, subnet};

fn base() -> Vec<String> {
    vec![network("prod", ""), subnet("front", "r1", "prod", "10.0.0.0/24", "")]
}

fn with(more: &[String]) -> Description {
    let mut objects = base();
    objects.extend(more.iter().cloned());
    let description = describe(&[&list(&objects)]);
    assert!(resolve(description.clone()).is_ok(), "what was imported is resolved");
    description
}

fn connector(more: &str) -> String {
    format!(
        r#"{{"name": "projects/p/locations/r1/connectors/c", "network": "prod", "state": "READY",
            "machineType": "e2-micro", "minInstances": 2, "maxInstances": 3 {more}}}"#
    )
}

fn run(annotations: &str, more: &str) -> String {
    format!(
        r#"{{"apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": {{"name": "api", "namespace": "123",
                "annotations": {{"run.googleapis.com/ingress": "internal"}},
                "labels": {{"cloud.googleapis.com/location": "r1"}}}},
            "spec": {{"template": {{"metadata": {{"annotations": {{{annotations}}}}},
                "spec": {{"serviceAccountName": "api@p.iam", "timeoutSeconds": 300,
                    "containers": [{{"ports": [{{"containerPort": 8080}}],
                        "startupProbe": {{"periodSeconds": 10, "failureThreshold": 3,
                            "tcpSocket": {{"port": 8080}}}}}}]}}}} {more}}},
            "status": {{"url": "https://api-x.a.run.app", "latestReadyRevisionName": "api-2"}}}}"#
    )
}

fn api(description: &Description) -> &Service {
    description.services.get("api").expect("the service")
}

fn mode(description: &Description) -> Option<EgressMode> {
    api(description).egress.mode.as_ref().map(|mode| mode.value)
}

fn via_connector(description: &Description) -> Option<&str> {
    api(description).egress.connector.as_ref().map(|connector| connector.value.as_str())
}

const THROUGH: &str =
    r#""run.googleapis.com/vpc-access-connector": "projects/p/locations/r1/connectors/c""#;

#[test]
fn a_connector_stands_in_its_range_or_in_the_subnet_that_it_names() {
    let ranged = with(&[connector(r#", "ipCidrRange": "10.8.0.0/28""#)]);
    let made = ranged.connectors.get("c").expect("the connector");
    assert_eq!(made.vpc.as_ref().map(|vpc| vpc.value.as_str()), Some("prod"));
    assert_eq!(
        made.cidr.as_ref().map(|cidr| cidr.value.to_string()),
        Some("10.8.0.0/28".to_owned())
    );
    assert_eq!(made.tags.first().map(|tag| tag.value.as_str()), Some("vpc-connector-r1-c"));
    let inside = with(&[connector(r#", "subnet": {"name": "front", "projectId": "p"}"#)]);
    let made = inside.connectors.get("c").expect("the connector");
    assert_eq!(made.subnet.as_ref().map(|subnet| subnet.value.as_str()), Some("prod/front"));
}

#[test]
fn a_connector_with_throughput_alone_has_instances_of_a_hundred_megabits() {
    let text = r#"{"name": "projects/p/locations/r1/connectors/c", "network": "prod",
        "ipCidrRange": "10.8.0.0/28", "state": "READY", "minThroughput": 200, "maxThroughput": 700}"#;
    let description = with(&[text.to_owned()]);
    let made = description.connectors.get("c").expect("the connector");
    let counts = [&made.min_instances, &made.max_instances];
    assert_eq!(counts.map(|count| count.as_ref().map(|c| c.value)), [Some(2), Some(7)]);
}

#[test]
fn a_connector_that_is_not_ready_stands_nowhere_that_is_known() {
    let text = connector(r#", "ipCidrRange": "10.8.0.0/28""#).replace("READY", "ERROR");
    let description = with(&[text]);
    assert!(description.connectors.get("c").is_some_and(|c| c.cidr.is_none() && c.vpc.is_none()));
    assert!(has_gap(&description, "its state is ERROR"));
}

#[test]
fn a_service_without_vpc_access_has_none_and_one_with_a_connector_sends_private_ranges_unless_told()
{
    let none = with(&[run("", "")]);
    assert_eq!((mode(&none), via_connector(&none)), (None, None));
    let range = connector(r#", "ipCidrRange": "10.8.0.0/28""#);
    let plain = with(&[range.clone(), run(THROUGH, "")]);
    assert_eq!(mode(&plain), Some(EgressMode::PrivateRangesOnly));
    assert_eq!(via_connector(&plain), Some("c"));
    for word in ["all-traffic", "all"] {
        let told = format!(r#"{THROUGH}, "run.googleapis.com/vpc-access-egress": "{word}""#);
        assert_eq!(mode(&with(&[range.clone(), run(&told, "")])), Some(EgressMode::AllTraffic));
    }
}

#[test]
fn a_connector_that_is_not_in_the_export_makes_what_passes_it_unknown() {
    let description = with(&[run(THROUGH, "")]);
    assert_eq!(via_connector(&description), Some("c"));
    assert!(description.connectors.get("c").is_some_and(|c| c.vpc.is_none()));
    assert!(has_gap(&description, "connector c is not in the export"));
}

#[test]
fn an_egress_setting_that_nobody_knows_is_unknown_and_not_a_guess() {
    let told = format!(r#"{THROUGH}, "run.googleapis.com/vpc-access-egress": "some-traffic""#);
    let description = with(&[connector(r#", "ipCidrRange": "10.8.0.0/28""#), run(&told, "")]);
    assert_eq!(via_connector(&description), Some("api-vpc-access"));
    assert!(has_gap(&description, "`some-traffic` is no egress setting"));
}

#[test]
fn direct_egress_is_from_the_subnet_that_an_annotation_holds_as_text() {
    let text = r#""run.googleapis.com/network-interfaces":
        "[{\"network\":\"prod\",\"subnetwork\":\"front\",\"tags\":[\"api\"]}]",
        "run.googleapis.com/vpc-access-egress": "all-traffic""#;
    let description = with(&[run(text, "")]);
    let egress = &api(&description).egress;
    assert_eq!(egress.subnet.as_ref().map(|subnet| subnet.value.as_str()), Some("prod/front"));
    assert_eq!(egress.tags.first().map(|tag| tag.value.as_str()), Some("api"));
    assert!(egress.subnet.as_ref().is_some_and(|subnet| subnet.span.is_some()));
    let missing = text.replace("front", "elsewhere");
    let description = with(&[run(&missing, "")]);
    assert!(has_gap(&description, "subnet elsewhere is not in the export"));
    assert_eq!(via_connector(&description), Some("api-vpc-access"));
}

#[test]
fn traffic_to_an_older_revision_makes_the_egress_unknown() {
    let latest = r#", "traffic": [{"revisionName": "api-2", "percent": 100}]"#;
    assert_eq!(via_connector(&with(&[run("", latest)])), None);
    let older = r#", "traffic": [{"latestRevision": true, "percent": 90}, {"revisionName": "api-1", "percent": 10}]"#;
    let description = with(&[run("", older)]);
    assert_eq!(via_connector(&description), Some("api-vpc-access"));
    assert!(has_gap(&description, "traffic goes to api-1"));
}

#[test]
fn the_running_of_a_service_is_read_too() {
    let scale =
        r#""autoscaling.knative.dev/minScale": "1", "autoscaling.knative.dev/maxScale": "9""#;
    let description = with(&[run(scale, "")]);
    let made = api(&description);
    assert_eq!(made.ingress.as_ref().map(|i| i.value), Some(ServiceIngress::Internal));
    assert_eq!(made.hosts.first().map(|host| host.value.as_str()), Some("api-x.a.run.app"));
    assert_eq!(made.port.as_ref().map(|port| port.value), Some(8080));
    assert_eq!(made.min_instances.as_ref().map(|n| n.value), Some(1));
    assert_eq!(made.max_instances.as_ref().map(|n| n.value), Some(9));
    assert!(made.startup_probe.as_ref().is_some_and(|probe| probe.period.is_some()));
}

#[test]
fn the_second_api_and_functions_say_the_same_in_their_own_words() {
    let service = r#"{"name": "projects/p/locations/r1/services/api", "uri": "https://api-x.a.run.app",
        "ingress": "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
        "template": {"vpcAccess": {"connector": "projects/p/locations/r1/connectors/c", "egress": "ALL_TRAFFIC"},
            "scaling": {"maxInstanceCount": 5}, "timeout": "300s",
            "volumes": [{"cloudSqlInstance": {"instances": ["p:r1:main"]}}]}}"#;
    let range = connector(r#", "ipCidrRange": "10.8.0.0/28""#);
    let description = with(&[range.clone(), service.to_owned()]);
    assert_eq!(mode(&description), Some(EgressMode::AllTraffic));
    let ingress = api(&description).ingress.as_ref().map(|ingress| ingress.value);
    assert_eq!(ingress, Some(ServiceIngress::InternalAndLoadBalancing));
    assert!(api(&description).dependencies.get("main").is_some());
    let direct = service.replace(
        r#""connector": "projects/p/locations/r1/connectors/c""#,
        r#""networkInterfaces": [{"network": "projects/p/global/networks/prod", "subnetwork": "front"}]"#,
    );
    let description = with(&[direct]);
    assert!(api(&description).egress.subnet.is_some());
    for function in [
        r#"{"name": "projects/p/locations/r1/functions/api", "vpcConnector": "projects/p/locations/r1/connectors/c",
            "vpcConnectorEgressSettings": "ALL_TRAFFIC", "ingressSettings": "ALLOW_ALL"}"#,
        r#"{"name": "projects/p/locations/r1/functions/api", "serviceConfig": {"vpcConnector": "projects/p/locations/r1/connectors/c",
            "vpcConnectorEgressSettings": "ALL_TRAFFIC", "ingressSettings": "ALLOW_ALL"}}"#,
    ] {
        let description = with(&[range.clone(), function.to_owned()]);
        assert_eq!(mode(&description), Some(EgressMode::AllTraffic));
    }
}

fn database(access: &str) -> String {
    format!(
        r#"{{"kind": "sql#instance", "name": "main", "connectionName": "p:r1:main", "state": "RUNNABLE",
            "databaseVersion": "POSTGRES_15",
            "ipAddresses": [{{"type": "PRIMARY", "ipAddress": "34.1.2.3"}}, {{"type": "PRIVATE", "ipAddress": "10.20.0.3"}},
                {{"type": "OUTGOING", "ipAddress": "34.1.2.4"}}],
            "settings": {{"tier": "db-custom-2-7680", "databaseFlags": [{{"name": "max_connections", "value": "200"}}],
                "ipConfiguration": {{"ipv4Enabled": true, "privateNetwork": "projects/p/global/networks/prod" {access}}}}}}}"#
    )
}

#[test]
fn a_database_has_its_addresses_its_network_and_its_authorised_networks() {
    let listed =
        r#", "authorizedNetworks": [{"value": "198.51.100.7"}, {"value": "203.0.113.0/24"}]"#;
    let description = with(&[database(listed)]);
    let made = description.databases.get("main").expect("the database");
    assert_eq!(made.public_addresses.len(), 1, "nobody connects to an outgoing address");
    assert_eq!(made.private_addresses.len(), 1);
    assert_eq!(made.vpc.as_ref().map(|vpc| vpc.value.as_str()), Some("prod"));
    let networks: Vec<String> =
        made.authorized_networks.iter().map(|prefix| prefix.value.to_string()).collect();
    assert_eq!(networks, ["198.51.100.7/32", "203.0.113.0/24"]);
    assert_eq!(made.max_connections.as_ref().map(|n| n.value), Some(200));
    assert_eq!(made.memory_mib.as_ref().map(|n| n.value), Some(7680));
}

#[test]
fn the_platforms_proxy_is_a_dependency_over_a_socket() {
    let annotation = r#""run.googleapis.com/cloudsql-instances": "p:r1:main,p:r1:other""#;
    let description = with(&[database(""), run(annotation, "")]);
    let found = api(&description).dependencies.get("main").expect("the dependency");
    let to = EndpointRef::Kind(EndpointKind::Database, "main".to_owned());
    assert_eq!(found.to.value, to);
    assert_eq!(found.via.as_ref().map(|via| via.value), Some(DependencyPath::Socket));
    assert!(has_gap(&description, "database p:r1:other is not in the export"));
}

#[test]
fn the_range_kept_for_managed_services_is_unknown_beside_the_databases() {
    let range = format!(
        r#"{{"kind": "compute#address", "name": "psa", "purpose": "VPC_PEERING", "address": "10.20.0.0", "prefixLength": 16,
            "network": "{COMPUTE}/global/networks/prod", "selfLink": "{COMPUTE}/global/addresses/psa"}}"#
    );
    let description = with(&[database(""), range]);
    assert!(has_gap(&description, "10.20.0.0/16 is kept for managed services"));
    let table = description.vpcs.get("prod").and_then(|vpc| vpc.route_tables.get("routes"));
    let unknown =
        table.expect("the table").routes.iter().any(|route| {
            matches!(route.via.value, netwright_model::language::RouteTarget::Unknown(_))
        });
    assert!(unknown);
}

fn object(kind: &str, place: &str, collection: &str, name: &str, more: &str) -> String {
    format!(
        r#"{{"kind": "compute#{kind}", "name": "{name}", "selfLink": "{COMPUTE}/{place}/{collection}/{name}", {more}}}"#
    )
}

fn rule(name: &str, port: &str, target: &str) -> String {
    let more = format!(
        r#""IPAddress": "198.51.100.80", "IPProtocol": "TCP", "portRange": "{port}-{port}",
            "loadBalancingScheme": "EXTERNAL_MANAGED", "target": "{COMPUTE}/global/{target}""#
    );
    object("forwardingRule", "global", "forwardingRules", name, &more)
}

fn web(backends: &str, more: &[String]) -> Description {
    let mut objects = vec![
        rule("https", "443", "targetHttpsProxies/proxy"),
        object(
            "targetHttpsProxy",
            "global",
            "targetHttpsProxies",
            "proxy",
            &format!(r#""urlMap": "{COMPUTE}/global/urlMaps/map""#),
        ),
        object(
            "urlMap",
            "global",
            "urlMaps",
            "map",
            &format!(
                r#""hostRules": [{{"hosts": ["shop.example.com", "*.example.com"], "pathMatcher": "m"}}],
                "pathMatchers": [{{"name": "m", "defaultService": "{COMPUTE}/global/backendServices/web"}}]"#
            ),
        ),
        object(
            "backendService",
            "global",
            "backendServices",
            "web",
            &format!(
                r#""portName": "http", "timeoutSec": 30, "healthChecks": ["{COMPUTE}/global/healthChecks/check"], "backends": [{{"group": "{COMPUTE}/{backends}"}}]"#
            ),
        ),
        object(
            "healthCheck",
            "global",
            "healthChecks",
            "check",
            r#""checkIntervalSec": 5, "timeoutSec": 6, "healthyThreshold": 2, "unhealthyThreshold": 3, "httpHealthCheck": {"port": 8080, "requestPath": "/health"}"#,
        ),
    ];
    objects.extend(more.iter().cloned());
    with(&objects)
}

#[test]
fn a_rule_leads_over_proxy_and_map_to_its_backends_and_rules_of_one_address_are_one_balancer() {
    let more = [
        rule("http", "80", "targetHttpProxies/plain"),
        object(
            "targetHttpProxy",
            "global",
            "targetHttpProxies",
            "plain",
            &format!(r#""urlMap": "{COMPUTE}/global/urlMaps/map""#),
        ),
        run("", ""),
        object(
            "networkEndpointGroup",
            "regions/r1",
            "networkEndpointGroups",
            "neg",
            r#""networkEndpointType": "SERVERLESS", "cloudRun": {"service": "api"}"#,
        ),
    ];
    let description = web("regions/r1/networkEndpointGroups/neg", &more);
    assert_eq!(description.load_balancers.len(), 1);
    let made = description.load_balancers.get("https").expect("the balancer");
    assert_eq!(made.scheme.as_ref().map(|scheme| scheme.value), Some(Scheme::External));
    assert_eq!(made.listeners.len(), 2);
    let hosts: Vec<&str> = made.hosts.iter().map(|host| host.value.as_str()).collect();
    assert_eq!(hosts, ["shop.example.com"], "a wildcard is no name");
    let group = made.backends.get("web").expect("the group");
    let to = EndpointRef::Kind(EndpointKind::Service, "api".to_owned());
    assert_eq!(group.targets.first().map(|target| target.target.value.clone()), Some(to));
    let check = group.health_check.as_ref().expect("a health check, even where there must be none");
    assert_eq!(check.path.as_ref().map(|path| path.value.as_str()), Some("/health"));
    assert!(check.span.is_some());
}

#[test]
fn members_of_a_group_are_those_whose_health_is_told_or_that_its_manager_made() {
    let group = |more: &str| {
        object(
            "instanceGroup",
            "zones/r1-a",
            "instanceGroups",
            "g",
            &format!(r#""namedPorts": [{{"name": "http", "port": 8080}}] {more}"#),
        )
    };
    let maker = r#""metadata": {"items": [{"key": "created-by", "value": "projects/7/zones/r1-a/instanceGroupManagers/g"}]},"#;
    let made_by =
        web("zones/r1-a/instanceGroups/g", &[group(""), super::instance("vm", "10.0.0.10", maker)]);
    let group_of = |description: &Description| {
        let balancer = description.load_balancers.get("https").expect("the balancer");
        balancer.backends.get("web").expect("the group").clone()
    };
    let found = group_of(&made_by);
    assert_eq!(found.targets.len(), 1);
    assert_eq!(found.port.map(|port| port.to_string()), Some("tcp/8080".to_owned()));
    let health = format!(
        r#"{{"backend": "{COMPUTE}/zones/r1-a/instanceGroups/g", "status": {{"healthStatus":
            [{{"instance": "{COMPUTE}/zones/r1-a/instances/vm", "healthState": "UNHEALTHY"}}]}}}}"#
    );
    let told = web(
        "zones/r1-a/instanceGroups/g",
        &[group(""), super::instance("vm", "10.0.0.10", ""), health],
    );
    let healthy = group_of(&told).targets.first().and_then(|target| target.healthy);
    assert_eq!(healthy.map(|healthy| healthy.value), Some(false));
    let unknown = web("zones/r1-a/instanceGroups/g", &[group("")]);
    assert!(has_gap(&unknown, "the members of group g are not in the export"));
}

#[test]
fn an_internal_rule_has_an_address_in_its_subnet_that_no_firewall_rule_protects() {
    let internal = object(
        "forwardingRule",
        "regions/r1",
        "forwardingRules",
        "inside",
        &format!(
            r#""IPAddress": "10.0.0.99", "IPProtocol": "TCP", "ports": ["8080", "9090"], "loadBalancingScheme": "INTERNAL",
            "network": "{COMPUTE}/global/networks/prod", "subnetwork": "{COMPUTE}/regions/r1/subnetworks/front",
            "backendService": "{COMPUTE}/regions/r1/backendServices/missing""#
        ),
    );
    let description = with(&[internal]);
    assert!(has_gap(&description, "missing is not in the export"));
    let made = description.load_balancers.get("inside").expect("the balancer");
    assert_eq!(made.listeners.len(), 2);
    let network = resolve(description).expect("resolved");
    let node = network.interfaces.iter().find(|row| row.name == "inside/inside").expect("the node");
    assert!(node.provider_side);
}

#[test]
fn endpoints_of_private_service_connect_are_no_balancers() {
    let endpoint = object(
        "forwardingRule",
        "regions/r1",
        "forwardingRules",
        "kafka",
        &format!(
            r#""IPAddress": "10.0.0.77", "network": "{COMPUTE}/global/networks/prod", "subnetwork": "{COMPUTE}/regions/r1/subnetworks/front",
            "target": "{COMPUTE}/regions/r1/serviceAttachments/kafka""#
        ),
    );
    let apis = object(
        "forwardingRule",
        "global",
        "forwardingRules",
        "apis",
        &format!(
            r#""IPAddress": "10.9.9.9", "network": "{COMPUTE}/global/networks/prod", "target": "all-apis""#
        ),
    );
    let description = with(&[endpoint, apis]);
    assert!(description.load_balancers.is_empty());
    let kafka = description.private_endpoints.get("kafka").expect("the endpoint");
    assert_eq!(kafka.interfaces.len(), 1);
    let apis = description.private_endpoints.get("apis").expect("the endpoint");
    assert_eq!(apis.cidrs.len(), 1);
}

#[test]
fn a_record_belongs_to_the_zone_of_the_longest_name() {
    let zone = |name: &str, dns: &str, more: &str| {
        format!(
            r#"{{"kind": "dns#managedZone", "name": "{name}", "dnsName": "{dns}", {more} "id": "{name}"}}"#
        )
    };
    let private = format!(
        r#""visibility": "private", "privateVisibilityConfig": {{"networks": [{{"networkUrl": "{COMPUTE}/global/networks/prod"}}]}},
            "forwardingConfig": {{"targetNameServers": [{{"ipv4Address": "10.0.0.53"}}]}},"#
    );
    let record = r#"{"kind": "dns#resourceRecordSet", "name": "a.in.example.com.", "type": "A", "ttl": 300, "rrdatas": ["10.0.0.5"]}"#;
    let description = with(&[
        zone("outer", "example.com.", ""),
        zone("inner", "in.example.com.", &private),
        record.to_owned(),
        record.replace("\"A\"", "\"CAA\""),
        record.replace("a.in.example.com", "a.elsewhere.org"),
    ]);
    let inner = description.dns_zones.get("inner").expect("the zone");
    assert_eq!((inner.records.len(), inner.vpcs.len(), inner.forward_to.len()), (1, 1, 1));
    assert!(description.dns_zones.get("outer").is_some_and(|zone| zone.records.is_empty()));
    assert!(has_gap(&description, "a.elsewhere.org.: its zone is not in the export"));
}

#[test]
fn clusters_and_objects_that_do_not_say_what_they_are_are_gaps() {
    let cluster = r#"{"name": "k", "clusterIpv4Cidr": "10.4.0.0/14", "selfLink": "https://container.googleapis.com/v1/projects/p/locations/r1/clusters/k"}"#;
    let description =
        with(&[cluster.to_owned(), r#"{"instance": "x", "status": "RUNNING"}"#.to_owned()]);
    assert!(has_gap(&description, "ranges of clusters"));
    assert!(has_gap(&description, "objects that do not say what they are"));
}
