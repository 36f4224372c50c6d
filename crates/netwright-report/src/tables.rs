//! The report as tables: made once, shown by each form for people, so that both say the same.

mod integrity;
mod running;
mod seeing;

pub(crate) use seeing::beside;

use crate::Verdict;
use crate::report::Report;

pub(crate) use seeing::quiet;

/// How a cell stands out, beside its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
    Doubt,
    Quiet,
}

impl From<Verdict> for Tone {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Good,
            Verdict::Failed => Self::Bad,
            Verdict::Unknown => Self::Doubt,
        }
    }
}

/// A cell; a line's end begins a new line in it.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

impl Cell {
    pub(crate) fn verdict(verdict: Verdict) -> Self {
        let text = format!("{} {}", crate::words::mark(verdict), verdict.word());
        Self { text, tone: verdict.into() }
    }

    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        let tone = if text == crate::words::UNKNOWN { Tone::Doubt } else { Tone::Plain };
        Self { text, tone }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

/// A column's name, and whether it holds figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) figures: bool,
}

/// A column of words.
pub(crate) const fn words(name: &'static str) -> Column {
    Column { name, figures: false }
}

/// A column of figures.
pub(crate) const fn figures(name: &'static str) -> Column {
    Column { name, figures: true }
}

/// A table with its caption.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) caption: &'static str,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Rows that were left out because there were too many.
    pub(crate) left: usize,
}

/// Rows of a table at most.
const ROWS: usize = 150;

impl Table {
    /// The first rows of what there is.
    fn of<T>(
        caption: &'static str,
        columns: impl Into<Vec<Column>>,
        things: &[T],
        row: impl Fn(&T) -> Vec<Cell>,
    ) -> Self {
        Self {
            caption,
            columns: columns.into(),
            rows: things.iter().take(ROWS).map(row).collect(),
            left: things.len().saturating_sub(ROWS),
        }
    }
}

/// All tables of a report. One that would be empty has no rows, and says what is missing by its caption.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) criteria: Table,
    pub(crate) faults: Table,
    pub(crate) safety: Table,
    pub(crate) detection: Table,
    pub(crate) outcomes: Table,
    pub(crate) expected: Table,
    pub(crate) data: Table,
    pub(crate) losers: Table,
    pub(crate) duplicates: Table,
    pub(crate) checks: Table,
    pub(crate) leaderships: Table,
    pub(crate) responses: Table,
    pub(crate) steps: Table,
    pub(crate) steady: Table,
    pub(crate) events: Table,
    pub(crate) phases: Table,
    pub(crate) versions: Table,
}

impl Tables {
    pub(crate) fn of(report: &Report) -> Self {
        Self {
            criteria: running::criteria(report),
            faults: seeing::faults(report),
            safety: seeing::safety(report),
            detection: seeing::detection(report),
            outcomes: running::outcomes(report),
            expected: running::expected(report),
            data: integrity::data(report),
            losers: integrity::losers(report),
            duplicates: integrity::duplicates(report),
            checks: integrity::checks(report),
            leaderships: integrity::leaderships(report),
            responses: running::responses(report),
            steps: running::steps(report),
            steady: running::steady(report),
            events: running::events(report),
            phases: running::phases(report),
            versions: running::versions(report),
        }
    }
}
