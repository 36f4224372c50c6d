//! Revisions, entries, operations and events.

use std::fmt;
use std::ops::Bound;

use bytes::Bytes;

/// A version of the whole store. An empty one is at 1; each transaction that changes something makes the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// That of an empty store.
    pub const EMPTY: Self = Self(1);

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
    /// When the key was made, for the last time.
    pub created: Revision,
    /// When it was written last.
    pub modified: Revision,
    /// How often it was written since it was made: 1 at first.
    pub version: u64,
    /// The lease that it goes with.
    pub lease: Option<LeaseId>,
}

/// Some keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// One key.
    One(Bytes),
    /// All that begin so; every key where it is empty.
    Prefix(Bytes),
    /// From one key on, up to another that is not among them.
    Between(Bytes, Bytes),
    /// From one key on.
    From(Bytes),
}

impl Keys {
    /// The key of a text.
    #[must_use]
    pub fn one(key: &str) -> Self {
        Self::One(Bytes::copy_from_slice(key.as_bytes()))
    }

    /// All keys that begin with a text.
    #[must_use]
    pub fn prefix(prefix: &str) -> Self {
        Self::Prefix(Bytes::copy_from_slice(prefix.as_bytes()))
    }

    /// All keys.
    #[must_use]
    pub const fn all() -> Self {
        Self::Prefix(Bytes::new())
    }

    /// Whether a key is among them.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            Self::One(own) => own == key,
            Self::Prefix(prefix) => key.starts_with(prefix),
            Self::Between(from, to) => key >= from.as_ref() && key < to.as_ref(),
            Self::From(from) => key >= from.as_ref(),
        }
    }

    /// Those that come after a key.
    #[must_use]
    pub fn after(&self, key: &[u8]) -> Self {
        let next = Bytes::from([key, &[0]].concat());
        match self {
            Self::One(_) => Self::Between(next.clone(), next),
            Self::Prefix(prefix) => match after(prefix) {
                Some(end) => Self::Between(next, end),
                None => Self::From(next),
            },
            Self::Between(_, to) => Self::Between(next, to.clone()),
            Self::From(_) => Self::From(next),
        }
    }

    /// The ends of the range that they are.
    #[must_use]
    pub fn bounds(&self) -> (Bound<Bytes>, Bound<Bytes>) {
        match self {
            Self::One(key) => (Bound::Included(key.clone()), Bound::Included(key.clone())),
            Self::Prefix(prefix) => {
                let end = after(prefix).map_or(Bound::Unbounded, Bound::Excluded);
                (Bound::Included(prefix.clone()), end)
            }
            Self::Between(from, to) => {
                // A range that ends before it begins holds nothing.
                let to = if to < from { from } else { to };
                (Bound::Included(from.clone()), Bound::Excluded(to.clone()))
            }
            Self::From(from) => (Bound::Included(from.clone()), Bound::Unbounded),
        }
    }
}

/// The first key after all that begin with a prefix; none where there is no such key.
pub(crate) fn after(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|octet| *octet != u8::MAX)?;
    let mut end = prefix.get(..=last)?.to_vec();
    if let Some(octet) = end.last_mut() {
        *octet += 1;
    }
    Some(end.into())
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Which keys.
    pub keys: Keys,
    /// At most so many entries; all where none is given.
    pub limit: Option<usize>,
    /// As they were at that revision; now where none is given.
    pub at: Option<Revision>,
}

impl Range {
    /// All of some keys, now.
    #[must_use]
    pub const fn of(keys: Keys) -> Self {
        Self { keys, limit: None, at: None }
    }

    /// At most so many.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// As of a revision.
    #[must_use]
    pub const fn at(mut self, at: Revision) -> Self {
        self.at = Some(at);
        self
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The entries, by key.
    pub entries: Vec<Entry>,
    /// There are more than the limit.
    pub more: bool,
    /// The store's revision when it was read.
    pub revision: Revision,
}

/// What a key is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// How often it was written; 0 where it is not there.
    Version(u64),
    /// When it was made; revision 0 where it is not there.
    Created(Revision),
    /// When it was written last; revision 0 where it is not there.
    Modified(Revision),
    /// Its value. A key that is not there compares with no value.
    Value(Bytes),
}

/// How it must compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The same.
    Equal,
    /// Anything else.
    NotEqual,
    /// Less than what is given.
    Less,
    /// More than what is given.
    Greater,
}

/// A condition of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// The key.
    pub key: Bytes,
    /// How it must be to what is given.
    pub is: Relation,
    /// What is given.
    pub target: Target,
}

impl Compare {
    /// The key is not there.
    #[must_use]
    pub const fn absent(key: Bytes) -> Self {
        Self { key, is: Relation::Equal, target: Target::Version(0) }
    }

    /// The key is there.
    #[must_use]
    pub const fn present(key: Bytes) -> Self {
        Self { key, is: Relation::Greater, target: Target::Version(0) }
    }

    /// The key was last written at a revision.
    #[must_use]
    pub const fn unchanged(key: Bytes, since: Revision) -> Self {
        Self { key, is: Relation::Equal, target: Target::Modified(since) }
    }

    /// Whether it holds for what is there.
    #[must_use]
    pub fn holds(&self, there: Option<&Entry>) -> bool {
        let of = |number: fn(&Entry) -> u64| there.map_or(0, number);
        let order = match &self.target {
            Target::Version(given) => of(|entry| entry.version).cmp(given),
            Target::Created(given) => of(|entry| entry.created.0).cmp(&given.0),
            Target::Modified(given) => of(|entry| entry.modified.0).cmp(&given.0),
            Target::Value(given) => match there {
                Some(entry) => entry.value.cmp(given),
                None => return false,
            },
        };
        match self.is {
            Relation::Equal => order.is_eq(),
            Relation::NotEqual => order.is_ne(),
            Relation::Less => order.is_lt(),
            Relation::Greater => order.is_gt(),
        }
    }
}

/// An operation of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Writes a key. Without a lease it loses the one that it had.
    Put {
        /// The key.
        key: Bytes,
        /// Its value.
        value: Bytes,
        /// The lease that it goes with.
        lease: Option<LeaseId>,
    },
    /// Takes keys away.
    Delete(Keys),
    /// Reads, and sees what the operations before it have done.
    Get(Range),
}

impl Op {
    /// Writes a key that stays.
    #[must_use]
    pub fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self::Put { key: key.into(), value: value.into(), lease: None }
    }
}

/// A transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    /// Conditions, of which all must hold.
    pub compare: Vec<Compare>,
    /// What is done then.
    pub then: Vec<Op>,
    /// What is done otherwise.
    pub otherwise: Vec<Op>,
}

impl Txn {
    /// Some operations, whatever is there.
    #[must_use]
    pub const fn of(then: Vec<Op>) -> Self {
        Self { compare: Vec::new(), then, otherwise: Vec::new() }
    }
}

/// What an operation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpAnswer {
    /// It was written.
    Put,
    /// So many keys were taken away.
    Deleted(u64),
    /// It was read.
    Got(Found),
}

/// What a transaction came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnAnswer {
    /// All conditions held.
    pub succeeded: bool,
    /// The store's revision afterwards: its own where it changed something.
    pub revision: Revision,
    /// The answers of the operations that were done, in order.
    pub answers: Vec<OpAnswer>,
}

/// What happened to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It was written.
    Put(Entry),
    /// It was taken away, by a transaction or with its lease.
    Deleted {
        /// The key.
        key: Bytes,
        /// When.
        at: Revision,
    },
}

impl Event {
    /// The key.
    #[must_use]
    pub const fn key(&self) -> &Bytes {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Deleted { key, .. } => key,
        }
    }

    /// When it happened.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        match self {
            Self::Put(entry) => entry.modified,
            Self::Deleted { at, .. } => *at,
        }
    }
}

/// What can be said of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its revision.
    pub revision: Revision,
    /// Revisions up to this one are forgotten; 0 where none is. An engine may not know.
    pub compacted: Option<Revision>,
    /// Octets that it takes on its disk; 0 in memory.
    pub octets: u64,
    /// The engine and its version, for people.
    pub engine: String,
}

/// What one of several servers that keep a store together says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its address as it was given.
    pub address: String,
    /// What it says; why it says nothing.
    pub answer: Result<MemberAnswer, crate::Error>,
}

/// What a member says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberAnswer {
    /// Its number in the cluster.
    pub id: u64,
    /// The number of the one that it takes for the leader; none where it knows none.
    pub leader: Option<u64>,
    /// The term of that.
    pub term: u64,
    /// The newest revision that it has.
    pub revision: Revision,
    /// Octets of its data.
    pub octets: u64,
    /// Its version.
    pub version: String,
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::{Bytes, Keys};

    #[test]
    fn a_prefix_ends_before_the_next_that_is_not_it() {
        let end = |prefix: &'static [u8]| Keys::Prefix(Bytes::from_static(prefix)).bounds().1;
        assert_eq!(end(b"ab"), Bound::Excluded(Bytes::from_static(b"ac")));
        assert_eq!(end(b"a\xff"), Bound::Excluded(Bytes::from_static(b"b")));
        assert_eq!(end(b"\xff\xff"), Bound::Unbounded);
        assert_eq!(end(b""), Bound::Unbounded);
    }

    #[test]
    fn a_range_that_ends_before_it_begins_holds_nothing() {
        let keys = Keys::Between(Bytes::from_static(b"b"), Bytes::from_static(b"a"));
        assert!(!keys.contains(b"a") && !keys.contains(b"b"));
        let (from, to) = keys.bounds();
        assert_eq!(from, Bound::Included(Bytes::from_static(b"b")));
        assert_eq!(to, Bound::Excluded(Bytes::from_static(b"b")));
    }
}
