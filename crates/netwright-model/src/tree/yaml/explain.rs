//! What is wrong with a text that is not YAML, in the words of whoever wrote it.
//!
//! The parser says which rule of its grammar failed, and where it noticed. Here the text around that place decides what was
//! probably meant. Where nothing fits, the parser's own words stand.

use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Span};

/// The error for a text at a byte where the parser gave up. `opened` are the bytes at which the lists and maps that are
/// still open start, the innermost first.
pub(super) fn syntax(
    text: &str,
    file: FileId,
    at: usize,
    info: &str,
    opened: impl Iterator<Item = usize>,
) -> Diagnostic {
    let (at, message, help) = Around::of(text, at).cause(info).unwrap_or_else(|| {
        let help = "check the indentation and the quotes of this line and the one before";
        (at, format!("this is not YAML: {info}"), help.to_owned())
    });
    let width = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let error = Diagnostic::error("NW-IN-004", Span::new(file, at, at + width), message);
    let bracket = |start: &usize| matches!(text.as_bytes().get(*start), Some(b'[' | b'{'));
    let error = match opened.into_iter().find(bracket) {
        Some(open) => {
            let symbol = &text[open..=open];
            let span = Span::new(file, open, open + 1);
            error.with_note(span, format!("inside this `{symbol}`, which is still open"))
        }
        None => error,
    };
    error.with_help(help)
}

/// The place of an error in its text.
struct Around<'a> {
    text: &'a str,
    at: usize,
    /// First byte of the line.
    line_start: usize,
    /// The line, without its end.
    line: &'a str,
}

type Cause = Option<(usize, String, String)>;

fn cause(at: usize, message: impl Into<String>, help: impl Into<String>) -> Cause {
    Some((at, message.into(), help.into()))
}

impl<'a> Around<'a> {
    fn of(text: &'a str, at: usize) -> Self {
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let line_start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line = text[line_start..].lines().next().unwrap_or("");
        Self { text, at, line_start, line }
    }

    /// Where the error is, what it is, and what to do; `None` where nothing is known better than what the parser says.
    fn cause(&self, info: &str) -> Cause {
        self.tab(info)
            .or_else(|| self.first_character(info))
            .or_else(|| self.end_of_file(info))
            .or_else(|| self.colon(info))
            .or_else(|| self.indentation(info))
    }

    /// The last line before this one that says something, with its first byte.
    fn line_before(&self) -> Option<(usize, &'a str)> {
        let mut end = self.line_start;
        while end > 0 {
            let start = self.text[..end - 1].rfind('\n').map_or(0, |end| end + 1);
            let line = self.text[start..end].trim_end();
            if !line.trim_start().is_empty() && !line.trim_start().starts_with('#') {
                return Some((start, line));
            }
            end = start;
        }
        None
    }

    /// A tab that indents this line or the next: the parser notices some tabs at the end of the line before.
    fn tab(&self, info: &str) -> Cause {
        if !info.contains("tab") && !info.contains("whitespace") {
            return None;
        }
        let next = self.line_start + self.line.len() + 1;
        let next_line = self.text.get(next..).and_then(|rest| rest.lines().next()).unwrap_or("");
        for (start, line) in [(self.line_start, self.line), (next, next_line)] {
            let indentation = &line[..line.len() - line.trim_start().len()];
            if let Some(tab) = indentation.find('\t') {
                return cause(
                    start + tab,
                    "a tab indents this line",
                    "YAML is indented by spaces only: replace the tab",
                );
            }
        }
        let tab = self.text[..self.at].ends_with('\t') || self.text[self.at..].starts_with('\t');
        let help = "put a space there instead";
        tab.then(|| cause(self.at, "a tab separates what a space must", help)).flatten()
    }

    fn first_character(&self, info: &str) -> Cause {
        let rest = &self.text[self.at..];
        let first = rest.chars().next()?;
        let word = rest.split([' ', ',', '\n', '\r', ']', '}']).next().unwrap_or("");
        match first {
            '*' if info.contains("anchor") => cause(
                self.at,
                format!("`{word}` refers to an anchor that was not given before"),
                format!("where it is a text, put it in quotes: \"{word}\""),
            ),
            '\0' => cause(
                self.at,
                "this octet is 0, which no text holds",
                "the file is damaged, or is not a text",
            ),
            '@' | '`' | '%' if info.contains("unexpected character") => cause(
                self.at,
                format!("a text cannot start with `{first}`"),
                "put the text in quotes",
            ),
            '"' | '\'' if info.contains("invalid indentation in quoted") => cause(
                self.at,
                "this text in quotes goes on in a line that is not indented",
                format!("a closing `{first}` may be missing; a text of several lines is indented"),
            ),
            '"' | '\'' if info.contains("quoted scalar") => cause(
                self.at,
                format!("this text in quotes does not end: a closing `{first}` is missing"),
                "close the text where it ends; the file may have been cut off",
            ),
            _ => None,
        }
    }

    fn end_of_file(&self, info: &str) -> Cause {
        let ends = self.text[self.at..].trim().is_empty();
        let inside = info.contains("flow") || info.contains("did not find expected node");
        (ends && inside)
            .then(|| {
                cause(
                    self.text.trim_end().len(),
                    "the file ends inside a list or map",
                    "a closing `]` or `}` is missing, or the file was cut off",
                )
            })
            .flatten()
    }

    /// A colon too many or without its space.
    fn colon(&self, info: &str) -> Cause {
        if info.contains("simple key expect") {
            let (start, line) = self.line_before()?;
            let at = start + line.len() - line.trim_start().len();
            return cause(at, "this line has no `: `", "a key is followed by `: ` and its value");
        }
        if !info.contains("mapping values") {
            return None;
        }
        if self.text[self.line_start..self.at].contains(": ") {
            return cause(
                self.at,
                "a second `: ` in one line",
                "put the text that holds the `: ` in quotes, or the inner map on lines of its own",
            );
        }
        let (start, before) = self.line_before()?;
        let colon = before.find(':').filter(|colon| *colon + 1 < before.len());
        match colon {
            Some(colon) if !before.contains(": ") => {
                cause(start + colon, "no space after this `:`", "write `key: value`")
            }
            _ => cause(
                self.at,
                "a key here has no map to belong to",
                "the line before already gives a value: align this key with the key before, or remove that value",
            ),
        }
    }

    fn indentation(&self, info: &str) -> Cause {
        let key = info.contains("did not find expected key");
        if !key && !info.contains("did not find expected '-'") {
            return None;
        }
        let at = self.line_start + self.line.len() - self.line.trim_start().len();
        let message = if key {
            "the indentation of this line fits none of the lines before"
        } else {
            "this line is indented like a list's items but does not start with `- `"
        };
        cause(at, message, "align it with the line that it belongs beside")
    }
}
