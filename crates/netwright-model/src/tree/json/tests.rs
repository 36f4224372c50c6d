use super::{parse, parse_last_wins};
use crate::source::{FileId, Sources};
use crate::tree::{Kind, Limits, Node};

fn read(text: &str) -> Result<Node, String> {
    let mut sources = Sources::default();
    let file = sources.add("t.json", text);
    parse(text, file, &Limits::default()).map_err(|error| {
        let place = sources.location(error.span).expect("an error has a place");
        let help = error.help.map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}:{} {}{help}", place.line, place.column, error.message)
    })
}

#[test]
fn places_are_octets_of_the_file() {
    for text in ["{\"é\": [true]}", "\u{feff}{\"é\": [true]}"] {
        let node = read(text).expect("is JSON");
        let (key, value) = &node.entries()[0];
        let at = |span: crate::source::Span| &text[span.start as usize..span.end as usize];
        assert_eq!(
            (at(key.span), at(value.span), at(value.items()[0].span)),
            ("\"é\"", "[true]", "true")
        );
    }
}

#[test]
fn a_pair_of_surrogates_is_one_character_and_a_lone_one_is_none() {
    let text = |json: &str| read(json).expect("is JSON").as_str().map(str::to_owned);
    assert_eq!(text(r#""\ud83d\ude00""#).as_deref(), Some("😀"));
    assert_eq!(text(r#""\ud83d\u0041""#).as_deref(), Some("\u{fffd}A"));
    assert_eq!(text(r#""\ude00\ud83d""#).as_deref(), Some("\u{fffd}\u{fffd}"));
    assert_eq!(text(r#""\ud83d""#).as_deref(), Some("\u{fffd}"));
}

#[test]
fn numbers_keep_what_was_written() {
    for number in ["12345678901234567890123", "-0", "1.50", "1E400"] {
        assert_eq!(read(number).expect("is JSON").kind, Kind::Number(number.into()));
    }
}

#[test]
fn an_error_names_what_was_expected_at_its_place() {
    let cases = [
        (
            "{\"a\": 1",
            "1:8 expected `,` or `}`, but the file ends here (the file may have been cut off)",
        ),
        ("[\"a", "1:2 this text does not end (the file may have been cut off)"),
        ("[1,\n]", "2:1 expected a JSON value, found `]` (leave out the comma before it)"),
        (
            "{\"a\": 1,}",
            "1:9 expected a key in double quotes, found `}` (leave out the comma before it)",
        ),
        (
            "{'a': 1}",
            "1:2 expected a key in double quotes, found `'` (JSON takes double quotes only)",
        ),
        ("// x\n{}", "1:1 expected a JSON value, found `/` (JSON has no comments)"),
        ("[NaN]", "1:2 expected a JSON value, found `N` (JSON has no NaN and no infinity)"),
        ("01", "1:1 a number does not start with 0"),
        ("\"\\x\"", "1:2 an unknown escape"),
        ("\"a\tb\"", "1:3 a control character in a text"),
        ("", "1:1 expected a JSON value, but the file ends here (the file may have been cut off)"),
        (
            "{}\n{}",
            "2:1 something follows the end of the JSON value (a file holds one value; put several into a list, or into several files)",
        ),
        ("{\"a\": 1, \"a\": 2}", "1:10 `a` is given twice (keep one of the two)"),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), Err(expected.to_owned()), "{text:?}");
    }
}

#[test]
fn nesting_has_a_limit() {
    let error = read(&"[".repeat(1_000_000)).expect_err("is too deep");
    assert!(error.contains("nested more than 128 levels deep"), "{error}");
    assert!(read(&format!("{}{}", "[".repeat(128), "]".repeat(128))).is_ok());
}

#[test]
fn a_repeated_key_may_stand_where_that_is_asked_for_and_nothing_contradicts() {
    let text = r#"{"a": {"x": 1}, "b": 2, "a": {"x": 3}, "b": 2}"#;
    assert!(parse(text, FileId::default(), &Limits::default()).is_err());
    let (node, told) =
        parse_last_wins(text, FileId::default(), &Limits::default()).expect("is JSON");
    assert_eq!(node.entries().len(), 2);
    let inner = node.get("a").and_then(|a| a.get("x"));
    assert_eq!(inner.and_then(Node::as_text), Some("3"), "the last counts");
    assert_eq!(told.len(), 2);
    let contradiction = r#"{"a": 1, "a": 3}"#;
    assert!(parse_last_wins(contradiction, FileId::default(), &Limits::default()).is_err());
}
