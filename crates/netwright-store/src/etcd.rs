//! A store in etcd, 3.4 and later: for several machines.

mod convert;
mod failure;
mod follow;

use std::fmt;
use std::time::Duration;

use etcd_client::{
    Certificate, Client, CompactionOptions, ConnectOptions, GetOptions, Identity, KvClient,
    TlsOptions,
};
use tokio::time::timeout;

use crate::error::Error;
use crate::leases::seconds;
use crate::model::{Found, Keys, LeaseId, Range, Revision, Status, Txn, TxnAnswer};
use crate::watch::Watch;
use crate::{Store, rules};
use convert::{Under, revision_of, signed};
use failure::Asked;

/// Octets of the largest answer that is read.
const LARGEST: usize = 256 << 20;

/// Entries that are asked for at a time.
const PAGE: usize = 5_000;

/// How often a connection that is quiet is looked after, and how long it may stay away.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

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

/// A store in etcd.
#[derive(Clone)]
pub struct Etcd {
    client: Client,
    under: Under,
    /// A key that may be read.
    readable: Vec<u8>,
    patience: Duration,
}

impl Etcd {
    /// Connects; where no member answers that is told when something is asked.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] where an address or a certificate cannot be used, [`Error::Denied`] where the user is refused.
    pub async fn connect(options: &Options) -> Result<Self, Error> {
        let mut connect = ConnectOptions::new()
            .with_connect_timeout(options.patience)
            .with_keep_alive(KEEP_ALIVE.0, KEEP_ALIVE.1)
            .with_keep_alive_while_idle(true)
            .with_require_leader(true)
            .with_auto_token_refresh(true);
        if let Some((name, password)) = &options.user {
            connect = connect.with_user(name, password);
        }
        if let Some(tls) = &options.tls {
            connect = connect.with_tls(tls_options(tls));
        }
        let connecting = Client::connect(&options.endpoints, Some(connect));
        let client = match timeout(options.patience, connecting).await {
            Ok(client) => client.map_err(|error| Asked::READ.failed(&error))?,
            Err(_) => return Err(Error::Unavailable("etcd does not answer".to_owned())),
        };
        let under = Under::new(&options.prefix);
        let readable =
            under.key(if options.own.is_empty() { b"\0" } else { options.own.as_bytes() });
        Ok(Self { client, under, readable, patience: options.patience })
    }

    fn kv(&self) -> KvClient {
        self.client.kv_client().max_decoding_message_size(LARGEST)
    }

    async fn get(&self, key: Vec<u8>, options: GetOptions, at: Option<Revision>) -> Got {
        let asked = Asked { at, ..Asked::READ };
        let mut kv = self.kv();
        self.within(asked, kv.get(key, Some(options))).await
    }

    /// Waits for an answer, but not for ever.
    async fn within<T>(
        &self,
        asked: Asked,
        answer: impl Future<Output = Result<T, etcd_client::Error>>,
    ) -> Result<T, Error> {
        match timeout(self.patience, answer).await {
            Ok(answer) => answer.map_err(|error| asked.failed(&error)),
            Err(_) => Err(asked.lost(format!("etcd does not answer for {:?}", self.patience))),
        }
    }

    /// The newest revision, as all members agree.
    async fn newest(&self) -> Result<Revision, Error> {
        let options = GetOptions::new().with_count_only();
        let answer = self.get(self.readable.clone(), options, None).await?;
        Ok(revision_of(answer.header()))
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
}

type Got = Result<etcd_client::GetResponse, Error>;

fn tls_options(tls: &Tls) -> TlsOptions {
    let mut options = TlsOptions::new().ca_certificate(Certificate::from_pem(&tls.authority));
    if let Some((certificate, key)) = &tls.identity {
        options = options.identity(Identity::from_pem(certificate, key));
    }
    if let Some(name) = &tls.name {
        options = options.domain_name(name);
    }
    options
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
            let (key, options) = self.under.get(&rest);
            let answer = match self.get(key, options, rest.at).await {
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
        let mut kv = self.kv();
        let answer = self.within(asked, kv.txn(self.under.txn(&txn))).await?;
        self.under.answer(&answer, &txn)
    }

    async fn watch(&self, keys: Keys, from: Revision) -> Result<Watch, Error> {
        Ok(follow::follow(self.client.watch_client(), self.under.clone(), keys, from))
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, Error> {
        let ttl = seconds(ttl)?;
        let mut leases = self.client.lease_client();
        let granted = self.within(Asked::WRITE, leases.grant(signed(ttl.as_secs()), None)).await?;
        let id = u64::try_from(granted.id());
        id.map(LeaseId).map_err(|_| Error::Damaged("etcd grants a lease below zero".to_owned()))
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, Error> {
        let asked = Asked { lease: Some(lease), ..Asked::READ };
        let mut leases = self.client.lease_client();
        let (mut keeper, mut stream) =
            self.within(asked, leases.keep_alive(signed(lease.0))).await?;
        // What opens the stream keeps alive once; how long is said to what asks again.
        self.within(asked, keeper.keep_alive()).await?;
        match self.within(asked, stream.message()).await? {
            Some(kept) if kept.ttl() > 0 => {
                Ok(Duration::from_secs(u64::try_from(kept.ttl()).unwrap_or(0)))
            }
            _ => Err(Error::NoLease(lease)),
        }
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        let asked = Asked { lease: Some(lease), ..Asked::WRITE };
        let mut leases = self.client.lease_client();
        self.within(asked, leases.revoke(signed(lease.0))).await?;
        Ok(())
    }

    async fn compact(&self, at: Revision) -> Result<(), Error> {
        let asked = Asked { at: Some(at), ..Asked::READ };
        let mut kv = self.kv();
        let done = self.within(asked, kv.compact(signed(at.0), None::<CompactionOptions>)).await;
        match done {
            Ok(_) => Ok(()),
            Err(error) => Err(self.with_newest(error).await),
        }
    }

    async fn status(&self) -> Result<Status, Error> {
        let revision = self.newest().await?;
        let mut members = self.client.maintenance_client();
        let member = self.within(Asked::READ, members.status()).await?;
        Ok(Status {
            revision,
            compacted: None,
            octets: u64::try_from(member.db_size()).unwrap_or(0),
            engine: format!("etcd {}", member.version()),
        })
    }
}
