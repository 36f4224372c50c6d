#![expect(unreachable_pub, reason = "the macro declares objects of the language, which are public")]

use super::{Decode, Decoder, Entries, from_text};
use crate::source::{FileId, Span, Spanned};
use crate::tree::{Limits, yaml};

crate::object! {
    /// A thing.
    pub struct Thing {
        /// How many.
        pub count: Spanned<u16>,
        /// Names of it.
        pub names ("name"): Vec<Spanned<String>>,
        /// How much.
        pub share: Option<u8>,
    }
}

/// What decoding says: `message (help)` of each error.
fn errors<T: Decode>(text: &str) -> Vec<String> {
    let root = yaml::parse(text, FileId(0), &Limits::default()).expect("is YAML");
    let mut cx = Decoder::default();
    let _value = T::decode(&root, &mut cx);
    let told = cx.finish().into_iter();
    told.map(|error| format!("{} ({})", error.message, error.help.unwrap_or_default())).collect()
}

#[test]
fn errors_come_in_the_order_of_the_file() {
    let told = errors::<Thing>("share: x\nnmae: a\ncount: -1\n");
    let starts = [
        "expected a whole number from 0 to 255",
        "Thing has no field `nmae`",
        "expected a whole number",
    ];
    assert!(told.iter().zip(starts).all(|(error, start)| error.starts_with(start)), "{told:?}");
    assert_eq!(told.len(), 3);
}

#[test]
fn an_unknown_field_finds_other_spellings() {
    let told = errors::<Thing>("count: 1\nnmae: a\nCount: 2\nthing_count: 3\n");
    assert!(told[0].contains("did you mean `name`?"), "{told:?}");
    assert!(told[1].contains("did you mean `count`?"), "{told:?}");
    assert!(told[2].contains("did you mean `count`?"), "{told:?}");
}

#[test]
fn a_field_given_twice_under_two_spellings_is_an_error() {
    assert_eq!(
        errors::<Thing>("count: 1\nname: a\nnames: [b]\n"),
        ["`names` is given twice, here as `names` (keep one of the two)"]
    );
}

#[test]
fn a_missing_field_says_what_it_takes() {
    assert_eq!(
        errors::<Thing>("name: a\n"),
        ["this Thing needs the field `count`: a whole number from 0 to 65535 ()"]
    );
}

#[test]
fn one_value_where_a_list_is_expected_is_a_list_of_one() {
    let thing: Thing = from_text("count: 1\nname: a\n").expect("decodes");
    assert_eq!(thing.names, [Spanned::bare("a".to_owned())]);
}

#[test]
fn a_number_that_is_none_says_why() {
    let cases = [
        ("count: 70000", "found the number 70000 ()"),
        ("count: 1.5", "found the number 1.5 ()"),
        ("count: '5'", "found `5` (a number has no quotes: write 5)"),
        ("count: 10m", "found `10m` (it is given without a unit: leave out `m`)"),
        ("count: many", "found `many` ()"),
    ];
    for (text, expected) in cases {
        assert!(errors::<Thing>(text)[0].ends_with(expected), "{:?}", errors::<Thing>(text));
    }
}

#[test]
fn words_for_yes_and_no_are_corrected() {
    assert!(errors::<bool>("yes")[0].contains("write `true`"));
    assert!(errors::<bool>("off")[0].contains("write `false`"));
}

#[test]
fn errors_beyond_the_most_are_counted_not_forgotten() {
    let many = "- x\n".repeat(1000);
    let told = errors::<Vec<u16>>(&many);
    assert_eq!(told.len(), 201);
    assert!(told[200].contains("800 more errors"), "{}", told[200]);
}

#[test]
fn a_name_with_nothing_after_it_is_an_object_where_nothing_is_required() {
    assert!(from_text::<Entries<Empty>>("a:\nb: {}\n").is_some_and(|entries| entries.len() == 2));
    assert!(errors::<Entries<Thing>>("a:\n")[0].contains("needs the field `count`"));
}

crate::object! {
    /// Nothing need be said of it.
    pub struct Empty {
        /// A note.
        pub note: Option<String>,
    }
}

#[test]
fn data_that_ships_with_the_program_has_no_place_in_a_user_s_file() {
    let mut sources = crate::source::Sources::default();
    let file = sources.add("user.yaml", "x\n");
    assert_eq!(file, FileId(0));
    let thing: Thing = from_text("count: 1\n").expect("decodes");
    assert_eq!(sources.location(thing.count.span), None);
    assert!(Span::NONE.file == thing.span.file);
}
