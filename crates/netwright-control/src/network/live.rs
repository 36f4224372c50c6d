//! The network at one revision: objects, their texts as files, and what they resolve to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use netwright_model::diagnostic::Diagnostic;
use netwright_model::language::Description;
use netwright_model::language::maps::{self, Alone};
use netwright_model::network::Network;
use netwright_model::network::resolve::resolve;
use netwright_model::source::{FileId, Sources, Span};
use netwright_model::tree::{Limits, yaml};
use netwright_model::{decode_description, to_yaml};
use netwright_store::Revision;

use super::objects::{Edit, Misfit, ObjectKey, Objects};

/// The network as it is at a revision.
#[derive(Debug, Clone)]
pub struct Live {
    /// The revision; 0 where nothing was ever declared.
    pub revision: Revision,
    /// Its objects.
    pub objects: Objects,
    /// What they say, resolved. A place is a line of an object's text, in a file with the object's name.
    pub network: Arc<Network>,
    /// The objects' texts.
    pub sources: Sources,
    files: BTreeMap<ObjectKey, FileId>,
}

/// Why edits give no network.
#[derive(Debug)]
pub enum Unfit {
    /// They do not fit what is there.
    Misfit(Misfit),
    /// What they lead to is no network.
    Wrong {
        /// All errors.
        diagnostics: Vec<Diagnostic>,
        /// Where they are.
        sources: Sources,
    },
}

impl Live {
    /// The network of nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            revision: Revision(0),
            objects: Objects::default(),
            network: Arc::default(),
            sources: Sources::default(),
            files: BTreeMap::new(),
        }
    }

    /// The network of some objects.
    ///
    /// # Errors
    ///
    /// When they make none.
    pub fn of(objects: Objects, revision: Revision) -> Result<Self, Unfit> {
        let mut sources = Sources::default();
        let mut files = BTreeMap::new();
        let mut texts = Texts::default();
        for (key, object) in objects.iter() {
            let file = sources.add(key.to_string(), Arc::clone(&object.text));
            texts.read(&key, &object.text, file);
            files.insert(key, file);
        }
        let (description, sources) = texts.description(sources)?;
        let (network, sources) = resolved(description, sources)?;
        Ok(Self { revision, objects, network, sources, files })
    }

    /// The network after some edits. Only what they touch is read anew.
    ///
    /// # Errors
    ///
    /// When the edits do not fit, or what they lead to is no network.
    pub fn after(&self, edits: &[Edit], revision: Revision) -> Result<Self, Unfit> {
        let mut objects = self.objects.clone();
        let mut touched: BTreeMap<ObjectKey, bool> = BTreeMap::new();
        for edit in edits {
            let between = objects.is_between(edit);
            objects.apply(edit).map_err(Unfit::Misfit)?;
            if let Some(key) = edit.key() {
                *touched.entry(key).or_default() |= between;
            }
        }
        let (mut sources, mut files) = (self.sources.clone(), self.files.clone());
        let mut texts = Texts::default();
        let mut gone: BTreeSet<(&str, &str)> = BTreeSet::new();
        for key in touched.keys() {
            let Some(object) = objects.get(key) else {
                gone.insert((key.part, &key.name));
                files.remove(key);
                continue;
            };
            let text = &object.text;
            let file = match files.get(key) {
                Some(file) => {
                    sources.replace(*file, Arc::clone(text));
                    *file
                }
                None => sources.add(key.to_string(), Arc::clone(text)),
            };
            files.insert(key.clone(), file);
            texts.read(key, text, file);
        }
        let (part, sources) = texts.description(sources)?;
        let mut description = self.network.description.clone();
        description.remove(&gone);
        description.put(part);
        // Objects that were put between others, or that came in another order than their keys have.
        let parts: BTreeSet<&str> = touched.keys().map(|key| key.part).collect();
        for part in parts {
            let many = touched.keys().filter(|key| key.part == part).count() > 1;
            let between = touched.iter().any(|(key, between)| key.part == part && *between);
            if many || between {
                let key = |name: &str| ObjectKey::of(part, name);
                let place = |name: &str| objects.get(&key(name)?).map(|object| object.place);
                description.arrange(part, |name| place(name).unwrap_or(u64::MAX));
            }
        }
        let (network, sources) = resolved(description, sources)?;
        Ok(Self { revision, objects, network, sources, files })
    }

    /// The same, as of a revision.
    #[must_use]
    pub fn at_revision(self, revision: Revision) -> Self {
        Self { revision, ..self }
    }

    /// Its description as one text.
    #[must_use]
    pub fn yaml(&self) -> String {
        to_yaml(&self.network.description, "")
    }

    /// A place as people read it: object, line and column.
    #[must_use]
    pub fn at(&self, span: Span) -> Option<String> {
        self.sources.location(span).map(|place| place.to_string())
    }
}

fn resolved(description: Description, sources: Sources) -> Result<(Arc<Network>, Sources), Unfit> {
    match resolve(description) {
        Ok(network) => Ok((Arc::new(network), sources)),
        Err(diagnostics) => Err(Unfit::Wrong { diagnostics, sources }),
    }
}

/// Texts of objects, read.
#[derive(Default)]
struct Texts {
    nodes: Vec<(Alone, Span)>,
    errors: Vec<Diagnostic>,
}

impl Texts {
    fn read(&mut self, key: &ObjectKey, text: &str, file: FileId) {
        // A part of what the limits allow for a whole network was let in before.
        let (node, errors) = yaml::read(text, file, &Limits::default());
        self.errors.extend(errors);
        let name = key.name.to_string();
        let node = node.unwrap_or_default();
        self.nodes.push((Alone { part: key.part, name, node }, Span::new(file, 0, 0)));
    }

    fn description(self, sources: Sources) -> Result<(Description, Sources), Unfit> {
        let Self { nodes, mut errors } = self;
        match decode_description(&maps::join(nodes)) {
            Ok(description) if errors.is_empty() => return Ok((description, sources)),
            Ok(_) => {}
            Err(more) => errors.extend(more),
        }
        Err(Unfit::Wrong { diagnostics: errors, sources })
    }
}

#[cfg(test)]
mod tests {
    use netwright_model::generate::{Plan, generate};
    use netwright_model::random::Random;
    use netwright_store::Revision;

    use super::Live;
    use crate::network::objects::{Edit, Wish, wishes};

    fn live(plan: &Plan) -> Live {
        let edits = Live::empty().objects.edits_to(&wishes(&generate(plan)));
        Live::empty().after(&edits, Revision(5)).unwrap_or_else(|wrong| panic!("{wrong:?}"))
    }

    /// What is read anew only where it was touched is what is read from nothing.
    #[test]
    fn a_network_after_edits_is_the_network_of_its_objects() {
        let mut random = Random::new(3);
        let mut live = live(&Plan { instances: 30, ..Plan::default() });
        let whole = Live::of(live.objects.clone(), live.revision);
        assert_eq!(whole.map(|whole| whole.yaml()).ok(), Some(live.yaml()));
        let mut undo: Vec<Edit> = Vec::new();
        for round in 0..60 {
            let names: Vec<_> =
                live.objects.of_part("expect").map(|(name, _)| name.clone()).collect();
            let filters: Vec<_> = live
                .objects
                .of_part("filters")
                .map(|(name, o)| (name.clone(), o.text.clone()))
                .collect();
            let edits = if round % 3 == 2 && !undo.is_empty() {
                vec![undo.remove(random.below(u32::try_from(undo.len()).unwrap_or(1)) as usize)]
            } else if round % 3 == 1 && !names.is_empty() {
                let name = &names[random.below(u32::try_from(names.len()).unwrap_or(1)) as usize];
                let key = super::ObjectKey { part: "expect", name: name.clone() };
                let edit = live.objects.removal(&key);
                undo.extend(edit.clone().map(Edit::undone));
                edit.into_iter().collect()
            } else {
                let (_, text) =
                    &filters[random.below(u32::try_from(filters.len()).unwrap_or(1)) as usize];
                let key = super::ObjectKey {
                    part: "filters",
                    name: format!("copy-{}", random.below(5)).into(),
                };
                live.objects.edits_to(&[Wish { key, text: text.to_string() }])
            };
            live = match live.after(&edits, live.revision.next()) {
                Ok(live) => live,
                Err(wrong) => panic!("{wrong:?}"),
            };
            let Ok(whole) = Live::of(live.objects.clone(), live.revision) else {
                panic!("no network")
            };
            assert_eq!(whole.yaml(), live.yaml());
            assert_eq!(whole.network.written.filters, live.network.written.filters);
            assert_eq!(whole.network.written.rest, live.network.written.rest);
        }
    }

    #[test]
    fn places_name_the_object_and_its_line() {
        let live = live(&Plan::default());
        let Some((name, filter)) = live.network.description.filters.first() else {
            panic!("no filter")
        };
        let at = live.at(*filter.span).unwrap_or_default();
        assert!(at.starts_with(&format!("filters/{}:1:", name.value)), "{at}");
    }
}
