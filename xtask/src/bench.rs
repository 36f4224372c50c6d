//! `cargo xtask bench`: the benchmarks of `netwright-verify`.

use crate::shell::{self, Outcome, cargo};

pub(crate) fn run(names: &[&str]) -> Result<Outcome, String> {
    let mut command = cargo();
    command.args(["bench", "--package", "netwright-verify", "--locked"]);
    if names.is_empty() {
        command.arg("--benches");
    }
    for name in names {
        command.args(["--bench", name]);
    }
    shell::run(&mut command)
}
