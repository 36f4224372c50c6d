//! Columns of text.

use crate::console::{Console, Style};
use crate::wrap::{parts, wrapped};

/// The least that the last column has where it is broken into lines, before others give way.
const LEAST: usize = 16;

/// Letters of cells that stay in one line, as a number with its unit.
const FEW: usize = 8;

/// What stands between two columns.
const GAP: &str = "  ";

/// Columns as wide as what they hold. On a terminal that is too narrow, cells go on below themselves: first those of the last column, then of the widest.
/// A row of which only the first cell holds anything is a heading, and as wide as it is.
pub(crate) fn table<const N: usize>(
    head: [&str; N],
    rows: &[[String; N]],
    console: &mut Console,
    style: impl Fn(usize) -> Option<Style>,
) {
    let widths = widths(head, rows, console.size().map(|(_, columns)| columns));
    for line in folded(&head.map(str::to_owned), &widths) {
        console.line(&line);
    }
    for (at, row) in rows.iter().enumerate() {
        let lines = if is_heading(row) { vec![row[0].clone()] } else { folded(row, &widths) };
        for text in lines {
            let text = match style(at) {
                Some(style) => console.styled(style, &text),
                None => text,
            };
            console.line(&text);
        }
    }
}

fn is_heading<const N: usize>(row: &[String; N]) -> bool {
    N > 1 && row[1..].iter().all(String::is_empty)
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// How wide each column is: what it needs, where all of that fits; else as little less as has to be. Words stay whole, and cells of few letters.
fn widths<const N: usize>(
    head: [&str; N],
    rows: &[[String; N]],
    columns: Option<usize>,
) -> [usize; N] {
    let cells = |at: usize| {
        let rows = rows.iter().filter(|row| !is_heading(row));
        rows.map(move |row| row[at].as_str()).chain([head[at]])
    };
    let mut widths: [usize; N] =
        std::array::from_fn(|at| cells(at).map(length).max().unwrap_or_default());
    let Some(columns) = columns else { return widths };
    let room = columns.saturating_sub(N.saturating_sub(1) * GAP.len());
    let over = |widths: &[usize; N]| widths.iter().sum::<usize>().saturating_sub(room);
    let too_wide = over(&widths);
    if let Some(last) = widths.last_mut() {
        *last = last.saturating_sub(too_wide).max(LEAST.min(*last));
    }
    let least = |cell: &str| match length(cell) {
        few @ ..=FEW => few,
        _ => cell.split(' ').flat_map(parts).map(length).max().unwrap_or_default(),
    };
    let least: [usize; N] =
        std::array::from_fn(|at| cells(at).map(least).max().unwrap_or_default());
    while over(&widths) > 0 {
        let elastic = (0..N).filter(|at| widths[*at] > least[*at]);
        let Some(widest) = elastic.max_by_key(|at| widths[*at]) else { break };
        widths[widest] -= 1;
    }
    widths
}

/// The lines of a row: each cell goes on below itself.
fn folded<const N: usize>(row: &[String; N], widths: &[usize; N]) -> Vec<String> {
    let cells: [Vec<String>; N] = std::array::from_fn(|at| {
        let fits = length(&row[at]) <= widths[at];
        if fits { vec![row[at].clone()] } else { wrapped(&row[at], widths[at]) }
    });
    let tall = cells.iter().map(Vec::len).max().unwrap_or_default();
    let line = |number: usize| {
        let parts = cells.iter().zip(widths).map(|(cell, width)| {
            format!("{:<width$}", cell.get(number).map_or("", String::as_str))
        });
        parts.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    (0..tall).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{folded, widths};

    fn lines<const N: usize>(
        head: [&str; N],
        rows: &[[&str; N]],
        columns: Option<usize>,
    ) -> Vec<String> {
        let rows: Vec<[String; N]> = rows.iter().map(|row| row.map(str::to_owned)).collect();
        let widths = widths(head, &rows, columns);
        rows.iter().flat_map(|row| folded(row, &widths)).collect()
    }

    #[test]
    fn a_last_cell_that_is_too_wide_goes_on_below_itself() {
        let rows = [["a", "one two three four five"]];
        assert_eq!(lines(["X", "Y"], &rows, None), ["a  one two three four five"]);
        let below = ["a  one two three", "   four five"];
        assert_eq!(lines(["X", "Y"], &rows, Some(20)), below);
    }

    #[test]
    fn others_give_way_where_the_last_is_narrow_and_words_stay_whole() {
        let rows = [["gateway → postgres:5432", "initiation-only", "1.20 s"]];
        let head = ["CONNECTION", "FOUND OUT", "VISIBLE"];
        let narrow = lines(head, &rows, Some(36));
        assert_eq!(narrow, ["gateway →      initiation-   1.20 s", "postgres:5432  only"]);
        let least = lines(head, &rows, Some(10));
        assert_eq!(least, ["gateway →      initiation-  1.20 s", "postgres:5432  only"]);
        assert_eq!(lines(head, &rows, Some(200)).len(), 1);
    }
}
