//! What supports the verdict, section by section.

use std::collections::BTreeSet;

use crate::markup::{Markup, cut};
use crate::plot;
use crate::report::{Report, Status};
use crate::tables::{Tables, quiet};
use crate::words::actions;
use crate::{Moment, PhaseKind};

use super::{caption, section, table};

/// Parts of a network that a matrix has room for.
const PARTS: usize = 14;

/// All sections after the first.
pub(super) fn all(page: &mut Markup, report: &Report, tables: &Tables) {
    section(page, "criteria", |page| {
        missing(page, tables.criteria.rows.is_empty(), "No criterion was set.");
        table(page, &tables.criteria);
        table(page, &tables.expected);
    });
    section(page, "faults", |page| {
        missing(page, tables.faults.rows.is_empty(), "Nothing was broken.");
        table(page, &tables.faults);
        table(page, &tables.safety);
    });
    section(page, "detection", |page| detection(page, report, tables));
    section(page, "clients", |page| {
        let nothing = "Nothing was tried, or nothing of it was kept.";
        missing(page, tables.outcomes.rows.is_empty(), nothing);
        table(page, &tables.outcomes);
    });
    section(page, "data", |page| data(page, report, tables));
    section(page, "recovery", |page| {
        missing(page, tables.steps.rows.is_empty(), "No step of a recovery was recorded.");
        table(page, &tables.responses);
        table(page, &tables.steps);
        table(page, &tables.steady);
    });
    section(page, "events", |page| {
        table(page, &tables.phases);
        table(page, &tables.events);
        table(page, &tables.versions);
    });
    section(page, "lessons", |page| lessons(page, report));
}

fn missing(page: &mut Markup, is: bool, words: &str) {
    if is {
        page.leaf("p", &[("class", &"missing")], words);
    }
}

fn detection(page: &mut Markup, report: &Report, tables: &Tables) {
    missing(page, report.detections.is_empty(), "Nothing is known of what the probes saw.");
    plot::split(page, report);
    table(page, &tables.detection);
    let quiet = quiet(report);
    if quiet > 0 {
        let words = format!("{quiet} more directions: nothing was broken there, and nothing seen.");
        page.leaf("p", &[("class", &"left")], words);
    }
    matrices(page, report);
}

/// Who reached whom at the end of what was normal, of the faults, and of the run.
fn matrices(page: &mut Markup, report: &Report) {
    let links = || report.connectivity.iter().take(1_000);
    // Who connects and what it connects to may be called differently: a machine, and a port of one.
    let from: BTreeSet<&str> = links().map(|link| link.from.as_str()).collect();
    let to: BTreeSet<&str> = links().map(|link| link.to.as_str()).collect();
    if from.is_empty() || from.len().max(to.len()) > PARTS {
        return;
    }
    let last = |kind: PhaseKind| {
        let ends = report.phases.iter().filter(|phase| phase.kind == kind);
        ends.filter_map(|phase| phase.end).max().map(|end| Moment(end.0.saturating_sub(1)))
    };
    let moments = [
        ("at the end of what was normal", last(PhaseKind::Baseline)),
        ("at the end of the faults", last(PhaseKind::Fault)),
        ("at the end of the run", Some(Moment(report.run.duration.0))),
    ];
    page.tag("div", &[("class", &"matrices")], |page| {
        for (words, moment) in moments {
            if let Some(moment) = moment {
                matrix(
                    page,
                    report,
                    (&from, &to),
                    &format!("Who reached whom {words}, {moment}"),
                    moment,
                );
            }
        }
    });
}

fn matrix(
    page: &mut Markup,
    report: &Report,
    (sources, targets): (&BTreeSet<&str>, &BTreeSet<&str>),
    caption: &str,
    moment: Moment,
) {
    super::scrolled(page, caption, |page| {
        page.tag("table", &[("class", &"matrix")], |page| {
            page.leaf("caption", &[], caption);
            page.tag("thead", &[], |page| {
                page.tag("tr", &[], |page| {
                    page.leaf("th", &[("scope", &"col")], "from ↓ to →");
                    for to in targets {
                        page.leaf("th", &[("scope", &"col")], cut(to, 14));
                    }
                });
            });
            page.tag("tbody", &[], |page| {
                for from in sources {
                    page.tag("tr", &[], |page| {
                        page.leaf("th", &[("scope", &"row")], cut(from, 20));
                        for to in targets {
                            cell(page, report, from, to, moment);
                        }
                    });
                }
            });
        });
    });
}

fn cell(page: &mut Markup, report: &Report, from: &str, to: &str, moment: Moment) {
    let link = report.connectivity.iter().find(|link| link.from == from && link.to == to);
    let Some(link) = link else {
        page.leaf("td", &[("class", &"none")], if from == to { "" } else { "·" });
        return;
    };
    let status = link.at(moment);
    let word = if status == Status::InitiationOnly { "init. only" } else { status.word() };
    page.leaf("td", &[("class", &plot::link_class(status))], word);
}

fn data(page: &mut Markup, report: &Report, tables: &Tables) {
    table(page, &tables.data);
    missing(page, tables.checks.rows.is_empty(), "Nothing was checked.");
    table(page, &tables.checks);
    let found = report.checks.iter().filter_map(|check| Some((check, check.witness.as_ref()?)));
    for (number, (check, witness)) in found.take(8).enumerate() {
        page.tag("figure", &[("class", &"witness")], |page| {
            let title = format!("Witness of {}", check.name);
            caption(page, &title, &witness.caption, &[]);
            super::plots(page, &title, |page| plot::witness(page, witness, number));
        });
    }
    table(page, &tables.duplicates);
    table(page, &tables.losers);
    table(page, &tables.leaderships);
}

fn lessons(page: &mut Markup, report: &Report) {
    let lessons = &report.lessons;
    let actions = actions(lessons);
    let parts = [
        ("What worked well", &lessons.worked),
        ("What needs improvement", &lessons.improve),
        ("What is to be done, by whom, until when", &actions),
    ];
    page.tag("div", &[("class", &"lessons")], |page| {
        for (name, lines) in parts {
            page.tag("div", &[], |page| {
                page.leaf("h3", &[], name);
                page.tag("ol", &[], |page| {
                    for line in lines.iter().take(60) {
                        page.leaf("li", &[], cut(line, 600));
                    }
                    if lines.is_empty() {
                        for _ in 0..3 {
                            page.leaf("li", &[("class", &"room")], "not written yet");
                        }
                    }
                });
            });
        }
    });
}
