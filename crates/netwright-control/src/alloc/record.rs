//! What the store keeps of pools and allocations, as JSON.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::free::Order;
use super::value::{Kind, Value};
use crate::time::Time;

/// A value that is somebody's. Its texts are shared with the request that it answers: a great many are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Allocation {
    /// The pool that it is of.
    pub pool: Arc<str>,
    /// The value.
    pub value: Value,
    /// What it is for, as `subnet:prod/web`.
    #[serde(rename = "for")]
    pub purpose: Arc<str>,
    /// Who asked for it.
    pub owner: Arc<str>,
    /// Higher than that of any earlier allocation: who releases it with this number releases nobody else's.
    pub sequence: u64,
    /// When it was made.
    pub at: Time,
    /// It is kept for somebody and not in use yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reserved: bool,
    /// When a reservation ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// A value that was released and rests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cooling {
    /// The pool that it is of.
    pub pool: Arc<str>,
    /// The value.
    pub value: Value,
    /// The sequence number that it had.
    pub sequence: u64,
    /// When it can be given again.
    pub until: Time,
}

/// A pool that somebody declared, or settings of one that follows from the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// Its name.
    pub pool: Arc<str>,
    /// What it is of. Where the pool follows from the network it must be that.
    pub kind: Kind,
    /// All values of it; those that follow from the network where none are given. Of blocks of ports: addresses. Of numbers: `1-100`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<String>,
    /// Which free value comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// Warn when so much of it is taken, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_at_percent: Option<f64>,
    /// How long a released value rests, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_down_seconds: Option<u64>,
    /// Ports of a block, where a request does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<u32>,
    /// Prefix length of a range, where a request does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u8>,
}

/// What the key `taken` holds: each transaction of allocators follows exactly one other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The highest sequence number that was given.
    pub sequence: u64,
    /// The transaction that wrote it.
    pub batch: String,
}

/// The answer to a request that may be sent again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Hash of the request.
    pub request: String,
    /// Its answer.
    pub answer: super::request::Answer,
    /// When it was given.
    pub at: Time,
}

/// [`Kept`], as it is written.
#[derive(Debug, Serialize)]
pub(super) struct Keeping<'a> {
    /// Hash of the request.
    pub(super) request: super::request::Hex<'a>,
    /// Its answer.
    pub(super) answer: &'a super::request::Answer,
    /// When it was given.
    pub(super) at: Time,
}

/// Octets that most records have room in.
const RECORD: usize = 256;

/// A record's JSON. These records have no maps with other keys than texts, so that it cannot fail.
pub(super) fn json<T: Serialize>(record: &T) -> Bytes {
    json_in(&mut BytesMut::with_capacity(RECORD), record)
}

/// The same as a part of octets that others share: what is written together lies together, and is freed together.
pub(super) fn json_in<T: Serialize>(octets: &mut BytesMut, record: &T) -> Bytes {
    match serde_json::to_writer((&mut *octets).writer(), record) {
        Ok(()) => octets.split().freeze(),
        Err(_) => {
            octets.clear();
            Bytes::new()
        }
    }
}
