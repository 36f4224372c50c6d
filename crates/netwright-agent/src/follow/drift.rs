//! What is not as it was left: looked for from time to time, and repaired.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::{Duration, Instant};

use netwright_control::agents::{NAMED, Processes, Trouble};
use netwright_lab::tasks::State;

use super::words::{cut, trouble};
use super::{Agent, FIRST_TRY};

impl Agent {
    /// After how long everything is read back for the first time: hosts that begin together, as after a loss of power, do not all read at the same time.
    pub(super) fn first_check(&self) -> Duration {
        let name =
            BuildHasherDefault::<DefaultHasher>::default().hash_one(&self.settings.host.host);
        let thousandths = u32::try_from(name % 1000).unwrap_or_default();
        self.settings.check / 2 + self.settings.check / 2 * thousandths / 1000
    }

    /// Looks whether the kernel still holds what was applied, and repairs it where it does not.
    pub(super) fn check(&mut self, say: &mut dyn FnMut(&str)) {
        let processes = self.processes();
        if self.report.processes.as_ref() != Some(&processes) {
            self.report.processes = Some(processes);
            self.publish();
        }
        if self.again.is_some() {
            return;
        }
        let (found, failures) = self.host.repair();
        if found.is_empty() && failures.is_empty() {
            return;
        }
        self.drifted(&found, say);
        for failure in &failures {
            say(&format!("not repaired: {failure}"));
        }
        self.troubles(failures.iter().map(trouble).collect());
        if !failures.is_empty() {
            self.again = Some(Instant::now() + FIRST_TRY);
        }
        self.publish();
    }

    /// How the processes of this host are.
    pub(super) fn processes(&self) -> Processes {
        let mut all = Processes::default();
        for row in self.tasks.all() {
            match row.state {
                State::Starting | State::Ready => all.run += 1,
                State::Ended | State::Stopping => {}
                State::Waiting | State::Failed | State::Held => {
                    let object = format!("{} {}", row.namespace, row.name);
                    let said = row.last.unwrap_or_else(|| row.state.word().to_owned());
                    all.fail.push(Trouble { object, said: cut(&said) });
                }
            }
        }
        all.more = all.fail.len().saturating_sub(NAMED);
        all.fail.truncate(NAMED);
        all
    }

    pub(super) fn drifted(&mut self, found: &[String], say: &mut dyn FnMut(&str)) {
        if found.is_empty() {
            return;
        }
        for what in found.iter().take(NAMED) {
            say(&format!("found otherwise than it was left: {what}"));
        }
        let drift = &mut self.report.drift;
        drift.found += found.len() as u64;
        drift.at = Some((self.settings.clock)());
        drift.last = found.iter().take(NAMED).map(|what| cut(what)).collect();
    }
}
