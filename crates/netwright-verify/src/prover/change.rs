//! Going on to a changed network: what is the same is kept.
//!
//! Descriptions are compared, not networks: where everything but the rules of some filters is written the same, everything but those rules is
//! resolved the same, id by id.

use std::collections::BTreeSet;

use netwright_model::language::{Description, Direction};
use netwright_model::network::{FilterId, FilterMember, InterfaceId, Network};

use super::Prover;
use super::policy::PolicyId;

/// How a network differs from the one that a prover held before.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Policies whose rules differ, and in which directions (in, out); none where more than rules has changed.
    pub(crate) policies: Option<Vec<(PolicyId, [bool; 2])>>,
}

impl Change {
    /// Whether only rules changed, so that most of what was computed still holds.
    #[must_use]
    pub fn is_of_rules(&self) -> bool {
        self.policies.is_some()
    }
}

/// What two descriptions say differently.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Filters whose rules differ; none where anything else differs that decides packets.
    filters: Option<Vec<FilterId>>,
}

impl Difference {
    /// Compares two networks as they are written.
    #[must_use]
    pub fn between(old: &Network, new: &Network) -> Self {
        Self { filters: changed_filters(old, new) }
    }
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
        let old = self.network;
        let filters = difference.filters.as_ref();
        let Some(filters) = filters.filter(|f| names_nothing_new(old, new, f)) else {
            return (Prover::in_space(new, self.into_space()), Change::default());
        };
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
        let known = self.known;
        prover.policies.recompile(new, &mut prover.space, filters, &policies);
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
        if let Some(mut known) = known {
            known.forget(&prover, &policies);
            prover.known = Some(known);
        }
        (prover, Change { policies: Some(changed) })
    }
}

/// Filters whose rules differ; none where anything else differs that decides packets.
fn changed_filters(old: &Network, new: &Network) -> Option<Vec<FilterId>> {
    if !same_but_filters(&old.description, &new.description)
        || old.filters.len() != new.filters.len()
    {
        return None;
    }
    let (a, b) = (&old.description.filters, &new.description.filters);
    let mut changed = Vec::new();
    for (place, ((name, one), (other_name, other))) in a.iter().zip(b.iter()).enumerate() {
        if name != other_name {
            return None;
        }
        if one == other {
            continue;
        }
        // All but the rules must be the same.
        let bare = |filter: &netwright_model::language::Filter| {
            let mut bare = filter.clone();
            bare.rules.clear();
            bare.named_rules = Default::default();
            bare
        };
        if bare(one) != bare(other) {
            return None;
        }
        changed.push(FilterId::at(place));
    }
    Some(changed)
}

/// Whether two descriptions say the same of everything but filters, and but what says nothing about packets.
fn same_but_filters(a: &Description, b: &Description) -> bool {
    a.provider == b.provider
        && a.vpcs == b.vpcs
        && a.prefix_lists == b.prefix_lists
        && a.instances == b.instances
        && a.internet_gateways == b.internet_gateways
        && a.nat_gateways == b.nat_gateways
        && a.peerings == b.peerings
        && a.vpns == b.vpns
        && a.sites == b.sites
        && a.transits == b.transits
        && a.private_endpoints == b.private_endpoints
        && a.connectors == b.connectors
        && a.services == b.services
        && a.load_balancers == b.load_balancers
        && a.databases == b.databases
        && a.externals == b.externals
        && a.profiles == b.profiles
        && a.gaps == b.gaps
}

/// Whether the filters' new rules name only ranges and references that rules of the old network name, and protect the same: then the same
/// endpoints can be told apart as before.
fn names_nothing_new(old: &Network, new: &Network, filters: &[FilterId]) -> bool {
    let named = |network: &'_ Network, filter: FilterId| -> Vec<FilterMember> {
        let rules = network[filter].rules.iter();
        rules.flat_map(|rule| rule.from.members.iter().chain(&rule.to.members).cloned()).collect()
    };
    let targets = |network: &Network, filter: &FilterId| -> BTreeSet<Vec<InterfaceId>> {
        let rules = network[*filter].rules.iter();
        rules.filter_map(|rule| rule.targets.as_deref().map(<[_]>::to_vec)).collect()
    };
    let protects = |filter: &FilterId| {
        old[*filter].members == new[*filter].members && targets(old, filter) == targets(new, filter)
    };
    let wanted = filters.iter().flat_map(|filter| named(new, *filter));
    let mut wanted: Vec<FilterMember> = wanted
        .filter(|m| !matches!(m, FilterMember::Internet | FilterMember::Unknown(_)))
        .collect();
    let all = old.filters.iter().flat_map(|filter| &filter.rules);
    for member in all.flat_map(|rule| rule.from.members.iter().chain(&rule.to.members)) {
        if wanted.is_empty() {
            break;
        }
        wanted.retain(|new| !same_members(new, member));
    }
    wanted.is_empty() && filters.iter().all(protects)
}

fn same_members(a: &FilterMember, b: &FilterMember) -> bool {
    match (a, b) {
        (FilterMember::Prefix(a), FilterMember::Prefix(b)) => a == b,
        (FilterMember::Range(a, b), FilterMember::Range(c, d)) => (a, b) == (c, d),
        (
            FilterMember::Interfaces { interfaces: a, .. },
            FilterMember::Interfaces { interfaces: b, .. },
        ) => a == b,
        _ => false,
    }
}
