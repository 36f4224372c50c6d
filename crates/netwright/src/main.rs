//! The `netwright` command: proves what a network does before it is deployed.
//!
//! Each command stands in a file of its own under `commands`. [`console`] is the only place that prints, [`failure`] the only
//! place where errors become messages and exit codes.

mod arguments;
mod client;
mod commands;
mod console;
mod endpoints;
mod failure;
mod network;
mod picture;
mod table;
mod wrap;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    let mut console = console::Console::new(arguments.color);
    let code = match commands::run(&arguments.command, &mut console) {
        Ok(code) => code,
        Err(failure) => failure.report(&mut console),
    };
    console.finish(code)
}
