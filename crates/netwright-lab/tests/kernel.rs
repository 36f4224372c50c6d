//! A lab of two machines and a router in the running kernel: what passes, what is dropped, what is left behind.
//!
//! The lab's processes are this program again, and leaving the machine needs a program with one thread: so this is a program of its own
//! that runs its tests one after the other, as the user who runs it and, as root, as an ordinary user too.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_macros,
    reason = "a test tells how it goes and stops where it cannot go on"
)]

#[path = "kernel/rulesets.rs"]
mod rulesets;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::{Kernel, within};
use netwright_dataplane::plan::{
    End, HostPlan, Link, MAIN, Namespace, Neighbour, PolicyRule, Ready, Restart, Role, Route, Task,
    Via, What,
};
use netwright_lab::tasks::{State, TaskRow};
use netwright_lab::{control, isolate, keeper, place, run};
use netwright_model::scalar::Prefix;

const RULESET: &str = "table inet netwright {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    meta l4proto tcp th dport { 80 } counter accept
  }
}
";

const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 0, 1));

fn machine(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, number).into()
}

const GATEWAY_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));

fn machine_v6(number: u8) -> IpAddr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number.into()).into()
}

fn space(name: &str, role: Role, forwards: bool) -> Namespace {
    Namespace {
        name: name.to_owned(),
        role,
        forwards,
        addresses: Vec::new(),
        neighbours: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        ruleset: String::new(),
        resolvers: Vec::new(),
        host: None,
    }
}

fn route(to: Prefix, link: &str) -> Route {
    let gateway = if to.is_v4() { GATEWAY } else { GATEWAY_V6 };
    Route { table: MAIN, to, via: Via::Link { link: link.to_owned(), gateway } }
}

/// `machines` machines around one router.
fn star(machines: u8) -> HostPlan {
    let mut router = space("vpc/v", Role::Vpc, true);
    router.ruleset = RULESET.to_owned();
    let mut plan = HostPlan::default();
    for number in 1..=machines {
        let (name, port) = (format!("instance/m{number}"), format!("i{number}"));
        let mut machine_space = space(&name, Role::Machine, false);
        let (inner, outer) = ([2, 0, 0, 0, 0, number], [2, 1, 0, 0, 0, number]);
        let (v4, v6) = (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into());
        let families = [(machine(number), GATEWAY, v4), (machine_v6(number), GATEWAY_V6, v6)];
        for (address, gateway, all) in families {
            let next = |link: &str, mac| Neighbour { link: link.to_owned(), address: gateway, mac };
            machine_space.addresses.push(("eth0".to_owned(), address));
            machine_space.routes.push(route(Prefix::of(all, 0), "eth0"));
            machine_space.neighbours.push(next("eth0", outer));
            router.neighbours.push(next(&port, inner));
            router.routes.push(route(Prefix::host(address), &port));
        }
        plan.links.push(Link {
            a: End { namespace: name, name: "eth0".to_owned(), mac: inner },
            b: End { namespace: "vpc/v".to_owned(), name: port, mac: outer },
            mtu: 1500,
            ..Link::default()
        });
        plan.namespaces.push(machine_space);
    }
    for v6 in [false, true] {
        let all: IpAddr =
            if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let other = Prefix::of(if v6 { machine_v6(9) } else { machine(9) }, 24);
        router.rules.push(PolicyRule { priority: 100, mark: Some(7), table: 1000, v6 });
        router.rules.push(PolicyRule { priority: 40000, mark: None, table: 100, v6 });
        router.routes.push(Route { table: 1000, to: other, via: Via::Throw });
        router.routes.push(Route { table: 1000, to: Prefix::of(all, 0), via: Via::Blackhole });
        router.routes.push(Route { table: 100, to: Prefix::of(all, 0), via: Via::Local });
    }
    plan.namespaces.push(router);
    plan
}

/// Whether a TCP connection from machine 1 to a port of machine 2 is made, and data comes back.
fn connects(kernel: &Kernel, port: u16) -> bool {
    let both = [(machine(1), machine(2)), (machine_v6(1), machine_v6(2))];
    let [v4, v6] = both.map(|(from, to)| connects_between(kernel, from, SocketAddr::new(to, port)));
    assert_eq!(v4, v6, "the families are treated alike");
    v4
}

fn connects_between(kernel: &Kernel, source: IpAddr, to: SocketAddr) -> bool {
    let listener = within(kernel.namespace("instance/m2").unwrap(), || TcpListener::bind(to))
        .unwrap()
        .unwrap();
    let stream = within(kernel.namespace("instance/m1").unwrap(), || {
        TcpStream::connect_timeout(&to, Duration::from_millis(300))
    });
    let Ok(Ok(mut stream)) = stream else { return false };
    let (mut accepted, from) = listener.accept().unwrap();
    assert_eq!(from.ip(), source, "the source address is the machine's own");
    accepted.write_all(b"x").unwrap();
    let mut octet = [0];
    stream.read_exact(&mut octet).is_ok()
}

fn right(kernel: &Kernel) {
    assert_eq!(kernel.read_back().unwrap(), Vec::<String>::new());
}

/// Runs as process 1 of a lab.
fn packets() {
    isolate::settle().unwrap();
    let mut kernel = Kernel::default();
    let mut plan = star(2);
    kernel.apply(&plan).unwrap();
    right(&kernel);
    assert!(connects(&kernel, 80), "a permitted port connects");
    assert!(!connects(&kernel, 81), "another port is dropped");

    // One rule changed: only the ruleset is replaced.
    plan.namespaces.last_mut().unwrap().ruleset = RULESET.replace("80", "81");
    kernel.apply(&plan).unwrap();
    right(&kernel);
    assert!(!connects(&kernel, 80) && connects(&kernel, 81), "the new rule holds at once");

    // What flows between machines that a change does not concern goes on flowing: no packet of it is late.
    let port = SocketAddr::new(machine(2), 81);
    let listener =
        within(kernel.namespace("instance/m2").unwrap(), || TcpListener::bind(port).unwrap());
    let stream = within(kernel.namespace("instance/m1").unwrap(), || TcpStream::connect(port));
    let (mut near, (mut far, _)) = (stream.unwrap().unwrap(), listener.unwrap().accept().unwrap());
    far.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
    for machines in [3, 20, 2] {
        let mut next = star(machines);
        next.namespaces.last_mut().unwrap().ruleset = RULESET.replace("80", "82, 83");
        kernel.apply(&next).unwrap();
        near.write_all(b"on").unwrap();
        far.read_exact(&mut [0; 2]).unwrap();
    }
    kernel.apply(&plan).unwrap();

    // A machine more, a larger link, a route less: the others stay as they are.
    let mut plan = star(3);
    plan.links[0].mtu = 9000;
    plan.namespaces[1].routes.clear();
    kernel.apply(&plan).unwrap();
    right(&kernel);
    assert!(!connects(&kernel, 80), "machine 2 has no way back");
    kernel.apply(&star(2)).unwrap();
    right(&kernel);
    assert!(connects(&kernel, 80), "the way back is there again");

    // A deviation that somebody else made is told.
    within(kernel.namespace("vpc/v").unwrap(), || {
        Command::new("nft").args(["flush", "ruleset"]).status().unwrap();
        fs::write("/proc/sys/net/ipv4/ip_forward", "0").unwrap();
    })
    .unwrap();
    let wrong = kernel.read_back().unwrap();
    assert!(wrong.iter().any(|what| what.contains("chain forward is missing")), "{wrong:?}");
    assert!(wrong.iter().any(|what| what.contains("ip_forward is 0, not 1")), "{wrong:?}");
    kernel.teardown().unwrap();
    assert_eq!(kernel.names().count(), 0);

    let mut plan = star(2);
    plan.namespaces.last_mut().unwrap().ruleset = RULESET.replace("counter accept", "nonsense");
    let failures = Kernel::default().apply(&plan).unwrap_err();
    let told = failures[0].to_string();
    assert!(told.contains("line 5: meta l4proto tcp") && told.contains("vpc/v"), "{told}");
}

fn arguments(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn up(name: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["keeper", name]).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Processes of labs by that name, and their sockets.
fn left(name: &str) -> Vec<String> {
    let mut left: Vec<String> = place::names().into_iter().filter(|n| n == name).collect();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|octet| *octet == 0).collect();
        if words.get(2).is_some_and(|word| *word == name.as_bytes()) {
            left.push(String::from_utf8_lossy(&line).replace('\0', " "));
        }
    }
    left
}

fn gone(name: &str) {
    let start = Instant::now();
    while !left(name).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "left: {:?}", left(name));
        pause(Duration::from_millis(5));
    }
}

fn pause(time: Duration) {
    let (waiting, _never) = std::os::unix::net::UnixStream::pair().unwrap();
    waiting.set_read_timeout(Some(time)).unwrap();
    assert!((&waiting).read(&mut [0]).is_err(), "nobody writes");
}

fn up_and_down() {
    for _ in 0..50 {
        let (ready, _) = keeper::up(&arguments(&["keeper", "again"]), false).unwrap();
        assert_eq!((ready.namespaces, ready.links), (3, 2));
        let rows = control::ps("again").unwrap();
        assert_eq!(rows[0].addresses, ["10.0.0.1", "fd00::1"]);
        let twice = keeper::up(&arguments(&["keeper", "again"]), false).unwrap_err();
        assert!(twice.message.contains("runs already"), "{twice}");
        control::down("again").unwrap();
        gone("again");
    }
    assert!(control::ps("again").unwrap_err().message.contains("no lab named"));
}

fn commands() {
    let (_, held) = keeper::up(&arguments(&["keeper", "commands", "--stay"]), true).unwrap();
    let status = |words: &[&str]| {
        Command::new("/proc/self/exe").args(["exec", "commands"]).args(words).output().unwrap()
    };
    let output = status(&["m1", "cat", "/proc/net/fib_trie"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("10.0.0.1"), "{output:?}");
    assert_eq!(status(&["m1", "sh", "-c", "exit 7"]).status.code(), Some(7));
    assert_eq!(status(&["m1", "sh", "-c", "kill -TERM $$"]).status.code(), Some(143));
    assert_eq!(status(&["m1", "no-such-program"]).status.code(), Some(127));
    assert_eq!(status(&["nobody", "true"]).status.code(), Some(2));
    drop(held);
    gone("commands");
}

/// A lab of three machines, of which the first runs commands.
fn busy() -> HostPlan {
    let mut plan = star(2);
    let exec = |name: &str, command: &str, restart: Restart| Task {
        name: name.to_owned(),
        namespace: "instance/m1".to_owned(),
        what: What::Exec { command: command.to_owned() },
        restart,
        ready: vec![Ready::Runs { milliseconds: 10 }],
    };
    let stays = Ready::Succeeds { command: "test -e /proc/self".to_owned() };
    plan.tasks = vec![
        exec("breaks", "echo no; exit 3", Restart::Never),
        exec("forks", "(setsid sleep 1000 &) ; sleep 1000 & exec sleep 1000", Restart::Always),
        exec("once", "echo done", Restart::OnFailure),
        Task::part("instance/m2", "own", "own", "words".to_owned()).ready_when(stays),
    ];
    plan
}

fn state_of(lab: &str, task: &str) -> TaskRow {
    let rows = control::tasks(lab).unwrap();
    rows.into_iter().find(|row| row.name == task).unwrap()
}

fn until(lab: &str, task: &str, holds: impl Fn(&TaskRow) -> bool) -> TaskRow {
    let start = Instant::now();
    loop {
        let row = state_of(lab, task);
        if holds(&row) {
            return row;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{row:?}");
        pause(Duration::from_millis(5));
    }
}

fn tasks() {
    let (ready, held) = keeper::up(&arguments(&["keeper", "busy", "--stay"]), true).unwrap();
    assert_eq!(ready.tasks, 4);
    let ready = |row: &TaskRow| row.state == State::Ready;
    until("busy", "forks", ready);
    until("busy", "own", ready);
    let broken = until("busy", "breaks", |row| row.state == State::Failed);
    assert_eq!((broken.restarts, broken.last.as_deref()), (0, Some("ended with status 3")));
    until("busy", "once", |row| row.state == State::Ended);
    let text = |instance: &str| -> Vec<String> {
        let lines = control::logs("busy", Some(instance), 0, 0).unwrap().lines;
        lines.into_iter().map(|line| format!("{} {}", line.task, line.text)).collect()
    };
    let lines = text("m1");
    assert!(lines.contains(&"once done".to_owned()), "{lines:?}");
    assert!(text("instance/m2").contains(&"own was told words".to_owned()));

    // Killed from inside the lab, it is noticed and started again.
    let kill = ["exec", "busy", "m1", "pkill", "-KILL", "-o", "-x", "sleep"];
    assert!(Command::new("/proc/self/exe").args(kill).status().unwrap().success());
    let row = until("busy", "forks", |row| row.restarts == 1);
    assert_eq!(row.last.as_deref(), Some("was killed (SIGKILL)"));
    until("busy", "forks", ready);
    drop(held);
    gone("busy");
    commands_end();
}

/// Nothing that runs in a lab outlives it by more than the kernel takes to end what it was told to
/// kill: some milliseconds, on a busy machine more.
fn commands_end() {
    let start = Instant::now();
    while processes().any(|(_, line)| line == "sleep 1000") {
        assert!(start.elapsed() < Duration::from_secs(10), "a command outlived its lab");
        pause(Duration::from_millis(5));
    }
}

/// The command lines of this machine's processes.
fn processes() -> impl Iterator<Item = (String, String)> {
    fs::read_dir("/proc").unwrap().flatten().map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ").trim_end().to_owned();
        (entry.file_name().to_string_lossy().into_owned(), line)
    })
}

fn killed() {
    // The same sequence each time, spread over the time that a lab takes to come up.
    let mut seed = 12345_u64;
    for round in 0..40 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut keeper = up("killed").spawn().unwrap();
        pause(Duration::from_micros(1 + (seed >> 33) % 60_000));
        match round % 3 {
            // The keeper.
            0 => keeper.kill().unwrap(),
            // Process 1.
            1 => {
                for entry in fs::read_dir("/proc").unwrap().flatten() {
                    let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    if line.windows(14).any(|part| part == b"inside\0killed\0") {
                        let pid = entry.file_name().to_string_lossy().into_owned();
                        Command::new("kill")
                            .args(["-KILL", &pid])
                            .stderr(Stdio::null())
                            .status()
                            .unwrap();
                    }
                }
                // Where it was killed before it was there, the lab came up.
                let _came_up = control::down("killed");
            }
            // Whoever started it.
            _ => {
                drop(keeper.stdout.take());
                let _came_up_before = control::down("killed");
            }
        }
        // On a busy machine it may come up only now.
        let began = Instant::now();
        while keeper.try_wait().unwrap().is_none() {
            let _down_where_it_came_up_since = control::down("killed");
            assert!(began.elapsed() < Duration::from_secs(60), "round {round}: it does not end");
            pause(Duration::from_millis(20));
        }
        let _down = control::down("killed");
        gone("killed");
        commands_end();
    }
}

/// Those that need to be process 1 of a lab themselves; the others start labs of their own.
const FIRST: usize = 2;

const TESTS: [(&str, fn()); 6] = [
    ("what_a_plan_permits_passes_and_the_rest_is_dropped_before_and_after_changes", packets),
    (
        "rulesets_of_every_kind_are_read_back_from_the_kernel_as_they_were_written",
        rulesets::counted,
    ),
    ("up_and_down_fifty_times_leaves_nothing", up_and_down),
    ("commands_run_in_an_instance_and_pass_their_status_on", commands),
    ("tasks_run_are_started_again_where_they_are_killed_and_end_with_their_lab", tasks),
    ("killing_any_process_of_a_lab_while_it_comes_up_leaves_nothing", killed),
];

/// What this machine lacks.
fn missing() -> Option<&'static str> {
    let nft = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/usr/local/sbin/nft"];
    if !nft.iter().any(|path| fs::exists(path).unwrap_or(false)) {
        return Some("nft is missing: `apt install nftables`");
    }
    let left = Command::new("/proc/self/exe").arg("leave").status().unwrap();
    (!left.success()).then_some("the machine allows no user namespaces to this user")
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let code = match words.as_slice() {
        ["leave"] => i32::from(isolate::leave().is_err()),
        ["keeper", name, stay @ ..] => {
            i32::from(!keeper::keep(name, &arguments(&["inside", name]), !stay.is_empty()))
        }
        ["inside", name, keeper] => {
            let plan = match *name {
                "busy" | "killed" => busy(),
                _ => star(2),
            };
            keeper::inside(keeper.parse().unwrap(), &arguments(&["part"]), || Ok(plan));
            0
        }
        ["exec", lab, instance, command @ ..] => {
            let mut step = arguments(&["step"]);
            step.extend(arguments(command));
            run::exec(lab, instance, &step).map_or(2, i32::from)
        }
        ["step", program, rest @ ..] => i32::from(run::become_command(program, &arguments(rest)).1),
        // A part of this program that a task names.
        ["part", "own"] => {
            let mut told = String::new();
            std::io::stdin().read_to_string(&mut told).unwrap();
            println!("was told {told}");
            pause(Duration::from_secs(1000));
            0
        }
        ["one", name] => {
            let (name, test) = TESTS.iter().find(|(known, _)| known == name).unwrap();
            let alone = TESTS.iter().take(FIRST).any(|(known, _)| known == name);
            if alone && std::env::var_os("INSIDE").is_none() {
                isolate::leave().unwrap();
                let status =
                    Command::new("/proc/self/exe").args(["one", name]).env("INSIDE", "1").status();
                i32::from(!status.unwrap().success())
            } else {
                test();
                0
            }
        }
        ["--list", ..] => 0,
        filters => all(filters),
    };
    std::process::exit(code);
}

fn all(filters: &[&str]) -> i32 {
    let (mut passed, mut failed, mut ignored) = (0, 0, 0);
    let wanted = |name: &str| {
        let filters: Vec<_> = filters.iter().filter(|word| !word.starts_with('-')).collect();
        filters.is_empty() || filters.iter().any(|filter| name.contains(**filter))
    };
    let missing = missing();
    let root =
        fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    // An ordinary user cannot enter the folder that this program was built in.
    let copy = std::env::temp_dir().join(format!("netwright-lab-test-{}", std::process::id()));
    for (name, _) in TESTS.iter().filter(|(name, _)| wanted(name)) {
        if let Some(why) = missing {
            println!("test {name} ... ignored: {why}");
            ignored += 1;
            continue;
        }
        let mut ways = vec![("", Command::new("/proc/self/exe"))];
        if root && fs::copy("/proc/self/exe", &copy).is_ok() {
            let mut other = Command::new("setpriv");
            other.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&copy);
            other.env_remove("XDG_RUNTIME_DIR").current_dir("/");
            other.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
            ways.push((" (as an ordinary user)", other));
        }
        for (way, mut command) in ways {
            let output = command.args(["one", name]).output().unwrap();
            if output.status.success() {
                println!("test {name}{way} ... ok");
                passed += 1;
            } else {
                println!("test {name}{way} ... FAILED");
                for line in BufReader::new(output.stderr.as_slice()).lines() {
                    println!("  {}", line.unwrap_or_default());
                }
                failed += 1;
            }
        }
    }
    let _not_copied = fs::remove_file(&copy);
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; 0 filtered out"
    );
    i32::from(failed > 0)
}
