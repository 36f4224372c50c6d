//! How much one TCP stream carries: through filters of ten and of ten thousand rules and through none, and through a NAT gateway and an internet
//! gateway beside as many routers that translate and filter nothing. All labs are up at once and are asked by turns.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::here::{Lab, spread};

/// How long each turn takes, and how many each way has.
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 5;
const PORT: u16 = 5001;
/// Longest wait for the far end to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A machine of each of two subnets, with so many rules before the one that lets the stream in.
fn filtered(rules: usize) -> String {
    let mut text = "vpcs:
  v: { cidr: 10.0.0.0/16, mtu: 1500, subnets: { a: { cidr: 10.0.1.0/24 }, b: { cidr: 10.0.2.0/24 } } }
"
    .to_owned();
    let filters = if rules > 0 { ", filters: f" } else { "" };
    if rules > 0 {
        text.push_str("filters:\n  f:\n    rules:\n      - { direction: egress }\n");
        for number in 1..rules {
            let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
            let rule = format!("direction: ingress, protocol: tcp, port: {}", 6000 + number % 100);
            writeln!(text, "      - {{ {rule}, from: 172.16.{high}.{low} }}").unwrap();
        }
        writeln!(
            text,
            "      - {{ direction: ingress, protocol: tcp, port: {PORT}, from: 10.0.1.0/24 }}"
        )
        .unwrap();
    }
    write!(
        text,
        "instances:\n  near: {{ subnet: a, address: 10.0.1.5{filters} }}\n  far: {{ subnet: b, address: 10.0.2.5{filters} }}\n"
    )
    .unwrap();
    text
}

/// From a machine through filters, a NAT gateway and an internet gateway to an outside service: five namespaces pass it on.
const TRANSLATED: &str = "vpcs:
  v:
    cidr: 10.0.0.0/16
    mtu: 1500
    subnets:
      a: { cidr: 10.0.1.0/24, route_table: private }
      public: { cidr: 10.0.2.0/24, route_table: public }
    route_tables:
      private: { routes: [{ to: 0.0.0.0/0, via: 'nat_gateway:nat' }] }
      public: { routes: [{ to: 0.0.0.0/0, via: 'internet_gateway:gate' }] }
filters:
  f: { rules: [{ direction: egress, protocol: tcp }] }
internet_gateways: { gate: { vpc: v } }
nat_gateways: { nat: { subnet: v/public, address: 198.51.100.10, private_address: 10.0.2.9 } }
externals: { far: { cidrs: [203.0.114.7/32] } }
instances:
  near: { subnet: a, address: 10.0.1.5, filters: f }
";

/// The same number of namespaces, which only pass on: two machines that forward, and the router three times.
const PLAIN: &str = "vpcs:
  v:
    cidr: 10.0.0.0/16
    mtu: 1500
    subnets:
      a: { cidr: 10.0.1.0/24, route_table: a }
      one: { cidr: 10.0.2.0/24, route_table: one }
      two: { cidr: 10.0.3.0/24, route_table: two }
      b: { cidr: 10.0.4.0/24, route_table: b }
    route_tables:
      a: { routes: [{ to: 10.0.4.5/32, via: 'instance:one' }] }
      one: { routes: [{ to: 10.0.4.5/32, via: 'instance:two' }] }
      two: { routes: [{ to: 10.0.1.5/32, via: 'instance:one' }] }
      b: { routes: [{ to: 10.0.1.5/32, via: 'instance:two' }] }
instances:
  near: { subnet: a, address: 10.0.1.5 }
  one: { subnet: one, address: 10.0.2.5, forwards: true }
  two: { subnet: two, address: 10.0.3.5, forwards: true }
  far: { subnet: b, address: 10.0.4.5 }
";

struct Way {
    name: &'static str,
    lab: Lab,
    /// Gigabits a second, turn by turn.
    rates: Vec<f64>,
    target: &'static str,
}

pub(super) fn run(out: &mut impl Write) {
    let ways = [
        ("no filters", filtered(0), "far", "10.0.2.5"),
        ("10 rules", filtered(10), "far", "10.0.2.5"),
        ("10,000 rules", filtered(10_000), "far", "10.0.2.5"),
        ("5 routers", PLAIN.to_owned(), "far", "10.0.4.5"),
        ("filters, NAT and gateway", TRANSLATED.to_owned(), "external/far", "203.0.114.7"),
    ];
    let mut up = Vec::new();
    for (number, (name, network, far, target)) in ways.into_iter().enumerate() {
        let mut lab = Lab::files(&format!("stream{number}"), &[("network.yaml", &network)]);
        if let Err(why) = lab.up() {
            writeln!(out, "stream: skipped, no lab here ({name}): {why}").unwrap();
            return;
        }
        let program = std::env::current_exe().unwrap();
        lab.start(far, &[program.to_str().unwrap(), "stream", "take"]);
        up.push(Way { name, lab, rates: Vec::new(), target });
    }
    let turn = |way: &Way, length: Duration| {
        let length = length.as_millis().to_string();
        way.lab.numbers("near", &["stream", "send", way.target, &length])[0]
    };
    for way in &up {
        turn(way, Duration::from_millis(300));
    }
    for _ in 0..TURNS {
        for way in &mut up {
            let rate = turn(way, TURN);
            way.rates.push(rate);
        }
    }
    writeln!(out, "stream: gigabits a second of one TCP stream").unwrap();
    let mut medians = Vec::new();
    for way in &mut up {
        let (median, least, most) = spread(&mut way.rates);
        medians.push(median);
        writeln!(out, "  {:26} {median:>6.2} ({least:.2} to {most:.2})", way.name).unwrap();
    }
    let [none, ten, many, plain, whole] = medians[..] else { return };
    for (what, ratio) in [
        ("10 rules : none", ten / none),
        ("10,000 rules : 10", many / ten),
        ("filters and NAT : routers", whole / plain),
    ] {
        writeln!(out, "  {what:26} {ratio:>6.2}").unwrap();
    }
}

/// Is one end of a stream.
pub(super) fn be(part: &str, words: &[&str], out: &mut impl Write) {
    match (part, words) {
        ("take", []) => take(),
        ("send", [target, length]) => {
            let target = SocketAddr::new(target.parse().unwrap(), PORT);
            let length = Duration::from_millis(length.parse().unwrap());
            writeln!(out, "{}", send(target, length)).unwrap();
        }
        _ => writeln!(out, "this benchmark has no part {part}").unwrap(),
    }
}

/// Reads whatever comes and says at the end how much it was, until it is ended.
fn take() {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).unwrap();
    let mut octets = vec![0; 1 << 20];
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut all = 0_u64;
        while let Ok(read @ 1..) = stream.read(&mut octets) {
            all += read as u64;
        }
        let _gone = stream.write_all(&all.to_be_bytes());
    }
}

/// Gigabits a second that the far end took.
fn send(target: SocketAddr, length: Duration) -> f64 {
    let begin = Instant::now();
    let mut stream = loop {
        match TcpStream::connect_timeout(&target, PATIENCE) {
            Ok(stream) => break stream,
            Err(error) => assert!(begin.elapsed() < PATIENCE, "{target}: {error}"),
        }
    };
    let octets = vec![0; 1 << 20];
    let start = Instant::now();
    while start.elapsed() < length {
        stream.write_all(&octets).unwrap();
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut all = [0; 8];
    stream.read_exact(&mut all).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let bits = u64::from_be_bytes(all) as f64 * 8.0;
    bits / start.elapsed().as_secs_f64() / 1e9
}
