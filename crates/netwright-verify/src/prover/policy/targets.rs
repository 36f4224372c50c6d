//! Which rules protect whom: filters whose rules name targets, taken apart by target.
//!
//! A Google Cloud VPC has one line of rules, and each machine is protected by those that name it. To ask all of them about each machine would
//! cost rules times machines; so a line is made once for each set of targets that some machine belongs to, as security groups are.

use std::rc::Rc;

use netwright_model::language::Direction;
use netwright_model::network::{FilterId, InterfaceId, Network};
use rustc_hash::FxHashMap;

/// Positions of rules: incoming, outgoing.
type Positions = [Vec<usize>; 2];

/// The rules of one filter by target.
#[derive(Debug, Default)]
struct ByTarget {
    /// Rules for everybody.
    untargeted: Positions,
    /// Rules for each set of targets.
    sets: Vec<Positions>,
    /// The sets that hold an interface, sorted.
    of: FxHashMap<InterfaceId, Vec<u32>>,
}

impl ByTarget {
    fn of(network: &Network, filter: FilterId) -> Self {
        let mut own = Self::default();
        let mut known: FxHashMap<&[InterfaceId], u32> = FxHashMap::default();
        for (position, rule) in network[filter].rules.iter().enumerate() {
            let place = usize::from(rule.direction == Direction::Egress);
            let Some(targets) = &rule.targets else {
                own.untargeted[place].push(position);
                continue;
            };
            let next = u32::try_from(own.sets.len()).unwrap_or(u32::MAX);
            let set = *known.entry(targets).or_insert(next);
            if set == next {
                own.sets.push(Positions::default());
                for interface in targets {
                    own.of.entry(*interface).or_default().push(set);
                }
            }
            own.sets[set as usize][place].push(position);
        }
        own
    }
}

/// Filters taken apart, each when it is first asked for.
pub(super) struct Targets<'n> {
    network: &'n Network,
    filters: FxHashMap<FilterId, Option<Rc<ByTarget>>>,
}

impl<'n> Targets<'n> {
    pub(super) fn of(network: &'n Network) -> Self {
        Self { network, filters: FxHashMap::default() }
    }

    /// None where no rule of a filter has targets.
    fn filter(&mut self, filter: FilterId) -> Option<Rc<ByTarget>> {
        let network = self.network;
        let known = self.filters.entry(filter).or_insert_with(|| {
            let targeted = network[filter].rules.iter().any(|rule| rule.targets.is_some());
            targeted.then(|| Rc::new(ByTarget::of(network, filter)))
        });
        known.clone()
    }

    /// What tells the lines of some filters apart that protect different interfaces: equal keys are equal lines. Without an interface
    /// only rules without targets apply.
    pub(super) fn key(
        &mut self,
        filters: &[FilterId],
        protects: Option<InterfaceId>,
        key: &mut Vec<u32>,
    ) {
        key.clear();
        key.extend(filters.iter().map(|filter| filter.0));
        for filter in filters {
            let Some(own) = self.filter(*filter) else { continue };
            key.push(u32::MAX);
            key.push(filter.0);
            key.extend(protects.and_then(|id| own.of.get(&id)).into_iter().flatten());
        }
    }

    /// The rules of a filter that may protect an interface.
    pub(super) fn rules(
        &mut self,
        filter: FilterId,
        protects: Option<InterfaceId>,
        direction: Direction,
    ) -> Vec<usize> {
        let place = usize::from(direction == Direction::Egress);
        let Some(own) = self.filter(filter) else {
            return self.network[filter].rules_for(direction).map(|(index, _)| index).collect();
        };
        let mut rules = own.untargeted[place].clone();
        let sets = protects.and_then(|id| own.of.get(&id)).into_iter().flatten();
        rules.extend(sets.flat_map(|set| &own.sets[*set as usize][place]));
        rules
    }
}
