//! Links of machines on this host that a fault has slow.
//!
//! A guard holds the packets that leave them ([`crate::guard`]). Where the guard is killed, the rules that turn packets aside are taken away as soon as that is
//! seen; where the agent is too, they turn aside no more when their elements' time is over, in the kernel.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Duration;

use netwright_lab::link::aside::{Leaving, clear};

use super::Tools;
use super::own::{Met, commands, met, space};
use crate::faults::table;
use crate::guard::{Guard, Slow, Work};

/// What a fault did to links.
#[derive(Debug, Default)]
pub(super) struct Links {
    guard: Option<Guard>,
    spaces: BTreeMap<String, File>,
    table: String,
}

impl Links {
    /// Has them slow for a lease.
    pub(super) fn slow(
        &mut self,
        id: &str,
        leaving: &[Leaving],
        tools: &Tools,
        lease: Duration,
    ) -> Result<(), String> {
        if leaving.is_empty() {
            return Ok(());
        }
        self.table = table(id);
        for own in leaving {
            let space = space(&tools.spaces, &own.namespace)?;
            self.spaces.insert(own.namespace.clone(), space);
        }
        let guard = match self.guard.take() {
            Some(guard) => guard,
            None => Guard::begin(&tools.part, &tools.mark)?,
        };
        let (folder, fault) = (tools.spaces.clone(), id.to_owned());
        let slow = Slow { folder, fault, table: self.table.clone(), leaving: leaving.to_vec() };
        let work = Work { slow: Some(slow), ..Work::default() };
        self.guard.insert(guard).order(lease, work).map(drop)
    }

    /// Looks whether somebody holds the packets.
    pub(super) fn look(&mut self) -> Result<(), String> {
        if self.guard.take_if(|guard| !guard.lives()).is_none() {
            return Ok(());
        }
        self.clear();
        Err("its guard has ended: packets pass as before".to_owned())
    }

    /// What the rules met.
    pub(super) fn read(&self) -> Met {
        let all = self.spaces.values().map(|space| met(space, "netdev", &self.table));
        all.fold(Met::default(), Met::and)
    }

    fn clear(&self) {
        for space in self.spaces.values() {
            // What is left is read back by whoever takes the fault back.
            let _left = commands(space, &[clear(&self.table)]);
        }
    }

    /// Has packets leave as before; the namespaces in which that has to be read back.
    pub(super) fn let_go(&mut self) -> BTreeMap<String, File> {
        if let Some(guard) = self.guard.take() {
            // What it could not do is done here.
            let _done = guard.end();
        }
        self.clear();
        std::mem::take(&mut self.spaces)
    }
}
