//! Small texts with a meaning: prefixes, ports, protocols, durations, rates.
//!
//! Each reads exactly what [`Display`](std::fmt::Display) writes, and says what was expected when it cannot.

mod address;
mod port;
mod quantity;

use std::fmt;

use crate::decode::Decoder;
use crate::diagnostic::Diagnostic;
use crate::tree::Node;

pub use address::{AddressRange, Prefix};
pub use port::{PortRange, ProtocolMatch, Service, protocol_name, protocol_number};
pub use quantity::{Bandwidth, Delay, Duration, Percent};

/// Why a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalarError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl ScalarError {
    /// An error without help.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for ScalarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

impl std::error::Error for ScalarError {}

/// A value written as one text.
pub trait Scalar: Sized + fmt::Display {
    /// What a reader is told was expected: "a port or range such as 443 or 8000-8080".
    const WHAT: &'static str;
    /// Regular expression for the JSON Schema.
    const PATTERN: Option<&'static str>;
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn parse_scalar(text: &str) -> Result<Self, ScalarError>;
}

/// Decodes a scalar from a text or from a number's or boolean's text.
pub(crate) fn decode<T: Scalar>(node: &Node, cx: &mut Decoder) -> Option<T> {
    let Some(text) = node.as_text() else {
        cx.expected(node, T::WHAT);
        return None;
    };
    match T::parse_scalar(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let mut diagnostic = Diagnostic::error("NW-IN-012", node.span, error.message);
            diagnostic.help = error.help.or_else(|| Some(format!("expected {}", T::WHAT)));
            cx.report(diagnostic);
            None
        }
    }
}

/// Encodes a scalar as it displays.
pub(crate) fn encode<T: Scalar>(value: &T) -> Node {
    let text = value.to_string();
    if text.parse::<u32>().is_ok() { Node::number(&text) } else { Node::string(text) }
}

crate::scalar!(Prefix);
crate::scalar!(AddressRange);
crate::scalar!(PortRange);
crate::scalar!(ProtocolMatch);
crate::scalar!(Service);
crate::scalar!(Duration);
crate::scalar!(Bandwidth);
crate::scalar!(Delay);
crate::scalar!(Percent);

#[cfg(test)]
mod tests;
