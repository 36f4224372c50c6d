//! What operations carry: the data that EDN and JSON have in common, comparable and hashable.

use std::fmt;
use std::sync::Arc;

/// A piece of data of a history. Two are equal if they are written alike, whatever the format.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// `nil`, `null`.
    Nil,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction, or too large for [`Value::Int`].
    Float(Float),
    /// A keyword or a symbol of EDN, without its colon.
    Keyword(Arc<str>),
    /// A text.
    Text(Arc<str>),
    /// A vector or a list.
    List(Box<[Self]>),
    /// A set, sorted.
    Set(Box<[Self]>),
    /// A map, sorted by its keys.
    Map(Box<[(Self, Self)]>),
}

/// A number with a fraction, compared by its bits; every zero and every not-a-number is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Float(u64);

impl Float {
    /// The number, so that equal ones are equal.
    #[must_use]
    pub fn new(number: f64) -> Self {
        let number = if number == 0.0 { 0.0 } else { number };
        Self(if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() })
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl Value {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// A vector.
    #[must_use]
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(items.into())
    }

    /// A set of these, each once.
    #[must_use]
    pub fn set(mut items: Vec<Self>) -> Self {
        items.sort_unstable();
        items.dedup();
        Self::Set(items.into())
    }

    /// A map; of several entries of the same key the last counts.
    #[must_use]
    pub fn map(mut entries: Vec<(Self, Self)>) -> Self {
        entries.reverse();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.dedup_by(|later, first| later.0 == first.0);
        Self::Map(entries.into())
    }

    /// The letters of a keyword, a symbol or a text.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Keyword(name) | Self::Text(name) => Some(name),
            _ => None,
        }
    }

    /// A whole number, also where a format wrote it as a text, as JSON does with keys of objects.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Keyword(text) | Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A whole number, also where it is written with a fraction of nothing, as `5.0`.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is in range")]
    pub fn whole(&self) -> Option<i64> {
        /// Whole numbers up to here have a fraction's number of their own.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self {
            Self::Float(number) => {
                let number = number.get();
                (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
            }
            other => other.integer(),
        }
    }

    /// A number of any kind.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "amounts of histories are far below 2^53")]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(number.get()),
            other => other.integer().map(|number| number as f64),
        }
    }

    /// What a vector, a list or a set holds.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) | Self::Set(items) => Some(items),
            _ => None,
        }
    }

    /// The two of a vector of two.
    #[must_use]
    pub fn pair(&self) -> Option<(&Self, &Self)> {
        match self {
            Self::List(items) => match &**items {
                [first, second] => Some((first, second)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The entries of a map.
    #[must_use]
    pub fn entries(&self) -> Option<&[(Self, Self)]> {
        match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// What a map has under a name, be it a keyword or a text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let entries = self.entries()?;
        entries.iter().find(|(key, _)| key.name() == Some(name)).map(|(_, value)| value)
    }

    /// Whether it is `nil`.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        *self == Self::Nil
    }

    /// As JSON: keywords are texts, sets are arrays, keys of maps are texts.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Nil => serde_json::Value::Null,
            Self::Bool(truth) => (*truth).into(),
            Self::Int(number) => (*number).into(),
            Self::Float(number) => serde_json::Number::from_f64(number.get())
                .map_or_else(|| number.get().to_string().into(), serde_json::Value::Number),
            Self::Keyword(text) | Self::Text(text) => text.to_string().into(),
            Self::List(items) | Self::Set(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(entries) => {
                let entry = |(key, value): &(Self, Self)| {
                    (key.name().map_or_else(|| key.to_string(), str::to_owned), value.to_json())
                };
                serde_json::Value::Object(entries.iter().map(entry).collect())
            }
        }
    }

    /// A text of at most `most` letters, for tables: what does not fit is cut.
    #[must_use]
    pub fn brief(&self, most: usize) -> String {
        let mut brief = Brief { text: String::new(), left: most };
        if fmt::Write::write_fmt(&mut brief, format_args!("{self}")).is_err() {
            brief.text.pop();
            brief.text.push('…');
        }
        brief.text
    }
}

/// The beginning of a text, of so many letters; what is beyond is not even written.
struct Brief {
    text: String,
    left: usize,
}

impl fmt::Write for Brief {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for letter in more.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(letter);
        }
        Ok(())
    }
}

fn joined(f: &mut fmt::Formatter<'_>, ends: (&str, &str), items: &[Value]) -> fmt::Result {
    f.write_str(ends.0)?;
    for (at, item) in items.iter().enumerate() {
        let gap = if at == 0 { "" } else { " " };
        write!(f, "{gap}{item}")?;
    }
    f.write_str(ends.1)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{:?}", number.get()),
            Self::Keyword(name) => f.write_str(name),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(items) => joined(f, ("[", "]"), items),
            Self::Set(items) => joined(f, ("#{", "}"), items),
            Self::Map(entries) => {
                f.write_str("{")?;
                for (at, (key, value)) in entries.iter().enumerate() {
                    let gap = if at == 0 { "" } else { ", " };
                    write!(f, "{gap}{key} {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
