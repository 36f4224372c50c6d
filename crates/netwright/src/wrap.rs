//! Text broken into lines for a terminal.

/// Lines of at most so many columns, broken between words where that goes, and within a word that is longer than a line.
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
        let mut rest = word;
        while used + rest.chars().count() > width {
            let at = rest.char_indices().nth(width - used).map_or(rest.len(), |(at, _)| at);
            let (now, later) = rest.split_at(at);
            push(&mut lines, now);
            lines.push(String::new());
            (rest, used) = (later, 0);
        }
        push(&mut lines, rest);
        used += rest.chars().count();
    }
    lines
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
    }
}
