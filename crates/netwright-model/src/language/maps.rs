//! A description as objects that stand alone: each has a map of the description, and a name in it.
//!
//! What is no map (the version, the name, the provider, what is known to lack) is a setting: one object without a name.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::decode::{Encode, Entries};
use crate::source::{Span, Spanned};
use crate::tree::{Key, Kind, Node};

use super::Description;

/// Parts of a description that are not maps.
pub const SETTINGS: [&str; 4] = ["netwright", "name", "provider", "gaps"];

/// The part of a description of a name, be it a map or a setting.
#[must_use]
pub fn part(name: &str) -> Option<&'static str> {
    MAPS.iter().chain(&SETTINGS).copied().find(|own| *own == name)
}

/// Whether objects of a part have names.
#[must_use]
pub fn is_map(part: &str) -> bool {
    MAPS.contains(&part)
}

/// Objects that are looked for by comparing; more are by hash.
const FEW: usize = 4;

fn put<T>(into: &mut Entries<T>, part: Entries<T>) {
    if part.len() <= FEW {
        for (name, value) in part.0 {
            match into.iter_mut().find(|(own, _)| own.value == name.value) {
                Some(own) => *own = (name, value),
                None => into.push((name, value)),
            }
        }
        return;
    }
    let names = into.iter().enumerate().map(|(place, (name, _))| (name.value.clone(), place));
    let mut places: FxHashMap<String, usize> = names.collect();
    for (name, value) in part.0 {
        match places.get(&name.value) {
            Some(place) => into[*place] = (name, value),
            None => {
                places.insert(name.value.clone(), into.len());
                into.push((name, value));
            }
        }
    }
}

fn remove<T>(from: &mut Entries<T>, map: &'static str, gone: &BTreeSet<(&str, &str)>) {
    if gone.range((map, "")..).next().is_some_and(|(first, _)| *first == map) {
        from.retain(|(name, _)| !gone.contains(&(map, name.value.as_str())));
    }
}

fn sort<T>(entries: &mut Entries<T>, place: impl Fn(&str) -> u64) {
    entries.sort_by_cached_key(|(name, _)| place(&name.value));
}

/// The entries of two maps that are not the same in both, in their order.
fn apart<T: Clone + PartialEq>(one: &Entries<T>, other: &Entries<T>) -> [Entries<T>; 2] {
    let same =
        |a: &(Spanned<String>, T), b: &(Spanned<String>, T)| a.0.value == b.0.value && a.1 == b.1;
    // Mostly they stand where they stood.
    let until = one.iter().zip(other.iter()).take_while(|(a, b)| same(a, b)).count();
    let after = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| same(a, b)).count();
    let after = after.min(one.len().min(other.len()) - until);
    let middle = |all: &Entries<T>| -> Vec<(Spanned<String>, T)> {
        all.iter().take(all.len() - after).skip(until).cloned().collect()
    };
    let (mut own, mut theirs) = (middle(one), middle(other));
    if !own.is_empty() && !theirs.is_empty() {
        let known: FxHashMap<&str, &T> =
            theirs.iter().map(|(name, value)| (name.value.as_str(), value)).collect();
        let equal: FxHashSet<String> = own
            .iter()
            .filter(|(name, value)| known.get(name.value.as_str()) == Some(&value))
            .map(|(name, _)| name.value.clone())
            .collect();
        own.retain(|(name, _)| !equal.contains(&name.value));
        theirs.retain(|(name, _)| !equal.contains(&name.value));
    }
    [Entries(own), Entries(theirs)]
}

/// Gives the names of all maps of a description to a macro of the caller's, in the order in which they are written. It is the one list of them:
/// what [`maps`](self) makes of it names every field of [`Description`], so that one that is missing here does not compile.
#[macro_export]
macro_rules! description_maps {
    ($each:ident) => {
        $each!(
            vpcs,
            prefix_lists,
            filters,
            instances,
            internet_gateways,
            nat_gateways,
            peerings,
            vpns,
            sites,
            transits,
            private_endpoints,
            connectors,
            services,
            load_balancers,
            databases,
            externals,
            dns_zones,
            certificates,
            timeouts,
            alerts,
            criteria,
            golden_paths,
            probes,
            expect,
            profiles,
        );
    };
}

macro_rules! maps {
    ($($field:ident),+ $(,)?) => {
        /// The maps of a description, in the order in which they are written.
        pub const MAPS: &[&str] = &[$(stringify!($field)),+];

        impl Description {
            /// Puts the objects and settings of another description into this one, each in the place of its namesake; new ones come last.
            pub fn put(&mut self, part: Self) {
                // Every part stands here, so that a new one is not forgotten.
                let Self { netwright, name, provider, gaps, $($field,)+ span: _ } = part;
                $(put(&mut self.$field, $field);)+
                self.netwright = netwright.or(self.netwright.take());
                self.name = name.or(self.name.take());
                self.provider = provider.or(self.provider.take());
                if !gaps.is_empty() {
                    self.gaps = gaps;
                }
            }

            /// Takes objects away, each by its map and name, and settings, which have no name.
            pub fn remove(&mut self, gone: &BTreeSet<(&str, &str)>) {
                $(remove(&mut self.$field, stringify!($field), gone);)+
                let unset = |setting| gone.contains(&(setting, ""));
                self.netwright.take_if(|_| unset("netwright"));
                self.name.take_if(|_| unset("name"));
                self.provider.take_if(|_| unset("provider"));
                if unset("gaps") {
                    self.gaps.clear();
                }
            }

            /// What two descriptions do not have in common: the settings of each, and the objects that are not the same in both.
            #[must_use]
            pub fn apart(&self, other: &Self) -> [Self; 2] {
                let settings = |own: &Self| Self {
                    netwright: own.netwright.clone(),
                    name: own.name.clone(),
                    provider: own.provider.clone(),
                    gaps: own.gaps.clone(),
                    ..Self::default()
                };
                let (mut one, mut two) = (settings(self), settings(other));
                $([one.$field, two.$field] = apart(&self.$field, &other.$field);)+
                [one, two]
            }

            /// Brings the objects of a map into an order.
            pub fn arrange(&mut self, map: &str, place: impl Fn(&str) -> u64) {
                match map {
                    $(stringify!($field) => sort(&mut self.$field, place),)+
                    _ => {}
                }
            }

            /// Whether a map has an object of a name.
            #[must_use]
            pub fn has(&self, map: &str, name: &str) -> bool {
                match map {
                    $(stringify!($field) => self.$field.get(name).is_some(),)+
                    _ => false,
                }
            }
        }
    };
}

crate::description_maps!(maps);

/// An object as it stands alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Alone {
    /// The part of the description that it is in.
    pub part: &'static str,
    /// Its name there; empty for a setting.
    pub name: String,
    /// What is written of it.
    pub node: Node,
}

/// The objects and settings of a description, in the order written.
#[must_use]
pub fn split(description: &Description) -> Vec<Alone> {
    let Some(Node { kind: Kind::Mapping(parts), .. }) = description.encode() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, node) in parts {
        let Some(part) = part(&key.text) else { continue };
        match node.kind {
            Kind::Mapping(objects) if is_map(part) => {
                let alone = objects.into_iter().map(|(name, node)| Alone {
                    part,
                    name: name.text.into(),
                    node,
                });
                found.extend(alone);
            }
            _ => found.push(Alone { part, name: String::new(), node }),
        }
    }
    found
}

/// The tree of a description of some objects. A name's place is given with it.
#[must_use]
pub fn join(objects: impl IntoIterator<Item = (Alone, Span)>) -> Node {
    let mut parts: Vec<(Key, Node)> = Vec::new();
    let mut known: FxHashMap<&'static str, usize> = FxHashMap::default();
    for (Alone { part, name, node }, span) in objects {
        if !is_map(part) {
            parts.push((Key { text: part.into(), span }, node));
            continue;
        }
        let at = *known.entry(part).or_insert_with(|| {
            let kind = Kind::Mapping(Vec::new());
            parts.push((Key { text: part.into(), span }, Node { kind, span }));
            parts.len() - 1
        });
        if let Kind::Mapping(entries) = &mut parts[at].1.kind {
            entries.push((Key { text: name.into(), span }, node));
        }
    }
    Node { kind: Kind::Mapping(parts), span: Span::NONE }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{join, split};
    use crate::decode::Encode;
    use crate::decode_description;
    use crate::generate::{Plan, Shape, generate};
    use crate::language::Description;
    use crate::source::Span;

    #[test]
    fn what_is_split_and_joined_is_what_it_was() {
        for shape in Shape::ALL {
            let plan = Plan { shape: *shape, instances: 60, ..Plan::default() };
            let description = generate(&plan);
            let objects = split(&description);
            let root = join(objects.into_iter().map(|alone| (alone, Span::NONE)));
            assert_eq!(decode_description(&root), Ok(description));
        }
    }

    #[test]
    fn objects_take_the_places_of_their_namesakes() {
        let mut whole = generate(&Plan::default());
        let before = whole.clone();
        let name = whole.instances[3].0.value.clone();
        let mut part = Description::default();
        part.instances.insert(name.clone(), whole.instances[4].1.clone());
        part.instances.insert("new".to_owned(), whole.instances[5].1.clone());
        whole.put(part);
        assert_eq!(whole.instances[3].1, before.instances[4].1);
        assert_eq!(whole.instances.last().map(|(name, _)| name.value.as_str()), Some("new"));
        whole.remove(&BTreeSet::from([("instances", "new"), ("instances", name.as_str())]));
        assert_eq!(whole.instances.len(), before.instances.len() - 1);
        whole.put(Description {
            instances: before.instances.iter().skip(3).take(1).cloned().collect(),
            ..Description::default()
        });
        let order: Vec<String> =
            before.instances.iter().map(|(name, _)| name.value.clone()).collect();
        whole.arrange("instances", |name| {
            order.iter().position(|own| own == name).unwrap_or(0) as u64
        });
        assert_eq!(whole.encode(), before.encode());
    }
}
