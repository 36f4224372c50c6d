//! What is asked of the allocators, and what they answer.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::error::Error;
use super::record::{Allocation, Declared};
use super::value::{Family, Value};
use crate::time::Time;

/// Most octets of a pool's name, and of what a value is for.
pub const MAX_TEXT: usize = 512;

/// Most octets of an idempotency key.
pub const MAX_KEY: usize = 255;

/// Which value is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// This one; the next free one where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Of ranges: the prefix length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u8>,
    /// Of ranges and addresses: the family; IPv4 where the pool has both and none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Of blocks of ports: how many, a power of two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<u32>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Gives a value to somebody.
    Allocate {
        /// The pool.
        pool: Arc<str>,
        /// Which value.
        want: Want,
        /// What it is for.
        #[serde(rename = "for")]
        purpose: Arc<str>,
        /// It is kept, not used yet.
        #[serde(default)]
        reserve: bool,
        /// A reservation ends by itself after so many seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
    },
    /// Gives a value back.
    Release {
        /// The pool.
        pool: Arc<str>,
        /// The value.
        value: Value,
        /// Only where it still has this sequence number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sequence: Option<u64>,
    },
    /// Makes a pool, or changes one.
    Declare(Declared),
    /// Takes a declared pool away, or its settings.
    Remove {
        /// The pool.
        pool: Arc<str>,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It was allocated.
    Allocated(Allocation),
    /// It was released.
    Released(Released),
    /// The pool is there as declared.
    Declared(Declared),
    /// The pool, or its settings, are gone.
    Removed,
}

/// What became of a value that was released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Released {
    /// The pool.
    pub pool: Arc<str>,
    /// The value.
    pub value: Value,
    /// The sequence number that it had.
    pub sequence: u64,
    /// It rests until then; it can be given again at once where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_until: Option<Time>,
    /// The network still describes something there: nobody gets it while it does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub still_described: bool,
}

/// Who asks what.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// What.
    pub request: Request,
    /// Who: the name of an API key.
    pub owner: Arc<str>,
    /// By which a request that is sent again is known.
    pub key: Option<String>,
}

/// The hashes of an idempotency key, and of the request that came with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hashes {
    pub(super) key: Hash,
    pub(super) request: Hash,
}

/// SHA-256.
pub(super) type Hash = [u8; 32];

/// A hash as a text of a key or record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hex<'h>(pub(super) &'h Hash);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 2 * size_of::<Hash>()];
        for (pair, octet) in text.chunks_exact_mut(2).zip(self.0) {
            let digit = |four_bits: u8| DIGITS[usize::from(four_bits)];
            pair.copy_from_slice(&[digit(octet >> 4), digit(octet & 15)]);
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// The hash that a text stands for.
pub(super) fn unhex(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if text.len() != 2 * hash.len() || !text.is_ascii() {
        return None;
    }
    for (octet, at) in hash.iter_mut().zip((0..text.len()).step_by(2)) {
        *octet = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(hash)
}

impl Asked {
    /// Checks what needs no pool.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with what is wrong.
    pub fn check(&self) -> Result<(), Error> {
        let text = |what: &str, text: &str, most: usize| {
            let has_control = if text.is_ascii() {
                text.bytes().any(|octet| octet.is_ascii_control())
            } else {
                text.chars().any(char::is_control)
            };
            let fine = !text.is_empty() && text.len() <= most && !has_control;
            let why =
                || Error::Invalid(format!("{what} is a text of 1 to {most} octets in one line"));
            fine.then_some(()).ok_or_else(why)
        };
        text("the owner", &self.owner, MAX_TEXT)?;
        if let Some(key) = &self.key {
            text("an idempotency key", key, MAX_KEY)?;
        }
        match &self.request {
            Request::Allocate { pool, purpose, reserve, seconds, .. } => {
                text("the name of a pool", pool, MAX_TEXT)?;
                text("`for`", purpose, MAX_TEXT)?;
                if seconds.is_some() && !reserve {
                    return Err(Error::Invalid("only a reservation ends by itself".to_owned()));
                }
                Ok(())
            }
            Request::Release { pool, .. } | Request::Remove { pool } => {
                text("the name of a pool", pool, MAX_TEXT)
            }
            Request::Declare(declared) => {
                text("the name of a pool", &declared.pool, MAX_TEXT)?;
                if declared.ranges.len() > super::spec::MAX_RANGES {
                    let most = super::spec::MAX_RANGES;
                    return Err(Error::Invalid(format!("a pool has at most {most} ranges")));
                }
                Ok(())
            }
        }
    }

    /// Two owners may use the same key.
    pub(super) fn hashes(&self) -> Option<Hashes> {
        let key = self.key.as_ref()?;
        let own = [self.owner.as_bytes(), &[0], key.as_bytes()];
        let own = own.into_iter().fold(Sha256::new(), Digest::chain_update);
        Some(Hashes {
            key: own.finalize().into(),
            request: Sha256::digest(super::record::json(&self.request)).into(),
        })
    }
}
