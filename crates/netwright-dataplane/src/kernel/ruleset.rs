//! Rulesets, given to `nft` inside their namespace: one transaction each, so that no packet meets half of one.

mod counted;
mod elements;
mod split;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};

use super::failure::Failure;

/// Where `nft` is looked for after `PATH`: an ordinary user's `PATH` often lacks the system's folders.
const PLACES: [&str; 4] = ["nft", "/usr/sbin/nft", "/sbin/nft", "/usr/local/sbin/nft"];

/// Octets of text in one transaction. In a user namespace a transaction has at most about 400 KiB, and a rule takes up to twenty times
/// its text.
const TRANSACTION: usize = 16 * 1024;

/// Drops everything while a ruleset that is too large for one transaction is loaded in several.
const HOLD: &str = "table inet netwright-hold {
  chain in { type filter hook prerouting priority -400; policy drop; }
  chain out { type filter hook output priority -400; policy drop; }
}
";

/// Takes one ruleset's place by another. No packet meets half of one: it is one transaction, or, where the text is too large for that,
/// packets are dropped in between. The calling thread is in the namespace.
pub(super) fn replace(namespace: &str, old: &str, new: &str) -> Result<(), Failure> {
    if let Some(commands) = elements::commands(old, new).filter(|text| text.len() <= TRANSACTION) {
        return if commands.is_empty() { Ok(()) } else { load(namespace, &commands, "") };
    }
    let tables: BTreeSet<&str> = tables(old).chain(tables(new)).collect();
    let mut clear = String::new();
    for table in &tables {
        // Adding first makes the removal hold whether or not the table is there.
        clear.push_str(&format!("add table {table}\ndelete table {table}\n"));
    }
    if new.len() <= TRANSACTION {
        return load(namespace, &clear, new);
    }
    load(namespace, &clear, HOLD)?;
    for piece in split::pieces(new, TRANSACTION) {
        load(namespace, "", &piece)?;
    }
    load(namespace, "delete table inet netwright-hold\n", "")
}

/// One transaction: commands of ours, then text of a ruleset.
fn load(namespace: &str, ours: &str, new: &str) -> Result<(), Failure> {
    let output = nft(&["-f", "-"], Some(&format!("{ours}{new}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let line = place(&said).and_then(|number| {
        let number = number.checked_sub(ours.lines().count())?;
        Some((number, new.lines().nth(number.checked_sub(1)?)?.trim().to_owned()))
    });
    let first = said.lines().next().unwrap_or("no reason given").to_owned();
    let said = match &line {
        // The place in our transaction is no place in the ruleset.
        Some(_) => first.split_once("Error: ").map_or(first.clone(), |(_, why)| why.to_owned()),
        None => first,
    };
    Err(Failure::Ruleset { namespace: namespace.to_owned(), said, line })
}

/// How the names of tables begin that hold faults injected on purpose. They are no part of any plan, and no deviation from one.
pub const FAULTS: &str = "netwright-fault-";

/// Gives `nft` commands as one transaction, in the namespace of the calling thread.
///
/// # Errors
///
/// What `nft` said, or that it is not there. Nothing of the commands was done then.
pub fn script(commands: &str) -> Result<(), String> {
    asked(&["-f", "-"], Some(commands)).map(drop)
}

/// A ruleset's text as transactions, one after the other, of which none is too large for the kernel. Whoever gives them makes sure that no packet
/// is harmed by half of them.
#[must_use]
pub fn transactions(text: &str) -> Vec<String> {
    split::pieces(text, TRANSACTION)
}

/// What `nft` says to a command of its own, in the namespace of the calling thread.
///
/// # Errors
///
/// What it said of its failure, or that it is not there.
pub fn ask(words: &[&str]) -> Result<String, String> {
    asked(words, None)
}

fn asked(words: &[&str], input: Option<&str>) -> Result<String, String> {
    let output = nft(words, input).map_err(|failure| failure.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().unwrap_or("no reason given").to_owned())
}

/// Says where the kernel's ruleset has other chains, sets and maps, or other numbers of rules and elements in them, than a text says; and the
/// tables that are there.
pub(super) fn deviations(
    namespace: &str,
    text: &str,
) -> Result<(Vec<String>, Vec<String>), Failure> {
    let mut there =
        counted::here().map_err(|error| Failure::refused(namespace, "the ruleset", error))?;
    // What is broken on purpose is looked after by whoever broke it.
    there.retain(|part, _| !part.split(' ').nth(2).is_some_and(|name| name.starts_with(FAULTS)));
    let planned = parts(text);
    let mut wrong = Vec::new();
    for (part, count) in &planned {
        match there.get(part) {
            None => wrong.push(format!("{part} is missing")),
            Some(found) if found != count => {
                let what = if part.contains(" chain ") { "rules" } else { "elements" };
                wrong.push(format!("{part} has {found} {what}, not {count}"));
            }
            Some(_) => {}
        }
    }
    let more = there.keys().filter(|part| !planned.contains_key(*part));
    wrong.extend(more.map(|part| format!("{part} is there, and is not planned")));
    let tables = there.keys().filter(|part| part.split(' ').count() == 3);
    Ok((wrong, tables.cloned().collect()))
}

/// What the namespace of the calling thread holds, with its counters, as `nft` lists it.
pub(super) fn listed(namespace: &str) -> Result<serde_json::Value, Failure> {
    let output = nft(&["-j", "list", "ruleset"], None)?;
    let said =
        |said: String| Failure::Ruleset { namespace: namespace.to_owned(), said, line: None };
    if !output.status.success() {
        return Err(said(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| said(error.to_string()))
}

/// Tables, chains, sets and maps of a ruleset's text, with the number of rules or elements of each.
fn parts(text: &str) -> BTreeMap<String, usize> {
    let mut parts = BTreeMap::new();
    let (mut table, mut part) = (String::new(), None::<(String, bool)>);
    let (mut depth, mut listing) = (0_usize, false);
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().take(3).collect();
        let marks = Marks::of(line);
        let mut more = 0;
        match (depth, words.as_slice()) {
            (0, ["table", family, name, ..]) => {
                table = format!("table {family} {name}");
                parts.insert(table.clone(), 0);
            }
            (1, [kind @ ("chain" | "set" | "map"), name, ..]) => {
                let full = format!("{table} {kind} {name}");
                parts.insert(full.clone(), 0);
                part = Some((full, *kind == "chain"));
            }
            (2, ["elements", ..]) => {
                // A list with something in it has one element more than commas between them; an element may be on a line of its own.
                listing = true;
                more = marks.commas + usize::from(!line.ends_with("{ }"));
            }
            (3, _) if listing => more = marks.commas,
            (2, [first, ..]) if !matches!(*first, "type" | "}" | "policy" | "comment") => {
                more = usize::from(part.as_ref().is_some_and(|(_, chain)| *chain));
            }
            _ => {}
        }
        depth = (depth + marks.opens).saturating_sub(marks.closes);
        listing &= depth > 2;
        if let Some(count) = part.as_ref().and_then(|(part, _)| parts.get_mut(part)) {
            *count += more;
        }
    }
    parts
}

/// Marks of a line outside of what is quoted.
#[derive(Default)]
struct Marks {
    opens: usize,
    closes: usize,
    commas: usize,
}

impl Marks {
    fn of(line: &str) -> Self {
        let (mut marks, mut quoted) = (Self::default(), false);
        for mark in line.chars() {
            match mark {
                '"' => quoted = !quoted,
                '{' if !quoted => marks.opens += 1,
                '}' if !quoted => marks.closes += 1,
                ',' if !quoted => marks.commas += 1,
                _ => {}
            }
        }
        marks
    }
}

/// The tables that a ruleset's text makes, as `family name`.
fn tables(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.strip_prefix("table ")?;
        Some(line.trim_end().trim_end_matches('{').trim_end())
    })
}

/// The line that `nft` points at: `/dev/stdin:12:3-9: Error: …`.
fn place(said: &str) -> Option<usize> {
    said.lines().find_map(|line| line.split(':').nth(1)?.parse().ok())
}

fn nft(arguments: &[&str], input: Option<&str>) -> Result<Output, Failure> {
    let output = once(arguments, input)?;
    // Somebody killed it: what it does it does whole or not at all.
    if output.status.signal().is_some() { once(arguments, input) } else { Ok(output) }
}

fn once(arguments: &[&str], input: Option<&str>) -> Result<Output, Failure> {
    let mut child = spawn(arguments, input.is_some())?;
    if let (Some(text), Some(mut pipe)) = (input, child.stdin.take()) {
        // Where it stops reading, what it says tells why.
        let _told_by_the_program = pipe.write_all(text.as_bytes());
    }
    child.wait_with_output().map_err(|error| missing(&error))
}

/// Starts `nft` for as long as it is left alone. The calling thread is in the namespace.
pub(super) fn start(arguments: &[&str]) -> Result<Child, Failure> {
    spawn(arguments, false)
}

fn spawn(arguments: &[&str], reads: bool) -> Result<Child, Failure> {
    for place in PLACES {
        let child = Command::new(place)
            .args(arguments)
            .stdin(if reads { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        match child {
            Ok(child) => return Ok(child),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(missing(&error)),
        }
    }
    Err(missing(&"not found"))
}

fn missing(said: &impl std::fmt::Display) -> Failure {
    Failure::Missing {
        what: "the program nft",
        said: said.to_string(),
        remedy: "install it: `apt install nftables`, `dnf install nftables`, `apk add nftables`",
    }
}

#[cfg(test)]
mod tests {
    use super::{parts, place, tables};

    const TEXT: &str = "table inet netwright {\n  set own4 {\n    type ifname . ipv4_addr\n    elements = { \"i0\" . 10.0.1.20 }\n  }\n  chain forward {\n    type filter hook forward priority filter; policy accept;\n    ct state established accept\n    iifname vmap { \"i0\" : jump policy0 }\n  }\n}\n";

    #[test]
    fn tables_are_found_for_their_removal() {
        assert_eq!(tables(TEXT).collect::<Vec<_>>(), ["inet netwright"]);
    }

    #[test]
    fn rules_of_a_chain_and_elements_of_a_set_are_counted() {
        let found = parts(TEXT);
        assert_eq!(found.get("table inet netwright chain forward"), Some(&2));
        assert_eq!(found.get("table inet netwright set own4"), Some(&1));
    }

    #[test]
    fn a_list_of_elements_over_several_lines_counts_as_on_one() {
        let of = |elements: &str| {
            let text = format!(
                "table inet t {{\n  set s {{\n    type ipv4_addr\n    elements = {{ {elements} }}\n  }}\n  chain c {{\n    accept\n  }}\n}}\n"
            );
            let found = parts(&text);
            assert_eq!(found.get("table inet t chain c"), Some(&1), "{text}");
            found.get("table inet t set s").copied()
        };
        assert_eq!(of(r#"10.0.0.1 comment "a, }: b", 10.0.0.2, 10.0.0.3"#), Some(3));
        assert_eq!(of("10.0.0.1,\n 10.0.0.2 comment \"c\",\n 10.0.0.3"), Some(3));
        assert_eq!(of("10.0.0.1"), Some(1));
    }

    #[test]
    fn the_line_of_an_error_is_read() {
        assert_eq!(place("/dev/stdin:12:3-9: Error: syntax error"), Some(12));
    }
}
