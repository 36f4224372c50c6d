//! The project's own commands: `cargo xtask demo`, `test`, `bench`, `fuzz`, `docs`.
//!
//! Each stands in a file of its own. [`shell`] starts other programs and is the only place that prints.

mod bench;
mod demo;
mod docs;
mod fuzz;
mod shell;
mod test;

use std::process::ExitCode;

use shell::{Outcome, say};

const HELP: &str = "\
The project's own commands:

  cargo xtask demo              build Netwright and show it on a real export and on an outage
  cargo xtask test              formatting, lints, fuzzing for a moment where it can, all tests
  cargo xtask bench [NAME]      benchmarks; NAME is one of the benches of netwright-verify, dns, or lab
  cargo xtask bench lab [PART]  benchmarks of the lab; PART is size, stream or balancer
  cargo xtask bench control [PART]  benchmarks of the control plane; PART is transactions
  cargo xtask bench watch [PART]  benchmarks of watching; PART is probes, load or detection
  cargo xtask bench gameday [PART]  benchmarks of game days; PART is check, faults, or runs with how many of each scenario
  cargo xtask fuzz [SECONDS]    each fuzz target for so long (60 seconds unless given)
  cargo xtask docs              write the generated pages under docs/ anew";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["demo"] => demo::run(),
        ["test"] => test::run(),
        ["bench", names @ ..] => bench::run(names),
        ["fuzz"] => fuzz::run(fuzz::SECONDS),
        ["fuzz", seconds] => seconds
            .parse()
            .map_err(|_| format!("`{seconds}` is not a number of seconds"))
            .and_then(fuzz::run),
        ["docs"] => docs::run(),
        [] | ["help" | "--help" | "-h"] => {
            say(HELP);
            Ok(Outcome::Passed)
        }
        _ => Err(format!("there is no `cargo xtask {}`\n\n{HELP}", words.join(" "))),
    };
    match outcome {
        Ok(Outcome::Passed) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Err(message) => {
            say(&format!("error: {message}"));
            ExitCode::from(2)
        }
    }
}
