//! A store in etcd, 3.4 and later: for several machines.

mod convert;
mod failure;
mod follow;
mod member;
mod members;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::error::Error;
use crate::leases::seconds;
use crate::model::{
    Found, Keys, LeaseId, MemberAnswer, MemberStatus, Range, Revision, Status, Txn, TxnAnswer,
};
use crate::watch::Watch;
use crate::{Store, rules};
use convert::{Under, revision_of, signed, unsigned};
use failure::Asked;
use member::Member;
use members::Members;

/// Entries that are asked for at a time.
const PAGE: usize = 5_000;

/// Where etcd is, and who we are there.
#[derive(Clone)]
pub struct Options {
    /// Addresses of its members, as `http://10.0.0.1:2379` or `https://…`.
    pub endpoints: Vec<String>,
    /// All keys are under it: it is put before each, and taken away from what is found.
    pub prefix: String,
    /// What our keys begin with beside that. A user may be allowed to read those only, so that they are asked for where any key would do.
    pub own: String,
    /// Name and password.
    pub user: Option<(String, String)>,
    /// For `https`.
    pub tls: Option<Tls>,
    /// How long an answer is waited for.
    pub patience: Duration,
}

/// Certificates, each as PEM.
#[derive(Clone)]
pub struct Tls {
    /// Who signed the members' certificates.
    pub authority: String,
    /// Our own certificate and key.
    pub identity: Option<(String, String)>,
    /// The name in the members' certificates, where it is not in the address.
    pub name: Option<String>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the password nor a key.
        f.debug_struct("Options")
            .field("endpoints", &self.endpoints)
            .field("prefix", &self.prefix)
            .field("user", &self.user.as_ref().map(|(name, _)| name))
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

/// Who we are, with the password.
#[derive(Clone)]
struct User {
    name: String,
    password: String,
}

/// A store in etcd.
#[derive(Clone)]
pub struct Etcd {
    members: Members,
    under: Under,
    /// A key that may be read.
    readable: Bytes,
}

impl Etcd {
    /// A store in the etcd of some addresses. Where a user is given, its password is tried; else nothing is asked of it yet. Where no member answers,
    /// that is told when something is asked.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] where an address or a certificate cannot be used, [`Error::Denied`] where the user is refused.
    pub async fn connect(options: &Options) -> Result<Self, Error> {
        let under = Under::new(&options.prefix);
        let own = if options.own.is_empty() { "\0" } else { &options.own };
        let readable = under.key(own.as_bytes());
        let store = Self { members: Members::new(options)?, under, readable };
        if options.user.is_some()
            && let Err(error) = store.newest().await
            && !error.may_pass()
        {
            return Err(error);
        }
        Ok(store)
    }

    async fn get(&self, request: wire::RangeRequest) -> Result<wire::RangeResponse, Error> {
        let at = (request.revision > 0).then(|| Revision(unsigned(request.revision)));
        self.ask(Asked { at, ..Asked::READ }, wire::RANGE, request).await
    }

    async fn ask<Q, A>(&self, asked: Asked, path: &'static str, message: Q) -> Result<A, Error>
    where
        Q: prost::Message + Clone + 'static,
        A: prost::Message + Default + 'static,
    {
        let call = |member: Arc<Member>| {
            let message = message.clone();
            async move { member.unary(asked, path, message).await }
        };
        self.members.ask(asked, call).await
    }

    /// The newest revision, as all members agree.
    async fn newest(&self) -> Result<Revision, Error> {
        let key = self.readable.clone();
        let request = wire::RangeRequest { key, count_only: true, ..wire::RangeRequest::default() };
        Ok(revision_of(self.get(request).await?.header.as_ref()))
    }

    /// What is told of a revision that etcd has not, or no longer: with the newest one.
    async fn with_newest(&self, error: Error) -> Error {
        match error {
            Error::Future { asked, .. } => match self.newest().await {
                Ok(newest) => Error::Future { asked, newest },
                Err(error) => error,
            },
            other => other,
        }
    }

    /// What each member says of itself, in the order of the addresses.
    pub async fn members(&self) -> Vec<MemberStatus> {
        let mut asked = tokio::task::JoinSet::new();
        for number in 0..self.members.all().len() {
            let members = self.members.clone();
            asked.spawn(async move {
                let member = &members.all()[number];
                let answer = member.unary(Asked::READ, wire::STATUS, wire::Nothing {});
                let answer = match tokio::time::timeout(members.patience(), answer).await {
                    Ok(answer) => answer.map(|answer| said(&answer)),
                    Err(_) => Err(Error::Unavailable("it does not answer".to_owned())),
                };
                (number, MemberStatus { address: member.name.clone(), answer })
            });
        }
        let mut all = asked.join_all().await;
        all.sort_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, status)| status).collect()
    }
}

fn said(answer: &wire::StatusResponse) -> MemberAnswer {
    let header = answer.header.clone().unwrap_or_default();
    MemberAnswer {
        id: header.member,
        leader: (answer.leader != 0).then_some(answer.leader),
        term: header.term,
        revision: revision_of(answer.header.as_ref()),
        octets: unsigned(answer.octets),
        version: answer.version.clone(),
    }
}

impl Store for Etcd {
    async fn range(&self, range: Range) -> Result<Found, Error> {
        let mut found: Option<Found> = None;
        let mut rest = range.clone();
        // Page by page, all of one revision: an answer is bounded whatever the range is.
        loop {
            let left = range.limit.map(|limit| {
                limit.saturating_sub(found.as_ref().map_or(0, |found| found.entries.len()))
            });
            rest.limit = Some(left.map_or(PAGE, |left| left.min(PAGE)));
            let answer = match self.get(self.under.get(&rest)).await {
                Ok(answer) => answer,
                Err(error) => return Err(self.with_newest(error).await),
            };
            let page = self.under.found(&answer, &rest);
            let all = match &mut found {
                Some(all) => {
                    all.entries.extend(page.entries);
                    all.more = page.more;
                    all
                }
                None => found.insert(page),
            };
            let done = range.limit.is_some_and(|limit| all.entries.len() >= limit);
            let Some(last) = all.entries.last().filter(|_| all.more && !done) else { break };
            rest.at = rest.at.or(Some(all.revision));
            rest.keys = range.keys.after(&last.key);
        }
        found.ok_or_else(|| Error::Unavailable("nothing was read".to_owned()))
    }

    async fn txn(&self, txn: Txn) -> Result<TxnAnswer, Error> {
        rules::check(&txn)?;
        let lease = txn.then.iter().chain(&txn.otherwise).find_map(|op| match op {
            crate::Op::Put { lease, .. } => *lease,
            _ => None,
        });
        let asked = Asked { lease, ..Asked::WRITE };
        let answer = self.ask(asked, wire::TXN, self.under.txn(&txn)).await?;
        self.under.answer(&answer, &txn)
    }

    async fn watch(&self, keys: Keys, from: Revision) -> Result<Watch, Error> {
        Ok(follow::follow(self.members.clone(), self.under.clone(), keys, from))
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error> {
        let ttl = signed(seconds(ttl)?.as_secs());
        // One that is granted and not told of ends by itself.
        let granted: wire::GrantResponse =
            self.ask(Asked::WRITE, wire::GRANT, wire::GrantRequest { ttl }).await?;
        let id = u64::try_from(granted.id);
        id.map(LeaseId).map_err(|_| Error::Damaged("etcd grants a lease below zero".to_owned()))
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, Error> {
        let asked = Asked { lease: Some(lease), ..Asked::READ };
        let id = signed(lease.0);
        let call = |member: Arc<Member>| async move { member.keep_alive(asked, id).await };
        let kept = self.members.ask(asked, call);
        match unsigned(kept.await?) {
            0 => Err(Error::NoLease(lease)),
            seconds => Ok(Duration::from_secs(seconds)),
        }
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        let asked = Asked { lease: Some(lease), ..Asked::WRITE };
        let request = wire::LeaseRequest { id: signed(lease.0) };
        let _: wire::Nothing = self.ask(asked, wire::REVOKE, request).await?;
        Ok(())
    }

    async fn compact(&self, at: Revision) -> Result<(), Error> {
        let asked = Asked { at: Some(at), ..Asked::READ };
        let request = wire::CompactRequest { revision: signed(at.0) };
        match self.ask::<_, wire::Nothing>(asked, wire::COMPACT, request).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.with_newest(error).await),
        }
    }

    async fn status(&self) -> Result<Status, Error> {
        let revision = self.newest().await?;
        let member: wire::StatusResponse =
            self.ask(Asked::READ, wire::STATUS, wire::Nothing {}).await?;
        Ok(Status {
            revision,
            compacted: None,
            octets: unsigned(member.octets),
            engine: format!("etcd {}", member.version),
        })
    }
}
