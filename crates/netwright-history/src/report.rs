//! What a checker says of a history.

use std::fmt;

use crate::history::{History, Operation, Outcome};

/// Whether a history is as its model says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was seen can be explained.
    Valid,
    /// Something that was seen cannot be explained.
    Invalid,
    /// The history says too little, or looking on would take too long.
    Unknown,
}

impl Verdict {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
        }
    }
}

/// What a finding does to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The history is invalid.
    Fails,
    /// It has to be looked at, and does not make the history invalid.
    Warns,
    /// It is good to know.
    Tells,
}

impl Weight {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fails => "fails",
            Self::Warns => "warns",
            Self::Tells => "tells",
        }
    }
}

/// Something that was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is called, as `lost`, `stale-read`, `G-single-item`.
    pub name: String,
    /// What it does to the verdict.
    pub weight: Weight,
    /// What was seen, in a sentence.
    pub message: String,
    /// The operations that show it, as numbers into [`History::operations`].
    pub operations: Vec<usize>,
    /// How they lead to it, step by step.
    pub steps: Vec<String>,
}

impl Finding {
    pub(crate) fn new(name: &str, weight: Weight, message: String) -> Self {
        Self { name: name.to_owned(), weight, message, operations: Vec::new(), steps: Vec::new() }
    }

    pub(crate) fn fails(name: &str, message: String) -> Self {
        Self::new(name, Weight::Fails, message)
    }

    pub(crate) fn with(mut self, operations: Vec<usize>) -> Self {
        self.operations = operations;
        self
    }
}

/// What a checker says.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The model that was asked.
    pub model: String,
    /// Whether the history is as the model says.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub why: String,
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
    /// Figures, by name.
    pub figures: Vec<(&'static str, serde_json::Value)>,
    /// What was not looked at, or could not be.
    pub unchecked: Vec<String>,
}

impl Report {
    pub(crate) fn new(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            verdict: Verdict::Unknown,
            why: String::new(),
            findings: Vec::new(),
            figures: Vec::new(),
            unchecked: Vec::new(),
        }
    }

    pub(crate) fn figure(&mut self, name: &'static str, value: impl Into<serde_json::Value>) {
        self.figures.push((name, value.into()));
    }

    pub(crate) fn unknown(mut self, why: impl Into<String>) -> Self {
        self.verdict = Verdict::Unknown;
        self.why = why.into();
        self
    }

    /// Decides: what fails makes it invalid; what could not be told makes it unknown; the rest is valid.
    pub(crate) fn decide(mut self, unknown: Option<String>, valid: impl Into<String>) -> Self {
        self.findings.sort_by_key(|finding| match finding.weight {
            Weight::Fails => 0,
            Weight::Warns => 1,
            Weight::Tells => 2,
        });
        let first = self.findings.iter().find(|finding| finding.weight == Weight::Fails);
        if let Some(first) = first {
            self.verdict = Verdict::Invalid;
            self.why = format!("{}: {}", first.name, first.message);
        } else if let Some(why) = unknown {
            self.verdict = Verdict::Unknown;
            self.why = why;
        } else {
            self.verdict = Verdict::Valid;
            self.why = valid.into();
        }
        self
    }

    /// Values of a list, as a figure and in words: the first few.
    pub(crate) fn listed(values: &[crate::value::Value]) -> String {
        let mut text: Vec<String> = values.iter().take(8).map(|value| value.brief(40)).collect();
        if values.len() > 8 {
            text.push(format!("and {} more", values.len() - 8));
        }
        text.join(", ")
    }
}

/// Why a history cannot be checked against a model at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckError {
    /// The history is of another kind.
    Shape {
        /// Where.
        line: u32,
        /// What does not fit.
        message: String,
    },
    /// The content does not say which model is meant.
    Model {
        /// What was seen.
        message: String,
    },
}

impl CheckError {
    pub(crate) fn shape(operation: &Operation, message: impl Into<String>) -> Self {
        Self::Shape { line: operation.line, message: message.into() }
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { line, message } => write!(f, "line {line}: {message}"),
            Self::Model { message } => f.write_str(message),
        }
    }
}

impl std::error::Error for CheckError {}

/// An operation in a few words: `write x 3`.
#[must_use]
pub fn words(history: &History, operation: &Operation) -> String {
    let mut text = history.name(operation).to_owned();
    if let Some(key) = &operation.key {
        text += &format!(" {}", key.brief(24));
    }
    if !operation.value.is_nil() || operation.seen {
        text += &format!(" {}", operation.value.brief(60));
    }
    text
}

/// Columns of a time line.
const WIDTH: usize = 64;

/// Operations as a table with a time line: one row each, a column for each beginning and end among them.
#[must_use]
pub fn timeline(history: &History, operations: &[usize]) -> String {
    let shown: Vec<&Operation> =
        operations.iter().filter_map(|at| history.operations.get(*at)).collect();
    let mut places: Vec<u32> = shown
        .iter()
        .flat_map(|operation| [operation.start, operation.end])
        .filter(|place| *place != Operation::OPEN)
        .collect();
    places.sort_unstable();
    places.dedup();
    let step = if places.len() * 4 <= WIDTH { 4 } else { 2 };
    let column = |place: u32| places.partition_point(|known| *known < place) * step;
    let rows: Vec<[String; 5]> = shown
        .iter()
        .map(|operation| {
            let from = column(operation.start);
            let mut bar = " ".repeat(from);
            if operation.end == Operation::OPEN {
                bar += "├";
                bar += &"─".repeat((places.len() * step).saturating_sub(from + 1));
                bar.push('…');
            } else {
                bar += "├";
                bar += &"─".repeat(column(operation.end).saturating_sub(from + 1));
                bar.push('┤');
            }
            let outcome = match operation.outcome {
                Outcome::Info if operation.end == Operation::OPEN => "?",
                other => other.word(),
            };
            [
                operation.line.to_string(),
                history.process(operation).brief(16),
                words(history, operation),
                outcome.to_owned(),
                bar,
            ]
        })
        .collect();
    let head = ["line", "client", "operation", "ended", "time →"].map(str::to_owned);
    let width = |at: usize| {
        let rows = rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default();
        rows.max(head[at].chars().count())
    };
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut text = String::new();
    for row in std::iter::once(&head).chain(&rows) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text += "  ";
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}
