use std::time::Duration;

use netwright_model::source::Sources;

use super::{Scraped, dashboard, panels, rules, scrape};
use crate::alert;

const DECLARED: &str = "alerts:
  vpc-connector-capacity: { of: staging-connector, metric: capacity_utilisation, above_share: 80%, severity: warning, component: vpc_connector,
    message: 'VPC connector at {percent} capacity', escalation: infrastructure_team, runbook: 'https://runbooks.example/connector',
    remedies: [{ metric: instances, at_least: 10, text: 'a larger type' }, { text: 'raise its most instances' }] }
  database-connection-time: { of: 'database*', metric: connect_seconds, above: 5s, severity: critical, issue: '#1278', for: 1m, keep: 2m }
  ssl-validation-time: { metric: tls_seconds, above: 5s, missing: ignored }
  health-check-failure-rate: { metric: failure_rate, above_share: 10% }
  down: { states: [unhealthy, unknown] }
";

fn declared() -> Vec<alert::Rule> {
    let mut sources = Sources::default();
    alert::rules(&netwright_model::parse_description("test.yaml", DECLARED, &mut sources).unwrap())
}

#[test]
fn every_declared_threshold_becomes_a_rule_with_what_people_need() {
    let text = rules(&declared());
    for line in [
        "expr: \"netwright_component_measure{component=\\\"staging-connector\\\",measure=\\\"capacity_utilisation\\\"} >= 0.8\"",
        "summary: \"VPC connector at {{ $value | humanizePercentage }} capacity\"",
        "remediation: \"where instances is at least 10: a larger type; else raise its most instances\"",
        "labels: { severity: warning, component: \"vpc_connector\" }",
        "runbook_url: \"https://runbooks.example/connector\"",
        "escalation: \"infrastructure_team\"",
        "- alert: \"vpc-connector-capacity: no data\"",
        "expr: \"netwright_component_measure{component=~\\\"database.*\\\",measure=\\\"connect_seconds\\\"} >= 5\"",
        "for: 60000ms",
        "keep_firing_for: 120000ms",
        "issue: \"#1278\"",
        "expr: \"netwright_component_failure_ratio{component!=\\\"\\\"} >= 0.1\"",
        "expr: \"netwright_component_state{component!=\\\"\\\",netwright_component_state=~\\\"unhealthy|unknown\\\"} == 1\"",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(!text.contains("ssl-validation-time: no data"), "{text}");
}

#[test]
fn probes_are_scraped_by_name_and_names_with_quotes_break_nothing() {
    let probes = [Scraped { name: "a \"b\"".to_owned(), target: "tcp://10.0.0.1:5432".to_owned() }];
    let text = scrape(&probes, ("127.0.0.1:9115", Some("127.0.0.1:9116")), Duration::from_secs(1));
    assert!(
        text.contains("targets: [\"tcp://10.0.0.1:5432\"], labels: { probe: \"a \\\"b\\\"\" }"),
        "{text}"
    );
    assert!(text.contains("replacement: \"127.0.0.1:9115\""), "{text}");
    assert!(text.contains("job_name: netwright-watch"), "{text}");
}

#[test]
fn d9_the_dashboard_has_a_place_and_a_query_for_each_panel() {
    let board = dashboard("staging");
    let all = board["panels"].as_array().unwrap();
    assert_eq!(all.len(), panels().len());
    let mut places = std::collections::BTreeSet::new();
    for panel in all {
        let place = &panel["gridPos"];
        assert!(places.insert(format!("{}/{}", place["x"], place["y"])), "{place}");
        assert!(!panel["targets"][0]["expr"].as_str().unwrap().is_empty());
    }
}
