//! Who reaches whom as a picture: sources down, destinations across, and in each cell what passes.

use super::dot::quote;
use super::svg::{Svg, Tone, cut, width};

/// Most groups that are drawn on a side. A picture with more is no picture.
pub(crate) const MOST: usize = 60;

const SIZE: f64 = 12.0;
const CELL: (f64, f64) = (86.0, 26.0);
const MARGIN: f64 = 20.0;
/// Longest name of a group and longest text of a cell, in characters.
const NAME: usize = 34;
const WORDS: usize = 11;

/// What passes from one group to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Position of the source among the names.
    pub(crate) src: usize,
    /// Position of the destination.
    pub(crate) dst: usize,
    /// What passes both ways.
    pub(crate) reachable: Option<String>,
    /// What arrives and is not answered.
    pub(crate) no_return: Option<String>,
    /// What cannot be told.
    pub(crate) unknown: Option<String>,
}

impl Cell {
    fn tone(&self) -> Tone {
        match (&self.reachable, &self.unknown) {
            (_, Some(_)) => Tone::Doubt,
            (Some(_), None) => Tone::Good,
            (None, None) => Tone::Bad,
        }
    }

    fn words(&self) -> String {
        // Source ports are told by the note; there is no room for them here.
        let plain = |text: &str| match text.split_once(" src ") {
            Some((protocol, rest)) => match rest.split_once(" dst ") {
                Some((_, ports)) => format!("{protocol} {ports}"),
                None => format!("{protocol} src {rest}"),
            },
            None => text.replace(" dst ", " "),
        };
        match (&self.reachable, &self.no_return, &self.unknown) {
            (Some(text), ..) => plain(text),
            (None, Some(text), _) => format!("⇥ {}", plain(text)),
            (None, None, Some(text)) => format!("? {}", plain(text)),
            (None, None, None) => String::new(),
        }
    }

    fn note(&self, from: &str, to: &str) -> String {
        let parts =
            [("", &self.reachable), ("no return: ", &self.no_return), ("unknown: ", &self.unknown)];
        let said =
            parts.iter().filter_map(|(word, what)| Some(format!("{word}{}", what.as_ref()?)));
        format!("{from} → {to}: {}", said.collect::<Vec<_>>().join("; "))
    }
}

/// Which groups are drawn: those that a cell is about, the first of them where there are too many.
fn drawn(cells: &[Cell], of: impl Fn(&Cell) -> usize) -> (Vec<usize>, usize) {
    let mut all: Vec<usize> = cells.iter().map(of).collect();
    all.sort_unstable();
    all.dedup();
    let left = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    (all, left)
}

/// The picture. `names` are those of all groups.
pub(crate) fn svg(title: &str, names: &[String], cells: &[Cell]) -> String {
    let ((rows, rows_left), (columns, columns_left)) =
        (drawn(cells, |cell| cell.src), drawn(cells, |cell| cell.dst));
    let name = |group: &usize| cut(names.get(*group).map_or("", String::as_str), NAME);
    let mut svg = Svg::default();
    svg.strong((MARGIN, 28.0), 15.0, Tone::Plain, title);
    svg.text(
        (MARGIN, 48.0),
        SIZE,
        Tone::Dim,
        "rows send, columns receive; an empty cell: nothing passes",
    );
    let across = columns.iter().map(|c| width(&name(c), SIZE)).fold(0.0, f64::max) * 0.71 + 24.0;
    let left = rows.iter().map(|row| width(&name(row), SIZE)).fold(0.0, f64::max) + MARGIN + 12.0;
    let top = 60.0 + across;
    let at = |index: usize, size: f64| {
        #[expect(clippy::cast_precision_loss, reason = "at most sixty rows and columns")]
        let index = index as f64;
        index * size
    };
    for (index, column) in columns.iter().enumerate() {
        let x = left + at(index, CELL.0) + CELL.0 / 2.0;
        svg.rising((x, top - 8.0), SIZE, Tone::Plain, &name(column));
    }
    for (index, row) in rows.iter().enumerate() {
        let y = top + at(index, CELL.1);
        svg.end((left - 8.0, y + CELL.1 / 2.0 + 4.0), SIZE, Tone::Plain, &name(row));
        for (place, column) in columns.iter().enumerate() {
            let x = left + at(place, CELL.0);
            let own: Vec<&Cell> =
                cells.iter().filter(|c| c.src == *row && c.dst == *column).collect();
            let size = (CELL.0 - 2.0, CELL.1 - 2.0);
            let Some(cell) = own.first() else {
                svg.cell(
                    (x, y),
                    size,
                    Tone::Plain,
                    &format!("{} → {}: nothing", name(row), name(column)),
                );
                continue;
            };
            let notes: Vec<String> =
                own.iter().map(|c| c.note(&name(row), &name(column))).collect();
            svg.cell((x, y), size, cell.tone(), &notes.join("\n"));
            let middle = (x + size.0 / 2.0, y + CELL.1 / 2.0 + 3.0);
            svg.middle(middle, SIZE - 1.0, Tone::Plain, &cut(&cell.words(), WORDS));
        }
    }
    let mut y = top + at(rows.len(), CELL.1) + 24.0;
    for (tone, words) in [
        (Tone::Good, "passes both ways"),
        (Tone::Bad, "⇥ arrives, and its answer does not come back"),
        (Tone::Doubt, "? the description lacks a fact"),
    ] {
        svg.cell((MARGIN, y - 11.0), (14.0, 14.0), tone, words);
        svg.text((MARGIN + 22.0, y), SIZE, Tone::Dim, words);
        y += 20.0;
    }
    if rows_left + columns_left > 0 {
        let words = format!(
            "not drawn: {rows_left} more sources and {columns_left} more destinations; narrow it with --from and --to"
        );
        svg.strong((MARGIN, y + 4.0), SIZE, Tone::Bad, &words);
    }
    let described = format!("{} pairs of groups that something passes between", cells.len());
    svg.finish(title, &described)
}

/// The same as a graph.
pub(crate) fn dot(title: &str, names: &[String], cells: &[Cell]) -> String {
    let mut out = format!(
        "digraph {} {{\n  rankdir=LR; node [shape=box, fontname=\"monospace\"];\n",
        quote(title)
    );
    let mut used: Vec<usize> = cells.iter().flat_map(|cell| [cell.src, cell.dst]).collect();
    used.sort_unstable();
    used.dedup();
    for group in used {
        let name = names.get(group).map_or("", String::as_str);
        out.push_str(&format!("  g{group} [label={}];\n", quote(name)));
    }
    for cell in cells {
        let colour = match cell.tone() {
            Tone::Bad => ", color=red",
            Tone::Doubt => ", color=orange, style=dashed",
            _ => "",
        };
        let label = quote(&cell.words());
        out.push_str(&format!("  g{} -> g{} [label={label}{colour}];\n", cell.src, cell.dst));
    }
    out.push_str("}\n");
    out
}
