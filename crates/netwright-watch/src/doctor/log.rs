//! The lines of a log, placed.

use std::collections::BTreeMap;

use super::{Check, Verdict};
use crate::fault::{Domain, of_text};

/// Lines of a log that are read.
const LINES: usize = 10_000;

/// Lines of each domain that are shown.
const SHOWN: usize = 3;

/// Words of lines that tell of a fault, whichever it is.
const TROUBLE: [&str; 6] = ["error", "fatal", "exception", "traceback", "critical", "failed"];

/// What the lines of a log tell. A log that is empty, or has troubles that nobody can place, tells too little.
#[must_use]
pub fn log(name: &str, text: &str) -> Check {
    let mut placed: BTreeMap<Domain, Vec<&str>> = BTreeMap::new();
    let (mut lines, mut faults, mut troubles) = (0_usize, 0_usize, Vec::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()).take(LINES) {
        lines += 1;
        match of_text(line) {
            Domain::Unknown => {
                let lower = line.to_lowercase();
                if TROUBLE.iter().any(|word| lower.contains(word)) {
                    troubles.push(line);
                }
            }
            domain => {
                faults += 1;
                let own = placed.entry(domain).or_default();
                if own.len() < SHOWN && !own.contains(&line) {
                    own.push(line);
                }
            }
        }
    }
    let mut check = Check::new(format!("log {name}"), "log");
    check.threshold = Some("no line tells of a fault".to_owned());
    check.measured = Some(format!("{faults} of {lines} lines"));
    if !placed.is_empty() {
        check.verdict = Verdict::Fail;
        check.domain = placed.keys().copied().reduce(Domain::and);
        for (domain, own) in &placed {
            check.evidence.extend(own.iter().map(|line| format!("{domain}: {line}")));
        }
        check.remediation = Some(remedy(check.domain.unwrap_or(Domain::Unknown)).to_owned());
    } else if lines == 0 {
        check = check.unknown("it has no lines");
    } else if let Some(first) = troubles.first() {
        check = check.unknown(format!("unknown: {first}"));
    } else {
        check.verdict = Verdict::Pass;
    }
    check
}

const fn remedy(domain: Domain) -> &'static str {
    match domain {
        Domain::Infrastructure => {
            "Mend what is under the service: ask its dependencies from where it runs (`netwright probe`, `netwright lab call`); no new version of it helps"
        }
        Domain::Application => "Mend the program or its image: no change of the network cures it",
        Domain::Configuration => "Correct what was set: names, passwords, certificates, options",
        Domain::Both => {
            "Mend both, each by itself: what the program lacks it lacks whatever the network does"
        }
        Domain::Unknown => "Read the lines around it",
    }
}
