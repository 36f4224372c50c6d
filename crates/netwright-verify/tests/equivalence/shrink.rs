//! Makes a failing network as small as it gets: takes lines away, then parts of lines, as long as it still fails.

/// The smallest text that still fails.
pub(crate) fn shrink(text: &str, still_fails: impl Fn(&str) -> bool) -> String {
    let mut text = text.to_owned();
    loop {
        let before = text.len();
        text = without_lines(&text, &still_fails);
        text = without_parts(&text, &still_fails);
        if text.len() == before {
            return text;
        }
    }
}

fn without_lines(text: &str, still_fails: impl Fn(&str) -> bool) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for size in [8, 4, 2, 1] {
        let mut at = lines.len();
        while at > 0 {
            at = at.saturating_sub(1);
            let end = (at + size).min(lines.len());
            let mut fewer = lines.clone();
            fewer.drain(at..end);
            if still_fails(&fewer.join("\n")) {
                lines = fewer;
            }
        }
    }
    lines.join("\n")
}

/// Takes away what stands between a comma and the next one, or the end of its bracket.
fn without_parts(text: &str, still_fails: impl Fn(&str) -> bool) -> String {
    let mut text = text.to_owned();
    let mut from = text.len();
    while let Some(at) = text[..from].rfind([',', '{', '[']) {
        from = at;
        let opens = !text[at..].starts_with(',');
        let start = if opens { at + 1 } else { at };
        let Some(end) = end_of_part(&text[at + 1..]).map(|length| at + 1 + length) else {
            continue;
        };
        let end = if opens && text[end..].starts_with(',') { end + 1 } else { end };
        let fewer = format!("{}{}", &text[..start], &text[end..]);
        if fewer.len() < text.len() && still_fails(&fewer) {
            text = fewer;
        }
    }
    text
}

fn end_of_part(rest: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, character) in rest.char_indices() {
        match character {
            '{' | '[' => depth += 1,
            '}' | ']' if depth == 0 => return Some(at),
            '}' | ']' => depth -= 1,
            ',' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}
