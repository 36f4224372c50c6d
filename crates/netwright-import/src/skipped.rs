//! Files that hold nothing to read, and what they are instead.

use std::path::Path;

use netwright_model::diagnostic::Diagnostic;
use netwright_model::source::Span;
use netwright_model::tree::{Kind, Node};

/// Longest text that is taken for a stored link, in octets.
const LONGEST_LINK: usize = 255;

/// Files that are told in an error before the rest is counted.
const SHOWN: usize = 4;

/// What JSON that is no export is known to be: the keys by which it is told, and words.
const KNOWN: [(&[&str], &str); 7] = [
    (&["bindings"], "an IAM policy, which says who may do what and nothing about packets,"),
    (&["policies", "resource"], "a list of IAM policies, which say nothing about packets,"),
    (&["planned_values"], "a Terraform plan, which cannot be read yet,"),
    (&["resource_changes"], "a Terraform plan, which cannot be read yet,"),
    (&["terraform_version"], "a Terraform state, which cannot be read yet,"),
    (&["$schema", "resources"], "an Azure template, which cannot be read yet,"),
    (&["accounts"], "a list of service accounts, which says nothing about packets,"),
];

/// What a document that is no export is, in words.
pub(crate) fn what(root: &Node) -> &'static str {
    let known = KNOWN.iter().find(|(keys, _)| keys.iter().all(|key| root.get(key).is_some()));
    match (known, &root.kind) {
        (Some((_, words)), _) => words,
        (None, Kind::Mapping(_)) => "of no kind that is known",
        (None, Kind::Sequence(items)) if items.is_empty() => "an empty list",
        (None, _) => "not a map",
    }
}

/// Whether a document is something else that is known.
pub(crate) fn is_known(root: &Node) -> bool {
    // A description has services and may have accounts: only other words tell.
    let told = |keys: &&[&str]| keys.iter().all(|key| root.get(key).is_some());
    KNOWN.iter().map(|(keys, _)| keys).take(6).any(told)
}

/// Why a file is nothing to read: it is empty, or it is a link that was stored as a text.
pub(crate) fn stands_for_another(path: &Path, text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return Some("is empty".to_owned());
    }
    if text.len() > LONGEST_LINK || text.contains(['{', '[', '"', '\n', ':']) {
        return None;
    }
    let there = path.parent().map(|folder| folder.join(text));
    if there.is_some_and(|there| there.is_file()) {
        return Some(format!("is a link to {text}, stored as a text,"));
    }
    let ending = path.extension().and_then(|own| own.to_str()).unwrap_or_default();
    let same = Path::new(text).extension().is_some_and(|own| own.to_string_lossy() == ending);
    let looks_so = !ending.is_empty() && same && !text.contains(char::is_whitespace);
    looks_so.then(|| format!("is a link to {text}, which is not there, stored as a text,"))
}

/// The error about a file that was named and holds nothing to read.
pub(crate) fn is_no_input(path: &Path, why: &str) -> Diagnostic {
    let message = format!("{} {}", path.display(), why.trim_end_matches(','));
    Diagnostic::error("NW-IN-020", Span::NONE, message)
        .with_help("name a description, or a file or folder of an export")
}

/// What was left out, for the error that nothing was found.
pub(crate) fn summary(notes: &[String]) -> String {
    let shown: Vec<&str> = notes
        .iter()
        .filter(|note| !note.contains("by its name"))
        .take(SHOWN)
        .map(String::as_str)
        .collect();
    let more = notes.len() - shown.len();
    match (shown.is_empty(), more) {
        (true, 0) => String::new(),
        (true, more) => format!(": {more} files are neither JSON nor YAML by their names"),
        (false, 0) => format!(": {}", shown.join("; ")),
        (false, more) => format!(": {}; and {more} more", shown.join("; ")),
    }
}
