//! Connections per second through a balancer of the lab that passes on, beside `HAProxy` in the same lab: both stand on a machine of one subnet,
//! between one client and the same four servers, and are asked by turns. A proxy of the lab and the way without a balancer stand beside them.
//!
//! A connection is opened, asks once, is answered and ends. Where `haproxy` is not installed, that is said.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::here::{Lab, spread};

/// How long each turn takes, and how many each way has.
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 5;
/// Connections at a time.
const AT_A_TIME: usize = 16;
/// Longest wait for a server to listen, and for one connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// The servers.
const SERVERS: usize = 4;
const SERVER_PORT: u16 = 8080;

fn network() -> String {
    let servers = (1..=SERVERS).map(|number| {
        format!(
            "  web-{number}: {{ subnet: back, address: 10.0.2.{}, filters: tcp }}\n",
            10 + number
        )
    });
    let targets: Vec<String> =
        (1..=SERVERS).map(|number| format!("{{ target: web-{number} }}")).collect();
    let balancer = |name: &str, kind: &str, address: &str| {
        format!(
            "  {name}:
    kind: {kind}
    scheme: internal
    nodes: {{ a: {{ subnet: middle, address: {address} }} }}
    filters: tcp
    listeners: {{ web: {{ on: tcp/80, to: [web] }} }}
    backends: {{ web: {{ port: tcp/{SERVER_PORT}, targets: [ {} ] }} }}
",
            targets.join(", ")
        )
    };
    format!(
        "vpcs:
  v:
    cidr: 10.0.0.0/16
    subnets: {{ front: {{ cidr: 10.0.0.0/24 }}, middle: {{ cidr: 10.0.1.0/24 }}, back: {{ cidr: 10.0.2.0/24 }} }}
filters:
  tcp: {{ rules: [ {{ direction: ingress, protocol: tcp }}, {{ direction: egress, protocol: tcp }} ] }}
instances:
  client: {{ subnet: front, address: 10.0.0.5, filters: tcp }}
  haproxy: {{ subnet: middle, address: 10.0.1.20, filters: tcp }}
{}load_balancers:
{}{}",
        servers.collect::<String>(),
        balancer("passing", "pass-through", "10.0.1.10"),
        balancer("proxy", "proxy", "10.0.1.11"),
    )
}

fn configuration() -> String {
    let servers = (1..=SERVERS)
        .map(|number| format!("  server web-{number} 10.0.2.{}:{SERVER_PORT}\n", 10 + number));
    format!(
        "global
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend web
  bind 10.0.1.20:80
  default_backend web
backend web
  balance random
{}",
        servers.collect::<String>()
    )
}

/// Connections per second from the client to an address; and how many failed.
fn turn(lab: &Lab, target: &str, length: Duration) -> (f64, f64) {
    let length = length.as_millis().to_string();
    let told = lab.numbers("client", &["balancer", "connect", target, &length]);
    (told[0], told[1])
}

pub(super) fn run(out: &mut impl Write) {
    let files = [("network.yaml", network()), ("haproxy.cfg", configuration())];
    let mut lab =
        Lab::files("balancer", &files.each_ref().map(|(name, text)| (*name, text.as_str())));
    if let Err(why) = lab.up() {
        writeln!(out, "balancer: skipped, no lab here: {why}").unwrap();
        return;
    }
    let program = std::env::current_exe().unwrap();
    for number in 1..=SERVERS {
        let port = SERVER_PORT.to_string();
        let words = [program.to_str().unwrap(), "balancer", "serve", &port];
        lab.start(&format!("web-{number}"), &words);
    }
    let mut ways = vec![
        ("without a balancer", "10.0.2.11:8080"),
        ("the lab's, passing on", "10.0.1.10:80"),
        ("the lab's, as a proxy", "10.0.1.11:80"),
    ];
    let known = ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"];
    match known.iter().find(|path| Path::new(path).exists()) {
        Some(haproxy) => {
            lab.start("haproxy", &[haproxy, "-db", "-f", "haproxy.cfg"]);
            ways.push(("HAProxy, TCP", "10.0.1.20:80"));
        }
        None => {
            writeln!(out, "haproxy is not installed: on Debian, apt-get install haproxy").unwrap();
        }
    }
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); ways.len()];
    let mut failed = vec![0.0; ways.len()];
    // The first turn is for warming up.
    for (_, target) in &ways {
        turn(&lab, target, Duration::from_millis(300));
    }
    for _ in 0..TURNS {
        for ((_, target), (rates, failed)) in ways.iter().zip(rates.iter_mut().zip(&mut failed)) {
            let (rate, lost) = turn(&lab, target, TURN);
            rates.push(rate);
            *failed += lost;
        }
    }
    writeln!(out, "balancer: connections a second, {AT_A_TIME} at a time, {SERVERS} servers")
        .unwrap();
    let mut medians = Vec::new();
    for ((name, _), (rates, failed)) in ways.iter().zip(rates.iter_mut().zip(&failed)) {
        let (median, least, most) = spread(rates);
        medians.push(median);
        let lost = if *failed > 0.0 { format!(", {failed} failed") } else { String::new() };
        writeln!(out, "  {name:22} {median:>8.0} ({least:.0} to {most:.0}{lost})").unwrap();
    }
    if let [_, passing, proxy, haproxy] = medians[..] {
        let (one, other) = (passing / haproxy, proxy / haproxy);
        writeln!(out, "  passing on : HAProxy   {one:>8.2}").unwrap();
        writeln!(out, "  proxy : HAProxy        {other:>8.2}").unwrap();
    }
}

/// Is one end of a connection.
pub(super) fn be(part: &str, words: &[&str], out: &mut impl Write) {
    match (part, words) {
        ("serve", [port]) => serve(port.parse().unwrap()),
        ("connect", [target, length]) => {
            let length = Duration::from_millis(length.parse().unwrap());
            let (rate, failed) = connect(target.parse().unwrap(), length);
            writeln!(out, "{rate} {failed}").unwrap();
        }
        _ => writeln!(out, "this benchmark has no part {part}").unwrap(),
    }
}

/// Answers each connection once, until it is ended.
fn serve(port: u16) {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Ok((mut stream, _)) = listener.accept() else { continue };
                    let mut octets = [0; 64];
                    // Who asked may have gone.
                    let _gone = stream.read(&mut octets).and_then(|_| stream.write_all(b"yes\n"));
                    // The client ends the connection: its end keeps nothing then.
                    let _gone = stream.read(&mut octets);
                }
            });
        }
    });
}

/// Connections per second, and how many failed.
fn connect(target: SocketAddr, length: Duration) -> (f64, u64) {
    // A server may still be about to listen.
    let start = Instant::now();
    while !one(target) && start.elapsed() < PATIENCE {}
    let (made, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while start.elapsed() < length {
                    let count = if one(target) { &made } else { &failed };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let rate = made.into_inner() as f64 / seconds;
    (rate, failed.into_inner())
}

/// One connection: opened, asked, answered, and ended at once, so that its port is free again.
fn one(target: SocketAddr) -> bool {
    let asked = || {
        let mut stream = TcpStream::connect_timeout(&target, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"are you there\n")?;
        let mut octets = [0; 64];
        let read = stream.read(&mut octets)?;
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        Ok::<_, std::io::Error>(read > 0)
    };
    asked().unwrap_or_default()
}
