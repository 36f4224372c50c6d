//! Errors of commands: what is shown, and with which code the program ends.

use std::path::Path;

use netwright_model::diagnostic::Diagnostic;
use netwright_model::source::Sources;

use crate::console::{Code, Console};

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The input is wrong.
    Input {
        /// What is wrong.
        diagnostics: Vec<Diagnostic>,
        /// Where.
        sources: Sources,
    },
    /// What was asked makes no sense.
    Usage {
        /// Why.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// A file could not be written.
    Output(String),
    /// A server says what is wrong with a description.
    Told {
        /// All that is wrong, as it is told of a file.
        text: String,
        /// How much that is.
        message: String,
    },
    /// A server did not do what it was asked.
    Asked {
        /// What it says, or why it says nothing.
        message: String,
        /// What else it says.
        notes: Vec<String>,
        /// How the program ends.
        code: Code,
    },
}

impl Failure {
    /// A question that makes no sense.
    pub(crate) fn usage(message: impl Into<String>, help: Option<String>) -> Self {
        Self::Usage { message: message.into(), help }
    }

    /// What could not be determined.
    pub(crate) fn unknown(message: impl Into<String>) -> Self {
        Self::Asked { message: message.into(), notes: Vec::new(), code: Code::Unknown }
    }

    /// A file that cannot be written.
    pub(crate) fn output(path: &Path, error: &std::io::Error) -> Self {
        Self::Output(format!("cannot write {}: {error}", path.display()))
    }

    /// Tells it and gives the exit code: bad input or usage is 2, what a server refuses is as it says.
    pub(crate) fn report(&self, console: &mut Console) -> Code {
        let text = self.text(console.color_on_stderr());
        console.error(&text);
        match self {
            Self::Asked { code, .. } => *code,
            _ => Code::BadInput,
        }
    }

    /// It in words, as lines.
    pub(crate) fn text(&self, colored: bool) -> String {
        match self {
            Self::Input { diagnostics, sources } => {
                let each = diagnostics.iter().map(|one| one.render(sources, colored));
                let mut text: String = each.collect();
                if diagnostics.len() > 1 {
                    text += &format!("{} errors\n", diagnostics.len());
                }
                text
            }
            Self::Usage { message, help } => {
                let help = help.as_ref().map(|help| format!("  = help: {help}\n"));
                format!("error: {message}\n{}", help.unwrap_or_default())
            }
            Self::Output(message) => format!("error: {message}\n"),
            Self::Told { text, message } => format!("{text}{message}\n"),
            Self::Asked { message, notes, .. } => {
                let notes: String = notes.iter().map(|note| format!("  = {note}\n")).collect();
                format!("error: {message}\n{notes}")
            }
        }
    }
}
