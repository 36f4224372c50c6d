//! Our words in etcd's, and back. All keys are under a prefix: an etcd may have other users.

use bytes::Bytes;
use etcd_client as theirs;
use theirs::{CompareOp, DeleteOptions, GetOptions, PutOptions, TxnOp, TxnOpResponse};

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

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn revision(number: i64) -> Revision {
    Revision(unsigned(number))
}

pub(super) fn revision_of(header: Option<&theirs::ResponseHeader>) -> Revision {
    revision(header.map_or(0, theirs::ResponseHeader::revision))
}

impl Under {
    pub(super) fn new(prefix: &str) -> Self {
        Self(Bytes::copy_from_slice(prefix.as_bytes()))
    }

    pub(super) fn key(&self, key: &[u8]) -> Vec<u8> {
        [self.0.as_ref(), key].concat()
    }

    /// The first key and the end of a range; one key alone where there is no end.
    pub(super) fn range(&self, keys: &Keys) -> (Vec<u8>, Option<Vec<u8>>) {
        // To etcd an end of one zero octet is all that there is.
        let after = |prefix: Vec<u8>| after(&prefix).map_or(vec![0], |end| end.to_vec());
        // It has no empty key: the first there can be is one zero octet.
        let from = |key: &[u8]| {
            let key = self.key(key);
            if key.is_empty() { vec![0] } else { key }
        };
        match keys {
            Keys::One(key) => (self.key(key), None),
            Keys::Prefix(prefix) => (from(prefix), Some(after(self.key(prefix)))),
            Keys::Between(first, to) => {
                let to = if to < first { first } else { to };
                // One zero octet as an end would be all that there is.
                match self.key(to) {
                    end if end.is_empty() => (vec![1], Some(vec![1])),
                    end => (from(first), Some(end)),
                }
            }
            Keys::From(first) => (from(first), Some(after(self.key(b"")))),
        }
    }

    /// One of our keys without the prefix.
    fn own(&self, key: &[u8]) -> Bytes {
        Bytes::copy_from_slice(key.strip_prefix(self.0.as_ref()).unwrap_or(key))
    }

    pub(super) fn entry(&self, found: &theirs::KeyValue) -> Entry {
        let lease = unsigned(found.lease());
        Entry {
            key: self.own(found.key()),
            value: Bytes::copy_from_slice(found.value()),
            created: revision(found.create_revision()),
            modified: revision(found.mod_revision()),
            version: unsigned(found.version()),
            lease: (lease != 0).then_some(LeaseId(lease)),
        }
    }

    pub(super) fn event(&self, event: &theirs::Event) -> Option<Event> {
        let there = event.kv()?;
        Some(match event.event_type() {
            theirs::EventType::Put => Event::Put(self.entry(there)),
            theirs::EventType::Delete => {
                Event::Deleted { key: self.own(there.key()), at: revision(there.mod_revision()) }
            }
        })
    }

    fn compare(&self, compare: &Compare) -> theirs::Compare {
        let is = match compare.is {
            Relation::Equal => CompareOp::Equal,
            Relation::NotEqual => CompareOp::NotEqual,
            Relation::Less => CompareOp::Less,
            Relation::Greater => CompareOp::Greater,
        };
        let key = self.key(&compare.key);
        match &compare.target {
            Target::Version(given) => theirs::Compare::version(key, is, signed(*given)),
            Target::Created(given) => theirs::Compare::create_revision(key, is, signed(given.0)),
            Target::Modified(given) => theirs::Compare::mod_revision(key, is, signed(given.0)),
            Target::Value(given) => theirs::Compare::value(key, is, given.as_ref()),
        }
    }

    fn op(&self, op: &Op) -> TxnOp {
        match op {
            Op::Put { key, value, lease } => {
                let lease = lease.map_or(0, |lease| signed(lease.0));
                let options = PutOptions::new().with_lease(lease);
                TxnOp::put(self.key(key), value.as_ref(), Some(options))
            }
            Op::Delete(keys) => {
                let (from, end) = self.range(keys);
                let options = end.map(|end| DeleteOptions::new().with_range(end));
                TxnOp::delete(from, options)
            }
            Op::Get(range) => {
                let (from, options) = self.get(range);
                TxnOp::get(from, Some(options))
            }
        }
    }

    pub(super) fn get(&self, range: &Range) -> (Vec<u8>, GetOptions) {
        let (from, end) = self.range(&range.keys);
        let mut options = GetOptions::new();
        if let Some(end) = end {
            options = options.with_range(end);
        }
        if let Some(limit) = range.limit {
            // To etcd zero is no limit.
            options = options.with_limit(i64::try_from(limit.max(1)).unwrap_or(i64::MAX));
        }
        if let Some(at) = range.at {
            options = options.with_revision(signed(at.0));
        }
        (from, options)
    }

    pub(super) fn found(&self, answer: &theirs::GetResponse, range: &Range) -> Found {
        let mut entries: Vec<Entry> = answer.kvs().iter().map(|kv| self.entry(kv)).collect();
        let limit = range.limit.unwrap_or(usize::MAX);
        let more = answer.more() || entries.len() > limit;
        entries.truncate(limit);
        Found { entries, more, revision: revision_of(answer.header()) }
    }

    pub(super) fn txn(&self, txn: &Txn) -> theirs::Txn {
        let ops = |ops: &[Op]| ops.iter().map(|op| self.op(op)).collect::<Vec<_>>();
        let conditions: Vec<_> = txn.compare.iter().map(|one| self.compare(one)).collect();
        let mut theirs = theirs::Txn::new();
        // An empty list given twice would be refused; one that is not given is empty.
        if !conditions.is_empty() {
            theirs = theirs.when(conditions);
        }
        if !txn.then.is_empty() {
            theirs = theirs.and_then(ops(&txn.then));
        }
        if !txn.otherwise.is_empty() {
            theirs = theirs.or_else(ops(&txn.otherwise));
        }
        theirs
    }

    pub(super) fn answer(
        &self,
        answer: &theirs::TxnResponse,
        txn: &Txn,
    ) -> Result<TxnAnswer, Error> {
        let revision = revision_of(answer.header());
        let succeeded = answer.succeeded();
        let ops = if succeeded { &txn.then } else { &txn.otherwise };
        let mut answers = Vec::with_capacity(ops.len());
        for (op, theirs) in ops.iter().zip(answer.op_responses()) {
            answers.push(match (op, theirs) {
                (Op::Put { .. }, TxnOpResponse::Put(_)) => OpAnswer::Put,
                (Op::Delete(_), TxnOpResponse::Delete(gone)) => {
                    OpAnswer::Deleted(unsigned(gone.deleted()))
                }
                (Op::Get(range), TxnOpResponse::Get(found)) => {
                    OpAnswer::Got(Found { revision, ..self.found(&found, range) })
                }
                _ => return Err(Error::Damaged("etcd answers what was not asked".to_owned())),
            });
        }
        Ok(TxnAnswer { succeeded, revision, answers })
    }
}
