//! What a request comes to, given all pools.

use std::sync::Arc;

use netwright_model::suggest::nearest;

use super::block::overlapping;
use super::error::Error;
use super::pool::{self, Held};
use super::record::{Allocation, Cooling, Declared};
use super::request::{Answer, Asked, Released, Request, Want};
use super::spec::Source;
use super::state::{Edit, State};
use super::value::{Kind, Value};
use crate::time::Time;

/// What is to be written, and what is answered once it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// In this order. Empty where all is as it should be already.
    pub edits: Vec<Edit>,
    /// The answer.
    pub answer: Answer,
}

impl State {
    /// Decides a request at a time, in milliseconds since 1970. An allocation gets a sequence number.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub fn decide(&mut self, asked: &Asked, now: u64, sequence: u64) -> Result<Decision, Error> {
        asked.check()?;
        match &asked.request {
            Request::Allocate { pool, want, purpose, reserve, seconds } => {
                let value = self.choose(pool, want, &asked.owner)?;
                let until = seconds.map(|seconds| now.saturating_add(seconds.saturating_mul(1000)));
                let allocation = Allocation {
                    pool: pool.clone(),
                    value,
                    purpose: purpose.clone(),
                    owner: asked.owner.clone(),
                    sequence,
                    at: Time::of_milliseconds(now),
                    reserved: *reserve,
                    until: until.map(Time::of_milliseconds),
                };
                let edits = vec![Edit::Hold(allocation.clone())];
                Ok(Decision { edits, answer: Answer::Allocated(allocation) })
            }
            Request::Release { pool, value, sequence } => {
                self.release(pool, *value, *sequence, now)
            }
            Request::Declare(declared) => self.declare(declared),
            Request::Remove { pool } => self.remove(pool),
        }
    }

    /// There is none of that name.
    pub(super) fn no_pool(&self, pool: &str) -> Error {
        let near = nearest(pool, self.pools.keys().map(AsRef::as_ref));
        Error::NoPool { pool: pool.to_owned(), near: near.map(Into::into) }
    }

    /// The value that is given.
    fn choose(&mut self, name: &str, want: &Want, owner: &str) -> Result<Value, Error> {
        let Some(pool) = self.build(name) else { return Err(self.no_pool(name)) };
        if let Some(why) = &pool.spec.closed {
            return Err(Error::Closed { pool: name.to_owned(), why: why.clone() });
        }
        if let Some(value) = want.value {
            return self.exactly(name, value, want, owner).map(|()| value);
        }
        let (planes, order) = pool.spec.wanted(name, want)?;
        let free = pool.free.as_ref();
        let found = free.and_then(|free| free.find(&planes, order, pool.spec.order, pool.cursor()));
        let value = found.and_then(|block| pool.value(block));
        value.ok_or_else(|| self.exhausted(name, &planes, order))
    }

    fn exhausted(
        &self,
        name: &str,
        planes: &std::ops::RangeInclusive<super::block::Plane>,
        order: u8,
    ) -> Error {
        let (cooling, first) = self.rests(name);
        let next_free_at = first.map(Time::of_milliseconds);
        let pool = self.pools.get(name);
        let kind = pool.map_or(Kind::Ranges, |pool| pool.spec.kind);
        let wanted = match kind {
            Kind::Ranges if planes.contains(&super::block::Plane::V4) => {
                format!("/{}", 32_u8.saturating_sub(order))
            }
            Kind::Ranges => format!("/{}", 128_u8.saturating_sub(order)),
            Kind::Addresses => "address".to_owned(),
            Kind::Ports => format!("block of {} ports", 1_u32 << order.min(16)),
            Kind::Numbers => "number".to_owned(),
        };
        let largest = pool.and_then(|pool| pool.free.as_ref()?.largest_of(planes));
        let free = match (largest.zip(pool), kind) {
            (Some((block, pool)), _) => match pool.value(block) {
                Some(value) => format!("the largest that is free is {value}"),
                None => "what is free is smaller".to_owned(),
            },
            (None, _) => "nothing is free".to_owned(),
        };
        Error::Exhausted { pool: name.to_owned(), wanted, free, cooling, next_free_at }
    }

    /// Whether somebody can have exactly a value.
    fn exactly(&self, name: &str, value: Value, want: &Want, owner: &str) -> Result<(), Error> {
        let Some(pool) = self.pools.get(name) else { return Err(self.no_pool(name)) };
        if want.length.is_some() || want.family.is_some() || want.ports.is_some() {
            return Err(Error::Invalid("a value says by itself how large it is".to_owned()));
        }
        if value.kind() != pool.spec.kind {
            let kind = pool.spec.kind.word();
            return Err(Error::Invalid(format!("`{name}` is of {kind}, and {value} is none")));
        }
        let Some(block) = value.block() else {
            let why = format!("{value} is no block: a power of two, at a multiple of it");
            return Err(Error::Invalid(why));
        };
        if !pool.spec.roots.iter().any(|root| root.contains(block)) {
            return Err(Error::Outside { value: value.to_string(), pool: name.to_owned() });
        }
        let taken = |by: String, until| Error::Taken { value: value.to_string(), by, until };
        if !overlapping(&pool.spec.kept, block).is_empty() {
            return Err(taken(
                "the provider, or kept by the subnet's description".to_owned(),
                None,
            ));
        }
        if let Some((held, by)) = pool::overlapping(&pool.held, block).next() {
            // Who reserved it takes it up.
            let own = held == block && by.reserved && by.owner.as_ref() == owner;
            return if own {
                Ok(())
            } else {
                Err(taken(by.whose(), by.until.map(Time::of_milliseconds)))
            };
        }
        if let Some((_, rest)) = pool::overlapping(&pool.cooling, block).next() {
            let by = "nobody, and rests since it was released".to_owned();
            return Err(taken(by, Some(Time::of_milliseconds(rest.until))));
        }
        if let Some(by) = self.linked_holder(name, block) {
            return Err(taken(by, None));
        }
        if pool.is_described(block) {
            return Err(taken("what the network describes there".to_owned(), None));
        }
        Ok(())
    }

    fn release(
        &self,
        name: &Arc<str>,
        value: Value,
        sequence: Option<u64>,
        now: u64,
    ) -> Result<Decision, Error> {
        let Some(pool) = self.pools.get(name.as_ref()) else { return Err(self.no_pool(name)) };
        let missing = || Error::NotAllocated { value: value.to_string(), pool: name.to_string() };
        let block = value.block().filter(|_| value.kind() == pool.spec.kind).ok_or_else(missing)?;
        let still_described = pool.is_described(block);
        let released = |sequence, rests_until| {
            let pool = Arc::clone(name);
            Answer::Released(Released { pool, value, sequence, rests_until, still_described })
        };
        let Some(held) = pool.held.get(&block) else {
            // The same release once more.
            let rest = pool.cooling.get(&block).filter(|rest| Some(rest.sequence) == sequence);
            let rest = rest.ok_or_else(missing)?;
            let until = Time::of_milliseconds(rest.until);
            let answer = released(rest.sequence, Some(until));
            return Ok(Decision { edits: Vec::new(), answer });
        };
        if let Some(given) = sequence.filter(|given| *given != held.sequence) {
            let now = held.sequence;
            return Err(Error::Superseded { value: value.to_string(), given, now });
        }
        let until = Time::of_milliseconds(now.saturating_add(pool.spec.hold_down));
        let rests = pool.spec.hold_down > 0 && !held.reserved;
        let mut edits = vec![Edit::Unhold { pool: Arc::clone(name), value }];
        if rests {
            let Held { sequence, .. } = *held;
            edits.push(Edit::Rest(Cooling { pool: Arc::clone(name), value, sequence, until }));
        }
        let answer = released(held.sequence, rests.then_some(until));
        Ok(Decision { edits, answer })
    }

    fn declare(&self, declared: &Declared) -> Result<Decision, Error> {
        self.declarable(declared)?;
        let name = &declared.pool;
        let used = self.pools.get(name).map_or(0, |pool| pool.held.len() + pool.cooling.len());
        let before = self.declaration(name);
        // Another kind would make what is taken something else.
        if used > 0 && before.is_some_and(|before| before.kind != declared.kind) {
            return Err(Error::InUse { pool: name.to_string(), values: used });
        }
        let same = before == Some(declared);
        let edits = if same { Vec::new() } else { vec![Edit::Declare(declared.clone())] };
        Ok(Decision { edits, answer: Answer::Declared(declared.clone()) })
    }

    fn remove(&self, name: &Arc<str>) -> Result<Decision, Error> {
        if self.declaration(name).is_none() {
            return Err(match self.pools.get(name) {
                Some(_) => {
                    Error::Invalid(format!("`{name}` follows from the network: nobody declared it"))
                }
                None => self.no_pool(name),
            });
        }
        let pool = self.pools.get(name);
        let own = pool.filter(|pool| pool.spec.source == Source::Declared);
        let values = own.map_or(0, |pool| pool.held.len() + pool.cooling.len());
        if values > 0 {
            return Err(Error::InUse { pool: name.to_string(), values });
        }
        let edits = vec![Edit::Undeclare(Arc::clone(name))];
        Ok(Decision { edits, answer: Answer::Removed })
    }
}
