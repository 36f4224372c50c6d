//! All pools, in memory.
//!
//! What changes them is an [`Edit`], and each edit has its opposite: what a transaction that failed was to write is taken back exactly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use netwright_model::network::Network;

use super::block::{Block, normalised, overlapping};
use super::derive::{derive, kind_of, outer_ranges};
use super::error::Error;
use super::free::Free;
use super::pool::{Held, Pool, Rest, Usage};
use super::record::{Allocation, Cooling, Declared};
use super::spec::{Source, Spec};
use super::value::{Kind, Value};

/// A change of what the store keeps of pools.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// A value becomes somebody's, or who has it has it otherwise.
    Hold(Allocation),
    /// It is nobody's.
    Unhold {
        /// Its pool.
        pool: Arc<str>,
        /// The value.
        value: Value,
    },
    /// It rests.
    Rest(Cooling),
    /// It rests no longer.
    Unrest {
        /// Its pool.
        pool: Arc<str>,
        /// The value.
        value: Value,
    },
    /// A pool is declared, or otherwise.
    Declare(Declared),
    /// It is not.
    Undeclare(Arc<str>),
}

/// Something that ends by itself: when, of which pool, which block.
type Ends = (u64, Arc<str>, Block);

/// All pools and what is taken of them.
#[derive(Debug, Clone, Default)]
pub struct State {
    network: Arc<Network>,
    declared: BTreeMap<Arc<str>, Declared>,
    pub(super) pools: BTreeMap<Arc<str>, Pool>,
    /// What rests, the first that was released first.
    resting: BTreeSet<Ends>,
    /// Reservations that end.
    ending: BTreeSet<Ends>,
}

impl State {
    /// The pools of a network, of which nothing is allocated.
    #[must_use]
    pub fn new(network: Arc<Network>) -> Self {
        Self::loaded(network, Vec::new(), Vec::new(), Vec::new())
    }

    /// The same allocations in another network.
    pub fn set_network(&mut self, network: Arc<Network>) {
        self.network = network;
        self.fit();
    }

    /// Makes the pools what the network and the declarations say.
    fn fit(&mut self) {
        let mut specs = derive(&self.network);
        for (name, declared) in &self.declared {
            let own = specs.entry(name.clone());
            let spec = own.or_insert_with(|| Spec::empty(declared.kind, Source::Declared));
            // It was checked when it was declared. Where the network has changed since so that it cannot be, it says nothing.
            if let Err(why) = spec.declared(declared) {
                spec.closed.get_or_insert_with(|| why.to_string());
            }
        }
        connect(&mut specs, &outer_ranges(&self.network));
        for (name, pool) in &mut self.pools {
            if !specs.contains_key(name) {
                let mut gone = Spec::empty(pool.spec.kind, Source::Gone);
                gone.closed = Some("the network no longer has what it is of".to_owned());
                specs.insert(name.clone(), gone);
            }
        }
        self.pools.retain(|name, pool| {
            let spec = specs.get(name);
            let empty = pool.held.is_empty() && pool.cooling.is_empty();
            spec.is_some_and(|spec| spec.source != Source::Gone || !empty)
        });
        for (name, spec) in specs {
            match self.pools.get_mut(&name) {
                Some(pool) if pool.spec == spec => {}
                Some(pool) => {
                    pool.spec = spec;
                    pool.free = None;
                }
                None if spec.source == Source::Gone => {}
                None => {
                    self.pools.insert(name, Pool::new(spec));
                }
            }
        }
    }

    /// Whether a declaration can be so.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with what is wrong.
    pub(super) fn declarable(&self, declared: &Declared) -> Result<(), Error> {
        let derived =
            self.pools.get(&declared.pool).filter(|pool| pool.spec.source == Source::Network);
        if derived.is_none() && (declared.pool.contains(':') || kind_of(&declared.pool).is_some()) {
            return Err(Error::Invalid(format!(
                "the network has no `{}`; names with a colon are those of its own pools",
                declared.pool
            )));
        }
        if derived.is_none() && declared.ranges.is_empty() {
            return Err(Error::Invalid(format!("`{}` has no ranges", declared.pool)));
        }
        let kind = derived.map_or(declared.kind, |pool| pool.spec.kind);
        Spec::empty(kind, Source::Declared).declared(declared)
    }

    /// The pool of a name, made for what is taken of it where nothing else says that it is there.
    fn pool(&mut self, name: &Arc<str>, value: Value) -> &mut Pool {
        self.pools.entry(Arc::clone(name)).or_insert_with(|| {
            let kind = kind_of(name).unwrap_or(value.kind());
            let mut spec = Spec::empty(kind, Source::Gone);
            spec.closed = Some("the network no longer has what it is of".to_owned());
            Pool::new(spec)
        })
    }

    /// Does an edit; its opposite. None where it changes nothing.
    pub fn apply(&mut self, edit: Edit, now: u64) -> Option<Edit> {
        match edit {
            Edit::Hold(allocation) => self.hold(&allocation),
            Edit::Unhold { pool, value } => {
                let block = value.block()?;
                let held = self.pools.get_mut(pool.as_ref())?.unhold(block, now)?;
                if let Some(until) = held.until {
                    self.ending.remove(&(until, pool.clone(), block));
                }
                self.give(&pool, block);
                Some(Edit::Hold(held.allocation(&pool, value)))
            }
            Edit::Rest(Cooling { pool, value, sequence, until }) => {
                let (block, until) = (value.block()?, until.milliseconds());
                self.pool(&pool, value).rest(block, Rest { until, sequence });
                self.resting.insert((until, pool.clone(), block));
                self.take(&pool, block);
                Some(Edit::Unrest { pool, value })
            }
            Edit::Unrest { pool, value } => {
                let block = value.block()?;
                let own = self.pools.get_mut(pool.as_ref())?;
                let rest = own.unrest(block)?;
                let record = own.cooling_record(&pool, block, rest);
                self.resting.remove(&(rest.until, pool.clone(), block));
                self.give(&pool, block);
                record.map(Edit::Rest)
            }
            Edit::Declare(declared) => {
                let name = declared.pool.clone();
                let before = self.declared.insert(name.clone(), declared);
                self.fit();
                Some(before.map_or(Edit::Undeclare(name), Edit::Declare))
            }
            Edit::Undeclare(pool) => {
                let before = self.declared.remove(&pool)?;
                self.fit();
                Some(Edit::Declare(before))
            }
        }
    }

    fn hold(&mut self, allocation: &Allocation) -> Option<Edit> {
        let block = allocation.value.block()?;
        let name = &allocation.pool;
        let pool = self.pool(name, allocation.value);
        let before = pool.hold(block, Held::of(allocation));
        if let Some(until) = before.as_ref().and_then(|before| before.until) {
            self.ending.remove(&(until, name.clone(), block));
        }
        if let Some(until) = allocation.until {
            self.ending.insert((until.milliseconds(), name.clone(), block));
        }
        self.take(name, block);
        let value = allocation.value;
        Some(match before {
            Some(before) => Edit::Hold(before.allocation(name, value)),
            None => Edit::Unhold { pool: name.clone(), value },
        })
    }

    /// Everything at once, as of a store: in the order of the times at which it was allocated.
    #[must_use]
    pub fn loaded(
        network: Arc<Network>,
        declared: Vec<Declared>,
        mut held: Vec<Allocation>,
        cooling: Vec<Cooling>,
    ) -> Self {
        let declared = declared.into_iter().map(|own| (own.pool.clone(), own)).collect();
        let mut state = Self { network, declared, ..Self::default() };
        state.fit();
        held.sort_by_key(|allocation| (allocation.at, allocation.sequence));
        for allocation in &held {
            state.hold(allocation);
        }
        for cooling in cooling {
            state.apply(Edit::Rest(cooling), 0);
        }
        state
    }

    fn take(&mut self, name: &str, block: Block) {
        let linked = self.pools.get(name).map(|pool| pool.spec.linked.clone());
        for one in linked.iter().flatten().map(AsRef::as_ref).chain([name]) {
            if let Some(free) = self.pools.get_mut(one).and_then(|pool| pool.free.as_mut()) {
                free.take(block);
            }
        }
    }

    fn give(&mut self, name: &Arc<str>, block: Block) {
        for linked in self.around(name) {
            if self.pools.get(&linked).is_none_or(|pool| pool.free.is_none()) {
                continue;
            }
            let covers = self.covers(&linked, block);
            if let Some(free) = self.pools.get_mut(&linked).and_then(|pool| pool.free.as_mut()) {
                free.give(block, &covers);
            }
        }
    }

    /// A pool and those that it is linked with.
    fn around(&self, name: &Arc<str>) -> Vec<Arc<str>> {
        let linked = self.pools.get(name).map_or(&[][..], |pool| &pool.spec.linked[..]);
        linked.iter().cloned().chain([Arc::clone(name)]).collect()
    }

    /// All that is not free of a block in a pool, for whatever reason.
    fn covers(&self, name: &str, block: Block) -> Vec<Block> {
        let mut covers = Vec::new();
        if let Some(pool) = self.pools.get(name) {
            pool.own_covers(block, &mut covers);
            for linked in pool.spec.linked.iter().filter_map(|linked| self.pools.get(linked)) {
                linked.values_within(block, &mut covers);
            }
        }
        normalised(covers)
    }

    /// Makes what is free of a pool known.
    pub(super) fn build(&mut self, name: &str) -> Option<&Pool> {
        let pool = self.pools.get(name)?;
        if pool.free.is_none() {
            let mut taken = Vec::new();
            for root in &pool.spec.roots {
                taken.extend(self.covers(name, *root));
            }
            let free = Free::new(&pool.spec.roots, &normalised(taken));
            self.pools.get_mut(name)?.free = Some(free);
        }
        self.pools.get(name)
    }

    /// Who of the linked pools has something of a block.
    pub(super) fn linked_holder(&self, name: &str, block: Block) -> Option<String> {
        let pool = self.pools.get(name)?;
        pool.spec.linked.iter().find_map(|linked| {
            let other = self.pools.get(linked)?;
            let held = super::pool::overlapping(&other.held, block).next();
            let resting = super::pool::overlapping(&other.cooling, block).next();
            match (held, resting) {
                (Some((_, held)), _) => Some(format!("{} of `{linked}`", held.whose())),
                (None, Some(_)) => Some(format!("a released value of `{linked}` that rests")),
                (None, None) => None,
            }
        })
    }

    /// What ends by itself up to a time, the first first, at most so many.
    #[must_use]
    pub fn due(&self, now: u64, most: usize) -> Vec<Edit> {
        let ended = |set: &BTreeSet<Ends>| -> Vec<Ends> {
            set.iter().take_while(|(until, ..)| *until <= now).take(most).cloned().collect()
        };
        let value = |pool: &str, block| self.pools.get(pool)?.value(block);
        let rested = ended(&self.resting).into_iter().filter_map(|(_, pool, block)| {
            value(&pool, block).map(|value| Edit::Unrest { pool, value })
        });
        // Nobody used what was reserved: it need not rest.
        let reserved = ended(&self.ending).into_iter().filter_map(|(_, pool, block)| {
            value(&pool, block).map(|value| Edit::Unhold { pool, value })
        });
        rested.chain(reserved).take(most).collect()
    }

    /// When the next thing ends by itself.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        let first = |set: &BTreeSet<Ends>| set.first().map(|(until, ..)| *until);
        [first(&self.resting), first(&self.ending)].into_iter().flatten().min()
    }

    /// When the first value of a pool has rested, and how many rest.
    pub(super) fn rests(&self, name: &str) -> (usize, Option<u64>) {
        let pool = self.pools.get(name);
        let first = pool.and_then(|pool| pool.cooling.values().map(|rest| rest.until).min());
        (pool.map_or(0, |pool| pool.cooling.len()), first)
    }

    /// How full a pool is.
    pub fn usage(&mut self, name: &str, now: u64) -> Option<Usage> {
        self.build(name).map(|pool| pool.usage(name, now))
    }

    /// Names of pools in order, after one.
    #[must_use]
    pub fn names(&self, after: &str, most: usize) -> Vec<String> {
        let later = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        let all = self.pools.range::<str, _>(later).take(most);
        all.map(|(name, _)| name.to_string()).collect()
    }

    /// Whether there is a pool of a name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.pools.contains_key(name)
    }

    /// Declarations of a pool.
    #[must_use]
    pub fn declaration(&self, name: &str) -> Option<&Declared> {
        self.declared.get(name)
    }

    /// Allocations of a pool in the order of their values, after one of them, up to a sequence number.
    #[must_use]
    pub fn allocations(
        &self,
        name: &str,
        after: Option<Value>,
        upto: u64,
        most: usize,
    ) -> Vec<Allocation> {
        let Some(pool) = self.pools.get(name) else { return Vec::new() };
        let from = after.and_then(Value::block);
        let from = from.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let later = pool.held.range((from, std::ops::Bound::Unbounded));
        let known = later.filter(|(_, held)| held.sequence <= upto);
        let named = known.filter_map(|(block, held)| Some((pool.value(*block)?, held)));
        let name = name.into();
        named.take(most).map(|(value, held)| held.allocation(&name, value)).collect()
    }

    /// All that rests, the first that was released first.
    #[must_use]
    pub fn resting(&self) -> Vec<Cooling> {
        let record = |(_, pool, block): &Ends| {
            let own = self.pools.get(pool.as_ref())?;
            own.cooling_record(pool, *block, *own.cooling.get(block)?)
        };
        self.resting.iter().filter_map(record).collect()
    }

    /// All allocations of all pools.
    pub fn all(&self) -> impl Iterator<Item = Allocation> {
        self.pools.iter().flat_map(|(name, pool)| {
            let named = pool.held.iter().filter_map(|(b, held)| Some((pool.value(*b)?, held)));
            let name = Arc::clone(name);
            named.map(move |(value, held)| held.allocation(&name, value))
        })
    }
}

/// Links pools that somebody declared with those that have something in common with them, and takes out of them what the network describes there.
fn connect(specs: &mut BTreeMap<Arc<str>, Spec>, outer: &[Block]) {
    let own: Vec<Arc<str>> = specs
        .iter()
        .filter(|(_, spec)| spec.source == Source::Declared && spec.kind != Kind::Numbers)
        .map(|(name, _)| name.clone())
        .collect();
    for name in own {
        let Some(mut spec) = specs.remove(&name) else { continue };
        let common = |other: &Spec| {
            other.kind == spec.kind
                && spec.roots.iter().any(|root| !overlapping(&other.roots, *root).is_empty())
        };
        let mut described = std::mem::take(&mut spec.described);
        for (other, theirs) in specs.iter_mut().filter(|(_, theirs)| common(theirs)) {
            spec.linked.push(other.clone());
            theirs.linked.push(name.clone());
            if theirs.source == Source::Network {
                described.extend(theirs.described.iter().chain(&theirs.kept));
            }
        }
        if spec.kind == Kind::Ranges {
            // Whole networks inside a pool are taken. A pool inside a network is a part of it, and gives what is free there.
            let inside = |block: &&Block| {
                spec.roots.iter().any(|root| root.contains(**block) && root != *block)
            };
            described.extend(outer.iter().filter(inside));
        }
        spec.described = normalised(described);
        spec.linked.sort();
        specs.insert(name, spec);
    }
    for spec in specs.values_mut() {
        spec.linked.sort();
        spec.linked.dedup();
    }
}
