//! YAML 1.2 with places: the core schema, anchors and merge keys, one document a file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span as Place};

use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Span};

use super::{Key, Kind, Limits, Node};

/// Parses one YAML document. An empty file is [`Kind::Null`].
///
/// # Errors
///
/// The first thing that is not YAML or goes beyond the limits, with its place.
pub fn parse(text: &str, file: FileId, limits: &Limits) -> Result<Node, Diagnostic> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        file,
        limits,
        offsets: Offsets::of(text),
        stack: Vec::new(),
        anchors: BTreeMap::new(),
        root: None,
        nodes: 0,
        documents: 0,
    };
    for event in Parser::new_from_str(text) {
        let (event, place) = event.map_err(|error| builder.syntax(&error))?;
        builder.take(event, place)?;
    }
    Ok(builder.root.unwrap_or_default())
}

/// Byte offsets of characters: the parser counts characters, spans count bytes.
enum Offsets {
    Ascii,
    /// Byte offset of every 64th character, and the text.
    Wide(Vec<u32>, Box<str>),
}

impl Offsets {
    fn of(text: &str) -> Self {
        if text.is_ascii() {
            return Self::Ascii;
        }
        let starts = text.char_indices().step_by(64);
        let starts = starts.map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect();
        Self::Wide(starts, text.into())
    }

    fn byte(&self, character: usize) -> usize {
        match self {
            Self::Ascii => character,
            Self::Wide(starts, text) => {
                let Some(start) = starts.get(character / 64) else { return text.len() };
                let rest = &text[*start as usize..];
                let within = rest.char_indices().nth(character % 64);
                within.map_or(text.len(), |(at, _)| *start as usize + at)
            }
        }
    }
}

/// A list or map being built.
struct Open {
    start: usize,
    anchor: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, key: Option<Key> },
}

struct Builder<'a> {
    file: FileId,
    limits: &'a Limits,
    offsets: Offsets,
    stack: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
}

impl Builder<'_> {
    fn span(&self, place: Place) -> Span {
        let start = self.offsets.byte(place.start.index());
        let end = self.offsets.byte(place.end.index()).max(start);
        Span::new(self.file, start, end)
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let at: &Marker = error.marker();
        let start = self.offsets.byte(at.index());
        let span = Span::new(self.file, start, start + 1);
        Diagnostic::error("NW-IN-004", span, format!("this is not YAML: {}", error.info()))
            .with_help("check the indentation and the quotes of this line and the one before")
    }

    fn error(&self, place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error("NW-IN-004", self.span(place), message)
    }

    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), Diagnostic> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(self.error(place, "a second document starts here").with_help(
                        "a file holds one document; put the other into a file of its own",
                    ));
                }
                Ok(())
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(
                        self.error(place, "this alias refers to something that is not complete")
                    );
                };
                self.count(place, size(&node))?;
                self.push(node, 0, place)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.count(place, 1)?;
                let forced = tag.is_some_and(|tag| tag.suffix == "str");
                let plain = matches!(style, ScalarStyle::Plain) && !forced;
                let kind = if plain { plain_scalar(text) } else { Kind::String(text.into()) };
                let node = Node { kind, span: self.span(place) };
                self.push(node, anchor, place)
            }
            Event::SequenceStart(anchor, _) => self.open(anchor, place, Items::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                self.open(anchor, place, Items::Map { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(place),
        }
    }

    fn count(&mut self, place: Place, more: usize) -> Result<(), Diagnostic> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > self.limits.nodes {
            let message = format!("more than {} values, aliases expanded", self.limits.nodes);
            return Err(self.error(place, message));
        }
        Ok(())
    }

    fn open(&mut self, anchor: usize, place: Place, items: Items) -> Result<(), Diagnostic> {
        self.count(place, 1)?;
        if self.stack.len() >= self.limits.depth {
            let message = format!("nested more than {} levels deep", self.limits.depth);
            return Err(self.error(place, message));
        }
        let start = self.offsets.byte(place.start.index());
        self.stack.push(Open { start, anchor, items });
        Ok(())
    }

    fn close(&mut self, place: Place) -> Result<(), Diagnostic> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let end = self.offsets.byte(place.end.index()).max(open.start);
        let span = Span::new(self.file, open.start, end);
        let kind = match open.items {
            Items::List(items) => Kind::Sequence(items),
            Items::Map { entries, .. } => {
                let entries = merge(entries)?;
                if let Some(error) = super::duplicate_key(&entries) {
                    return Err(error);
                }
                Kind::Mapping(entries)
            }
        };
        self.push(Node { kind, span }, open.anchor, place)
    }

    fn push(&mut self, node: Node, anchor: usize, place: Place) -> Result<(), Diagnostic> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let complex =
            |builder: &Self| builder.error(place, "a key must be a text, not a list or map");
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.items {
            Items::List(items) => items.push(node),
            Items::Map { entries, key } => match key.take() {
                Some(key) => entries.push((key, node)),
                None => {
                    let text: Option<Box<str>> = match &node.kind {
                        Kind::Null => Some("null".into()),
                        _ => node.as_text().map(Into::into),
                    };
                    match text {
                        Some(text) => *key = Some(Key { text, span: node.span }),
                        None => return Err(complex(self)),
                    }
                }
            },
        }
        Ok(())
    }
}

/// Nodes of a tree. Depth is bounded by the limits.
fn size(node: &Node) -> usize {
    match &node.kind {
        Kind::Sequence(items) => 1 + items.iter().map(size).sum::<usize>(),
        Kind::Mapping(entries) => 1 + entries.iter().map(|(_, node)| size(node)).sum::<usize>(),
        _ => 1,
    }
}

/// Applies `<<`: entries of the merged map that the map does not give itself.
fn merge(entries: Vec<(Key, Node)>) -> Result<Vec<(Key, Node)>, Diagnostic> {
    if !entries.iter().any(|(key, _)| &*key.text == "<<") {
        return Ok(entries);
    }
    let (merged, mut own): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(key, _)| &*key.text == "<<");
    for (key, node) in merged {
        let maps: Vec<&Node> = match &node.kind {
            Kind::Mapping(_) => vec![&node],
            Kind::Sequence(items) => items.iter().collect(),
            _ => Vec::new(),
        };
        if maps.is_empty() || maps.iter().any(|map| !matches!(map.kind, Kind::Mapping(_))) {
            return Err(Diagnostic::error(
                "NW-IN-004",
                key.span,
                "`<<` takes a map or a list of maps",
            ));
        }
        for map in maps {
            for (key, value) in map.entries() {
                if !own.iter().any(|(known, _)| known.text == key.text) {
                    own.push((key.clone(), value.clone()));
                }
            }
        }
    }
    Ok(own)
}

/// The core schema: null, booleans and numbers; anything else is a text. `yes`, `no`, `on` and `off` are texts.
fn plain_scalar(text: Cow<'_, str>) -> Kind {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        other if is_number(other) => Kind::Number(other.into()),
        other => Kind::String(other.into()),
    }
}

/// Whether a plain scalar is a decimal number. Octal and hexadecimal forms stay texts: nothing in a description means them.
fn is_number(text: &str) -> bool {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    body.starts_with(|c: char| c.is_ascii_digit())
        && !text.starts_with('+')
        && body.parse::<f64>().is_ok()
}

/// What a plain scalar with this text is.
pub(super) fn plain(text: &str) -> Kind {
    plain_scalar(Cow::Borrowed(text))
}
