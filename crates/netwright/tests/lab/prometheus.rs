//! A real Prometheus in a lab: it loads the rules that are written for it, scrapes the exporter and who watches, and fires when a target is cut.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::harness::{Way, text, ways};

const PROMETHEUS: &str = "/usr/bin/prometheus";
const PROMTOOL: &str = "/usr/bin/promtool";

/// How long something may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(90);

fn is_there() -> bool {
    let there = Path::new(PROMETHEUS).exists() && Path::new(PROMTOOL).exists();
    if !there {
        eprintln!("skipped: no Prometheus: `sudo apt-get install prometheus`");
    }
    there
}

/// db's door is open where `open` says so; mon has Prometheus, the exporter and who watches.
fn network(way: &Way, open: bool) -> String {
    let program = way.program.display();
    let folder = way.folder.display();
    let port = if open { 80 } else { 81 };
    format!(
        "name: shop
vpcs: {{ v: {{ subnets: {{ s: {{ cidr: 10.0.0.0/24 }} }} }} }}
filters: {{ db: {{ rules: [ {{ direction: ingress, protocol: tcp, port: {port}, from: 10.0.0.0/24 }} ] }} }}
instances:
  db: {{ subnet: s, address: 10.0.0.20, filters: db, exec: [ {{ name: web, run: '{program} probe --serve 10.0.0.20:80 --any-target' }} ] }}
  mon:
    subnet: s
    address: 10.0.0.30
    exec:
      - {{ name: exporter, run: '{program} probe --serve 10.0.0.30:9115 --allow 10.0.0.0/24' }}
      - {{ name: watch, run: '{program} watch {folder}/network.yaml --serve 10.0.0.30:9116 --state {folder}/state' }}
      - {{ name: prometheus, run: '{PROMETHEUS} --config.file={folder}/prometheus.yaml --storage.tsdb.path={folder}/data --web.listen-address=10.0.0.30:9090' }}
probes: {{ door: {{ target: 'tcp://10.0.0.20:80', every: 1s, timeout: 1s, grace: 0s }} }}
alerts:
  database-connection-time: {{ of: door, metric: connect_seconds, above: 5s, severity: critical }}
  connector-capacity: {{ metric: capacity_utilisation, above_share: 80%, severity: warning, message: 'at {{percent}}' }}
"
    )
}

fn written(way: &Way, words: &[&str]) -> String {
    let ran = way.command(&[&["monitoring"][..], words].concat()).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    text(&ran.stdout)
}

/// Whether Prometheus, asked from inside, answers a query with this.
fn answers(way: &Way, query: &str, expected: &str) -> bool {
    let encoded: String = query.bytes().map(|octet| format!("%{octet:02X}")).collect();
    let url = format!("http://10.0.0.30:9090/api/v1/query?query={encoded}");
    let words =
        ["probe", "--lab", &way.lab, "--from", "mon", &url, "--body", expected, "--timeout", "5s"];
    way.command(&words).output().unwrap().status.success()
}

fn wait(way: &Way, query: &str, expected: &str) {
    let begun = Instant::now();
    while !answers(way, query, expected) {
        let logs = || text(&way.lab(&["logs", "mon"]).stdout);
        assert!(begun.elapsed() < PATIENCE, "{query} never has {expected}\n{}", logs());
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_real_prometheus_takes_the_rules_scrapes_the_probes_and_fires_when_a_target_is_cut() {
    if !is_there() {
        return;
    }
    for way in ways("prometheus").into_iter().take(1) {
        let file = way.file(&network(&way, true));
        let rules = written(&way, &["rules", "network.yaml"]);
        std::fs::write(way.folder.join("rules.yaml"), rules).unwrap();
        let checked = Command::new(PROMTOOL)
            .args(["check", "rules"])
            .arg(way.folder.join("rules.yaml"))
            .output()
            .unwrap();
        assert!(checked.status.success(), "{checked:?}");
        let scrape = written(
            &way,
            &[
                "scrape",
                "network.yaml",
                "--exporter",
                "10.0.0.30:9115",
                "--station",
                "10.0.0.30:9116",
                "--every",
                "1s",
            ],
        );
        assert!(scrape.contains("probe: \"door\""), "{scrape}");
        let global = "global: { evaluation_interval: 1s }\nrule_files: [ rules.yaml ]\n";
        std::fs::write(way.folder.join("prometheus.yaml"), format!("{global}{scrape}")).unwrap();
        let up = way.lab(&["up", &file]);
        assert!(up.status.success(), "{up:?}");
        wait(&way, "probe_success{probe=\"door\"}", "\"1\"]");
        wait(&way, "netwright_probe_phase_seconds{phase=\"connect\"}", "\"probe\":\"door\"");

        let state = |state: &str| {
            format!(
                "netwright_component_state{{component=\"door\",netwright_component_state=\"{state}\"}} == 1"
            )
        };
        wait(&way, &state("healthy"), "\"job\":\"netwright-watch\"");
        wait(&way, "netwright_watch_configuration_ok", "\"1\"]");

        // What the dashboard asks is understood.
        let dashboard: serde_json::Value =
            serde_json::from_str(&written(&way, &["dashboard", "network.yaml"])).unwrap();
        assert_eq!(dashboard["title"], "Netwright: shop");
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let query = target["expr"].as_str().unwrap();
                assert!(answers(&way, query, "\"status\":\"success\""), "{query}");
            }
        }

        let failed = "ALERTS{alertname=\"NetwrightProbeFailed\",alertstate=\"firing\"}";
        assert!(!answers(&way, failed, "\"probe\":\"door\""), "nothing is cut yet");
        way.file(&network(&way, false));
        assert!(way.lab(&["apply", &file]).status.success());
        wait(&way, failed, "\"probe\":\"door\"");
        wait(&way, &state("unhealthy"), "\"component\":\"door\"");
        way.file(&network(&way, true));
        assert!(way.lab(&["apply", &file]).status.success());
        wait(&way, failed, "\"result\":[]");
    }
}

/// What an exporter answers to a GET, without its head.
fn get(address: &str, path: &str) -> String {
    use std::io::Read;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn what_the_exporter_answers_follows_the_rules_of_names() {
    if !is_there() {
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
    command.args(["probe", "--serve", "127.0.0.1:0", "--allow", "127.0.0.0/8"]);
    let exporter = super::harness::Stays::start(command);
    let said = exporter.until("listening on http://").remove(0);
    let address = said.trim().strip_prefix("listening on http://").unwrap().to_owned();
    for path in ["/metrics".to_owned(), format!("/probe?target={address}/metrics")] {
        let page = get(&address, &path);
        let mut promtool = Command::new(PROMTOOL)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        let checked = promtool.wait_with_output().unwrap();
        assert!(checked.status.success(), "{page}\n{checked:?}");
    }
}
