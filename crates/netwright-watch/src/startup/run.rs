//! A start on tokio: it waits, and tells what happens.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::machine::{Heal, Startup, Step, late};
use super::phase::Phase;
use super::report::{Alarm, Report};

/// How often what is wrong is said again.
const LOUD: Duration = Duration::from_secs(60);

/// After how long a bypass that nothing needs is stale.
const STALE: Duration = Duration::from_secs(10 * 60);

/// Goes through the phases of a start whose times count from `began`. `go` does a phase, `tell` hears of each step, `chance` gives numbers
/// between 0 and 1.
pub async fn run<Work>(
    startup: &mut Startup,
    began: Instant,
    mut chance: impl FnMut() -> f64,
    mut tell: impl FnMut(&Report),
    mut go: impl FnMut(&Phase) -> Work,
) where
    Work: Future<Output = Result<(), String>>,
{
    loop {
        tell(&startup.report(began.elapsed()));
        match startup.step(began.elapsed()) {
            Step::Decided => break,
            Step::Pause { until } => sleep_until(began + until).await,
            Step::Try { phase, until } => {
                let Some(phase) = startup.phase(phase) else { break };
                let result = within(began + until, go(phase)).await;
                if let Err(why) = &result {
                    tracing::warn!(phase = phase.name, why, "a phase of the start failed");
                }
                startup.ended(result, began.elapsed(), chance());
            }
        }
    }
    let report = startup.report(began.elapsed());
    say(&report);
    tell(&report);
}

/// Tries what did not work until nothing is missing and says loudly what is missing meanwhile, for ever: it ends where it is dropped.
pub async fn heal<Work>(
    mut startup: Startup,
    began: Instant,
    mut tell: impl FnMut(&Report),
    mut go: impl FnMut(&Phase) -> Work,
) where
    Work: Future<Output = Result<(), String>>,
{
    let mut loud = Instant::now() + LOUD;
    loop {
        let next = match startup.heal(began.elapsed()) {
            Heal::Whole => loud,
            Heal::Wait { until } => loud.min(began + until),
            Heal::Try { phase: at, until } => {
                let Some(phase) = startup.phase(at) else { return };
                let result = within(began + until, go(phase)).await;
                if result.is_ok() {
                    tracing::info!(phase = phase.name, "what the start went without is there now");
                }
                startup.healed(at, result, began.elapsed());
                Instant::now()
            }
        };
        tell(&startup.report(began.elapsed()));
        sleep_until(next).await;
        if Instant::now() >= loud {
            say(&startup.report(began.elapsed()));
            loud = Instant::now() + LOUD;
        }
    }
}

async fn within(
    until: Instant,
    work: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    let began = Instant::now();
    let late = |_| Err(late(until.duration_since(began)));
    timeout_at(until, work).await.unwrap_or_else(late)
}

fn say(report: &Report) {
    for alarm in report.alarms(STALE) {
        match alarm {
            Alarm::Active { .. } => tracing::error!("{alarm}"),
            Alarm::Stale { .. } | Alarm::Unparsed { .. } => tracing::warn!("{alarm}"),
        }
    }
}
