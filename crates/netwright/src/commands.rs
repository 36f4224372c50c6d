//! One file for each command.

mod agent;
mod alerts;
mod allocate;
mod apply;
mod capacity;
mod change;
mod check;
mod convergence;
mod diff;
mod doctor;
mod explain;
mod gameday;
mod generate;
mod get;
mod health;
mod history;
mod import;
mod key;
mod lab;
mod load;
mod monitoring;
mod notify;
mod observe;
mod probe;
mod prove;
mod reach;
mod rehearse;
mod rollback;
mod schema;
mod serve;
mod shell;
mod silence;
mod started;
mod store;
mod system;
pub(crate) mod trace;
mod up;
mod watch;
mod what_if;

use crate::arguments::Command;
use crate::console::{Code, Console};
use crate::failure::Failure;

/// Runs a command.
pub(crate) fn run(command: &Command, console: &mut Console) -> Result<Code, Failure> {
    match command {
        Command::Check(arguments) => check::run(arguments, console),
        Command::Trace(arguments) => trace::run(arguments, console),
        Command::Reach(arguments) => reach::run(arguments, console),
        Command::Diff(arguments) => diff::run(arguments, console),
        Command::WhatIf(arguments) => what_if::what_if(arguments, console),
        Command::Matrix(arguments) => what_if::run_matrix(arguments, console),
        Command::Doctor(arguments) => doctor::run(arguments, console),
        Command::Rehearse(arguments) => rehearse::run(arguments, console),
        Command::Monitoring(arguments) => monitoring::run(arguments, console),
        Command::Load(arguments) => load::run(arguments, console),
        Command::Watch(arguments) => watch::run(arguments, console),
        Command::Started(arguments) => started::run(arguments, console),
        Command::Capacity(arguments) => capacity::run(arguments, console),
        Command::Health(arguments) => health::run(arguments, console),
        Command::Alerts(arguments) => alerts::run(arguments, console),
        Command::Silence(arguments) => silence::run(arguments, console),
        Command::Import(arguments) => import::run(arguments, console),
        Command::Generate(arguments) => generate::run(arguments, console),
        Command::Up(arguments) => up::run(arguments, console),
        Command::Lab(arguments) => lab::run(&arguments.command, console),
        Command::Prove(arguments) => prove::run(arguments, console),
        Command::Serve(arguments) => serve::run(arguments, console),
        Command::Apply(arguments) => apply::run(arguments, console),
        Command::Get(arguments) => get::run(arguments, console),
        Command::History(arguments) => history::run(arguments, console),
        Command::Rollback(arguments) => rollback::run(arguments, console),
        Command::Allocate(arguments) => allocate::allocate(arguments, console),
        Command::Release(arguments) => allocate::release(arguments, console),
        Command::Pools(arguments) => allocate::pools(arguments, console),
        Command::Agent(arguments) => agent::run(arguments, console),
        Command::System(arguments) => system::run(arguments, console),
        Command::Probe(arguments) => probe::run(arguments, console),
        Command::Observe(arguments) => observe::run(arguments, console),
        Command::Convergence(arguments) => convergence::run(arguments, console),
        Command::Key(arguments) => key::run(arguments, console),
        Command::Store(arguments) => store::run(&arguments.command, console),
        Command::Gameday(arguments) => gameday::run(&arguments.command, console),
        Command::Schema(arguments) => Ok(schema::run(arguments, console)),
        Command::Explain { id } => explain::run(id.as_deref(), console),
        Command::Completions { shell } => Ok(shell::completions(*shell, console)),
        Command::Man => Ok(shell::man(console)),
    }
}
