//! Leases in memory: what the engines know of who is kept alive. Which keys go with a lease is theirs to know.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::Error;
use crate::model::LeaseId;

/// The shortest time of a lease. etcd counts in seconds.
pub const MIN_TTL: Duration = Duration::from_secs(1);

/// The longest.
pub const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Leases that are granted at a time, at most.
pub const MAX_LEASES: usize = 100_000;

#[derive(Debug, Clone, Copy)]
struct Lease {
    ttl: Duration,
    ends: Duration,
}

/// All leases.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    all: BTreeMap<LeaseId, Lease>,
}

/// Whole seconds, as etcd counts; at least what was asked.
pub(crate) fn seconds(ttl: Duration) -> Result<Duration, Error> {
    if !(MIN_TTL..=MAX_TTL).contains(&ttl) {
        let (least, most) = (MIN_TTL.as_secs(), MAX_TTL.as_secs());
        let why = format!("it may last from {least} to {most} seconds, not {ttl:?}");
        return Err(Error::LeaseTime(why));
    }
    let more = u64::from(ttl.subsec_nanos() > 0);
    Ok(Duration::from_secs(ttl.as_secs() + more))
}

impl Leases {
    pub(crate) fn grant(&mut self, id: LeaseId, ttl: Duration, now: Duration) -> Result<(), Error> {
        if self.all.len() >= MAX_LEASES {
            return Err(Error::LeaseTime(format!("{MAX_LEASES} leases are granted already")));
        }
        self.all.insert(id, Lease { ttl, ends: now + ttl });
        Ok(())
    }

    pub(crate) fn keep(&mut self, id: LeaseId, now: Duration) -> Result<Duration, Error> {
        match self.all.get_mut(&id) {
            Some(lease) if lease.ends > now => {
                lease.ends = now + lease.ttl;
                Ok(lease.ttl)
            }
            _ => Err(Error::NoLease(id)),
        }
    }

    pub(crate) fn holds(&self, id: LeaseId, now: Duration) -> bool {
        self.all.get(&id).is_some_and(|lease| lease.ends > now)
    }

    pub(crate) fn remove(&mut self, id: LeaseId) -> bool {
        self.all.remove(&id).is_some()
    }

    /// Those that have ended.
    pub(crate) fn ended(&self, now: Duration) -> Vec<LeaseId> {
        self.all.iter().filter(|(_, lease)| lease.ends <= now).map(|(id, _)| *id).collect()
    }
}
