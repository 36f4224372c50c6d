//! `cargo xtask test`: everything that must be green. The last line is the count of tests.

use std::path::Path;
use std::process::Command;

mod results;

use results::Results;

use crate::fuzz;
use crate::shell::{self, Outcome, cargo, has, say, step};

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
            if fuzz::moment()? == Outcome::Failed {
                failed.push("fuzzing");
            }
        }
    }
    step("what tests need");
    programs()?;
    step("tests");
    let mut results = Results::default();
    let tests = ["test", "--workspace", "--locked", "--no-fail-fast"];
    let ended = shell::watch(cargo().args(tests), |line| results.line(line))?;
    let again = if ended == Outcome::Failed { again(&results)? } else { Again::Needless };
    if again == Again::Failed {
        failed.push("tests");
    }
    for what in &failed {
        say(&format!("failed: {what}"));
    }
    say(&format!("\n{}", results.summary(again == Again::Passed)));
    Ok(if failed.is_empty() { Outcome::Passed } else { Outcome::Failed })
}

/// What came of running tests once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// Everything passed at once.
    Needless,
    Passed,
    Failed,
}

/// Runs a few tests that failed once more, each alone: they share the machine's cores, kernel and clock with others, and some wait for real servers.
/// What passes only then is named, so that it is not forgotten; whatever fails again, fails.
fn again(first: &Results) -> Result<Again, String> {
    let Some(names) = first.to_run_again() else { return Ok(Again::Failed) };
    step("what failed, once more and alone");
    let mut second = Results::default();
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--locked", "--no-fail-fast", "--"]);
    tests.args(["--exact", "--test-threads=1"]).args(names);
    let ended = shell::watch(&mut tests, |line| second.line(line))?;
    if ended == Outcome::Failed || !second.passed_all_of(names) {
        return Ok(Again::Failed);
    }
    for name in names {
        say(&format!("failed beside others, and passed alone: {name}"));
    }
    Ok(Again::Passed)
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
