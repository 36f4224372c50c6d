use super::{Diagnostic, Severity};
use crate::source::{Sources, Span};

/// An error at the first occurrence of a part of a text.
fn render(text: &str, part: &str) -> String {
    let mut sources = Sources::default();
    let file = sources.add("net.yaml", text);
    let start = text.find(part).expect("the text holds the part");
    let span = Span::new(file, start, start + part.len());
    Diagnostic::error("NW-IN-001", span, "wrong").with_label("here").render(&sources, false)
}

/// The two lines that show the place.
fn excerpt(text: &str, part: &str) -> (String, String) {
    let rendered = render(text, part);
    let mut lines = rendered.lines().skip(3).map(str::to_owned);
    (lines.next().unwrap_or_default(), lines.next().unwrap_or_default())
}

#[test]
fn the_place_is_named_and_marked() {
    assert_eq!(
        render("vpcs:\n  prod: { cidr: 10 }\n", "cidr"),
        "error[NW-IN-001]: wrong\n  --> net.yaml:2:11\n   |\n 2 |   prod: { cidr: 10 }\n   |           ^^^^ here\n"
    );
}

#[test]
fn wide_characters_take_two_columns() {
    assert_eq!(
        excerpt("名前: bad", "bad"),
        (" 1 | 名前: bad".into(), "   |       ^^^ here".into())
    );
}

#[test]
fn a_tab_is_shown_as_one_space() {
    assert_eq!(excerpt("\tbad", "bad"), (" 1 |  bad".into(), "   |  ^^^ here".into()));
}

#[test]
fn a_long_line_is_cut_on_both_sides() {
    let text = format!("{}bad{}", "x".repeat(5000), "y".repeat(5000));
    let (line, carets) = excerpt(&text, "bad");
    assert!(line.chars().count() < 120, "{line}");
    assert!(line.contains("…xxx") && line.ends_with("y…"), "{line}");
    assert_eq!(
        line.chars().position(|c| c == 'b'),
        carets.chars().position(|c| c == '^'),
        "{line}\n{carets}"
    );
}

#[test]
fn a_span_over_several_lines_is_marked_in_its_first() {
    assert_eq!(excerpt("a: [1,\n 2]", "[1,\n 2]").1, "   |    ^^^ here");
}

#[test]
fn a_span_past_the_end_is_marked_there() {
    let mut sources = Sources::default();
    let file = sources.add("net.yaml", "a: [");
    let error = Diagnostic::error("NW-IN-001", Span::new(file, 4, 5), "wrong");
    assert!(error.render(&sources, false).ends_with(" 1 | a: [\n   |     ^\n"));
}

#[test]
fn what_the_input_holds_does_not_reach_the_terminal_as_a_command() {
    let text = "\u{1b}[2Jbad\u{202e}";
    let mut sources = Sources::default();
    let file = sources.add("net.yaml", text);
    let error = Diagnostic::error("NW-IN-001", Span::new(file, 4, 7), format!("no `{text}`"))
        .with_help(format!("not `{text}`"))
        .with_note(Span::NONE, format!("nor `{text}`"));
    let shown = error.render(&sources, false);
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
}

#[test]
fn colour_follows_severity_and_ends() {
    let mut diagnostic = Diagnostic::warning("NW-IN-001", Span::NONE, "odd");
    assert!(diagnostic.render(&Sources::default(), true).starts_with("\u{1b}[1;33mwarning"));
    diagnostic.severity = Severity::Info;
    let shown = diagnostic.render(&Sources::default(), true);
    assert!(shown.starts_with("\u{1b}[1;36minfo") && shown.trim_end().ends_with("\u{1b}[0m"));
}

#[test]
fn json_holds_the_place_and_the_notes() {
    let mut sources = Sources::default();
    let file = sources.add("net.yaml", "a: 1\na: 2\n");
    let error = Diagnostic::error("NW-IN-003", Span::new(file, 5, 6), "`a` is given twice")
        .with_note(Span::new(file, 0, 1), "given here first");
    let json = error.to_json(&sources);
    assert_eq!((&json["line"], &json["column"]), (&2.into(), &1.into()));
    assert_eq!(json["notes"][0]["line"], 1);
}
