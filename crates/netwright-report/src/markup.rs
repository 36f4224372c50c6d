//! Writing HTML and SVG that is always balanced and escaped: an element is a call, and its content is written inside it.

use std::fmt::{Display, Write};

use unicode_width::UnicodeWidthChar;

/// An attribute's name and value.
pub(crate) type Attribute<'a> = (&'static str, &'a dyn Display);

/// A page that is being written. What comes out is well formed as HTML and as XML.
#[derive(Debug, Default)]
pub(crate) struct Markup {
    out: String,
}

impl Markup {
    /// A page of HTML begins.
    pub(crate) fn document() -> Self {
        Self { out: "<!DOCTYPE html>\n".to_owned() }
    }

    /// An element with content.
    pub(crate) fn tag(
        &mut self,
        name: &'static str,
        attributes: &[Attribute<'_>],
        inside: impl FnOnce(&mut Self),
    ) {
        self.open(name, attributes);
        self.out.push('>');
        inside(self);
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// An element with nothing but text in it.
    pub(crate) fn leaf(
        &mut self,
        name: &'static str,
        attributes: &[Attribute<'_>],
        text: impl Display,
    ) {
        self.tag(name, attributes, |inside| inside.text(text));
    }

    /// An element without content.
    pub(crate) fn void(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.open(name, attributes);
        self.out.push_str("/>");
    }

    fn open(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.out.push('<');
        self.out.push_str(name);
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            self.text(value);
            self.out.push('"');
        }
    }

    /// Text, escaped.
    pub(crate) fn text(&mut self, text: impl Display) {
        // Writing to a string cannot fail.
        let _written = write!(Escaped(&mut self.out), "{text}");
    }

    /// Text that is part of the program, such as a style sheet, as it is.
    pub(crate) fn ours(&mut self, text: &'static str) {
        self.out.push_str(text);
    }

    /// A line's end, for those who read the source.
    pub(crate) fn line(&mut self) {
        self.out.push('\n');
    }

    /// What was written.
    pub(crate) fn finish(self) -> String {
        self.out
    }
}

struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(character),
                other => self.0.push(visible(other)),
            }
        }
        Ok(())
    }
}

/// The character itself, or a mark where it would not be seen or would turn the text around it.
pub(crate) fn visible(character: char) -> char {
    match character {
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        control if control.is_control() => '\u{fffd}',
        other => other,
    }
}

/// At most so many columns of a text, with an ellipsis where something was left out.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    // Marks without a width of their own count too, or a text of nothing else would have no end.
    let width = |character: char| character.width().unwrap_or(1).max(1);
    if text.chars().map(width).sum::<usize>() <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let mut kept = String::new();
    for character in text.chars() {
        let Some(rest) = left.checked_sub(width(character)) else { break };
        left = rest;
        kept.push(character);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::{Markup, cut};

    #[test]
    fn whatever_is_written_stays_text() {
        let mut page = Markup::default();
        page.leaf("p", &[("title", &"\"><script>")], "</p>&\u{0}\u{202e}'");
        assert_eq!(
            page.finish(),
            "<p title=\"&quot;&gt;&lt;script&gt;\">&lt;/p&gt;&amp;\u{fffd}\u{fffd}&#39;</p>"
        );
    }

    #[test]
    fn a_long_text_is_cut_by_columns() {
        assert_eq!(cut("gateway", 7), "gateway");
        assert_eq!(cut("gateway", 6), "gatew…");
        assert_eq!(cut("数据库", 5), "数据…");
        assert_eq!(cut("数据库", 4), "数…");
    }
}
