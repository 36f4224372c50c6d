//! A watch that goes on over lost connections, at another member where one is away.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::convert::{Under, revision, signed};
use super::failure::Asked;
use super::member::Member;
use super::members::Members;
use super::wire::{WatchCreate, WatchResponse};
use crate::error::Error;
use crate::model::{Event, Keys, Revision};
use crate::watch::{Batch, Watch};

/// How long a stream may be silent before it is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(5);

/// The longest wait before a new stream.
const LONGEST: Duration = Duration::from_secs(5);

struct Follower {
    members: Members,
    under: Under,
    keys: Keys,
    next: Revision,
    feed: mpsc::Sender<Result<Batch, Error>>,
    /// It was refused, and asked again with a new token.
    refused: bool,
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

pub(super) fn follow(members: Members, under: Under, keys: Keys, from: Revision) -> Watch {
    let (feed, watch) = Watch::fed();
    let next = from.max(Revision::EMPTY);
    let follower = Follower { members, under, keys, next, feed, refused: false };
    tokio::spawn(follower.run());
    watch
}

impl Follower {
    async fn run(mut self) {
        let jitter = RandomState::new();
        let mut wait = Duration::from_millis(50);
        for attempt in 0_u64.. {
            let members = self.members.clone();
            let (number, member) = members.choose();
            match self.stream(member).await {
                End::Unheard => return,
                End::Failed(error) => {
                    // Who does not listen need not be told.
                    let _unheard = self.feed.send(Err(error)).await;
                    return;
                }
                End::Lost(came) => {
                    members.leave(number);
                    let longer = if came { Duration::from_millis(50) } else { wait * 2 };
                    wait = longer.min(LONGEST);
                }
            }
            let part = u32::try_from(jitter.hash_one(attempt) % 1000).unwrap_or(0);
            tokio::select! {
                () = tokio::time::sleep(wait / 2 + wait * part / 2000) => {}
                () = self.feed.closed() => return,
            }
        }
    }

    async fn stream(&mut self, member: &Member) -> End {
        let (key, end) = self.under.range(&self.keys);
        let create = WatchCreate { key, end, from: signed(self.next.0) };
        let mut stream = match timeout(self.members.patience(), member.watch(create)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return self.ended(error, false, member).await,
            Err(_) => return End::Lost(false),
        };
        let (mut came, mut asked) = (false, false);
        loop {
            tokio::select! {
                message = timeout(SILENCE, stream.next()) => match message {
                    Ok(Ok(Some(message))) => {
                        asked = false;
                        if let Some(end) = self.take(&message, came, member).await {
                            return end;
                        }
                        came = true;
                    }
                    Ok(Ok(None)) => return End::Lost(came),
                    Ok(Err(status)) => {
                        return self.ended(Asked::READ.failed(&status), came, member).await;
                    }
                    Err(_) if asked || !stream.ask() => return End::Lost(came),
                    Err(_) => asked = true,
                },
                () = self.feed.closed() => return End::Unheard,
            }
        }
    }

    /// Takes an answer; how it ends where it is the last.
    async fn take(&mut self, message: &WatchResponse, came: bool, member: &Member) -> Option<End> {
        if message.compacted > 0 {
            return Some(End::Failed(Error::Compacted { at: revision(message.compacted) }));
        }
        if message.canceled {
            let why = &message.reason;
            let error = if why.contains("permission") || why.contains("auth") {
                Error::Denied(why.clone())
            } else {
                Error::Unavailable(why.clone())
            };
            return Some(self.ended(error, came, member).await);
        }
        let events: Vec<Event> =
            message.events.iter().filter_map(|event| self.under.event(event)).collect();
        let last = events.last()?.revision();
        self.refused = false;
        self.next = last.next();
        match self.feed.send(Ok(Batch { revision: last, events })).await {
            Ok(()) => None,
            Err(_) => Some(End::Unheard),
        }
    }

    /// An error as an end. etcd also says that something is not permitted to who has an old token: that is asked for anew, once.
    async fn ended(&mut self, error: Error, came: bool, member: &Member) -> End {
        let again = matches!(error, Error::Denied(_))
            && !self.refused
            && (member.forget_token().await || member.is_away().await);
        if again {
            self.refused = true;
            return End::Lost(came);
        }
        if error.may_pass() { End::Lost(came) } else { End::Failed(error) }
    }
}
