//! Redis: wake-ups for workers, and answers that are kept for a while. Nothing is only here.
//!
//! Wake-ups are a stream that a group of workers reads. Each command has a time-out; a connection that failed is made anew for the next one,
//! not more often than a breaker allows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use netwright_watch::startup::{Ask, Breaker};
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamRangeReply, StreamReadReply};
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, cmd};
use serde_json::Value;

use crate::clock::{Hlc, Stamp};
use crate::merge::{Job, Stage};
use crate::trouble::{Trouble, chain};

/// The stream of wake-ups.
const STREAM: &str = "visapi:jobs";

/// The group of those who read it.
const GROUP: &str = "workers";

/// Answers that are kept.
const CACHE: &str = "visapi:cache";

/// The most wake-ups: PostgreSQL has the jobs.
const MOST: usize = 100_000;

/// How long an answer is kept, in seconds.
const KEPT: u64 = 3600;

/// A wake-up of the stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WakeUp {
    /// Its place in the stream.
    pub(crate) entry: String,
    /// The job.
    pub(crate) job: Job,
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Broker {
    client: Client,
    limit: Duration,
    connection: Mutex<Option<MultiplexedConnection>>,
    breaker: Mutex<Breaker>,
    began: Instant,
    /// Commands that failed since the start.
    pub(crate) errors: AtomicU64,
}

impl Broker {
    /// A broker; nothing is connected yet.
    pub(crate) fn new(url: &str, limit: Duration) -> Result<Self, String> {
        let client =
            Client::open(url).map_err(|error| format!("Redis' address cannot be read: {error}"))?;
        let waits = (Duration::from_millis(300), Duration::from_secs(2));
        Ok(Self {
            client,
            limit,
            connection: Mutex::default(),
            breaker: Mutex::new(Breaker::new(2, waits, limit * 2)),
            began: Instant::now(),
            errors: AtomicU64::new(0),
        })
    }

    /// Whether it answered when it was asked last.
    pub(crate) fn is_there(&self) -> bool {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).is_closed()
    }

    /// Forgets its connection: the next command makes another one.
    pub(crate) fn reset(&self) {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn connect(&self, response: Duration) -> Result<MultiplexedConnection, Trouble> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.limit))
            .set_response_timeout(Some(response));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        // Name look-ups and what a server says first are within the limit too.
        match tokio::time::timeout(self.limit, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(away(chain(&error))),
            Err(_) => Err(Trouble::late("queue", self.limit)),
        }
    }

    /// A command, asked at once or refused while Redis is known to be away.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Trouble> {
        let asked =
            self.breaker.lock().unwrap_or_else(PoisonError::into_inner).ask(self.began.elapsed());
        if let Ask::Wait(retry) = asked {
            let why = "it did not answer before, and is asked again later".to_owned();
            return Err(Trouble::Away { what: "queue", why, retry });
        }
        let result = self.send(command).await;
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Err(trouble) if trouble.is_away() => {
                self.errors.fetch_add(1, Ordering::Relaxed);
                breaker.failed(self.began.elapsed());
            }
            _ => breaker.worked(),
        }
        result
    }

    async fn send<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Trouble> {
        let held = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut connection = match held {
            Some(connection) => connection,
            None => {
                let new = self.connect(self.limit).await?;
                *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(new.clone());
                new
            }
        };
        let asked =
            tokio::time::timeout(self.limit, command.query_async::<T>(&mut connection)).await;
        let error = match asked {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error))
                if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() =>
            {
                away(chain(&error))
            }
            Ok(Err(error)) => return Err(Trouble::Fault { why: chain(&error) }),
            Err(_) => Trouble::late("queue", self.limit),
        };
        self.reset();
        Err(error)
    }

    /// Whether it answers now, whatever the breaker says; the breaker hears of it.
    pub(crate) async fn probe(&self) -> Result<(), Trouble> {
        let result = self.send::<String>(&cmd("PING")).await.map(|_| ());
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        if result.is_ok() {
            breaker.worked();
        } else {
            breaker.failed(self.began.elapsed());
        }
        result
    }

    /// Tells workers of a job.
    pub(crate) async fn announce(&self, job: &Job) -> Result<(), Trouble> {
        let mut add = cmd("XADD");
        add.arg(STREAM).arg("MAXLEN").arg("~").arg(MOST).arg("*");
        add.arg("id").arg(&job.id).arg("queue").arg(&job.queue).arg("state").arg(job.state.word());
        add.arg("payload").arg(job.payload.to_string());
        add.arg("hlc").arg(job.stamp.hlc.0).arg("node").arg(&job.stamp.node);
        self.ask::<String>(&add).await.map(|_| ())
    }

    /// All wake-ups that are there.
    pub(crate) async fn wake_ups(&self) -> Result<Vec<WakeUp>, Trouble> {
        let mut range = cmd("XRANGE");
        range.arg(STREAM).arg("-").arg("+").arg("COUNT").arg(MOST);
        let reply: StreamRangeReply = self.ask(&range).await?;
        Ok(reply
            .ids
            .iter()
            .filter_map(|entry| wake_up(&entry.id, |field| entry.get(field)))
            .collect())
    }

    /// How many wake-ups are there.
    pub(crate) async fn depth(&self) -> Result<u64, Trouble> {
        self.ask(cmd("XLEN").arg(STREAM)).await
    }

    /// Takes wake-ups out.
    pub(crate) async fn retire(&self, entries: &[String]) -> Result<(), Trouble> {
        for some in entries.chunks(1000) {
            self.ask::<u64>(cmd("XDEL").arg(STREAM).arg(some)).await?;
        }
        Ok(())
    }

    /// Takes all wake-ups out; says how many there were.
    pub(crate) async fn clear(&self) -> Result<u64, Trouble> {
        let there = self.depth().await?;
        // The stream stays, with its group.
        self.ask::<u64>(cmd("XTRIM").arg(STREAM).arg("MAXLEN").arg(0)).await?;
        Ok(there)
    }

    /// Waits for wake-ups on a connection of its own, for so long at most; takes those that it tells out of the stream.
    pub(crate) async fn wait(&self, worker: &str, for_at_most: Duration) -> Result<usize, Trouble> {
        let mut own = self.connect(for_at_most + self.limit).await?;
        let sent = |error: redis::RedisError| away(chain(&error));
        let group: Result<String, _> = cmd("XGROUP")
            .arg("CREATE")
            .arg(STREAM)
            .arg(GROUP)
            .arg("0")
            .arg("MKSTREAM")
            .query_async(&mut own)
            .await;
        if let Err(error) = group
            && error.code() != Some("BUSYGROUP")
        {
            return Err(sent(error));
        }
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(worker).arg("COUNT").arg(64);
        read.arg("BLOCK").arg(u64::try_from(for_at_most.as_millis()).unwrap_or(1000));
        read.arg("STREAMS").arg(STREAM).arg(">");
        let reply: Option<StreamReadReply> = read.query_async(&mut own).await.map_err(sent)?;
        let entries: Vec<String> = reply
            .unwrap_or_default()
            .keys
            .into_iter()
            .flat_map(|key| key.ids)
            .map(|entry| entry.id)
            .collect();
        if !entries.is_empty() {
            cmd("XACK")
                .arg(STREAM)
                .arg(GROUP)
                .arg(&entries)
                .query_async::<u64>(&mut own)
                .await
                .map_err(sent)?;
            cmd("XDEL")
                .arg(STREAM)
                .arg(&entries)
                .query_async::<u64>(&mut own)
                .await
                .map_err(sent)?;
        }
        Ok(entries.len())
    }

    /// Keeps an answer.
    pub(crate) async fn keep(&self, path: &str, body: &str) -> Result<(), Trouble> {
        let place = format!("{CACHE}:{}:{path}", self.generation().await?);
        self.ask::<String>(cmd("SET").arg(place).arg(body).arg("EX").arg(KEPT)).await.map(|_| ())
    }

    /// An answer that was kept.
    pub(crate) async fn kept(&self, path: &str) -> Result<Option<String>, Trouble> {
        let place = format!("{CACHE}:{}:{path}", self.generation().await?);
        self.ask(cmd("GET").arg(place)).await
    }

    /// All answers that were kept are of an earlier generation from now on; says which is the new one.
    pub(crate) async fn invalidate(&self) -> Result<u64, Trouble> {
        self.ask(cmd("INCR").arg(format!("{CACHE}:generation"))).await
    }

    async fn generation(&self) -> Result<u64, Trouble> {
        let held: Option<u64> = self.ask(cmd("GET").arg(format!("{CACHE}:generation"))).await?;
        Ok(held.unwrap_or(0))
    }
}

fn away(why: String) -> Trouble {
    Trouble::Away { what: "queue", why, retry: Duration::from_secs(1) }
}

/// A wake-up from the fields of its entry; none where somebody else wrote it.
fn wake_up(entry: &str, field: impl Fn(&str) -> Option<String>) -> Option<WakeUp> {
    let payload: Value = serde_json::from_str(&field("payload")?).ok()?;
    let stamp = Stamp { hlc: Hlc(field("hlc")?.parse().ok()?), node: field("node")? };
    let state = Stage::parse(&field("state")?);
    let job = Job { id: field("id")?, queue: field("queue")?, state, payload, stamp };
    Some(WakeUp { entry: entry.to_owned(), job })
}
