//! `visapi up`: the whole system on loopback, for trying the runbook by hand.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use netwright_servers::{Addresses, Keys, Running, System, start, system};

/// What is to run.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    /// The folder for all that is kept; it is made where it is not there
    #[arg(long, default_value = "visapi-data")]
    folder: PathBuf,
    /// The frontend's port; the gateway's is the next one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The runbook's key for users
    #[arg(long, env = "API_KEY", default_value = "api-key", hide_env_values = true)]
    api_key: String,
    /// The runbook's key for operators
    #[arg(long, env = "ADMIN_KEY", default_value = "admin-key", hide_env_values = true)]
    admin_key: String,
    /// More arguments for the gateway and the worker
    #[arg(last = true)]
    more: Vec<String>,
}

/// A port that nobody has now.
fn free() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}

/// Starts all of it, and keeps it until the process is to end. Whatever started ends with it.
pub(crate) fn run(settings: Settings, ended: impl FnOnce()) -> Result<(), String> {
    let next = settings.port.checked_add(1).ok_or("the port is too large")?;
    let addresses = Addresses {
        postgres: free()?,
        redis: free()?,
        gateway: SocketAddr::from(([127, 0, 0, 1], next)),
        worker: free()?,
        frontend: SocketAddr::from(([127, 0, 0, 1], settings.port)),
    };
    std::fs::create_dir_all(&settings.folder).map_err(|error| error.to_string())?;
    let whole = System {
        folder: std::path::absolute(&settings.folder).map_err(|error| error.to_string())?,
        visapi: std::env::current_exe().map_err(|error| error.to_string())?,
        addresses,
        clients: vec!["127.0.0.1/32".to_owned()],
        keys: Keys { user: settings.api_key, operator: settings.admin_key },
        as_root: is_root(),
        more: settings.more,
        gateway_url: None,
    };
    let mut running: Vec<Running> = Vec::new();
    for program in system(&whole).map_err(|missing| missing.to_string())? {
        let log = whole.log(&program.machine);
        let mut one = start(&program, &log)?;
        one.wait(Duration::from_secs(40))
            .map_err(|why| format!("{}: {why}; see {}", program.machine, log.display()))?;
        tracing::info!(at = %program.ready.address(), log = %log.display(), "{} is ready", program.machine);
        running.push(one);
    }
    tracing::info!(
        "all is ready: the frontend is http://{}, the gateway is http://{}",
        addresses.frontend,
        addresses.gateway
    );
    ended();
    // The last that started ends first.
    while let Some(mut one) = running.pop() {
        one.stop(Duration::from_secs(5));
    }
    Ok(())
}

/// Whether this process is user 0 of its namespace.
fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    line.is_some_and(|line| line.split_whitespace().nth(1) == Some("0"))
}
