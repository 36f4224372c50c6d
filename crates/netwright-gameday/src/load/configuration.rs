//! Values of the Chaos Toolkit's `configuration`, put in the places of `${name}`.
//!
//! <https://chaostoolkit.org/reference/api/experiment/#configuration>: a value is written as it is, or as a variable of the environment with a
//! default. What is put in is not looked at again. A name that is no value's stays as it is: it may be the shell's.

use std::collections::BTreeMap;

use netwright_model::diagnostic::Diagnostic;
use netwright_model::source::Span;
use netwright_model::tree::{Key, Kind, Node};

/// Octets that are put in at most, in all of a file.
const MOST: usize = 1 << 20;
/// Parts of an experiment that are for people, or are not read.
const AS_WRITTEN: [&str; 6] =
    ["configuration", "secrets", "title", "description", "tags", "contributions"];

/// The environment that a program was started with.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// An experiment with its values put in.
pub(super) fn filled(
    experiment: Node,
    environment: Environment<'_>,
) -> Result<Node, Vec<Diagnostic>> {
    let mut filling = Filling { values: BTreeMap::new(), left: Some(MOST), wrong: Vec::new() };
    let declared = experiment.get("configuration").map_or(&[][..], Node::entries).to_vec();
    for (name, value) in &declared {
        filling.declare(name, value, environment);
    }
    if filling.values.is_empty() && filling.wrong.is_empty() {
        return Ok(experiment);
    }
    let Node { kind: Kind::Mapping(entries), span } = experiment else { return Ok(experiment) };
    let fill = |(key, node): (Key, Node)| {
        let node = if AS_WRITTEN.contains(&&*key.text) { node } else { filling.node(node) };
        (key, node)
    };
    let kind = Kind::Mapping(entries.into_iter().map(fill).collect());
    if filling.wrong.is_empty() { Ok(Node { kind, span }) } else { Err(filling.wrong) }
}

/// Why a value of `configuration` is not put in, where it is of a kind that is not read here.
pub(super) fn unread(value: &Node) -> Option<String> {
    let kind = value.get("type").and_then(Node::as_text)?;
    (kind != "env").then(|| format!("values of the type {kind} are not read"))
}

struct Filling {
    values: BTreeMap<Box<str>, Node>,
    /// Octets that may yet be put in; none once they were too many.
    left: Option<usize>,
    wrong: Vec<Diagnostic>,
}

impl Filling {
    fn declare(&mut self, name: &Key, value: &Node, environment: Environment<'_>) {
        let value = if value.as_text().is_some() {
            Some(value.clone())
        } else if value.get("type").and_then(Node::as_text) == Some("env") {
            self.variable(value, environment)
        } else {
            None
        };
        self.values.extend(value.map(|value| (name.text.clone(), value)));
    }

    /// The value of a variable of the environment.
    fn variable(&mut self, value: &Node, environment: Environment<'_>) -> Option<Node> {
        let Some(key) = value.get("key").and_then(Node::as_text) else {
            let message = "a value of the type env needs `key`";
            let help = "`key` is the variable's name";
            self.wrong.push(Diagnostic::error("NW-GD-002", value.span, message).with_help(help));
            return None;
        };
        let Some(text) = environment(key) else {
            let default = value.get("default").filter(|default| default.as_text().is_some());
            if default.is_none() {
                let message = format!("the variable {key} of the environment is not set");
                let error = Diagnostic::error("NW-GD-003", value.span, message);
                self.wrong.push(error.with_help("set it, or give it a `default`"));
            }
            return default.cloned();
        };
        let is_number = matches!(
            value.get("env_var_type").and_then(Node::as_text),
            Some("int" | "integer" | "float" | "number")
        );
        if !is_number {
            return Some(Node { kind: Kind::String(text.into()), span: value.span });
        }
        if text.trim().parse::<f64>().is_err() {
            let message = format!("the variable {key} of the environment is no number");
            self.wrong.push(Diagnostic::error("NW-GD-002", value.span, message));
            return None;
        }
        Some(Node { kind: Kind::Number(text.trim().into()), span: value.span })
    }

    /// Whether a value may be put in; what is too much is told once.
    fn may(&mut self, value: &Node, span: Span) -> bool {
        let Some(left) = self.left else { return false };
        self.left = left.checked_sub(value.as_text().map_or(0, str::len));
        if self.left.is_none() {
            let message = "the values that are put in are too much";
            self.wrong.push(Diagnostic::error("NW-GD-004", span, message));
        }
        self.left.is_some()
    }

    fn node(&mut self, Node { kind, span }: Node) -> Node {
        let kind = match kind {
            Kind::String(text) => self.text(text, span),
            Kind::Sequence(items) => {
                Kind::Sequence(items.into_iter().map(|item| self.node(item)).collect())
            }
            Kind::Mapping(entries) => {
                let fill = |(key, node)| (key, self.node(node));
                Kind::Mapping(entries.into_iter().map(fill).collect())
            }
            other => other,
        };
        Node { kind, span }
    }

    /// A text that is nothing but a name is the value as it is: a number stays one.
    fn text(&mut self, text: Box<str>, span: Span) -> Kind {
        let whole = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        if let Some(value) = whole.and_then(|name| self.values.get(name)).cloned() {
            return if self.may(&value, span) { value.kind } else { Kind::Null };
        }
        if !text.contains("${") {
            return Kind::String(text);
        }
        let mut filled = String::new();
        let mut rest = &*text;
        while let Some((before, after)) = rest.split_once("${") {
            filled.push_str(before);
            let value = after
                .split_once('}')
                .and_then(|(name, then)| Some((self.values.get(name)?.clone(), then)));
            let Some((value, then)) = value else {
                filled.push_str("${");
                rest = after;
                continue;
            };
            if !self.may(&value, span) {
                return Kind::Null;
            }
            filled.push_str(value.as_text().unwrap_or_default());
            rest = then;
        }
        filled.push_str(rest);
        Kind::String(filled.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

    use netwright_model::source::Sources;
    use netwright_model::tree::{Limits, yaml};

    use super::*;

    fn with(text: &str) -> Result<Node, String> {
        let mut sources = Sources::default();
        let file = sources.add("t", text.to_owned());
        let node = yaml::parse(text, file, &Limits::default()).unwrap();
        let environment = |name: &str| match name {
            "PORT" => Some(" 8080".to_owned()),
            "EVIL" => Some("${host}".to_owned()),
            _ => None,
        };
        filled(node, &environment).map_err(|wrong| {
            wrong.iter().map(|one| one.message.to_string()).collect::<Vec<_>>().join("; ")
        })
    }

    #[test]
    fn values_are_put_in_as_they_are_and_what_is_no_value_stays() {
        let node = with(
            "{ title: 'of ${host}', configuration: { host: db, wait: 3, port: { type: env, key: PORT, env_var_type: int }, other: { type: env, key: NOT_SET, default: o }, evil: { type: env, key: EVIL } },
               method: [ 'http://${host}:${port}/${nothing}/${other}', '${wait}', '${evil}', '$HOME ${', '${port}' ] }",
        )
        .unwrap();
        let texts: Vec<&str> =
            node.get("method").unwrap().items().iter().flat_map(Node::as_text).collect();
        assert_eq!(texts, ["http://db:8080/${nothing}/o", "3", "${host}", "$HOME ${", "8080"]);
        assert_eq!(node.get("method").unwrap().items()[1].as_i64(), Some(3), "a number stays one");
        assert_eq!(node.get("title").unwrap().as_str(), Some("of ${host}"));
    }

    #[test]
    fn what_is_not_set_or_is_no_number_is_told() {
        let of = |value: &str| {
            with(&format!("{{ configuration: {{ a: {value} }}, method: [] }}")).unwrap_err()
        };
        assert_eq!(
            of("{ type: env, key: NOT_SET }"),
            "the variable NOT_SET of the environment is not set"
        );
        assert_eq!(
            of("{ type: env, key: EVIL, env_var_type: int }"),
            "the variable EVIL of the environment is no number"
        );
        assert_eq!(of("{ type: env }"), "a value of the type env needs `key`");
    }

    #[test]
    fn a_little_text_does_not_become_much() {
        // The last is the bound to an octet, and one value more.
        for (length, text) in [(2_000, "'${a}-'"), (2_000, "'${a}'"), (MOST / 4, "'${a}'")] {
            let value = "x".repeat(length);
            let many = format!("{text}, ").repeat(if length == 2_000 { 2_000 } else { 5 });
            let told = with(&format!("{{ configuration: {{ a: {value} }}, method: [ {many} ] }}"));
            assert_eq!(told.unwrap_err(), "the values that are put in are too much");
        }
    }
}
