//! A fault on this host: what is done for it, and how it is taken back.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use netwright_control::faults::{Broken, Standing, Told};
use netwright_dataplane::kernel::{ask, kept, script, within};
use netwright_lab::faults::{Held, fill, listed};

use super::super::cut;
use super::Tools;
use super::names::Names;
use super::processes::Processes;
use super::slow::Links;
use crate::faults::{Orders, table};

/// A fault that was told.
pub(super) struct Own {
    pub(super) told: Told,
    orders: Orders,
    /// Namespaces that have its table.
    spaces: BTreeMap<String, File>,
    /// Processes that it struck.
    processes: Processes,
    /// Links that it has slow.
    links: Links,
    /// Name servers that it has do wrong.
    names: Names,
    /// When it is over.
    pub(super) ends: Instant,
    pub(super) broken: Broken,
}

impl Own {
    /// One that is not on yet.
    pub(super) fn of(told: Told, orders: Orders, broken: Broken) -> Self {
        let (spaces, ends) = (BTreeMap::new(), Instant::now());
        let (processes, links, names) = (Processes::default(), Links::default(), Names::default());
        Self { told, orders, spaces, processes, links, names, ends, broken }
    }

    pub(super) fn stands(&mut self, standing: Standing, why: Option<String>, clock: fn() -> u64) {
        if self.broken.standing != standing || self.broken.why != why {
            self.broken.at = clock();
        }
        self.broken.standing = standing;
        self.broken.why = why.map(|why| cut(&why));
    }

    /// Does all of it. Half of a fault is none that anybody asked for.
    pub(super) fn lay(&mut self, tools: &Tools, lease: Duration) {
        self.ends = Instant::now() + lease;
        let done = self.lay_rules(tools, lease);
        match done.and_then(|()| self.strike(tools, lease)) {
            Ok(()) => self.stands(Standing::On, None, tools.clock),
            Err(why) => {
                let left = self.clear(tools).err();
                self.stands(Standing::Refused, Some(left.unwrap_or(why)), tools.clock);
            }
        }
    }

    /// Lays the rules with what their maps hold, each namespace in one transaction where that is not large.
    fn lay_rules(&mut self, tools: &Tools, lease: Duration) -> Result<(), String> {
        let table = table(&self.told.id);
        for rules in &self.orders.rules {
            let name = &rules.namespace;
            let space = space(&tools.spaces, name)?;
            let maps = maps(&self.orders, name);
            let mut texts = fill(&table, &maps, lease);
            if let Some(first) = texts.first_mut() {
                *first = format!("{}{}{first}", clear(&table), rules.text);
            }
            let laid = commands(&space, &texts).map_err(|why| format!("{name}: {why}"));
            self.spaces.insert(name.clone(), space);
            laid?;
        }
        Ok(())
    }

    /// Has links slow and name servers do wrong, and strikes processes, those too that were begun since.
    fn strike(&mut self, tools: &Tools, lease: Duration) -> Result<(), String> {
        self.links.slow(&self.told.id, &self.orders.slow, tools, lease)?;
        self.names.mislead(&self.told.id, &self.orders.misled, tools, lease)?;
        let Some(struck) = &self.orders.processes else { return Ok(()) };
        let all = self.processes.strike(&self.told.id, struck, tools, lease)?;
        self.broken.struck = self.broken.struck.max(all);
        Ok(())
    }

    /// Has it last for another lease. What is not there any more, because the host was changed meanwhile, is laid again.
    pub(super) fn renew(&mut self, tools: &Tools, lease: Duration) {
        let table = table(&self.told.id);
        let (orders, spaces) = (&self.orders, &self.spaces);
        let all = orders.rules.iter().all(|rules| {
            let name = &rules.namespace;
            let texts = fill(&table, &maps(orders, name), lease);
            spaces.get(name).is_some_and(|space| commands(space, &texts).is_ok())
        });
        let all = all && self.broken.standing == Standing::On;
        if all && self.strike(tools, lease).is_ok() {
            self.ends = Instant::now() + lease;
        } else {
            self.lay(tools, lease);
        }
    }

    /// Reads what it met, and what the kernel holds of it.
    pub(super) fn read(&mut self, tools: &Tools) {
        let table = table(&self.told.id);
        let all = self.spaces.values().map(|space| met(space, "inet", &table));
        let Met { there, back, elements } = all.fold(self.links.read(), Met::and);
        let there = there + self.names.read();
        // Counters begin anew where rules are laid anew.
        self.broken.there = self.broken.there.max(there);
        self.broken.back = self.broken.back.max(back);
        self.broken.elements = elements;
        if let Err(why) = self.processes.look().and_then(|()| self.links.look()) {
            self.stands(Standing::Refused, Some(why), tools.clock);
        }
    }

    /// Takes it back, and reads back that nothing of it is left: where something is.
    pub(super) fn clear(&mut self, tools: &Tools) -> Result<(), String> {
        let table = table(&self.told.id);
        let mut left = self.processes.let_go(&self.told.id, tools).err();
        left = left.or(self.names.put_right(&self.told.id, tools).err());
        let slowed = self.links.let_go();
        for (name, space) in self.spaces.iter().chain(&slowed) {
            let done = commands(space, &[clear(&table)]);
            let there = within(space, || ask(&["list", "tables"]));
            let why = match there.map_err(|error| error.to_string()).and_then(|there| there) {
                Ok(there) if there.contains(&table) => Some("its table is there still".to_owned()),
                Ok(_) => None,
                Err(why) => Some(why),
            };
            if let Some(why) = why {
                let said = done.err().map_or_else(String::new, |said| format!(" ({said})"));
                left.get_or_insert(format!("{name}: {why}{said}"));
            }
        }
        self.spaces.clear();
        self.broken.elements = 0;
        left.map_or(Ok(()), Err)
    }
}

/// What rules met.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Met {
    there: u64,
    back: u64,
    elements: u64,
}

impl Met {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            there: self.there + other.there,
            back: self.back + other.back,
            elements: self.elements + other.elements,
        }
    }
}

/// What a table of a namespace met, and holds.
pub(super) fn met(space: &File, family: &str, table: &str) -> Met {
    let mut all = Met::default();
    let text = within(space, || ask(&["-j", "list", "table", family, table]));
    // What cannot be read has been taken away, with the whole namespace.
    let Ok(Ok(text)) = text else { return all };
    let found = listed(&text);
    for (name, count) in &found.counted {
        let way = if name.ends_with("_back") { &mut all.back } else { &mut all.there };
        *way += count;
    }
    all.elements = found.held.iter().map(|(_, held)| held).sum();
    all
}

/// A namespace that this host keeps.
pub(super) fn space(folder: &Path, name: &str) -> Result<File, String> {
    match kept(folder, name) {
        Ok(Some(space)) => Ok(space),
        Ok(None) => Err(format!("{name} is not on this host yet")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// Does commands in a namespace.
pub(super) fn commands(space: &File, texts: &[String]) -> Result<(), String> {
    let ran = within(space, || texts.iter().try_for_each(|text| script(text)));
    ran.map_err(|error| error.to_string()).and_then(|ran| ran)
}

pub(super) fn clear(table: &str) -> String {
    format!("add table inet {table}\ndelete table inet {table}\n")
}

/// What the maps of a namespace are to hold.
fn maps<'o>(orders: &'o Orders, namespace: &str) -> Vec<Held<'o>> {
    let own = orders.maps.iter().filter(|maps| maps.namespace == namespace);
    own.map(|maps| (maps.map.as_str(), maps.elements.as_slice())).collect()
}
