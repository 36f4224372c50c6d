//! Small typed views on the nodes of an export, each value with its place.

use std::net::IpAddr;

use netwright_model::scalar::{Prefix, Scalar};
use netwright_model::source::Spanned;
use netwright_model::tree::{Kind, Node};

/// What importers ask of a node.
pub(crate) trait Access {
    /// A text field with its place; nothing where it is absent, null or empty.
    fn text(&self, key: &str) -> Option<Spanned<String>>;
    /// A text field without its place.
    fn word(&self, key: &str) -> Option<&str>;
    /// A field that is yes or no.
    fn flag(&self, key: &str) -> Option<bool>;
    /// A whole number.
    fn number(&self, key: &str) -> Option<i64>;
    /// Items of a list field; none where it is absent or null.
    fn list(&self, key: &str) -> &[Node];
    /// A prefix.
    fn prefix(&self, key: &str) -> Option<Spanned<Prefix>>;
    /// An address, with or without a prefix length.
    fn address(&self, key: &str) -> Option<Spanned<IpAddr>>;
}

impl Access for Node {
    fn text(&self, key: &str) -> Option<Spanned<String>> {
        let node = self.get(key)?;
        let text = node.as_text().filter(|text| !text.is_empty())?;
        Some(Spanned::new(text.to_owned(), node.span))
    }

    fn word(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text().filter(|text| !text.is_empty())
    }

    fn flag(&self, key: &str) -> Option<bool> {
        let node = self.get(key)?;
        match &node.kind {
            Kind::Bool(value) => Some(*value),
            Kind::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn number(&self, key: &str) -> Option<i64> {
        self.get(key)?.as_text()?.parse().ok()
    }

    fn list(&self, key: &str) -> &[Node] {
        self.get(key).map_or(&[], Self::items)
    }

    fn prefix(&self, key: &str) -> Option<Spanned<Prefix>> {
        let node = self.get(key)?;
        prefix_of(node)
    }

    fn address(&self, key: &str) -> Option<Spanned<IpAddr>> {
        let node = self.get(key)?;
        let text = node.as_text()?;
        let bare = text.split('/').next().unwrap_or(text);
        bare.parse().ok().map(|address| Spanned::new(address, node.span))
    }
}

/// A node that is a prefix. Exports may give host bits; they are cut off as the provider does.
pub(crate) fn prefix_of(node: &Node) -> Option<Spanned<Prefix>> {
    let text = node.as_text()?;
    let prefix = Prefix::parse_scalar(text).ok().or_else(|| {
        let (address, length) = text.split_once('/')?;
        Some(Prefix::of(address.parse().ok()?, length.parse().ok()?))
    })?;
    Some(Spanned::new(prefix, node.span))
}
