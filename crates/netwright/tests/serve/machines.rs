//! The guide for three machines, command by command: each machine is a shell in namespaces of its own, and everything between is real, from certificates to packets.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use netwright_testbed::{alone, is_there};

use crate::server::{Folder, pause};

/// How long a command may be tried again whose answer is that nobody can say: what was started before it may not be there yet.
const PATIENCE: Duration = Duration::from_secs(40);

const NETWORK: &str = "
vpcs: { prod: { cidr: 10.20.0.0/16, subnets: { web: { cidr: 10.20.1.0/24 } } } }
filters: { f: { rules: [ { direction: egress }, { direction: ingress, protocol: tcp, port: 80 } ] } }
instances:
  a: { subnet: web, address: 10.20.1.10, filters: f, exec: [ { run: 'until getent ahosts b.internal > FOUND; do sleep 0.2; done; exec sleep 98761' }, { run: 'SERVE' } ] }
  b: { subnet: web, address: 10.20.1.11, filters: f, exec: [ { run: 'exec sleep 98762' }, { run: 'SERVE' } ] }
  c: { subnet: web, address: 10.20.1.12, filters: f, exec: [ { run: 'exec sleep 98763' }, { run: 'SERVE' } ] }
dns_zones: { internal: { vpcs: prod, records: [ { name: b, value: 10.20.1.11 } ] } }
expect:
  a-b: { from: a, to: b, service: tcp/80 }
  b-c: { from: b, to: c, service: tcp/80 }
  c-a: { from: c, to: a, service: tcp/80 }
  closed: { from: a, to: b, service: tcp/22, outcome: blocked }
";

/// Something that answers at the port that the network expects to be answered.
const SERVE: &str = "exec redis-server --port 80 --bind 0.0.0.0 --protected-mode no --save \"\"";

/// The commands of the guide, with the number of the machine that each is for.
fn commands() -> Vec<(usize, String)> {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides/three-machines.md");
    let text = std::fs::read_to_string(guide).unwrap();
    let command = |line: &str| {
        let (number, command) = line.strip_prefix("machine-")?.split_once("$ ")?;
        Some((number.parse().ok()?, command.to_owned()))
    };
    text.lines().filter_map(command).collect()
}

/// A machine: a shell that does what it is told.
struct Machine {
    shell: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Machine {
    fn new(number: usize, folder: &Path, path: &str) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--uts", "bash"]);
        for (name, _) in std::env::vars() {
            if name.starts_with("NETWRIGHT_") {
                command.env_remove(name);
            }
        }
        command.env("PATH", path).current_dir(folder);
        let log = std::fs::File::create(folder.join(format!("log-{number}"))).unwrap();
        let mut shell =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let (to, from) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
        let mut machine = Self { shell, to, from: BufReader::new(from) };
        // As in an interactive shell, whose jobs have numbers.
        machine.must("set -m; mount -t proc proc /proc && mount -t tmpfs none /run");
        machine.must("ip link set lo up");
        machine.must(&format!("hostname machine-{number}"));
        let (link, pid) = (format!("m{number}"), machine.shell.id().to_string());
        run(&["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &pid]);
        run(&["address", "add", "169.254.1.1/32", "dev", &link]);
        run(&["link", "set", &link, "up"]);
        machine.must(&format!("ip address add 10.0.0.{number}/32 dev eth0; ip link set eth0 up"));
        machine.must("ip route add 169.254.1.1 dev eth0; ip route add default via 169.254.1.1");
        run(&["route", "add", &format!("10.0.0.{number}"), "dev", &link]);
        machine
    }

    /// Runs a command; its code, and what it wrote.
    fn run(&mut self, command: &str) -> (i32, String) {
        writeln!(self.to, "{command}\ncode=$?; echo; echo \"::done $code\"").unwrap();
        let mut said = String::new();
        loop {
            let mut line = String::new();
            assert!(self.from.read_line(&mut line).unwrap() > 0, "the shell has ended: {said}");
            if let Some(code) = line.strip_prefix("::done ") {
                return (code.trim().parse().unwrap(), said);
            }
            said += &line;
        }
    }

    fn must(&mut self, command: &str) -> String {
        let (code, said) = self.run(command);
        assert_eq!(code, 0, "{command}: {said}");
        said
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ended = self.shell.kill();
        let _gone = self.shell.wait();
    }
}

fn run(words: &[&str]) {
    let ran = Command::new("ip").args(words).output().unwrap();
    assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// Does what the guide says; what each command wrote, by its text.
fn follow(machines: &mut BTreeMap<usize, Machine>, folder: &Path) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    for (number, command) in commands() {
        let machine = machines.get_mut(&number).unwrap();
        if command.ends_with('&') {
            // What it says goes to the machine's log, so that it is not taken for another's.
            machine.must(&format!("{} >&2 &", command.trim_end_matches(" &")));
            continue;
        }
        if command.contains("agent --remove") {
            machine.must("kill $(jobs -p %3); wait %3; true");
        }
        let began = Instant::now();
        let said = loop {
            let (code, said) = machine.run(&command);
            if code == 0 {
                break said;
            }
            let log = || {
                let read = |n: usize| std::fs::read_to_string(folder.join(format!("log-{n}")));
                let tail = |text: String| {
                    let all: Vec<&str> = text.lines().collect();
                    all[all.len().saturating_sub(25)..].join("\n")
                };
                (1..=3)
                    .map(|n| tail(read(n).unwrap_or_default()))
                    .collect::<Vec<_>>()
                    .join("\n--\n")
            };
            // Hosts that have just begun are away until they say otherwise.
            let begins = ["netwright key", "netwright convergence"];
            let waits = code == 3
                || begins.iter().any(|begin| command.starts_with(begin))
                || command.contains("--wait");
            assert!(
                waits && began.elapsed() < PATIENCE,
                "machine-{number}$ {command}: {code}: {said}\n{}",
                log()
            );
            pause(300);
        };
        if command == "netwright convergence" {
            hosts(machine, 3);
        }
        if command.contains("agent --remove") {
            nothing_left(machine);
        }
        if command.starts_with("netwright observe") {
            killed(machines);
        }
        if command.starts_with("netwright watch") {
            // Where the agent asks the store, somebody was asked from too.
            machines.get_mut(&2).unwrap().must("ls /run/netwright/agent/ns | grep instance");
        }
        told.insert(command, said);
    }
    told
}

/// How many processes run of a command that instances have.
fn runs(machine: &mut Machine, number: u32) -> usize {
    // Each in the namespaces of its instance, whichever machine that is on.
    machine.run(&format!("pgrep -fc '^sleep 9876{number}'")).1.trim().parse().unwrap_or(0)
}

/// Waits until each command of an instance runs once.
fn all_run(machine: &mut Machine) {
    let began = Instant::now();
    while (1..=3).any(|number| runs(machine, number) != 1) {
        assert!(began.elapsed() < PATIENCE, "what instances run");
        pause(100);
    }
}

/// An agent is killed: what it made and started goes on, and the next one takes over.
fn killed(machines: &mut BTreeMap<usize, Machine>) {
    let agent = |(number, command): &(usize, String)| {
        *number == 1 && command.starts_with("netwright agent") && command.ends_with('&')
    };
    let (_, again) = commands().into_iter().find(agent).unwrap();
    let machine = machines.get_mut(&1).unwrap();
    all_run(machine);
    machine.must("ls /run/netwright/agent/ns > before");
    machine.must("kill -9 $(jobs -p %3); wait %3; true");
    assert!((1..=3).all(|number| runs(machine, number) == 1), "what it started runs on");
    machine.must("ls /run/netwright/agent/ns | diff before -");
    machine.must(&format!("{} >&2 &", again.trim_end_matches(" &")));
    pause(500);
    all_run(machine);
    machine.must("ls /run/netwright/agent/ns | diff before -");
}

/// Nothing of ours is on a machine from which an agent was removed.
fn nothing_left(machine: &mut Machine) {
    for (what, command) in [
        ("files", "ls -d /run/netwright/agent /run/netwright/*%* 2>/dev/null"),
        ("mounts", "grep netwright/agent /proc/self/mountinfo"),
        ("links", "ip -o link show | grep -Ev ' (lo|eth0@[^:]*):'"),
        ("rulesets", "nft list ruleset | grep ."),
        ("rules", "ip rule show | grep -Ev 'lookup (local|main|default)'"),
        ("routes", "ip route show | grep -v 169.254.1.1"),
        ("processes", "grep -lsz '^NETWRIGHT_AGENT=machine-3 ' /proc/[0-9]*/environ"),
    ] {
        let (_, said) = machine.run(command);
        assert_eq!(said.trim(), "", "{what} are left");
    }
}

/// Waits until so many hosts have joined and live.
fn hosts(machine: &mut Machine, count: usize) {
    let began = Instant::now();
    loop {
        let (_, said) = machine.run("netwright convergence --format json");
        let there = said.matches("\"host\":").count();
        let away = said.matches("\"away\"").count();
        if there == count && away == 0 {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{said}");
        pause(200);
    }
}

#[test]
fn the_guide_for_three_machines_works_as_it_is_written() {
    if !is_there() || Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: etcd or curl is missing");
        return;
    }
    alone("machines::the_guide_for_three_machines_works_as_it_is_written", || {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        let folder = Folder::new();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_netwright"), folder.text("netwright"))
            .unwrap();

        let found = folder.text("found");
        let network = NETWORK.replace("FOUND", &found).replace("SERVE", SERVE);
        std::fs::write(folder.text("network.yaml"), &network).unwrap();
        std::fs::write(folder.text("changed.yaml"), network.replace("port: 80", "port: 80-81"))
            .unwrap();
        let path = format!("{}:{}", folder.0.display(), std::env::var("PATH").unwrap_or_default());
        let mut machines: BTreeMap<usize, Machine> =
            (1..=3).map(|number| (number, Machine::new(number, &folder.0, &path))).collect();
        let told = follow(&mut machines, &folder.0);
        let said = |part: &str| {
            let found = told.iter().find(|(command, _)| command.contains(part));
            found.map(|(_, said)| said.as_str()).unwrap_or_else(|| panic!("the guide lacks {part}"))
        };
        let applied = said("apply network.yaml");
        assert!(applied.contains("converged: 3 applied"), "{applied}");
        assert!(applied.contains("kept: what hosts saw is what was proved"), "{applied}");
        assert!(said("netwright allocate").contains("10.20."), "{}", said("netwright allocate"));
        let found = std::fs::read_to_string(&found).unwrap();
        assert!(found.contains("10.20.1.11"), "a name that a host's name server gave: {found:?}");
        let probed = said("netwright observe");
        assert!(probed.contains("probed: 4 confirmed, 0 seen otherwise, 0 not seen"), "{probed}");
        let watched = said("netwright watch");
        assert!(watched.contains("4 watched: 4 healthy"), "{watched}");
        let consensus: serde_json::Value =
            serde_json::from_str(said("/api/v1/consensus/status")).unwrap();
        let members = consensus["members"].as_array().unwrap();
        assert_eq!(members.len(), 3, "{consensus}");
        assert!(members.iter().all(|member| member["answers"] == true), "{consensus}");
        assert_eq!(members.iter().filter(|member| member["leads"] == true).count(), 1);
        let without = said("apply changed.yaml");
        assert!(without.contains("kept: what hosts saw"), "{without}");
        assert!(said("rollback").contains("accepted: revision"), "{}", said("rollback"));
        assert!(said("agent --remove").contains("the host has left"), "{}", said("agent --remove"));
    });
}
