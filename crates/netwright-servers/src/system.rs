//! The whole reference system.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::find::{Missing, postgres_program, redis_server};
use crate::program::{Program, Ready, Step};

/// What the gateway and the worker can do wrong on purpose: what `--broken` takes.
pub const VARIANTS: [&str; 11] = [
    "ack-before-durable",
    "stale-reads",
    "duplicate-effects",
    "duplicate-ids",
    "nonatomic-counter",
    "version-gaps",
    "no-fencing",
    "nonlinear-register",
    "lost-update",
    "orphans",
    "wall-clock-wins",
];

/// The database's owner.
const USER: &str = "visapi";

/// Where each part listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// PostgreSQL.
    pub postgres: SocketAddr,
    /// Redis.
    pub redis: SocketAddr,
    /// The gateway.
    pub gateway: SocketAddr,
    /// The worker's health and counts.
    pub worker: SocketAddr,
    /// The frontend.
    pub frontend: SocketAddr,
}

/// The keys of the runbook: `$API_KEY` and `$ADMIN_KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// For who uses it.
    pub user: String,
    /// For who operates it.
    pub operator: String,
}

/// What is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// A folder for all that is kept.
    pub folder: PathBuf,
    /// The reference system's program.
    pub visapi: PathBuf,
    /// Where each part listens.
    pub addresses: Addresses,
    /// From where the database lets its user in without a password, as CIDR: the networks of the system, and nothing else.
    pub clients: Vec<String>,
    /// The keys.
    pub keys: Keys,
    /// Whether the programs will be started as user 0 of their namespace: PostgreSQL refuses that, and is given a namespace in which it is another.
    pub as_root: bool,
    /// More arguments for the gateway and the worker: time-outs, `--broken`.
    pub more: Vec<String>,
    /// How the frontend calls the gateway, as `http://HOST:PORT`; by its address unless given.
    pub gateway_url: Option<String>,
}

/// The address of the database with this name at this place.
#[must_use]
pub fn database_url(address: SocketAddr, name: &str) -> String {
    format!("postgres://{USER}@{address}/{name}")
}

/// All processes of the reference system, in the order in which they start.
///
/// # Errors
///
/// PostgreSQL or Redis is not installed.
pub fn system(system: &System) -> Result<Vec<Program>, Missing> {
    Ok(vec![postgres(system)?, redis(system)?, gateway(system), worker(system), frontend(system)])
}

/// A command as it is, or in a namespace in which who is root is somebody else.
fn ordinary(as_root: bool, program: PathBuf, args: Vec<String>) -> (PathBuf, Vec<String>) {
    if !as_root {
        return (program, args);
    }
    let mut all: Vec<String> =
        ["--user", "--map-user=1000", "--map-group=1000"].map(str::to_owned).to_vec();
    all.push(program.to_string_lossy().into_owned());
    all.extend(args);
    (PathBuf::from("unshare"), all)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn postgres(system: &System) -> Result<Program, Missing> {
    let folder = system.folder.join("postgres");
    let data = folder.join("data");
    let access = folder.join("access.conf");
    let at = system.addresses.postgres;
    let mut made = words(&[
        "--auth=trust",
        "--username",
        USER,
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
        "-D",
    ]);
    made.push(data.to_string_lossy().into_owned());
    let (initdb, made) = ordinary(system.as_root, postgres_program("initdb")?, made);
    let lines = system.clients.iter().map(|client| format!("host all {USER} {client} trust\n"));
    let mut args = words(&["-D"]);
    args.push(data.to_string_lossy().into_owned());
    for setting in [
        format!("listen_addresses={}", at.ip()),
        format!("port={}", at.port()),
        "unix_socket_directories=".to_owned(),
        format!("hba_file={}", access.display()),
        "max_connections=80".to_owned(),
        "shared_buffers=32MB".to_owned(),
        "logging_collector=off".to_owned(),
        // Who is cut off is noticed: by default, locks would be held for hours.
        "tcp_keepalives_idle=2".to_owned(),
        "tcp_keepalives_interval=1".to_owned(),
        "tcp_keepalives_count=3".to_owned(),
        "tcp_user_timeout=5000".to_owned(),
    ] {
        args.extend(["-c".to_owned(), setting]);
    }
    let (program, args) = ordinary(system.as_root, postgres_program("postgres")?, args);
    Ok(Program {
        machine: "postgres".to_owned(),
        before: vec![
            Step::Folder(folder),
            Step::Run { program: initdb, args: made, unless: data.join("PG_VERSION") },
            Step::Write { file: access, text: lines.collect() },
        ],
        program,
        args,
        env: BTreeMap::new(),
        ready: Ready::Postgres { address: at, user: USER.to_owned() },
    })
}

fn redis(system: &System) -> Result<Program, Missing> {
    let folder = system.folder.join("redis");
    let at = system.addresses.redis;
    let mut args = words(&[
        "--appendonly",
        "no",
        "--save",
        "",
        "--tcp-keepalive",
        "5",
        "--protected-mode",
        "no",
        "--dir",
    ]);
    args.push(folder.to_string_lossy().into_owned());
    args.extend([
        "--bind".to_owned(),
        at.ip().to_string(),
        "--port".to_owned(),
        at.port().to_string(),
    ]);
    Ok(Program {
        machine: "redis".to_owned(),
        before: vec![Step::Folder(folder)],
        program: redis_server()?,
        args,
        env: BTreeMap::new(),
        ready: Ready::Redis(at),
    })
}

fn visapi(system: &System, role: &str, at: SocketAddr, args: Vec<String>, path: &str) -> Program {
    let mut all = vec![
        role.to_owned(),
        "--node".to_owned(),
        role.to_owned(),
        "--listen".to_owned(),
        at.to_string(),
    ];
    all.extend(args);
    Program {
        machine: role.to_owned(),
        before: Vec::new(),
        program: system.visapi.clone(),
        args: all,
        env: BTreeMap::from([
            ("API_KEY".to_owned(), system.keys.user.clone()),
            ("ADMIN_KEY".to_owned(), system.keys.operator.clone()),
        ]),
        ready: Ready::Http { address: at, path: path.to_owned() },
    }
}

fn backend(system: &System) -> Vec<String> {
    let data = system.folder.join("visapi").to_string_lossy().into_owned();
    let Addresses { postgres, redis, .. } = system.addresses;
    let mut args = vec![
        "--database-url".to_owned(),
        database_url(postgres, "postgres"),
        "--redis-url".to_owned(),
        format!("redis://{redis}/0"),
        "--data".to_owned(),
        data,
    ];
    args.extend(system.more.iter().cloned());
    args
}

fn peer(name: &str, at: SocketAddr) -> [String; 2] {
    ["--peer".to_owned(), format!("{name}=http://{at}")]
}

fn gateway(system: &System) -> Program {
    let mut args = backend(system);
    args.extend(peer("worker", system.addresses.worker));
    args.extend(peer("frontend", system.addresses.frontend));
    visapi(system, "gateway", system.addresses.gateway, args, "/api/v1/startup")
}

fn worker(system: &System) -> Program {
    visapi(system, "worker", system.addresses.worker, backend(system), "/api/v1/startup")
}

fn frontend(system: &System) -> Program {
    let own = || format!("http://{}", system.addresses.gateway);
    let args = vec!["--gateway".to_owned(), system.gateway_url.clone().unwrap_or_else(own)];
    visapi(system, "frontend", system.addresses.frontend, args, "/api/health")
}

/// The folder of a program's own within a system's.
impl System {
    /// Where what a process says is written by whoever starts it here.
    #[must_use]
    pub fn log(&self, machine: &str) -> PathBuf {
        self.folder.join(Path::new(machine).with_extension("log"))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::PathBuf;

    use super::{Addresses, Keys, System, system};

    #[test]
    fn postgres_is_somebody_else_where_it_would_be_root_and_lets_in_whom_it_is_told() {
        let at = |port| SocketAddr::from(([10, 0, 0, 1], port));
        let mut asked = System {
            folder: PathBuf::from("/tmp/x"),
            visapi: PathBuf::from("visapi"),
            addresses: Addresses {
                postgres: at(1),
                redis: at(2),
                gateway: at(3),
                worker: at(4),
                frontend: at(5),
            },
            clients: vec!["10.0.0.0/24".to_owned()],
            keys: Keys { user: "a".to_owned(), operator: "b".to_owned() },
            as_root: true,
            more: Vec::new(),
            gateway_url: None,
        };
        // Nothing can be said of programs that are not installed.
        let Ok(programs) = system(&asked) else {
            return;
        };
        assert_eq!(programs[0].program, PathBuf::from("unshare"));
        assert!(format!("{:?}", programs[0].before).contains("host all visapi 10.0.0.0/24 trust"));
        let machines: Vec<&str> = programs.iter().map(|program| program.machine.as_str()).collect();
        assert_eq!(machines, ["postgres", "redis", "gateway", "worker", "frontend"]);
        asked.as_root = false;
        assert_ne!(system(&asked).unwrap()[0].program, PathBuf::from("unshare"));
    }
}
