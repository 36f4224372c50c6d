//! Name servers that are to do wrong for a while: what their settings are meanwhile.

use std::collections::BTreeMap;
use std::time::Instant;

use netwright_dataplane::plan::What;
use netwright_dns::settings::{Settings, Trouble};

/// The word by which the program knows a name server.
pub(crate) const DNS: &str = "dns";

/// What name servers do wrong, by what it is called.
#[derive(Debug, Clone, Default)]
pub(super) struct Misled {
    all: BTreeMap<String, (BTreeMap<String, Trouble>, Instant)>,
    /// Counts what was said.
    pub(super) number: u64,
}

impl Misled {
    /// Has the name servers of namespaces do wrong until a moment, each its own.
    pub(super) fn put(&mut self, name: &str, troubles: BTreeMap<String, Trouble>, until: Instant) {
        self.all.insert(name.to_owned(), (troubles, until));
        self.number += 1;
    }

    /// Ends it.
    pub(super) fn remove(&mut self, name: &str) {
        if self.all.remove(name).is_some() {
            self.number += 1;
        }
    }

    /// Forgets what is over.
    pub(super) fn tick(&mut self, now: Instant) {
        let before = self.all.len();
        self.all.retain(|_, (_, until)| *until > now);
        self.number += u64::from(self.all.len() < before);
    }

    /// When the next is over.
    pub(super) fn due(&self) -> Option<Instant> {
        self.all.values().map(|(_, until)| *until).min()
    }

    /// What the name server of a namespace does wrong, each for as long as is left.
    fn of(&self, namespace: &str, now: Instant) -> Vec<Trouble> {
        let own = self.all.values().filter_map(|(all, until)| Some((all.get(namespace)?, until)));
        own.map(|(trouble, until)| {
            let left = until.saturating_duration_since(now).as_millis();
            Trouble { lasts: u64::try_from(left).ok(), ..trouble.clone() }
        })
        .collect()
    }

    /// What a task runs while it does wrong; as it is where it is no name server, or does right.
    pub(super) fn what(&self, namespace: &str, what: &What, now: Instant) -> What {
        let troubles = self.of(namespace, now);
        let mut what = what.clone();
        if !troubles.is_empty() {
            trouble(&mut what, &troubles);
        }
        what
    }
}

/// Gives a name server its troubles. What is none, or cannot be read, stays.
pub(crate) fn trouble(what: &mut What, troubles: &[Trouble]) {
    let What::Part { part, settings, .. } = what else { return };
    if part != DNS {
        return;
    }
    if let Ok(mut own) = serde_json::from_str::<Settings>(settings) {
        own.troubles = troubles.to_vec();
        *settings = serde_json::to_string(&own).unwrap_or_else(|_| settings.clone());
    }
}
