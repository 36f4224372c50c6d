//! What the importer asks of an export: lists by kind over all documents, and objects with typed fields.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_model::scalar::Prefix;
use netwright_model::source::{Span, Spanned};
use netwright_model::tree::{Kind, Node};

use crate::Document;
use crate::access::Access;

/// Other spellings of a list's name.
const SAME: [(&str, &str); 3] = [
    ("virtual_nis", "virtual_network_interfaces"),
    ("routing_tables", "vpc_routing_tables"),
    ("iks_clusters", "clusters"),
];

/// The documents of an export, as one.
#[derive(Debug, Clone)]
pub(super) struct Export<'a> {
    documents: Vec<&'a Node>,
    /// Lists that were asked for.
    listed: RefCell<BTreeMap<&'static str, Vec<Object<'a>>>>,
}

impl<'a> Export<'a> {
    pub(super) fn of(documents: &'a [Document]) -> Self {
        let documents = documents.iter().map(|document| &document.root).collect();
        Self { documents, listed: RefCell::default() }
    }

    /// All objects of a kind, each once.
    pub(super) fn all(&self, kind: &'static str) -> Vec<Object<'a>> {
        self.listed.borrow_mut().entry(kind).or_insert_with(|| self.list(kind)).clone()
    }

    fn list(&self, kind: &str) -> Vec<Object<'a>> {
        let mut seen = BTreeSet::new();
        let other = SAME.iter().find(|(name, _)| *name == kind).map(|(_, other)| *other);
        self.documents
            .iter()
            .flat_map(|root| [root.get(kind), other.and_then(|other| root.get(other))])
            .flatten()
            .flat_map(Node::items)
            .filter(|item| matches!(item.kind, Kind::Mapping(_)))
            .map(Object)
            .filter(|object| object.identities().next().is_none_or(|id| seen.insert(id)))
            .collect()
    }

    /// Whether a document has such a list, if only an empty one.
    pub(super) fn has(&self, kind: &str) -> bool {
        self.documents
            .iter()
            .any(|root| matches!(root.get(kind).map(|node| &node.kind), Some(Kind::Sequence(_))))
    }

    /// Kinds of which the documents list objects.
    pub(super) fn kinds(&self) -> Vec<(&'a str, usize, Span)> {
        let mut kinds: Vec<(&str, usize, Span)> = Vec::new();
        for root in &self.documents {
            for (key, node) in root.entries() {
                if !node.items().is_empty() {
                    kinds.push((&key.text, node.items().len(), node.span));
                }
            }
        }
        kinds
    }
}

/// An object of the export.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object<'a>(pub(super) &'a Node);

impl<'a> Object<'a> {
    pub(super) fn span(self) -> Span {
        self.0.span
    }

    pub(super) fn get(self, field: &str) -> Option<&'a Node> {
        self.0.get(field).filter(|node| !node.is_null())
    }

    pub(super) fn str(self, field: &str) -> Option<&'a str> {
        self.get(field)?.as_text().filter(|text| !text.is_empty())
    }

    pub(super) fn text(self, field: &str) -> Option<Spanned<String>> {
        self.0.text(field)
    }

    pub(super) fn object(self, field: &str) -> Option<Self> {
        self.get(field).filter(|node| matches!(node.kind, Kind::Mapping(_))).map(Self)
    }

    pub(super) fn objects(self, field: &str) -> Vec<Self> {
        let items = self.get(field).map_or(&[][..], Node::items);
        items.iter().filter(|item| matches!(item.kind, Kind::Mapping(_))).map(Self).collect()
    }

    /// Whether a list of kinds of resources names one, as text or as an object with a `resource_type`.
    pub(super) fn lists(self, field: &str, kind: &str) -> bool {
        self.get(field).map_or(&[][..], Node::items).iter().any(|item| {
            item.as_text() == Some(kind) || Self(item).str("resource_type") == Some(kind)
        })
    }

    pub(super) fn number(self, field: &str) -> Option<Spanned<u64>> {
        let node = self.get(field)?;
        node.as_text()?.parse().ok().map(|number| Spanned::new(number, node.span))
    }

    pub(super) fn port(self, field: &str) -> Option<Spanned<u16>> {
        let number = self.number(field)?;
        u16::try_from(number.value).ok().map(|port| Spanned::new(port, number.span))
    }

    pub(super) fn byte(self, field: &str) -> Option<Spanned<u8>> {
        let number = self.number(field)?;
        u8::try_from(number.value).ok().map(|byte| Spanned::new(byte, number.span))
    }

    pub(super) fn flag(self, field: &str) -> Option<Spanned<bool>> {
        self.0
            .flag(field)
            .map(|flag| Spanned::new(flag, self.0.get(field).map_or(Span::NONE, |n| n.span)))
    }

    /// A prefix; host bits are cut off, as the provider does.
    pub(super) fn prefix(self, field: &str) -> Option<Spanned<Prefix>> {
        self.0.prefix(field)
    }

    pub(super) fn address(self, field: &str) -> Option<Spanned<IpAddr>> {
        self.0.address(field)
    }

    /// What others may call it by, the most stable first.
    pub(super) fn identities(self) -> impl Iterator<Item = &'a str> {
        ["crn", "id", "href"].into_iter().filter_map(move |field| self.str(field))
    }

    /// Whether two references mean one object.
    pub(super) fn same(self, other: Object<'_>) -> bool {
        self.identities().any(|id| other.identities().any(|own| own == id))
    }

    /// Its identifier for the description: the CRN where it has one.
    pub(super) fn identity(self) -> Option<Spanned<String>> {
        self.text("crn").or_else(|| self.text("id"))
    }

    /// Its name, or else what identifies it.
    pub(super) fn name(self) -> String {
        self.str("name").or_else(|| self.identities().next()).unwrap_or("unnamed").to_owned()
    }

    /// A key of the description, at the place of the object's name.
    pub(super) fn key(self, key: &str) -> Spanned<String> {
        let at = self.get("name").map_or(self.0.span, |node| node.span);
        Spanned::new(key.to_owned(), at)
    }
}
