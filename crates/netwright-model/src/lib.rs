//! The network as data.
//!
//! Start at [`language`], what a user may say, and [`network`], what the rest of Netwright reads. Between the two lies
//! [`network::resolve`]. [`load`] goes the whole way from text.
//!
//! Architecture invariants: no I/O but reading files; nothing here knows a provider's export format, decides what happens to a
//! packet, or prints.

pub mod decode;
pub mod diagnostic;
pub mod generate;
pub mod language;
pub mod network;
pub mod object;
pub mod profile;
pub mod random;
pub mod scalar;
pub mod schema;
pub mod source;
pub mod suggest;
pub mod tree;

use decode::{Decode, Decoder, Encode};
use diagnostic::Diagnostic;
use language::Description;
use source::Sources;
use tree::Limits;

/// Parses and decodes one YAML text into a description, with everything that is wrong in it.
///
/// # Errors
///
/// All errors of the text.
pub fn parse_description(
    name: &str,
    text: &str,
    sources: &mut Sources,
) -> Result<Description, Vec<Diagnostic>> {
    let file = sources.add(name, text);
    let (root, mut errors) = tree::yaml::read(text, file, &Limits::default());
    match root.map(|root| decode_description(&root)) {
        Some(Ok(description)) if errors.is_empty() => return Ok(description),
        Some(Err(more)) => errors.extend(more),
        Some(Ok(_)) | None => {}
    }
    Err(errors)
}

/// Decodes a tree into a description.
///
/// # Errors
///
/// Everything in the tree that is not of the language.
pub fn decode_description(root: &tree::Node) -> Result<Description, Vec<Diagnostic>> {
    let mut cx = Decoder::default();
    let description = Description::decode(root, &mut cx);
    match description {
        Some(description) if cx.diagnostics.is_empty() => Ok(description),
        _ => Err(cx.finish()),
    }
}

/// Writes a description as YAML, with comments at its head.
#[must_use]
pub fn to_yaml(description: &Description, header: &str) -> String {
    // A description that says nothing is an empty map, which reads back; nothing at all would not.
    let empty = tree::Node { kind: tree::Kind::Mapping(Vec::new()), ..tree::Node::default() };
    tree::emit::to_yaml(&description.encode().unwrap_or(empty), header)
}

/// From YAML text to a resolved network.
///
/// # Errors
///
/// All errors of the text, or all references that lead nowhere.
pub fn load(
    name: &str,
    text: &str,
    sources: &mut Sources,
) -> Result<network::Network, Vec<Diagnostic>> {
    network::resolve::resolve(parse_description(name, text, sources)?)
}
