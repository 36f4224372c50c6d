//! Hosts with agents: what each has, who is behind, what flows on while something is gone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test says what it skips and stops where it cannot go on"
)]

mod harness;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Stays, Way, text, ways};
use serde_json::{Value, json};

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

/// Machines behind one router that answer on a port.
const FEW: &str = "vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }
filters: { f: { rules: [ { direction: egress }, { direction: ingress, protocol: tcp, port: 80 } ] } }
instances:
  m0: { subnet: s, address: 10.0.0.10, filters: f, listens: tcp/80 }
  m1: { subnet: s, address: 10.0.0.11, filters: f, listens: tcp/80 }
  m2: { subnet: s, address: 10.0.0.12, filters: f, listens: tcp/80, exec: [ { run: 'sleep 98771 & exec sleep 98772' } ] }
  m3: { subnet: s, address: 10.0.0.13, filters: f, listens: tcp/80, exec: [ { run: \"perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 80, Listen => 9, ReuseAddr => 1); $s->accept while 1'\" } ] }
dns_zones: { internal: { vpcs: v, records: [ { name: m1, value: 10.0.0.11 } ] } }
";

const SERVER: &str = "http://127.0.0.1:8180";

/// A cut between two machines, for some time.
fn cut(between: &str, and: &str, time: &str, safety: &str) -> String {
    format!(
        "{{ title: A cut on hosts, faults: {{ cut: {{ between: {between}, and: {and} }} }}, method: [ {{ fault: cut, for: {time} }} ], safety: {{ lease: 4s, {safety} }} }}\n"
    )
}

impl Fleet<'_> {
    fn gameday(&self, words: &[&str]) -> std::process::Output {
        let all = [&["gameday"], words, &["--server", SERVER]].concat();
        self.ask(&all)
    }

    /// A file of its own for an experiment.
    fn experiment(&self, name: &str, text: &str) -> String {
        let path = self.way.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs an experiment on the hosts.
    fn run(&self, name: &str, text: &str) -> std::process::Output {
        let file = self.experiment(name, text);
        self.gameday(&["run", &file, "--output", &format!("/run/runs/{name}")])
    }

    #[track_caller]
    fn until_said(&self, what: &str) -> String {
        self.until_said_without(what, None)
    }

    /// The same, and something else is not said any more.
    #[track_caller]
    fn until_said_without(&self, what: &str, without: Option<&str>) -> String {
        let start = Instant::now();
        loop {
            let said = text(&self.gameday(&["status"]).stdout);
            if said.contains(what) && without.is_none_or(|other| !said.contains(other)) {
                return said;
            }
            assert!(start.elapsed() < PATIENCE, "{what}: {said}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether any namespace of any host has rules of a fault.
    fn rules_are_left(&self) -> bool {
        let script =
            "for ns in /run/netwright/fleet/*/ns/*; do nsenter --net=$ns nft list tables; done";
        let ran = self.shell("server", script);
        text(&ran.stdout).contains("netwright-fault-")
    }
}

#[test]
fn a_cut_on_hosts_bites_harms_nobody_else_and_ends_with_the_run_or_with_its_lease() {
    for way in ways("broken").into_iter().take(1) {
        let up = way.lab(&["fleet", &way.file(FEW), "--hosts", "3"]);
        assert_eq!(up.status.code(), Some(0), "{up:?}");
        let fleet = Fleet { way: &way, program: way.program.display().to_string() };
        assert!(fleet.reaches("m0", 11, 80) && fleet.reaches("m2", 11, 80));

        // The whole of a run.
        let ran = fleet.run("passes", &cut("m0", "m1", "1s", ""));
        let said = text(&ran.stdout);
        assert_eq!(ran.status.code(), Some(0), "{said}\n{}", text(&ran.stderr));
        assert!(said.contains("packets met"), "{said}");
        assert!(said.contains("hosts saw the fault cut"), "{said}");
        assert!(!fleet.rules_are_left());
        assert!(fleet.reaches("m0", 11, 80));

        // What is protected, or too much, is refused, and nothing is done.
        let ran = fleet.run("protected", &cut("m0", "m1", "6s", "protect: [m1]"));
        assert!(text(&ran.stderr).contains("which is protected"), "{ran:?}");
        assert_eq!(ran.status.code(), Some(2));
        let ran = fleet.run("too-much", &cut("m0", "everything", "6s", "most_pairs: 20%"));
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");

        killed_run(&fleet);
        stopped_run(&fleet);
        struck(&fleet);
        slowed(&fleet);
        misled(&fleet);
        assert_eq!(way.lab(&["down"]).status.code(), Some(0));
    }
}

/// Begins a run that goes on for long, in the background.
fn long_run(fleet: &Fleet<'_>, name: &str) {
    begin(fleet, name, &cut("m0", "m1", "300s", ""));
    fleet.until_said(", on: 1 pairs");
}

fn begin(fleet: &Fleet<'_>, name: &str, text: &str) {
    let file = fleet.experiment("long", text);
    let script = format!(
        "setsid {} gameday run {file} --server {SERVER} --key-file {KEY} --output /run/runs/{name} > /run/{name}.log 2>&1 & echo $! > /run/{name}.pid",
        fleet.program
    );
    assert!(fleet.shell("server", &script).status.success());
}

fn killed_run(fleet: &Fleet<'_>) {
    // A run that is killed: what it broke ends by itself, and meanwhile no other adds to it beyond its own ceiling.
    long_run(fleet, "killed");
    assert!(!fleet.reaches("m0", 11, 80), "it bites");
    assert!(fleet.reaches("m2", 11, 80) && fleet.reaches("m0", 12, 80), "others live");
    let ran = fleet.run("second", &cut("m2", "m3", "1s", "most_pairs: 20%"));
    let said = text(&ran.stdout);
    assert!(said.contains("2 of 6 pairs with those that are on already"), "{ran:?}");
    assert_eq!(ran.status.code(), Some(3));
    assert!(fleet.shell("server", "kill -KILL $(cat /run/killed.pid)").status.success());
    let killed = Instant::now();
    while !fleet.reaches("m0", 11, 80) {
        assert!(killed.elapsed() < PATIENCE, "{}", fleet.until_said(""));
        std::thread::sleep(Duration::from_millis(50));
    }
    fleet.until_said("nothing is broken on purpose");
    assert!(!fleet.rules_are_left());
}

fn stopped_run(fleet: &Fleet<'_>) {
    // One that nobody looks after is stopped by whoever wants.
    long_run(fleet, "stopped");
    let ran = fleet.gameday(&["stop", "--all"]);
    let said = text(&ran.stdout);
    assert!(said.contains("stopped: A cut on hosts: cut"), "{said}");
    assert!(said.contains("nothing is left of faults"), "{said}");
    assert!(fleet.reaches("m0", 11, 80));
}

/// Something is done to the processes of a machine, for some time. What holds is asked from another machine.
fn strike(kind: &str, time: &str) -> String {
    format!(
        "{{ title: Processes on hosts, steady-state-hypothesis: {{ title: others answer, probes: [ {{ type: probe, name: open, tolerance: true, provider: {{ type: tcp, target: 'm3:80', from: m0 }} }} ] }}, faults: {{ strike: {{ kind: {kind}, between: m2 }} }}, method: [ {{ fault: strike, for: {time} }} ], safety: {{ lease: 4s }} }}\n"
    )
}

impl Fleet<'_> {
    /// The numbers and states of the processes that the description runs, as `/proc` has them.
    fn states(&self) -> Vec<(String, String)> {
        let script = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -qx 'sleep 9877[12] ' && sed 's/ (.*) / /' $p/stat | cut -d' ' -f1,2; done; true";
        let ran = text(&self.shell("server", script).stdout);
        let pair = |line: &str| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
        ran.lines().filter_map(pair).collect()
    }

    /// Waits until two processes run, or stand still, or none is there; what is there then.
    #[track_caller]
    fn until_states(&self, count: usize, still: bool) -> Vec<(String, String)> {
        let start = Instant::now();
        loop {
            let states = self.states();
            let fits = states.iter().all(|(_, state)| (state == "T") == still);
            if fits && states.len() == count {
                return states;
            }
            let logs = || text(&self.way.lab(&["logs"]).stdout);
            assert!(start.elapsed() < PATIENCE, "{states:?}: {}", logs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn struck(fleet: &Fleet<'_>) {
    let before = fleet.until_states(2, false);
    let ran = fleet.run("pauses", &strike("pause", "1s"));
    let said = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(0), "{said}\n{}", text(&ran.stderr));
    assert!(said.contains("2 processes struck"), "{said}");
    assert_eq!(said.matches("open: fine: 0: connected").count(), 2, "{said}");
    assert_eq!(fleet.until_states(2, false), before, "the same go on");

    // Nobody renews it: they are started again by the clock of their host.
    begin(fleet, "ends", &strike("stop", "300s"));
    fleet.until_states(0, false);
    assert!(fleet.shell("server", "kill -KILL $(cat /run/ends.pid)").status.success());
    let again = fleet.until_states(2, false);
    assert!(again.iter().all(|own| !before.contains(own)), "{again:?}");

    // An agent that is killed leaves nothing that stands still.
    begin(fleet, "stands", &strike("pause", "300s"));
    fleet.until_states(2, true);
    let home = fleet.home("instance/m2");
    fleet.signal(&home, "KILL");
    fleet.until_states(2, false);
    let ran = fleet.gameday(&["stop", "--all"]);
    assert!(text(&ran.stdout).contains("nothing is left of faults"), "{ran:?}");
}

/// A machine's link is slow, for some time.
fn slow(time: &str) -> String {
    format!(
        "{{ title: Slow on hosts, faults: {{ slow: {{ kind: slow, between: m1, latency: 400ms }} }}, method: [ {{ fault: slow, for: {time} }} ], safety: {{ lease: 4s }} }}\n"
    )
}

impl Fleet<'_> {
    /// How long a connection takes to be refused, in milliseconds; none where nothing comes back.
    fn takes(&self, from: &str, to: u8) -> Option<u64> {
        let host = self.home(&format!("instance/{from}"));
        let script = format!(
            "nsenter --net=/run/netwright/fleet/{host}/ns/instance%{from} bash -c 'a=$(date +%s%N); timeout 5 bash -c \"exec 3<>/dev/tcp/10.0.0.{to}/80\" 2>&1 | grep -q refused && echo $(( ($(date +%s%N) - a) / 1000000 ))'"
        );
        text(&self.shell("server", &script).stdout).trim().parse().ok()
    }

    /// Waits until a machine answers slowly, or as before. Meanwhile it answers all the time, where it has to.
    #[track_caller]
    fn until_slow(&self, slow: bool, always: bool) {
        let start = Instant::now();
        loop {
            let takes = self.takes("m0", 11);
            assert!(!always || takes.is_some(), "it does not answer");
            if takes.is_some_and(|takes| (takes >= 800) == slow) {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{takes:?}: {}",
                text(&self.way.lab(&["logs"]).stdout)
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn slowed(fleet: &Fleet<'_>) {
    let ran = fleet.run("slow", &slow("1s"));
    let said = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(0), "{said}\n{}", text(&ran.stderr));
    assert!(said.contains("the fault slow bit") && said.contains("packets met"), "{said}");
    fleet.until_slow(false, true);

    // Agents die with their server's word: what is held is given back, and the machine has its wire all the time.
    begin(fleet, "slowly", &slow("300s"));
    fleet.until_slow(true, true);
    assert!(fleet.shell("server", "kill -KILL $(cat /run/slowly.pid)").status.success());
    let mut homes = vec![fleet.home("instance/m1"), fleet.home("vpc/v")];
    homes.dedup();
    homes.iter().for_each(|home| fleet.signal(home, "KILL"));
    fleet.until_slow(false, true);
    fleet.until_said("nothing is broken on purpose");
    assert!(!fleet.rules_are_left());
    let script = "for ns in /run/netwright/fleet/*/ns/*; do nsenter --net=$ns ip -o link; done";
    let links = text(&fleet.shell("server", script).stdout);
    assert!(!links.contains("nwf-"), "{links}");
}

impl Fleet<'_> {
    /// Waits until a machine is told an address, or another, by its name server.
    #[track_caller]
    fn until_told(&self, from: &str, address: &str) {
        let start = Instant::now();
        let host = self.home(&format!("instance/{from}"));
        let script = format!(
            "nsenter --net=/run/netwright/fleet/{host}/ns/instance%{from} timeout 5 {} probe dns://m1.internal@169.254.169.253 2>&1",
            self.program
        );
        loop {
            let told = text(&self.shell("server", &script).stdout);
            if told.contains(address) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{told}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn misled(fleet: &Fleet<'_>) {
    fleet.until_told("m0", "10.0.0.11");
    let text_of = |time: &str| {
        format!(
            "{{ title: Names on hosts, faults: {{ names: {{ kind: dns, between: m0, names: [m1.internal], answer: wrong, addresses: [192.0.2.7] }} }}, method: [ {{ fault: names, for: {time} }} ], safety: {{ lease: 4s }} }}\n"
        )
    };
    begin(fleet, "names", &text_of("300s"));
    fleet.until_told("m0", "192.0.2.7");
    fleet.until_told("m3", "10.0.0.11");
    fleet.until_said_without("questions", Some("met 0 questions"));
    // Neither who asked for it nor an agent is there to end it: the name server does right by its own clock.
    assert!(fleet.shell("server", "kill -KILL $(cat /run/names.pid)").status.success());
    let home = fleet.home("vpc/v");
    fleet.signal(&home, "STOP");
    fleet.until_told("m0", "10.0.0.11");
    fleet.signal(&home, "CONT");
    fleet.until_said("nothing is broken on purpose");
}

#[test]
fn what_a_guard_holds_goes_on_when_its_agent_has_gone_and_when_its_lease_is_over() {
    let place = std::fs::metadata("/proc/self/ns/net").unwrap().ino();
    let mark = ("NETWRIGHT_TEST_GUARD", "1");
    let mut sleeps = Command::new("sleep").arg("98773").env(mark.0, mark.1).spawn().expect("sleep");
    let state = |number: u32| {
        let text = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap();
        text.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    };
    let until = |still: bool| {
        let start = Instant::now();
        while (state(sleeps.id()) == 'T') != still {
            assert!(start.elapsed() < PATIENCE, "{}", state(sleeps.id()));
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let order = |lease: u64| {
        let still = json!({ "places": [place], "mark": { "name": mark.0, "value": mark.1 }, "holds": "sleep 98773" });
        json!({ "lease_ms": lease, "work": { "still": still } })
    };
    for (lease, dies) in [(60_000, true), (1_000, false)] {
        let mut guard = Command::new(env!("CARGO_BIN_EXE_netwright"))
            .args(["lab", "part", "guard"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the guard");
        let (mut to, from) = (guard.stdin.take().unwrap(), guard.stdout.take().unwrap());
        writeln!(to, "{}", order(lease)).unwrap();
        let mut said = String::new();
        let mut from = BufReader::new(from);
        from.read_line(&mut said).unwrap();
        if dies {
            assert_eq!(said.trim(), "{\"still\":1,\"wrong\":0}");
            until(true);
            // All that it hears of an agent that is killed.
            drop(to);
            until(false);
        } else {
            until(false);
            drop(to);
        }
        assert!(guard.wait().unwrap().success());
    }
    sleeps.kill().unwrap();
    sleeps.wait().unwrap();
}
