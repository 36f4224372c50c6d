//! The nearest known word to a mistyped one.

/// The known word with the least edit distance, when it is near enough to be meant: at most a third of the word's length away.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(1);
    known
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= most + 2)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words, without regard to case and to `-` against `_`.
fn distance(a: &str, b: &str) -> usize {
    let fold = |text: &str| -> Vec<char> {
        text.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
    };
    let (a, b) = (fold(a), fold(b));
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j + 1] + 1).min(row[j] + 1).min(last[j] + usize::from(x != y));
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_swapped_letter_is_recognised() {
        assert_eq!(nearest("subent", ["subnet", "vpc"].into_iter()), Some("subnet"));
    }

    #[test]
    fn camel_and_kebab_case_find_snake_case() {
        assert_eq!(nearest("route-table", ["route_table"].into_iter()), Some("route_table"));
    }

    #[test]
    fn something_else_entirely_is_not_suggested() {
        assert_eq!(nearest("banana", ["subnet", "vpc"].into_iter()), None);
    }
}
