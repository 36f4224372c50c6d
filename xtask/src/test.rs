//! `cargo xtask test`: everything that must be green. The last line is the count of tests.

use std::process::Command;

use crate::fuzz;
use crate::shell::{self, Outcome, cargo, has, say, step};

/// Seconds for each fuzz target.
const FUZZ_SECONDS: u32 = 10;

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
            if fuzz::run(FUZZ_SECONDS)? == Outcome::Failed {
                failed.push("fuzzing");
            }
        }
    }
    step("what the lab needs");
    packet_filter()?;
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

/// The lab loads its rulesets with `nft`: installed here where that needs no question, else told, and the lab's tests are left out.
fn packet_filter() -> Result<(), String> {
    let places = ["nft", "/usr/sbin/nft", "/sbin/nft"];
    if places.iter().any(|place| has(Command::new(place).arg("--version"))) {
        say("nft is there");
        return Ok(());
    }
    if has(Command::new("apt-get").arg("--version"))
        && has(Command::new("test").args(["-w", "/var/lib/dpkg/lock"]))
    {
        let mut install = Command::new("apt-get");
        shell::run(install.args(["install", "--yes", "--no-install-recommends", "nftables"]))?;
    } else {
        say("nft is missing, so the lab's tests are left out: `sudo apt-get install nftables`");
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
