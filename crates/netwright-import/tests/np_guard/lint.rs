//! What the other analyser finds wrong, against what `check` finds.
//!
//! Its lists are cut after a few lines ("... (4 more)"), so what it shows must be found here; more may be.

use std::path::Path;

use netwright_import::load as import;
use netwright_model::network::resolve::resolve;
use netwright_model::source::Sources;
use netwright_model::tree::{Limits, Node};
use netwright_verify::check::check;

/// What it says and we do not, with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exception {
    /// A group's rule that treats machines of a subnet differently: groups are for interfaces, and that is what they are for.
    GroupDividesSubnet,
    /// The last rule of an AWS network ACL, which nobody can remove.
    RuleThatStays,
    /// An endpoint gateway opens no connections, so no answers to it are dropped.
    GatewayConnects,
}

/// Findings of one export as "identifier message".
fn found(input: &Path) -> Vec<String> {
    let loaded = import(input, &mut Sources::default(), &Limits::default()).unwrap();
    let network = resolve(loaded.description).unwrap_or_else(|errors| panic!("{errors:#?}"));
    check(&network).into_iter().map(|one| format!("{} {}", one.id, one.message)).collect()
}

/// The texts between quotation marks.
fn quoted(line: &str) -> Vec<&str> {
    line.split('"').skip(1).step_by(2).collect()
}

/// What follows a key up to the next comma.
fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_once(key).and_then(|(_, rest)| rest.split(',').next())
}

/// The address in `name[address]`, and the name without its VPC.
fn end(text: &str) -> (String, String) {
    let (name, rest) = text.split_once('[').unwrap_or((text, ""));
    let name = name.rsplit('/').next().unwrap_or(name);
    (name.to_owned(), rest.trim_end_matches(']').to_owned())
}

/// How one of its lines, with the details below it, is found by us.
enum Wanted {
    /// A finding of one of these kinds with all of these in its message.
    Finding(&'static [&'static str], Vec<String>),
    Excepted(Exception),
    /// No claim.
    Nothing,
}

fn wanted(section: &str, line: &str, details: &str) -> Wanted {
    let names = quoted(line);
    let rule = field(details, "name: ").or_else(|| field(details, "id: ")).unwrap_or("");
    let rule_of = |filter: &str| vec![format!("rule {rule} of {filter} ")];
    match section {
        s if s.contains("not applied to any resources") => {
            Wanted::Finding(&["NW-FLT-007"], vec![format!("filter {} is", names[1])])
        }
        s if s.starts_with("Network ACL rules shadowed") => {
            if details.contains("ruleNumber: 32767") {
                return Wanted::Excepted(Exception::RuleThatStays);
            }
            Wanted::Finding(&["NW-FLT-001", "NW-FLT-003", "NW-FLT-008"], rule_of(names[1]))
        }
        s if s.contains("outside of the VPC address space") => {
            Wanted::Finding(&["NW-FLT-009"], rule_of(names[1]))
        }
        s if s.starts_with("Network ACLs implying different") => {
            Wanted::Finding(&["NW-FLT-010"], rule_of(names[1]))
        }
        s if s.starts_with("SGs implying different") => {
            Wanted::Excepted(Exception::GroupDividesSubnet)
        }
        s if s.starts_with("Overlapping subnet") => Wanted::Finding(
            &["NW-ADDR-001", "NW-ADDR-003", "NW-ADDR-008"],
            vec![names[0].to_owned(), names[2].to_owned()],
        ),
        s if s.starts_with("Security group rules implied") => {
            Wanted::Finding(&["NW-FLT-002", "NW-FLT-003"], rule_of(names[1]))
        }
        s if s.starts_with("Blocked TCP response") => {
            let (from, _) = end(names[0]);
            if from.contains("endpoint-gateway") {
                return Wanted::Excepted(Exception::GatewayConnects);
            }
            let (to, address) = end(names[1]);
            let to = if address.is_empty() {
                to.split_whitespace()
                    .nth(2)
                    .and_then(|range| range.split('/').next())
                    .unwrap_or("")
                    .to_owned()
            } else {
                format!("{to} ({address})")
            };
            Wanted::Finding(&["NW-FLT-012"], vec![to])
        }
        _ => Wanted::Nothing,
    }
}

/// What is not found, and how many lines were compared; the exceptions are counted.
pub(crate) fn compare(
    data: &Path,
    case: &Node,
    excepted: &mut std::collections::BTreeMap<Exception, usize>,
) -> (usize, Vec<String>) {
    let text = |key: &str| case.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
    let ours = found(&data.join(text("input")));
    let golden = std::fs::read_to_string(data.join(text("golden"))).unwrap();
    let lines: Vec<&str> = golden.lines().collect();
    let (mut compared, mut missing, mut section) = (0, Vec::new(), String::new());
    for (place, line) in lines.iter().enumerate() {
        if let Some(name) = line.strip_suffix(" issues:") {
            name.trim_matches('"').clone_into(&mut section);
            continue;
        }
        if !(line.starts_with("In VPC")
            || line.starts_with("In the connection")
            || line.starts_with("VPC \""))
        {
            continue;
        }
        let details = lines.get(place + 1).copied().unwrap_or_default();
        match wanted(&section, line, details) {
            Wanted::Nothing => missing.push(format!("not understood: {section}: {line}")),
            Wanted::Excepted(why) => *excepted.entry(why).or_default() += 1,
            Wanted::Finding(kinds, parts) => {
                compared += 1;
                let same = |one: &&String| {
                    kinds.iter().any(|kind| one.starts_with(kind))
                        && parts.iter().all(|part| one.contains(part.as_str()))
                };
                if ours.iter().find(same).is_none() {
                    missing.push(format!("{}: {line} {details}", text("name")));
                }
            }
        }
    }
    (compared, missing)
}
