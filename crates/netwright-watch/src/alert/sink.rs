//! Where notifications go: a log, a webhook, an Alertmanager, people's mail.
//!
//! Each sink has a bounded queue and a task of its own. A delivery has a time-out and a bounded number of tries, with pauses that grow and that
//! chance shortens. So a sink that hangs delays nobody else; what it cannot take is counted and said, and nothing waits for it for ever.

mod alertmanager;
mod mail;
mod post;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

pub use alertmanager::document as alertmanager_document;
pub use mail::{Mail, message};
pub use post::{Authorities, Target, WrongTarget};
pub use text::{lines, one_line};

use super::desk::Notification;

/// Turns the moments of a notification into RFC 3339.
pub type Moments = Arc<dyn Fn(Duration) -> String + Send + Sync>;

/// Where notifications go.
#[derive(Debug, Clone)]
pub enum Kind {
    /// The log of the program.
    Log,
    /// Each notification as JSON by POST.
    Webhook(Target),
    /// Alertmanager's API, version 2.
    Alertmanager(Target),
    /// A message through a relay.
    Mail(Mail),
}

impl Kind {
    /// Believed by these authorities beside the machine's, where it is reached over TLS.
    #[must_use]
    pub fn with_authorities(self, authorities: &Authorities) -> Self {
        let more = Arc::clone(authorities);
        match self {
            Self::Log => Self::Log,
            Self::Webhook(target) => Self::Webhook(target.with_authorities(more)),
            Self::Alertmanager(target) => Self::Alertmanager(target.with_authorities(more)),
            Self::Mail(mail) => Self::Mail(mail.with_authorities(more)),
        }
    }

    /// Its name, for people.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Webhook(_) => "webhook",
            Self::Alertmanager(_) => "alertmanager",
            Self::Mail(_) => "mail",
        }
    }
}

/// How a sink is served.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// How long one try of a delivery may take.
    pub time_out: Duration,
    /// Notifications that wait at most; further ones are dropped and counted.
    pub waiting: usize,
    /// Tries of a delivery.
    pub tries: u32,
    /// The pause after the first try; it doubles, up to a minute.
    pub pause: Duration,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            time_out: Duration::from_secs(10),
            waiting: 256,
            tries: 5,
            pause: Duration::from_secs(1),
        }
    }
}

/// What became of notifications.
#[derive(Debug, Default)]
pub struct Delivered {
    /// They arrived.
    pub sent: AtomicU64,
    /// All tries failed.
    pub failed: AtomicU64,
    /// There was no room for them.
    pub dropped: AtomicU64,
}

/// A sink that is served.
#[derive(Debug)]
pub struct Sink {
    word: &'static str,
    queue: mpsc::Sender<Arc<Notification>>,
    delivered: Arc<Delivered>,
    task: JoinHandle<()>,
}

impl Sink {
    /// Serves a sink on the runtime of now. `chance` gives numbers between 0 and 1.
    #[must_use]
    pub fn serve(kind: Kind, service: Service, moments: Moments, chance: fn() -> f64) -> Self {
        let (queue, waiting) = mpsc::channel(service.waiting.max(1));
        let delivered = Arc::new(Delivered::default());
        let word = kind.word();
        let task =
            tokio::spawn(work(kind, service, moments, chance, waiting, Arc::clone(&delivered)));
        Self { word, queue, delivered, task }
    }

    /// Hands a notification over. It never waits: where there is no room, the notification is dropped, counted and said.
    pub fn send(&self, notification: &Arc<Notification>) {
        if self.queue.try_send(Arc::clone(notification)).is_err() {
            self.delivered.dropped.fetch_add(1, Ordering::Relaxed);
            tracing::error!(sink = self.word, "it takes nothing: a notification was dropped");
        }
    }

    /// What became of what was handed over.
    #[must_use]
    pub fn delivered(&self) -> &Delivered {
        &self.delivered
    }

    /// Takes nothing more, and ends when all that waits was tried, or when the time is over.
    pub async fn close(self, patience: Duration) {
        let Self { queue, mut task, .. } = self;
        drop(queue);
        if timeout(patience, &mut task).await.is_err() {
            task.abort();
        }
    }
}

async fn work(
    kind: Kind,
    service: Service,
    moments: Moments,
    chance: fn() -> f64,
    mut waiting: mpsc::Receiver<Arc<Notification>>,
    delivered: Arc<Delivered>,
) {
    while let Some(notification) = waiting.recv().await {
        let count = match tried(&kind, service, &moments, chance, &notification).await {
            Ok(()) => &delivered.sent,
            Err(why) => {
                tracing::error!(sink = kind.word(), why, "a notification could not be delivered");
                &delivered.failed
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn tried(
    kind: &Kind,
    service: Service,
    moments: &Moments,
    chance: fn() -> f64,
    notification: &Notification,
) -> Result<(), String> {
    let mut pause = service.pause;
    let mut why = String::new();
    for attempt in 0..service.tries.max(1) {
        if attempt > 0 {
            sleep(pause.mul_f64(1.0 - chance().clamp(0.0, 1.0) / 2.0)).await;
            pause = (pause * 2).min(Duration::from_secs(60));
        }
        match timeout(service.time_out, deliver(kind, moments, notification)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(Failure::Final(error))) => return Err(error),
            Ok(Err(Failure::Again(error))) => why = error,
            Err(_) => why = format!("no end in {:.1} s", service.time_out.as_secs_f64()),
        }
    }
    Err(why)
}

/// Why something was not delivered.
#[derive(Debug)]
enum Failure {
    /// Another try may work.
    Again(String),
    /// No other try will: the other end has understood it and does not want it.
    Final(String),
}

async fn deliver(
    kind: &Kind,
    moments: &Moments,
    notification: &Notification,
) -> Result<(), Failure> {
    match kind {
        Kind::Log => {
            for line in lines(notification) {
                match notification.level {
                    super::Level::Critical => tracing::error!("{line}"),
                    super::Level::Warning => tracing::warn!("{line}"),
                    super::Level::Info => tracing::info!("{line}"),
                }
            }
            Ok(())
        }
        Kind::Webhook(target) => {
            let body = text::document(notification, &**moments);
            post::post(target, &body.to_string()).await
        }
        Kind::Alertmanager(target) => {
            let body = alertmanager::document(notification, &**moments);
            post::post(&target.below("/api/v2/alerts"), &body.to_string()).await
        }
        Kind::Mail(mail) => mail::send(mail, &message(mail, notification, &**moments)).await,
    }
}

#[cfg(test)]
mod tests;
