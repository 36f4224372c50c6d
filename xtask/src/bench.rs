//! `cargo xtask bench`: the benchmarks of the prover, of the lab and its name server, of what stands on them, and of the whole program.

use crate::shell::{self, Outcome, cargo};

/// Benchmarks that belong together: their word, and each with its package.
type Group = (&'static str, &'static [(&'static str, &'static str)]);

const GROUPS: [Group; 3] = [
    (
        "control",
        &[
            ("netwright-store", "transactions"),
            ("netwright-control", "allocations"),
            ("netwright-control", "network"),
            ("netwright-control", "watch"),
            ("netwright", "fleet"),
        ],
    ),
    (
        "watch",
        &[
            ("netwright-watch", "probes"),
            ("netwright-watch", "load"),
            ("netwright-watch", "station"),
            ("netwright", "detection"),
        ],
    ),
    (
        "gameday",
        &[
            ("netwright-history", "check"),
            ("netwright", "gameday-faults"),
            ("netwright", "gameday-runs"),
        ],
    ),
];

pub(crate) fn run(names: &[&str]) -> Result<Outcome, String> {
    if let [word, parts @ ..] = names
        && let Some((_, benches)) = GROUPS.iter().find(|(name, _)| name == word)
    {
        return group(word, benches, parts);
    }
    let mut command = cargo();
    if let ["lab", parts @ ..] = names {
        command.args(["bench", "--locked", "--package", "netwright", "--bench", "lab", "--"]);
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

/// Those of a group that are named, or all; numbers among the names are told to them.
fn group(word: &str, benches: &[(&str, &str)], parts: &[&str]) -> Result<Outcome, String> {
    let (numbers, parts): (Vec<&str>, Vec<&str>) =
        parts.iter().partition(|part| part.bytes().all(|octet| octet.is_ascii_digit()));
    let is = |name: &str, part: &str| {
        name == part || name.strip_prefix(word) == Some(&format!("-{part}"))
    };
    if let Some(part) = parts.iter().find(|part| benches.iter().all(|(_, name)| !is(name, part))) {
        let known: Vec<&str> = benches.iter().map(|(_, name)| *name).collect();
        return Err(format!("`{word}` has no benchmark `{part}`, but {}", known.join(", ")));
    }
    for (package, name) in benches {
        if !parts.is_empty() && !parts.iter().any(|part| is(name, part)) {
            continue;
        }
        // Game days start the reference system, which is looked for beside the command.
        if *name == "gameday-runs" {
            let mut build = cargo();
            build.args(["build", "--release", "--locked", "--package", "visapi"]);
            if shell::run(&mut build)? == Outcome::Failed {
                return Ok(Outcome::Failed);
            }
        }
        let mut command = cargo();
        command.args(["bench", "--locked", "--package", package, "--bench", name]);
        if !numbers.is_empty() {
            command.arg("--").args(&numbers);
        }
        if shell::run(&mut command)? == Outcome::Failed {
            return Ok(Outcome::Failed);
        }
    }
    Ok(Outcome::Passed)
}
