//! The steps that lead from one network to another, and whether each can be taken back.
//!
//! Two descriptions are compared object by object. What a provider lets one change in place, and what cannot be had back, is data
//! ([`facts`]) with its source; what is not in it is *unknown*, never guessed.

mod facts;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use netwright_model::decode::Encode;
use netwright_model::language::{Description, Provider};
use netwright_model::source::Span;
use netwright_model::tree::{Kind, Node};

/// What is done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It is made.
    Create,
    /// Some of its fields are changed in place.
    Change,
    /// It is made anew: a field that cannot be changed in place is another.
    Replace,
    /// It is taken away.
    Destroy,
}

impl Action {
    /// A stable word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Replace => "replace",
            Self::Destroy => "destroy",
        }
    }
}

/// Whether a step can be taken back. In the order of how much one should worry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Undo {
    /// Doing the opposite gives what was before.
    Reversible,
    /// Nothing is known of this setting at this provider.
    Unknown,
    /// The object is made anew: its identity, and what depends on it, is interrupted.
    Replace,
    /// Something is lost for good.
    Irreversible,
}

impl Undo {
    /// A stable word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Reversible => "reversible",
            Self::Unknown => "unknown",
            Self::Replace => "replace",
            Self::Irreversible => "irreversible",
        }
    }
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its path inside the object.
    pub path: String,
    /// Before, in a few words; none where it was not given.
    pub old: Option<String>,
    /// After.
    pub new: Option<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Kind of the object, as in references: `subnet`, `nat_gateway`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Where it stands, in the new network or, where it is taken away, in the old one.
    pub span: Span,
    /// Whether it can be taken back.
    pub undo: Undo,
    /// Why.
    pub why: String,
    /// What differs.
    pub fields: Vec<Field>,
}

/// Kinds of objects with the maps that hold them, in the order in which they are made; they are taken away in the opposite one.
const KINDS: [(&str, &str); 19] = [
    ("vpc", "vpcs"),
    ("prefix_list", "prefix_lists"),
    ("subnet", "vpcs.*.subnets"),
    ("internet_gateway", "internet_gateways"),
    ("filter", "filters"),
    ("nat_gateway", "nat_gateways"),
    ("peering", "peerings"),
    ("site", "sites"),
    ("vpn", "vpns"),
    ("transit", "transits"),
    ("certificate", "certificates"),
    ("database", "databases"),
    ("private_endpoint", "private_endpoints"),
    ("instance", "instances"),
    ("connector", "connectors"),
    ("route_table", "vpcs.*.route_tables"),
    ("load_balancer", "load_balancers"),
    ("dns_zone", "dns_zones"),
    ("service", "services"),
];

/// Parts of an object that are objects of their own.
const PARTS: [(&str, &str); 2] = [("vpc", "subnets"), ("vpc", "route_tables")];

/// Longest text that is shown of a value, in characters.
const SHOWN: usize = 72;

/// Characters that are shown before the first one that differs.
const BEFORE: usize = 24;

/// The steps from one description to another, in an order in which they can be taken.
#[must_use]
pub fn steps(old: &Description, new: &Description) -> Vec<Step> {
    let provider = |description: &Description| {
        description.provider.as_ref().map(|provider| provider.value).unwrap_or_default()
    };
    // What is the same on both sides is no step, and most of a large network is.
    let [differs, differs_now] = old.apart(new);
    let encoded = |description: &Description| description.encode().unwrap_or_default();
    let (before, after) = (encoded(&differs), encoded(&differs_now));
    let addresses = Addresses(OnceCell::new(), new);
    let (mut making, mut taking) = (Vec::new(), Vec::new());
    for (kind, path) in KINDS {
        let (had, has) = (objects(&before, path), objects(&after, path));
        for (name, node) in &has {
            let compare = Compare { kind, provider: provider(new), addresses: &addresses };
            making.extend(match had.get(name) {
                None => Some(compare.created(name, node)),
                Some(old) => compare.changed(name, old, node),
            });
        }
        let compare = Compare { kind, provider: provider(old), addresses: &addresses };
        for (name, node) in had.iter().filter(|(name, _)| !has.contains_key(*name)) {
            taking.push(compare.destroyed(name, node));
        }
    }
    taking.reverse();
    making.into_iter().chain(taking).collect()
}

/// The objects of a kind by name; parts are named with what they are parts of.
fn objects<'a>(root: &'a Node, path: &str) -> BTreeMap<String, &'a Node> {
    let entries = |node: Option<&'a Node>| node.map_or(&[][..], Node::entries);
    let own = |(key, node): &'a (netwright_model::tree::Key, Node)| (key.text.to_string(), node);
    match path.split_once(".*.") {
        None => entries(root.get(path)).iter().map(own).collect(),
        Some((outer, inner)) => entries(root.get(outer))
            .iter()
            .flat_map(|(outer, node)| {
                let parts = entries(node.get(inner)).iter().map(own);
                parts.map(|(name, node)| (format!("{}/{name}", outer.text), node))
            })
            .collect(),
    }
}

/// All public addresses that a network still has; they are looked for where one is given up.
struct Addresses<'a>(OnceCell<BTreeSet<String>>, &'a Description);

impl Addresses<'_> {
    fn has(&self, address: &str) -> bool {
        let all = self.0.get_or_init(|| {
            let root = self.1.encode().unwrap_or_default();
            let mut found = BTreeSet::new();
            for (kind, path) in KINDS {
                for node in objects(&root, path).values() {
                    found.extend(public(kind, node));
                }
            }
            found
        });
        all.contains(address)
    }
}

/// Fields that hold an object's public addresses.
fn public_fields(kind: &str) -> &'static [&'static str] {
    match kind {
        "nat_gateway" => &["addresses"],
        _ => &["public_address", "public_addresses"],
    }
}

/// The public addresses that an object is given.
fn public(kind: &str, node: &Node) -> Vec<String> {
    let given = public_fields(kind).iter().filter_map(|field| node.get(field));
    let texts = given.flat_map(|list| match &list.kind {
        Kind::Sequence(items) => items.iter().filter_map(Node::as_text).collect(),
        _ => list.as_text().into_iter().collect::<Vec<_>>(),
    });
    texts.map(str::to_owned).collect()
}

struct Compare<'a> {
    kind: &'static str,
    provider: Provider,
    addresses: &'a Addresses<'a>,
}

impl Compare<'_> {
    fn step(&self, action: Action, name: &str, node: &Node, (undo, why): (Undo, String)) -> Step {
        Step {
            action,
            kind: self.kind,
            name: name.to_owned(),
            span: node.span,
            undo,
            why,
            fields: Vec::new(),
        }
    }

    fn created(&self, name: &str, node: &Node) -> Step {
        let why = "taking it away gives what was before".to_owned();
        self.step(Action::Create, name, node, (Undo::Reversible, why))
    }

    fn destroyed(&self, name: &str, node: &Node) -> Step {
        let lost: Vec<String> =
            public(self.kind, node).into_iter().filter(|own| !self.addresses.has(own)).collect();
        let judged = match facts::destroyed(self.kind) {
            (Undo::Reversible | Undo::Unknown, _) if !lost.is_empty() => {
                (Undo::Irreversible, released(&lost))
            }
            (undo, why) => (undo, why.to_owned()),
        };
        self.step(Action::Destroy, name, node, judged)
    }

    fn changed(&self, name: &str, old: &Node, new: &Node) -> Option<Step> {
        let mut fields = Vec::new();
        self.fields("", old, new, &mut fields);
        if fields.is_empty() {
            return None;
        }
        let judged = fields.iter().map(|field| (self.judge(field, old, new), &field.path));
        let worst = judged.max_by_key(|((undo, _), _)| *undo);
        let ((undo, why), path) = worst?;
        let action = if undo == Undo::Replace { Action::Replace } else { Action::Change };
        let mut step = self.step(action, name, new, (undo, format!("`{path}`: {why}")));
        step.fields = fields;
        Some(step)
    }

    /// The fields that differ, as deep as maps go.
    fn fields(&self, at: &str, old: &Node, new: &Node, found: &mut Vec<Field>) {
        let mut keys: Vec<&str> = Vec::new();
        for (key, _) in old.entries().iter().chain(new.entries()) {
            if !keys.contains(&&*key.text) {
                keys.push(&key.text);
            }
        }
        for key in keys {
            let part = at.is_empty() && PARTS.contains(&(self.kind, key));
            // Identifiers of an export are no setting.
            if part || (at.is_empty() && key == "id") {
                continue;
            }
            let path = if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
            let (was, is) = (old.get(key), new.get(key));
            if let (Some(was), Some(is)) = (was, is)
                && matches!((&was.kind, &is.kind), (Kind::Mapping(_), Kind::Mapping(_)))
            {
                self.fields(&path, was, is, found);
                continue;
            }
            let (was, is) = (was.map(words), is.map(words));
            if was != is {
                found.push(Field { path, old: was, new: is });
            }
        }
    }

    fn judge(&self, field: &Field, old: &Node, new: &Node) -> (Undo, String) {
        let top = field.path.split('.').next().unwrap_or(&field.path);
        let lost: Vec<String> = public(self.kind, old)
            .into_iter()
            .filter(|own| !public(self.kind, new).contains(own) && !self.addresses.has(own))
            .collect();
        if !lost.is_empty() && public_fields(self.kind).contains(&top) {
            return (Undo::Irreversible, released(&lost));
        }
        let direction = facts::Direction::of(old.get(top), new.get(top));
        facts::changed(self.kind, &field.path, self.provider, direction)
    }
}

fn released(addresses: &[String]) -> String {
    format!(
        "{} is released and may go to somebody else: who lists it has to be told",
        addresses.join(", ")
    )
}

/// A value in a few words, the same for values that mean the same.
fn words(node: &Node) -> String {
    fn write(node: &Node, out: &mut String) {
        match &node.kind {
            Kind::Sequence(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    write(item, out);
                }
                out.push(']');
            }
            Kind::Mapping(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    out.push_str(&key.text);
                    out.push_str(": ");
                    write(value, out);
                }
                out.push('}');
            }
            _ => out.push_str(node.as_text().unwrap_or("null")),
        }
    }
    let mut text = String::new();
    write(node, &mut text);
    text
}

impl Field {
    /// Its values before and after, shortened to be shown: where both are long, around the first place at which they differ. None for one that
    /// was not given.
    #[must_use]
    pub fn shown(&self) -> [Option<String>; 2] {
        let same = match (&self.old, &self.new) {
            (Some(old), Some(new)) => old.chars().zip(new.chars()).take_while(|(a, b)| a == b),
            _ => return [&self.old, &self.new].map(|value| shortened(value.as_deref()?, 0)),
        };
        // What stands before it tells where that is.
        let from = same.count().saturating_sub(BEFORE);
        let from = if from + BEFORE < SHOWN { 0 } else { from };
        [&self.old, &self.new].map(|value| shortened(value.as_deref()?, from))
    }
}

fn shortened(value: &str, from: usize) -> Option<String> {
    let length = value.chars().count();
    if length <= SHOWN {
        return Some(value.to_owned());
    }
    let part: String = value.chars().skip(from).take(SHOWN).collect();
    let [before, after] = [from > 0, from + SHOWN < length].map(|is| if is { "…" } else { "" });
    Some(format!("{before}{part}{after}"))
}

#[cfg(test)]
mod tests;
