//! `cargo xtask docs`: the pages under `docs/` that are made from code.
//!
//! The test that keeps them up to date also writes them, so that there is one place that knows what they hold.

use crate::shell::{self, Outcome, cargo};

pub(crate) fn run() -> Result<Outcome, String> {
    let mut command = cargo();
    command.args(["test", "--package", "netwright", "--test", "docs", "--locked"]);
    command.env("NETWRIGHT_WRITE_DOCS", "1");
    shell::run(&mut command)
}
