//! Game days on hosts: what they break bites, harms nobody else, and ends by itself whoever dies.

use std::time::{Duration, Instant};

use super::harness::{text, ways};
use super::{Fleet, KEY, PATIENCE};

/// Machines behind one router that answer on a port. What m3 is given it keeps, and tells.
const FEW: &str = "vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }
filters: { f: { rules: [ { direction: egress }, { direction: ingress, protocol: tcp, port: 80 } ] } }
instances:
  m0: { subnet: s, address: 10.0.0.10, filters: f, listens: tcp/80 }
  m1: { subnet: s, address: 10.0.0.11, filters: f, listens: tcp/80 }
  m2: { subnet: s, address: 10.0.0.12, filters: f, listens: tcp/80, exec: [ { run: 'sleep 98771 & exec sleep 98772' } ] }
  m3: { subnet: s, address: 10.0.0.13, filters: f, listens: tcp/80, exec: [ { run: \"perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 80, Listen => 9, ReuseAddr => 1); while ($c = $s->accept) { $l = <$c>; if ($l =~ /add ([0-9]+)/) { $k{$1} = 1; print $c qq(ok$/) } else { print $c join(q(,), keys %k), $/ } close $c }'\" } ] }
dns_zones: { internal: { vpcs: v, records: [ { name: m1, value: 10.0.0.11 } ] } }
";

const SERVER: &str = "http://127.0.0.1:8180";

/// A cut between two machines, for some time.
fn cut(between: &str, and: &str, time: &str, safety: &str) -> String {
    format!(
        "{{ title: A cut on hosts, faults: {{ cut: {{ between: {between}, and: {and} }} }}, method: [ {{ fault: cut, for: {time} }} ], phases: {{ steady: 0s, after: 0s }}, safety: {{ lease: 4s, {safety} }} }}\n"
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

        worked_with(&fleet);
        killed_run(&fleet);
        stopped_run(&fleet);
        struck(&fleet);
        slowed(&fleet);
        misled(&fleet);
        assert_eq!(way.lab(&["down"]).status.code(), Some(0));
    }
}

/// Clients on a machine go on while what they work with is cut off from it, and nothing that they were told to be kept is lost.
fn worked_with(fleet: &Fleet<'_>) {
    let home = fleet.home("instance/m0");
    let clients = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fleet/clients.pl");
    let text = format!(
        "{{ title: Clients on hosts, faults: {{ cut: {{ between: m0, and: m3 }} }}, method: [ {{ fault: cut, for: 3s }} ], phases: {{ steady: 0s, after: 0s }}, safety: {{ lease: 4s }},
           workload: [ {{ name: numbers, run: 'nsenter --net=/run/netwright/fleet/{home}/ns/instance%m0 perl {clients}', model: set }} ] }}\n"
    );
    let ran = fleet.run("worked-with", &text);
    let said = super::text(&ran.stdout);
    let history = fleet.shell("server", "cat /run/runs/worked-with/history-0.jsonl");
    let history = super::text(&history.stdout);
    assert_eq!(ran.status.code(), Some(0), "{said}\n{}\n{history}", super::text(&ran.stderr));
    assert!(said.contains("numbers: set"), "{said}");
    for outcome in ["ok", "fail"] {
        let count = history.matches(&format!("\"type\":\"{outcome}\"")).count();
        assert!(count > 0, "no client was told {outcome}: {history}");
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
        "{{ title: Processes on hosts, steady-state-hypothesis: {{ title: others answer, probes: [ {{ type: probe, name: open, tolerance: true, provider: {{ type: tcp, target: 'm3:80', from: m0 }} }} ] }}, faults: {{ strike: {{ kind: {kind}, between: m2 }} }}, method: [ {{ fault: strike, for: {time} }} ], phases: {{ steady: 0s, after: 0s }}, safety: {{ lease: 4s }} }}\n"
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
        "{{ title: Slow on hosts, faults: {{ slow: {{ kind: slow, between: m1, latency: 400ms }} }}, method: [ {{ fault: slow, for: {time} }} ], phases: {{ steady: 0s, after: 0s }}, safety: {{ lease: 4s }} }}\n"
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
            "{{ title: Names on hosts, faults: {{ names: {{ kind: dns, between: m0, names: [m1.internal], answer: wrong, addresses: [192.0.2.7] }} }}, method: [ {{ fault: names, for: {time} }} ], phases: {{ steady: 0s, after: 0s }}, safety: {{ lease: 4s }} }}\n"
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
