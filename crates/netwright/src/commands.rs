//! One file for each command.

mod agent;
mod apply;
mod change;
mod check;
mod convergence;
mod diff;
mod explain;
mod generate;
mod get;
mod history;
mod import;
mod key;
mod lab;
mod prove;
mod reach;
mod rollback;
mod schema;
mod serve;
mod shell;
mod store;
pub(crate) mod trace;
mod up;
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
        Command::Agent(arguments) => agent::run(arguments, console),
        Command::Convergence(arguments) => convergence::run(arguments, console),
        Command::Key(arguments) => key::run(arguments, console),
        Command::Store(arguments) => store::run(&arguments.command, console),
        Command::Schema(arguments) => Ok(schema::run(arguments, console)),
        Command::Explain { id } => explain::run(id.as_deref(), console),
        Command::Completions { shell } => Ok(shell::completions(*shell, console)),
        Command::Man => Ok(shell::man(console)),
    }
}
