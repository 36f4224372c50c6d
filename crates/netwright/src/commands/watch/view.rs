//! What a watch shows while it goes on: on a terminal a view that is drawn again in its place, in a pipe a line for each event.

use std::time::{Duration, Instant};

use netwright_watch::health::State;
use netwright_watch::station::documents::{AlertsDocument, Component, HealthDocument};
use netwright_watch::station::{Entry, Shared, What};

use super::rows::{HEAD, alert, alert_style, beside, cells, counted, style};
use crate::arguments::Format;
use crate::console::{Console, Style};

/// The view is drawn again after this time, also where nothing happened: times go on.
const DRAWN: Duration = Duration::from_secs(1);

/// And no sooner than after this.
const CALM: Duration = Duration::from_millis(100);

/// Events below a view, and those that are taken at a time.
const BELOW: usize = 8;
const TAKEN: usize = 1_000;

/// How events are shown.
pub(super) struct View {
    format: Format,
    url: String,
    /// Drawn in its place, on a terminal.
    drawn: bool,
    /// The number of the last event that was shown.
    known: u64,
    last: Option<Instant>,
}

impl View {
    pub(super) fn new(format: Format, url: &str, console: &Console) -> Self {
        let drawn = format == Format::Text && console.size().is_some();
        Self { format, url: url.to_owned(), drawn, known: 0, last: None }
    }

    pub(super) const fn known(&self) -> u64 {
        self.known
    }

    pub(super) fn begin(&self, console: &mut Console) {
        if self.drawn {
            // A screen of its own, without a cursor.
            console.write("\u{1b}[?1049h\u{1b}[?25l");
        } else if self.format == Format::Text {
            console.line(&format!("answering at {}; Ctrl-C ends it", self.url));
            console.flush();
        }
    }

    /// Shows what is new.
    pub(super) fn show(&mut self, shared: &Shared, console: &mut Console) {
        if self.drawn {
            self.draw(shared, console);
            return;
        }
        let events = shared.with(|station, _| station.events(self.known, TAKEN));
        if events.lost > 0 {
            console.line(&format!("{} events are not shown: they came too fast", events.lost));
        }
        for entry in &events.events {
            self.line(entry, console);
        }
        self.known = events.last;
        console.flush();
    }

    fn line(&self, entry: &Entry, console: &mut Console) {
        if self.format == Format::Json {
            console.line(&serde_json::to_string(entry).unwrap_or_default());
            return;
        }
        for (style, text) in lines(entry) {
            let text = format!("{}  {text}", entry.at);
            let text = style.map_or_else(|| text.clone(), |style| console.styled(style, &text));
            console.line(&text);
        }
    }

    fn draw(&mut self, shared: &Shared, console: &mut Console) {
        let events = shared.with(|station, _| station.journal().last());
        let new = events > self.known;
        let due = |last: Instant| last.elapsed() >= if new { CALM } else { DRAWN };
        if !self.last.is_none_or(due) {
            return;
        }
        (self.known, self.last) = (events, Some(Instant::now()));
        let (rows, columns) = console.size().unwrap_or((24, 80));
        let (health, alerts, last) = shared.with(|station, now| {
            let last: Vec<Entry> = station.journal().newest(BELOW).cloned().collect();
            (station.health("*", rows, now), station.alerts(now), last)
        });
        let frame = frame((&health, &alerts, &last), &self.url, (rows, columns));
        let mut text = "\u{1b}[H".to_owned();
        for (at, (style, line)) in frame.iter().enumerate() {
            let line = style.map_or_else(|| line.clone(), |style| console.styled(style, line));
            // A line break after the last would move the view up.
            text += if at == 0 { "" } else { "\r\n" };
            text += &format!("{line}\u{1b}[K");
        }
        text += "\u{1b}[J";
        console.write(&text);
        console.flush();
    }

    pub(super) fn end(&mut self, shared: &Shared, console: &mut Console) {
        if self.drawn {
            console.write("\u{1b}[?25h\u{1b}[?1049l");
            let health = shared.with(|station, now| station.health("*", 0, now));
            console.line(&format!("{} at {}", counted(&health), health.at));
        } else {
            self.show(shared, console);
        }
        console.flush();
    }
}

type Line = (Option<Style>, String);

/// What a view holds: no more lines and no longer ones than fit.
fn frame(
    (health, alerts, last): (&HealthDocument, &AlertsDocument, &[Entry]),
    url: &str,
    (rows, columns): (usize, usize),
) -> Vec<Line> {
    let mut head: Vec<Line> = vec![(
        Some(Style::Strong),
        format!("{}  {}  {url}  {}", health.description, counted(health), health.at),
    )];
    if let Some(problem) = &health.problem {
        let first = problem.lines().next().unwrap_or_default();
        head.push((
            Some(Style::Bad),
            format!("the file is wrong now; what it was goes on: {first}"),
        ));
    }
    head.push((None, String::new()));
    let mut below: Vec<Line> = Vec::new();
    for row in alerts.alerts.iter().take(5) {
        below.push((Some(alert_style(row)), alert(row)));
        below.extend(beside(row).into_iter().take(3).map(|line| (None, format!("  {line}"))));
    }
    if !below.is_empty() {
        below.insert(0, (None, String::new()));
    }
    below.push((None, String::new()));
    for entry in last {
        let line = |(style, text)| (style, format!("{}  {text}", entry.at));
        below.extend(lines(entry).into_iter().take(1).map(line));
    }
    // What is wrong now is shown before what happened: components have a third at least.
    below.truncate(rows.saturating_sub(head.len() + (rows / 3).max(3)));
    let room = rows.saturating_sub(head.len() + below.len());
    head.extend(components(health, room));
    head.extend(below);
    head.truncate(rows);
    for (_, line) in &mut head {
        *line = fitted(line, columns);
    }
    head
}

/// The worst components, in as many lines as there are.
fn components(health: &HealthDocument, room: usize) -> Vec<Line> {
    let all = health.components.len() + health.more;
    let shown = if all + 1 > room { room.saturating_sub(2) } else { all };
    let rows: Vec<(&Component, [String; 6])> =
        health.components.iter().take(shown).map(|one| (one, cells(one))).collect();
    let width = |at: usize| {
        let own = rows.iter().map(|(_, cells)| cells[at].chars().count()).max().unwrap_or_default();
        own.max(HEAD[at].len())
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let line = |cells: &[String; 6]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines: Vec<Line> = vec![(Some(Style::Dim), line(&HEAD.map(str::to_owned)))];
    lines.extend(rows.iter().map(|(one, cells)| (style(one.state), line(cells))));
    if all > shown {
        lines.push((Some(Style::Dim), format!("and {} more", all - shown)));
    }
    lines
}

/// As much of a line as fits; what would move a terminal's cursor is a space.
fn fitted(line: &str, columns: usize) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    line.chars().map(plain).take(columns).collect()
}

/// An event as lines for people.
fn lines(entry: &Entry) -> Vec<Line> {
    match &entry.what {
        What::State { thing, from, to, fault_domain, why, suppressed_by } => {
            let fault = fault_domain.map(|fault| format!(" [{fault}]")).unwrap_or_default();
            let why = why.as_ref().map(|why| format!(": {why}{fault}")).unwrap_or_default();
            let parent = suppressed_by.as_ref().map(|parent| format!("; {parent} is away"));
            let style = if *to == State::Healthy { Some(Style::Good) } else { style(*to) };
            vec![(style, format!("{thing} is {to}, was {from}{why}{}", parent.unwrap_or_default()))]
        }
        What::Notification { lines, .. } => {
            lines.iter().map(|line| (Some(Style::Strong), line.clone())).collect()
        }
        What::Configuration { taken: true, text } => vec![(None, text.clone())],
        What::Configuration { taken: false, text } => {
            let mut lines =
                vec![(Some(Style::Bad), "the file is wrong now; what it was goes on:".to_owned())];
            lines.extend(text.lines().map(|line| (None, line.to_owned())));
            lines
        }
        What::Change { what, who } => {
            let by = who.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
            vec![(Some(Style::Strong), format!("{what}{by}"))]
        }
        What::Note { text } => vec![(Some(Style::Doubt), text.clone())],
    }
}

#[cfg(test)]
mod tests;
