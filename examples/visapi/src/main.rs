//! The reference system of game days: a frontend, a gateway and a worker on real PostgreSQL and Redis.
//!
//! Start reading at `commands.rs`, which is everything that changes what is kept, and `writes.rs`, which is how that is done once. `gateway.rs`
//! lists the endpoints. `clock.rs`, `journal/frame.rs`, `merge.rs`, `reconcile.rs`, `links.rs` are pure.
//!
//! Invariants: PostgreSQL is the truth; a request's key, its effect and its answer are one transaction; what is acknowledged is on a disk;
//! nothing waits without a time-out; what is old or not known is said to be.

mod broken;
mod broker;
mod cache;
mod clock;
mod commands;
mod database;
mod errands;
mod frontend;
mod gateway;
mod http;
mod journal;
mod leader;
mod links;
mod merge;
mod metrics;
mod node;
mod probes;
mod queries;
mod reconcile;
mod settings;
mod starting;
mod trouble;
mod when;
mod whole;
mod worker;
mod writes;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::frontend::Frontend;
use crate::node::Node;
use crate::settings::Backend;

/// The reference system of game days
#[derive(Debug, Parser)]
#[command(name = "visapi", version)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Passes requests on to the gateway, and answers from what it kept while that is away
    Frontend(frontend::Settings),
    /// The API, on PostgreSQL and Redis, with a journal of its own
    Gateway(Backend),
    /// Does jobs
    Worker(worker::Settings),
    /// Starts all of it on loopback, with PostgreSQL and Redis of its own, until it is interrupted
    Up(whole::Settings),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(run(arguments.role));
            runtime.shutdown_timeout(std::time::Duration::from_secs(1));
            result
        }
        Err(error) => Err(error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tracing::error!("{why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(role: Role) -> Result<(), String> {
    let (ending, end) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        // Whoever listens has ended where this fails.
        let _ended = ending.send(true);
    });
    match role {
        Role::Frontend(settings) => {
            let listen = settings.common.listen;
            let frontend = Frontend::new(settings)?;
            let (probed, until) = (Arc::clone(&frontend), end.clone());
            tokio::spawn(async move { probed.probe(until).await });
            serve(listen, frontend::router(&frontend), end).await
        }
        Role::Gateway(settings) => {
            let listen = settings.common.listen;
            let (node, inbox) = Node::new("gateway", settings, end.clone())?;
            let router = gateway::router(&node);
            errands::start(&node, inbox);
            serve(listen, router, end).await
        }
        Role::Worker(settings) => {
            let listen = settings.backend.common.listen;
            let (node, inbox) = Node::new("worker", settings.backend.clone(), end.clone())?;
            let router = gateway::workers_router(&node);
            errands::start(&node, inbox);
            worker::start(&node, &settings);
            serve(listen, router, end).await
        }
        Role::Up(settings) => {
            // Programs end with the thread that started them: this one waits.
            let runtime = tokio::runtime::Handle::current();
            let mut end = end;
            let whole = move || whole::run(settings, || runtime.block_on(http::ended(&mut end)));
            tokio::task::spawn_blocking(whole).await.map_err(|error| error.to_string())?
        }
    }
}

async fn serve(
    listen: SocketAddr,
    router: Router,
    end: watch::Receiver<bool>,
) -> Result<(), String> {
    let listener = TcpListener::bind(listen).await.map_err(|error| format!("{listen}: {error}"))?;
    let at = listener.local_addr().map_err(|error| error.to_string())?;
    tracing::info!(%at, "listens");
    http::serve(listener, router, end).await;
    Ok(())
}
