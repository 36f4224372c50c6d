//! Text broken into lines for a terminal.

/// Lines of at most so many columns, broken between words where that goes, else after a hyphen between two letters, and else within a word.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        } else if used > 0 {
            push(&mut lines, " ");
            used += 1;
        }
        for part in parts(word) {
            if used > 0 && used + part.chars().count() > width {
                lines.push(String::new());
                used = 0;
            }
            let mut rest = part;
            while rest.chars().count() > width {
                let at = rest.char_indices().nth(width).map_or(rest.len(), |(at, _)| at);
                let (now, later) = rest.split_at(at);
                push(&mut lines, now);
                lines.push(String::new());
                rest = later;
            }
            push(&mut lines, rest);
            used += rest.chars().count();
        }
    }
    lines
}

/// What a word can be broken into.
pub(crate) fn parts(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let letter = |own: Option<char>| own.is_some_and(char::is_alphabetic);
        let breaks = |at: &usize| {
            letter(rest[..*at].chars().next_back()) && letter(rest[at + 1..].chars().next())
        };
        let end = rest.match_indices('-').map(|(at, _)| at).find(breaks);
        let (part, more) = rest.split_at(end.map_or(rest.len(), |at| at + 1));
        rest = more;
        Some(part)
    })
}

fn push(lines: &mut [String], text: &str) {
    if let Some(last) = lines.last_mut() {
        last.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_are_broken_between_words_and_long_words_within() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one two", 7), ["one two"]);
        assert_eq!(wrapped("a abcdefgh b", 4), ["a", "abcd", "efgh", "b"]);
        assert_eq!(wrapped("ärgerlich", 3), ["ärg", "erl", "ich"]);
        assert_eq!(wrapped("", 3), [""]);
        assert_eq!(wrapped("is initiation-only", 12), ["is", "initiation-", "only"]);
        assert_eq!(wrapped("one-way-there", 8), ["one-way-", "there"]);
        assert_eq!(wrapped("a --limit 3-4", 4), ["a", "--li", "mit", "3-4"]);
    }
}
