//! Who is told of alerts beside the terminal: webhooks, Alertmanagers, people by mail.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use netwright_watch::alert::Notification;
use netwright_watch::alert::sink::{Authorities, Kind, Mail, Moments, Service, Sink, Target};
use tokio::runtime::Runtime;

use crate::commands::probe::authorities;
use crate::commands::serve::runtime;
use crate::failure::Failure;

/// How long what waits may still take when the command ends.
const LAST: Duration = Duration::from_secs(2);

/// Who is told. Each is served by a task of its own.
pub(super) struct Sinks {
    /// The moment that times count from.
    began: Instant,
    sinks: Vec<Sink>,
    runtime: Option<Runtime>,
}

impl Sinks {
    /// Those that are written as `webhook=http://…`, `alertmanager=http://…` or `mail=smtp://relay,from@a,to@b,…`.
    pub(super) fn of(written: &[String]) -> Result<Self, Failure> {
        let (began, now) = (Instant::now(), Timestamp::now());
        let kinds = kinds(written, None)?;
        if kinds.is_empty() {
            return Ok(Self { began, sinks: Vec::new(), runtime: None });
        }
        let runtime = runtime()?;
        let moments: Moments = Arc::new(move |at: Duration| {
            let moment = now.checked_add(at).unwrap_or(now);
            format!("{moment:.3}")
        });
        let entered = runtime.enter();
        let sinks = served(kinds, &moments);
        drop(entered);
        Ok(Self { began, sinks, runtime: Some(runtime) })
    }

    pub(super) const fn began(&self) -> Instant {
        self.began
    }

    /// Hands a notification to all of them, and waits for none.
    pub(super) fn send(&self, notification: &Notification) {
        let notification = Arc::new(notification.clone());
        for sink in &self.sinks {
            sink.send(&notification);
        }
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        let Some(runtime) = &self.runtime else { return };
        let sinks = std::mem::take(&mut self.sinks);
        runtime.block_on(async {
            let until = tokio::time::Instant::now() + LAST;
            for sink in sinks {
                sink.close(until.saturating_duration_since(tokio::time::Instant::now())).await;
            }
        });
    }
}

/// Whether all of them can be told: a mistake is told before anything is built.
pub(super) fn check(written: &[String]) -> Result<(), Failure> {
    kinds(written, None).map(drop)
}

/// Receivers as they are written, believed by these authorities beside the machine's.
pub(super) fn kinds(written: &[String], ca: Option<&Path>) -> Result<Vec<Kind>, Failure> {
    let authorities: Authorities = match ca {
        Some(file) => authorities(file)?.into(),
        None => Authorities::default(),
    };
    let believed = |text: &String| Ok(kind(text)?.with_authorities(&authorities));
    written.iter().map(believed).collect()
}

/// Serves receivers on the runtime of now.
pub(super) fn served(kinds: Vec<Kind>, moments: &Moments) -> Vec<Sink> {
    let serve = |kind| Sink::serve(kind, Service::default(), Arc::clone(moments), chance);
    kinds.into_iter().map(serve).collect()
}

fn kind(written: &str) -> Result<Kind, Failure> {
    let wrong = |why: String| {
        let help = "webhook=URL, alertmanager=URL, or mail=smtp://relay,from@a,to@b";
        Failure::usage(format!("--notify {written}: {why}"), Some(help.to_owned()))
    };
    let Some((word, rest)) = written.split_once('=') else {
        return Err(wrong("it says of no kind of receiver what follows".to_owned()));
    };
    let target = || Target::parse(rest).map_err(|error| wrong(error.to_string()));
    match word {
        "webhook" => Ok(Kind::Webhook(target()?)),
        "alertmanager" => Ok(Kind::Alertmanager(target()?)),
        "mail" => {
            let parts: Vec<String> = rest.split(',').map(str::to_owned).collect();
            let [relay, from, to @ ..] = &parts[..] else {
                return Err(wrong("it names no sender".to_owned()));
            };
            let mail = Mail::new(relay, from, to);
            Ok(Kind::Mail(mail.map_err(|error| wrong(error.to_string()))?))
        }
        _ => Err(wrong(format!("there is no receiver `{word}`"))),
    }
}

/// A number between 0 and 1: each new state of the standard library's hash begins with other random keys.
fn chance() -> f64 {
    let drawn = RandomState::new().build_hasher().finish() >> 32;
    u32::try_from(drawn).map_or(0.0, |drawn| f64::from(drawn) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::{chance, kind};

    #[test]
    fn receivers_are_read_strictly() {
        for fine in [
            "webhook=http://127.0.0.1:1/a",
            "alertmanager=https://am.example",
            "mail=smtp://relay,a@b,c@d,e@f",
        ] {
            assert!(kind(fine).is_ok(), "{fine}");
        }
        for wrong in [
            "",
            "webhook",
            "webhook=",
            "pager=http://a",
            "mail=smtp://relay",
            "mail=smtp://relay,a@b",
            "mail=smtp://r,a,b@c",
        ] {
            assert!(kind(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn chance_lies_between_0_and_1_and_is_not_always_the_same() {
        let drawn: Vec<f64> = (0..100).map(|_| chance()).collect();
        assert!(drawn.iter().all(|drawn| (0.0..=1.0).contains(drawn)));
        assert!(drawn.iter().any(|other| (other - drawn[0]).abs() > 0.01));
    }
}
