//! A watch that goes on over lost connections. The client's own ends with its stream.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use etcd_client::{WatchClient, WatchOptions, WatchResponse, WatchStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::LARGEST;
use super::convert::{Under, revision, signed};
use super::failure::Asked;
use crate::error::Error;
use crate::model::{Event, Keys, Revision};
use crate::watch::{Batch, Watch};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a stream may be silent before it is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(5);

/// The longest wait before a new stream.
const LONGEST: Duration = Duration::from_secs(5);

struct Follower {
    client: WatchClient,
    under: Under,
    keys: Keys,
    next: Revision,
    feed: mpsc::Sender<Result<Batch, Error>>,
}

/// How a stream ended.
enum End {
    /// Nobody listens.
    Unheard,
    /// It can be begun anew; whether something came over it.
    Lost(bool),
    /// It cannot.
    Failed(Error),
}

pub(super) fn follow(client: WatchClient, under: Under, keys: Keys, from: Revision) -> Watch {
    let (feed, watch) = Watch::fed();
    let client = client.max_decoding_message_size(LARGEST);
    let next = from.max(Revision::EMPTY);
    let follower = Follower { client, under, keys, next, feed };
    tokio::spawn(follower.run());
    watch
}

impl Follower {
    async fn run(mut self) {
        let jitter = RandomState::new();
        let mut wait = Duration::from_millis(50);
        for attempt in 0_u64.. {
            match self.stream().await {
                End::Unheard => return,
                End::Failed(error) => {
                    // Who does not listen need not be told.
                    let _unheard = self.feed.send(Err(error)).await;
                    return;
                }
                End::Lost(came) if came => wait = Duration::from_millis(50),
                End::Lost(_) => wait = (wait * 2).min(LONGEST),
            }
            let part = u32::try_from(jitter.hash_one(attempt) % 1000).unwrap_or(0);
            tokio::select! {
                () = tokio::time::sleep(wait / 2 + wait * part / 2000) => {}
                () = self.feed.closed() => return,
            }
        }
    }

    async fn stream(&mut self) -> End {
        let (from, end) = self.under.range(&self.keys);
        let mut options = WatchOptions::new().with_start_revision(signed(self.next.0));
        if let Some(end) = end {
            options = options.with_range(end);
        }
        let mut stream = match timeout(PATIENCE, self.client.watch(from, Some(options))).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return ended(Asked::READ.failed(&error), false),
            Err(_) => return End::Lost(false),
        };
        let (mut came, mut asked) = (false, false);
        loop {
            tokio::select! {
                message = timeout(SILENCE, stream.message()) => match message {
                    Ok(Ok(Some(message))) => {
                        asked = false;
                        if let Some(end) = self.take(&message, came).await {
                            return end;
                        }
                        came = true;
                    }
                    Ok(Ok(None)) => return End::Lost(came),
                    Ok(Err(error)) => return ended(Asked::READ.failed(&error), came),
                    Err(_) if asked => return End::Lost(came),
                    Err(_) => {
                        asked = true;
                        if !still_there(&mut stream).await {
                            return End::Lost(came);
                        }
                    }
                },
                () = self.feed.closed() => return End::Unheard,
            }
        }
    }

    /// Takes an answer; how it ends where it is the last.
    async fn take(&mut self, message: &WatchResponse, came: bool) -> Option<End> {
        if message.compact_revision() > 0 {
            let at = revision(message.compact_revision());
            return Some(End::Failed(Error::Compacted { at }));
        }
        if message.canceled() {
            let why = message.cancel_reason();
            let denied = why.contains("permission") || why.contains("auth");
            return Some(match denied {
                true => End::Failed(Error::Denied(why.to_owned())),
                false => End::Lost(came),
            });
        }
        let events: Vec<Event> =
            message.events().iter().filter_map(|event| self.under.event(event)).collect();
        let last = events.last()?.revision();
        self.next = last.next();
        match self.feed.send(Ok(Batch { revision: last, events })).await {
            Ok(()) => None,
            Err(_) => Some(End::Unheard),
        }
    }
}

fn ended(error: Error, came: bool) -> End {
    if error.may_pass() { End::Lost(came) } else { End::Failed(error) }
}

async fn still_there(stream: &mut WatchStream) -> bool {
    matches!(timeout(PATIENCE, stream.request_progress()).await, Ok(Ok(())))
}
