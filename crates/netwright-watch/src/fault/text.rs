//! By what a log says, where there is nothing better.

use super::Domain;

/// Octets of a line that are read.
const LINE: usize = 16 << 10;

/// Lines of a log that are read.
const LINES: usize = 10_000;

/// Words that, all together in one line, place its fault. The first that fits decides, so what is sure stands before what is a guess.
const WORDS: &[(Domain, &[&str])] = &[
    // Programs name their own faults.
    (Domain::Application, &["modulenotfounderror"]),
    (Domain::Application, &["no module named"]),
    (Domain::Application, &["importerror"]),
    (Domain::Application, &["nameerror"]),
    (Domain::Application, &["attributeerror"]),
    (Domain::Application, &["typeerror"]),
    (Domain::Application, &["syntaxerror"]),
    (Domain::Application, &["objectnotexecutableerror"]),
    (Domain::Application, &["nullpointerexception"]),
    (Domain::Application, &["panicked at"]),
    (Domain::Application, &["panic:"]),
    (Domain::Application, &["segmentation fault"]),
    (Domain::Application, &["out of memory"]),
    // What somebody set.
    (Domain::Configuration, &["password", "failed"]),
    (Domain::Configuration, &["wrongpass"]),
    (Domain::Configuration, &["noauth"]),
    (Domain::Configuration, &["permission", "denied"]),
    (Domain::Configuration, &["certificate", "expired"]),
    (Domain::Configuration, &["certificate", "verify"]),
    (Domain::Configuration, &["certificate", "not valid"]),
    (Domain::Configuration, &["invalid connection option"]),
    (Domain::Configuration, &["database", "does not exist"]),
    (Domain::Configuration, &["role", "does not exist"]),
    (Domain::Configuration, &["name or service not known"]),
    (Domain::Configuration, &["nxdomain"]),
    (Domain::Configuration, &["environment variable", "not set"]),
    // What is under it. Words, not phrases: messages say them in any order.
    (Domain::Infrastructure, &["no route to host"]),
    (Domain::Infrastructure, &["network is unreachable"]),
    (Domain::Infrastructure, &["host is down"]),
    (Domain::Infrastructure, &["temporary failure in name resolution"]),
    (Domain::Infrastructure, &["too many connections"]),
    (Domain::Infrastructure, &["too many clients"]),
    (Domain::Infrastructure, &["remaining connection slots"]),
    (Domain::Infrastructure, &["no space left"]),
    (Domain::Infrastructure, &["connector", "capacity"]),
    (Domain::Infrastructure, &["connector", "saturat"]),
    (Domain::Infrastructure, &["connector", "cannot reach"]),
    (Domain::Infrastructure, &["connectivity failure"]),
    (Domain::Infrastructure, &["LATE", "connect"]),
    (Domain::Infrastructure, &["LATE", "database"]),
    (Domain::Infrastructure, &["LATE", "network"]),
    (Domain::Infrastructure, &["LATE", "redis"]),
    (Domain::Infrastructure, &["LATE", "sql"]),
    (Domain::Infrastructure, &["LATE", "socket"]),
    (Domain::Infrastructure, &["LATE", "dns"]),
    (Domain::Infrastructure, &["LATE", "upstream"]),
    // The machine answers that nobody listens.
    (Domain::Application, &["connection refused"]),
];

/// How messages say that something took too long.
const LATE: [&str; 5] = ["timeout", "timed out", "time-out", "deadline exceeded", "took too long"];

/// Where the fault lies that one line of text tells of; `unknown` where it tells of none that is known.
#[must_use]
pub fn of_text(line: &str) -> Domain {
    let end = (0..=LINE.min(line.len())).rev().find(|end| line.is_char_boundary(*end));
    let line = line[..end.unwrap_or(0)].to_lowercase();
    let says = |word: &str| match word {
        "LATE" => LATE.iter().any(|late| line.contains(late)),
        word => line.contains(word),
    };
    let found = WORDS.iter().find(|(_, words)| words.iter().all(|word| says(word)));
    found.map_or(Domain::Unknown, |(domain, _)| *domain)
}

/// Where the faults lie together that the lines of a log tell of.
#[must_use]
pub fn of_log(log: &str) -> Domain {
    log.lines().take(LINES).map(of_text).fold(Domain::Unknown, Domain::and)
}
