//! Processes that a fault strikes: those that this agent runs in some namespaces.
//!
//! What stands still is held by a guard, which has it go on when the agent dies. What is ended is kept from being started by whoever starts it, until a
//! moment of its own clock; where the agent dies, the next one starts it as all else.

use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use netwright_lab::faults::Strike;
use netwright_lab::strike::{Found, Stands, until};
use netwright_lab::tasks::State;

use super::Tools;
use super::own::space;
use crate::faults::Struck;
use crate::guard::{Guard, Still, Work};

/// How long processes may take to end, or to be started again.
const SETTLES: Duration = Duration::from_secs(2);
/// How often is looked whether they are.
const LOOK: Duration = Duration::from_millis(5);

/// What a fault did to processes.
#[derive(Debug, Default)]
pub(super) struct Processes {
    /// Which stand still, and who holds them.
    still: Option<(Guard, Still)>,
    /// The namespaces whose tasks are held.
    held: Vec<String>,
    /// How many were ended.
    ended: u64,
}

impl Processes {
    /// Strikes them for a lease, those that were begun since too; how many were struck.
    pub(super) fn strike(
        &mut self,
        id: &str,
        struck: &Struck,
        tools: &Tools,
        lease: Duration,
    ) -> Result<u64, String> {
        let mut places = Vec::new();
        for name in &struck.namespaces {
            let space = space(&tools.spaces, name)?;
            let found = rustix::fs::fstat(&space).map_err(|error| format!("{name}: {error}"))?;
            places.push(found.st_ino);
        }
        let meant = Still { places, mark: tools.mark.clone(), holds: struck.holds.clone() };
        match struck.how {
            Strike::Pause => self.pause(meant, tools, lease),
            Strike::Kill => Ok(self.end(id, &meant, struck, tools, lease)),
            Strike::Resume => Err("nothing is broken by what goes on".to_owned()),
        }
    }

    fn pause(&mut self, meant: Still, tools: &Tools, lease: Duration) -> Result<u64, String> {
        let guard = match self.still.take() {
            Some((guard, _)) => guard,
            None => Guard::begin(&tools.part, &tools.mark)?,
        };
        let (guard, own) = self.still.insert((guard, meant));
        let done = guard.order(lease, Work { still: Some(own.clone()), ..Work::default() });
        if done.is_err() {
            // What does not answer is not held on to.
            guard.kill();
            self.look()?;
        }
        let done = done?;
        if done.wrong > 0 {
            return Err(format!("{} processes do not stand still", done.wrong));
        }
        Ok(done.still)
    }

    fn end(
        &mut self,
        id: &str,
        meant: &Still,
        struck: &Struck,
        tools: &Tools,
        lease: Duration,
    ) -> u64 {
        // Looked for before they are held: who holds them ends them too.
        let found = meant.found();
        let ends = Instant::now() + lease;
        tools.tasks.hold(id, &struck.namespaces, struck.holds.as_deref(), ends);
        self.held.clone_from(&struck.namespaces);
        for own in &found {
            let _gone = own.strike(Strike::Kill);
        }
        let gone = until(&found, Stands::Gone, SETTLES);
        self.ended = self.ended.saturating_add(u64::try_from(gone).unwrap_or(u64::MAX));
        self.ended
    }

    /// Looks whether what is held is held still.
    pub(super) fn look(&mut self) -> Result<(), String> {
        let Some((_, still)) = self.still.take_if(|(guard, _)| !guard.lives()) else {
            return Ok(());
        };
        // Nobody else would have them go on.
        let left = go_on(&still);
        Err(format!("its guard has ended: the processes go on, but for {left}"))
    }

    /// Has everything go on, and looks whether it does.
    pub(super) fn let_go(&mut self, id: &str, tools: &Tools) -> Result<(), String> {
        if !self.held.is_empty() {
            tools.tasks.release(id);
            let begun = Instant::now();
            // Another fault may hold the same: then they are not waited for longer.
            while self.is_held(tools) && begun.elapsed() < SETTLES {
                pause(LOOK);
            }
            self.held.clear();
        }
        let Some((guard, still)) = self.still.take() else { return Ok(()) };
        // One that has ended took everything back, or could not any more.
        let left = guard.end().map_or_else(|_| go_on(&still), |done| done.wrong);
        if left == 0 { Ok(()) } else { Err(format!("{left} processes stand still")) }
    }

    fn is_held(&self, tools: &Tools) -> bool {
        let all = tools.tasks.all();
        all.iter().any(|row| row.state == State::Held && self.held.contains(&row.namespace))
    }
}

/// Has processes go on; how many do not.
fn go_on(still: &Still) -> u64 {
    let found = still.found();
    for own in &found {
        let _gone = own.strike(Strike::Resume);
    }
    let _run = until(&found, Stands::Runs, SETTLES);
    let left = found.iter().filter(|own: &&Found| own.stands() == Stands::Still).count();
    u64::try_from(left).unwrap_or(u64::MAX)
}
