//! A system of a test: its servers and processes, killed with it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use netwright_servers::{
    Addresses, Keys, Program, Running, System, database_url, postgres_program, start, system,
};
use netwright_testbed::Folder;

use crate::client::{OPERATOR, USER};

/// Time-outs that suit a test.
const QUICK: [&str; 16] = [
    "--statement-ms",
    "600",
    "--connect-ms",
    "600",
    "--acquire-ms",
    "400",
    "--redis-ms",
    "300",
    "--probe-every-ms",
    "150",
    "--probe-timeout-ms",
    "500",
    "--lease-ms",
    "900",
    "--pool-size",
    "8",
];

const PATIENCE: Duration = Duration::from_secs(40);

/// PostgreSQL and Redis, and what runs on them.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) system: System,
    pub(crate) postgres: Option<Running>,
    pub(crate) redis: Option<Running>,
    pub(crate) gateway: Option<Running>,
    others: Vec<Running>,
    pub(crate) folder: Folder,
}

pub(crate) fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

impl Deployment {
    /// PostgreSQL and Redis; none where they are not installed, and the test is left out.
    pub(crate) fn servers() -> Option<Self> {
        let folder = Folder::new();
        let addresses = Addresses {
            postgres: free(),
            redis: free(),
            gateway: free(),
            worker: free(),
            frontend: free(),
        };
        let system = System {
            folder: folder.path().to_owned(),
            visapi: PathBuf::from(env!("CARGO_BIN_EXE_visapi")),
            addresses,
            clients: vec!["127.0.0.1/32".to_owned()],
            keys: Keys { user: USER.to_owned(), operator: OPERATOR.to_owned() },
            as_root: Command::new("id").arg("-u").output().is_ok_and(|ran| ran.stdout == b"0\n"),
            more: QUICK.map(str::to_owned).to_vec(),
            gateway_url: None,
        };
        let mut all =
            Self { system, postgres: None, redis: None, gateway: None, others: Vec::new(), folder };
        if let Err(missing) = netwright_servers::system(&all.system) {
            eprintln!("skipped: {missing}");
            return None;
        }
        all.postgres = Some(all.started("postgres"));
        all.redis = Some(all.started("redis"));
        Some(all)
    }

    /// All of it.
    pub(crate) fn whole() -> Option<Self> {
        let mut all = Self::servers()?;
        all.gateway = Some(all.started("gateway"));
        for machine in ["worker", "frontend"] {
            let started = all.started(machine);
            all.others.push(started);
        }
        Some(all)
    }

    /// Starts one of its processes, and waits until it is ready.
    pub(crate) fn started(&self, machine: &str) -> Running {
        let all = system(&self.system).expect("what is installed stays installed");
        let program = all.into_iter().find(|program| program.machine == machine);
        self.run(&program.expect("a machine's name"))
    }

    fn run(&self, program: &Program) -> Running {
        let log = self.system.log(&program.machine);
        let mut running = start(program, &log).unwrap_or_else(|why| panic!("{why}"));
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        running
            .wait(PATIENCE)
            .unwrap_or_else(|why| panic!("{}: {why}\n{}", program.machine, said()));
        running
    }

    /// Another gateway on the same servers, with a database of its own.
    pub(crate) fn gateway_of(&self, database: &str, broken: Option<&str>) -> Gateway {
        let mut system = self.system.clone();
        system.addresses.gateway = free();
        system.folder = self.folder.path().join(database);
        std::fs::create_dir_all(&system.folder).expect("a folder");
        self.psql("postgres", &format!("create database {database}"));
        if let Some(broken) = broken {
            system.more.extend(["--broken", broken, "--yes-break-it"].map(str::to_owned));
        }
        Gateway::start(&system, database)
    }

    /// What `psql` says to a statement.
    #[track_caller]
    pub(crate) fn psql(&self, database: &str, statement: &str) -> String {
        let psql = postgres_program("psql").expect("psql is where PostgreSQL is");
        let url = database_url(self.system.addresses.postgres, database);
        let ran = Command::new(psql).args([&url, "-At", "-c", statement]).output().expect("psql");
        assert!(ran.status.success(), "{statement}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }
}

/// A gateway alone.
#[derive(Debug)]
pub(crate) struct Gateway {
    program: Program,
    log: PathBuf,
    pub(crate) at: SocketAddr,
    running: Running,
}

impl Gateway {
    fn start(system: &System, database: &str) -> Self {
        let all = netwright_servers::system(system).expect("what is installed stays installed");
        let mut program =
            all.into_iter().find(|program| program.machine == "gateway").expect("a gateway");
        let url =
            program.args.iter_mut().find(|arg| arg.starts_with("postgres://")).expect("an address");
        *url = database_url(system.addresses.postgres, database);
        let log = system.log("gateway");
        let running = up(&program, &log);
        Self { program, log, at: system.addresses.gateway, running }
    }

    /// Killed, and started again over what it had stored.
    pub(crate) fn killed_and_started(&mut self) {
        self.running.kill();
        self.running = up(&self.program, &self.log);
    }
}

fn up(program: &Program, log: &Path) -> Running {
    let mut running = start(program, log).unwrap_or_else(|why| panic!("{why}"));
    let said = || std::fs::read_to_string(log).unwrap_or_default();
    running.wait(PATIENCE).unwrap_or_else(|why| panic!("{why}\n{}", said()));
    running
}
