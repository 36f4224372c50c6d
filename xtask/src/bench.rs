//! `cargo xtask bench`: the benchmarks of `netwright-verify`, and of the lab's name server.

use crate::shell::{self, Outcome, cargo};

pub(crate) fn run(names: &[&str]) -> Result<Outcome, String> {
    let mut command = cargo();
    command.args(["bench", "--locked", "--package", "netwright-verify"]);
    command.args(["--package", "netwright-dns"]);
    if names.is_empty() {
        command.arg("--benches");
    }
    for name in names {
        command.args(["--bench", name]);
    }
    shell::run(&mut command)
}
