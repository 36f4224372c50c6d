//! YAML and JSON as one kind of tree, in which every part knows its place.

pub mod emit;
pub mod json;
pub mod yaml;

use std::collections::hash_map::Entry;
use std::io::Read as _;
use std::path::Path;

use rustc_hash::FxHashMap;

use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Sources, Span};

/// Bounds on an input. What goes beyond is refused with the limit's name.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Size of a file in octets, and of what its aliases stand for.
    pub bytes: u64,
    /// Depth of nesting. More than 512 is never allowed: trees are walked and dropped by recursion.
    pub depth: usize,
    /// Nodes of one file's tree, aliases expanded.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, depth: 128, nodes: 8_000_000 }
    }
}

impl Limits {
    /// Levels of nesting that are allowed.
    fn levels(&self) -> usize {
        self.depth.min(512)
    }
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it was written.
    pub span: Span,
}

/// What a [`Node`] is. Numbers keep their text, so that whoever expects a port range or a version reads it as written.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Kind {
    /// Nothing.
    #[default]
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number, as written.
    Number(Box<str>),
    /// A text.
    String(Box<str>),
    /// A list.
    Sequence(Vec<Node>),
    /// A map, in the order written. Keys are unique.
    Mapping(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The key.
    pub text: Box<str>,
    /// Where it was written.
    pub span: Span,
}

impl Node {
    /// A text from nowhere.
    #[must_use]
    pub fn string(text: impl Into<Box<str>>) -> Self {
        Self { kind: Kind::String(text.into()), span: Span::NONE }
    }

    /// A number from nowhere.
    #[must_use]
    pub fn number(number: &dyn std::fmt::Display) -> Self {
        Self { kind: Kind::Number(number.to_string().into()), span: Span::NONE }
    }

    /// The value of a mapping's key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(own, _)| &*own.text == key).map(|(_, node)| node)
    }

    /// The entries of a mapping; none of anything else.
    #[must_use]
    pub fn entries(&self) -> &[(Key, Self)] {
        match &self.kind {
            Kind::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string, number, or yes and no, as written.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) | Kind::Number(text) => Some(text),
            Kind::Bool(true) => Some("true"),
            Kind::Bool(false) => Some("false"),
            Kind::Null | Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// Yes or no.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.kind {
            Kind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A whole number.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match &self.kind {
            Kind::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }

    /// What it is, for messages: "a list", "a map", `the text "x"`.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::Bool(value) => format!("`{value}`"),
            Kind::Number(text) => format!("the number {text}"),
            Kind::String(text) => {
                let short: String = text.chars().take(60).collect();
                let dots = if short.len() < text.len() { "…" } else { "" };
                format!("`{short}{dots}`")
            }
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a map".to_owned(),
        }
    }
}

/// Reads a file as text and registers it.
///
/// # Errors
///
/// When it cannot be read, is larger than the limit, or is not UTF-8.
pub fn read_file(
    path: &Path,
    sources: &mut Sources,
    limits: &Limits,
) -> Result<FileId, Diagnostic> {
    let shown = path.display();
    let failed = |what: String| Diagnostic::error("NW-IN-001", Span::NONE, what);
    let unreadable = |error: std::io::Error| failed(format!("cannot read {shown}: {error}"));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // The size that a pipe or a growing file reports says nothing: what is read is what counts.
    let most = limits.bytes.saturating_add(1);
    file.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limits.bytes {
        let message = format!("{shown} is larger than the limit of {} octets", limits.bytes);
        return Err(
            failed(message).with_help("split the description over several files of a folder")
        );
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(sources.add(path, text)),
        Err(error) => Err(not_utf8(&shown.to_string(), &error)),
    }
}

fn not_utf8(shown: &str, error: &std::string::FromUtf8Error) -> Diagnostic {
    let valid = error.utf8_error().valid_up_to();
    let (before, rest) = error.as_bytes().split_at(valid);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let octet = rest.first().copied().unwrap_or_default();
    let message = format!(
        "{shown} is not UTF-8: octet {} of the file, in line {line}, is 0x{octet:02x}",
        valid + 1
    );
    let help = match error.as_bytes() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "this looks like UTF-16: save the file as UTF-8",
        _ => "save the file as UTF-8",
    };
    Diagnostic::error("NW-IN-001", Span::NONE, message).with_help(help)
}

/// Takes out the entries whose key an earlier one has, each as an error with both places.
pub(crate) fn remove_duplicates(entries: &mut Vec<(Key, Node)>) -> Vec<Diagnostic> {
    let again = duplicates(entries);
    let errors = again
        .iter()
        .map(|(first, again)| {
            let (first, again) = (&entries[*first].0, &entries[*again].0);
            Diagnostic::error("NW-IN-003", again.span, format!("`{}` is given twice", again.text))
                .with_note(first.span, "given here first")
                .with_help("keep one of the two")
        })
        .collect();
    if !again.is_empty() {
        let mut repeated = again.iter().map(|(_, index)| *index).peekable();
        let mut index = 0;
        entries.retain(|_| {
            let keep = repeated.next_if_eq(&index).is_none();
            index += 1;
            keep
        });
    }
    errors
}

/// Pairs of places in a mapping whose keys are equal: the first with the key, and each that repeats it.
fn duplicates(entries: &[(Key, Node)]) -> Vec<(usize, usize)> {
    // Most maps are small: comparing is then cheaper than hashing.
    if entries.len() <= 8 {
        let earlier = |index: usize| {
            entries[..index].iter().position(|(key, _)| key.text == entries[index].0.text)
        };
        return (0..entries.len()).filter_map(|index| Some((earlier(index)?, index))).collect();
    }
    let mut seen: FxHashMap<&str, usize> = FxHashMap::default();
    let mut pairs = Vec::new();
    for (index, (key, _)) in entries.iter().enumerate() {
        match seen.entry(&key.text) {
            Entry::Occupied(first) => pairs.push((*first.get(), index)),
            Entry::Vacant(place) => {
                place.insert(index);
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests;
