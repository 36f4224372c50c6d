//! What every engine asks of a request before it does it.

use rustc_hash::FxHashSet;

use crate::error::Error;
use crate::model::{Keys, Op, Range, Revision, Txn};

/// Operations in each list of a transaction, and conditions: etcd's default (`--max-txn-ops`).
pub const MAX_OPS: usize = 128;

/// Octets of a whole transaction: etcd's default is 1.5 MiB (`--max-request-bytes`), with room for its framing.
pub const MAX_REQUEST: usize = 1_400_000;

/// Octets of a key. etcd has no limit of its own.
pub const MAX_KEY: usize = 4096;

/// Whether a transaction may be done.
pub(crate) fn check(txn: &Txn) -> Result<(), Error> {
    for given in [txn.compare.len(), txn.then.len(), txn.otherwise.len()] {
        if given > MAX_OPS {
            return Err(Error::TooManyOperations { given, most: MAX_OPS });
        }
    }
    for compare in &txn.compare {
        key(&compare.key)?;
    }
    operations(&txn.then)?;
    operations(&txn.otherwise)?;
    let octets = octets(txn);
    if octets > MAX_REQUEST {
        return Err(Error::Size { what: "a transaction", given: octets, most: MAX_REQUEST });
    }
    Ok(())
}

/// Octets of a transaction's keys and values.
pub(crate) fn octets(txn: &Txn) -> usize {
    let compared: usize = txn
        .compare
        .iter()
        .map(|compare| {
            let value = match &compare.target {
                crate::Target::Value(value) => value.len(),
                _ => size_of::<u64>(),
            };
            compare.key.len() + value
        })
        .sum();
    let done = txn.then.iter().chain(&txn.otherwise).map(|op| match op {
        Op::Put { key, value, .. } => key.len() + value.len(),
        Op::Delete(keys) | Op::Get(Range { keys, .. }) => match keys {
            Keys::One(key) | Keys::Prefix(key) | Keys::From(key) => key.len(),
            Keys::Between(from, to) => from.len() + to.len(),
        },
    });
    compared + done.sum::<usize>()
}

fn key(key: &[u8]) -> Result<(), Error> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(Error::Size { what: "a key", given: key.len(), most: MAX_KEY });
    }
    Ok(())
}

/// No key is written twice: what is put is put once, and is not taken away in the same list, as etcd asks.
fn operations(list: &[Op]) -> Result<(), Error> {
    let mut put = FxHashSet::default();
    for op in list {
        match op {
            Op::Put { key: own, .. } => {
                key(own)?;
                if !put.insert(own) {
                    return Err(duplicate(own));
                }
            }
            Op::Delete(Keys::One(own)) | Op::Get(Range { keys: Keys::One(own), .. }) => key(own)?,
            Op::Delete(_) | Op::Get(_) => {}
        }
    }
    for op in list {
        let twice = match op {
            Op::Delete(Keys::One(own)) => put.get(own),
            Op::Delete(keys) => put.iter().find(|own| keys.contains(own)),
            Op::Put { .. } | Op::Get(_) => None,
        };
        if let Some(own) = twice {
            return Err(duplicate(own));
        }
    }
    Ok(())
}

fn duplicate(key: &[u8]) -> Error {
    Error::DuplicateKey(String::from_utf8_lossy(key).into_owned())
}

/// Whether a range can be read at a revision.
pub(crate) fn readable(at: Revision, compacted: Revision, newest: Revision) -> Result<(), Error> {
    if at > newest {
        return Err(Error::Future { asked: at, newest });
    }
    if at < compacted {
        return Err(Error::Compacted { at: compacted });
    }
    Ok(())
}

/// Whether what happened before a revision can be forgotten.
pub(crate) fn compactable(
    at: Revision,
    compacted: Revision,
    newest: Revision,
) -> Result<(), Error> {
    if at > newest {
        return Err(Error::Future { asked: at, newest });
    }
    if at <= compacted {
        return Err(Error::Compacted { at: compacted });
    }
    Ok(())
}
