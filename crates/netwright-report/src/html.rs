//! The report as one page that opens from disk: no script, nothing from elsewhere, light and dark, for eyes, keyboards, screen readers and paper.

mod evidence;
mod figure;

use crate::markup::Markup;
use crate::plot::{self, Ground};
use crate::report::Report;
use crate::tables::{Cell, Table, Tables, Tone};
use crate::words::{figures, mark, story};
use crate::{Summary, Verdict};

pub(crate) use figure::caption;
use figure::{key, panel};

/// Columns of a cell at most.
const CELL: usize = 400;
/// Reasons shown at most.
const REASONS: usize = 30;

/// A page around a body. Browsers are told to load nothing, whatever the body says.
pub(crate) fn page(title: &str, body: impl FnOnce(&mut Markup)) -> String {
    let mut page = Markup::document();
    page.tag("html", &[("lang", &"en")], |page| {
        page.tag("head", &[], |page| {
            page.void("meta", &[("charset", &"utf-8")]);
            let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
            page.void("meta", &[("http-equiv", &"Content-Security-Policy"), ("content", &policy)]);
            let view = "width=device-width, initial-scale=1";
            page.void("meta", &[("name", &"viewport"), ("content", &view)]);
            page.void("meta", &[("name", &"color-scheme"), ("content", &"light dark")]);
            page.leaf("title", &[], title);
            page.tag("style", &[], |page| page.ours(include_str!("html/style.css")));
        });
        page.line();
        page.tag("body", &[], |page| {
            page.leaf("a", &[("class", &"skip"), ("href", &"#main")], "To the content");
            body(page);
        });
    });
    page.line();
    page.finish()
}

/// The report as a page.
#[must_use]
pub fn html(report: &Report) -> String {
    let summary = Summary::of(report);
    let tables = Tables::of(report);
    let ground = Ground::of(report);
    let title = format!("{}: {}", summary.verdict.word(), crate::markup::cut(&report.title, 120));
    page(&title, |page| {
        top(page, report, &summary);
        page.tag("main", &[("id", &"main")], |page| {
            happened(page, report, &summary, &ground);
            evidence::all(page, report, &tables);
        });
        page.tag("footer", &[], |page| {
            let (run, version) = (&report.run, report.version);
            let facts = format!("Run {} · seed {} · report version {version}", run.id, run.seed);
            page.leaf("p", &[], crate::markup::cut(&facts, 200));
        });
    })
}

fn top(page: &mut Markup, report: &Report, summary: &Summary) {
    page.tag("header", &[("class", &"top")], |page| {
        let scenario = &report.scenario.name;
        let kind = if scenario.is_empty() { String::new() } else { format!(" · {scenario}") };
        let severity = report.scenario.severity.as_ref().map_or_else(String::new, |one| format!(" · {one}"));
        page.leaf("p", &[("class", &"kind")], crate::markup::cut(&format!("Game day report{kind}{severity}"), 200));
        page.leaf("h1", &[], crate::markup::cut(&report.title, 300));
        let network = report.network.as_ref().map_or_else(String::new, |network| {
            let revision = network.revision.as_ref().map_or_else(String::new, |one| format!(" at {one}"));
            format!(" · network {}{revision}", network.name)
        });
        let facts = format!("{} · {}{network}", report.run.began.long(), report.run.duration);
        page.leaf("p", &[("class", &"facts")], crate::markup::cut(&facts, 300));
        if report.example {
            page.leaf("p", &[("class", &"example")], "An example, written by hand to show what a report looks like. Nothing of this was measured.");
        }
        verdict(page, summary);
        page.tag("dl", &[("class", &"board")], |page| {
            for figure in figures(report, summary) {
                let class = figure.verdict.map_or("plain", Verdict::word);
                page.tag("div", &[("class", &class)], |page| {
                    page.leaf("dt", &[], figure.label);
                    page.leaf("dd", &[("class", &"value")], &figure.value);
                    page.leaf("dd", &[("class", &"note")], &figure.note);
                });
            }
        });
    });
    page.line();
    contents(page);
}

fn verdict(page: &mut Markup, summary: &Summary) {
    let word = summary.verdict.word();
    page.tag("div", &[("class", &format!("verdict {word}"))], |page| {
        page.tag("p", &[("class", &"word")], |page| {
            page.leaf("span", &[("class", &"mark"), ("aria-hidden", &"true")], mark(summary.verdict));
            page.text(match summary.verdict {
                Verdict::Passed => "Passed",
                Verdict::Failed => "Failed",
                Verdict::Unknown => "Unknown",
            });
        });
        if summary.reasons.is_empty() {
            page.leaf("p", &[], "Every criterion and every check passed, every fault is known to have bitten, and all of them are gone.");
            return;
        }
        page.tag("ul", &[], |page| {
            for reason in summary.reasons.iter().take(REASONS) {
                let text = crate::markup::cut(&reason.text, CELL);
                page.tag("li", &[("class", &reason.verdict.word())], |page| {
                    page.leaf("span", &[("class", &"mark"), ("aria-hidden", &"true")], mark(reason.verdict));
                    page.leaf("span", &[], text);
                });
            }
            let left = summary.reasons.len().saturating_sub(REASONS);
            if left > 0 {
                page.leaf("li", &[], format!("… and {left} more"));
            }
        });
    });
}

/// The sections of the page, by their ids.
const SECTIONS: [(&str, &str); 9] = [
    ("happened", "What happened"),
    ("criteria", "Success criteria"),
    ("faults", "Faults"),
    ("detection", "Detection"),
    ("clients", "What clients saw"),
    ("data", "Data"),
    ("recovery", "Recovery"),
    ("events", "Timeline"),
    ("lessons", "Lessons"),
];

fn contents(page: &mut Markup) {
    page.tag("nav", &[("aria-label", &"Sections")], |page| {
        page.tag("ol", &[], |page| {
            for (id, name) in SECTIONS {
                page.tag("li", &[], |page| page.leaf("a", &[("href", &format!("#{id}"))], name));
            }
        });
    });
    page.line();
}

/// A section with its heading.
pub(crate) fn section(page: &mut Markup, id: &'static str, inside: impl FnOnce(&mut Markup)) {
    let name = SECTIONS.iter().find(|(one, _)| *one == id).map_or("", |(_, name)| *name);
    let heading = format!("{id}-heading");
    page.tag("section", &[("id", &id), ("aria-labelledby", &heading)], |page| {
        page.leaf("h2", &[("id", &heading)], name);
        inside(page);
    });
    page.line();
}

fn happened(page: &mut Markup, report: &Report, summary: &Summary, ground: &Ground) {
    section(page, "happened", |page| {
        for sentence in story(report, summary) {
            page.leaf("p", &[("class", &"story")], crate::markup::cut(&sentence, 1_000));
        }
        plots(page, "Plots on one axis of time", |page| drawings(page, report, ground));
    });
}

/// A region that scrolls by itself, also by keyboard.
fn region(page: &mut Markup, class: &str, label: &str, inside: impl FnOnce(&mut Markup)) {
    let frame: [(&'static str, &dyn std::fmt::Display); 4] =
        [("class", &class), ("role", &"region"), ("aria-label", &label), ("tabindex", &"0")];
    page.tag("div", &frame, inside);
    page.line();
}

/// Drawings, scrolled where the page is narrower than they can be read at.
pub(crate) fn plots(page: &mut Markup, label: &str, inside: impl FnOnce(&mut Markup)) {
    region(page, "plots", label, inside);
}

/// A table, scrolled where it is wider than the page.
pub(crate) fn scrolled(page: &mut Markup, label: &str, inside: impl FnOnce(&mut Markup)) {
    region(page, "wide", label, inside);
}

fn drawings(page: &mut Markup, report: &Report, ground: &Ground) {
    panel(page, "Phases and faults", "shaded in all plots: something was broken", &[], |page| {
        plot::faults(page, ground, report);
    });
    if !report.connectivity.is_empty() {
        let keys = [
            "up",
            "slow",
            "flapping",
            "dns_broken",
            "initiation_only",
            "one_way",
            "down",
            "unknown",
        ];
        let keys =
            keys.map(|word| (format!("link-{word}"), word.replace('_', " ").replace("dns", "DNS")));
        panel(page, "Connectivity", "as the probes saw each direction", &keys, |page| {
            plot::connectivity(page, ground, report);
        });
    }
    if !report.states.is_empty() {
        let keys = ["good", "degraded", "bad", "unknown"].map(|word| key("state", word));
        panel(page, "States", "as each component said", &keys, |page| {
            plot::states(page, ground, report);
        });
    }
    clients(page, report, ground);
    for (number, gauge) in report.gauges.iter().take(6).enumerate() {
        panel(page, &gauge.name, &gauge.unit, &[], |page| plot::gauge(page, ground, gauge, number));
    }
    if !report.leaderships.is_empty() {
        panel(page, "Leaders and epochs", "who believed to lead", &[], |page| {
            plot::epochs(page, ground, report);
        });
    }
    if !report.data.duplicates.is_empty() {
        let words = [("passed", "effect"), ("failed", "no effect"), ("unknown", "not known")];
        let keys = words.map(|(class, word)| (format!("job-{class}"), word.to_owned()));
        let title = "Jobs given out more than once";
        panel(page, title, "each time one was worked on", &keys, |page| {
            plot::duplicates(page, ground, &report.data.duplicates);
        });
    }
}

fn clients(page: &mut Markup, report: &Report, ground: &Ground) {
    let workload = &report.workload;
    let outcomes = ["ok", "info", "fail"].map(|word| key("sample", word));
    if !workload.overall.is_empty() || !workload.samples.is_empty() {
        let mut keys = outcomes.to_vec();
        keys.push(("line-median".to_owned(), "median".to_owned()));
        keys.push(("line-tail".to_owned(), "99th percentile".to_owned()));
        panel(page, "Latency", "by when an operation was invoked, logarithmic", &keys, |page| {
            plot::latency(page, ground, workload);
        });
    }
    if !workload.overall.is_empty() {
        panel(page, "Rates", "operations a second", &outcomes, |page| {
            plot::rates(page, ground, workload);
        });
        panel(page, "Success", "per cent of what was tried", &[], |page| {
            plot::success(page, ground, workload);
        });
    }
    if !workload.samples.is_empty() {
        panel(
            page,
            "Operations",
            "a sample by process, from invocation to completion",
            &outcomes,
            |page| {
                plot::operations(page, ground, workload);
            },
        );
    }
}

const fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "",
        Tone::Good => "passed",
        Tone::Bad => "failed",
        Tone::Doubt => "unknown",
        Tone::Quiet => "quiet",
    }
}

/// A table, scrolled by itself where it is wider than the page; nothing where it has no rows.
pub(crate) fn table(page: &mut Markup, table: &Table) {
    if table.rows.is_empty() {
        return;
    }
    scrolled(page, table.caption, |page| {
        page.tag("table", &[], |page| {
            page.leaf("caption", &[], table.caption);
            page.tag("thead", &[], |page| {
                page.tag("tr", &[], |page| {
                    for column in &table.columns {
                        let class = if column.figures { "figure" } else { "words" };
                        page.leaf("th", &[("scope", &"col"), ("class", &class)], column.name);
                    }
                });
            });
            page.tag("tbody", &[], |page| {
                for cells in &table.rows {
                    page.tag("tr", &[], |page| row(page, table, cells));
                    page.line();
                }
            });
        });
        if table.left > 0 {
            page.leaf("p", &[("class", &"left")], format!("… and {} more", table.left));
        }
    });
}

fn row(page: &mut Markup, table: &Table, cells: &[Cell]) {
    for (column, cell) in table.columns.iter().zip(cells) {
        let class = if column.figures { "figure" } else { "words" };
        let class = format!("{class} {}", tone(cell.tone));
        page.tag("td", &[("class", &class.trim_end())], |page| {
            for (number, line) in cell.text.split('\n').enumerate() {
                if number > 0 {
                    page.void("br", &[]);
                }
                // A mark stays with its word.
                let line = match line.split_once(' ') {
                    Some((mark @ ("✓" | "✗" | "?"), rest)) => format!("{mark}\u{a0}{rest}"),
                    _ => line.to_owned(),
                };
                page.text(crate::markup::cut(&line, CELL));
            }
        });
    }
}
