//! Names that people recognise: the resource's own name where it is unique, otherwise its identifier.

use std::collections::{BTreeMap, BTreeSet};

use netwright_model::language::Description;

/// Names of one kind of object by identifier.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    names: BTreeMap<String, String>,
}

impl Naming {
    /// Chooses names for objects given as identifier and own name, in the order of the export.
    pub(crate) fn choose<'a>(
        objects: impl Iterator<Item = (&'a str, Option<String>)> + Clone,
    ) -> Self {
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        let mut ids: BTreeSet<&str> = BTreeSet::new();
        for (id, name) in objects.clone() {
            if ids.insert(id)
                && let Some(name) = name.as_deref().and_then(clean)
            {
                *count.entry(name).or_default() += 1;
            }
        }
        let names = objects
            .map(|(id, name)| {
                let own = name.as_deref().and_then(clean);
                let unique =
                    own.filter(|name| count.get(name) == Some(&1) && !ids.contains(name.as_str()));
                (id.to_owned(), unique.unwrap_or_else(|| id.to_owned()))
            })
            .collect();
        Self { names }
    }

    /// All names.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.names.values().map(String::as_str)
    }

    /// The name of an identifier.
    pub(crate) fn get(&self, id: &str) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }
}

/// A name without characters that have a meaning in references; nothing where none is left.
fn clean(name: &str) -> Option<String> {
    let name: String = name
        .trim()
        .chars()
        .map(|c| if c == '/' || c == ':' || c.is_whitespace() || c.is_control() { '-' } else { c })
        .collect();
    let telling = name.chars().any(char::is_alphanumeric);
    (telling && name != "internet" && name != "any").then_some(name)
}

/// Names of the filters that a subnet or a machine of a description has. What else has one may have no interface here.
pub(crate) fn used_filters(made: &Description) -> BTreeSet<String> {
    let subnets = made.vpcs.iter().flat_map(|(_, vpc)| vpc.subnets.iter());
    let instances = made.instances.iter().flat_map(|(_, row)| {
        let others = row.interfaces.iter().flat_map(|(_, own)| &own.filters);
        row.filters.iter().chain(others)
    });
    subnets
        .flat_map(|(_, subnet)| &subnet.filters)
        .chain(instances)
        .chain(made.nat_gateways.iter().flat_map(|(_, row)| &row.filters))
        .map(|name| name.value.clone())
        .collect()
}
