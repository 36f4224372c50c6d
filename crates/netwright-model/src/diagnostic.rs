//! What is wrong with an input, and how it is shown.

mod render;

use std::borrow::Cow;

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
    ///
    /// Control characters of the input are shown, not sent to the terminal.
    #[must_use]
    pub fn render(&self, sources: &Sources, color: bool) -> String {
        render::render(self, sources, color)
    }

    /// As a JSON object with `code`, `severity`, `message`, `file`, `line`, `column`, `label`, `help`, and `notes`, each with
    /// `message`, `file`, `line` and `column`.
    #[must_use]
    pub fn to_json(&self, sources: &Sources) -> serde_json::Value {
        let place = sources.location(self.span);
        let note = |(span, message): &(Span, String)| {
            let place = sources.location(*span);
            serde_json::json!({
                "message": message,
                "file": place.as_ref().map(|place| place.path.display().to_string()),
                "line": place.as_ref().map(|place| place.line),
                "column": place.as_ref().map(|place| place.column),
            })
        };
        let notes: Vec<_> = self.notes.iter().map(note).collect();
        serde_json::json!({
            "code": self.code,
            "severity": self.severity.word(),
            "message": self.message,
            "file": place.as_ref().map(|place| place.path.display().to_string()),
            "line": place.as_ref().map(|place| place.line),
            "column": place.as_ref().map(|place| place.column),
            "label": self.label,
            "notes": notes,
            "help": self.help,
        })
    }
}

#[cfg(test)]
mod tests;
