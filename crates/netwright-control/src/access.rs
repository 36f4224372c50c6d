//! Who may do what: API keys with roles.
//!
//! A key is `nw_<id>_<secret>`. The store knows it by its id, and the secret by its SHA-256: it has 256 bits from the kernel's generator, so that
//! nobody can guess it from the hash, and a slow hash, which protects what people make up, would only let strangers keep a server busy. Hashes
//! are compared in a time that does not depend on where they differ.
//!
//! While a key is rotated its two secrets hold: the new one, and the one before until its end.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use netwright_store::{Compare, Entry, Error as StoreError, Keys, Op, Range, Revision, Store, Txn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::guard::Guard;
use crate::keys::Layout;
use crate::time::Time;

/// What a key may do. Each may what those before it may.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Reader,
    /// Allocates and changes the network.
    Operator,
    /// Makes keys, reads who did what, forces an election.
    Admin,
}

impl Role {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A secret as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// SHA-256 of the secret, in hexadecimal digits.
    pub sha256: String,
    /// When it was made.
    pub made: Time,
    /// Until when it holds, where it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub made: Time,
    /// Until when it holds, where it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// When it was revoked, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Time>,
    /// Its secrets, the newest last; two while it is rotated.
    pub secrets: Vec<Kept>,
}

impl Record {
    /// Whether it can be used.
    #[must_use]
    pub fn holds(&self, now: Time) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|until| now < until)
    }
}

/// Why a key is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It has not the form of a key.
    Form,
    /// There is no such key, or its secret is another. Which of the two is not said.
    Unknown,
    /// It was revoked.
    Revoked,
    /// Its time, or that of the secret, is over.
    Expired,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "the key has not the form of a key: nw_<id>_<secret>",
            Self::Unknown => "the key is not known",
            Self::Revoked => "the key was revoked",
            Self::Expired => "the key's time is over",
        })
    }
}

/// What goes wrong with keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The store.
    Store(StoreError),
    /// There is no such key.
    NoKey(String),
    /// It was changed meanwhile, or this server does not lead any more.
    Changed(String),
    /// A name, a time, or a state in which that cannot be done.
    Wrong(String),
    /// The kernel gives no random octets.
    Random(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::NoKey(id) => write!(f, "there is no key `{id}`"),
            Self::Changed(id) => {
                write!(f, "the key `{id}` was changed meanwhile, or this server no longer leads")
            }
            Self::Wrong(why) => f.write_str(why),
            Self::Random(why) => write!(f, "no secret can be made: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// All keys, as a server knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    records: BTreeMap<String, Record>,
}

impl Table {
    /// Those that entries of the store hold. What cannot be read is no key: nobody gets in with it.
    #[must_use]
    pub fn of<'a>(layout: &Layout, entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let read = |entry: &Entry| {
            let id = id_of(layout, &entry.key)?;
            Some((id, serde_json::from_slice(&entry.value).ok()?))
        };
        Self { records: entries.into_iter().filter_map(read).collect() }
    }

    /// Whether there is a key that can be used.
    #[must_use]
    pub fn any(&self, now: Time) -> bool {
        self.records.values().any(|record| record.holds(now))
    }

    /// All, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Record)> {
        self.records.iter()
    }

    /// Whose key it is.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub fn admit(&self, key: &str, now: Time) -> Result<(&str, &Record), Refusal> {
        let (id, secret) = parts(key).ok_or(Refusal::Form)?;
        let hash = hash(secret);
        let found = self.records.get_key_value(id);
        // The same work is done for an id that is not known.
        let none = [];
        let secrets = found.map_or(&none[..], |(_, record)| &record.secrets);
        let same = |kept: &&Kept| bool::from(kept.sha256.as_bytes().ct_eq(hash.as_bytes()));
        let kept = secrets.iter().rfind(same).ok_or(Refusal::Unknown)?;
        let (id, record) = found.ok_or(Refusal::Unknown)?;
        if record.revoked.is_some() {
            return Err(Refusal::Revoked);
        }
        if !record.holds(now) || kept.until.is_some_and(|until| now >= until) {
            return Err(Refusal::Expired);
        }
        Ok((id, record))
    }
}

fn id_of(layout: &Layout, key: &Bytes) -> Option<String> {
    let Keys::Prefix(prefix) = layout.all_access() else { return None };
    let id = key.strip_prefix(prefix.as_ref())?;
    String::from_utf8(id.to_vec()).ok()
}

/// The id that a key's text has, where it has the form of a key.
pub(crate) fn id(key: &str) -> Option<&str> {
    parts(key).map(|(id, _)| id)
}

/// Id and secret of a key's text.
fn parts(key: &str) -> Option<(&str, &str)> {
    let (id, secret) = key.strip_prefix("nw_")?.split_once('_')?;
    let plain = |text: &str| text.bytes().all(|octet| octet.is_ascii_hexdigit());
    (id.len() == ID * 2 && secret.len() == SECRET * 2 && plain(id) && plain(secret))
        .then_some((id, secret))
}

/// Octets of an id.
const ID: usize = 6;

/// Octets of a secret.
const SECRET: usize = 32;

pub(crate) fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _always = write!(text, "{octet:02x}");
        text
    })
}

fn hash(secret: &str) -> String {
    hexadecimal(&Sha256::digest(secret.as_bytes()))
}

/// Random octets, in hexadecimal digits.
///
/// # Errors
///
/// [`Error::Random`].
pub fn random<const N: usize>() -> Result<String, Error> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|error| Error::Random(error.to_string()))?;
    Ok(hexadecimal(&octets))
}

/// What is asked of a new key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// How long it holds; without an end where none is given.
    pub lasts: Option<Duration>,
}

/// A key with its secret, which is told this once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its id.
    pub id: String,
    /// What is kept of it.
    pub record: Record,
    /// The key itself.
    pub key: String,
    /// The revision at which it was written.
    pub at: Revision,
}

/// The longest name of a key.
const NAME: usize = 200;

/// How a key is made, rotated and revoked. `guard` is that of a server that leads; whoever has the store to himself needs none.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a, S> {
    /// The store.
    pub store: &'a S,
    /// Where the keys are.
    pub layout: &'a Layout,
    /// The condition under which it is written.
    pub guard: Option<&'a Guard>,
}

impl<S: Store> Access<'_, S> {
    /// All keys of now.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn table(&self) -> Result<Table, Error> {
        let found = self.store.range(Range::of(self.layout.all_access())).await?;
        Ok(Table::of(self.layout, &found.entries))
    }

    async fn get(&self, id: &str) -> Result<(Record, Revision), Error> {
        let none = || Error::NoKey(id.to_owned());
        if id.is_empty() || !id.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return Err(none());
        }
        let found = self.store.range(Range::of(Keys::One(self.layout.access(id)))).await?;
        let entry = found.entries.first().ok_or_else(none)?;
        let record = serde_json::from_slice(&entry.value);
        let damaged = |error| Error::Wrong(format!("the key `{id}` cannot be read: {error}"));
        Ok((record.map_err(damaged)?, entry.modified))
    }

    async fn put(&self, id: &str, record: &Record, is: Compare) -> Result<Revision, Error> {
        let value = serde_json::to_vec(record).map_err(|error| Error::Wrong(error.to_string()))?;
        let compare = self.guard.map(Guard::compare).into_iter().chain([is]).collect();
        let then = vec![Op::put(self.layout.access(id), value)];
        let answer = self.store.txn(Txn { compare, then, otherwise: Vec::new() }).await?;
        if answer.succeeded { Ok(answer.revision) } else { Err(Error::Changed(id.to_owned())) }
    }

    /// Makes a key.
    ///
    /// # Errors
    ///
    /// [`Error::Wrong`] where it has no name; those of the store.
    pub async fn create(&self, new: &New, now: Time) -> Result<Issued, Error> {
        let name = new.name.trim();
        if name.is_empty() || name.len() > NAME || name.chars().any(char::is_control) {
            return Err(Error::Wrong(format!(
                "a key's name has 1 to {NAME} characters on one line"
            )));
        }
        let (id, secret) = (random::<ID>()?, random::<SECRET>()?);
        let record = Record {
            name: name.to_owned(),
            role: new.role,
            made: now,
            expires: new.lasts.map(|lasts| now.after(lasts)),
            revoked: None,
            secrets: vec![Kept { sha256: hash(&secret), made: now, until: None }],
        };
        let at = self.put(&id, &record, Compare::absent(self.layout.access(&id))).await?;
        let key = format!("nw_{id}_{secret}");
        Ok(Issued { id, record, key, at })
    }

    /// Gives a key another secret. The newest of those before holds for `overlap`.
    ///
    /// # Errors
    ///
    /// [`Error::NoKey`]; [`Error::Wrong`] where it does not hold any more; [`Error::Changed`]; those of the store.
    pub async fn rotate(&self, id: &str, overlap: Duration, now: Time) -> Result<Issued, Error> {
        let (mut record, at) = self.get(id).await?;
        if !record.holds(now) {
            return Err(Error::Wrong(format!(
                "the key `{id}` does not hold any more: make another"
            )));
        }
        let secret = random::<SECRET>()?;
        let mut before = record.secrets.pop();
        if let Some(before) = &mut before {
            let until = now.after(overlap);
            before.until = Some(before.until.map_or(until, |old| old.min(until)));
        }
        let new = Kept { sha256: hash(&secret), made: now, until: None };
        record.secrets = before.into_iter().chain([new]).collect();
        let at = self.put(id, &record, Compare::unchanged(self.layout.access(id), at)).await?;
        Ok(Issued { id: id.to_owned(), record, key: format!("nw_{id}_{secret}"), at })
    }

    /// Ends a key, and tells when. It stays in the list, so that what it did has a name.
    ///
    /// # Errors
    ///
    /// [`Error::NoKey`]; [`Error::Changed`]; those of the store.
    pub async fn revoke(&self, id: &str, now: Time) -> Result<(Record, Revision), Error> {
        let (mut record, mut at) = self.get(id).await?;
        if record.revoked.is_none() {
            record.revoked = Some(now);
            at = self.put(id, &record, Compare::unchanged(self.layout.access(id), at)).await?;
        }
        Ok((record, at))
    }
}

#[cfg(test)]
mod tests;
