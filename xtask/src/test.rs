//! `cargo xtask test`: everything that must be green. The last line is the count of tests.

use std::path::Path;
use std::process::Command;

use crate::fuzz;
use crate::shell::{self, Outcome, cargo, has, say, step};

/// Seconds for each fuzz target.
const FUZZ_SECONDS: u32 = 10;
/// Where each begins, so that a change is blamed for its own faults; `cargo xtask fuzz` looks elsewhere each time.
const FUZZ_SEED: u32 = 1;

pub(crate) fn run() -> Result<Outcome, String> {
    let mut failed: Vec<&str> = Vec::new();
    step("formatting");
    if !has(cargo().args(["fmt", "--version"])) {
        return Err("rustfmt is missing: `rustup component add rustfmt`".to_owned());
    }
    if shell::run(cargo().args(["fmt", "--all", "--check"]))? == Outcome::Failed {
        failed.push("formatting: `cargo fmt --all` puts it right");
    }
    step("lints");
    if !has(cargo().args(["clippy", "--version"])) {
        return Err("clippy is missing: `rustup component add clippy`".to_owned());
    }
    let lints = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    if shell::run(cargo().args(lints))? == Outcome::Failed {
        failed.push("lints");
    }
    step("fuzzing, for a moment");
    match fuzz::missing() {
        Some(why) => say(&format!("left out: {why}")),
        None => {
            if fuzz::run(FUZZ_SECONDS, Some(FUZZ_SEED))? == Outcome::Failed {
                failed.push("fuzzing");
            }
        }
    }
    step("what tests need");
    programs()?;
    step("tests");
    let mut count = Count::default();
    let tests = ["test", "--workspace", "--locked", "--no-fail-fast"];
    if shell::watch(cargo().args(tests), |line| count.line(line))? == Outcome::Failed {
        failed.push("tests");
    }
    for what in &failed {
        say(&format!("failed: {what}"));
    }
    let Count { passed, failed: broken, ignored } = count;
    let skipped = if ignored > 0 { format!(", {ignored} skipped") } else { String::new() };
    say(&format!("\n{passed} passed, {broken} failed{skipped}"));
    Ok(if failed.is_empty() { Outcome::Passed } else { Outcome::Failed })
}

/// Programs that tests use: where they may be, the packages that hold them, and what is left out without them.
type Used = (&'static str, &'static [&'static str], &'static [&'static str], &'static str);

const USED: [Used; 9] = [
    ("nft", &["nft", "/usr/sbin/nft", "/sbin/nft"], &["nftables"], "the lab's tests are left out"),
    (
        "strongSwan",
        &["/usr/sbin/swanctl", "/usr/bin/swanctl"],
        &[
            "strongswan-charon",
            "strongswan-swanctl",
            "libcharon-extra-plugins",
            "libstrongswan-standard-plugins",
            "libstrongswan-extra-plugins",
        ],
        "IPsec tunnels are tested without IKE",
    ),
    ("wg", &["wg"], &["wireguard-tools"], "WireGuard is tested without the kernel's"),
    ("etcd", &["etcd", "/usr/bin/etcd"], &["etcd-server"], "a network kept in etcd is not tested"),
    ("openssl", &["/usr/bin/openssl", "openssl"], &["openssl"], "etcd is tested without TLS"),
    (
        "ip",
        &["/usr/bin/ip", "/bin/ip", "/usr/sbin/ip", "/sbin/ip"],
        &["iproute2"],
        "members of etcd are not cut off from each other",
    ),
    (
        "PostgreSQL",
        &[
            "initdb",
            "/usr/lib/postgresql/15/bin/initdb",
            "/usr/lib/postgresql/16/bin/initdb",
            "/usr/lib/postgresql/17/bin/initdb",
            "/usr/lib/postgresql/18/bin/initdb",
        ],
        &["postgresql"],
        "probes and the reference system are tested without it",
    ),
    (
        "Redis",
        &["redis-server", "/usr/bin/redis-server"],
        &["redis-server"],
        "probes and the reference system are tested without it",
    ),
    (
        "Prometheus",
        &["/usr/bin/prometheus", "prometheus"],
        &["prometheus"],
        "metrics, rules and dashboards are not given to it",
    ),
];

/// What tests use is installed here where that needs no question, else told.
fn programs() -> Result<(), String> {
    for (name, places, packages, without) in USED {
        let there =
            |place: &&str| Path::new(place).exists() || has(Command::new(place).arg("--version"));
        if places.iter().any(there) {
            say(&format!("{name} is there"));
        } else if has(Command::new("apt-get").arg("--version"))
            && has(Command::new("test").args(["-w", "/var/lib/dpkg/lock"]))
        {
            let mut install = Command::new("apt-get");
            install.args(["install", "--yes", "--no-install-recommends"]).args(packages);
            shell::run(&mut install)?;
        } else {
            let packages = packages.join(" ");
            say(&format!("{name} is missing, so {without}: `sudo apt-get install {packages}`"));
        }
    }
    Ok(())
}

/// Tests of all test programs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Count {
    /// Adds one test program's `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn line(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        for part in result.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn results_of_all_test_programs_are_added() {
        let mut count = Count::default();
        count.line("running 3 tests");
        count.line("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s");
        count.line("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s");
        assert_eq!(count, Count { passed: 4, failed: 2, ignored: 1 });
    }
}
