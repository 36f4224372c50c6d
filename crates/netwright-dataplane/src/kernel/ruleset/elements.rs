//! The difference between two rulesets that differ in the elements of their named sets and maps only: a few commands in the place of a
//! ruleset that is loaded anew. Counters of what stays go on, and what it costs does not grow with what stays.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A ruleset with the elements of its named sets taken out.
struct Parts<'a> {
    rest: Vec<&'a str>,
    /// By table and name, which elements.
    sets: BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let (mut table, mut name) = ("", "");
        let mut parts = Self { rest: Vec::new(), sets: BTreeMap::new() };
        for line in text.lines() {
            let trimmed = line.trim();
            if let Some(rest) = line.strip_prefix("table ") {
                table = rest.trim_end_matches('{').trim();
            }
            let words: Vec<&str> = trimmed.split_whitespace().take(2).collect();
            if let ["set" | "map", set] = words.as_slice() {
                name = set;
                parts.sets.entry((table, name)).or_default();
            }
            match list(trimmed) {
                Some(list) => {
                    let all = list.split(", ").map(str::trim).filter(|element| !element.is_empty());
                    parts.sets.entry((table, name)).or_default().extend(all);
                }
                None => parts.rest.push(line),
            }
        }
        parts
    }
}

fn list(line: &str) -> Option<&str> {
    line.strip_prefix("elements = {")?.strip_suffix('}')
}

/// The commands that bring a kernel that holds one ruleset to another; none where more than elements differs.
pub(super) fn commands(old: &str, new: &str) -> Option<String> {
    let (old, new) = (Parts::of(old), Parts::of(new));
    if old.rest != new.rest || old.sets.len() != new.sets.len() {
        return None;
    }
    let mut text = String::new();
    for (key, now) in &new.sets {
        let was = old.sets.get(key)?;
        let (table, name) = key;
        // What goes makes room for what comes: elements may overlap.
        for (word, from, without) in [("delete", was, now), ("add", now, was)] {
            let changed: Vec<Cow<'_, str>> =
                from.difference(without)
                    .map(|element| {
                        if word == "delete" {
                            uncommented(element)
                        } else {
                            Cow::Borrowed(*element)
                        }
                    })
                    .collect();
            if !changed.is_empty() {
                let changed = changed.join(", ");
                text.push_str(&format!("{word} element {table} {name} {{ {changed} }}\n"));
            }
        }
    }
    Some(text)
}

/// An element without its comment: the key and, of a map, the value.
fn uncommented(element: &str) -> Cow<'_, str> {
    let Some((key, rest)) = element.split_once(" comment \"") else { return element.into() };
    let value = rest.split_once('"').map_or("", |(_, value)| value);
    format!("{key}{value}").into()
}

#[cfg(test)]
mod tests {
    use super::commands;

    fn ruleset(elements: &str, chain: &str) -> String {
        format!(
            "table inet t {{\n  set s {{\n    type ipv4_addr\n{elements}  }}\n  map m {{\n    type ifname : verdict\n    elements = {{ \"a\" : jump x }}\n  }}\n  chain x {{\n    {chain}\n  }}\n}}\n"
        )
    }

    #[test]
    fn elements_that_come_and_go_are_commands() {
        let old = ruleset("    elements = { 10.0.0.1 comment \"a: b\", 10.0.0.2 }\n", "accept");
        let new = ruleset("    elements = { 10.0.0.2, 10.0.0.3 comment \"a: c\" }\n", "accept");
        assert_eq!(
            commands(&old, &new).as_deref(),
            Some(
                "delete element inet t s { 10.0.0.1 }\nadd element inet t s { 10.0.0.3 comment \"a: c\" }\n"
            )
        );
        assert_eq!(commands(&old, &old).as_deref(), Some(""));
    }

    #[test]
    fn a_set_may_become_empty_and_be_filled() {
        let (empty, full) =
            (ruleset("", "accept"), ruleset("    elements = { 10.0.0.1 }\n", "accept"));
        assert_eq!(commands(&empty, &full).as_deref(), Some("add element inet t s { 10.0.0.1 }\n"));
        assert_eq!(
            commands(&full, &empty).as_deref(),
            Some("delete element inet t s { 10.0.0.1 }\n")
        );
    }

    #[test]
    fn an_element_of_a_map_goes_with_its_value_and_without_its_comment() {
        let map = |elements: &str| {
            format!(
                "table inet t {{\n  map m {{\n    type ipv4_addr : ipv4_addr\n    elements = {{ {elements} }}\n  }}\n}}\n"
            )
        };
        assert_eq!(
            commands(
                &map("10.0.0.1 comment \"a: 1\" : 1.2.3.4"),
                &map("10.0.0.1 comment \"b: 1\" : 1.2.3.5")
            )
            .as_deref(),
            Some(
                "delete element inet t m { 10.0.0.1 : 1.2.3.4 }\nadd element inet t m { 10.0.0.1 comment \"b: 1\" : 1.2.3.5 }\n"
            )
        );
    }

    #[test]
    fn another_rule_or_another_set_is_more_than_elements() {
        let old = ruleset("", "accept");
        assert_eq!(commands(&old, &ruleset("", "drop")), None);
        assert_eq!(commands(&old, &old.replace("set s", "set other")), None);
        assert_eq!(commands("", &old), None);
    }
}
