//! Links that a guard has slow: packets that leave interfaces are turned aside to it, held, and given back.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use netwright_dataplane::kernel::{kept, script, within};
use netwright_lab::link::aside::{Aside, Leaving, clear, fill, rules};
use serde::{Deserialize, Serialize};

/// Links that are slow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slow {
    /// Where the agent keeps namespaces.
    pub(crate) folder: PathBuf,
    /// The fault.
    pub(crate) fault: String,
    /// Its table.
    pub(crate) table: String,
    /// The interfaces.
    pub(crate) leaving: Vec<Leaving>,
}

/// What is held.
#[derive(Debug)]
pub(super) struct Slowed {
    slow: Slow,
    spaces: BTreeMap<String, File>,
    aside: Aside,
}

/// Holds it for a lease; begins where it is not held yet.
pub(super) fn hold(held: &mut Option<Slowed>, slow: Slow, lease: Duration) -> Result<(), String> {
    if let Some(own) = held.take_if(|own| own.slow != slow || !own.aside.lives()) {
        own.end()?;
    }
    if let Some(own) = held {
        return own.each(|own, name| fill(&own.table, name, &own.leaving, lease));
    }
    let own = held.insert(Slowed::begin(slow)?);
    own.each(|own, name| {
        let rules = rules(&own.table, &own.fault, name, &own.leaving);
        let fill = fill(&own.table, name, &own.leaving, lease);
        format!("{}{rules}{fill}", clear(&own.table))
    })
}

impl Slowed {
    fn begin(slow: Slow) -> Result<Self, String> {
        let mut spaces = BTreeMap::new();
        let mut all = Vec::new();
        for leaving in &slow.leaving {
            let name = &leaving.namespace;
            let failed = |error: std::io::Error| format!("{name}: {error}");
            let space = kept(&slow.folder, name).map_err(failed)?;
            let space = space.ok_or_else(|| format!("{name} is not on this host yet"))?;
            all.push((space.try_clone().map_err(failed)?.into(), leaving.clone()));
            spaces.insert(name.clone(), space);
        }
        let aside = Aside::begin(&slow.fault, all)?;
        Ok(Self { slow, spaces, aside })
    }

    /// Gives `nft` commands in each namespace.
    fn each(&self, text: impl Fn(&Slow, &str) -> String) -> Result<(), String> {
        self.spaces.iter().try_for_each(|(name, space)| {
            let text = text(&self.slow, name);
            let done = within(space, || script(&text)).map_err(|error| error.to_string());
            done.and_then(|done| done).map_err(|why| format!("{name}: {why}"))
        })
    }

    /// Has packets leave as before, then those that are held.
    pub(super) fn end(self) -> Result<(), String> {
        let done = self.each(|own, _| clear(&own.table));
        self.aside.end();
        done
    }
}
