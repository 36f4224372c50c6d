//! Gateways, services and operation.

use super::{
    CHECKED, Case, PROBES, SENDS_ALL, aws_nat, balancer, nat, serverless, subnet, timeouts,
};

pub(super) fn gateways() -> Vec<Case> {
    let beside = |mode: &str| {
        serverless(
            "",
            &format!("egress: {{ mode: {mode}, connector: c }}"),
            "nat_gateways: { n: { vpc: p, region: r, address: 198.51.100.1 } }",
        )
    };
    let listed = |allocation: &str| {
        let service =
            format!("{SENDS_ALL}, dependencies: {{ x: {{ to: \"external:x\", port: 443 }} }}");
        serverless(
            "",
            &service,
            &format!(
                "externals: {{ x: {{ address: 203.0.113.9, allow_from: 198.51.100.1 }} }}\nnat_gateways: {{ n: {{ vpc: p, region: r, {allocation} }} }}"
            ),
        )
    };
    let machines = |public: &str| {
        format!(
            "
provider: aws
vpcs: {{ p: {{ cidr: 10.0.0.0/16, subnets: {{ s: {{ cidr: 10.0.1.0/24 }} }}, route_tables: {{ m: {{ routes: [ {{ to: 0.0.0.0/0, via: \"internet_gateway:gw\" }} ] }} }}, main_route_table: m }} }}
internet_gateways: {{ gw: {{ vpc: p }} }}
instances: {{ a: {{ subnet: s, {public} }} }}
"
        )
    };
    vec![
        ("NW-NAT-001", beside("private-ranges-only"), beside("all-traffic")),
        ("NW-NAT-002", listed("address_allocation: automatic"), listed("address: 198.51.100.1")),
        ("NW-NAT-003", serverless("", SENDS_ALL, ""), nat("address: 198.51.100.1")),
        ("NW-NAT-003", machines(""), machines("public_address: 198.51.100.1")),
        (
            "NW-NAT-004",
            nat("address: 198.51.100.1, peak_connections_per_client: 65"),
            nat("address: 198.51.100.1, peak_connections_per_client: 64"),
        ),
        (
            "NW-NAT-004",
            nat("address: 198.51.100.1, ports_per_client: 64512")
                .replace("cidr: 10.8.0.0/28, ", "cidr: 10.8.0.0/28, max_instances: 3, "),
            nat("address: 198.51.100.1, ports_per_client: 21504")
                .replace("cidr: 10.8.0.0/28, ", "cidr: 10.8.0.0/28, max_instances: 3, "),
        ),
        ("NW-NAT-004", aws_nat(27_501), aws_nat(27_500)),
        (
            "NW-NAT-005",
            nat("address: 198.51.100.1, port_allocation: dynamic, ports_per_client: 100"),
            nat("address: 198.51.100.1, port_allocation: dynamic, ports_per_client: 128"),
        ),
        (
            "NW-NAT-006",
            serverless(
                "",
                SENDS_ALL,
                "nat_gateways: { n: { vpc: p, region: r }, m: { vpc: p, region: r } }",
            ),
            serverless(
                "",
                SENDS_ALL,
                "nat_gateways: { n: { vpc: p, serves: [s] }, m: { vpc: p, serves: [d] } }",
            ),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn services() -> Vec<Case> {
    let connector = |fields: &str| serverless(fields, "", "");
    let range = |cidr: &str| connector("").replace("10.8.0.0/28", cidr);
    let direct = |most: u32| {
        serverless(
            "",
            &format!("egress: {{ mode: all-traffic, subnet: d }}, max_instances: {most}"),
            "",
        )
    };
    let probe = |fields: &str| serverless("", &format!("startup_probe: {{ {fields} }}"), "");
    let setting = |name: &str| serverless("", &format!("environment: {{ {name}: \"600\" }}"), "");
    let certificate = |fields: &str| format!("certificates: {{ c: {{ {fields} }} }}");
    let host = |name: &str| {
        format!(
            "{}load_balancers: {{ lb: {{ hosts: {name}, certificates: c }} }}\ncertificates: {{ c: {{ names: \"*.example.com\" }} }}",
            subnet("")
        )
    };
    let expected = |name: &str| {
        serverless(
            "",
            &format!(
                "dependencies: {{ x: {{ to: \"external:x\", port: 443, server_name: {name} }} }}"
            ),
            "externals: { x: { address: 203.0.113.9, certificate: c } }\ncertificates: { c: { names: \"*.example.com\" } }",
        )
    };
    let database = |from: &str| {
        format!(
            "{}databases: {{ d: {{ public_address: 198.51.100.9, authorized_networks: {from} }} }}",
            subnet("")
        )
    };
    let checked = |check: &str| balancer(check, PROBES);
    vec![
        (
            "NW-CON-001",
            connector("machine_type: e2-standard-8"),
            connector("machine_type: e2-standard-4"),
        ),
        (
            "NW-CON-002",
            connector("min_instances: 5, max_instances: 50"),
            connector("min_instances: 9, max_instances: 10"),
        ),
        (
            "NW-CON-002",
            connector("min_instances: 3, max_instances: 3"),
            connector("min_instances: 2, max_instances: 3"),
        ),
        ("NW-CON-003", range("10.8.0.0/27"), range("10.8.0.0/28")),
        ("NW-CON-003", range("10.0.1.16/28"), range("10.0.3.16/28")),
        (
            "NW-CON-004",
            connector("peak_throughput: 801Mbps"),
            connector("peak_throughput: 800Mbps"),
        ),
        ("NW-LB-001", checked(CHECKED).replace("instance:web", "service:run"), checked(CHECKED)),
        (
            "NW-LB-002",
            checked("interval: 10s, timeout: 15s"),
            checked("interval: 10s, timeout: 10s"),
        ),
        ("NW-LB-003", checked("healthy_threshold: 1"), checked("healthy_threshold: 2")),
        (
            "NW-LB-004",
            checked(&format!("{CHECKED}, detect_within: 30s")),
            checked(&format!("{CHECKED}, detect_within: 35s")),
        ),
        (
            "NW-LB-005",
            balancer(
                CHECKED,
                "{ direction: ingress, protocol: tcp, port: 80, from: 35.191.0.0/16 }",
            ),
            checked(CHECKED),
        ),
        (
            "NW-SVC-002",
            probe("period: 10s, failure_threshold: 25"),
            probe("period: 10s, failure_threshold: 24"),
        ),
        ("NW-SVC-003", probe("period: 10s, timeout: 10s"), probe("period: 10s, timeout: 9s")),
        ("NW-SVC-004", direct(16), direct(15)),
        (
            "NW-SVC-005",
            setting("CLOUD_SQL_CONNECTIONS_TIMEOUT"),
            setting("CSQL_PROXY_MAX_CONNECTIONS"),
        ),
        ("NW-CERT-001", host("api.staging.example.com"), host("staging.example.com")),
        ("NW-CERT-001", expected("a.b.example.com"), expected("b.example.com")),
        ("NW-CERT-002", certificate("expires: 2025-12-31"), certificate("expires: 2026-01-31")),
        (
            "NW-CERT-002",
            certificate("expires: 2026-01-30"),
            certificate("expires: 2026-01-30, managed: true"),
        ),
        ("NW-CERT-003", certificate("status: PROVISIONING_FAILED"), certificate("status: ACTIVE")),
        ("NW-DB-001", database("0.0.0.0/0"), database("198.51.100.0/24")),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn operation() -> Vec<Case> {
    let pool = |pool: &str, connect: &str| {
        serverless(
            "",
            &format!(
                "max_instances: 2, dependencies: {{ d: {{ to: \"database:d\", connect_timeout: {connect}, pool: {{ {pool} }} }} }}"
            ),
            "databases: { d: { vpc: p, private_address: 10.9.0.3, max_connections: 103 } }",
        )
    };
    let alert = |fields: &str| {
        format!("{}alerts: {{ a: {{ {fields} }} }}", timeouts("app: { value: 35s }"))
    };
    let probe = |target: &str, zones: &str| {
        format!(
            "
provider: generic
vpcs: {{ p: {{ subnets: {{ s: {{ cidr: 10.0.0.0/24 }} }} }} }}
instances: {{ a: {{ subnet: s, address: 10.0.0.10 }}, b: {{ subnet: s, address: 10.0.0.11 }} }}
probes: {{ asks: {{ from: b, target: '{target}' }} }}
{zones}
"
        )
    };
    let criterion = |fields: &str| {
        format!(
            "{}criteria: {{ c: {{ {fields} }} }}",
            timeouts("app: { value: 35s }, db: { value: 10s }")
        )
    };
    let golden = |within: &str| {
        serverless(
            "",
            "dependencies: { d: { to: \"database:d\", connect_timeout: 35s } }",
            &format!(
                "databases: {{ d: {{ vpc: p, private_address: 10.9.0.3 }} }}\ngolden_paths: {{ g: {{ through: [\"service:web\"], within: {within} }} }}"
            ),
        )
    };
    vec![
        (
            "NW-TIME-001",
            timeouts("o: { value: 5s }, i: { value: 3s, attempts: 2, inside: o }"),
            timeouts("o: { value: 6s }, i: { value: 3s, attempts: 2, inside: o }"),
        ),
        (
            "NW-TIME-002",
            timeouts(
                "o: { value: 600s, kind: idle, infrastructure: true }, i: { value: 3600s, kind: idle, inside: o }",
            ),
            timeouts(
                "o: { value: 620s, kind: idle, infrastructure: true }, i: { value: 600s, kind: idle, inside: o }",
            ),
        ),
        ("NW-TIME-003", timeouts("o: { kind: idle }"), timeouts("o: { value: 5s }")),
        (
            "NW-POOL-001",
            pool("size: 30, max_overflow: 21", "5s"),
            pool("size: 30, max_overflow: 20", "5s"),
        ),
        (
            "NW-POOL-002",
            pool("size: 5, recycle: 3600s", "5s"),
            pool("size: 5, recycle: 600s", "5s"),
        ),
        (
            "NW-POOL-002",
            pool("size: 5, recycle: 3600s", "5s"),
            pool("size: 5, recycle: 3600s, keepalive: 60s", "5s"),
        ),
        (
            "NW-POOL-003",
            pool("size: 5, timeout: 35s", "600s"),
            pool("size: 5, timeout: 35s", "35s"),
        ),
        (
            "NW-ALERT-001",
            alert("above: 300s, bounded_by: app"),
            alert("above: 30s, bounded_by: app"),
        ),
        ("NW-ALERT-002", alert("above: 5s, evaluated: false"), alert("above: 5s, evaluated: true")),
        ("NW-ALERT-003", alert("above: 5s, missing: \"0\""), alert("above: 5s, missing: unknown")),
        (
            "NW-ALERT-004",
            alert("metric: conect_seconds, above: 5s"),
            alert("metric: connect_seconds, above: 5s"),
        ),
        ("NW-ALERT-005", alert("above: 5s, of: nobody"), alert("above: 5s")),
        (
            "NW-ALERT-006",
            alert("above: 5s, severity: crtical"),
            alert("above: 5s, severity: critical"),
        ),
        ("NW-PROBE-001", probe("tcp://a:5432", ""), probe("tcp://10.0.0.10:5432", "")),
        ("NW-PROBE-001", probe("https://user@A/health", ""), probe("https://a.example/health", "")),
        (
            "NW-PROBE-001",
            probe(
                "redis://a",
                "dns_zones: { other: { vpcs: p, records: [ { name: b, value: 10.0.0.10 } ] } }",
            ),
            probe(
                "redis://a",
                "dns_zones: { a: { vpcs: p, records: [ { name: '@', value: 10.0.0.10 } ] } }",
            ),
        ),
        ("NW-ALERT-004", alert("severity: page"), alert("severity: page, states: [unhealthy]")),
        (
            "NW-CRIT-001",
            criterion("within: 40s, bounded_by: app"),
            criterion("within: 30s, bounded_by: app"),
        ),
        (
            "NW-CRIT-002",
            criterion("within: 40s, includes: [app, db]"),
            criterion("within: 45s, includes: [app, db]"),
        ),
        ("NW-CRIT-002", golden("30s"), golden("35s")),
    ]
}
