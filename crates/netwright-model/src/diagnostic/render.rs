//! A diagnostic as text for people.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

use crate::source::{Location, Sources, Span};

use super::{Diagnostic, Severity};

/// Characters of a long line that are shown around the place.
const WINDOW: usize = 100;

pub(super) fn render(diagnostic: &Diagnostic, sources: &Sources, color: bool) -> String {
    let (bold, reset) = if color { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
    let tint = match (color, diagnostic.severity) {
        (false, _) => "",
        (true, Severity::Error) => "\u{1b}[1;31m",
        (true, Severity::Warning) => "\u{1b}[1;33m",
        (true, Severity::Info) => "\u{1b}[1;36m",
    };
    let mut out = String::new();
    let word = diagnostic.severity.word();
    let message = visible(&diagnostic.message);
    let code = &diagnostic.code;
    let _infallible = writeln!(out, "{tint}{word}[{code}]{reset}{bold}: {message}{reset}");
    excerpt(&mut out, sources, diagnostic.span, diagnostic.label.as_deref(), tint, reset);
    for (span, note) in &diagnostic.notes {
        excerpt(&mut out, sources, *span, Some(note), "", "");
    }
    if let Some(help) = &diagnostic.help {
        let _infallible = writeln!(out, "  = help: {}", visible(help));
    }
    out
}

fn excerpt(
    out: &mut String,
    sources: &Sources,
    span: Span,
    label: Option<&str>,
    tint: &str,
    reset: &str,
) {
    let label = label.map(visible);
    let Some(place) = sources.location(span) else {
        if let Some(label) = label {
            let _infallible = writeln!(out, "  = note: {label}");
        }
        return;
    };
    let number = place.line.to_string();
    let pad = " ".repeat(number.len());
    let Marked { line, indent, width } = marked(&place, span_length(sources, span));
    let (indent, carets) = (" ".repeat(indent), "^".repeat(width));
    let label = label.map(|label| format!(" {label}")).unwrap_or_default();
    let _infallible = writeln!(out, "  --> {place}");
    let _infallible = writeln!(out, " {pad} |");
    let _infallible = writeln!(out, "{}", format!(" {number} | {line}").trim_end());
    let _infallible = writeln!(out, " {pad} | {indent}{tint}{carets}{label}{reset}");
}

/// Characters of a span in its first line, as far as they are shown.
fn span_length(sources: &Sources, span: Span) -> usize {
    let text = sources.text(span.file);
    let text = text.and_then(|text| text.get(span.start as usize..span.end as usize));
    text.map_or(1, |text| text.chars().take(WINDOW).take_while(|c| !is_line_end(*c)).count())
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

/// A line as shown, and where its place is, in columns of the terminal.
struct Marked {
    line: String,
    indent: usize,
    width: usize,
}

/// Shows the part of a line around a place of so many characters.
fn marked(place: &Location<'_>, length: usize) -> Marked {
    let from = place.column.saturating_sub(1);
    // Enough is looked at to know whether the line goes on; an export may be one line of megabytes.
    let skip = if from < WINDOW { 0 } else { from - WINDOW / 3 };
    let mut rest = place.text.chars().skip(skip);
    let shown: Vec<char> = rest.by_ref().take(WINDOW).map(shown_as).collect();
    let columns =
        |characters: &[char]| -> usize { characters.iter().map(|c| c.width().unwrap_or(0)).sum() };
    let start = (from - skip).min(shown.len());
    let end = (start + length).min(shown.len());
    let (before, after) = (if skip > 0 { "…" } else { "" }, rest.next().map_or("", |_| "…"));
    Marked {
        line: format!("{before}{}{after}", shown.iter().collect::<String>()),
        indent: columns(&shown[..start]) + usize::from(skip > 0),
        width: columns(&shown[start..end]).max(1),
    }
}

/// A character as it can be shown in a line without harm to the rest of the line.
fn shown_as(c: char) -> char {
    match c {
        '\t' => ' ',
        c if is_hidden(c) => '\u{fffd}',
        c => c,
    }
}

/// Whether a character is not shown, or changes how others are: controls, and marks that turn the direction of the text.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A text of a diagnostic, which may quote the input.
fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if c == '\n' { c } else { shown_as(c) }).collect()
}
