//! Files that hold a JSON value a line (NDJSON), as asset inventories and `jq -c` write them.

use std::path::Path;

use netwright_model::source::FileId;
use netwright_model::tree::{Kind, Node};

use crate::{Document, Format, detect};

/// Whether a text is a JSON object a line: the first two lines that hold something are each a whole one by their looks.
pub(crate) fn are_values(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let whole = |line: &str| line.starts_with('{') && line.ends_with('}');
    lines.next().is_some_and(whole) && lines.next().is_some_and(whole)
}

/// The documents of such a file: one for all its lines where a provider's lists are bare, otherwise one for each line.
pub(crate) fn documents(
    path: &Path,
    file: FileId,
    root: Node,
    notes: &mut Vec<String>,
) -> Vec<(Format, Document)> {
    let document = |root| Document { path: path.to_owned(), file, root };
    if let Some(format) = detect::format(&root) {
        return vec![(format, document(root))];
    }
    let Kind::Sequence(items) = root.kind else { return Vec::new() };
    let mut found = Vec::new();
    let mut unknown = 0_usize;
    for item in items {
        match detect::format(&item) {
            Some(format) => found.push((format, document(item))),
            None => unknown += 1,
        }
    }
    if unknown > 0 {
        let of = if found.is_empty() { "" } else { " others were read;" };
        notes.push(format!(
            "{}:{of} {unknown} of its lines are of no kind that is known and were left out",
            path.display()
        ));
    }
    found
}
