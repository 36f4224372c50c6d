//! What security groups and network ACLs protect beside what is described: a filter that seems to be attached to nothing may be
//! attached to an object that was left out, or that the export does not list.

use std::collections::BTreeMap;

use netwright_model::language::Attachment;
use netwright_model::source::Spanned;
use netwright_model::tree::{Kind, Node};

use crate::Document;

use super::Import;

/// Sections in which a group's identifier says nothing of who is in it.
const DEFINITIONS: [&str; 5] =
    ["SecurityGroups", "security_groups", "SecurityGroupRules", "Tags", "tags"];

/// Sections of which one says what stands in an export's subnets.
const INTERFACES: [&str; 3] = ["NetworkInterfaces", "Reservations", "Instances"];

impl Import<'_> {
    /// Marks the filters that nothing described has, and that something else has or may have.
    pub(super) fn attached(&mut self, documents: &[Document]) {
        let used = crate::naming::used_filters(&self.description);
        let idle: BTreeMap<String, usize> = self
            .description
            .filters
            .iter()
            .enumerate()
            .filter(|(_, (name, _))| !used.contains(&name.value))
            .filter_map(|(place, (_, filter))| Some((filter.id.as_ref()?.value.clone(), place)))
            .collect();
        let mut named: BTreeMap<usize, Spanned<String>> = BTreeMap::new();
        for document in documents {
            mentions(&document.root, &idle, &mut named);
        }
        let interfaces = INTERFACES.iter().any(|section| self.export.has(section));
        let subnets = self.export.has("Subnets");
        for (place, (_, filter)) in self.description.filters.0.iter_mut().enumerate() {
            let of_subnets =
                filter.attach.as_ref().is_some_and(|at| at.value == Attachment::Subnet);
            let listed = if of_subnets { subnets } else { interfaces };
            if idle.values().all(|own| *own != place) {
                continue;
            }
            let what = if of_subnets { "subnets" } else { "interfaces" };
            filter.elsewhere = named.remove(&place).or_else(|| {
                let why = format!("the export does not list {what}");
                (!listed).then(|| Spanned::new(why, *filter.span))
            });
        }
    }
}

/// Where an export names one of some filters by its identifier, outside the lists that define them.
fn mentions(
    node: &Node,
    idle: &BTreeMap<String, usize>,
    named: &mut BTreeMap<usize, Spanned<String>>,
) {
    let mut waiting = vec![(node, "")];
    while let Some((node, key)) = waiting.pop() {
        match &node.kind {
            Kind::Mapping(entries) => {
                let acl = node.get("Entries").is_some() && node.get("Associations").is_some();
                for (key, value) in entries {
                    // A network ACL names itself: only its associations say where it is.
                    let own = acl && *key.text == *"NetworkAclId";
                    if !DEFINITIONS.contains(&&*key.text) && !own {
                        waiting.push((value, &key.text));
                    } else if !value.items().is_empty() && value.items()[0].as_text().is_some() {
                        // A list of identifiers, which other products call the same.
                        waiting.push((value, &key.text));
                    }
                }
            }
            Kind::Sequence(items) => waiting.extend(items.iter().map(|item| (item, key))),
            _ => {
                if let Some(place) = node.as_text().and_then(|text| idle.get(text)) {
                    let why = format!("`{key}` names it for what is not described here");
                    named.entry(*place).or_insert(Spanned::new(why, node.span));
                }
            }
        }
    }
}
