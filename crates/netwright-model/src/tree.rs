//! YAML and JSON as one kind of tree, in which every part knows its place.

pub mod emit;
pub mod json;
pub mod yaml;

use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Sources, Span};

/// Bounds on an input. What goes beyond is refused with the limit's name.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Size of a file in octets.
    pub bytes: u64,
    /// Depth of nesting.
    pub depth: usize,
    /// Nodes of one file's tree, aliases expanded.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, depth: 128, nodes: 8_000_000 }
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
    pub fn number(number: impl ToString) -> Self {
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
    let failed = |what: String| Diagnostic::error("NW-IN-001", Span::NONE, what);
    let shown = path.display();
    let metadata =
        std::fs::metadata(path).map_err(|error| failed(format!("cannot read {shown}: {error}")))?;
    if metadata.len() > limits.bytes {
        return Err(failed(format!(
            "{shown} has {} octets; the limit is {}",
            metadata.len(),
            limits.bytes
        ))
        .with_help("split the description over several files of a folder"));
    }
    let bytes =
        std::fs::read(path).map_err(|error| failed(format!("cannot read {shown}: {error}")))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(sources.add(path, text.as_str())),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
            Err(failed(format!("{shown} is not UTF-8: octet {} in line {line}", valid + 1))
                .with_help("save the file as UTF-8"))
        }
    }
}

/// The first key that a mapping gives twice, as an error with both places.
pub(crate) fn duplicate_key(entries: &[(Key, Node)]) -> Option<Diagnostic> {
    if entries.len() < 2 {
        return None;
    }
    let clash = |first: &Key, again: &Key| {
        Diagnostic::error("NW-IN-003", again.span, format!("`{}` is given twice", again.text))
            .with_note(first.span, "given here first")
            .with_help("keep one of the two")
    };
    if entries.len() <= 8 {
        return entries.iter().enumerate().find_map(|(index, (key, _))| {
            let first = entries[..index].iter().find(|(other, _)| other.text == key.text)?;
            Some(clash(&first.0, key))
        });
    }
    let mut seen: rustc_hash::FxHashMap<&str, &Key> = rustc_hash::FxHashMap::default();
    entries.iter().find_map(|(key, _)| seen.insert(&key.text, key).map(|first| clash(first, key)))
}
