//! Hosts with agents: what each has, who is behind, what flows on while something is gone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test says what it skips and stops where it cannot go on"
)]

#[path = "fleet/gamedays.rs"]
mod gamedays;
#[path = "fleet/guard.rs"]
mod guard;
mod harness;

use std::time::{Duration, Instant};

use harness::{Stays, Way, text, ways};
use serde_json::Value;

const KEY: &str = "/run/netwright/fleet/key";
const HOSTS: usize = 10;
/// How long something may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(40);

/// Machines behind two routers that accept two ports, and one more.
fn network(port: u16) -> String {
    let mut text = format!(
        "vpcs: {{ v: {{ subnets: {{ s: {{ cidr: 10.0.0.0/24 }} }} }} }}
filters: {{ f: {{ rules: [ {{ direction: egress }}, {{ direction: ingress, protocol: tcp, port: 80 }}, {{ direction: ingress, protocol: tcp, port: {port} }} ] }} }}
instances:
"
    );
    for n in 0..12 {
        text += &format!("  m{n}: {{ subnet: s, address: 10.0.0.{}, filters: f }}\n", n + 10);
    }
    text
}

struct Fleet<'a> {
    way: &'a Way,
    program: String,
}

impl Fleet<'_> {
    /// Runs a command on a host.
    fn on(&self, host: &str, words: &[&str]) -> std::process::Output {
        let mut all = vec!["exec", host, "--"];
        all.extend(words);
        self.way.lab(&all)
    }

    fn shell(&self, host: &str, script: &str) -> std::process::Output {
        self.on(host, &["bash", "-c", script])
    }

    /// Asks the server something.
    fn ask(&self, words: &[&str]) -> std::process::Output {
        let mut all = vec![self.program.as_str()];
        all.extend(words);
        all.extend(["--key-file", KEY]);
        self.on("server", &all)
    }

    fn convergence(&self) -> Value {
        let ran = self.ask(&["convergence", "--format", "json"]);
        serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"))
    }

    fn state(found: &Value, host: &str) -> String {
        let rows = found["hosts"].as_array().unwrap();
        let row = rows.iter().find(|row| row["host"] == host);
        row.map_or_else(String::new, |row| row["state"].as_str().unwrap().to_owned())
    }

    /// Waits until what the server says of convergence is as wanted.
    #[track_caller]
    fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let found = self.convergence();
            if wanted(&found) {
                return found;
            }
            let waited = start.elapsed();
            assert!(
                waited < PATIENCE,
                "{what}: {found:#}\n{}",
                text(&self.way.lab(&["logs"]).stdout)
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The host that a namespace is on.
    fn home(&self, namespace: &str) -> String {
        let name = namespace.replace('/', "%");
        let ran = self.shell("server", &format!("ls -d /run/netwright/fleet/*/ns/{name}"));
        let path = text(&ran.stdout);
        path.split('/')
            .nth(4)
            .unwrap_or_else(|| panic!("{namespace} is nowhere: {ran:?}"))
            .to_owned()
    }

    /// Whether packets go from a machine to another and back: nobody listens, so that the kernel there says so.
    fn reaches(&self, from: &str, to: u8, port: u16) -> bool {
        let host = self.home(&format!("instance/{from}"));
        let script = format!(
            "nsenter --net=/run/netwright/fleet/{host}/ns/instance%{from} timeout 1 bash -c 'exec 3<>/dev/tcp/10.0.0.{to}/{port}'"
        );
        text(&self.shell("server", &script).stderr).contains("refused")
    }

    /// Sends a signal to what a host's agent, or the server, is.
    fn signal(&self, host: &str, signal: &str) {
        let script = format!(
            "own=$(readlink /proc/self/ns/net); for p in /proc/[0-9]*; do
               [ \"$(readlink $p/ns/net)\" = \"$own\" ] && tr '\\0' ' ' < $p/cmdline | grep -q 'lab par[t]' && kill -{signal} ${{p#/proc/}} && echo sent
             done; true"
        );
        let ran = self.shell(host, &script);
        assert!(text(&ran.stdout).contains("sent"), "{ran:?}");
    }

    fn apply(&self, port: u16) {
        let file = self.way.file(&network(port));
        let ran = self.ask(&["apply", &file]);
        assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    }
}

#[test]
fn ten_hosts_tell_the_truth_while_agents_hosts_and_the_server_go_and_come() {
    for way in ways("fleet").into_iter().take(1) {
        let file = way.file(&network(81));
        let count = HOSTS.to_string();
        let up = way.lab(&["fleet", &file, "--hosts", &count]);
        assert_eq!(up.status.code(), Some(0), "{up:?}");
        let fleet = Fleet { way: &way, program: way.program.display().to_string() };
        let found = fleet.until("all have it", |found| {
            found["verdict"] == "converged" && found["hosts"].as_array().unwrap().len() == HOSTS
        });
        assert!(found["revision"].as_u64() > Some(0));
        assert!(fleet.reaches("m0", 11, 80) && fleet.reaches("m0", 11, 81));
        assert!(!fleet.reaches("m0", 11, 82));
        probed(&fleet);
        watched(&fleet);
        let first = fleet.convergence()["revision"].as_u64().unwrap();

        // An agent that is stopped is away after a while; the others go on, and what it made stays.
        let router = fleet.home("vpc/v");
        let machine = (0..12)
            .map(|n| format!("m{n}"))
            .find(|m| fleet.home(&format!("instance/{m}")) != router);
        let machine = machine.unwrap();
        let other = fleet.home(&format!("instance/{machine}"));
        fleet.signal(&router, "STOP");
        fleet.apply(82);
        let found = fleet.convergence();
        assert_eq!(found["verdict"], "pending", "nobody has heard of it: {found:#}");
        let found = fleet.until("it is away", |found| Fleet::state(found, &router) == "away");
        let second = found["revision"].as_u64().unwrap();
        assert!(second > first);
        let row =
            found["hosts"].as_array().unwrap().iter().find(|row| row["host"] == router.as_str());
        assert_eq!(row.unwrap()["runs"], first, "it runs what it ran");
        assert!(fleet.reaches("m0", 11, 81) && !fleet.reaches("m0", 11, 82));
        fleet.signal(&router, "CONT");
        fleet.until("it is back", |found| {
            found["verdict"] == "converged" && Fleet::state(found, &router) == "applied"
        });
        assert!(fleet.reaches("m0", 11, 82) && !fleet.reaches("m0", 11, 81));

        killed(&fleet, &router);
        cut_off(&fleet, &other, &router);
        without_server(&fleet);
        assert_eq!(way.lab(&["down"]).status.code(), Some(0));
    }
}

/// What hosts ask is seen, and a change that is otherwise where it runs is taken back.
fn probed(fleet: &Fleet<'_>) {
    let expects = "expect:
  open: { from: m0, to: m1, service: tcp/80 }
  closed: { from: m0, to: m2, service: tcp/99, outcome: blocked }
";
    let file = fleet.way.file(&(network(81) + expects));
    let ran = fleet.ask(&["apply", &file, "--wait"]);
    let said = text(&ran.stdout);
    assert!(said.contains("probed: 2 confirmed, 0 seen otherwise, 0 not seen"), "{ran:?}");
    assert!(said.contains("kept: what hosts saw is what was proved"), "{said}");
    let matrix = text(&fleet.ask(&["system", "--connectivity"]).stdout);
    assert!(matrix.contains("tcp/80 answered") && matrix.contains("not asked"), "{matrix}");

    // Something on a machine that nobody has described, and that comes back however often it is repaired: its answers are lost.
    let host = fleet.home("instance/m1");
    let inside = format!("nsenter --net=/run/netwright/fleet/{host}/ns/instance%m1");
    let spoil = "while [ -e /run/spoil ]; do ip route replace blackhole 10.0.0.10/32; sleep 0.02; done; ip route del blackhole 10.0.0.10/32";
    let script = format!("touch /run/spoil; setsid {inside} bash -c '{spoil}' > /dev/null 2>&1 &");
    let ran = fleet.shell("server", &script);
    assert!(ran.status.success(), "{ran:?}");
    let more = "  more: { from: m0, to: m2, service: tcp/80 }\n";
    let file = fleet.way.file(&(network(81) + expects + more));
    let ran = fleet.ask(&["apply", &file, "--wait", "--format", "json"]);
    fleet.shell("server", "rm /run/spoil");
    let told: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    assert!(told["probe"]["refuted"].as_u64() > Some(0), "{told:#}");
    assert_eq!(
        (ran.status.code(), &told["rolled_back"]),
        (Some(1), &Value::Bool(true)),
        "{told:#}"
    );
    let network = text(&fleet.ask(&["get", "expect"]).stdout);
    assert!(network.contains("open") && !network.contains("more"), "{network}");
}

/// A watch asks from machines through the agents of their hosts; of an agent that does not answer nothing is known.
fn watched(fleet: &Fleet<'_>) {
    let watched = "expect:
  open: { from: m0, to: m1, service: tcp/80 }
  closed: { from: m0, to: m2, service: tcp/99, outcome: blocked }
probes:
  page: { from: m0, target: 'http://10.0.0.11/metrics', every: 1s, timeout: 1s, up: 1, down: 1 }
  store: { from: m0, target: 'postgres://app:secret@10.0.0.11/shop' }
";
    let file = fleet.way.folder.join("watched.yaml");
    std::fs::write(&file, network(81) + watched).unwrap();
    let state = fleet.way.folder.join("state");
    let words = |more: &[&str]| {
        let mut all = vec!["lab", "exec", "--name", &fleet.way.lab, "server", "--"];
        all.extend([fleet.program.as_str(), "watch", file.to_str().unwrap()]);
        all.extend(["--server", "http://127.0.0.1:8180", "--key-file", KEY]);
        all.extend(["--state", state.to_str().unwrap()]);
        all.extend(more);
        fleet.way.command(&all)
    };
    let host = fleet.home("instance/m1");
    let program = &fleet.program;
    let serve = format!(
        "setsid nsenter --net=/run/netwright/fleet/{host}/ns/instance%m1 {program} probe --serve 10.0.0.11:80 --any-target > /run/served 2>&1 & echo $! > /run/server-of-m1"
    );
    assert!(fleet.shell("server", &serve).status.success());
    let watch = Stays::start(words(&[]));
    watch.until("store: not watched: agents do not ask it: it holds a password");
    let mut missing = vec!["open is healthy", "closed is healthy", "page is healthy"];
    while !missing.is_empty() {
        let seen = watch.until("is healthy").join("\n");
        missing.retain(|wanted| !seen.contains(wanted));
    }
    let gone = fleet.shell("server", "kill $(cat /run/server-of-m1)");
    assert!(gone.status.success(), "{gone:?}");
    watch.until("page is unhealthy, was healthy: ");
    assert_eq!(watch.interrupt().0, Some(1));

    // Nobody asks while the agent is stopped: nothing is known, and nothing is down.
    let host = fleet.home("instance/m0");
    fleet.signal(&host, "STOP");
    let once = words(&["--once", "--within", "4s"]).output().unwrap();
    fleet.signal(&host, "CONT");
    let said = text(&once.stdout);
    assert_eq!(once.status.code(), Some(3), "{once:?}");
    assert!(said.contains("3 watched: 3 unknown") && said.contains(&host), "{said}");
}

fn killed(fleet: &Fleet<'_>, router: &str) {
    // One that is killed is started again and takes over what is there.
    fleet.signal(router, "KILL");
    assert!(fleet.reaches("m0", 11, 80), "what it made stays");
    let start = Instant::now();
    while !text(&fleet.way.lab(&["logs", router]).stdout).contains("took over") {
        assert!(start.elapsed() < PATIENCE, "{}", text(&fleet.way.lab(&["logs", router]).stdout));
        std::thread::sleep(Duration::from_millis(100));
    }
    fleet.until("it goes on", |found| found["verdict"] == "converged");
    assert!(fleet.reaches("m0", 11, 80));
}

fn cut_off(fleet: &Fleet<'_>, other: &str, router: &str) {
    let way = fleet.way;
    // A host that is cut off is named; its machines are missed, the others are not.
    let ran = way.lab(&["link", &format!("host/{other}"), "--loss", "100%"]);
    assert!(ran.status.success(), "{ran:?}");
    fleet.apply(83);
    fleet.until("it is missed", |found| Fleet::state(found, other) == "away");
    // The others say of it that it does not answer: it is cut off, and its agent has not just stopped.
    let start = Instant::now();
    loop {
        let ran = fleet.ask(&["system"]);
        let line = format!("{other} is away; its machine answers nobody");
        if text(&ran.stdout).contains(&line) {
            assert_eq!(ran.status.code(), Some(1), "{ran:?}");
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{ran:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    let found = fleet.until("the others have it", |found| found["verdict"] == "converged");
    assert_eq!(Fleet::state(&found, router), "applied");
    let ran = way.lab(&["link", &format!("host/{other}"), "--clear"]);
    assert!(ran.status.success(), "{ran:?}");
    let found = fleet.until("it is back", |found| {
        found["verdict"] == "converged" && Fleet::state(found, other) != "away"
    });
    assert_eq!(found["hosts"].as_array().unwrap().len(), HOSTS);
}

fn without_server(fleet: &Fleet<'_>) {
    // Without the server packets flow on, and when it is back it knows what it knew.
    fleet.signal("server", "KILL");
    assert!(fleet.reaches("m0", 11, 83));
    let start = Instant::now();
    let found = loop {
        let ran = fleet.ask(&["convergence", "--format", "json"]);
        if let Ok(found) = serde_json::from_slice::<Value>(&ran.stdout)
            && found["verdict"] == "converged"
        {
            break found;
        }
        assert!(start.elapsed() < PATIENCE, "{ran:?}");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(found["hosts"].as_array().unwrap().len(), HOSTS);
}
