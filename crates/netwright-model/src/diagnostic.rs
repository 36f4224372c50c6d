//! What is wrong with an input, and how it is shown.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::source::{Sources, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Probably not meant.
    Warning,
    /// Wrong.
    #[default]
    Error,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing to tell about an input.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Diagnostic {
    /// Stable identifier, for example `NW-IN-001`.
    pub code: Cow<'static, str>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// A few words under the place.
    pub label: Option<String>,
    /// Other places that matter, each with what is there.
    pub notes: Vec<(Span, String)>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), span, message: message.into(), ..Self::default() }
    }

    /// A warning.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a few words under the place.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn with_note(mut self, span: Span, note: impl Into<String>) -> Self {
        self.notes.push((span, note.into()));
        self
    }

    /// As people read it: message, place, the line with the place marked, help.
    #[must_use]
    pub fn render(&self, sources: &Sources, color: bool) -> String {
        let (bold, reset) = if color { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
        let tint = match (color, self.severity) {
            (false, _) => "",
            (true, Severity::Error) => "\u{1b}[1;31m",
            (true, Severity::Warning) => "\u{1b}[1;33m",
            (true, Severity::Info) => "\u{1b}[1;36m",
        };
        let mut out = String::new();
        let word = self.severity.word();
        let _infallible =
            writeln!(out, "{tint}{word}[{}]{reset}{bold}: {}{reset}", self.code, self.message);
        excerpt(&mut out, sources, self.span, self.label.as_deref(), tint, reset);
        for (span, note) in &self.notes {
            excerpt(&mut out, sources, *span, Some(note), "", "");
        }
        if let Some(help) = &self.help {
            let _infallible = writeln!(out, "  = help: {help}");
        }
        out
    }

    /// As a JSON object with `code`, `severity`, `message`, `file`, `line`, `column`, `help`.
    #[must_use]
    pub fn to_json(&self, sources: &Sources) -> serde_json::Value {
        let place = sources.location(self.span);
        serde_json::json!({
            "code": self.code,
            "severity": self.severity.word(),
            "message": self.message,
            "file": place.as_ref().map(|place| place.path.display().to_string()),
            "line": place.as_ref().map(|place| place.line),
            "column": place.as_ref().map(|place| place.column),
            "label": self.label,
            "help": self.help,
        })
    }
}

/// Columns of a long line that are shown around the place.
const WINDOW: usize = 100;

fn excerpt(
    out: &mut String,
    sources: &Sources,
    span: Span,
    label: Option<&str>,
    tint: &str,
    reset: &str,
) {
    let Some(place) = sources.location(span) else {
        if let Some(label) = label {
            let _infallible = writeln!(out, "  = note: {label}");
        }
        return;
    };
    let _infallible = writeln!(out, "  --> {place}");
    let characters: Vec<char> =
        place.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let from = place.column.saturating_sub(1).min(characters.len());
    let start = if characters.len() > WINDOW { from.saturating_sub(WINDOW / 3) } else { 0 };
    let shown: String = characters.iter().skip(start).take(WINDOW).collect();
    let number = place.line.to_string();
    let pad = " ".repeat(number.len());
    let spanned = sources
        .text(span.file)
        .and_then(|text| text.get(span.start as usize..span.end as usize))
        .map_or(1, |text| text.lines().next().unwrap_or("").chars().count());
    let width = spanned.clamp(1, (WINDOW - (from - start).min(WINDOW - 1)).max(1));
    let indent = " ".repeat(from - start);
    let carets = "^".repeat(width);
    let label = label.unwrap_or("");
    let dots = if start > 0 { "…" } else { "" };
    let _infallible = writeln!(out, " {pad} |");
    let _infallible = writeln!(out, " {number} | {dots}{shown}");
    let shift = if start > 0 { " " } else { "" };
    let _infallible = writeln!(out, " {pad} | {shift}{indent}{tint}{carets} {label}{reset}");
}
