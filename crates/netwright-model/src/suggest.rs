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

/// The field that was probably meant: the nearest, otherwise the longest that the word begins or ends with, as `cidr_block`
/// does with `cidr`.
#[must_use]
pub fn nearest_field<'a>(
    word: &str,
    fields: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let parts = fields.clone().filter(|field| is_part(word, field));
    nearest(word, fields).or_else(|| parts.max_by_key(|field| field.len()))
}

/// Whether a word begins or ends with another, at a boundary between parts: `_`, `-`, or a capital after a small letter.
fn is_part(word: &str, part: &str) -> bool {
    let mut snake = String::new();
    let mut after_small = false;
    for c in word.chars() {
        if after_small && c.is_ascii_uppercase() {
            snake.push('_');
        }
        after_small = c.is_ascii_lowercase() || c.is_ascii_digit();
        snake.push(if c == '-' { '_' } else { c.to_ascii_lowercase() });
    }
    part.len() > 2
        && (snake.strip_prefix(part).is_some_and(|rest| rest.starts_with('_'))
            || snake.strip_suffix(part).is_some_and(|rest| rest.ends_with('_')))
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
    use super::{nearest, nearest_field};

    #[test]
    fn a_swapped_letter_is_recognised() {
        assert_eq!(nearest("subent", ["subnet", "vpc"].into_iter()), Some("subnet"));
    }

    #[test]
    fn camel_and_kebab_case_find_snake_case() {
        assert_eq!(nearest("route-table", ["route_table"].into_iter()), Some("route_table"));
    }

    #[test]
    fn a_longer_word_finds_the_part_that_is_known() {
        let known = ["cidr", "zone", "subnet"];
        assert_eq!(nearest_field("cidr_block", known.into_iter()), Some("cidr"));
        assert_eq!(nearest_field("availabilityZone", known.into_iter()), Some("zone"));
        assert_eq!(nearest_field("subnetwork", ["net"].into_iter()), None);
    }

    #[test]
    fn something_else_entirely_is_not_suggested() {
        assert_eq!(nearest("banana", ["subnet", "vpc"].into_iter()), None);
    }
}
