//! The report for a terminal: the verdict first, then tables, in lines as long as a terminal has them, and of at most 100 columns.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::markup::{cut, visible};
use crate::report::Report;
use crate::tables::{Cell, Table, Tables, Tone, beside, quiet};
use crate::words::{Figure, actions, figures, mark, story};
use crate::{Summary, Verdict};

/// Columns of a line at most, and at least: a narrower terminal breaks lines itself.
const WIDTH: usize = 100;
const LEAST: usize = 40;
/// Rows of a table at most.
const ROWS: usize = 40;
/// Lines of a cell at most.
const LINES: usize = 12;

/// A text on one line: whatever would move the cursor or turn the text is shown as a mark.
fn one_line(text: &str) -> String {
    text.chars().take(4_000).map(visible).collect()
}

/// How a text looks: whether in colours, and how long its lines are.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    color: bool,
    columns: usize,
}

impl Look {
    /// With colours or without, in lines for a terminal of so many columns; without one, of 100.
    #[must_use]
    pub fn new(color: bool, columns: Option<usize>) -> Self {
        Self { color, columns: columns.unwrap_or(WIDTH).clamp(LEAST, WIDTH) }
    }

    /// For a file.
    #[must_use]
    pub fn plain() -> Self {
        Self::new(false, None)
    }

    pub(crate) fn toned(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Doubt => "33",
            Tone::Quiet => "2",
            Tone::Plain => return text.to_owned(),
        };
        self.code(code, text)
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.code("1", text)
    }

    fn code(self, code: &str, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// The most of the beginning of a word that fits into so many columns, and what is left of it: at least one letter is taken.
fn parted(word: &str, columns: usize) -> (&str, &str) {
    let mut used = 0;
    let end = word.char_indices().find(|(at, letter)| {
        used += letter.width().unwrap_or(1).max(1);
        used > columns && *at > 0
    });
    word.split_at(end.map_or(word.len(), |(at, _)| at))
}

/// Breaks a text at its words into lines of at most so many columns, and words that are longer than a line within.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for part in text.split('\n') {
        let mut line = String::new();
        for word in one_line(part).split(' ') {
            if !line.is_empty() && line.width() + 1 + word.width() > columns {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            let mut rest = word;
            while line.is_empty() && rest.width() > columns && lines.len() <= LINES {
                let (now, later) = parted(rest, columns);
                lines.push(now.to_owned());
                rest = later;
            }
            line.push_str(rest);
        }
        lines.push(line);
    }
    if lines.len() > LINES {
        lines.truncate(LINES);
        if let Some(last) = lines.last_mut() {
            *last = cut(&format!("{last} …"), columns);
        }
    }
    lines
}

fn pad(text: &str, columns: usize, right: bool) -> String {
    let space = " ".repeat(columns.saturating_sub(text.width()));
    if right { format!("{space}{text}") } else { format!("{text}{space}") }
}

/// How wide each column is: what it needs, where all of that fits; else the widest of words give way, the last first.
fn widths(table: &Table, total: usize) -> Vec<usize> {
    let count = table.columns.len();
    let widest = |column: usize| {
        let cells = table.rows.iter().take(ROWS).filter_map(|row| row.get(column));
        let lines = cells.flat_map(|cell| cell.text.split('\n'));
        lines.map(|line| cut(&one_line(line), total).width()).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> =
        (0..count).map(|column| widest(column).max(table.columns[column].name.width())).collect();
    let room = total.saturating_sub(2 + 2 * count.saturating_sub(1));
    while widths.iter().sum::<usize>() > room {
        let over = widths.iter().sum::<usize>() - room;
        let elastic = (0..count).filter(|column| !table.columns[*column].figures);
        let Some(widest) = elastic.max_by_key(|column| (widths[*column], *column)) else { break };
        let least = 10.max(table.columns[widest].name.width());
        if widths[widest] <= least {
            break;
        }
        let second =
            (0..count).filter(|column| *column != widest && !table.columns[*column].figures);
        let second = second.map(|column| widths[column]).max().unwrap_or(0);
        let target = widths[widest].saturating_sub(over).max(second.min(widths[widest] - 1));
        widths[widest] = target.max(least);
    }
    // Names of figures go on below themselves.
    for column in (0..count).filter(|column| table.columns[*column].figures) {
        let over = widths.iter().sum::<usize>().saturating_sub(room);
        let names = table.columns[column].name.split(' ').map(UnicodeWidthStr::width);
        let least = names.max().unwrap_or(0).max(widest(column));
        widths[column] = widths[column].saturating_sub(over).max(least.min(widths[column]));
    }
    // Figures with odd units: whatever is widest gives way.
    while widths.iter().sum::<usize>() > room {
        let Some(widest) = widths.iter_mut().max() else { break };
        *widest -= 1;
    }
    widths
}

/// A table with its caption, or nothing where it has no rows.
pub(crate) fn table(table: &Table, paint: Look) -> String {
    if table.rows.is_empty() {
        return String::new();
    }
    let widths = widths(table, paint.columns);
    let caption = wrap(table.caption, paint.columns);
    let mut out: String = caption.iter().map(|line| format!("\n{}", paint.strong(line))).collect();
    out.push('\n');
    let head: Vec<Vec<String>> = table
        .columns
        .iter()
        .zip(&widths)
        .map(|(column, width)| wrap(column.name, *width))
        .collect();
    for number in 0..head.iter().map(Vec::len).max().unwrap_or(0) {
        let line = head.iter().zip(&table.columns).zip(&widths).map(|((name, column), width)| {
            pad(name.get(number).map_or("", String::as_str), *width, column.figures)
        });
        let line = line.collect::<Vec<_>>().join("  ");
        out += &format!("  {}\n", paint.toned(Tone::Quiet, line.trim_end()));
    }
    for row in table.rows.iter().take(ROWS) {
        out += &lines(table, row, &widths, paint);
    }
    let left = table.left + table.rows.len().saturating_sub(ROWS);
    if left > 0 {
        out += &format!("  … and {left} more\n");
    }
    out
}

fn lines(table: &Table, row: &[Cell], widths: &[usize], paint: Look) -> String {
    let cells: Vec<Vec<String>> =
        row.iter().zip(widths).map(|(cell, width)| wrap(&cell.text, *width)).collect();
    let tall = cells.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = String::new();
    for number in 0..tall {
        let mut line = String::from(" ");
        for (place, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let text = cell.get(number).map_or("", String::as_str);
            let figures = table.columns[place].figures;
            let padded = pad(text, *width, figures);
            let bare = padded.trim();
            line.push(' ');
            line += &padded.replacen(
                bare,
                &paint.toned(row[place].tone, bare),
                usize::from(!bare.is_empty()),
            );
            line.push(' ');
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

fn headline(report: &Report, summary: &Summary, paint: Look) -> String {
    let word = summary.verdict.word().to_uppercase();
    let verdict = paint.toned(summary.verdict.into(), &paint.strong(&word));
    let title = wrap(&report.title, paint.columns - 9).join(&format!("\n{:9}", ""));
    let mut out = format!("{verdict}  {title}\n");
    if report.example {
        out += "an example, written by hand: nothing of this was measured\n";
    }
    let network = report.network.as_ref().map(|network| match &network.revision {
        Some(revision) => format!("network {} at {revision}", network.name),
        None => format!("network {}", network.name),
    });
    let facts = [
        Some(report.run.began.long()),
        Some(report.run.duration.to_string()),
        network,
        Some(format!("seed {}", report.run.seed)),
        Some(format!("run {}", report.run.id)),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().map(|fact| one_line(&fact)).collect();
    for line in wrap(&facts.join(" · "), paint.columns) {
        out += &paint.toned(Tone::Quiet, &line);
        out.push('\n');
    }
    out
}

fn against(summary: &Summary, paint: Look) -> String {
    if summary.reasons.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", paint.strong("What stands against a pass"));
    for reason in summary.reasons.iter().take(ROWS) {
        let mut lines = wrap(&reason.text, paint.columns - 4).into_iter();
        let first = lines.next().unwrap_or_default();
        out += &format!("  {} {first}\n", paint.toned(reason.verdict.into(), mark(reason.verdict)));
        for line in lines {
            out += &format!("    {line}\n");
        }
    }
    let left = summary.reasons.len().saturating_sub(ROWS);
    if left > 0 {
        out += &format!("  … and {left} more\n");
    }
    out
}

fn board(report: &Report, summary: &Summary, paint: Look) -> String {
    let figures = figures(report, summary);
    let wide = |pick: fn(&Figure) -> &str| figures.iter().map(|figure| pick(figure).width()).max();
    let label = wide(|figure| figure.label).unwrap_or(0);
    let value = wide(|figure| &figure.value).unwrap_or(0);
    let note = paint.columns.saturating_sub(label + value + 6);
    let mut out = String::from("\n");
    for figure in &figures {
        let shown = pad(&figure.value, value, true);
        let tone = figure.verdict.map_or(Tone::Plain, Tone::from);
        let mut before =
            format!("  {}  {}", pad(figure.label, label, false), paint.toned(tone, &shown));
        for line in wrap(&figure.note, note) {
            out += format!("{before}  {}", paint.toned(Tone::Quiet, &line)).trim_end();
            out.push('\n');
            before = " ".repeat(label + value + 4);
        }
    }
    out
}

fn lessons(report: &Report, paint: Look) -> String {
    let lessons = &report.lessons;
    let mut out = format!("\n{}\n", paint.strong("Lessons"));
    let actions = actions(lessons);
    let parts = [
        ("what worked well", &lessons.worked),
        ("what needs improvement", &lessons.improve),
        ("what is to be done", &actions),
    ];
    for (name, lines) in parts {
        if lines.is_empty() {
            out += &format!("  {name}: not written yet\n");
            continue;
        }
        out += &format!("  {name}:\n");
        for line in lines.iter().take(ROWS).flat_map(|line| wrap(line, paint.columns - 4)) {
            out += &format!("    {line}\n");
        }
    }
    out
}

/// The first screen of a report for a terminal: the verdict, the figures, and what stands against a pass.
#[must_use]
pub fn brief(report: &Report, paint: Look) -> String {
    let summary = Summary::of(report);
    headline(report, &summary, paint) + &board(report, &summary, paint) + &against(&summary, paint)
}

/// The report for a terminal.
#[must_use]
pub fn text(report: &Report, paint: Look) -> String {
    let summary = Summary::of(report);
    let mut tables = Tables::of(report);
    if paint.columns < WIDTH {
        tables.detection = beside(&tables.detection);
    }
    let mut out = brief(report, paint);
    out += &format!("\n{}\n", paint.strong("What happened"));
    for line in wrap(&story(report, &summary).join(" "), paint.columns - 2) {
        out += &format!("  {line}\n");
    }
    let show = |one: &Table| table(one, paint);
    for one in [&tables.criteria, &tables.faults, &tables.safety, &tables.detection] {
        out += &show(one);
    }
    let quiet = quiet(report);
    if quiet > 0 {
        out += &format!("  {quiet} more directions: nothing was broken there, and nothing seen\n");
    }
    for one in
        [&tables.outcomes, &tables.expected, &tables.data, &tables.losers, &tables.duplicates]
    {
        out += &show(one);
    }
    out += &show(&tables.checks);
    out += &witnesses(report, paint);
    for one in
        [&tables.leaderships, &tables.responses, &tables.steps, &tables.steady, &tables.events]
    {
        out += &show(one);
    }
    out += &lessons(report, paint);
    out += &show(&tables.phases);
    out + &show(&tables.versions)
}

fn witnesses(report: &Report, paint: Look) -> String {
    let mut out = String::new();
    let found = report.checks.iter().filter_map(|check| Some((check, check.witness.as_ref()?)));
    for (check, witness) in found.take(8) {
        let heading = format!("Witness of {}: {}", check.name, witness.caption);
        out += &format!("\n{}\n", paint.strong(&cut(&one_line(&heading), paint.columns)));
        for operation in witness.operations.iter().take(ROWS) {
            let end = operation.end.map_or_else(|| "never".to_owned(), |end| end.to_string());
            let mut before = format!(
                "  {:>10} – {end:<10}  {}  {}",
                operation.begin.to_string(),
                pad(&cut(&one_line(&operation.process), 16), 16, false),
                pad(operation.outcome.word(), 4, false),
            );
            let room = paint.columns.saturating_sub(before.width() + 2).max(LEAST / 2);
            for line in wrap(&operation.what, room) {
                out += cut(&format!("{before}  {line}"), paint.columns).trim_end();
                out.push('\n');
                before = " ".repeat(before.width());
            }
        }
    }
    out
}

/// A verdict with its mark, in its colour.
pub(crate) fn verdict(verdict: Verdict, paint: Look) -> String {
    paint.toned(verdict.into(), &format!("{} {}", mark(verdict), verdict.word()))
}
