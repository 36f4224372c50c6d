//! Links that do something to packets, in the running kernel: with real sockets at both ends, by the kernel's queues and by the relay.
//!
//! Bounds are those that hold on a busy machine too: no packet comes before it is due, nothing goes faster than its rate, and what TCP
//! repairs arrives whole. This program is also the relay that it tests, and leaving the machine needs a program with one thread.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_macros,
    reason = "a test tells how it goes and stops where it cannot go on"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::{Kernel, ability, pause, within};
use netwright_dataplane::plan::emulation::{Ability, Mechanism, RELAY, emulated};
use netwright_dataplane::plan::{
    Condition, Conditions, End, HostPlan, Link, MAIN, Namespace, Neighbour, Role, Route, Via, What,
    plan,
};
use netwright_lab::isolate;
use netwright_lab::link::relay;
use netwright_model::load;
use netwright_model::scalar::Prefix;
use netwright_model::source::Sources;

const NOTHING: Ability = Ability { tbf: false, netem: false };
const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 0, 1));

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

/// Two machines and a link between them.
fn two(conditions: Conditions) -> HostPlan {
    let end = |last: u8| End {
        namespace: format!("m{last}"),
        name: "eth0".to_owned(),
        mac: [2, 0, 0, 0, 0, last],
    };
    let space = |last: u8, far: u8| {
        let mut space = Namespace::bare(&format!("m{last}"), Role::Machine);
        let link = "eth0".to_owned();
        space.addresses = vec![(link.clone(), address(last))];
        space.neighbours =
            vec![Neighbour { link: link.clone(), address: GATEWAY, mac: end(far).mac }];
        let to = Prefix::of(Ipv4Addr::UNSPECIFIED.into(), 0);
        space.routes = vec![Route { table: MAIN, to, via: Via::Link { link, gateway: GATEWAY } }];
        space
    };
    let link = Link {
        a: end(1),
        b: end(2),
        mtu: 1500,
        name: "wire".to_owned(),
        conditions,
        ..Link::default()
    };
    HostPlan {
        namespaces: vec![space(1, 2), space(2, 1)],
        links: vec![link],
        ..HostPlan::default()
    }
}

/// A lab, and the relay that it needs.
#[derive(Default)]
struct Lab {
    kernel: Kernel,
    relay: Option<Child>,
}

impl Lab {
    /// Brings both to a plan.
    fn is(&mut self, plan: &HostPlan, can: Ability) {
        let plan = emulated(plan, can);
        self.kernel.apply(&plan).unwrap();
        assert_eq!(self.kernel.read_back().unwrap(), Vec::<String>::new());
        if let Some(mut relay) = self.relay.take() {
            relay.kill().unwrap();
            relay.wait().unwrap();
        }
        for task in plan.tasks.into_iter().filter(|task| task.namespace == RELAY) {
            let What::Part { settings, .. } = task.what else { continue };
            let mut child = within(self.kernel.namespace(RELAY).unwrap(), || {
                let mut command = Command::new("/proc/self/exe");
                command.arg("relay").stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
            })
            .unwrap();
            child.stdin.take().unwrap().write_all(settings.as_bytes()).unwrap();
            self.relay = Some(child);
        }
    }

    fn at<T: Send>(&self, namespace: &str, work: impl FnOnce() -> T + Send) -> T {
        within(self.kernel.namespace(namespace).unwrap(), work).unwrap()
    }

    /// A connection from one namespace to another, tried until it is made: the relay may be on its way.
    fn connection(&self, from: &str, to: &str, at: SocketAddr) -> (TcpStream, TcpStream) {
        let listener = self.at(to, || TcpListener::bind(at).unwrap());
        let begun = Instant::now();
        loop {
            let made = self.at(from, || TcpStream::connect_timeout(&at, Duration::from_secs(5)));
            if let Ok(near) = made {
                let (far, _) = listener.accept().unwrap();
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                return (near, far);
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "no connection: {made:?}");
            pause(Duration::from_millis(10));
        }
    }

    fn wire(&self) -> (TcpStream, TcpStream) {
        self.connection("m1", "m2", SocketAddr::new(address(2), 7000))
    }
}

/// Round trips, sorted.
fn round_trips((mut near, mut far): (TcpStream, TcpStream)) -> Vec<Duration> {
    let echo = std::thread::spawn(move || {
        let mut octet = [0];
        while far.read_exact(&mut octet).is_ok() {
            far.write_all(&octet).unwrap();
        }
    });
    let mut all: Vec<Duration> = (0..20)
        .map(|_| {
            let begun = Instant::now();
            near.write_all(b"x").unwrap();
            near.read_exact(&mut [0]).unwrap();
            begun.elapsed()
        })
        .collect();
    drop(near);
    echo.join().unwrap();
    all.sort();
    all
}

/// Octets that differ from place to place.
fn content(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| u8::try_from((at / 251 + at) % 256).unwrap()).collect()
}

/// Sends so many octets one way; how long that takes until they have arrived, and that they have arrived as they are.
fn stream((mut near, mut far): (TcpStream, TcpStream), octets: usize) -> Duration {
    let sent = content(octets);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            near.write_all(&sent).unwrap();
            near.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut got = Vec::new();
        far.read_to_end(&mut got).unwrap();
        assert!(got == sent, "what arrived is what was sent");
    });
    begun.elapsed()
}

fn latency() {
    let mut lab = Lab::default();
    let both = |latency| Conditions {
        there: Condition { latency, ..Condition::default() },
        back: Condition { latency, ..Condition::default() },
        seed: None,
    };
    lab.is(&two(both(0)), NOTHING);
    let (mut kept, mut far) = lab.wire();
    let without = round_trips(lab.connection("m1", "m2", SocketAddr::new(address(2), 7001)));
    lab.is(&two(both(20_000)), NOTHING);
    let with = round_trips(lab.wire_again());
    assert!(with[0] >= Duration::from_millis(40), "{with:?}");
    let (before, after) = (without[10], with[10]);
    assert!(after < before + Duration::from_millis(240), "{before:?} {after:?}");
    // A connection of before goes on over the relay, and after it.
    kept.write_all(b"a").unwrap();
    far.read_exact(&mut [0]).unwrap();
    lab.is(&two(both(0)), NOTHING);
    kept.write_all(b"b").unwrap();
    far.read_exact(&mut [0]).unwrap();
}

impl Lab {
    /// Another connection, where one is kept.
    fn wire_again(&self) -> (TcpStream, TcpStream) {
        self.connection("m1", "m2", SocketAddr::new(address(2), 7002))
    }
}

fn repaired() {
    let mut lab = Lab::default();
    let way = Condition {
        latency: 1_000,
        jitter: 500,
        loss: 3_000,
        duplicate: 3_000,
        reorder: 5_000,
        corrupt: 2_000,
        ..Condition::default()
    };
    lab.is(&two(Conditions { there: way, back: way, seed: Some(1) }), NOTHING);
    stream(lab.wire(), 1_000_000);
}

fn rate() {
    let octets = 2_000_000;
    let way = Condition { rate: 16_000_000, ..Condition::default() };
    let conditions = Conditions { there: way, ..Conditions::default() };
    let can = ability();
    for can in [can, NOTHING] {
        let mut lab = Lab::default();
        lab.is(&two(conditions), can);
        let by = Mechanism::of(&conditions, can);
        let took = stream(lab.wire(), octets);
        // A second for 16 Mbit, headers left aside, and what goes at once left out.
        assert!(took > Duration::from_millis(950), "{by:?} {took:?}");
        assert!(took < Duration::from_secs(10), "{by:?} {took:?}");
    }
}

fn cut() {
    let mut lab = Lab::default();
    lab.is(&two(Conditions { there: Condition::CUT, ..Conditions::default() }), NOTHING);
    let to = SocketAddr::new(address(2), 7000);
    let _listener = lab.at("m2", || TcpListener::bind(to).unwrap());
    let made = lab.at("m1", || TcpStream::connect_timeout(&to, Duration::from_millis(500)));
    assert!(made.is_err(), "nothing passes");
    // The other half of the same link, once it is to carry again.
    lab.is(&two(Conditions::default()), NOTHING);
    lab.wire_again();
}

const CONNECTOR: &str = r"
provider: gcp
vpcs: { net: { subnets: { data: { cidr: 10.1.0.0/24, region: r } } } }
connectors:
  c: { vpc: net, cidr: 10.8.0.0/28, region: r, machine_type: f1-micro, min_instances: 2, max_instances: 4 }
services:
  app: { region: r, egress: { mode: all-traffic, connector: c } }
instances:
  db: { subnet: net/data, address: 10.1.0.5 }
";

fn connector() {
    let can = ability();
    let network = load("test.yaml", CONNECTOR, &mut Sources::default()).unwrap();
    let plan = plan(&network);
    let link = plan.links.iter().find(|link| link.name == "connector/c").unwrap();
    // Four times 50 Mbit/s.
    let described = 200_000_000_u32;
    let rates = [link.conditions.there.rate, link.conditions.back.rate];
    assert_eq!(rates, [u64::from(described); 2]);
    let mut lab = Lab::default();
    lab.is(&plan, can);
    let octets = 20_000_000;
    let to = SocketAddr::new(Ipv4Addr::new(10, 1, 0, 5).into(), 5432);
    let (near, far) = lab.connection("service/app", "instance/db", to);
    let back = (far.try_clone().unwrap(), near.try_clone().unwrap());
    for (way, streams) in [("there", (near, far)), ("back", back)] {
        let seconds = stream(streams, octets).as_secs_f64();
        let measured = octets as f64 * 8.0 / seconds;
        println!("  connector {way}: {:.0} Mbit/s of 200", measured / 1e6);
        assert!(measured < f64::from(described) * 1.05, "{way}: {measured}");
        assert!(measured > f64::from(described) * 0.25, "{way}: {measured}");
    }
}

const TESTS: [(&str, fn()); 5] = [
    ("a_round_trip_takes_the_latency_of_both_ways_and_connections_live_on", latency),
    ("what_is_lost_doubled_reordered_and_corrupted_tcp_repairs", repaired),
    ("nothing_goes_faster_than_its_rate_by_the_kernel_or_the_relay", rate),
    ("a_link_that_is_cut_passes_nothing_until_it_is_not", cut),
    ("a_connector_carries_what_its_most_instances_do", connector),
];

/// Runs a test as process 1 of a lab.
fn one(name: &str) -> i32 {
    if std::env::var_os("INSIDE").is_some() {
        isolate::settle().unwrap();
        let (_, test) = TESTS.iter().find(|(known, _)| *known == name).unwrap();
        test();
        return 0;
    }
    isolate::leave().unwrap();
    let inside = Command::new("/proc/self/exe").args(["one", name]).env("INSIDE", "1").status();
    i32::from(!inside.unwrap().success())
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let code = match words.as_slice() {
        ["leave"] => i32::from(isolate::leave().is_err()),
        ["relay"] => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).unwrap();
            let mut settings = Some(serde_json::from_str(&text).unwrap());
            i32::from(relay::run(&mut || settings.take(), &mut |_| {}).is_err())
        }
        ["one", name] => one(name),
        ["--list", ..] => 0,
        filters => all(filters),
    };
    std::process::exit(code);
}

fn all(filters: &[&str]) -> i32 {
    let left = Command::new("/proc/self/exe").arg("leave").status().unwrap();
    let nft = ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"];
    if !left.success() || !nft.iter().any(|path| fs::exists(path).unwrap_or(false)) {
        println!("test links ... ignored: needs user namespaces and nft");
        return 0;
    }
    let filters: Vec<&&str> = filters.iter().filter(|word| !word.starts_with('-')).collect();
    let wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|word| name.contains(**word));
    // An ordinary user cannot enter the folder that this program was built in.
    let copy = std::env::temp_dir().join(format!("netwright-links-test-{}", std::process::id()));
    let copied = fs::copy("/proc/self/exe", &copy).is_ok();
    let mut failed = 0;
    for (name, _) in TESTS.iter().filter(|(name, _)| wanted(name)) {
        let mut ways = vec![("", Command::new("/proc/self/exe"))];
        let root = Command::new("setpriv").arg("--version").output().is_ok() && is_root();
        if root && copied {
            let mut other = Command::new("setpriv");
            other.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&copy);
            other.current_dir("/");
            ways.push((" (as an ordinary user)", other));
        }
        for (way, mut command) in ways {
            let output = command.args(["one", name]).output().unwrap();
            print!("{}", String::from_utf8_lossy(&output.stdout));
            let word = if output.status.success() { "ok" } else { "FAILED" };
            println!("test {name}{way} ... {word}");
            if !output.status.success() {
                println!("{}", String::from_utf8_lossy(&output.stderr));
                failed += 1;
            }
        }
    }
    let _not_copied = fs::remove_file(&copy);
    println!("\ntest result: {}", if failed == 0 { "ok" } else { "FAILED" });
    i32::from(failed > 0)
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}
