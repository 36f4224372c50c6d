//! `watch` from outside: what it tells in a pipe, what it keeps, who may ask, and what it asks from inside a lab.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::harness::{Stays, text, ways};
use super::served;

/// A folder of a test's own, gone when the test is.
struct Own(PathBuf);

impl Own {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("netwright-watch-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
        command.args(words).current_dir(&self.0).env("NETWRIGHT_STATE", &self.0).env("USER", "ann");
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn write(&self, text: &str) {
        // As editors do: another file of the same name.
        std::fs::write(self.0.join("new"), text).unwrap();
        std::fs::rename(self.0.join("new"), self.0.join("shop.yaml")).unwrap();
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until each of these was told, in any order.
#[track_caller]
fn all(watch: &Stays, wanted: &[&str]) {
    let mut missing: Vec<&str> = wanted.to_vec();
    while let Some(first) = missing.first() {
        let seen = watch.until(if missing.len() > 1 { "is healthy" } else { first }).join("\n");
        missing.retain(|wanted| !seen.contains(wanted));
    }
}

fn described(port: u16) -> String {
    format!(
        "provider: generic
probes:
  database: {{ target: 'tcp://127.0.0.1:{port}', every: 100ms, timeout: 100ms, grace: 0s }}
  page: {{ target: 'tcp://127.0.0.1:{port}', every: 100ms, timeout: 100ms, grace: 0s, depends_on: database }}
alerts:
  database-down:
    of: database
    states: [unhealthy]
    severity: critical
    component: database
    message: '{{thing}} does not answer'
    remedies: [ {{ text: Start the database }} ]
    escalation: data_team
    runbook: https://runbooks.example/database
    issue: '#1278'
"
    )
}

#[test]
fn a_watch_tells_what_fails_and_what_to_do_takes_edits_and_keeps_what_it_knows() {
    let own = Own::new("tells");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    own.write(&described(port));
    let watch = Stays::start(own.command(&["watch", "shop.yaml"]));
    all(&watch, &["database is healthy", "page is healthy"]);
    let health = own.run(&["health"]);
    assert_eq!(health.status.code(), Some(0), "{health:?}");
    assert!(text(&health.stdout).contains("2 watched: 2 healthy"), "{health:?}");
    let second = own.run(&["watch", "shop.yaml"]);
    assert_eq!(second.status.code(), Some(2), "one watch at a time: {second:?}");

    drop(listener);
    watch.until("CRITICAL database: database does not answer [");
    let alerts = own.run(&["alerts"]);
    assert_eq!(alerts.status.code(), Some(1), "{alerts:?}");
    let shown = text(&alerts.stdout);
    for part in
        ["do: Start the database", "next: data_team", "see: https://runbooks", "issue: #1278"]
    {
        assert!(shown.contains(part), "{shown}");
    }
    let health = own.run(&["health", "--format", "json"]);
    assert_eq!(health.status.code(), Some(1), "{health:?}");
    let json: serde_json::Value = serde_json::from_slice(&health.stdout).unwrap();
    let component = &json["components"][0];
    assert!(component["reason"].as_str().unwrap().contains("connection_refused"), "{component}");

    let silence = own.run(&["silence", "data*", "--for", "2h", "--why", "NET-42"]);
    assert_eq!(text(&silence.stdout), "silence 1 begins\n", "{silence:?}");
    let alerts = own.run(&["alerts"]);
    assert_eq!(alerts.status.code(), Some(0), "{alerts:?}");
    assert!(text(&alerts.stdout).contains("told to nobody: silenced by ann: NET-42"), "{alerts:?}");
    let lifted = own.run(&["silence", "--lift", "1"]);
    assert_eq!(lifted.status.code(), Some(0), "{lifted:?}");
    let none = own.run(&["silence", "--lift", "1"]);
    assert_eq!(none.status.code(), Some(2), "{none:?}");

    own.write(&described(port).replace("depends_on: database", "depends_on: databse"));
    watch.until("the file is wrong now");
    watch.until("did you mean `database`?");
    let health = text(&own.run(&["health"]).stdout);
    assert!(health.contains("shop.yaml is wrong now; what it was goes on"), "{health}");
    own.write(&described(port).replace("100ms }", "90ms }"));
    watch.until("2 things are watched by 1 rules");
    let (code, _) = watch.interrupt();
    assert_eq!(code, Some(1), "something is not healthy");

    // Nobody watches: what was known is told, and that it is old. The next one knows it too.
    let health = own.run(&["health"]);
    assert_eq!(health.status.code(), Some(3), "{health:?}");
    assert!(text(&health.stdout).contains("unhealthy"), "{health:?}");
    assert!(text(&health.stderr).contains("nothing watches"), "{health:?}");
    let health = text(&own.run(&["health", "da*"]).stdout);
    assert!(health.contains("1 watched: 1 unhealthy") && !health.contains("page"), "{health}");
    let _again = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let watch = Stays::start(own.command(&["watch", "shop.yaml", "--format", "json"]));
    watch.until(r#""from":"unhealthy","to":"healthy""#);
    assert!(watch.interrupt().0.is_some());
}

#[test]
fn once_asks_until_everything_is_known_and_ends_as_the_contract_says() {
    let own = Own::new("once");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    own.write(&described(port));
    let once = own.run(&["watch", "shop.yaml", "--once"]);
    assert_eq!(once.status.code(), Some(0), "{once:?}");
    drop(listener);
    let once = own.run(&["watch", "shop.yaml", "--once", "--format", "json"]);
    assert_eq!(once.status.code(), Some(1), "{once:?}");
    let json: serde_json::Value = serde_json::from_slice(&once.stdout).unwrap();
    assert_eq!(json["states"]["unhealthy"], 2, "{json}");
    // What is asked in a lab that is not there is unknown, and says why.
    own.write(
        "provider: generic
vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }
instances: { a: { subnet: s, address: 10.0.0.1 }, b: { subnet: s, address: 10.0.0.2 } }
expect: { way: { from: a, to: b, service: tcp/80 } }
",
    );
    let once = own.run(&["watch", "shop.yaml", "--once", "--within", "3s", "--lab", "not-there"]);
    assert_eq!(once.status.code(), Some(3), "{once:?}");
    assert!(text(&once.stdout).contains("not-there"), "{once:?}");
}

#[test]
fn a_watch_asks_from_inside_a_lab_and_sees_what_happens_there() {
    for way in ways("watch") {
        let network = |port: u16| {
            let open = format!("protocol: tcp, port: {port}");
            let expected = "expect:
  open: { from: web, to: db, service: tcp/80 }
  shut: { from: web, to: db, service: tcp/81, outcome: blocked }
";
            served::network(&way, &[&open], expected)
        };
        let file = way.file(&network(80));
        let up = way.lab(&["up", &file]);
        assert_eq!(up.status.code(), Some(0), "{up:?}");
        let state = way.folder.join("state");
        let words = ["watch", &file, "--lab", &way.lab, "--state", state.to_str().unwrap()];
        let watch = Stays::start(way.command(&words));
        all(&watch, &["open is healthy", "shut is healthy"]);
        // The lab changes, the description does not.
        let other = Path::new(&file).with_file_name("other.yaml");
        std::fs::write(&other, network(90)).unwrap();
        let apply = way.lab(&["apply", other.to_str().unwrap()]);
        assert_eq!(apply.status.code(), Some(0), "{apply:?}");
        watch.until("open is unhealthy, was healthy: ");
        way.lab(&["down"]);
        watch.until("open is unknown");
        assert_eq!(watch.interrupt().0, Some(3));
    }
}
