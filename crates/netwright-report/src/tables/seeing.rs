//! Tables of what was broken and what was seen of it.

use crate::report::{Report, Sighting};
use crate::words::{count, moment, span};
use crate::{Moment, Span};

use super::{Cell, Table, Tone, figures, words as column};

pub(super) fn faults(report: &Report) -> Table {
    let columns = [
        column("fault"),
        column("where"),
        figures("in force"),
        figures("until"),
        figures("effective after"),
        column("proof that it bit"),
    ];
    Table::of(
        "Faults that were injected, with the proof that each bit",
        columns,
        &report.faults,
        |fault| {
            let how = fault.how.as_deref().map_or_else(String::new, |how| format!(", {how}"));
            let after = fault.effective.map(|effective| effective.since(fault.requested));
            let mut proof = Vec::new();
            if let Some(touched) = fault.touched {
                let mut met = format!("{} packets", count(touched.packets));
                // Counters of packets alone say nothing of octets.
                if touched.bytes > 0 {
                    met.push_str(&format!(", {} octets", count(touched.bytes)));
                }
                proof.push(met);
            }
            proof.extend(fault.felt.map(|felt| format!("{} probes felt it", count(felt))));
            proof.extend(fault.proof.clone());
            let (word, tone) = match fault.bit() {
                Some(true) => ("✓ bit", Tone::Plain),
                Some(false) => ("✗ did not bite", Tone::Bad),
                None => ("? not proved", Tone::Doubt),
            };
            proof.insert(0, word.to_owned());
            vec![
                format!("{}{how}", fault.kind).into(),
                fault.place().into(),
                moment(fault.effective).into(),
                moment(fault.removed).into(),
                span(after).into(),
                Cell::toned(proof.join("; "), tone),
            ]
        },
    )
}

pub(super) fn safety(report: &Report) -> Table {
    let safety = &report.safety;
    let mut rows: Vec<(&str, Cell)> =
        vec![("everything was undone", Cell::verdict(safety.rolled_back))];
    if let Some(cut) = safety.cut {
        let of = safety.of.map_or_else(String::new, |of| format!(" of {}", count(of)));
        let allowed =
            safety.ceiling.map_or_else(String::new, |most| format!(", {} allowed", count(most)));
        rows.push(("pairs cut at most", format!("{}{of}{allowed}", count(cut)).into()));
    }
    if let Some(lease) = safety.lease {
        rows.push(("faults outlive their controller for", lease.to_string().into()));
    }
    if !safety.protected.is_empty() {
        rows.push(("never touched", safety.protected.join(", ").into()));
    }
    if !safety.leftovers.is_empty() {
        rows.push(("left behind", Cell::toned(safety.leftovers.join(", "), Tone::Bad)));
    }
    Table::of(
        "How the breaking was bounded",
        [column("bound"), column("value")],
        &rows,
        |(name, cell)| vec![(*name).into(), cell.clone()],
    )
}

fn tone(sighting: Sighting) -> Tone {
    match sighting {
        Sighting::Detected => Tone::Good,
        Sighting::Misjudged | Sighting::Unknown => Tone::Doubt,
        Sighting::Missed | Sighting::FalseAlarm => Tone::Bad,
        Sighting::Quiet => Tone::Quiet,
    }
}

/// Directions on which something was broken or seen; the quiet ones are only counted.
pub(super) fn detection(report: &Report) -> Table {
    let columns = [
        column("direction"),
        column("injected"),
        column("seen"),
        column("result"),
        figures("first drop"),
        figures("first miss"),
        figures("declared"),
        figures("visible"),
    ];
    let loud: Vec<_> = report
        .detections
        .iter()
        .filter(|detection| detection.sighting() != Sighting::Quiet)
        .collect();
    let caption =
        "Detection for each direction of each link; times count from the request of the fault";
    Table::of(caption, columns, &loud, |detection| {
        let sighting = detection.sighting();
        let after = |moment: Option<Moment>| -> Cell {
            let after: Option<Span> =
                moment.zip(detection.requested).map(|(moment, requested)| moment.since(requested));
            match (after, sighting) {
                (None, Sighting::Missed | Sighting::FalseAlarm) => Cell::toned("–", Tone::Quiet),
                _ => span(after).into(),
            }
        };
        let result = match sighting {
            Sighting::Detected => "✓ detected".to_owned(),
            Sighting::Unknown => "? unknown".to_owned(),
            other => format!("✗ {}", other.word()),
        };
        let injected = detection.injected.map_or("nothing", |status| status.word());
        vec![
            format!("{} → {}", detection.from, detection.to).into(),
            injected.into(),
            detection.seen.word().into(),
            Cell::toned(result, tone(sighting)),
            after(detection.first_drop),
            after(detection.first_miss),
            after(detection.declared),
            after(detection.visible),
        ]
    })
}

/// The same where there is little room: what was injected and what was seen stand beside the result.
pub(crate) fn beside(table: &Table) -> Table {
    let joined = |row: &Vec<Cell>| {
        let [direction, injected, seen, result, times @ ..] = row.as_slice() else {
            return row.clone();
        };
        let told = if injected.text == seen.text {
            format!("{}: {}", result.text, injected.text)
        } else {
            format!("{}: {}, seen as {}", result.text, injected.text, seen.text)
        };
        let told = Cell { text: told, ..result.clone() };
        [direction.clone(), told].into_iter().chain(times.iter().cloned()).collect()
    };
    let columns = table.columns.iter().enumerate();
    let columns = columns.filter(|(at, _)| ![1, 2].contains(at)).map(|(_, column)| *column);
    Table { columns: columns.collect(), rows: table.rows.iter().map(joined).collect(), ..*table }
}

/// How many directions were quiet.
pub(crate) fn quiet(report: &Report) -> usize {
    report.detections.iter().filter(|detection| detection.sighting() == Sighting::Quiet).count()
}
