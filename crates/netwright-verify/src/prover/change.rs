//! Going on to a changed network: what is the same is kept.
//!
//! Descriptions are compared by their [fingerprints](netwright_model::network::written), not networks: where everything but the rules of some
//! filters is written the same, everything but those rules is resolved the same, id by id.

use std::collections::BTreeSet;

use netwright_model::language::EndpointKind;
use netwright_model::network::{EndpointId, FilterId, InterfaceId, Network};

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
pub(crate) struct Edit {
    /// Filters whose rules say something else.
    pub(crate) filters: Vec<FilterId>,
    /// Interfaces that other filters protect.
    pub(crate) interfaces: Vec<InterfaceId>,
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
        let (filters, instances) =
            (a.filters.changed(&b.filters)?, a.instances.changed(&b.instances)?);
        let mut filters: Vec<FilterId> = filters.into_iter().map(FilterId::at).collect();
        let mut interfaces = Vec::new();
        if !instances.is_empty() {
            interfaces = moved(old, new, &instances)?;
            filters.extend(naming(old, new, &interfaces));
            filters.sort_unstable();
            filters.dedup();
        }
        let same = filters.iter().all(|filter| same_targets(old, new, *filter));
        same.then_some(Self { filters, interfaces })
    }
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

/// Filters with a rule that names a group that one of some interfaces left or joined: its words are the same, and whom they mean is not.
fn naming<'n>(
    old: &'n Network,
    new: &'n Network,
    moved: &[InterfaceId],
) -> impl Iterator<Item = FilterId> + use<'n> {
    let groups: BTreeSet<FilterId> = moved
        .iter()
        .flat_map(|id| old[*id].filters.iter().chain(&new[*id].filters))
        .copied()
        .collect();
    groups
        .into_iter()
        .flat_map(|group| old[group].named_by.iter().chain(&new[group].named_by))
        .copied()
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
        // Where nothing was asked yet there is nothing to go on from.
        let nothing = Change { policies: Some(Vec::new()), groups: Vec::new() };
        let change = match self.known {
            None => nothing,
            Some(mut known) => match known.go_on(&prover, edit, &policies) {
                None => Change::default(),
                Some(change) => {
                    prover.known = Some(known);
                    change
                }
            },
        };
        (prover, change)
    }
}
