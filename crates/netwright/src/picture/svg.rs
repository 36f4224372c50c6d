//! Shapes and texts of an SVG 1.1 document, in the order in which they are added.

use std::fmt::Write as _;

/// Width of a character of the monospaced font at size 1: sure to hold in every font that a viewer may take instead.
const ADVANCE: f64 = 0.61;

/// Colours by what they say. Each also has a sign or a line of its own, for people who do not tell the colours apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Dim,
    Good,
    Bad,
    Doubt,
}

impl Tone {
    /// The class of shapes and texts.
    fn class(self) -> &'static str {
        match self {
            Self::Plain => "p",
            Self::Dim => "d",
            Self::Good => "g",
            Self::Bad => "b",
            Self::Doubt => "u",
        }
    }
}

/// A document in the making.
#[derive(Debug, Default)]
pub(super) struct Svg {
    body: String,
    width: f64,
    height: f64,
}

/// How wide a text is at a size.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let columns = unicode_width::UnicodeWidthStr::width(text);
    #[expect(clippy::cast_precision_loss, reason = "texts of a picture are short")]
    let columns = columns as f64;
    columns * size * ADVANCE
}

/// Text for XML: special characters escaped, control characters shown as a sign.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A text that is no longer than so many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let start: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{start}…")
}

impl Svg {
    fn grow(&mut self, x: f64, y: f64) {
        self.width = self.width.max(x);
        self.height = self.height.max(y);
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        self.body.write_fmt(element).ok();
        self.body.push('\n');
    }

    /// A box.
    pub(super) fn rect(&mut self, (x, y): (f64, f64), (w, h): (f64, f64), tone: Tone) {
        self.grow(x + w, y + h);
        let class = tone.class();
        self.add(format_args!(
            r#"<rect class="s{class}" x="{x:.1}" y="{y:.1}" width="{w:.1}" height="{h:.1}" rx="5"/>"#
        ));
    }

    /// A cell of a table with a note that shows when it is pointed at.
    pub(super) fn cell(&mut self, (x, y): (f64, f64), (w, h): (f64, f64), tone: Tone, note: &str) {
        self.grow(x + w, y + h);
        let (class, note) = (tone.class(), escape(note));
        self.add(format_args!(
            r#"<rect class="f{class}" x="{x:.1}" y="{y:.1}" width="{w:.1}" height="{h:.1}"><title>{note}</title></rect>"#
        ));
    }

    /// A text from a point on, on its base line.
    pub(super) fn text(&mut self, (x, y): (f64, f64), size: f64, tone: Tone, text: &str) {
        self.grow(x + width(text, size), y + size / 2.0);
        self.words((x, y), size, tone, "", text);
    }

    /// The same in bold.
    pub(super) fn strong(&mut self, (x, y): (f64, f64), size: f64, tone: Tone, text: &str) {
        self.grow(x + width(text, size), y + size / 2.0);
        self.words((x, y), size, tone, r#" font-weight="700""#, text);
    }

    /// A text in the middle of a point.
    pub(super) fn middle(&mut self, (x, y): (f64, f64), size: f64, tone: Tone, text: &str) {
        self.words((x, y), size, tone, r#" text-anchor="middle""#, text);
    }

    /// A text that ends at a point.
    pub(super) fn end(&mut self, (x, y): (f64, f64), size: f64, tone: Tone, text: &str) {
        self.words((x, y), size, tone, r#" text-anchor="end""#, text);
    }

    /// A text that rises from a point to the upper right.
    pub(super) fn rising(&mut self, (x, y): (f64, f64), size: f64, tone: Tone, text: &str) {
        self.grow(x + width(text, size) * 0.71 + size, y);
        let turn = format!(r#" transform="rotate(-45 {x:.1} {y:.1})""#);
        self.words((x, y), size, tone, &turn, text);
    }

    fn words(&mut self, (x, y): (f64, f64), size: f64, tone: Tone, more: &str, text: &str) {
        let (class, text) = (tone.class(), escape(text));
        self.add(format_args!(
            r#"<text class="t{class}" x="{x:.1}" y="{y:.1}" font-size="{size:.0}"{more}>{text}</text>"#
        ));
    }

    /// A line with an arrow at its end.
    pub(super) fn arrow(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), tone: Tone) {
        self.grow(x1.max(x2), y1.max(y2));
        let class = tone.class();
        self.add(format_args!(
            r#"<line class="l{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" marker-end="url(#a{class})"/>"#
        ));
    }

    /// The document, with a title and a description for people who do not see it.
    pub(super) fn finish(self, title: &str, description: &str) -> String {
        let (w, h) = (self.width + 16.0, self.height + 16.0);
        let markers: String = ["p", "d", "g", "b", "u"]
            .iter()
            .map(|class| {
                format!(
                    r#"<marker id="a{class}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="m{class}" d="M0 0L8 4L0 8z"/></marker>"#
                )
            })
            .collect();
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {w:.0} {h:.0}\" width=\"{w:.0}\" height=\"{h:.0}\">\n<title>{}</title>\n<desc>{}</desc>\n<style>{STYLE}</style>\n<defs>{markers}</defs>\n<rect class=\"bg\" width=\"{w:.0}\" height=\"{h:.0}\"/>\n{}</svg>\n",
            escape(title),
            escape(description),
            self.body
        )
    }
}

/// Both for light and for dark surroundings.
const STYLE: &str = "\
text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}\
.bg{fill:#fff}\
.tp{fill:#1f2328}.td{fill:#656d76}.tg{fill:#116329}.tb{fill:#a40e26}.tu{fill:#7d4e00}\
.sp,.sd,.sg{fill:#f6f8fa;stroke:#8c959f}.sb{fill:#ffebe9;stroke:#a40e26;stroke-width:2}\
.su{fill:#fff8c5;stroke:#7d4e00;stroke-dasharray:5 3}\
.fp,.fd{fill:#f6f8fa}.fg{fill:#aceebb}.fb{fill:#ffcecb}.fu{fill:#fae17d}\
.lp,.ld,.lg{stroke:#656d76;stroke-width:1.5}.lb{stroke:#a40e26;stroke-width:2}\
.lu{stroke:#7d4e00;stroke-width:1.5;stroke-dasharray:5 3}\
.mp,.md,.mg{fill:#656d76}.mb{fill:#a40e26}.mu{fill:#7d4e00}\
@media (prefers-color-scheme:dark){.bg{fill:#0d1117}\
.tp{fill:#e6edf3}.td{fill:#8d96a0}.tg{fill:#56d364}.tb{fill:#ff9492}.tu{fill:#e3b341}\
.sp,.sd,.sg{fill:#161b22;stroke:#6e7681}.sb{fill:#3c0d12;stroke:#ff9492}.su{fill:#332700;stroke:#e3b341}\
.fp,.fd{fill:#161b22}.fg{fill:#0f5323}.fb{fill:#67060c}.fu{fill:#5c3c00}\
.lp,.ld,.lg{stroke:#8d96a0}.lb{stroke:#ff9492}.lu{stroke:#e3b341}\
.mp,.md,.mg{fill:#8d96a0}.mb{fill:#ff9492}.mu{fill:#e3b341}}";

#[cfg(test)]
mod tests {
    use super::{Svg, Tone, cut, escape};

    #[test]
    fn names_cannot_leave_their_text() {
        assert_eq!(escape("<script>&\"'\u{1b}"), "&lt;script&gt;&amp;&quot;&apos;\u{fffd}");
        let mut svg = Svg::default();
        svg.text((1.0, 1.0), 12.0, Tone::Plain, "</text><script>alert(1)</script>");
        let out = svg.finish("<a>", "]]>");
        assert!(!out.contains("<script>") && !out.contains("<a>"), "{out}");
    }

    #[test]
    fn a_long_name_is_cut_with_a_sign() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
    }
}
