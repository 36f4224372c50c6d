//! What a process is told: by flags, or by the environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::broken::Broken;
use crate::database::Times;

/// What becomes of mergeable writes while the database is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DegradedWrites {
    /// They wait in the local journal, and are answered with 202
    Queue,
    /// They are refused with 503, as all others
    Refuse,
}

/// Another process of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its name.
    pub(crate) name: String,
    /// Where it is: `http://HOST:PORT`.
    pub(crate) url: String,
}

fn peer(text: &str) -> Result<Peer, String> {
    let (name, url) = text.split_once('=').ok_or("write NAME=http://HOST:PORT")?;
    crate::http::client::authority(url)?;
    Ok(Peer { name: name.to_owned(), url: url.to_owned() })
}

fn pool_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size @ 1..=500) => Ok(size),
        _ => Err("a pool has 1 to 500 places".to_owned()),
    }
}

/// What every process is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// The name of this process: no two have the same
    #[arg(long, env = "VISAPI_NODE")]
    pub(crate) node: Option<String>,
    /// Where it listens
    #[arg(long, env = "VISAPI_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// The key that requests carry as X-API-Key; none lets everybody in
    #[arg(long, env = "API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// Another process: NAME=http://HOST:PORT; may be given several times
    #[arg(long = "peer", env = "VISAPI_PEERS", value_delimiter = ',', value_parser = peer)]
    pub(crate) peers: Vec<Peer>,
    /// Milliseconds between two probes of a link
    #[arg(long, env = "VISAPI_PROBE_EVERY_MS", default_value_t = 500)]
    pub(crate) probe_every_ms: u32,
    /// Milliseconds after which a probe is missed
    #[arg(long, env = "VISAPI_PROBE_TIMEOUT_MS", default_value_t = 1500)]
    pub(crate) probe_timeout_ms: u32,
    /// Milliseconds over which a link is slow
    #[arg(long, env = "VISAPI_SLOW_MS", default_value_t = 200)]
    pub(crate) slow_ms: u32,
    /// Milliseconds by which the wall clock is wrong on purpose
    #[arg(
        long,
        env = "VISAPI_CLOCK_OFFSET_MS",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(crate) clock_offset_ms: i64,
    /// Is wrong on purpose, in this way
    #[arg(long, env = "VISAPI_BROKEN", value_enum)]
    pub(crate) broken: Option<Broken>,
    /// Yes, it is to be wrong on purpose
    #[arg(long)]
    pub(crate) yes_break_it: bool,
}

/// What processes with a database are told.
#[derive(Debug, Clone, Args)]
pub(crate) struct Backend {
    #[command(flatten)]
    pub(crate) common: Common,
    /// PostgreSQL: the truth
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
    /// Redis: wake-ups and answers that are kept
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub(crate) redis_url: String,
    /// The key for what operators do; none is the same as --api-key
    #[arg(long, env = "ADMIN_KEY", hide_env_values = true)]
    pub(crate) admin_key: Option<String>,
    /// The folder of the journal
    #[arg(long, env = "VISAPI_DATA", default_value = "visapi-data")]
    pub(crate) data: PathBuf,
    /// Connections to the database
    #[arg(long, env = "DB_POOL_SIZE", default_value = "10", value_parser = pool_size)]
    pub(crate) pool_size: usize,
    /// Milliseconds that a place in the pool is waited for
    #[arg(long, env = "VISAPI_ACQUIRE_MS", default_value_t = 500)]
    pub(crate) acquire_ms: u32,
    /// Milliseconds that a connection to the database is waited for
    #[arg(long, env = "VISAPI_CONNECT_MS", default_value_t = 2000)]
    pub(crate) connect_ms: u32,
    /// Milliseconds that a statement is waited for
    #[arg(long, env = "VISAPI_STATEMENT_MS", default_value_t = 2000)]
    pub(crate) statement_ms: u32,
    /// Milliseconds that a command of Redis is waited for
    #[arg(long, env = "VISAPI_REDIS_MS", default_value_t = 1000)]
    pub(crate) redis_ms: u32,
    /// Milliseconds that a lease lasts: of who leads, and of a job
    #[arg(long, env = "VISAPI_LEASE_MS", default_value_t = 3000)]
    pub(crate) lease_ms: u32,
    /// What becomes of markers, test writes and jobs while the database is away
    #[arg(long, env = "VISAPI_DEGRADED_WRITES", value_enum, default_value = "queue")]
    pub(crate) degraded_writes: DegradedWrites,
    /// The most requests at a time; the next one is answered with 429
    #[arg(long, env = "VISAPI_MAX_IN_FLIGHT", default_value_t = 256)]
    pub(crate) max_in_flight: usize,
}

impl Backend {
    /// How long the database is waited for.
    pub(crate) const fn times(&self) -> Times {
        Times {
            acquire: Duration::from_millis(self.acquire_ms as u64),
            connect: Duration::from_millis(self.connect_ms as u64),
            statement: Duration::from_millis(self.statement_ms as u64),
        }
    }
}

impl Common {
    /// The name of this process: as it is told, or its role.
    pub(crate) fn name(&self, role: &str) -> String {
        self.node.clone().unwrap_or_else(|| role.to_owned())
    }

    /// Refuses to be wrong on purpose by mistake, and says loudly where it is meant.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Some(broken) = self.broken else { return Ok(()) };
        if !self.yes_break_it {
            return Err(format!(
                "--broken {} makes this system wrong on purpose, and loses data: say --yes-break-it too where that is meant",
                broken.name()
            ));
        }
        tracing::error!(
            "BROKEN ON PURPOSE: {}. Nothing of what this process says can be relied on",
            broken.name()
        );
        Ok(())
    }
}
