use super::{Sources, Span, Spanned};

fn place(text: &str, at: usize) -> (usize, usize, String) {
    let mut sources = Sources::default();
    let file = sources.add("net.yaml", text);
    let place = sources.location(Span::new(file, at, at + 1)).expect("the file is known");
    (place.line, place.column, place.text.to_owned())
}

#[test]
fn lines_and_columns_count_from_one() {
    assert_eq!(place("ab\ncd", 0), (1, 1, "ab".into()));
    assert_eq!(place("ab\ncd", 4), (2, 2, "cd".into()));
}

#[test]
fn columns_count_characters_not_octets() {
    assert_eq!(place("né: x", 5), (1, 5, "né: x".into()));
}

#[test]
fn a_byte_order_mark_is_no_column() {
    assert_eq!(place("\u{feff}a: 1", 3), (1, 1, "a: 1".into()));
}

#[test]
fn the_carriage_return_is_no_part_of_the_line() {
    assert_eq!(place("a\r\nb\r\n", 3), (2, 1, "b".into()));
}

#[test]
fn the_end_of_a_file_is_a_place() {
    assert_eq!(place("a\n", 2), (2, 1, String::new()));
}

#[test]
fn what_is_not_from_a_file_has_no_place() {
    assert_eq!(Sources::default().location(Span::NONE), None);
    assert!(!Span::NONE.is_some());
}

#[test]
fn where_a_value_was_written_is_no_part_of_it() {
    let written = Spanned::new(1, Span { start: 3, ..Span::NONE });
    assert_eq!(written, Spanned::bare(1));
}
