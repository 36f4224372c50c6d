//! Where what lies in the store.
//!
//! All keys of one network have one prefix, so that several networks, and strangers, can share an etcd. Numbers in keys have leading zeros: the
//! order of the keys is theirs.

use std::fmt::{self, Write as _};
use std::ops::Bound;

use bytes::{Bytes, BytesMut};
use netwright_store::{Keys, Revision};

/// The keys of one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    prefix: String,
}

impl Default for Layout {
    fn default() -> Self {
        Self::under("netwright/")
    }
}

impl Layout {
    /// All keys begin with a prefix.
    #[must_use]
    pub fn under(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The prefix.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Everything of this network.
    #[must_use]
    pub fn all(&self) -> Keys {
        Keys::prefix(&self.prefix)
    }

    fn key(&self, rest: &str) -> Bytes {
        self.of("", rest)
    }

    /// A key of two pieces.
    fn of(&self, first: &str, second: &str) -> Bytes {
        let octets = self.prefix.len() + first.len() + second.len();
        self.of_in(&mut BytesMut::with_capacity(octets), format_args!("{first}{second}"))
    }

    /// The same as a part of octets that others share: allocators make a great many.
    fn of_in(&self, octets: &mut BytesMut, name: fmt::Arguments<'_>) -> Bytes {
        octets.extend_from_slice(self.prefix.as_bytes());
        // It grows: nothing there fails.
        let _written = octets.write_fmt(name);
        octets.split().freeze()
    }

    fn part(&self, rest: &str) -> Keys {
        Keys::Prefix(self.key(rest))
    }

    /// The fencing epoch: how often a leader was elected.
    #[must_use]
    pub fn epoch(&self) -> Bytes {
        self.key("epoch")
    }

    /// Who leads; gone when nobody does.
    #[must_use]
    pub fn leader(&self) -> Bytes {
        self.key("leader")
    }

    /// There while an import of a whole network is not finished.
    #[must_use]
    pub fn importing(&self) -> Bytes {
        self.key(netwright_store::transfer::UNFINISHED)
    }

    /// The newest change. The revision at which this key was written last is the network's.
    #[must_use]
    pub fn head(&self) -> Bytes {
        self.key("head")
    }

    /// The change that followed a revision of the network (0 before the first).
    #[must_use]
    pub fn change_after(&self, base: Revision) -> Bytes {
        self.key(&format!("history/{:020}", base.0))
    }

    /// All changes, in their order.
    #[must_use]
    pub fn history(&self) -> Keys {
        self.part("history/")
    }

    /// The revision of the network that the change of a key of the history was made of.
    #[must_use]
    pub fn base(&self, key: &[u8]) -> Option<Revision> {
        self.number(key, "history/")
    }

    fn number(&self, key: &[u8], part: &str) -> Option<Revision> {
        let rest = std::str::from_utf8(key).ok()?.strip_prefix(&self.prefix)?;
        rest.strip_prefix(part)?.get(..20)?.parse().ok().map(Revision)
    }

    /// A part of the edits of a change that is too large for one transaction.
    #[must_use]
    pub fn change_part(&self, id: &str, part: usize) -> Bytes {
        self.key(&format!("changes/{id}/{part:06}"))
    }

    /// All parts of a change.
    #[must_use]
    pub fn change_parts(&self, id: &str) -> Keys {
        self.part(&format!("changes/{id}/"))
    }

    /// The change that a key is a part of, or begins the parts of; empty where it begins those of several.
    #[must_use]
    pub fn part_of_change<'k>(&self, key: &'k [u8]) -> Option<&'k str> {
        let rest = std::str::from_utf8(key).ok()?.strip_prefix(&self.prefix)?;
        let (id, _) = rest.strip_prefix("changes/")?.split_once('/').unwrap_or_default();
        Some(id)
    }

    /// Parts of all changes that were made of a revision of the network.
    #[must_use]
    pub fn changes_of(&self, base: Revision) -> Keys {
        self.part(&format!("changes/{base}-"))
    }

    /// Parts of all large changes.
    #[must_use]
    pub fn changes(&self) -> Keys {
        self.part("changes/")
    }

    /// A part of the whole network as it was at a revision.
    #[must_use]
    pub fn snapshot_part(&self, at: Revision, part: usize) -> Bytes {
        self.key(&format!("snapshots/{:020}/{part:06}", at.0))
    }

    /// The revision of the network that a part of a snapshot is of.
    #[must_use]
    pub fn snapshot_of(&self, key: &[u8]) -> Option<Revision> {
        self.number(key, "snapshots/")
    }

    /// Parts of all snapshots.
    #[must_use]
    pub fn snapshots(&self) -> Keys {
        self.part("snapshots/")
    }

    /// Everything but changes, records of who did what, and kept answers.
    #[must_use]
    pub fn all_but_history(&self) -> Vec<Keys> {
        let mut from = self.key("");
        let mut parts = Vec::new();
        for left_out in [self.all_audit(), self.changes(), self.history(), self.all_idempotency()] {
            let (Bound::Included(start), Bound::Excluded(end)) = left_out.bounds() else {
                continue;
            };
            parts.push(Keys::Between(std::mem::replace(&mut from, end), start));
        }
        let (_, end) = self.all().bounds();
        parts.push(match end {
            Bound::Excluded(end) => Keys::Between(from, end),
            _ => Keys::From(from),
        });
        parts
    }

    /// A pool that somebody declared.
    #[must_use]
    pub fn pool(&self, pool: &str) -> Bytes {
        self.key(&format!("pools/{pool}"))
    }

    /// All pools that somebody declared.
    #[must_use]
    pub fn pools(&self) -> Keys {
        self.part("pools/")
    }

    /// A value that is taken, in octets that others share. `value` sorts as the value does.
    pub(crate) fn allocation(
        &self,
        octets: &mut BytesMut,
        pool: &str,
        value: impl fmt::Display,
    ) -> Bytes {
        self.of_in(octets, format_args!("allocations/{pool}/{value}"))
    }

    /// All that is taken.
    #[must_use]
    pub fn allocations(&self) -> Keys {
        self.part("allocations/")
    }

    /// A value that was released and rests, in octets that others share.
    pub(crate) fn cooling(
        &self,
        octets: &mut BytesMut,
        pool: &str,
        value: impl fmt::Display,
    ) -> Bytes {
        self.of_in(octets, format_args!("cooling/{pool}/{value}"))
    }

    /// All that rests.
    #[must_use]
    pub fn all_cooling(&self) -> Keys {
        self.part("cooling/")
    }

    /// Written whenever something is taken or released.
    #[must_use]
    pub fn taken(&self) -> Bytes {
        self.key("taken")
    }

    /// The answer to a request that may be sent again. `hash` is of its idempotency key.
    #[must_use]
    pub fn idempotency(&self, hash: &str) -> Bytes {
        self.of("idempotency/", hash)
    }

    /// The same in pieces, in octets that others share.
    pub(crate) fn idempotency_of(&self, octets: &mut BytesMut, name: impl fmt::Display) -> Bytes {
        self.of_in(octets, format_args!("idempotency/{name}"))
    }

    /// All answers that are kept.
    #[must_use]
    pub fn all_idempotency(&self) -> Keys {
        self.part("idempotency/")
    }

    /// An API key.
    #[must_use]
    pub fn access(&self, id: &str) -> Bytes {
        self.key(&format!("access/{id}"))
    }

    /// All API keys.
    #[must_use]
    pub fn all_access(&self) -> Keys {
        self.part("access/")
    }

    /// What hosts are to ask with packets of their own.
    #[must_use]
    pub fn probe(&self) -> Bytes {
        self.key("probe")
    }

    /// A fault that somebody asked for.
    #[must_use]
    pub fn fault(&self, id: &str) -> Bytes {
        self.of("faults/", id)
    }

    /// All of them.
    #[must_use]
    pub fn faults(&self) -> Keys {
        self.part("faults/")
    }

    /// What a host's agent reports.
    #[must_use]
    pub fn agent(&self, host: &str) -> Bytes {
        self.key(&format!("agents/{host}"))
    }

    /// What all agents report.
    #[must_use]
    pub fn agents(&self) -> Keys {
        self.part("agents/")
    }

    /// A host that has joined: its address and labels.
    #[must_use]
    pub fn host(&self, host: &str) -> Bytes {
        self.key(&format!("hosts/{host}"))
    }

    /// All hosts that have joined.
    #[must_use]
    pub fn hosts(&self) -> Keys {
        self.part("hosts/")
    }

    /// There while a host's agent lives.
    #[must_use]
    pub fn presence(&self, host: &str) -> Bytes {
        self.key(&format!("presence/{host}"))
    }

    /// The agents that live.
    #[must_use]
    pub fn all_presence(&self) -> Keys {
        self.part("presence/")
    }

    /// A record of who did what.
    #[must_use]
    pub fn audit(&self, milliseconds: u64, id: &str) -> Bytes {
        self.key(&format!("audit/{milliseconds:016}-{id}"))
    }

    /// All records of who did what, in the order of their times.
    #[must_use]
    pub fn all_audit(&self) -> Keys {
        self.part("audit/")
    }
}
