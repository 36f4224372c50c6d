//! `doctor` on a live lab: what works, what a change broke, and logs beside it.

use serde_json::Value;

use super::harness::{Way, text, ways};

/// A service that needs a database behind a NAT gateway, which a change takes away.
fn network(nat: &str) -> String {
    format!(
        "provider: gcp
vpcs:
  v:
    main_route_table: default
    route_tables: {{ default: {{ routes: [ {{ to: 0.0.0.0/0, via: 'internet_gateway:default' }} ] }} }}
    subnets: {{ s: {{ cidr: 10.10.0.0/24, region: us-central1 }} }}
    region: us-central1
internet_gateways: {{ default: {{ vpc: v }} }}
{nat}
connectors:
  c: {{ vpc: v, cidr: 10.166.0.0/28, region: us-central1, machine_type: e2-micro, min_instances: 2, max_instances: 3 }}
instances:
  redis: {{ subnet: v/s, address: 10.10.0.5, listens: tcp/6379 }}
filters:
  f:
    attach: vpc
    vpc: v
    ordered: true
    default_egress: allow
    rules: [ {{ name: in, direction: ingress, priority: 1000, protocol: tcp, port: 6379, from: 10.166.0.0/28 }} ]
databases:
  main: {{ engine: postgres, vpc: v, private_address: 10.20.0.3, public_address: 34.172.10.20 }}
services:
  auth:
    egress: {{ mode: all-traffic, connector: c }}
    dependencies:
      database: {{ to: 'database:main', via: socket, connect_timeout: 15s }}
      cache: {{ to: 'instance:redis' }}
alerts:
  connector-capacity: {{ of: c, metric: capacity_utilisation, above_share: 80%, severity: warning, component: vpc-connector }}
  database-connection-time: {{ of: 'database:main', metric: connect_seconds, above: 60s, severity: critical }}
"
    )
}

const NAT: &str =
    "nat_gateways: { n: { vpc: v, region: us-central1, addresses: [198.51.100.10] } }";

const LOG: &str = "Database connection validation timeout exceeded (15s). This may indicate network connectivity issues or database overload.
ModuleNotFoundError: No module named 'auth_service'
";

fn doctor(way: &Way, words: &[&str]) -> (Option<i32>, String) {
    let all =
        [&["doctor", "network.yaml", "--lab", &way.lab, "--timeout", "1s", "-n", "2"][..], words];
    let ran = way.command(&all.concat()).output().unwrap();
    assert!(ran.stderr.is_empty(), "{ran:?}");
    (ran.status.code(), text(&ran.stdout))
}

fn checks(json: &str) -> Vec<(String, String, String)> {
    let json: Value = serde_json::from_str(json).unwrap();
    let word = |check: &Value, field: &str| check[field].as_str().unwrap_or("-").to_owned();
    let of = |check: &Value| (word(check, "name"), word(check, "verdict"), word(check, "domain"));
    json["checks"].as_array().unwrap().iter().map(of).collect()
}

fn found<'a>(checks: &'a [(String, String, String)], name: &str) -> (&'a str, &'a str) {
    let check = checks
        .iter()
        .find(|(own, ..)| own == name)
        .unwrap_or_else(|| panic!("{name} in {checks:?}"));
    (&check.1, &check.2)
}

const DATABASE: &str = "auth → database:main (database)";

#[test]
fn a_live_system_is_judged_by_its_description_and_a_fault_is_placed_with_its_evidence() {
    for way in ways("doctor") {
        let file = way.file(&network(NAT));
        let up = way.lab(&["up", &file]);
        assert_eq!(up.status.code(), Some(0), "{up:?}");
        // Nothing measures the connector here: that is unknown, and does not pass.
        let (code, out) = doctor(&way, &["--format", "json"]);
        assert_eq!(code, Some(3), "{out}");
        let all = checks(&out);
        assert_eq!(found(&all, DATABASE), ("pass", "-"), "{out}");
        assert_eq!(found(&all, "connector-capacity"), ("unknown", "-"), "{out}");
        let handed = ["--format", "json", "--measured", "c:capacity_utilisation=0.5"];
        let (code, out) = doctor(&way, &handed);
        assert_eq!(code, Some(0), "{out}");
        assert_eq!(found(&checks(&out), "connector-capacity: c"), ("pass", "-"), "{out}");

        std::fs::write(way.folder.join("auth.log"), LOG).unwrap();
        way.file(&network(""));
        let changed = way.lab(&["apply", &file]);
        assert!(changed.status.success(), "{changed:?}");
        let (code, out) = doctor(&way, &["--focus", "database"]);
        assert_eq!(code, Some(1), "{out}");
        assert!(out.contains("as described it cannot work: "), "{out}");
        assert!(out.contains("no NAT gateway"), "{out}");
        assert!(out.contains("to do: "), "{out}");
        assert!(!out.contains("instance:redis"), "what is not in focus is not asked: {out}");
        let (code, out) = doctor(&way, &["--format", "json", "--log", "auth.log"]);
        assert_eq!(code, Some(1), "{out}");
        let all = checks(&out);
        assert_eq!(found(&all, DATABASE), ("fail", "configuration"), "{out}");
        assert_eq!(found(&all, "auth → instance:redis (cache)"), ("pass", "-"), "{out}");
        assert_eq!(found(&all, "log auth.log"), ("fail", "both"), "{out}");
        let (code, out) = doctor(&way, &["--format", "junit", "--focus", "auth"]);
        assert_eq!(code, Some(1), "{out}");
        assert!(
            out.contains("<failure message=") && out.contains("classname=\"database:main\""),
            "{out}"
        );
    }
}
