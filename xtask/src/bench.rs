//! `cargo xtask bench`: the benchmarks of the prover, of the lab and its name server, of the control plane, and of the whole program.

use crate::shell::{self, Outcome, cargo};

pub(crate) fn run(names: &[&str]) -> Result<Outcome, String> {
    let mut command = cargo();
    if let ["lab", parts @ ..] = names {
        command.args(["bench", "--locked", "--package", "netwright", "--bench", "lab", "--"]);
        command.args(parts);
        return shell::run(&mut command);
    }
    if let ["control", parts @ ..] = names {
        return control(parts);
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

/// Benchmarks of the control plane, from the store upwards; those of a name, or all.
fn control(parts: &[&str]) -> Result<Outcome, String> {
    const BENCHES: [(&str, &str); 4] = [
        ("netwright-store", "transactions"),
        ("netwright-control", "allocations"),
        ("netwright-control", "network"),
        ("netwright", "fleet"),
    ];
    let chosen = |name: &str| parts.is_empty() || parts.contains(&name);
    if let Some(part) = parts.iter().find(|part| BENCHES.iter().all(|(_, name)| name != *part)) {
        return Err(format!("the control plane has no benchmark `{part}`"));
    }
    for (package, name) in BENCHES.into_iter().filter(|(_, name)| chosen(name)) {
        let mut command = cargo();
        command.args(["bench", "--locked", "--package", package, "--bench", name]);
        if shell::run(&mut command)? == Outcome::Failed {
            return Ok(Outcome::Failed);
        }
    }
    Ok(Outcome::Passed)
}
