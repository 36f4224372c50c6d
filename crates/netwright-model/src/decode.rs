//! From a tree to objects, and back. Decoding never stops at the first error: it reports all of a file.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};

use crate::diagnostic::Diagnostic;
use crate::source::{Span, Spanned};
use crate::suggest::nearest_field;
use crate::tree::{Key, Kind, Limits, Node};

/// Errors of one file beyond which no more are kept.
const MOST_ERRORS: usize = 200;

/// Collects what is wrong while decoding.
#[derive(Debug, Default)]
pub struct Decoder {
    /// What was found.
    pub diagnostics: Vec<Diagnostic>,
    /// How many more there were.
    pub suppressed: usize,
}

impl Decoder {
    /// Reports an error.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MOST_ERRORS {
            self.diagnostics.push(diagnostic);
        } else {
            self.suppressed += 1;
        }
    }

    /// Reports that something else was expected.
    pub fn expected(&mut self, node: &Node, expected: &str) {
        let message = format!("expected {expected}, found {}", node.describe());
        self.report(Diagnostic::error("NW-IN-010", node.span, message));
    }

    /// Reports a key that the object does not have. `aliases` are other spellings, accepted but not advertised.
    pub fn unknown_field(&mut self, key: &Key, object: &str, known: &[&str], aliases: &[&str]) {
        let message = format!("{object} has no field `{}`", key.text);
        let help = match nearest_field(&key.text, known.iter().chain(aliases).copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its fields are {}", known.join(", ")),
        };
        self.report(Diagnostic::error("NW-IN-011", key.span, message).with_help(help));
    }

    /// Everything that was found, in the order of the file, and how much more there was.
    #[must_use]
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| diagnostic.span);
        if self.suppressed > 0 {
            let message = format!("{} more errors are not shown", self.suppressed);
            let mut more = Diagnostic::error("NW-IN-015", Span::NONE, message);
            more.help = Some("correct those above first".into());
            self.diagnostics.push(more);
        }
        self.diagnostics
    }
}

/// What stands for a field that is not given.
pub enum Missing<T> {
    /// The field must be given.
    Required,
    /// This value.
    Default(T),
}

/// Made from a part of a document.
pub trait Decode: Sized {
    /// What a reader is told was expected.
    fn expected() -> Cow<'static, str>;
    /// Decodes, reporting what is wrong. `None` when nothing can be made of the node; then something was reported.
    fn decode(node: &Node, cx: &mut Decoder) -> Option<Self>;
    /// What stands for a field of this type that is not given.
    fn missing() -> Missing<Self> {
        Missing::Required
    }
}

/// Written as a part of a document.
pub trait Encode {
    /// The node; `None` where nothing need be written.
    fn encode(&self) -> Option<Node>;
}

impl<T: Decode> Decode for Spanned<T> {
    fn expected() -> Cow<'static, str> {
        T::expected()
    }
    fn decode(node: &Node, cx: &mut Decoder) -> Option<Self> {
        T::decode(node, cx).map(|value| Self::new(value, node.span))
    }
    fn missing() -> Missing<Self> {
        match T::missing() {
            Missing::Required => Missing::Required,
            Missing::Default(value) => Missing::Default(Self::bare(value)),
        }
    }
}

impl<T: Encode> Encode for Spanned<T> {
    fn encode(&self) -> Option<Node> {
        self.value.encode()
    }
}

impl<T: Decode> Decode for Option<T> {
    fn expected() -> Cow<'static, str> {
        T::expected()
    }
    fn decode(node: &Node, cx: &mut Decoder) -> Option<Self> {
        if node.is_null() {
            return Some(None);
        }
        T::decode(node, cx).map(Some)
    }
    fn missing() -> Missing<Self> {
        Missing::Default(None)
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self) -> Option<Node> {
        self.as_ref().and_then(Encode::encode)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn expected() -> Cow<'static, str> {
        format!("a list of which each is {}", T::expected()).into()
    }
    fn decode(node: &Node, cx: &mut Decoder) -> Option<Self> {
        match &node.kind {
            Kind::Null => Some(Self::new()),
            Kind::Sequence(items) => {
                Some(items.iter().filter_map(|item| T::decode(item, cx)).collect())
            }
            // One value where a list is expected is a list of one.
            _ => T::decode(node, cx).map(|value| vec![value]),
        }
    }
    fn missing() -> Missing<Self> {
        Missing::Default(Self::new())
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self) -> Option<Node> {
        if self.is_empty() {
            return None;
        }
        let items = self.iter().map(|item| item.encode().unwrap_or_default()).collect();
        Some(Node { kind: Kind::Sequence(items), span: Span::NONE })
    }
}

/// A map from names to objects, in the order written.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct Entries<T>(pub Vec<(Spanned<String>, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Entries<T> {
    /// The object of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(own, _)| own.value == name).map(|(_, value)| value)
    }

    /// The object of a name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.0.iter_mut().find(|(own, _)| own.value == name).map(|(_, value)| value)
    }

    /// Adds an object. Names are the caller's to keep apart.
    pub fn insert(&mut self, name: impl Into<Spanned<String>>, value: T) {
        self.0.push((name.into(), value));
    }
}

impl<T> Deref for Entries<T> {
    type Target = Vec<(Spanned<String>, T)>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> DerefMut for Entries<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<T> FromIterator<(Spanned<String>, T)> for Entries<T> {
    fn from_iter<I: IntoIterator<Item = (Spanned<String>, T)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<T: Decode> Decode for Entries<T> {
    fn expected() -> Cow<'static, str> {
        format!("a map from names to {}", T::expected()).into()
    }
    fn decode(node: &Node, cx: &mut Decoder) -> Option<Self> {
        match &node.kind {
            Kind::Null => Some(Self::default()),
            Kind::Mapping(entries) => {
                let decoded = entries.iter().filter_map(|(key, node)| {
                    let name = Spanned::new(key.text.to_string(), key.span);
                    // A name with nothing after it is an object of which nothing is said.
                    let empty = Node { kind: Kind::Mapping(Vec::new()), span: key.span };
                    let node = if node.is_null() { &empty } else { node };
                    T::decode(node, cx).map(|value| (name, value))
                });
                Some(Self(decoded.collect()))
            }
            _ => {
                cx.expected(node, &Self::expected());
                None
            }
        }
    }
    fn missing() -> Missing<Self> {
        Missing::Default(Self::default())
    }
}

impl<T: Encode> Encode for Entries<T> {
    fn encode(&self) -> Option<Node> {
        if self.0.is_empty() {
            return None;
        }
        let entries = self.0.iter().map(|(name, value)| {
            let key = Key { text: name.value.as_str().into(), span: Span::NONE };
            let empty = Node { kind: Kind::Mapping(Vec::new()), span: Span::NONE };
            (key, value.encode().unwrap_or(empty))
        });
        Some(Node { kind: Kind::Mapping(entries.collect()), span: Span::NONE })
    }
}

impl Decode for String {
    fn expected() -> Cow<'static, str> {
        "a text".into()
    }
    fn decode(node: &Node, cx: &mut Decoder) -> Option<Self> {
        match node.as_text() {
            Some(text) => Some(text.to_owned()),
            None => {
                cx.expected(node, "a text");
                None
            }
        }
    }
}

impl Encode for String {
    fn encode(&self) -> Option<Node> {
        Some(Node::string(self.as_str()))
    }
}

impl Decode for bool {
    fn expected() -> Cow<'static, str> {
        "true or false".into()
    }
    fn decode(node: &Node, cx: &mut Decoder) -> Option<Self> {
        if let Kind::Bool(value) = node.kind {
            return Some(value);
        }
        let mut error = Diagnostic::error(
            "NW-IN-010",
            node.span,
            format!("expected true or false, found {}", node.describe()),
        );
        error.help = match node.as_text() {
            Some("yes" | "on" | "y" | "1") => Some("write `true`".into()),
            Some("no" | "off" | "n" | "0") => Some("write `false`".into()),
            _ => None,
        };
        cx.report(error);
        None
    }
}

impl Encode for bool {
    fn encode(&self) -> Option<Node> {
        Some(Node { kind: Kind::Bool(*self), span: Span::NONE })
    }
}

macro_rules! whole_number {
    ($($type:ty),+) => {$(
        impl Decode for $type {
            fn expected() -> Cow<'static, str> {
                format!("a whole number from 0 to {}", <$type>::MAX).into()
            }
            fn decode(node: &Node, cx: &mut Decoder) -> Option<Self> {
                let parsed = match &node.kind {
                    Kind::Number(text) => text.parse().ok(),
                    _ => None,
                };
                if parsed.is_none() {
                    cx.report(wrong_number(node, &Self::expected()));
                }
                parsed
            }
        }
        impl Encode for $type {
            fn encode(&self) -> Option<Node> {
                Some(Node::number(self))
            }
        }
    )+};
}

whole_number!(u8, u16, u32, u64);

/// An error for what is not the number expected, with what may have been meant.
fn wrong_number(node: &Node, expected: &str) -> Diagnostic {
    let message = format!("expected {expected}, found {}", node.describe());
    let mut error = Diagnostic::error("NW-IN-010", node.span, message);
    let text = node.as_str().unwrap_or("");
    let number = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    error.help = if number.is_empty() || number.parse::<f64>().is_err() {
        None
    } else if number == text {
        Some(format!("a number has no quotes: write {text}"))
    } else {
        let unit = text[number.len()..].trim();
        Some(format!("it is given without a unit: leave out `{unit}`"))
    };
    error
}

impl Decode for IpAddr {
    fn expected() -> Cow<'static, str> {
        "an address such as 10.0.0.5 or 2001:db8::5".into()
    }
    fn decode(node: &Node, cx: &mut Decoder) -> Option<Self> {
        let text = node.as_text().unwrap_or("");
        if let Ok(address) = text.parse() {
            return Some(address);
        }
        let mut error = Diagnostic::error(
            "NW-IN-012",
            node.span,
            format!("expected {}, found {}", Self::expected(), node.describe()),
        );
        if let Some((address, _)) = text.split_once('/').filter(|(a, _)| a.parse::<Self>().is_ok())
        {
            error.help = Some(format!("an address has no prefix length: write `{address}`"));
        }
        cx.report(error);
        None
    }
}

impl Encode for IpAddr {
    fn encode(&self) -> Option<Node> {
        Some(Node::string(self.to_string()))
    }
}

/// Decodes an object from YAML text, when nothing is wrong with it. For data that ships with the program: its places are in no
/// file of the user's.
#[must_use]
pub fn from_text<T: Decode>(text: &str) -> Option<T> {
    let root = crate::tree::yaml::parse(text, Span::NONE.file, &Limits::default()).ok()?;
    let mut cx = Decoder::default();
    let value = T::decode(&root, &mut cx)?;
    cx.diagnostics.is_empty().then_some(value)
}

#[cfg(test)]
mod tests;
