//! Our words in etcd's, and back. All keys are under a prefix: an etcd may have other users.

use bytes::Bytes;

use super::wire::{self, Given, Header, Request, RequestOp, Response};
use crate::error::Error;
use crate::model::{
    Compare, Entry, Event, Found, Keys, LeaseId, Op, OpAnswer, Range, Relation, Revision, Target,
    Txn, TxnAnswer, after,
};

/// The prefix of all keys.
#[derive(Debug, Clone)]
pub(super) struct Under(Bytes);

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn revision(number: i64) -> Revision {
    Revision(unsigned(number))
}

pub(super) fn revision_of(header: Option<&Header>) -> Revision {
    revision(header.map_or(0, |header| header.revision))
}

impl Under {
    pub(super) fn new(prefix: &str) -> Self {
        Self(Bytes::copy_from_slice(prefix.as_bytes()))
    }

    pub(super) fn key(&self, key: &[u8]) -> Bytes {
        [self.0.as_ref(), key].concat().into()
    }

    /// The first key and the end of a range; one key alone where the end is empty.
    pub(super) fn range(&self, keys: &Keys) -> (Bytes, Bytes) {
        // To etcd an end of one zero octet is all that there is. It has no empty key: the first there can be is one zero octet.
        let zero = Bytes::from_static(&[0]);
        let after = |prefix: &[u8]| after(prefix).unwrap_or_else(|| zero.clone());
        let from = |key: &[u8]| {
            let key = self.key(key);
            if key.is_empty() { zero.clone() } else { key }
        };
        match keys {
            Keys::One(key) => (self.key(key), Bytes::new()),
            Keys::Prefix(prefix) => (from(prefix), after(&self.key(prefix))),
            Keys::Between(first, to) => {
                let to = if to < first { first } else { to };
                match self.key(to) {
                    end if end.is_empty() => (Bytes::from_static(&[1]), Bytes::from_static(&[1])),
                    end => (from(first), end),
                }
            }
            Keys::From(first) => (from(first), after(&self.0)),
        }
    }

    /// One of our keys without the prefix.
    fn own(&self, key: &Bytes) -> Bytes {
        if key.starts_with(&self.0) { key.slice(self.0.len()..) } else { key.clone() }
    }

    pub(super) fn entry(&self, found: &wire::KeyValue) -> Entry {
        let lease = unsigned(found.lease);
        Entry {
            key: self.own(&found.key),
            value: found.value.clone(),
            created: revision(found.created),
            modified: revision(found.modified),
            version: unsigned(found.version),
            lease: (lease != 0).then_some(LeaseId(lease)),
        }
    }

    pub(super) fn event(&self, event: &wire::Event) -> Option<Event> {
        let there = event.entry.as_ref()?;
        Some(match event.kind {
            wire::PUT => Event::Put(self.entry(there)),
            _ => Event::Deleted { key: self.own(&there.key), at: revision(there.modified) },
        })
    }

    fn compare(&self, compare: &Compare) -> wire::Compare {
        let result = match compare.is {
            Relation::Equal => wire::EQUAL,
            Relation::NotEqual => wire::NOT_EQUAL,
            Relation::Less => wire::LESS,
            Relation::Greater => wire::GREATER,
        };
        let (target, given) = match &compare.target {
            Target::Version(given) => (wire::VERSION, Given::Version(signed(*given))),
            Target::Created(given) => (wire::CREATED, Given::Created(signed(given.0))),
            Target::Modified(given) => (wire::MODIFIED, Given::Modified(signed(given.0))),
            Target::Value(given) => (wire::VALUE, Given::Value(given.clone())),
        };
        wire::Compare { result, target, key: self.key(&compare.key), given: Some(given) }
    }

    fn op(&self, op: &Op) -> RequestOp {
        let request = match op {
            Op::Put { key, value, lease } => Request::Put(wire::PutRequest {
                key: self.key(key),
                value: value.clone(),
                lease: lease.map_or(0, |lease| signed(lease.0)),
            }),
            Op::Delete(keys) => {
                let (key, end) = self.range(keys);
                Request::Delete(wire::DeleteRequest { key, end })
            }
            Op::Get(range) => Request::Range(self.get(range)),
        };
        RequestOp { request: Some(request) }
    }

    pub(super) fn get(&self, range: &Range) -> wire::RangeRequest {
        let (key, end) = self.range(&range.keys);
        // To etcd zero is no limit.
        let limit = range.limit.map_or(0, |limit| i64::try_from(limit.max(1)).unwrap_or(i64::MAX));
        let revision = range.at.map_or(0, |at| signed(at.0));
        wire::RangeRequest { key, end, limit, revision, count_only: false }
    }

    pub(super) fn found(&self, answer: &wire::RangeResponse, range: &Range) -> Found {
        let mut entries: Vec<Entry> = answer.found.iter().map(|found| self.entry(found)).collect();
        let limit = range.limit.unwrap_or(usize::MAX);
        let more = answer.more || entries.len() > limit;
        entries.truncate(limit);
        Found { entries, more, revision: revision_of(answer.header.as_ref()) }
    }

    pub(super) fn txn(&self, txn: &Txn) -> wire::TxnRequest {
        let ops = |ops: &[Op]| ops.iter().map(|op| self.op(op)).collect();
        wire::TxnRequest {
            compare: txn.compare.iter().map(|one| self.compare(one)).collect(),
            success: ops(&txn.then),
            failure: ops(&txn.otherwise),
        }
    }

    pub(super) fn answer(&self, answer: &wire::TxnResponse, txn: &Txn) -> Result<TxnAnswer, Error> {
        let revision = revision_of(answer.header.as_ref());
        let succeeded = answer.succeeded;
        let ops = if succeeded { &txn.then } else { &txn.otherwise };
        let strange = || Error::Damaged("etcd answers what was not asked".to_owned());
        if ops.len() != answer.responses.len() {
            return Err(strange());
        }
        let mut answers = Vec::with_capacity(ops.len());
        for (op, theirs) in ops.iter().zip(&answer.responses) {
            answers.push(match (op, &theirs.response) {
                (Op::Put { .. }, Some(Response::Put(_))) => OpAnswer::Put,
                (Op::Delete(_), Some(Response::Delete(gone))) => {
                    OpAnswer::Deleted(unsigned(gone.deleted))
                }
                (Op::Get(range), Some(Response::Range(found))) => {
                    OpAnswer::Got(Found { revision, ..self.found(found, range) })
                }
                _ => return Err(strange()),
            });
        }
        Ok(TxnAnswer { succeeded, revision, answers })
    }
}
