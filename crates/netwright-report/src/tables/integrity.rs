//! Tables of what became of the data, and of what was checked.

use crate::report::Report;
use crate::words::{count, known, moment};
use crate::{Moment, Verdict};

use super::{Cell, Table, Tone, figures, words};

pub(super) fn data(report: &Report) -> Table {
    let data = &report.data;
    let bad = |number: Option<u64>| {
        let tone = match number {
            Some(0) => Tone::Good,
            Some(_) => Tone::Bad,
            None => Tone::Doubt,
        };
        Cell::toned(known(number), tone)
    };
    let plain = |number: Option<u64>| Cell::from(known(number));
    let rows = [
        ("acknowledged writes", plain(data.acknowledged), "answered with success"),
        ("lost", bad(data.lost), "acknowledged, and gone"),
        ("recovered", plain(data.recovered), "nobody knew of them, and they are there"),
        (
            "duplicated deliveries",
            plain(data.duplicated_deliveries),
            "jobs that were given out more than once",
        ),
        (
            "duplicated effects",
            bad(data.duplicated_effects),
            "jobs whose effect happened more than once",
        ),
        ("stale reads", plain(data.stale_reads), "missed an acknowledged write"),
        ("conflicts", plain(data.conflicts), "written on both sides of a fault"),
        (
            "audited losers",
            plain(data.audited_losers),
            "lost a conflict, and are kept in the audit",
        ),
    ];
    let columns = [words("data"), figures("count"), words("meaning")];
    Table::of("What became of the data", columns, &rows, |(name, cell, meaning)| {
        vec![(*name).into(), cell.clone(), Cell::toned(*meaning, Tone::Quiet)]
    })
}

pub(super) fn losers(report: &Report) -> Table {
    let columns = [words("key"), words("kept"), words("lost"), words("why")];
    Table::of(
        "Writes that lost a conflict, from the audit",
        columns,
        &report.data.losers,
        |loser| {
            [&loser.key, &loser.kept, &loser.lost, &loser.why]
                .map(|text| text.as_str().into())
                .to_vec()
        },
    )
}

pub(super) fn duplicates(report: &Report) -> Table {
    let columns = [words("job"), figures("times"), figures("effects"), words("worked on by")];
    let caption = "Jobs that were given out more than once";
    Table::of(caption, columns, &report.data.duplicates, |duplicate| {
        let executions = &duplicate.executions;
        let effects = executions.iter().map(|execution| execution.effect.map(usize::from));
        let effects = effects.sum::<Option<usize>>().map(|effects| effects as u64);
        let tone = match effects {
            Some(0 | 1) => Tone::Plain,
            Some(_) => Tone::Bad,
            None => Tone::Doubt,
        };
        let workers: Vec<String> = executions
            .iter()
            .take(8)
            .map(|execution| format!("{} at {}", execution.worker, execution.begin))
            .collect();
        vec![
            duplicate.job.as_str().into(),
            count(executions.len() as u64).into(),
            Cell::toned(known(effects), tone),
            workers.join(", ").into(),
        ]
    })
}

pub(super) fn checks(report: &Report) -> Table {
    let columns = [words("verdict"), words("check"), figures("looked at"), words("why")];
    Table::of("Checks of the history and of the data", columns, &report.checks, |check| {
        let lines = check.evidence.iter().take(8).cloned();
        let why: Vec<String> =
            [check.why.clone()].into_iter().chain(lines).filter(|line| !line.is_empty()).collect();
        vec![
            Cell::verdict(check.verdict),
            check.name.as_str().into(),
            known(check.looked_at).into(),
            why.join("\n").into(),
        ]
    })
}

pub(super) fn leaderships(report: &Report) -> Table {
    let columns = [
        words("group"),
        figures("epoch"),
        words("leader"),
        figures("from"),
        figures("until"),
        words("together with"),
    ];
    let all = &report.leaderships;
    let end = Moment(report.run.duration.0);
    Table::of("Leaders and epochs", columns, all, |one| {
        let until = |leadership: &crate::Leadership| leadership.end.unwrap_or(end);
        let overlaps = all.iter().take(2_000).filter(|other| {
            other.group == one.group
                && other.leader != one.leader
                && other.begin < until(one)
                && one.begin < until(other)
        });
        let others: Vec<String> = overlaps
            .take(4)
            .map(|other| format!("{} (epoch {})", other.leader, other.epoch))
            .collect();
        let tone = if others.is_empty() { Tone::Plain } else { Verdict::Unknown.into() };
        vec![
            one.group.as_str().into(),
            one.epoch.to_string().into(),
            one.leader.as_str().into(),
            one.begin.to_string().into(),
            one.end.map_or_else(|| "the end".to_owned(), |end| moment(Some(end))).into(),
            Cell::toned(others.join(", "), tone),
        ]
    })
}
