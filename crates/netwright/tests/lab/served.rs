//! The network of tests that ask: `web`, and `db` with a web server on its port 80 (this program as an exporter) behind a filter.

use super::harness::Way;

/// With what the filter lets in, as `protocol: tcp, port: 80`, and with what else is described.
pub(super) fn network(way: &Way, open: &[&str], rest: &str) -> String {
    let program = way.program.display();
    let rule =
        |open: &&str| format!("      - {{ direction: ingress, {open}, from: 10.0.0.0/24 }}\n");
    let rules: String = open.iter().map(rule).collect();
    format!(
        "vpcs: {{ v: {{ subnets: {{ s: {{ cidr: 10.0.0.0/24 }} }} }} }}
filters:
  db:
    rules:
{rules}instances:
  web: {{ subnet: s, address: 10.0.0.10 }}
  db:
    subnet: s
    address: 10.0.0.20
    filters: db
    exec: [ {{ name: web, run: '{program} probe --serve 10.0.0.20:80 --any-target', ready: {{ port: tcp/80 }} }} ]
{rest}"
    )
}
