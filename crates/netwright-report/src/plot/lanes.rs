//! Rows of stretches of time: phases and faults, connectivity, states, epochs, jobs that were given out twice.

use crate::markup::{Markup, cut};
use crate::report::{Duplicate, Report, Status};
use crate::{Moment, Verdict};

use super::{Ground, Words, rectangle, row_label, text};

/// Rows of a panel at most; the rest is counted in its words.
const ROWS: usize = 40;
/// Stretches of a row at most: what follows is left as the last of them.
const STRETCHES: usize = 300;

/// A stretch of a row.
struct Stretch {
    begin: Moment,
    end: Option<Moment>,
    class: String,
    words: String,
}

struct Row {
    label: String,
    stretches: Vec<Stretch>,
}

/// How much is written about a row that did not fit.
fn rest(count: usize, what: &str) -> String {
    match count.saturating_sub(ROWS) {
        0 => String::new(),
        left => format!(" {left} more {what} are not drawn."),
    }
}

fn rows(page: &mut Markup, ground: &Ground, words: Words<'_>, height: f64, rows: &[Row]) {
    let shown = &rows[..rows.len().min(ROWS)];
    #[expect(clippy::cast_precision_loss, reason = "at most 40 rows")]
    let total = height.mul_add(shown.len() as f64, 4.0);
    ground.panel(page, words, total, |svg| {
        let mut top = 2.0;
        for row in shown {
            row_label(svg, top + height / 2.0 + 4.0, &row.label);
            for stretch in row.stretches.iter().take(STRETCHES) {
                let (x, width) = ground.axis.stretch(stretch.begin, stretch.end);
                rectangle(svg, &stretch.class, (x, top + 1.5), (width, height - 3.0));
                let room = columns(width - 8.0);
                if !stretch.words.is_empty() && room >= 4 {
                    let class = (format!("cell {}", stretch.class), "start");
                    let at = (x + 4.0, top + height / 2.0 + 4.0);
                    text(svg, (&class.0, class.1), at, &cut(&stretch.words, room));
                }
            }
            top += height;
        }
    });
}

/// How many columns of small text fit.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most 200, not negative"
)]
fn columns(width: f64) -> usize {
    (width.max(0.0) / 6.2) as usize
}

/// Changes as stretches: each until the next.
fn stretches<T>(
    changes: &[T],
    at: impl Fn(&T) -> Moment,
    look: impl Fn(&T) -> (String, String),
) -> Vec<Stretch> {
    let mut ordered: Vec<&T> = changes.iter().collect();
    ordered.sort_by_key(|change| at(change));
    ordered.truncate(STRETCHES);
    let ends = ordered.iter().skip(1).map(|next| Some(at(next))).chain([None]);
    let stretch = |(change, end): (&&T, Option<Moment>)| {
        let (class, words) = look(change);
        Stretch { begin: at(change), end, class, words }
    };
    ordered.iter().zip(ends).map(stretch).collect()
}

/// The phases of the run, and under them its faults.
pub(crate) fn faults(page: &mut Markup, ground: &Ground, report: &Report) {
    let phases = report.phases.iter().map(|phase| Stretch {
        begin: phase.begin,
        end: phase.end,
        class: format!("phase-{}", phase.kind.word()),
        words: phase.name.clone(),
    });
    let mut all = vec![Row { label: "phases".to_owned(), stretches: phases.collect() }];
    for fault in &report.faults {
        let label = fault.place();
        let how = fault.how.as_deref().map_or_else(String::new, |how| format!(", {how}"));
        let stretch = Stretch {
            begin: fault.effective.unwrap_or(fault.requested),
            end: fault.removed,
            class: if fault.bit() == Some(true) { "fault" } else { "fault-doubted" }.to_owned(),
            words: format!("{}{how}", fault.kind),
        };
        // A fault that comes and goes has one row.
        match all.iter_mut().skip(1).find(|row| row.label == label) {
            Some(row) => row.stretches.push(stretch),
            None => all.push(Row { label, stretches: vec![stretch] }),
        }
    }
    let shows = format!(
        "{} phases and {} faults. Shaded bands in this and all further plots are times when something was broken.{}",
        report.phases.len(),
        report.faults.len(),
        rest(all.len(), "links")
    );
    let words = Words { id: "plot-phases", title: "Phases and faults", shows: &shows };
    rows(page, ground, words, 24.0, &all);
}

/// The class of what shows a status.
pub(crate) fn link_class(status: Status) -> String {
    format!("link-{}", status.word().to_lowercase().replace([' ', '-'], "_"))
}

/// What probes said of each direction of each link. Those on which something happened come first.
pub(crate) fn connectivity(page: &mut Markup, ground: &Ground, report: &Report) {
    let mut all: Vec<(bool, Row)> = report
        .connectivity
        .iter()
        .map(|link| {
            let quiet = link.seen.iter().all(|change| change.status == Status::Up);
            let look = |change: &crate::Change| {
                let word = change.status.word();
                let words =
                    if change.status == Status::Up { String::new() } else { word.to_owned() };
                (link_class(change.status), words)
            };
            let stretches = stretches(&link.seen, |change| change.at, look);
            (quiet, Row { label: format!("{} → {}", link.from, link.to), stretches })
        })
        .collect();
    all.sort_by_key(|(quiet, _)| *quiet);
    let all: Vec<Row> = all.into_iter().map(|(_, row)| row).collect();
    let shows = format!(
        "For each of {} directions of links, what the probes said of it over time.{}",
        all.len(),
        rest(all.len(), "directions")
    );
    let words = Words { id: "plot-links", title: "Connectivity", shows: &shows };
    rows(page, ground, words, 18.0, &all);
}

/// What each component said of itself.
pub(crate) fn states(page: &mut Markup, ground: &Ground, report: &Report) {
    let row = |lane: &crate::Lane| {
        let look = |change: &crate::StateChange| {
            (format!("state-{}", change.level.word()), change.state.clone())
        };
        let stretches = stretches(&lane.changes, |change| change.at, look);
        Row { label: lane.component.clone(), stretches }
    };
    let all: Vec<Row> = report.states.iter().map(row).collect();
    let shows = format!(
        "What each of {} components said of itself over time.{}",
        all.len(),
        rest(all.len(), "components")
    );
    let words = Words { id: "plot-states", title: "States", shows: &shows };
    rows(page, ground, words, 22.0, &all);
}

/// Who led when, under which epoch.
pub(crate) fn epochs(page: &mut Markup, ground: &Ground, report: &Report) {
    let mut all: Vec<Row> = Vec::new();
    for leadership in &report.leaderships {
        let label = format!("{}: {}", leadership.group, leadership.leader);
        let stretch = Stretch {
            begin: leadership.begin,
            end: leadership.end,
            class: format!("epoch-{}", leadership.epoch % 2),
            words: format!("epoch {}", leadership.epoch),
        };
        match all.iter_mut().find(|row| row.label == label) {
            Some(row) => row.stretches.push(stretch),
            None => all.push(Row { label, stretches: vec![stretch] }),
        }
    }
    let shows = format!(
        "Who believed to lead, and under which epoch: {} times. Two of a group at once are told apart by their epochs.{}",
        report.leaderships.len(),
        rest(all.len(), "leaders")
    );
    let words = Words { id: "plot-epochs", title: "Leaders and epochs", shows: &shows };
    rows(page, ground, words, 22.0, &all);
}

/// When each job that was given out more than once was worked on.
pub(crate) fn duplicates(page: &mut Markup, ground: &Ground, duplicates: &[Duplicate]) {
    let row = |duplicate: &Duplicate| Row {
        label: duplicate.job.clone(),
        stretches: duplicate
            .executions
            .iter()
            .map(|execution| Stretch {
                begin: execution.begin,
                end: execution.end,
                class: format!("job-{}", Verdict::from_known(execution.effect).word()),
                words: execution.worker.clone(),
            })
            .collect(),
    };
    let all: Vec<Row> = duplicates.iter().map(row).collect();
    let shows = format!(
        "{} jobs that were given out more than once, with each time that one was worked on.{}",
        all.len(),
        rest(all.len(), "jobs")
    );
    let words =
        Words { id: "plot-duplicates", title: "Jobs given out more than once", shows: &shows };
    rows(page, ground, words, 20.0, &all);
}
