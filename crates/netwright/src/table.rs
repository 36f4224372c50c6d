//! Columns of text.

use crate::console::{Console, Style};

/// Columns as wide as what they hold; the last is not filled up.
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
    console.line(&line(&head.map(str::to_owned)));
    for (at, row) in rows.iter().enumerate() {
        let text = line(row);
        let text = match style(at) {
            Some(style) => console.styled(style, &text),
            None => text,
        };
        console.line(&text);
    }
}
