//! What other servers said, for as long as it may be remembered.

use std::collections::{BTreeSet, HashMap};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, Record, RecordType};

use crate::zones::Key;

/// Most answers that are remembered.
pub(crate) const ENTRIES: usize = 4096;
/// Most records of an answer that is remembered.
const RECORDS: usize = 128;
/// Longest that an answer is remembered, in seconds.
const LONGEST: u32 = 86_400;
/// Longest that it is remembered that something is not there, in seconds (RFC 2308, section 5: one to three hours).
const LONGEST_NEGATIVE: u32 = 10_800;
/// How long a failure is remembered, in seconds (RFC 9520: at least one).
const FAILURE: u32 = 5;

/// What was said.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    /// An answer: its code, its answers and its authorities.
    Said(ResponseCode, Vec<Record>, Vec<Record>),
    /// No server answered as it should: why.
    Failed(String),
}

#[derive(Debug)]
struct Entry {
    kept: Kept,
    /// When it was said and when it is forgotten, in milliseconds.
    at: u64,
    until: u64,
}

type Question = (Key, RecordType);

/// Answers by their questions; the one that would be forgotten first makes place for a new one.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    entries: HashMap<Question, Entry>,
    ends: BTreeSet<(u64, Key, u16)>,
}

impl Cache {
    /// What is remembered of a question, with its times to live as they are now.
    pub(crate) fn get(&self, name: &Key, kind: RecordType, now: u64) -> Option<Kept> {
        let entry = self.entries.get(&(name.clone(), kind)).filter(|entry| entry.until > now)?;
        let passed = u32::try_from(now.saturating_sub(entry.at) / 1000).unwrap_or(u32::MAX);
        let aged = |records: &[Record]| -> Vec<Record> {
            let mut records = records.to_vec();
            records.iter_mut().for_each(|record| {
                record.decrement_ttl(passed);
            });
            records
        };
        Some(match &entry.kept {
            Kept::Said(code, answers, authorities) => {
                Kept::Said(*code, aged(answers), aged(authorities))
            }
            Kept::Failed(why) => Kept::Failed(why.clone()),
        })
    }

    /// Remembers what was said, where it may be.
    pub(crate) fn put(&mut self, name: Key, kind: RecordType, kept: Kept, now: u64) {
        let Some(seconds) = lasts(&kept, kind).filter(|seconds| *seconds > 0) else { return };
        let until = now + u64::from(seconds) * 1000;
        let question = (name, kind);
        self.forget(&question);
        while self.entries.len() >= ENTRIES {
            let Some((_, name, kind)) = self.ends.first().cloned() else { break };
            self.forget(&(name, RecordType::from(kind)));
        }
        self.ends.insert((until, question.0.clone(), kind.into()));
        self.entries.insert(question, Entry { kept, at: now, until });
    }

    fn forget(&mut self, question: &Question) {
        if let Some(entry) = self.entries.remove(question) {
            self.ends.remove(&(entry.until, question.0.clone(), question.1.into()));
        }
    }

    /// How many are remembered.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// How long something may be remembered, in seconds; `None` for not at all.
fn lasts(kept: &Kept, kind: RecordType) -> Option<u32> {
    let Kept::Said(code, answers, authorities) = kept else { return Some(FAILURE) };
    if answers.len() + authorities.len() > RECORDS {
        return None;
    }
    let least = answers.iter().map(|record| record.ttl).min();
    let negative = *code == ResponseCode::NXDomain
        || !answers.iter().any(|record| record.record_type() == kind);
    if !negative {
        return least.map(|ttl| ttl.min(LONGEST));
    }
    // Only a start of authority says for how long something is not there.
    let start = authorities.iter().find_map(|record| match &record.data {
        RData::SOA(start) => Some(record.ttl.min(start.minimum)),
        _ => None,
    })?;
    Some(start.min(least.unwrap_or(u32::MAX)).min(LONGEST_NEGATIVE))
}

#[cfg(test)]
mod tests;
