use super::{parse, read};
use crate::source::Sources;
use crate::tree::{Kind, Limits, Node};

fn root(text: &str) -> Node {
    let mut sources = Sources::default();
    let file = sources.add("t.yaml", text);
    parse(text, file, &Limits::default()).unwrap_or_else(|error| {
        panic!("{}", error.render(&sources, false));
    })
}

/// The first error: `line:column message`.
fn error(text: &str) -> String {
    let mut sources = Sources::default();
    let file = sources.add("t.yaml", text);
    match parse(text, file, &Limits::default()) {
        Ok(node) => format!("read as {node:?}"),
        Err(error) => {
            let place = sources.location(error.span).expect("an error has a place");
            format!("{}:{} {}", place.line, place.column, error.message)
        }
    }
}

#[test]
fn scalars_follow_the_core_schema() {
    let kinds = [
        ("no", Kind::String("no".into())),
        ("true", Kind::Bool(true)),
        ("~", Kind::Null),
        ("015", Kind::Number("015".into())),
        ("1e3", Kind::Number("1e3".into())),
        ("80-90", Kind::String("80-90".into())),
        ("10.0.0.0/8", Kind::String("10.0.0.0/8".into())),
        ("2026-01-01", Kind::String("2026-01-01".into())),
        ("12:30", Kind::String("12:30".into())),
        ("0x1f", Kind::String("0x1f".into())),
        ("'8'", Kind::String("8".into())),
        ("!!str 8", Kind::String("8".into())),
        ("! 8", Kind::String("8".into())),
        ("!!int '8'", Kind::Number("8".into())),
    ];
    for (text, kind) in kinds {
        assert_eq!(root(&format!("a: {text}\n")).get("a").expect("a").kind, kind, "{text}");
    }
}

#[test]
fn places_are_octets_of_the_file() {
    for text in ["a: x\n", "\u{feff}a: x\n", "# é名\na: x\n", "\u{feff}# é\n? a\n: x\n"] {
        let node = root(text);
        let (key, value) = &node.entries()[0];
        let at = |span: crate::source::Span| &text[span.start as usize..span.end as usize];
        assert_eq!((at(key.span), at(value.span)), ("a", "x"), "{text:?}");
    }
}

#[test]
fn aliases_and_merges_stand_for_what_they_name() {
    let node =
        root("a: &a { x: 1, y: 2 }\nb: { <<: *a, y: 3 }\nc: *a\nd: { <<: [{ x: 5 }, *a] }\n");
    let text = |path: [&str; 2]| node.get(path[0])?.get(path[1])?.as_text();
    assert_eq!((text(["b", "x"]), text(["b", "y"])), (Some("1"), Some("3")));
    assert_eq!(text(["c", "y"]), Some("2"));
    assert_eq!((text(["d", "x"]), text(["d", "y"])), (Some("5"), Some("2")));
}

#[test]
fn all_that_leaves_the_tree_whole_is_told_at_once() {
    let text = "a: 1\na: 2\nb: !Ref x\nc: { <<: 5 }\nd: &d [*d]\n";
    let mut sources = Sources::default();
    let file = sources.add("t.yaml", text);
    let (node, errors) = read(text, file, &Limits::default());
    let lines: Vec<_> =
        errors.iter().filter_map(|error| Some(sources.location(error.span)?.line)).collect();
    assert_eq!(lines, [3, 4, 5, 2], "{errors:?}");
    let node = node.expect("the tree is whole");
    assert_eq!(node.entries().len(), 4);
    assert_eq!(node.get("a").and_then(Node::as_text), Some("1"), "the first of two stays");
}

#[test]
fn a_syntax_error_names_the_cause_at_its_place() {
    let cases = [
        ("a:\n\tb: 1\n", "2:1 a tab indents this line"),
        ("a:\n  b: 1\n\tc: 1\n", "3:1 a tab indents this line"),
        ("a:\tb\n", "1:4 a tab separates what a space must"),
        ("a: \"x", "1:4 this text in quotes does not end: a closing `\"` is missing"),
        ("a: 'x\nb: 1\n", "1:4 this text in quotes goes on in a line that is not indented"),
        ("a: [1, 2", "1:9 the file ends inside a list or map"),
        ("a: { b: 1\n", "1:10 the file ends inside a list or map"),
        ("a: 1\n  b: 2\n", "2:4 a key here has no map to belong to"),
        (
            "a:\n    b: 1\n  c: 2\n",
            "3:3 the indentation of this line fits none of the lines before",
        ),
        ("a: 1\nb\nc: 2\n", "2:1 this line has no `: `"),
        ("a: b: c\n", "1:5 a second `: ` in one line"),
        ("a:1\nb: 2\n", "1:2 no space after this `:`"),
        ("a: 1\n---\nb: 2\n", "2:1 a second document starts here"),
        ("a: *.example.com\n", "1:4 `*.example.com` refers to an anchor that was not given before"),
        ("a: @x\n", "1:4 a text cannot start with `@`"),
        ("a: {{ x }}\n", "1:9 a key must be a text, not a list or map"),
        ("a: !Ref x\n", "1:4 the tag `!Ref` has no meaning here"),
        ("a: 1\nb: 2\0\nc: 3\n", "2:5 this octet is 0, which no text holds"),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), expected, "{text:?}");
    }
}

#[test]
fn an_error_inside_brackets_shows_where_they_opened() {
    let mut sources = Sources::default();
    let text = "a: 1\nb: [1, 2\nc: 3\n";
    let file = sources.add("t.yaml", text);
    let error = parse(text, file, &Limits::default()).expect_err("is not YAML");
    assert_eq!(error.notes.len(), 1);
    assert_eq!(
        sources.location(error.notes[0].0).map(|place| (place.line, place.column)),
        Some((2, 4))
    );
}

#[test]
fn an_empty_file_is_nothing() {
    for text in ["", "\n", "# only a comment\n", "\u{feff}"] {
        assert_eq!(root(text).kind, Kind::Null, "{text:?}");
    }
}

#[test]
fn nesting_has_a_limit_however_it_is_written() {
    let brackets = "[".repeat(200);
    let dashes = "- ".repeat(200_000);
    let aliases: String = (1..40).fold("a0: &a0 [x]\n".to_owned(), |text, i| {
        let (open, close) = ("[".repeat(20), "]".repeat(20));
        format!("{text}a{i}: &a{i} {open}*a{}{close}\n", i - 1)
    });
    for text in [brackets, dashes, aliases] {
        assert!(error(&text).contains("nested more than 128 levels deep"), "{}", error(&text));
    }
}

#[test]
fn aliases_cannot_stand_for_more_than_the_limits() {
    let billion: String = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, i| {
        let list = vec![format!("*a{}", i - 1); 10].join(", ");
        format!("{text}a{i}: &a{i} [{list}]\n")
    });
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(2000));
    let nested = format!("{}{}{}", "&a [".repeat(100), "1, ".repeat(100_000), "]".repeat(100));
    for text in [billion, long, nested] {
        let message = error(&text);
        assert!(message.contains("more than") && message.contains("alias"), "{message}");
    }
}

#[test]
fn the_number_of_values_has_a_limit() {
    let limits = Limits { nodes: 10, ..Limits::default() };
    let (node, errors) = read(&"- 1\n".repeat(11), Sources::default().add("t", ""), &limits);
    assert!(node.is_none() && errors[0].message.contains("more than 10 values"), "{errors:?}");
}
