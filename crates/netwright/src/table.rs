//! Columns of text.

use crate::console::{Console, Style};
use crate::wrap::wrapped;

/// The least that the last column has where it is broken into lines.
const LEAST: usize = 16;

/// Columns as wide as what they hold; the last is not filled up, and on a terminal goes on below itself where it is too narrow.
pub(crate) fn table<const N: usize>(
    head: [&str; N],
    rows: &[[String; N]],
    console: &mut Console,
    style: impl Fn(usize) -> Option<Style>,
) {
    let width = |at: usize| {
        rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default().max(head[at].len())
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let before: usize = widths.iter().take(N.saturating_sub(1)).map(|width| width + 2).sum();
    let last = console.size().map(|(_, columns)| columns.saturating_sub(before));
    let last = last.filter(|last| *last >= LEAST);
    console.line(&line(&head.map(str::to_owned)));
    for (at, row) in rows.iter().enumerate() {
        for text in folded(row, last) {
            let text = line(&text);
            let text = match style(at) {
                Some(style) => console.styled(style, &text),
                None => text,
            };
            console.line(&text);
        }
    }
}

/// A row, and below it what its last cell has more than fits into a column.
fn folded<const N: usize>(row: &[String; N], last: Option<usize>) -> Vec<[String; N]> {
    let (Some(width), Some(cell)) = (last, row.last()) else { return vec![row.clone()] };
    let parts = wrapped(cell, width).into_iter().enumerate();
    let row = parts.map(|(place, part)| {
        let mut own = if place == 0 { row.clone() } else { [const { String::new() }; N] };
        if let Some(last) = own.last_mut() {
            *last = part;
        }
        own
    });
    row.collect()
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn a_last_cell_that_is_too_wide_goes_on_below_itself() {
        let row = ["a".to_owned(), "one two".to_owned()];
        assert_eq!(folded(&row, None).concat(), row);
        let below = [["a", "one"], ["", "two"]].map(|row| row.map(str::to_owned));
        assert_eq!(folded(&row, Some(4)), below);
    }
}
