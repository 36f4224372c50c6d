//! What a description says, as fingerprints: two networks are compared by them in time that follows neither the length of their texts nor
//! what they say, and it is found which filters and instances differ.
//!
//! A fingerprint is SipHash-1-3 under two keys that each process draws for itself, 128 bits together. Two things that differ have the
//! same one by an accident of 2^-128, and nobody can prepare such a pair without the keys.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::OnceLock;

use crate::language::{Description, Filter, Instance, Interface};

/// Stands for a part of a description. Equal in one process where the parts say the same, wherever they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Fingerprint([u64; 2]);

/// Fingerprints of what was written. What says nothing about packets (names, alerts, time-outs, intents) has none.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// Everything but filters and instances.
    pub rest: Fingerprint,
    /// Each filter: everything but its rules, then its rules.
    pub filters: Rows,
    /// Each instance: everything but the filters of its interfaces, then those.
    pub instances: Rows,
}

/// Objects of one kind, each in two parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Of so many objects one after the other each, so that not all are looked at to find those that differ.
    blocks: Vec<Fingerprint>,
    each: Vec<[Fingerprint; 2]>,
}

/// Objects of a block.
const BLOCK: usize = 64;

impl Rows {
    fn of(each: Vec<[Fingerprint; 2]>, press: &mut Press) -> Self {
        let blocks = each.chunks(BLOCK).map(|block| press.of(|state| block.hash(state))).collect();
        Self { blocks, each }
    }

    /// Positions of which the second part differs; none where the first part of any does, or where one has more.
    #[must_use]
    pub fn changed(&self, other: &Self) -> Option<Vec<usize>> {
        if self.each.len() != other.each.len() {
            return None;
        }
        let mut changed = Vec::new();
        for (number, (a, b)) in self.blocks.iter().zip(&other.blocks).enumerate() {
            if a == b {
                continue;
            }
            let block = number * BLOCK..self.each.len().min((number + 1) * BLOCK);
            for place in block {
                let (one, other) = (&self.each[place], &other.each[place]);
                if one[0] != other[0] {
                    return None;
                }
                if one[1] != other[1] {
                    changed.push(place);
                }
            }
        }
        Some(changed)
    }
}

impl Written {
    /// Of a description.
    #[must_use]
    pub fn of(description: &Description) -> Self {
        let mut press = Press::default();
        let rest = press.of(|state| hash_rest(description, state));
        let mut filters = Vec::with_capacity(description.filters.len());
        for (name, filter) in description.filters.iter() {
            filters.push(press.both(|frame, rules| {
                name.hash(frame);
                hash_filter(filter, frame, rules);
            }));
        }
        let mut instances = Vec::with_capacity(description.instances.len());
        for (name, instance) in description.instances.iter() {
            instances.push(press.both(|frame, filters| {
                name.hash(frame);
                hash_instance(instance, frame, filters);
            }));
        }
        let filters = Rows::of(filters, &mut press);
        Self { rest, filters, instances: Rows::of(instances, &mut press) }
    }
}

fn hash_rest(description: &Description, state: &mut Text) {
    // Every part stands here, so that a new one is not forgotten.
    let Description {
        netwright: _,
        name: _,
        provider,
        vpcs,
        prefix_lists,
        filters: _,
        instances: _,
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
        dns_zones: _,
        certificates: _,
        timeouts: _,
        alerts: _,
        criteria: _,
        golden_paths: _,
        probes: _,
        expect: _,
        profiles,
        gaps,
        span: _,
    } = description;
    (provider, vpcs, prefix_lists, internet_gateways, nat_gateways, peerings).hash(state);
    (vpns, sites, transits, private_endpoints, connectors, services).hash(state);
    (load_balancers, databases, externals, profiles, gaps).hash(state);
}

fn hash_filter(filter: &Filter, frame: &mut Text, own_rules: &mut Text) {
    let Filter {
        id,
        attach,
        vpc,
        vpcs,
        stateful,
        ordered,
        tier,
        default_ingress,
        default_egress,
        rules,
        named_rules,
        incomplete,
        elsewhere,
        provided,
        span: _,
    } = filter;
    (id, attach, vpc, vpcs, stateful, ordered, tier).hash(frame);
    (default_ingress, default_egress, incomplete, elsewhere, provided).hash(frame);
    (rules, named_rules).hash(own_rules);
}

fn hash_instance(instance: &Instance, frame: &mut Text, own_filters: &mut Text) {
    let Instance {
        id,
        kind,
        interface_id,
        subnet,
        addresses,
        prefixes,
        public_address,
        filters,
        tags,
        account,
        listens,
        forwards,
        running,
        interfaces,
        exec,
        link,
        span: _,
    } = instance;
    (id, kind, interface_id, subnet, addresses, prefixes, public_address).hash(frame);
    (tags, account, listens, forwards, running, exec, link).hash(frame);
    filters.hash(own_filters);
    interfaces.len().hash(frame);
    for (name, interface) in interfaces.iter() {
        let Interface {
            id,
            subnet,
            addresses,
            prefixes,
            public_address,
            filters,
            forwards,
            link,
            span: _,
        } = interface;
        (name, id, subnet, addresses, prefixes, public_address, forwards, link).hash(frame);
        filters.hash(own_filters);
    }
}

/// Makes fingerprints.
#[derive(Default)]
struct Press {
    one: Text,
    other: Text,
}

impl Press {
    fn of(&mut self, write: impl FnOnce(&mut Text)) -> Fingerprint {
        write(&mut self.one);
        self.one.take()
    }

    fn both(&mut self, write: impl FnOnce(&mut Text, &mut Text)) -> [Fingerprint; 2] {
        write(&mut self.one, &mut self.other);
        [self.one.take(), self.other.take()]
    }
}

/// What is hashed, gathered first: a hash of one long text costs a fraction of one of many short pieces.
#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    fn take(&mut self) -> Fingerprint {
        static KEYS: OnceLock<[RandomState; 2]> = OnceLock::new();
        let keys = KEYS.get_or_init(|| [RandomState::new(), RandomState::new()]);
        let halves = [0, 1].map(|half| {
            let mut state = keys[half].build_hasher();
            state.write(&self.0);
            state.finish()
        });
        self.0.clear();
        Fingerprint(halves)
    }
}

impl Hasher for Text {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Numbers of variants and lengths are small: one byte, or a mark and all eight.
    fn write_usize(&mut self, number: usize) {
        match u8::try_from(number) {
            Ok(small) if small < u8::MAX => self.0.push(small),
            _ => {
                self.0.push(u8::MAX);
                self.0.extend_from_slice(&number.to_le_bytes());
            }
        }
    }

    fn write_isize(&mut self, number: isize) {
        self.write_usize(number.cast_unsigned());
    }

    /// Nobody asks a text that is only gathered.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests;
