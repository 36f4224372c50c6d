//! A pool: what it has to give, who has what of it, what rests, and what is free.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::block::Block;
use super::forecast::{Forecast, Growth};
use super::free::{Cursor, Free, units};
use super::record::{Allocation, Cooling};
use super::spec::{Source, Spec};
use super::value::{Family, Kind, Value, planes};
use crate::time::Time;

/// Who has a value.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) purpose: Arc<str>,
    pub(super) owner: Arc<str>,
    pub(super) sequence: u64,
    pub(super) at: u64,
    pub(super) reserved: bool,
    pub(super) until: Option<u64>,
}

impl Held {
    pub(super) fn of(allocation: &Allocation) -> Self {
        Self {
            purpose: Arc::clone(&allocation.purpose),
            owner: Arc::clone(&allocation.owner),
            sequence: allocation.sequence,
            at: allocation.at.milliseconds(),
            reserved: allocation.reserved,
            until: allocation.until.map(Time::milliseconds),
        }
    }

    pub(super) fn allocation(&self, pool: &Arc<str>, value: Value) -> Allocation {
        Allocation {
            pool: Arc::clone(pool),
            value,
            purpose: Arc::clone(&self.purpose),
            owner: Arc::clone(&self.owner),
            sequence: self.sequence,
            at: Time::of_milliseconds(self.at),
            reserved: self.reserved,
            until: self.until.map(Time::of_milliseconds),
        }
    }

    /// For people who wanted it too.
    pub(super) fn whose(&self) -> String {
        let verb = if self.reserved { "reserved" } else { "allocated" };
        format!("`{}` ({verb} by {})", self.purpose, self.owner)
    }
}

/// How long a value rests, and what its sequence number was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    pub(super) until: u64,
    pub(super) sequence: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) spec: Spec,
    pub(super) held: BTreeMap<Block, Held>,
    pub(super) cooling: BTreeMap<Block, Rest>,
    /// What is free; made when it is asked for first.
    pub(super) free: Option<Free>,
    /// Behind what was given last; not known before something was.
    pub(super) cursor: Option<Cursor>,
    pub(super) growth: Growth,
    /// Positions that are allocated, reservations among them.
    allocated: u128,
    reserved: u128,
    resting: u128,
}

/// The blocks of a map that overlap one. Those of a map never overlap each other.
pub(crate) fn overlapping<T>(
    map: &BTreeMap<Block, T>,
    one: Block,
) -> impl Iterator<Item = (Block, &T)> {
    let span = one.span();
    let before = map.range(..*span.start()).next_back();
    let before = before.filter(|(block, _)| block.contains(one));
    before.into_iter().chain(map.range(span)).map(|(block, value)| (*block, value))
}

impl Pool {
    pub(super) fn new(spec: Spec) -> Self {
        Self {
            spec,
            held: BTreeMap::new(),
            cooling: BTreeMap::new(),
            free: None,
            cursor: None,
            growth: Growth::default(),
            allocated: 0,
            reserved: 0,
            resting: 0,
        }
    }

    pub(super) fn hold(&mut self, block: Block, held: Held) -> Option<Held> {
        self.cursor = Some(match block.last().checked_add(1) {
            Some(next) => (block.plane(), next),
            None => (block.plane(), block.last()),
        });
        let size = block.size();
        self.allocated = self.allocated.saturating_add(size);
        self.reserved = self.reserved.saturating_add(if held.reserved { size } else { 0 });
        let at = held.at;
        let before = self.held.insert(block, held);
        match &before {
            Some(before) => self.less(block, before.reserved),
            None => self.growth.add(at, float(size)),
        }
        before
    }

    fn less(&mut self, block: Block, reserved: bool) {
        let size = block.size();
        self.allocated = self.allocated.saturating_sub(size);
        self.reserved = self.reserved.saturating_sub(if reserved { size } else { 0 });
    }

    pub(super) fn unhold(&mut self, block: Block, now: u64) -> Option<Held> {
        let held = self.held.remove(&block)?;
        self.less(block, held.reserved);
        self.growth.add(now, -float(block.size()));
        Some(held)
    }

    pub(super) fn rest(&mut self, block: Block, rest: Rest) {
        if self.cooling.insert(block, rest).is_none() {
            self.resting = self.resting.saturating_add(block.size());
        }
    }

    pub(super) fn unrest(&mut self, block: Block) -> Option<Rest> {
        let rest = self.cooling.remove(&block)?;
        self.resting = self.resting.saturating_sub(block.size());
        Some(rest)
    }

    /// What of the pool itself overlaps a block: kept, described, allocated, resting.
    pub(super) fn own_covers(&self, block: Block, covers: &mut Vec<Block>) {
        covers.extend_from_slice(super::block::overlapping(&self.spec.kept, block));
        covers.extend_from_slice(super::block::overlapping(&self.spec.described, block));
        self.values_within(block, covers);
    }

    /// What is allocated or rests of a block.
    pub(super) fn values_within(&self, block: Block, covers: &mut Vec<Block>) {
        covers.extend(overlapping(&self.held, block).map(|(block, _)| block));
        covers.extend(overlapping(&self.cooling, block).map(|(block, _)| block));
    }

    pub(super) fn is_described(&self, block: Block) -> bool {
        !super::block::overlapping(&self.spec.described, block).is_empty()
    }

    pub(super) fn value(&self, block: Block) -> Option<Value> {
        Value::of(self.spec.kind, block)
    }

    /// Where the next free value is looked for first.
    pub(super) fn cursor(&self) -> Cursor {
        let newest = || self.held.iter().max_by_key(|(_, held)| held.sequence).map(|(b, _)| *b);
        let last = || {
            let roots = &self.spec.roots;
            let within = |block: &&Block| !super::block::overlapping(roots, **block).is_empty();
            self.spec.described.iter().rev().find(within).copied()
        };
        self.cursor.unwrap_or_else(|| match newest().or_else(last) {
            Some(block) => (block.plane(), block.last().saturating_add(1)),
            None => (super::block::Plane(0), 0),
        })
    }

    /// How full it is. [`Self::free`] must be there.
    pub(super) fn usage(&self, name: &str, now: u64) -> Usage {
        let capacity = units(&self.spec.roots, &self.spec.kept);
        let free = self.free.as_ref().map_or(0, Free::units).saturating_sub(self.spec.unknown);
        let taken = capacity.saturating_sub(free).saturating_sub(self.resting.min(capacity));
        let largest = |family| {
            let planes = planes(self.spec.kind, family);
            self.free.as_ref().and_then(|free| free.largest_of(&planes))
        };
        let largest = match self.spec.kind {
            Kind::Ranges => [Family::V4, Family::V6]
                .into_iter()
                .filter_map(largest)
                .filter_map(|block| self.value(block))
                .collect(),
            _ => Vec::new(),
        };
        let used = if capacity == 0 {
            0.0
        } else {
            float(capacity - free.min(capacity)) / float(capacity)
        };
        let exhausted = free == 0 && capacity > 0;
        let forecast = self.growth.forecast(float(free), now).filter(|_| !exhausted);
        let mut usage = Usage {
            pool: name.to_owned(),
            kind: self.spec.kind,
            source: self.spec.source,
            capacity,
            taken,
            allocated: self.allocated,
            reserved: self.reserved,
            cooling: self.resting,
            free,
            largest,
            used_percent: (used * 1000.0).round() / 10.0,
            warn_at_percent: self.spec.warn_at * 100.0,
            exhausted,
            closed: self.spec.closed.clone(),
            hold_down_seconds: self.spec.hold_down / 1000,
            warning: None,
            forecast,
        };
        usage.warning = warning(&usage, used >= self.spec.warn_at);
        usage
    }
}

fn warning(usage: &Usage, over: bool) -> Option<String> {
    let Usage { pool, kind, capacity, free, .. } = usage;
    let what = if *kind == Kind::Ranges { "addresses" } else { kind.word() };
    if usage.source == Source::Gone {
        let count = usage.allocated.max(usage.cooling);
        return Some(format!(
            "the network no longer has what `{pool}` is of; {count} {what} of it are taken or rest"
        ));
    }
    if usage.exhausted {
        return Some(format!("`{pool}` is exhausted: none of its {capacity} {what} is free"));
    }
    over.then(|| {
        format!(
            "`{pool}` is {:.1} % full: {free} of {capacity} {what} are free",
            usage.used_percent
        )
    })
}

#[expect(clippy::cast_precision_loss, reason = "a share or an estimate")]
pub(super) fn float(number: u128) -> f64 {
    number as f64
}

/// How full a pool is. What is counted are addresses, ports and numbers, also of ranges and blocks.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Usage {
    /// The pool.
    pub pool: String,
    /// What it is of.
    pub kind: Kind,
    /// Where it comes from.
    pub source: Source,
    /// What it has to offer: its size without what the provider or the user keeps.
    pub capacity: u128,
    /// What is described in it, allocated or reserved.
    pub taken: u128,
    /// What of it is allocated here, reservations among them.
    pub allocated: u128,
    /// What of that is only reserved.
    pub reserved: u128,
    /// What was released and rests.
    pub cooling: u128,
    /// What is free, as far as is known.
    pub free: u128,
    /// Of ranges: the largest free one of each family.
    pub largest: Vec<Value>,
    /// How much of it is not free, in percent.
    pub used_percent: f64,
    /// From which share on it warns, in percent.
    pub warn_at_percent: f64,
    /// Nothing is free.
    pub exhausted: bool,
    /// Why nothing can be given, though something may be free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<String>,
    /// How long a released value rests, in seconds.
    pub hold_down_seconds: u64,
    /// It is fuller than it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// When nothing will be free, as an estimate; none where too little is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
}

impl Pool {
    pub(super) fn cooling_record(
        &self,
        pool: &Arc<str>,
        block: Block,
        rest: Rest,
    ) -> Option<Cooling> {
        let value = self.value(block)?;
        let Rest { until, sequence } = rest;
        let until = Time::of_milliseconds(until);
        Some(Cooling { pool: Arc::clone(pool), value, sequence, until })
    }
}
