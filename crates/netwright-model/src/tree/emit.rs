//! Writing a tree as block YAML that people like to read.

use std::fmt::Write as _;

use super::{Kind, Node};

/// Widest line of a list written on one line.
const WIDTH: usize = 110;

/// Octets of a key that needs no mark. YAML's own bound is 1024 characters.
const LONGEST_KEY: usize = 1000;

/// Writes a tree. Comments of `header` come first, each line after `# `.
#[must_use]
pub fn to_yaml(root: &Node, header: &str) -> String {
    let mut out = String::new();
    for line in header.lines() {
        let _infallible = writeln!(out, "{}", format!("# {line}").trim_end());
    }
    match &root.kind {
        Kind::Mapping(entries) if !entries.is_empty() => block(&mut out, root, 0),
        Kind::Sequence(items) if !items.is_empty() => block(&mut out, root, 0),
        _ => {
            out.push_str(&flow(root));
            out.push('\n');
        }
    }
    out
}

fn is_leaf(node: &Node) -> bool {
    match &node.kind {
        Kind::Mapping(entries) => entries.is_empty(),
        Kind::Sequence(items) => items.is_empty(),
        _ => true,
    }
}

/// A tree on one line.
fn flow(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "null".to_owned(),
        Kind::Bool(value) => value.to_string(),
        Kind::Number(text) => text.to_string(),
        Kind::String(text) => scalar(text),
        Kind::Sequence(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Kind::Mapping(entries) => {
            let parts: Vec<String> = entries
                .iter()
                .map(|(key, node)| format!("{}: {}", scalar(&key.text), flow(node)))
                .collect();
            if parts.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", parts.join(", ")) }
        }
    }
}

/// The text of a node when it reads well on one line.
fn short(node: &Node, indent: usize) -> Option<String> {
    let flat = match &node.kind {
        Kind::Sequence(items) => items.iter().all(is_leaf),
        Kind::Mapping(entries) => entries.is_empty(),
        _ => true,
    };
    if !flat {
        return None;
    }
    let text = flow(node);
    (is_leaf(node) || text.len() + indent <= WIDTH).then_some(text)
}

fn block(out: &mut String, node: &Node, indent: usize) {
    let pad = " ".repeat(indent);
    match &node.kind {
        Kind::Mapping(entries) => {
            for (key, value) in entries {
                let key = scalar(&key.text);
                // YAML wants a long key marked as one.
                let marked = key.len() > LONGEST_KEY;
                let _infallible = match marked {
                    true => write!(out, "{pad}? {key}\n{pad}:"),
                    false => write!(out, "{pad}{key}:"),
                };
                value_after_key(out, value, indent);
            }
        }
        Kind::Sequence(items) => {
            for item in items {
                match (&item.kind, short(item, indent + 2)) {
                    (_, Some(text)) => {
                        let _infallible = writeln!(out, "{pad}- {text}");
                    }
                    (Kind::Mapping(_), None) => {
                        let mut inner = String::new();
                        block(&mut inner, item, indent + 2);
                        let _infallible = write!(out, "{pad}- {}", inner.trim_start_matches(' '));
                    }
                    _ => {
                        let _infallible = writeln!(out, "{pad}-");
                        block(out, item, indent + 2);
                    }
                }
            }
        }
        _ => {
            let _infallible = writeln!(out, "{pad}{}", flow(node));
        }
    }
}

fn value_after_key(out: &mut String, value: &Node, indent: usize) {
    match short(value, indent + 20) {
        Some(text) => {
            let _infallible = writeln!(out, " {text}");
        }
        None => {
            out.push('\n');
            block(out, value, indent + 2);
        }
    }
}

/// A text as a plain scalar where that reads back as the same text, otherwise in double quotes.
fn scalar(text: &str) -> String {
    let plain = !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@*+ %=()".contains(c))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '_')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains("  ")
        && !matches!(super::yaml::plain(text), Kind::Null | Kind::Bool(_) | Kind::Number(_));
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if (c as u32) < 0x20
                || (0x7f..0xa0).contains(&(c as u32))
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') =>
            {
                let _infallible = write!(quoted, "\\u{:04X}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
