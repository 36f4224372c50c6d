//! A host's namespaces outlive the process that made them, and whoever takes over finds what is otherwise and repairs it. Runs as an ordinary user's
//! process 1 of a lab, without the harness: moving into namespaces needs a process with one thread.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_macros,
    reason = "a test says what it skips and stops where it cannot go on"
)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use netwright_agent::host::{Host, concerned};
use netwright_dataplane::kernel::{Kernel, within};
use netwright_dataplane::plan::hosts::{Place, fleet};
use netwright_dataplane::plan::{HostPlan, Via, plan};
use netwright_lab::isolate;
use netwright_model::network::resolve::resolve;
use netwright_model::parse_description;

const NETWORK: &str = "
vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }
filters: { f: { rules: [ { direction: egress }, { direction: ingress, protocol: tcp, port: 80 } ] } }
instances:
  a: { subnet: s, address: 10.0.0.10, filters: f }
  b: { subnet: s, address: 10.0.0.11, filters: f }
";

fn planned(text: &str) -> HostPlan {
    let description = parse_description("test", text, &mut Default::default()).unwrap();
    let network = resolve(description).unwrap();
    let place = Place { host: "host/h1".to_owned(), address: Ipv4Addr::new(198, 18, 0, 1) };
    fleet(plan(&network), &[place]).part("host/h1")
}

/// A connection from a to b: both ends.
fn connect(kernel: &Kernel, port: u16) -> Option<(TcpStream, TcpStream)> {
    let to = SocketAddr::from(([10, 0, 0, 11], port));
    let listener =
        within(kernel.namespace("instance/b").unwrap(), || TcpListener::bind(to)).unwrap().unwrap();
    let near = within(kernel.namespace("instance/a").unwrap(), || {
        TcpStream::connect_timeout(&to, std::time::Duration::from_millis(300))
    });
    let near = near.unwrap().ok()?;
    Some((near, listener.accept().unwrap().0))
}

fn flows((near, far): &mut (TcpStream, TcpStream)) {
    near.write_all(b"on").unwrap();
    far.read_exact(&mut [0; 2]).unwrap();
}

fn inside() {
    isolate::settle().unwrap();
    let folder = Path::new("/run/agent");
    let plan = planned(NETWORK);
    let all: BTreeSet<String> = plan.namespaces.iter().map(|one| one.name.clone()).collect();

    let (mut host, adopted) = Host::open(folder, "h1").unwrap();
    assert_eq!((adopted.namespaces, adopted.revision), (0, 0));
    let brought = host.bring(7, &plan).unwrap();
    assert!(brought.failures.is_empty(), "{:?}", brought.failures);
    assert_eq!(host.read_back(&all).unwrap(), Vec::<String>::new());
    let mut stream = connect(host.kernel(), 80).unwrap();
    assert!(Host::open(folder, "h1").is_err(), "one agent at a time");

    // It ends without a word. The next one takes over, and packets flow on.
    drop(host);
    flows(&mut stream);
    let (mut host, adopted) = Host::open(folder, "h1").unwrap();
    assert_eq!((adopted.namespaces, adopted.revision), (all.len(), 7));
    assert_eq!(adopted.deviations, Vec::<String>::new());
    let brought = host.bring(7, &plan).unwrap();
    assert!(brought.failures.is_empty() && brought.changes.is_empty(), "{brought:?}");
    flows(&mut stream);

    // A change is applied by difference: what it does not concern flows on.
    let text = NETWORK.replace("port: 80", "port: 81")
        + "  c: { subnet: s, address: 10.0.0.12, filters: f }\n";
    let next = planned(&text);
    let some = concerned(host.last(), &next);
    assert!(some.contains("instance/c") && !some.contains("instance/a"), "{some:?}");
    let brought = host.bring(8, &next).unwrap();
    assert!(brought.failures.is_empty(), "{:?}", brought.failures);
    assert_eq!(host.read_back(&some).unwrap(), Vec::<String>::new());
    flows(&mut stream);
    assert!(connect(host.kernel(), 80).is_none() && connect(host.kernel(), 81).is_some());

    damaged(&mut host, &next, &mut stream);
    drop(host);
    interrupted(folder, &text, &mut stream);
}

/// What somebody else changes is found and repaired, also where a process took over in between.
fn damaged(host: &mut Host, next: &HostPlan, stream: &mut (TcpStream, TcpStream)) {
    let damage = |host: &Host, command: &str| {
        let space = host.kernel().namespace("vpc/v").unwrap();
        let status = within(space, || Command::new("sh").args(["-c", command]).status());
        assert!(status.unwrap().unwrap().success(), "{command}");
    };
    let link = next.links.iter().find(|link| link.b.namespace == "instance/c");
    let link = link.map_or("i_c", |link| link.a.name.as_str());
    let router = next.namespaces.iter().find(|one| one.name == "vpc/v").unwrap();
    let route = router.routes.iter().find(|route| matches!(route.via, Via::Link { .. })).unwrap();
    let route = format!("ip route del {} table {}", route.to, route.table);
    for (command, word) in [
        ("nft flush ruleset".to_owned(), "is missing"),
        ("nft add table inet strange".to_owned(), "strange is there"),
        ("ip route add blackhole 10.99.0.0/16".to_owned(), "10.99.0.0/16"),
        (route, "route to"),
        (format!("ip link del {link}"), "is missing"),
        (format!("ip link set {link} down"), "is down"),
        (format!("ip link set {link} mtu 1280"), "1280 octets"),
        ("echo 0 > /proc/sys/net/ipv4/ip_forward".to_owned(), "ip_forward is 0"),
    ] {
        damage(host, &command);
        let (found, failures) = host.repair();
        assert!(failures.is_empty(), "{command}: {failures:?}");
        assert!(found.iter().any(|what| what.contains(word)), "{command}: {found:?}");
        let (found, failures) = host.repair();
        assert!(found.is_empty() && failures.is_empty(), "{command}: {found:?} {failures:?}");
        flows(stream);
    }
    assert!(connect(host.kernel(), 80).is_none() && connect(host.kernel(), 81).is_some());
    damage(host, "nft flush ruleset");
}

/// A process that ends in the middle: what was about to be is taken over as far as it was done.
fn interrupted(folder: &Path, text: &str, stream: &mut (TcpStream, TcpStream)) {
    let next = planned(text);
    let (mut host, adopted) = Host::open(folder, "h1").unwrap();
    assert!(!adopted.deviations.is_empty());
    assert!(host.bring(8, &next).unwrap().failures.is_empty());
    let (found, _) = host.repair();
    assert_eq!(found, Vec::<String>::new());
    let text = text.to_owned() + "  d: { subnet: s, address: 10.0.0.13, filters: f }\n";
    let third = planned(&text);
    let mut broken = third.clone();
    broken.namespaces.iter_mut().find(|one| one.name == "vpc/v").unwrap().ruleset =
        "table inet netwright {\n  nonsense\n}\n".to_owned();
    let brought = host.bring(9, &broken).unwrap();
    assert!(!brought.failures.is_empty());
    flows(stream);
    drop(host);
    let (mut host, _) = Host::open(folder, "h1").unwrap();
    assert!(host.bring(9, &third).unwrap().failures.is_empty());
    assert_eq!(host.repair().0, Vec::<String>::new());
    flows(stream);

    host.remove().unwrap();
    assert!(!folder.exists());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains("/run/agent"), "{mounts}");
}

fn main() {
    if std::env::args().any(|word| word == "--list") {
        return;
    }
    if std::env::var_os("INSIDE").is_some() {
        inside();
        return;
    }
    if let Err(failure) = isolate::leave() {
        println!("skipped: {failure}");
        return;
    }
    let status = Command::new("/proc/self/exe").env("INSIDE", "1").status().unwrap();
    println!("test host ... {}", if status.success() { "ok" } else { "FAILED" });
    assert!(status.success());
}
