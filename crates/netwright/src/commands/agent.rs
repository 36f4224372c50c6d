//! `netwright agent`.

mod server;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use netwright_agent::follow::{Settings, Stop, follow, remove};
use netwright_agent::source::{Beside, FromStore, Kept, Source};
use netwright_control::agents::Registration;
use netwright_control::keys::Layout;
use netwright_control::time::Wall;
use netwright_store::open;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::serve::{Clock, Place, runtime};
use crate::arguments::{Agent, Remote};
use crate::console::{Code, Console};
use crate::failure::Failure;
use server::FromServer;

pub(super) fn run(arguments: &Agent, console: &mut Console) -> Result<Code, Failure> {
    let runtime = runtime()?;
    let host = registration(arguments)?;
    let source = source(arguments, &runtime)?;
    let settings = Settings {
        host,
        folder: arguments.run_dir.clone(),
        check: Duration::from_secs(arguments.check),
        clock: || Clock.now().milliseconds(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        part: super::lab::part(),
    };
    let name = settings.host.host.clone();
    if arguments.remove {
        let gone = remove(&*source, &settings).map_err(|error| cannot(&error))?;
        console.line(&format!("{name}: {gone} namespaces removed; the host has left"));
        return Ok(Code::Pass);
    }
    let mut ready = Ok(());
    let mut say = |line: &str| {
        console.line(line);
        console.flush();
    };
    follow(source, settings, |stop| ready = end_on_signals(&runtime, stop), &mut say)
        .map_err(|error| cannot(&error))?;
    ready.map(|()| Code::Pass)
}

fn cannot(error: &std::io::Error) -> Failure {
    let help = (error.kind() == std::io::ErrorKind::PermissionDenied)
        .then(|| "an agent runs as root, or on a host of `netwright lab fleet`".to_owned());
    Failure::usage(error.to_string(), help)
}

fn registration(arguments: &Agent) -> Result<Registration, Failure> {
    let machine = || {
        let read = std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname"));
        read.map(|name| name.trim().to_owned()).unwrap_or_default()
    };
    let registration = Registration {
        host: arguments.host.clone().unwrap_or_else(machine),
        underlay: arguments.underlay.unwrap_or(std::net::Ipv4Addr::LOCALHOST),
        labels: arguments.labels.iter().cloned().collect(),
    };
    match registration.fault() {
        Some(fault) => Err(Failure::usage(fault, None)),
        None => Ok(registration),
    }
}

/// The store, where one is named, and a server for errands where one is named for that; else a server.
fn source(arguments: &Agent, runtime: &Runtime) -> Result<Arc<dyn Source>, Failure> {
    if arguments.store.store.is_none() {
        return Ok(Arc::new(FromServer::new(&arguments.remote, arguments.clear)?));
    }
    let place = Place::of(&arguments.store)?;
    let opened = runtime.block_on(open(&place.address, &place.options));
    let store = opened.map_err(|error| Failure::unknown(error.to_string()))?;
    let layout = Layout::under(&arguments.store.prefix);
    let networks = Kept::new(store.clone(), layout.clone());
    let clock = || Clock.now().milliseconds();
    let handle = runtime.handle().clone();
    let source = Arc::new(FromStore::new(store, layout, networks, handle, clock));
    let Some(server) = &arguments.errands else { return Ok(source) };
    let remote = Remote { server: server.clone(), ..arguments.remote.clone() };
    let errands = FromServer::new(&remote, arguments.clear)?;
    Ok(Arc::new(Beside::new(source, Arc::new(errands))))
}

/// Ends an agent on Ctrl-C and SIGTERM. What it made stays.
fn end_on_signals(runtime: &Runtime, stop: Stop) -> Result<(), Failure> {
    let _inside = runtime.enter();
    let cannot = |error| Failure::unknown(format!("signals cannot be waited for: {error}"));
    let mut interrupted = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(cannot)?;
    runtime.spawn(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        stop.now();
    });
    Ok(())
}
