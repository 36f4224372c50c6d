//! Declares objects of the language once: the struct, reading, writing and the schema come from one declaration.

/// Declares an object. See [`crate::language`] for its use. Each field is a type that implements
/// [`Decode`](crate::decode::Decode), [`Encode`](crate::decode::Encode), [`Describe`](crate::schema::Describe) and `Default`;
/// names in parentheses are other accepted spellings.
#[macro_export]
macro_rules! object {
    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                pub $field:ident $(($($alias:literal),+))? : $type:ty
            ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Default, PartialEq, Hash)]
        pub struct $name {
            $(
                $(#[doc = $field_doc])*
                pub $field: $type,
            )*
            /// Where the object was written.
            pub span: $crate::object::Place,
        }

        impl $crate::decode::Decode for $name {
            fn expected() -> std::borrow::Cow<'static, str> {
                const {
                    match stringify!($name).as_bytes().first() {
                        Some(b'A' | b'E' | b'I' | b'O') => {
                            concat!("a map with the fields of an ", stringify!($name))
                        }
                        _ => concat!("a map with the fields of a ", stringify!($name)),
                    }
                }
                .into()
            }

            #[allow(clippy::too_many_lines, clippy::cognitive_complexity, reason = "one arm for each field")]
            fn decode(
                node: &$crate::tree::Node,
                cx: &mut $crate::decode::Decoder,
            ) -> Option<Self> {
                use $crate::decode::{Decode, Missing};
                let $crate::tree::Kind::Mapping(entries) = &node.kind else {
                    cx.expected(node, &<Self as Decode>::expected());
                    return None;
                };
                let mut whole = true;
                $( let mut $field: Option<&$crate::tree::Node> = None; )*
                for (key, value) in entries {
                    let text: &str = &key.text;
                    $(
                        if text == $crate::object::bare(stringify!($field)) $($(|| text == $alias)+)? {
                            if $field.is_some() {
                                cx.report($crate::object::given_twice(key, $crate::object::bare(stringify!($field))));
                            }
                            $field = Some(value);
                            continue;
                        }
                    )*
                    cx.unknown_field(
                        key,
                        stringify!($name),
                        &[$($crate::object::bare(stringify!($field))),*],
                        &[$($($($alias,)+)?)*],
                    );
                }
                let decoded = Self {
                    $(
                        $field: match $field {
                            Some(value) => match <$type as Decode>::decode(value, cx) {
                                Some(value) => value,
                                None => {
                                    whole = false;
                                    Default::default()
                                }
                            },
                            None => match <$type as Decode>::missing() {
                                Missing::Default(value) => value,
                                Missing::Required => {
                                    cx.report($crate::object::required(
                                        node.span,
                                        stringify!($name),
                                        $crate::object::bare(stringify!($field)),
                                        &<$type as Decode>::expected(),
                                    ));
                                    whole = false;
                                    Default::default()
                                }
                            },
                        },
                    )*
                    span: $crate::object::Place(node.span),
                };
                // An object with a wrong field is kept, so that references to it do not add errors of their own.
                let _reported = whole;
                Some(decoded)
            }

            fn missing() -> $crate::decode::Missing<Self> {
                // An object all of whose fields may be left out may be left out itself.
                $(
                    if let $crate::decode::Missing::Required =
                        <$type as $crate::decode::Decode>::missing()
                    {
                        return $crate::decode::Missing::Required;
                    }
                )*
                $crate::decode::Missing::Default(Self::default())
            }
        }

        impl $crate::decode::Encode for $name {
            fn encode(&self) -> Option<$crate::tree::Node> {
                let mut entries = Vec::new();
                $(
                    if let Some(node) = $crate::decode::Encode::encode(&self.$field) {
                        entries.push((
                            $crate::tree::Key {
                                text: $crate::object::bare(stringify!($field)).into(),
                                span: $crate::source::Span::NONE,
                            },
                            node,
                        ));
                    }
                )*
                if entries.is_empty() {
                    return None;
                }
                Some($crate::tree::Node {
                    kind: $crate::tree::Kind::Mapping(entries),
                    span: $crate::source::Span::NONE,
                })
            }
        }

        impl $crate::schema::Describe for $name {
            fn describe(schema: &mut $crate::schema::Schema) -> serde_json::Value {
                schema.object::<Self>(
                    stringify!($name),
                    concat!($($doc, "\n"),*),
                    |schema| vec![
                        $(
                            $crate::schema::FieldDoc {
                                name: $crate::object::bare(stringify!($field)),
                                aliases: &[$($($alias),+)?],
                                doc: concat!($($field_doc, "\n"),*),
                                required: matches!(
                                    <$type as $crate::decode::Decode>::missing(),
                                    $crate::decode::Missing::Required
                                ),
                                shape: <$type as $crate::schema::Describe>::describe(schema),
                                kind: <$type as $crate::decode::Decode>::expected().into_owned(),
                            },
                        )*
                    ],
                )
            }
        }
    };
}

/// Declares a closed set of words. `"a" | "b"` gives a word and other accepted spellings.
#[macro_export]
macro_rules! keyword {
    (
        $(#[doc = $doc:literal])*
        pub enum $name:ident {
            $(
                $(#[doc = $variant_doc:literal])*
                $(#[default $($default:tt)*])?
                $variant:ident = $word:literal $(| $alias:literal)*
            ),+ $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub enum $name {
            $(
                $(#[doc = $variant_doc])*
                $(#[default $($default)*])?
                $variant,
            )+
        }

        impl $name {
            /// Every value, in the order declared.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The value of a word, other spellings included.
            #[must_use]
            pub fn of(word: &str) -> Option<Self> {
                match word {
                    $($word $(| $alias)* => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl $crate::decode::Decode for $name {
            fn expected() -> std::borrow::Cow<'static, str> {
                $crate::object::one_of(&[$($word),+]).into()
            }
            fn decode(
                node: &$crate::tree::Node,
                cx: &mut $crate::decode::Decoder,
            ) -> Option<Self> {
                let found = node.as_text().and_then(Self::of);
                if found.is_none() {
                    cx.report($crate::object::no_such_word(node, &[$($word),+]));
                }
                found
            }
        }

        impl $crate::decode::Encode for $name {
            fn encode(&self) -> Option<$crate::tree::Node> {
                Some($crate::tree::Node::string(self.word()))
            }
        }

        impl $crate::schema::Describe for $name {
            fn describe(_schema: &mut $crate::schema::Schema) -> serde_json::Value {
                serde_json::json!({ "enum": [$($word $(, $alias)*),+] })
            }
        }
    };
}

/// Reads, writes and describes a type through its [`Scalar`](crate::scalar::Scalar) form.
#[macro_export]
macro_rules! scalar {
    ($type:ty) => {
        impl $crate::decode::Decode for $type {
            fn expected() -> std::borrow::Cow<'static, str> {
                <$type as $crate::scalar::Scalar>::WHAT.into()
            }
            fn decode(node: &$crate::tree::Node, cx: &mut $crate::decode::Decoder) -> Option<Self> {
                $crate::scalar::decode::<$type>(node, cx)
            }
        }
        impl $crate::decode::Encode for $type {
            fn encode(&self) -> Option<$crate::tree::Node> {
                Some($crate::scalar::encode(self))
            }
        }
        impl $crate::schema::Describe for $type {
            fn describe(_schema: &mut $crate::schema::Schema) -> serde_json::Value {
                $crate::schema::scalar::<$type>()
            }
        }
    };
}

use std::ops::Deref;

use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::suggest::nearest;
use crate::tree::{Key, Node};

/// Where an object was written. Never part of what makes two objects equal.
#[derive(Debug, Clone, Copy, Default, Eq)]
pub struct Place(pub Span);

impl PartialEq for Place {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl std::hash::Hash for Place {
    fn hash<H: std::hash::Hasher>(&self, _state: &mut H) {}
}

impl Deref for Place {
    type Target = Span;
    fn deref(&self) -> &Span {
        &self.0
    }
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self(span)
    }
}

/// A field's name without the mark of a raw identifier.
#[must_use]
pub const fn bare(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

#[doc(hidden)]
#[must_use]
pub fn given_twice(key: &Key, field: &str) -> Diagnostic {
    let message = format!("`{field}` is given twice, here as `{}`", key.text);
    Diagnostic::error("NW-IN-003", key.span, message).with_help("keep one of the two")
}

#[doc(hidden)]
#[must_use]
pub fn required(span: Span, object: &str, field: &str, expected: &str) -> Diagnostic {
    let message = format!("this {object} needs the field `{field}`: {expected}");
    Diagnostic::error("NW-IN-013", span, message)
}

#[doc(hidden)]
#[must_use]
pub fn one_of(words: &[&str]) -> String {
    format!("one of {}", words.join(", "))
}

#[doc(hidden)]
#[must_use]
pub fn no_such_word(node: &Node, words: &[&str]) -> Diagnostic {
    let message = format!("expected {}, found {}", one_of(words), node.describe());
    let mut error = Diagnostic::error("NW-IN-014", node.span, message);
    if let Some(near) = node.as_text().and_then(|text| nearest(text, words.iter().copied())) {
        error.help = Some(format!("did you mean `{near}`?"));
    }
    error
}
