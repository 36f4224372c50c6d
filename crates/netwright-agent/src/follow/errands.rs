//! What goes on beside an agent's work: it is heard what is wanted, and told that the host lives and what it did.

use std::io;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use netwright_control::agents::{Registration, Report, SIGN};
use netwright_dataplane::kernel::pause;

use super::Heard;
use crate::source::{Away, Source};

/// How long is waited for news at a time: a way that is cut is noticed soon after.
pub const NEWS: Duration = Duration::from_secs(5);
/// The first wait before a source is asked again that did not answer; it doubles.
const FIRST: Duration = Duration::from_millis(200);
/// The longest.
const LAST: Duration = Duration::from_secs(2);

/// The report to be told, and whether it was.
#[derive(Debug, Default)]
struct Tray {
    report: Report,
    untold: bool,
}

type Shared = Arc<(Mutex<Tray>, Condvar)>;

/// Where reports go and news come.
pub(super) struct Desk {
    source: Arc<dyn Source>,
    host: Registration,
    send: Sender<Heard>,
    tray: Shared,
}

impl Desk {
    pub(super) fn new(source: Arc<dyn Source>, host: Registration, send: Sender<Heard>) -> Self {
        Self { source, host, send, tray: Shared::default() }
    }

    /// Has a report told; one that was not told yet is told no more.
    pub(super) fn publish(&self, report: &Report) {
        let (tray, news) = &*self.tray;
        let mut tray = tray.lock().unwrap_or_else(PoisonError::into_inner);
        tray.report.clone_from(report);
        tray.untold = true;
        news.notify_all();
    }

    /// Begins with both errands; they end with the process.
    pub(super) fn begin(&self) -> io::Result<()> {
        let (source, host, send) = (Arc::clone(&self.source), self.host.clone(), self.send.clone());
        let tray = Arc::clone(&self.tray);
        Builder::new()
            .name("signs".to_owned())
            .spawn(move || tell(&*source, &host, &tray, &send))?;
        let (source, send) = (Arc::clone(&self.source), self.send.clone());
        Builder::new().name("news".to_owned()).spawn(move || hear(&*source, &send))?;
        Ok(())
    }
}

/// Tells that the host is there, that it lives, and what it did.
fn tell(source: &dyn Source, host: &Registration, shared: &Shared, send: &Sender<Heard>) {
    let (tray, news) = &**shared;
    let (mut joined, mut wait) = (false, FIRST);
    loop {
        let report = {
            let tray = tray.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = |tray: &mut Tray| !tray.untold && joined;
            let waited = news.wait_timeout_while(tray, SIGN, idle);
            let (mut tray, _) = waited.unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut tray.untold).then(|| tray.report.clone())
        };
        let told = if joined { Ok(()) } else { source.register(host) };
        match told.and_then(|()| source.sign(&host.host, report.as_ref())) {
            Ok(()) => (joined, wait) = (true, FIRST),
            Err(away) => {
                if matches!(away, Away::Unknown(_)) {
                    joined = false;
                }
                if let Away::Refused(why) = &away
                    && !joined
                    && send.send(Heard::Refused(why.clone())).is_err()
                {
                    return;
                }
                if report.is_some() {
                    tray.lock().unwrap_or_else(PoisonError::into_inner).untold = true;
                }
                pause(wait);
                wait = (wait * 2).min(LAST);
            }
        }
    }
}

/// Hears what is wanted.
fn hear(source: &dyn Source, send: &Sender<Heard>) {
    let (mut known, mut lost, mut wait) = (None, false, FIRST);
    loop {
        let heard = match source.wanted(known.as_ref(), NEWS) {
            Ok(wanted) => {
                if std::mem::take(&mut lost) && send.send(Heard::Back).is_err() {
                    return;
                }
                wait = FIRST;
                let Some(wanted) = wanted else { continue };
                known = Some(wanted.mark());
                Heard::Wanted(Box::new(wanted))
            }
            Err(away) => {
                let first = !std::mem::replace(&mut lost, true);
                if first && send.send(Heard::Lost(away.to_string())).is_err() {
                    return;
                }
                pause(wait);
                wait = (wait * 2).min(LAST);
                continue;
            }
        };
        if send.send(heard).is_err() {
            return;
        }
    }
}
