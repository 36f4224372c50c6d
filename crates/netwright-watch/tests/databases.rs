//! Real PostgreSQL and real Redis, each good, with a wrong password, out of connections, following another one, and hung.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test says what it skips and stops where it cannot go on"
)]

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netwright_watch::probe::names::Resolver;
use netwright_watch::probe::outcome::{Kind, Outcome, PhaseName};
use netwright_watch::probe::prober::{Prober, Trust};
use netwright_watch::probe::target::{Spec, Target};
use rustix::process::{Pid, Signal, kill_process};

/// The user and group that stand for nobody.
const NOBODY: u32 = 65_534;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("netwright-{name}-{}", std::process::id()));
        let _from_before = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        if root() {
            std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// A server that ends with the test.
struct Server {
    child: Child,
    at: SocketAddr,
}

impl Server {
    fn start(mut command: Command, at: SocketAddr) -> Self {
        let child =
            plain(&mut command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { child, at };
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(at).is_err() {
            assert!(Instant::now() < until, "no server at {at}");
            pause(Duration::from_millis(20));
        }
        server
    }

    fn signal(&self, signal: Signal) {
        let number = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(number, signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
        self.signal(Signal::INT);
        let _ended = self.child.wait();
    }
}

fn root() -> bool {
    rustix::process::getuid().is_root()
}

/// A command as an ordinary user: PostgreSQL refuses root.
fn plain(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    if root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/")
}

#[expect(clippy::disallowed_methods, reason = "real servers take real time")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Where the programs of PostgreSQL are.
fn postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> =
        versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
    found.retain(|folder| folder.join("initdb").exists());
    found.sort();
    found.pop()
}

fn ask(target: &str) -> Outcome {
    let clock = Arc::new(jiff::Timestamp::now);
    let prober = Prober::new(Trust::only(&[]).unwrap(), Resolver::default(), clock);
    let spec = Spec { timeout: Duration::from_secs(2), ..Spec::of(Target::parse(target).unwrap()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(prober.ask(&spec, 1))
}

fn kind(target: &str) -> String {
    let outcome = ask(target);
    outcome
        .failure()
        .map_or_else(|| outcome.verdict.word().to_owned(), |failure| failure.kind.name().to_owned())
}

fn run(command: &mut Command) {
    let output = plain(command).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A PostgreSQL in a folder; `standby`: it follows nobody, and only reads.
fn start_postgres(bin: &Path, data: &Path, standby: bool) -> Server {
    if standby {
        std::fs::write(data.join("standby.signal"), "").unwrap();
    }
    let at = free();
    let mut command = Command::new(bin.join("postgres"));
    command.arg("-D").arg(data).args([
        "-p",
        &at.port().to_string(),
        "-k",
        "",
        "-F",
        "-h",
        "127.0.0.1",
    ]);
    for setting in [
        "max_connections=6",
        "superuser_reserved_connections=1",
        "shared_buffers=1MB",
        "hot_standby=on",
        "max_wal_senders=0",
    ] {
        // A standby needs what its first one had.
        command.args(["-c", setting]);
    }
    Server::start(command, at)
}

#[test]
fn postgresql_is_asked_when_good_with_a_wrong_password_full_following_and_hung() {
    let Some(bin) = postgres() else {
        eprintln!("left out: PostgreSQL is not installed");
        return;
    };
    let folder = Folder::new("postgres");
    let (data, password) = (folder.0.join("data"), folder.0.join("password"));
    std::fs::write(&password, "right").unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut init = Command::new(bin.join("initdb"));
    init.arg("-D").arg(&data).args([
        "-U",
        "app",
        "-A",
        "scram-sha-256",
        "-E",
        "UTF8",
        "--no-locale",
        "-N",
    ]);
    run(init.arg("--pwfile").arg(&password));
    let server = start_postgres(&bin, &data, false);
    let target = |password: &str, rest: &str| {
        format!("postgres://app:{password}@{}/postgres{rest}", server.at)
    };
    // It may still be starting: that is told as what it is.
    let until = Instant::now() + Duration::from_secs(10);
    while kind(&target("right", "")) == "database_starting" {
        assert!(Instant::now() < until);
        pause(Duration::from_millis(20));
    }
    let good = ask(&target("right", "?writable"));
    assert!(good.passed(), "{good:?}");
    let phases: Vec<PhaseName> = good.phases.iter().map(|phase| phase.name).collect();
    assert_eq!(phases, [PhaseName::Connect, PhaseName::Login, PhaseName::Query]);
    assert!(good.seen.server.as_ref().unwrap().starts_with("PostgreSQL "));
    let source = good.source.unwrap();
    assert!(source.seen_by_peer && source.address.is_loopback());
    assert_eq!(kind(&target("wrong", "")), "database_authentication");
    assert_eq!(kind(&format!("postgres://app@{}/postgres", server.at)), "database_authentication");
    assert_eq!(kind(&target("right", "x")), "database_missing");
    assert_eq!(kind(&target("right", "?query=select+nothing")), "query_failed");
    assert_eq!(kind(&target("right", "?query=select+2&answer=2")), "passed");
    assert_eq!(kind(&target("right", "?query=select+2&answer=3")), "query_answer");
    assert_eq!(kind(&target("right", "?query=select+pg_sleep(9)")), "query_timed_out");
    assert_eq!(kind(&target("right", "?tls=yes")), "tls_not_spoken");
    // The load of a command: twenty at a time, and six have room.
    let full = ask_at_once(&target("right", "?query=select+pg_sleep(0.5)"), 20);
    let count = |name: &str| full.iter().filter(|kind| *kind == name).count();
    assert!(count("database_too_many_connections") >= 10 && count("passed") >= 1, "{full:?}");
    server.signal(Signal::STOP);
    let hung = ask(&target("right", ""));
    assert_eq!(hung.failure().unwrap().kind, Kind::TimedOut { phase: PhaseName::Login });
    server.signal(Signal::CONT);
    drop(server);
    let server = start_postgres(&bin, &data, true);
    let target = |rest: &str| format!("postgres://app:right@{}/postgres{rest}", server.at);
    let until = Instant::now() + Duration::from_secs(10);
    while kind(&target("")) == "database_starting" {
        assert!(Instant::now() < until);
        pause(Duration::from_millis(20));
    }
    assert_eq!(kind(&target("")), "passed");
    assert_eq!(kind(&target("?writable")), "database_in_recovery");
}

fn ask_at_once(target: &str, count: usize) -> Vec<String> {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..count).map(|_| scope.spawn(|| kind(target))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

fn start_redis(folder: &Path, more: &[&str]) -> Server {
    let at = free();
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &at.port().to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(folder)
        .args(more);
    Server::start(command, at)
}

#[test]
fn redis_is_asked_when_good_with_a_wrong_password_full_following_and_hung() {
    if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("left out: Redis is not installed");
        return;
    }
    let folder = Folder::new("redis");
    let server = start_redis(&folder.0, &["--requirepass", "right"]);
    let target = |password: &str, rest: &str| format!("redis://:{password}@{}{rest}", server.at);
    let good = ask(&target("right", "/3?writable"));
    assert!(good.passed(), "{good:?}");
    assert_eq!(good.seen.server.as_deref(), Some("Redis, master"));
    assert!(good.source.unwrap().seen_by_peer);
    assert_eq!(kind(&format!("redis://{}", server.at)), "redis_noauth");
    assert_eq!(kind(&target("wrong", "")), "redis_noauth");
    assert_eq!(kind(&target("right", "?query=NONSENSE")), "query_failed");
    let follower = start_redis(&folder.0, &["--replicaof", "127.0.0.1", "1"]);
    let address = follower.at;
    assert_eq!(kind(&format!("redis://{address}")), "passed");
    assert_eq!(kind(&format!("redis://{address}?writable")), "redis_readonly");
    assert_eq!(kind(&format!("redis://{address}?query=SET+a+b")), "redis_readonly");
    let small = start_redis(&folder.0, &["--maxclients", "1"]);
    let held = loop {
        // The connection that found out whether it is up may still have the only place.
        let mut stream = TcpStream::connect(small.at).unwrap();
        let mut answer = [0; 7];
        let asked = std::io::Write::write_all(&mut stream, b"PING\r\n");
        let read = asked.and_then(|()| std::io::Read::read_exact(&mut stream, &mut answer));
        if read.is_ok() && answer == *b"+PONG\r\n" {
            break stream;
        }
        pause(Duration::from_millis(10));
    };
    assert_eq!(kind(&format!("redis://{}", small.at)), "database_too_many_connections");
    drop(held);
    server.signal(Signal::STOP);
    let hung = ask(&format!("redis://{}", server.at));
    assert_eq!(hung.failure().unwrap().kind, Kind::QueryTimedOut);
    assert!(
        hung.phase(PhaseName::Connect).is_some(),
        "the kernel still takes connections: {hung:?}"
    );
}
