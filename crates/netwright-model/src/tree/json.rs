//! Strict JSON (RFC 8259) with places.
//!
//! Our own, because what libraries offer gives either places or bounds: cloud exports need both, for traces that point into the
//! user's file and for inputs that nest without end.

use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Span};

use super::{Key, Kind, Limits, Node};

/// Parses one JSON value.
///
/// # Errors
///
/// The first thing that is not JSON, with its place.
pub fn parse(text: &str, file: FileId, limits: &Limits) -> Result<Node, Diagnostic> {
    parse_with(text, file, limits, None)
}

/// As [`parse`], but a key may come several times in a map where that contradicts nothing: with the same value, or with maps, of
/// which the last counts, as it does for most readers of JSON. Each is told. For what programs wrote, where nobody can be asked to mend it.
///
/// # Errors
///
/// The first thing that is not JSON, or that contradicts itself, with its place.
pub fn parse_last_wins(
    text: &str,
    file: FileId,
    limits: &Limits,
) -> Result<(Node, Vec<Diagnostic>), Diagnostic> {
    let mut repeated = Vec::new();
    let node = parse_with(text, file, limits, Some(&mut repeated))?;
    Ok((node, repeated))
}

/// Parses JSON values that follow each other, as one a line (NDJSON): a list of them.
///
/// # Errors
///
/// The first thing that is not JSON, with its place.
pub fn parse_lines(text: &str, file: FileId, limits: &Limits) -> Result<Node, Diagnostic> {
    let mut parser = Parser {
        text,
        bytes: text.as_bytes(),
        at: 0,
        file,
        limits,
        nodes: 0,
        depth: 0,
        repeated: None,
    };
    if text.starts_with('\u{feff}') {
        parser.at = '\u{feff}'.len_utf8();
    }
    let mut items = Vec::new();
    parser.space();
    while parser.at < parser.bytes.len() {
        items.push(parser.value()?);
        parser.space();
    }
    Ok(Node { kind: Kind::Sequence(items), span: Span::new(file, 0, text.len()) })
}

fn parse_with(
    text: &str,
    file: FileId,
    limits: &Limits,
    repeated: Option<&mut Vec<Diagnostic>>,
) -> Result<Node, Diagnostic> {
    let mut parser =
        Parser { text, bytes: text.as_bytes(), at: 0, file, limits, nodes: 0, depth: 0, repeated };
    if text.starts_with('\u{feff}') {
        parser.at = '\u{feff}'.len_utf8();
    }
    parser.space();
    let node = parser.value()?;
    parser.space();
    if parser.at < parser.bytes.len() {
        return Err(parser
            .error(parser.at, "something follows the end of the JSON value")
            .with_help("a file holds one value; put several into a list, or into several files"));
    }
    Ok(node)
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    file: FileId,
    limits: &'a Limits,
    nodes: usize,
    depth: usize,
    /// Where to tell of repeated keys; nowhere where they are an error.
    repeated: Option<&'a mut Vec<Diagnostic>>,
}

impl Parser<'_> {
    fn error(&self, at: usize, message: impl Into<String>) -> Diagnostic {
        let end =
            self.text[at.min(self.text.len())..].chars().next().map_or(at, |c| at + c.len_utf8());
        Diagnostic::error("NW-IN-002", Span::new(self.file, at, end), message)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn expected(&self, what: &str) -> Diagnostic {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => {
                let error = self.error(self.at, format!("expected {what}, found `{found}`"));
                match self.slip() {
                    Some(help) => error.with_help(help),
                    None => error,
                }
            }
            None => self
                .error(self.at, format!("expected {what}, but the file ends here"))
                .with_help("the file may have been cut off"),
        }
    }

    /// What is allowed elsewhere but not in JSON.
    fn slip(&self) -> Option<&'static str> {
        let before = self.text.get(..self.at)?.trim_end();
        match self.bytes.get(self.at)? {
            b']' | b'}' if before.ends_with(',') => Some("leave out the comma before it"),
            b'/' | b'#' => Some("JSON has no comments"),
            b'\'' => Some("JSON takes double quotes only"),
            b'N' | b'I' => Some("JSON has no NaN and no infinity"),
            b'T' | b'F' => Some("JSON writes `true` and `false` in lower case"),
            _ => None,
        }
    }

    fn value(&mut self) -> Result<Node, Diagnostic> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(self.error(self.at, format!("more than {} values", self.limits.nodes)));
        }
        let start = self.at;
        let kind = match self.bytes.get(self.at) {
            Some(b'{') => self.nested(Self::mapping)?,
            Some(b'[') => self.nested(Self::sequence)?,
            Some(b'"') => Kind::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Kind::Number(self.number()?),
            Some(b't') => self.word("true", Kind::Bool(true))?,
            Some(b'f') => self.word("false", Kind::Bool(false))?,
            Some(b'n') => self.word("null", Kind::Null)?,
            _ => return Err(self.expected("a JSON value")),
        };
        Ok(Node { kind, span: Span::new(self.file, start, self.at) })
    }

    fn nested(
        &mut self,
        inner: fn(&mut Self) -> Result<Kind, Diagnostic>,
    ) -> Result<Kind, Diagnostic> {
        self.depth += 1;
        if self.depth > self.limits.levels() {
            let message = format!("nested more than {} levels deep", self.limits.levels());
            return Err(self.error(self.at, message));
        }
        self.at += 1;
        self.space();
        let kind = inner(self)?;
        self.depth -= 1;
        Ok(kind)
    }

    fn mapping(&mut self) -> Result<Kind, Diagnostic> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        if self.bytes.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Ok(Kind::Mapping(entries));
        }
        loop {
            let start = self.at;
            if self.bytes.get(self.at) != Some(&b'"') {
                return Err(self.expected("a key in double quotes"));
            }
            let key = Key { text: self.string()?, span: Span::new(self.file, start, self.at) };
            self.space();
            if self.bytes.get(self.at) != Some(&b':') {
                return Err(self.expected("`:` after the key"));
            }
            self.at += 1;
            self.space();
            let node = self.value()?;
            entries.push((key, node));
            self.space();
            match self.bytes.get(self.at) {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b'}') => {
                    self.at += 1;
                    return self.distinct(entries).map(Kind::Mapping);
                }
                _ => return Err(self.expected("`,` or `}`")),
            }
        }
    }

    /// Entries with distinct keys: a repeated one is an error, or the last of it counts.
    fn distinct(&mut self, mut entries: Vec<(Key, Node)>) -> Result<Vec<(Key, Node)>, Diagnostic> {
        if let Some(told) = &mut self.repeated
            && super::duplicates(&entries)
                .iter()
                .all(|(a, b)| alike(&entries[*a].1, &entries[*b].1))
        {
            entries.reverse();
            told.extend(super::remove_duplicates(&mut entries));
            entries.reverse();
            return Ok(entries);
        }
        super::remove_duplicates(&mut entries).into_iter().next().map_or(Ok(entries), Err)
    }

    fn sequence(&mut self) -> Result<Kind, Diagnostic> {
        let mut items = Vec::new();
        if self.bytes.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(Kind::Sequence(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            match self.bytes.get(self.at) {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b']') => {
                    self.at += 1;
                    return Ok(Kind::Sequence(items));
                }
                _ => return Err(self.expected("`,` or `]`")),
            }
        }
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, Diagnostic> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(kind);
        }
        Err(self.expected("a JSON value"))
    }

    fn digits(&mut self) -> Result<(), Diagnostic> {
        if !self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            return Err(self.expected("a digit"));
        }
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Box<str>, Diagnostic> {
        let start = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let zero = self.bytes.get(self.at) == Some(&b'0');
        let first = self.at;
        self.digits()?;
        if zero && self.at > first + 1 {
            return Err(self.error(first, "a number does not start with 0"));
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.text[start..self.at].into())
    }

    fn string(&mut self) -> Result<Box<str>, Diagnostic> {
        let open = self.at;
        self.at += 1;
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut copied = start;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let rest = &self.text[copied..self.at];
                    self.at += 1;
                    return Ok(match owned {
                        None => rest.into(),
                        Some(mut text) => {
                            text.push_str(rest);
                            text.into_boxed_str()
                        }
                    });
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_with(String::new);
                    text.push_str(&self.text[copied..self.at]);
                    let escaped = self.escape()?;
                    owned.get_or_insert_with(String::new).push(escaped);
                    copied = self.at;
                }
                Some(0..=0x1f) => return Err(self.error(self.at, "a control character in a text")),
                Some(_) => self.at += 1,
                None => {
                    return Err(self
                        .error(open, "this text does not end")
                        .with_help("the file may have been cut off"));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Diagnostic> {
        let start = self.at;
        self.at += 2;
        Ok(match self.bytes.get(start + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let code = self.hex(start)?;
                let code = self.low_surrogate(code).unwrap_or(code);
                // A lone surrogate is no character; exports that hold one are still read.
                char::from_u32(code).unwrap_or('\u{fffd}')
            }
            _ => return Err(self.error(start, "an unknown escape")),
        })
    }

    /// The character of a high surrogate and the low one that must follow it. What follows is left alone where it is not one.
    fn low_surrogate(&mut self, high: u32) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 6)?.strip_prefix("\\u")?;
        let low = u32::from_str_radix(digits, 16).ok()?;
        if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
            return None;
        }
        self.at += 6;
        Some(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }

    fn hex(&mut self, start: usize) -> Result<u32, Diagnostic> {
        let digits = self.text.get(self.at..self.at + 4);
        let code = digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        code.ok_or_else(|| self.error(start, "`\\u` takes four hexadecimal digits"))
    }
}

/// Whether two values of one key contradict each other in nothing: they are the same, or both are maps.
fn alike(one: &Node, other: &Node) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::Mapping(_), Kind::Mapping(_)) => true,
        (Kind::Sequence(_) | Kind::Mapping(_), _) | (_, Kind::Sequence(_) | Kind::Mapping(_)) => {
            false
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests;
