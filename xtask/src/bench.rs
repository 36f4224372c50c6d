//! `cargo xtask bench`: the benchmarks of the prover, of the lab and its name server, of the control plane and its stores, and of the whole program.

use crate::shell::{self, Outcome, cargo};

pub(crate) fn run(names: &[&str]) -> Result<Outcome, String> {
    let mut command = cargo();
    if let ["lab", parts @ ..] = names {
        command.args(["bench", "--locked", "--package", "netwright", "--bench", "lab", "--"]);
        command.args(parts);
        return shell::run(&mut command);
    }
    if let ["control", parts @ ..] = names {
        command.args(["bench", "--locked", "--package", "netwright-control"]);
        command.args(["--bench", "allocations", "--"]);
        command.args(parts);
        return shell::run(&mut command);
    }
    command.args(["bench", "--locked", "--package", "netwright-verify"]);
    command.args(["--package", "netwright-dns", "--package", "netwright"]);
    if names.is_empty() {
        command.arg("--benches");
    }
    for name in names {
        command.args(["--bench", name]);
    }
    shell::run(&mut command)
}
