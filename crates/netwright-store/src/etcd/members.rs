//! The members of an etcd. One is asked as long as it answers; where it fails, the next.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::failure::Asked;
use super::member::Member;
use super::{Options, Tls, User};
use crate::error::Error;

/// How often a connection that is quiet is looked after (etcd ends those that ask more often than each 5 s), and how long it may stay away.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// The longest time that a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(2);

/// Octets that may be on their way: of one answer, and of all.
const WINDOW: (u32, u32) = (4 << 20, 16 << 20);

#[derive(Clone)]
pub(super) struct Members {
    all: Arc<[Arc<Member>]>,
    now: Arc<AtomicUsize>,
    patience: Duration,
}

impl Members {
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        if options.endpoints.is_empty() {
            return Err(Error::Address("no member of etcd is named".to_owned()));
        }
        let count = u32::try_from(options.endpoints.len()).unwrap_or(u32::MAX);
        // There is time for each in turn.
        let connect = (options.patience / count.saturating_add(1)).min(CONNECT);
        let user = options
            .user
            .as_ref()
            .map(|(name, password)| User { name: name.clone(), password: password.clone() });
        let member = |url: &String| {
            let endpoint = endpoint(url, options, connect)?;
            Ok(Arc::new(Member::new(url, endpoint, user.clone(), connect)))
        };
        let all: Arc<[Arc<Member>]> =
            options.endpoints.iter().map(member).collect::<Result<Vec<_>, Error>>()?.into();
        // Many who have the same list do not all begin with its first.
        let dice = usize::try_from(RandomState::new().hash_one(0) % u64::from(count)).unwrap_or(0);
        Ok(Self { all, now: Arc::new(AtomicUsize::new(dice)), patience: options.patience })
    }

    pub(super) fn all(&self) -> &[Arc<Member>] {
        &self.all
    }

    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    /// The member to be asked, and its number.
    pub(super) fn choose(&self) -> (usize, &Arc<Member>) {
        let (count, now) = (self.all.len(), Instant::now());
        let first = self.now.load(Ordering::Relaxed) % count;
        let numbers = (0..count).map(|step| (first + step) % count);
        let number = numbers.clone().find(|number| !self.all[*number].is_left(now));
        let number = number.unwrap_or(first);
        (number, &self.all[number])
    }

    /// A member failed: the next is asked from now on.
    pub(super) fn leave(&self, number: usize) {
        self.all[number].leave();
        let next = (number + 1) % self.all.len();
        let first = self.now.load(Ordering::Relaxed);
        if first == number {
            // Who was quicker has moved on too.
            let _moved =
                self.now.compare_exchange(first, next, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Asks, and asks the next where it is known that nothing was done. It ends in time.
    pub(super) async fn ask<T, F>(
        &self,
        asked: Asked,
        call: impl Fn(Arc<Member>) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let deadline = Instant::now() + self.patience;
        let mut rest = self.all.len();
        loop {
            let (number, member) = self.choose();
            rest -= 1;
            let left = deadline.saturating_duration_since(Instant::now());
            // What changes something is not sent twice, so that it has all the time.
            let others = u32::try_from(rest).unwrap_or(u32::MAX);
            let share = if asked.writes { left } else { left / others.saturating_add(1) };
            let error = match timeout(share, call(Arc::clone(member))).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => {
                    let why = format!("{} does not answer within {share:.1?}", member.name);
                    asked.lost(why)
                }
            };
            let of_connection = matches!(error, Error::Denied(_)) && member.is_away().await;
            if !error.may_pass() && !of_connection {
                return Err(error);
            }
            self.leave(number);
            if rest == 0 || !error.was_not_done() || Instant::now() >= deadline {
                return Err(error);
            }
        }
    }
}

fn endpoint(url: &str, options: &Options, connect: Duration) -> Result<Endpoint, Error> {
    let wrong = |what: &str, error: &dyn std::fmt::Display| {
        Error::Address(format!("{url}: {what} cannot be used: {error}"))
    };
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|error| wrong("the address", &error))?
        .connect_timeout(connect)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW.0)
        .initial_connection_window_size(WINDOW.1);
    match &options.tls {
        Some(tls) => {
            let reason = |error: tonic::transport::Error| {
                let told = std::error::Error::source(&error).map(ToString::to_string);
                wrong("a certificate or key", &told.unwrap_or_else(|| error.to_string()))
            };
            endpoint.tls_config(tls_config(tls)).map_err(reason)
        }
        None => Ok(endpoint),
    }
}

fn tls_config(tls: &Tls) -> ClientTlsConfig {
    let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.authority));
    if let Some((certificate, key)) = &tls.identity {
        config = config.identity(Identity::from_pem(certificate, key));
    }
    if let Some(name) = &tls.name {
        config = config.domain_name(name);
    }
    config
}
