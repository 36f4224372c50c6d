//! The network as objects: what the store keeps of it.
//!
//! An object is a part of the description and a name in it, with the text that is written there. Objects of a part have places: numbers
//! whose order is that of the description. An object keeps its place when its text changes, and gets it back when its removal is undone, so
//! that undoing gives exactly what was before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use netwright_model::language::{Description, maps};
use netwright_model::tree::emit::to_yaml;
use serde::{Deserialize, Serialize};

/// Room that is left between the places of two objects that follow each other.
const GAP: u64 = 1 << 16;

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// The part of the description.
    pub part: &'static str,
    /// The name there; empty for a setting.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// An object by its part and name. None where there is no such part, or where a setting is given a name or an object none.
    #[must_use]
    pub fn of(part: &str, name: &str) -> Option<Self> {
        let part = maps::part(part)?;
        (maps::is_map(part) != name.is_empty()).then(|| Self { part, name: name.into() })
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part)?;
        if self.name.is_empty() { Ok(()) } else { write!(f, "/{}", self.name) }
    }
}

/// What becomes of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The part of the description.
    pub part: String,
    /// The name there; empty for a setting.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its place among its part's objects.
    pub place: u64,
    /// Its text before; none where it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Arc<str>>,
    /// Its text afterwards; none where it is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Arc<str>>,
}

impl Edit {
    /// What takes it back.
    #[must_use]
    pub fn undone(self) -> Self {
        Self { old: self.new, new: self.old, ..self }
    }

    /// Which object.
    #[must_use]
    pub fn key(&self) -> Option<ObjectKey> {
        ObjectKey::of(&self.part, &self.name)
    }
}

/// An edit that does not fit what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit(pub String);

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its text, as canonical YAML.
    pub text: Arc<str>,
    /// Its place.
    pub place: u64,
}

/// The objects of a part of the description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Part {
    named: BTreeMap<Arc<str>, Object>,
    order: BTreeMap<u64, Arc<str>>,
}

/// All objects of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    parts: BTreeMap<&'static str, Part>,
}

/// An object that is wished for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Which.
    pub key: ObjectKey,
    /// Its text, as canonical YAML.
    pub text: String,
}

/// The objects of a description, in the order written.
#[must_use]
pub fn wishes(description: &Description) -> Vec<Wish> {
    let objects = maps::split(description).into_iter();
    let wish = |alone: maps::Alone| Wish {
        key: ObjectKey { part: alone.part, name: alone.name.into() },
        text: to_yaml(&alone.node, ""),
    };
    objects.map(wish).collect()
}

impl Objects {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.values().map(|part| part.named.len()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.values().all(|part| part.named.is_empty())
    }

    /// An object.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<&Object> {
        self.parts.get(key.part)?.named.get(&key.name)
    }

    /// All objects, those of a part in their order.
    pub fn iter(&self) -> impl Iterator<Item = (ObjectKey, &Object)> {
        self.parts.iter().flat_map(|(part, objects)| {
            objects.order.values().filter_map(|name| {
                let key = ObjectKey { part, name: Arc::clone(name) };
                Some((key, objects.named.get(name)?))
            })
        })
    }

    /// The objects of one part, in their order.
    pub fn of_part(&self, part: &str) -> impl Iterator<Item = (&Arc<str>, &Object)> {
        let part = self.parts.get(part).into_iter();
        part.flat_map(|part| part.order.values().filter_map(|name| part.named.get_key_value(name)))
    }

    /// Octets of all texts.
    #[must_use]
    pub fn octets(&self) -> usize {
        let objects = self.parts.values().flat_map(|part| &part.named);
        objects.map(|(name, object)| name.len() + object.text.len()).sum()
    }

    /// Whether an edit puts an object elsewhere than at the end of its part.
    #[must_use]
    pub fn is_between(&self, edit: &Edit) -> bool {
        edit.old.is_none()
            && self.parts.get(edit.part.as_str()).is_some_and(|part| {
                part.order.last_key_value().is_some_and(|(last, _)| *last > edit.place)
            })
    }

    /// Makes an edit.
    ///
    /// # Errors
    ///
    /// When what is there is not what the edit says was there: then nothing is changed.
    pub fn apply(&mut self, edit: &Edit) -> Result<(), Misfit> {
        let Some(key) = edit.key() else {
            return Err(Misfit(format!("there is no object `{}/{}`", edit.part, edit.name)));
        };
        let there = self.get(&key);
        if there.map(|object| &object.text) != edit.old.as_ref() {
            return Err(Misfit(format!("{key} is not as the change found it")));
        }
        let place = there.map_or(edit.place, |object| object.place);
        if place != edit.place {
            return Err(Misfit(format!("{key} is not where the change found it")));
        }
        let part = self.parts.entry(key.part).or_default();
        match &edit.new {
            Some(text) => {
                let holds = part.order.entry(place).or_insert_with(|| Arc::clone(&key.name));
                if *holds != key.name {
                    return Err(Misfit(format!("the place of {key} is taken by {holds}")));
                }
                part.named.insert(key.name, Object { text: Arc::clone(text), place });
            }
            None => {
                part.order.remove(&place);
                part.named.remove(&key.name);
            }
        }
        Ok(())
    }

    /// The edits that make wishes true. New objects come after all others of their part, in the order of the wishes.
    #[must_use]
    pub fn edits_to(&self, wishes: &[Wish]) -> Vec<Edit> {
        let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
        let mut edits = Vec::new();
        for Wish { key, text } in wishes {
            let there = self.get(key);
            if there.is_some_and(|object| *object.text == **text) {
                continue;
            }
            let place = there.map_or_else(
                || {
                    let end = ends.entry(key.part).or_insert_with(|| self.end(key.part));
                    *end = end.saturating_add(GAP);
                    *end
                },
                |object| object.place,
            );
            edits.push(Edit {
                part: key.part.to_owned(),
                name: key.name.to_string(),
                place,
                old: there.map(|object| Arc::clone(&object.text)),
                new: Some(text.as_str().into()),
            });
        }
        edits
    }

    fn end(&self, part: &str) -> u64 {
        let last = self.parts.get(part).and_then(|part| part.order.last_key_value());
        last.map_or(0, |(place, _)| *place)
    }

    /// The edit that takes an object away; none where it is not there.
    #[must_use]
    pub fn removal(&self, key: &ObjectKey) -> Option<Edit> {
        let object = self.get(key)?;
        Some(Edit {
            part: key.part.to_owned(),
            name: key.name.to_string(),
            place: object.place,
            old: Some(Arc::clone(&object.text)),
            new: None,
        })
    }

    /// The edits that make these objects those of another state.
    #[must_use]
    pub fn edits_back_to(&self, other: &Self) -> Vec<Edit> {
        let gone = self.iter().filter(|(key, _)| other.get(key).is_none());
        let gone = gone.filter_map(|(key, _)| self.removal(&key));
        let mut edits: Vec<Edit> = gone.collect();
        for (key, object) in other.iter() {
            let there = self.get(&key);
            if there == Some(object) {
                continue;
            }
            let put = |place, old, new| Edit {
                part: key.part.to_owned(),
                name: key.name.to_string(),
                place,
                old,
                new,
            };
            let text = Some(Arc::clone(&object.text));
            match there {
                // An object that stands elsewhere now is taken away and comes back.
                Some(own) if own.place != object.place => {
                    edits.push(put(own.place, Some(Arc::clone(&own.text)), None));
                    edits.push(put(object.place, None, text));
                }
                there => {
                    edits.push(put(object.place, there.map(|own| Arc::clone(&own.text)), text));
                }
            }
        }
        // Places are free before others take them.
        edits.sort_by_key(|edit| edit.new.is_some());
        edits
    }

    /// As lines, one for each object: part, name, place and text.
    #[must_use]
    pub fn to_lines(&self) -> String {
        let mut out = String::new();
        for (key, object) in self.iter() {
            let line = serde_json::json!([key.part, &*key.name, object.place, &*object.text]);
            out.push_str(&line.to_string());
            out.push('\n');
        }
        out
    }

    /// From lines.
    ///
    /// # Errors
    ///
    /// The first line that is none.
    pub fn from_lines(text: &str) -> Result<Self, Misfit> {
        let mut objects = Self::default();
        for line in text.lines() {
            let read: Result<(String, String, u64, String), _> = serde_json::from_str(line);
            let (part, name, place, text) = read.map_err(|error| Misfit(error.to_string()))?;
            let (old, new) = (None, Some(text.into()));
            objects.apply(&Edit { part, name, place, old, new })?;
        }
        Ok(objects)
    }
}

#[cfg(test)]
mod tests {
    use netwright_model::generate::{Plan, Shape, generate};
    use netwright_model::random::Random;

    use super::{Edit, ObjectKey, Objects, wishes};
    use crate::network::Live;

    fn whole(plan: &Plan) -> Objects {
        let mut objects = Objects::default();
        let edits = objects.edits_to(&wishes(&generate(plan)));
        edits.iter().for_each(|edit| objects.apply(edit).unwrap_or_default());
        objects
    }

    #[test]
    fn a_description_comes_back_from_its_objects() {
        for (shape, seed) in Shape::ALL.iter().flat_map(|shape| (1..4).map(move |s| (*shape, s))) {
            let plan = Plan { shape, seed, instances: 40, ..Plan::default() };
            let objects = whole(&plan);
            let Ok(live) = Live::of(objects, netwright_store::Revision(7)) else {
                panic!("{shape} does not come back");
            };
            assert_eq!(live.network.description, generate(&plan), "{shape} {seed}");
        }
    }

    #[test]
    fn objects_come_back_from_lines() {
        let objects = whole(&Plan::default());
        assert_eq!(Objects::from_lines(&objects.to_lines()), Ok(objects));
    }

    #[test]
    fn what_is_undone_is_what_it_was() {
        let mut random = Random::new(11);
        let (a, b) = (whole(&Plan::default()), whole(&Plan { seed: 2, ..Plan::default() }));
        let texts: Vec<_> = b.iter().map(|(key, object)| (key, object.text.clone())).collect();
        for _ in 0..50 {
            let mut now = a.clone();
            let mut made: Vec<Edit> = Vec::new();
            for _ in 0..20 {
                let at = random.below(u32::try_from(texts.len()).unwrap_or(1)) as usize;
                let (key, text) = &texts[at];
                let edit = match now.removal(key) {
                    Some(edit) if random.percent(40) => vec![edit],
                    _ => now.edits_to(&[super::Wish { key: key.clone(), text: text.to_string() }]),
                };
                for edit in edit {
                    assert_eq!(now.apply(&edit), Ok(()));
                    made.push(edit);
                }
            }
            let mut back = now.clone();
            for edit in now.edits_back_to(&a) {
                assert_eq!(back.apply(&edit), Ok(()));
            }
            assert_eq!(back, a);
            for edit in made.into_iter().rev() {
                assert_eq!(now.apply(&edit.undone()), Ok(()));
            }
            assert_eq!(now, a);
        }
    }

    #[test]
    fn an_edit_of_something_else_changes_nothing() {
        let mut objects = whole(&Plan::default());
        let before = objects.clone();
        let key = objects.of_part("instances").next().map(|(name, _)| name.to_string());
        let key = ObjectKey::of("instances", &key.unwrap_or_default());
        let mut edit =
            key.and_then(|key| objects.removal(&key)).unwrap_or_else(|| panic!("no object"));
        edit.old = Some("other".into());
        assert!(objects.apply(&edit).is_err());
        edit.old = None;
        assert!(objects.apply(&edit).is_err());
        assert_eq!(objects, before);
    }

    #[test]
    fn settings_have_no_name_and_objects_have_one() {
        assert!(ObjectKey::of("provider", "").is_some());
        assert!(ObjectKey::of("provider", "x").is_none());
        assert!(ObjectKey::of("instances", "").is_none());
        assert!(ObjectKey::of("nothing", "x").is_none());
    }
}
