//! Who asks when: threads, each with its share of the connections, and the times of an open loop that all of them share.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::report::{Report, exact};
use super::{CONNECTIONS, Plan, http};
use crate::probe::prober::Prober;

/// When requests are due. All askers take from it.
#[derive(Debug)]
pub(super) struct Times {
    begun: Instant,
    end: Instant,
    rate: Option<f64>,
    most: u64,
    next: AtomicU64,
}

impl Times {
    fn of(plan: &Plan) -> Self {
        let begun = Instant::now();
        Self {
            begun,
            end: begun + plan.duration,
            rate: plan.rate,
            most: plan.requests.unwrap_or(u64::MAX),
            next: AtomicU64::new(0),
        }
    }

    /// When the next request is due; nothing where there is none any more. Of a closed loop that is now.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        if now >= self.end {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.most {
            return None;
        }
        let Some(rate) = self.rate else { return Some(now) };
        let due = self.due(number, rate);
        // What is not due before time is up is not taken by anybody.
        (due < self.end).then_some(due)
    }

    fn due(&self, number: u64, rate: f64) -> Instant {
        self.begun + Duration::try_from_secs_f64(exact(number) / rate).unwrap_or(Duration::MAX / 4)
    }

    /// Requests of an open loop that were due and that nobody took.
    fn left(&self) -> u64 {
        let Some(rate) = self.rate else { return 0 };
        let taken = self.next.load(Ordering::Relaxed).min(self.most);
        let seconds = self.end.duration_since(self.begun).as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of requests"
        )]
        let all = ((seconds * rate).ceil() as u64).min(self.most);
        all.saturating_sub(taken)
    }
}

/// What one thread's askers share.
pub(super) type Shared = Rc<RefCell<Report>>;

pub(super) fn run(prober: &Prober, plan: &Plan) -> Result<Report, String> {
    let connections = plan.connections.clamp(1, CONNECTIONS);
    let threads = plan.threads.clamp(1, connections);
    let over = if plan.shares() { Some(Arc::new(http::Over::of(prober, plan)?)) } else { None };
    let times = Arc::new(Times::of(plan));
    let begun = Instant::now();
    let parts = std::thread::scope(|scope| {
        let start = |index: usize| {
            let own = connections / threads + usize::from(index < connections % threads);
            let (times, over) = (times.clone(), over.clone());
            scope.spawn(move || thread(prober, plan, own, &times, over.as_ref()))
        };
        let started: Vec<_> = (0..threads).map(start).collect();
        let ended = started.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended
            .map(|part| part.unwrap_or_else(|_| Err("a thread of the load failed".to_owned())))
            .collect::<Vec<_>>()
    });
    let mut report = Report::default();
    for part in parts {
        report.add(part?);
    }
    report.took = begun.elapsed();
    report.not_sent = times.left();
    Ok(report)
}

/// One thread with its askers.
fn thread(
    prober: &Prober,
    plan: &Plan,
    connections: usize,
    times: &Arc<Times>,
    over: Option<&Arc<http::Over>>,
) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| format!("this machine cannot wait for connections: {error}"))?;
    let shared: Shared = Rc::default();
    let local = tokio::task::LocalSet::new();
    for _ in 0..connections {
        let (times, shared) = (times.clone(), shared.clone());
        match over {
            Some(over) => {
                let over = over.clone();
                local.spawn_local(async move { http::asker(&over, &times, &shared).await });
            }
            None => {
                let (prober, spec) = (prober.clone(), plan.spec.clone());
                local.spawn_local(async move {
                    while let Some(due) = times.next(Instant::now()) {
                        wait(due).await;
                        let outcome = prober.ask(&spec, 1).await;
                        shared.borrow_mut().outcome(&outcome, due.elapsed());
                    }
                });
            }
        }
    }
    runtime.block_on(local);
    Ok(std::mem::take(&mut *shared.borrow_mut()))
}

/// Waits until a request is due.
pub(super) async fn wait(due: Instant) {
    if due > Instant::now() {
        tokio::time::sleep_until(due.into()).await;
    }
}
