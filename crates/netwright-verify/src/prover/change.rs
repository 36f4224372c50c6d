//! Going on to a changed network: what is the same is kept.
//!
//! Descriptions are compared by their [fingerprints](netwright_model::network::written), not networks: where everything but the rules of some
//! filters is written the same, everything but those rules is resolved the same, id by id.

use std::collections::BTreeSet;

use netwright_model::language::{Direction, EndpointKind};
use netwright_model::network::{
    EndpointId, FilterId, FilterMember, InterfaceId, Network, Rule, written,
};

use super::Prover;
use super::policy::PolicyId;

/// How a network differs from the one that a prover held before.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Policies whose rules differ, and in which directions (in, out); none where nothing of what was computed can be used again.
    pub(crate) policies: Option<Vec<(PolicyId, [bool; 2])>>,
    /// Groups that other policies protect now.
    pub(crate) groups: Vec<u32>,
}

impl Change {
    /// Whether most of what was computed still holds: only rules changed, or which filters protect an instance.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.policies.is_some()
    }
}

/// What two descriptions say differently.
#[derive(Debug, Clone)]
pub struct Difference {
    /// None where anything else differs that decides packets.
    edit: Option<Edit>,
}

/// Differences that can be gone on from.
#[derive(Debug, Clone, Default)]
struct Edit {
    /// Filters whose rules say something else.
    filters: Vec<FilterId>,
    /// Interfaces that other filters protect.
    interfaces: Vec<InterfaceId>,
}

impl Difference {
    /// Compares two networks as they are written.
    #[must_use]
    pub fn between(old: &Network, new: &Network) -> Self {
        Self { edit: Edit::between(old, new) }
    }
}

impl Edit {
    fn between(old: &Network, new: &Network) -> Option<Self> {
        let (a, b) = (&old.written, &new.written);
        if a.rest != b.rest {
            return None;
        }
        let filters = if a.all_filters == b.all_filters {
            Vec::new()
        } else {
            changed(&a.filters, &b.filters)?
        };
        let mut edit = Self::default();
        edit.filters.extend(filters.into_iter().map(FilterId::at));
        if a.all_instances != b.all_instances {
            edit.interfaces = moved(old, new, &changed(&a.instances, &b.instances)?)?;
            edit.filters.extend(naming(old, new, &edit.interfaces));
            edit.filters.sort_unstable();
            edit.filters.dedup();
        }
        edit.filters.iter().all(|filter| same_targets(old, new, *filter)).then_some(edit)
    }
}

/// Positions of which the second part differs; none where the first does.
fn changed(a: &[[written::Fingerprint; 2]], b: &[[written::Fingerprint; 2]]) -> Option<Vec<usize>> {
    if a.len() != b.len() {
        return None;
    }
    let mut changed = Vec::new();
    for (place, (one, other)) in a.iter().zip(b).enumerate() {
        if one[0] != other[0] {
            return None;
        }
        if one[1] != other[1] {
            changed.push(place);
        }
    }
    Some(changed)
}

/// The interfaces of some instances, by their positions in the description, that other filters protect now.
fn moved(old: &Network, new: &Network, instances: &[usize]) -> Option<Vec<InterfaceId>> {
    let is_instance = |kind: EndpointKind| kind == EndpointKind::Instance;
    let first = new.endpoints.iter().position(|row| is_instance(row.kind))?;
    let mut moved = Vec::new();
    for place in instances {
        let id = EndpointId::at(first + place);
        let (was, is) = (old.endpoints.get(id.index())?, new.endpoints.get(id.index())?);
        let name = &new.description.instances.0.get(*place)?.0.value;
        if !is_instance(is.kind) || is.name != *name || was.interfaces != is.interfaces {
            return None;
        }
        let others = is.interfaces.iter().filter(|id| old[**id].filters != new[**id].filters);
        moved.extend(others);
    }
    Some(moved)
}

/// Filters with a rule that names some interfaces' groups: its words are the same, and whom they mean is not.
fn naming(old: &Network, new: &Network, moved: &[InterfaceId]) -> Vec<FilterId> {
    let holds = |set: &[InterfaceId], id: &InterfaceId| set.binary_search(id).is_ok();
    let means_others = |(was, is): (&FilterMember, &FilterMember)| match (was, is) {
        (
            FilterMember::Interfaces { interfaces: was, .. },
            FilterMember::Interfaces { interfaces: is, .. },
        ) => was.len() != is.len() || moved.iter().any(|id| holds(was, id) != holds(is, id)),
        _ => false,
    };
    let differs = |(was, is): (&Rule, &Rule)| {
        let from = was.from.members.iter().zip(&is.from.members);
        let to = was.to.members.iter().zip(&is.to.members);
        from.chain(to).any(means_others) || was.targets != is.targets
    };
    let ids = (0..new.filters.len()).map(FilterId::at);
    let naming =
        ids.filter(|id| old[*id].rules.iter().zip(&new[*id].rules).any(differs));
    naming.collect()
}

/// Whether a filter's rules are for the same interfaces as before: then the same share their rules.
fn same_targets(old: &Network, new: &Network, filter: FilterId) -> bool {
    let targets = |network: &Network| -> BTreeSet<Vec<InterfaceId>> {
        let rules = network[filter].rules.iter();
        rules.filter_map(|rule| rule.targets.clone()).collect()
    };
    targets(old) == targets(new)
}

impl<'n> Prover<'n> {
    /// Goes on to another network with the same space of sets, and says how it differs as far as that can be used again.
    #[must_use]
    pub fn go_on<'m>(self, new: &'m Network) -> (Prover<'m>, Change) {
        let difference = Difference::between(self.network, new);
        self.go_on_by(new, &difference)
    }

    /// The same where it is known already what is written differently.
    #[must_use]
    pub fn go_on_by<'m>(self, new: &'m Network, difference: &Difference) -> (Prover<'m>, Change) {
        let Some(edit) = &difference.edit else {
            return (Prover::in_space(new, self.into_space()), Change::default());
        };
        let Edit { filters, interfaces } = edit;
        let policies = self.policies.with(filters);
        let lines = |prover: &Prover<'_>| -> Vec<[Vec<u128>; 2]> {
            let line = |policy: &PolicyId, direction| {
                prover.policies.line(prover.network, *policy, direction)
            };
            let both = |p: &PolicyId| [line(p, Direction::Ingress), line(p, Direction::Egress)];
            policies.iter().map(both).collect()
        };
        let before = lines(&self);
        let mut prover = Prover {
            network: new,
            index: self.index,
            routing: self.routing,
            policies: self.policies,
            space: self.space,
            known: None,
        };
        prover.policies.recompile(new, &mut prover.space, filters, &policies);
        prover.policies.protect_anew(new, interfaces);
        let after = lines(&prover);
        let changed = policies.iter().copied().zip(before.iter().zip(&after));
        let changed: Vec<(PolicyId, [bool; 2])> = changed
            .map(|(policy, (a, b))| {
                let directions = [a[0] != b[0], a[1] != b[1]];
                // Without state the rules of either direction are asked at both ends, for requests or for answers.
                let stateful = prover.policies.is_stateful(policy);
                let either = directions.contains(&true);
                (policy, if stateful { directions } else { [either; 2] })
            })
            .filter(|(_, directions)| directions.contains(&true))
            .collect();
        let mut change = Change { policies: Some(changed), groups: Vec::new() };
        if let Some(mut known) = self.known {
            match known.go_on(&prover, filters, &policies, interfaces) {
                Some(groups) => change.groups = groups,
                None => return (prover, Change::default()),
            }
            prover.known = Some(known);
        }
        (prover, change)
    }
}
