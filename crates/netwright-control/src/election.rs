//! Who leads.
//!
//! One transaction makes a leader: nobody leads, and the epoch is the one that was read; then the epoch is one more, and the leader's key stands
//! on a lease. All it writes later compares the epoch ([`crate::guard`]), so that one who was paused or cut off changes nothing, however late.
//! It also stops by its own clock well before its lease can end.

use std::time::Duration;

use netwright_store::{Compare, Error, Keys, LeaseId, Op, OpAnswer, Range, Revision, Store, Txn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

use crate::guard::{Guard, value};
use crate::keys::Layout;

/// Who leads, as the store says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leader {
    /// The server's name.
    pub server: String,
    /// Where it answers.
    pub url: String,
    /// The epoch in which it was elected.
    pub epoch: u64,
    /// A word of this process alone: whether an answer that was lost did make us leader.
    pub token: String,
}

/// A server that would lead.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its name.
    pub server: String,
    /// Where it answers.
    pub url: String,
    /// A word of this process alone.
    pub token: String,
    /// How long its lease lasts.
    pub ttl: Duration,
    /// Nobody else can have the store: a leader's key in it is of a process that has ended.
    pub alone: bool,
}

/// A lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// The condition of all that it writes.
    pub guard: Guard,
    /// What its key stands on.
    pub lease: LeaseId,
    /// Until when it holds by our own clock: two thirds of the lease's time after it was last asked to be kept.
    pub until: Instant,
}

impl Lead {
    /// Whether it holds by our own clock.
    #[must_use]
    pub fn holds(&self) -> bool {
        Instant::now() < self.until
    }
}

/// What the store says of leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The leader's key and when it was written; none where nobody leads.
    pub leader: Option<(Leader, Revision)>,
    /// The epoch, and when it was written; 0 and 0 where nobody ever led.
    pub epoch: (u64, Revision),
    /// An import is not finished: there is no network yet that could be led.
    pub importing: bool,
}

/// Reads who leads.
///
/// # Errors
///
/// Those of the store; [`Error::Damaged`] where what is there is no leader and no epoch.
pub async fn read<S: Store>(store: &S, layout: &Layout) -> Result<Seen, Error> {
    let get = |key| Op::Get(Range::of(Keys::One(key)));
    let keys = [layout.leader(), layout.epoch(), layout.importing()];
    let txn = Txn::of(keys.map(get).into());
    let answer = store.txn(txn).await?;
    let mut found = answer.answers.into_iter().map(|answer| match answer {
        OpAnswer::Got(found) => found.entries.into_iter().next(),
        _ => None,
    });
    let mut next = || found.next().flatten();
    let (leader, epoch, importing) = (next(), next(), next().is_some());
    let damaged = |what: &str| Error::Damaged(format!("the key `{what}` holds something else"));
    let leader = leader
        .map(|entry| serde_json::from_slice(&entry.value).map(|leader| (leader, entry.modified)))
        .transpose()
        .map_err(|_| damaged("leader"))?;
    let number = |octets: &[u8]| std::str::from_utf8(octets).ok()?.parse().ok();
    let epoch = match epoch {
        Some(entry) => (number(&entry.value).ok_or_else(|| damaged("epoch"))?, entry.modified),
        None => (0, Revision(0)),
    };
    Ok(Seen { leader, epoch, importing })
}

impl Candidate {
    /// Tries once to become leader; none where somebody leads.
    ///
    /// # Errors
    ///
    /// Those of the store; [`Error::Damaged`] while an import is not finished. Where an answer was lost, it is read who leads.
    pub async fn stand<S: Store>(&self, store: &S, layout: &Layout) -> Result<Option<Lead>, Error> {
        let seen = read(store, layout).await?;
        if seen.importing {
            let why = "an import was not finished: nobody leads what is half there; import again";
            return Err(Error::Damaged(why.to_owned()));
        }
        let free = match &seen.leader {
            None => Compare::absent(layout.leader()),
            Some((_, at)) if self.alone => Compare::unchanged(layout.leader(), *at),
            Some(_) => return Ok(None),
        };
        let epoch = seen.epoch.0 + 1;
        let asked = Instant::now();
        let lease = store.grant(self.ttl).await?;
        let leader = Leader {
            server: self.server.clone(),
            url: self.url.clone(),
            epoch,
            token: self.token.clone(),
        };
        let json =
            serde_json::to_vec(&leader).map_err(|error| Error::Damaged(error.to_string()))?;
        let then = vec![
            Op::put(layout.epoch(), value(epoch)),
            Op::Put { key: layout.leader(), value: json.into(), lease: Some(lease) },
        ];
        let compare = vec![
            free,
            Compare::unchanged(layout.epoch(), seen.epoch.1),
            Compare::absent(layout.importing()),
        ];
        let elected = match store.txn(Txn { compare, then, otherwise: Vec::new() }).await {
            Ok(answer) => answer.succeeded,
            Err(Error::OutcomeUnknown(_)) => {
                let seen = read(store, layout).await?;
                seen.leader.is_some_and(|(now, _)| now == leader)
            }
            Err(error) => return Err(error),
        };
        if !elected {
            // It ends by itself where this does not arrive.
            let _ends_anyway = store.revoke(lease).await;
            return Ok(None);
        }
        let until = asked + safe(self.ttl);
        Ok(Some(Lead { guard: Guard::of(layout, epoch), lease, until }))
    }

    /// Keeps a lead for as long as its lease can be kept and its key is there, telling each new deadline; why it ended.
    pub async fn keep<S: Store>(
        &self,
        store: &S,
        layout: &Layout,
        lead: &Lead,
        tell: impl Fn(Instant),
    ) -> String {
        let mut until = lead.until;
        loop {
            sleep(self.ttl / 6).await;
            let asked = Instant::now();
            if asked >= until {
                return "the lease could not be kept in time".to_owned();
            }
            let kept = timeout(until - asked, async {
                store.keep_alive(lead.lease).await?;
                read(store, layout).await
            });
            match kept.await {
                Ok(Ok(seen)) if seen.epoch.0 == lead.guard.epoch() && seen.leader.is_some() => {
                    until = asked + safe(self.ttl);
                    tell(until);
                }
                Ok(Ok(_)) => return "another epoch has begun".to_owned(),
                Ok(Err(Error::NoLease(_))) => return "the lease has ended".to_owned(),
                // The lead holds until its time; it is asked again.
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    /// Gives a lead back, so that another can be elected at once.
    ///
    /// # Errors
    ///
    /// Those of the store; the lease ends by itself then.
    pub async fn resign<S: Store>(&self, store: &S, lead: &Lead) -> Result<(), Error> {
        store.revoke(lead.lease).await
    }
}

/// Ends the lead of whoever leads: nothing that he writes from now on is written. The servers elect another.
///
/// # Errors
///
/// Those of the store.
pub async fn depose<S: Store>(store: &S, layout: &Layout) -> Result<Option<Leader>, Error> {
    loop {
        let seen = read(store, layout).await?;
        let Some((leader, at)) = seen.leader else { return Ok(None) };
        let compare = vec![
            Compare::unchanged(layout.leader(), at),
            Compare::unchanged(layout.epoch(), seen.epoch.1),
        ];
        let then = vec![
            Op::put(layout.epoch(), value(seen.epoch.0 + 1)),
            Op::Delete(Keys::One(layout.leader())),
        ];
        if store.txn(Txn { compare, then, otherwise: Vec::new() }).await?.succeeded {
            return Ok(Some(leader));
        }
    }
}

/// For how much of its time a lease is trusted.
fn safe(ttl: Duration) -> Duration {
    ttl * 2 / 3
}

#[cfg(test)]
mod tests;
