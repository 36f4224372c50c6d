//! A quick look at who may come in at all, so that pairs that a policy cannot let pass cost one bit.
//!
//! It errs on the side of "may": only sources that certainly match no allowing rule of a policy are left out.

use netwright_model::language::{Action, Direction};
use netwright_model::network::{
    FilterId, FilterMember, InterfaceId, Network, RouteTableId, Target,
};
use netwright_model::scalar::Prefix;
use rustc_hash::FxHashMap;

use crate::prover::Prover;
use crate::prover::path::Origin;
use crate::prover::policy::PolicyId;

use super::nodes::{Groups, Member};

/// Most memory that the bits may take, in 64-bit words (256 MiB).
const MOST_WORDS: usize = 32 << 20;

/// For each policy, which groups may pass it inwards.
pub(super) struct Prefilter {
    by_policy: FxHashMap<PolicyId, Vec<u64>>,
    /// Groups whose packets keep their source address wherever they may arrive.
    keeps_address: Vec<bool>,
}

impl Prefilter {
    pub(super) fn of(prover: &Prover<'_>, groups: &Groups) -> Self {
        let network = prover.network;
        let words = groups.nodes.len().div_ceil(64);
        let mut policies: FxHashMap<PolicyId, Vec<FilterId>> = FxHashMap::default();
        for node in &groups.nodes {
            if let (Some(policy), Some(interface)) = (node.interface_policy, node.interface) {
                policies.entry(policy).or_insert_with(|| network[interface].filters.clone());
            }
            if let (Some(policy), Some(vpc)) = (node.vpc_policy, node.vpc) {
                policies.entry(policy).or_insert_with(|| network[vpc].filters.clone());
            }
        }
        let keeps_address = groups
            .nodes
            .iter()
            .map(|node| match (node.origin, node.interface) {
                (Origin::Interface(_), Some(interface)) => {
                    !may_translate(network, network[network[interface].subnet].table)
                }
                _ => false,
            })
            .collect();
        if policies.len().saturating_mul(words) > MOST_WORDS {
            return Self { by_policy: FxHashMap::default(), keeps_address };
        }
        let mut bits = Bits::of(network, groups, words);
        let mut by_filter: FxHashMap<FilterId, Vec<u64>> = FxHashMap::default();
        let by_policy = policies
            .into_iter()
            .map(|(policy, filters)| {
                let mut all = vec![0; words];
                for filter in filters {
                    let own = by_filter.entry(filter).or_insert_with(|| bits.filter(filter));
                    or(&mut all, own);
                }
                (policy, all)
            })
            .collect();
        Self { by_policy, keeps_address }
    }

    /// Whether packets of a group may pass a destination's policies.
    pub(super) fn may_enter(&self, groups: &Groups, src: usize, dst: usize) -> bool {
        if !self.keeps_address[src] {
            return true;
        }
        let node = &groups.nodes[dst];
        let bit = |policy: Option<PolicyId>| {
            let bits = policy.and_then(|policy| self.by_policy.get(&policy));
            bits.is_none_or(|bits| bits[src / 64] >> (src % 64) & 1 == 1)
        };
        bit(node.interface_policy) && bit(node.vpc_policy)
    }
}

/// Whether a packet that leaves by a table may be translated and still arrive at a private address.
fn may_translate(network: &Network, table: RouteTableId) -> bool {
    let vpc = &network[network[table].vpc];
    network[table].routes.iter().any(|route| match &route.via {
        Target::Nat(nat) => {
            let inside =
                vpc.cidrs.iter().any(|cidr| cidr.overlaps(&route.to) && route.to.length() > 0);
            let onwards = network[*nat].interface.is_none_or(|interface| {
                let own = &network[network[network[interface].subnet].table];
                own.routes.iter().any(|r| !matches!(r.via, Target::Local | Target::Gateway(_)))
            });
            inside || onwards
        }
        // What a forwarding instance's own table does is not followed here, nor what lies behind a hub.
        Target::Interface(_) => true,
        Target::Transit(_) => network.nats.iter().any(|nat| nat.interface.is_some()),
        _ => false,
    })
}

fn or(into: &mut [u64], from: &[u64]) {
    for (a, b) in into.iter_mut().zip(from) {
        *a |= b;
    }
}

struct Bits<'a> {
    network: &'a Network,
    groups: &'a Groups,
    words: usize,
    node_of: FxHashMap<InterfaceId, Vec<usize>>,
    prefixes: FxHashMap<Prefix, Vec<u64>>,
}

impl<'a> Bits<'a> {
    fn of(network: &'a Network, groups: &'a Groups, words: usize) -> Self {
        let mut node_of: FxHashMap<InterfaceId, Vec<usize>> = FxHashMap::default();
        for (index, node) in groups.nodes.iter().enumerate() {
            for member in &node.members {
                if let Member::Interface(interface, _) = member {
                    node_of.entry(*interface).or_default().push(index);
                }
            }
        }
        Self { network, groups, words, node_of, prefixes: FxHashMap::default() }
    }

    /// Groups that some rule or default of a filter may let in.
    fn filter(&mut self, filter: FilterId) -> Vec<u64> {
        let row = &self.network[filter];
        let mut all = vec![0; self.words];
        let open = row.default_ingress != Action::Deny || row.incomplete.is_some();
        if open {
            all.fill(u64::MAX);
            return all;
        }
        for (_, rule) in row.rules_for(Direction::Ingress) {
            if rule.action == Action::Deny {
                continue;
            }
            if rule.from.any {
                all.fill(u64::MAX);
                return all;
            }
            for member in &rule.from.members {
                match member {
                    FilterMember::Prefix(prefix) => {
                        let bits = self.prefix(*prefix);
                        or(&mut all, &bits);
                    }
                    FilterMember::Interfaces { interfaces, .. } => {
                        let nodes = interfaces.iter().filter_map(|id| self.node_of.get(id));
                        for node in nodes.flatten() {
                            all[node / 64] |= 1 << (node % 64);
                        }
                    }
                    FilterMember::Range(..) | FilterMember::Internet | FilterMember::Unknown(_) => {
                        all.fill(u64::MAX);
                        return all;
                    }
                }
            }
        }
        all
    }

    fn prefix(&mut self, prefix: Prefix) -> Vec<u64> {
        let (groups, words) = (self.groups, self.words);
        let bits = self.prefixes.entry(prefix).or_insert_with(|| {
            let mut bits = vec![0; words];
            for (index, node) in groups.nodes.iter().enumerate() {
                if prefix.contains(node.address) {
                    bits[index / 64] |= 1 << (index % 64);
                }
            }
            bits
        });
        bits.clone()
    }
}
