//! Queries per second of the name server beside those of Knot DNS, one thread each, on loopback, by turns in one run.
//!
//! One client keeps a number of queries under way and asks for names of a zone of a thousand hosts, some by a wildcard, some that are not
//! there. Where `knotd` is not installed, that is said, and only this server is measured.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use netwright_dns::serve::serve;
use netwright_dns::settings::{Record, Settings, Zone};

/// Hosts of the zone.
const HOSTS: usize = 1000;
/// Queries under way.
const WINDOW: usize = 64;
/// How long each turn takes, and how many each server has.
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 5;
/// Where the servers listen.
const OURS: &str = "127.0.0.1:15353";
const KNOT: &str = "127.0.0.1:15354";
/// The variable that makes this program the server.
const SERVER: &str = "NETWRIGHT_BENCH_DNS";

fn main() -> io::Result<()> {
    if std::env::var_os(SERVER).is_some() {
        return serve(&settings(), &mut |_| {}, &mut || None);
    }
    let mut out = io::stdout().lock();
    let folder = std::env::temp_dir().join(format!("netwright-bench-dns-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let result = measure(&mut out, &folder);
    std::fs::remove_dir_all(&folder)?;
    result
}

fn measure(out: &mut impl Write, folder: &Path) -> io::Result<()> {
    let mut ours = Running::start(Command::new(std::env::current_exe()?).env(SERVER, "1"))?;
    let mut servers = vec![("netwright", OURS)];
    let mut knot = knotd().map(|program| start_knot(&program, folder)).transpose()?;
    match &knot {
        Some(_) => servers.push(("knotd", KNOT)),
        None => writeln!(out, "knotd is not installed: on Debian, apt-get install knot")?,
    }
    let queries: Vec<Vec<u8>> = (0..4096_u16).map(query).collect();
    for (_, server) in &servers {
        settle(server, &queries)?;
    }
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); servers.len()];
    for _ in 0..TURNS {
        for ((_, server), rates) in servers.iter().zip(&mut rates) {
            rates.push(turn(server, &queries)?);
        }
    }
    let medians: Vec<f64> = rates.iter_mut().map(|rates| median(rates)).collect();
    for (((name, _), median), rates) in servers.iter().zip(&medians).zip(&rates) {
        let (least, most) = (rates.first().unwrap_or(&0.0), rates.last().unwrap_or(&0.0));
        writeln!(out, "{name:10} {median:>9.0} queries/s ({least:.0} to {most:.0})")?;
    }
    if let [own, other] = medians[..] {
        writeln!(out, "ratio      {:>9.2}", own / other)?;
    }
    ours.end();
    if let Some(knot) = &mut knot {
        knot.end();
    }
    Ok(())
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

/// A server that is ended with this.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> io::Result<Self> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(quiet.spawn()?))
    }

    fn end(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn settings() -> Settings {
    let record = |owner: String, address: String| Record {
        owner,
        kind: "A".to_owned(),
        ttl: 300,
        values: vec![address],
    };
    let hosts = (0..HOSTS)
        .map(|n| record(format!("host{n}.bench.example"), format!("10.0.{}.{}", n / 250, n % 250)));
    let wildcard = record("*.apps.bench.example".to_owned(), "10.1.0.1".to_owned());
    let zone = Zone {
        name: "bench.example".to_owned(),
        forward_to: Vec::new(),
        records: hosts.chain([wildcard]).collect(),
    };
    let listen = OURS.parse::<SocketAddr>().into_iter().collect();
    Settings {
        view: "bench".to_owned(),
        listen,
        most_aliases: 16,
        zones: vec![zone],
        ..Settings::default()
    }
}

fn knotd() -> Option<PathBuf> {
    let known = ["/usr/sbin/knotd", "/usr/local/sbin/knotd"].into_iter().map(PathBuf::from);
    known.into_iter().find(|path| path.exists())
}

fn start_knot(program: &Path, folder: &Path) -> io::Result<Running> {
    let mut zone = String::from(
        "$ORIGIN bench.example.\n$TTL 300\n@ SOA ns hostmaster 1 2 3 4 60\n@ NS ns\nns A 10.9.9.9\n*.apps A 10.1.0.1\n",
    );
    for n in 0..HOSTS {
        // Writing into a string does not fail.
        let _fine = writeln!(zone, "host{n} A 10.0.{}.{}", n / 250, n % 250);
    }
    std::fs::write(folder.join("bench.example.zone"), zone)?;
    let at = folder.display();
    let (address, port) = KNOT.split_once(':').unwrap_or((KNOT, "53"));
    let config = format!(
        "server:\n  listen: {address}@{port}\n  rundir: {at}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\ndatabase:\n  storage: {at}\nzone:\n  - domain: bench.example\n    storage: {at}\n    file: bench.example.zone\n"
    );
    let file = folder.join("knot.conf");
    std::fs::write(&file, config)?;
    Running::start(Command::new(program).arg("-c").arg(file))
}

/// A query: nine of twelve names are hosts, two a wildcard's, one is not there.
fn query(number: u16) -> Vec<u8> {
    let host = usize::from(number) * 7 % HOSTS;
    let name = match number % 12 {
        0 => format!("nobody{number}.bench.example"),
        1 | 2 => format!("app{number}.apps.bench.example"),
        _ => format!("host{host}.bench.example"),
    };
    let mut octets = number.to_be_bytes().to_vec();
    octets.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1]);
    for label in name.split('.') {
        octets.push(u8::try_from(label.len()).unwrap_or_default());
        octets.extend(label.as_bytes());
    }
    // The root, type A, class IN; and EDNS that takes 1,232 octets.
    octets.extend([0, 0, 1, 0, 1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    octets
}

fn socket(server: &str) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    Ok(socket)
}

/// Waits until a server answers.
fn settle(server: &str, queries: &[Vec<u8>]) -> io::Result<()> {
    let start = Instant::now();
    loop {
        let (socket, mut octets) = (socket(server)?, [0; 4096]);
        // Nobody is there yet: an error, or nothing until the time is over.
        let _refused = socket.send(&queries[3]);
        if matches!(socket.recv(&mut octets), Ok(1..)) && octets[3] & 15 == 0 {
            return Ok(());
        }
        if start.elapsed() > Duration::from_secs(10) {
            return Err(io::Error::other(format!("{server} does not answer")));
        }
    }
}

/// Answers per second of one turn.
fn turn(server: &str, queries: &[Vec<u8>]) -> io::Result<f64> {
    let (socket, mut octets) = (socket(server)?, [0; 4096]);
    let (mut answered, mut next) = (0_u32, queries.iter().cycle());
    let start = Instant::now();
    for query in next.by_ref().take(WINDOW) {
        socket.send(query)?;
    }
    while start.elapsed() < TURN {
        match socket.recv(&mut octets) {
            Ok(_) => {
                answered += 1;
                if let Some(query) = next.next() {
                    socket.send(query)?;
                }
            }
            // Some were lost: the window is filled again.
            Err(_) => {
                for query in next.by_ref().take(WINDOW) {
                    socket.send(query)?;
                }
            }
        }
    }
    Ok(f64::from(answered) / start.elapsed().as_secs_f64())
}
