//! YAML 1.2 with places: the core schema, anchors and merge keys, one document a file.
//!
//! Aliases are expanded, so a small file can stand for a large tree. What is copied for them counts against the limits as if it
//! had been written out, and so does the depth that they add.

mod explain;

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;
use saphyr_parser::{Event, Parser, ScalarStyle, Span as Place, Tag};

use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Span};

use super::{Key, Kind, Limits, Node};

/// Parses one YAML document. An empty file is [`Kind::Null`].
///
/// # Errors
///
/// The first thing that is not YAML or goes beyond the limits, with its place.
pub fn parse(text: &str, file: FileId, limits: &Limits) -> Result<Node, Diagnostic> {
    let (root, errors) = read(text, file, limits);
    match errors.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(root.unwrap_or_default()),
    }
}

/// Parses one YAML document, with everything that is wrong in it.
///
/// The tree is `None` when what follows an error cannot be made sense of. A key that is given twice, a tag or a merge that means
/// nothing here leave the rest of the tree as it is, so that a decoder can tell what else is wrong.
#[must_use]
pub fn read(text: &str, file: FileId, limits: &Limits) -> (Option<Node>, Vec<Diagnostic>) {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        file,
        limits,
        text,
        offsets: Offsets::of(body, text.len() - body.len()),
        stack: Vec::new(),
        anchors: BTreeMap::new(),
        root: None,
        nodes: 0,
        copied: 0,
        documents: 0,
        errors: Vec::new(),
    };
    for event in Parser::new_from_str(body) {
        let taken = match event {
            Ok((event, place)) => builder.take(event, place),
            Err(error) => Err(builder.syntax(error.marker().index(), error.info())),
        };
        if let Err(error) = taken {
            builder.errors.push(error);
            return (None, builder.errors);
        }
    }
    (Some(builder.root.unwrap_or_default()), builder.errors)
}

/// Byte offsets of characters: the parser counts characters of the text after a byte order mark, spans count bytes of the file.
struct Offsets<'a> {
    /// The text that the parser sees.
    body: &'a str,
    /// Bytes before it.
    before: usize,
    /// Byte offset of every 64th character; empty where each character is a byte.
    marks: Vec<u32>,
}

impl<'a> Offsets<'a> {
    fn of(body: &'a str, before: usize) -> Self {
        let mut marks = Vec::new();
        if !body.is_ascii() {
            let starts = body.char_indices().step_by(64);
            marks.extend(starts.map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)));
        }
        Self { body, before, marks }
    }

    fn byte(&self, character: usize) -> usize {
        let within = if self.marks.is_empty() {
            character.min(self.body.len())
        } else {
            self.marks.get(character / 64).map_or(self.body.len(), |mark| {
                let mark = *mark as usize;
                let rest = &self.body[mark..];
                let offset = rest.char_indices().nth(character % 64);
                offset.map_or(self.body.len(), |(at, _)| mark + at)
            })
        };
        self.before + within
    }
}

/// What it costs to copy a tree.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl Weight {
    /// Depth is bounded by the limits, and so is the recursion.
    fn of(node: &Node) -> Self {
        let mut weight = Self { nodes: 1, bytes: size_of::<Node>(), depth: 0 };
        let mut add = |part: Self| {
            weight.nodes += part.nodes;
            weight.bytes += part.bytes;
            weight.depth = weight.depth.max(part.depth + 1);
        };
        match &node.kind {
            Kind::Sequence(items) => items.iter().for_each(|item| add(Self::of(item))),
            Kind::Mapping(entries) => entries.iter().for_each(|(key, value)| {
                let value = Self::of(value);
                add(Self { bytes: value.bytes + size_of::<Key>() + key.text.len(), ..value });
            }),
            Kind::String(text) | Kind::Number(text) => weight.bytes += text.len(),
            Kind::Null | Kind::Bool(_) => {}
        }
        if matches!(&node.kind, Kind::Sequence(_) | Kind::Mapping(_)) {
            weight.depth = weight.depth.max(1);
        }
        weight
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
    text: &'a str,
    offsets: Offsets<'a>,
    stack: Vec<Open>,
    anchors: BTreeMap<usize, (Node, Weight)>,
    root: Option<Node>,
    nodes: usize,
    /// Bytes of memory that copies for anchors and aliases take.
    copied: usize,
    documents: usize,
    errors: Vec<Diagnostic>,
}

impl Builder<'_> {
    fn span(&self, place: Place) -> Span {
        let start = self.offsets.byte(place.start.index());
        let end = self.offsets.byte(place.end.index()).max(start);
        Span::new(self.file, start, end)
    }

    fn syntax(&self, character: usize, info: &str) -> Diagnostic {
        let at = self.offsets.byte(character);
        let opened = self.stack.iter().rev().map(|open| open.start);
        explain::syntax(self.text, self.file, at, info, opened)
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
            Event::Alias(anchor) => self.alias(anchor, place),
            Event::Scalar(text, style, anchor, tag) => {
                self.count(place, 1)?;
                let kind = self.scalar(text, style, tag.as_deref(), place);
                let node = Node { kind, span: self.span(place) };
                self.push(node, anchor, place)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", place);
                self.open(anchor, place, Items::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", place);
                self.open(anchor, place, Items::Map { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(place),
        }
    }

    /// A copy of what an anchor names.
    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), Diagnostic> {
        let Some((_, weight)) = self.anchors.get(&anchor) else {
            let message = "this alias refers to something that is not complete";
            self.errors.push(self.error(place, message));
            return self.push(Node { kind: Kind::Null, span: self.span(place) }, 0, place);
        };
        let weight = *weight;
        self.check_depth(place, self.stack.len() + weight.depth)?;
        self.count_copy(place, weight)?;
        match self.anchors.get(&anchor).map(|(node, _)| node.clone()) {
            Some(node) => self.push(node, 0, place),
            None => Ok(()),
        }
    }

    /// Reads a scalar by its tag, its style and the core schema.
    fn scalar(
        &mut self,
        text: std::borrow::Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        place: Place,
    ) -> Kind {
        match tag {
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix != "str" => plain_scalar(&text),
            Some(tag) if tag.is_yaml_core_schema() => Kind::String(text.into()),
            // `! text` asks for a text.
            Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Kind::String(text.into()),
            _ => {
                self.check_tag(tag, "", place);
                let plain = matches!(style, ScalarStyle::Plain);
                if plain { plain_scalar(&text) } else { Kind::String(text.into()) }
            }
        }
    }

    /// A tag that means something to another program, such as `!Ref`, changes the value in a way unknown here.
    fn check_tag(&mut self, tag: Option<&Tag>, expected: &str, place: Place) {
        let Some(tag) = tag else { return };
        if !(tag.is_yaml_core_schema() && tag.suffix == expected) {
            let message = format!("the tag `{}{}` has no meaning here", tag.handle, tag.suffix);
            let error = self.error(place, message);
            self.errors.push(error.with_help("write the value that it stands for"));
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

    fn count_copy(&mut self, place: Place, weight: Weight) -> Result<(), Diagnostic> {
        self.count(place, weight.nodes)?;
        self.copied = self.copied.saturating_add(weight.bytes);
        if self.copied as u64 > self.limits.bytes {
            let message =
                format!("aliases stand for more than {} octets of values", self.limits.bytes);
            return Err(self.error(place, message));
        }
        Ok(())
    }

    fn check_depth(&self, place: Place, depth: usize) -> Result<(), Diagnostic> {
        if depth > self.limits.levels() {
            let message = format!("nested more than {} levels deep", self.limits.levels());
            return Err(self.error(place, message));
        }
        Ok(())
    }

    fn open(&mut self, anchor: usize, place: Place, items: Items) -> Result<(), Diagnostic> {
        self.count(place, 1)?;
        self.check_depth(place, self.stack.len() + 1)?;
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
                let mut entries = merge(entries, &mut self.errors);
                self.errors.extend(super::remove_duplicates(&mut entries));
                Kind::Mapping(entries)
            }
        };
        self.push(Node { kind, span }, open.anchor, place)
    }

    fn push(&mut self, node: Node, anchor: usize, place: Place) -> Result<(), Diagnostic> {
        if anchor != 0 {
            let weight = Weight::of(&node);
            self.count_copy(place, weight)?;
            self.anchors.insert(anchor, (node.clone(), weight));
        }
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
                        None => {
                            return Err(self
                                .error(place, "a key must be a text, not a list or map")
                                .with_help("a text that starts with `{` or `[` needs quotes"));
                        }
                    }
                }
            },
        }
        Ok(())
    }
}

/// Applies `<<`: entries of the merged map that the map does not give itself. Of several merged maps the first to give a key wins.
fn merge(entries: Vec<(Key, Node)>, errors: &mut Vec<Diagnostic>) -> Vec<(Key, Node)> {
    if !entries.iter().any(|(key, _)| &*key.text == "<<") {
        return entries;
    }
    let (merged, mut own): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(key, _)| &*key.text == "<<");
    let mut known: FxHashSet<Box<str>> = own.iter().map(|(key, _)| key.text.clone()).collect();
    for (key, node) in merged {
        let maps = match node.kind {
            Kind::Mapping(_) => vec![node],
            Kind::Sequence(items) => items,
            _ => Vec::new(),
        };
        if maps.is_empty() || maps.iter().any(|map| !matches!(map.kind, Kind::Mapping(_))) {
            let message = "`<<` takes a map or a list of maps";
            errors.push(Diagnostic::error("NW-IN-004", key.span, message));
        }
        for map in maps {
            let Kind::Mapping(entries) = map.kind else { continue };
            own.extend(entries.into_iter().filter(|(key, _)| known.insert(key.text.clone())));
        }
    }
    own
}

/// The core schema: null, booleans and numbers; anything else is a text. `yes`, `no`, `on` and `off` are texts.
fn plain_scalar(text: &str) -> Kind {
    match text {
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
    plain_scalar(text)
}

#[cfg(test)]
mod tests;
