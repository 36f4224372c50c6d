//! The DOT language of Graphviz: quoting.

/// A quoted identifier or label.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_stays_inside_its_quotes() {
        assert_eq!(super::quote("a\"]; b\\"), "\"a\\\"]; b\\\\\"");
    }
}
