//! What links of a running lab are to do: what the description says, and what was said since.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::{Kernel, Sent, ability, pause, within};
use netwright_dataplane::plan::emulation::{Ability, Mechanism, RELAY, RELAY_PORT, emulated};
use netwright_dataplane::plan::hosts::spread;
use netwright_dataplane::plan::{Conditions, HostPlan, Link};
use netwright_dns::settings::Trouble;

use super::relay::Report;
use super::{Change, Counted, LinkRow, Way, check};
use crate::failure::Failure;
use crate::tasks::trouble;

/// How long a relay may take to answer, and to do what it is told.
const PATIENCE: Duration = Duration::from_secs(2);
const FOLLOWS: Duration = Duration::from_secs(5);
/// How often is looked whether it does.
const LOOK: Duration = Duration::from_millis(5);
/// Longest answer of a relay.
const ANSWER: u64 = 64 * 1024 * 1024;

/// What links are to do.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// The plan, as the description has it.
    described: HostPlan,
    /// What was said since, by the links' names.
    said: BTreeMap<String, Conditions>,
    /// What name servers are to do wrong, by the namespaces that they are in.
    troubles: BTreeMap<String, Vec<Trouble>>,
    /// Which queues the kernel has, where that was tried.
    can: Option<Ability>,
}

impl Links {
    pub(crate) fn of(described: HostPlan) -> Self {
        Self { described, ..Self::default() }
    }

    /// Takes another description; what was said of links that are still there stays. What was there before.
    pub(crate) fn describe(
        &mut self,
        described: HostPlan,
    ) -> (HostPlan, BTreeMap<String, Conditions>) {
        // It stays on as many hosts as it was built on.
        let hosts = self.described.hosts;
        let described =
            if hosts > 1 && described.hosts == 0 { spread(described, hosts) } else { described };
        let before = (std::mem::replace(&mut self.described, described), self.said.clone());
        let links = &self.described.links;
        self.said.retain(|name, _| links.iter().any(|link| link.name == *name));
        before
    }

    /// The plan, as the description has it.
    pub(crate) fn described(&self) -> &HostPlan {
        &self.described
    }

    /// Takes back what was described and said.
    pub(crate) fn restore(&mut self, (described, said): (HostPlan, BTreeMap<String, Conditions>)) {
        (self.described, self.said) = (described, said);
    }

    /// What the links were said to do since.
    pub(crate) fn before(&self) -> (HostPlan, BTreeMap<String, Conditions>) {
        (self.described.clone(), self.said.clone())
    }

    /// The plan that the kernel is to be brought to.
    pub(crate) fn plan(&mut self) -> HostPlan {
        let mut plan = self.described.clone();
        for link in &mut plan.links {
            if let Some(said) = self.said.get(&link.name) {
                link.conditions = *said;
            }
        }
        for task in &mut plan.tasks {
            if let Some(troubles) = self.troubles.get(&task.namespace) {
                trouble(&mut task.what, troubles);
            }
        }
        if plan.links.iter().all(|link| link.conditions.is_none()) {
            return plan;
        }
        emulated(&plan, *self.can.get_or_insert_with(ability))
    }

    /// Has name servers do wrong from now on, by the namespaces that they are in; others do right.
    pub(crate) fn misname(&mut self, troubles: BTreeMap<String, Vec<Trouble>>) {
        self.troubles = troubles;
    }

    /// What was said of a link since, by its full name.
    pub(crate) fn said_of(&self, name: &str) -> Option<Conditions> {
        self.said.get(name).copied()
    }

    /// Has links do again what was said of them before.
    pub(crate) fn say_again(&mut self, before: &BTreeMap<String, Option<Conditions>>) {
        for (name, said) in before {
            match said {
                Some(said) => drop(self.said.insert(name.clone(), *said)),
                None => drop(self.said.remove(name)),
            }
        }
    }

    /// A link by its name, or by what follows its kind.
    fn find(&self, wanted: &str) -> Result<&Link, Failure> {
        let links = &self.described.links;
        if let Some(link) = links.iter().find(|link| link.name == wanted) {
            return Ok(link);
        }
        let short =
            |link: &&Link| link.name.split_once('/').is_some_and(|(_, short)| short == wanted);
        let matching: Vec<&Link> = links.iter().filter(short).collect();
        match matching.as_slice() {
            [one] => Ok(one),
            [] => {
                let names = links.iter().map(|link| link.name.as_str());
                let near = netwright_model::suggest::nearest(wanted, names);
                Err(Failure::new(format!("the lab has no link {wanted}")).help(match near {
                    Some(near) => format!("did you mean {near}? `netwright lab link` lists them"),
                    None => "`netwright lab link` lists them".to_owned(),
                }))
            }
            several => {
                let names: Vec<&str> = several.iter().map(|link| link.name.as_str()).collect();
                Err(Failure::new(format!("{wanted} is several links"))
                    .help(format!("one of: {}", names.join(", "))))
            }
        }
    }

    /// Takes note of a change of a link; its full name.
    pub(crate) fn change(&mut self, wanted: &str, change: &Change) -> Result<String, Failure> {
        let link = self.find(wanted)?;
        let (name, described) = (link.name.clone(), link.conditions);
        let now = self.said.get(&name).copied().unwrap_or(described);
        let changed = change.of(described, now);
        for way in [&changed.there, &changed.back] {
            check(way)?;
        }
        if changed == described {
            self.said.remove(&name);
        } else {
            self.said.insert(name.clone(), changed);
        }
        Ok(name)
    }

    /// All links in the order of their names, or one, with what was counted.
    pub(crate) fn rows(
        &self,
        kernel: &Kernel,
        only: Option<&str>,
    ) -> Result<Vec<LinkRow>, Failure> {
        let sent = kernel.sent().map_err(|failure| Failure::new(failure.to_string()))?;
        let relayed = relayed(kernel);
        let mut rows: Vec<LinkRow> = self
            .described
            .links
            .iter()
            .filter(|link| only.is_none_or(|only| only == link.name))
            .map(|link| self.row(link, &sent, &relayed))
            .collect();
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(rows)
    }

    fn row(
        &self,
        link: &Link,
        sent: &BTreeMap<(String, String), Sent>,
        relayed: &Result<Vec<Report>, String>,
    ) -> LinkRow {
        let said = self.said.get(&link.name);
        let conditions = said.copied().unwrap_or(link.conditions);
        let mechanism = Mechanism::of(&conditions, self.can.unwrap_or_default());
        let mut ends = [&link.a, &link.b];
        if link.reversed {
            ends.reverse();
        }
        let of_kernel = ends.map(|end| {
            let key = (end.namespace.clone(), end.name.clone());
            let Sent { packets, dropped } = sent.get(&key).copied().unwrap_or_default();
            Counted { passed: packets, overflowed: dropped, ..Counted::default() }
        });
        let mut trouble = None;
        let counted = match (mechanism, relayed) {
            (Mechanism::Relay, Ok(reports)) => {
                match reports.iter().find(|report| report.link.name == link.name) {
                    Some(report) => {
                        trouble.clone_from(&report.trouble);
                        [0, 1].map(|way: usize| counted(report, way))
                    }
                    None => {
                        trouble = Some("the relay does not know it yet".to_owned());
                        [Counted::default(); 2]
                    }
                }
            }
            (Mechanism::Relay, Err(why)) => {
                trouble = Some(why.clone());
                [Counted::default(); 2]
            }
            (Mechanism::Netem, _) => {
                // It counts what it loses and what overflows together.
                of_kernel.map(|own| Counted { lost: own.overflowed, overflowed: None, ..own })
            }
            _ => of_kernel,
        };
        LinkRow {
            name: link.name.clone(),
            ends: ends.map(|end| end.namespace.clone()),
            mechanism,
            changed: said.is_some(),
            seed: conditions.seed_of(&link.name),
            there: Way { condition: conditions.there, counted: counted[0] },
            back: Way { condition: conditions.back, counted: counted[1] },
            trouble,
        }
    }

    /// Waits until the relay does what it was told.
    pub(crate) fn settle(&self, kernel: &Kernel, name: &str) -> Result<Vec<LinkRow>, Failure> {
        let begun = Instant::now();
        loop {
            let rows = self.rows(kernel, Some(name))?;
            let follows = rows.iter().all(|row| {
                row.trouble.is_none()
                    && (row.mechanism != Mechanism::Relay || self.told(kernel, row))
            });
            if follows || begun.elapsed() > FOLLOWS {
                return Ok(rows);
            }
            pause(LOOK);
        }
    }

    /// Whether the relay was told what a link is to do.
    fn told(&self, kernel: &Kernel, row: &LinkRow) -> bool {
        relayed(kernel).is_ok_and(|reports| {
            reports.iter().any(|report| {
                report.link.name == row.name
                    && report.link.ways == [row.there.condition, row.back.condition]
                    && report.link.seed == row.seed
            })
        })
    }
}

/// What a relay counted of one way.
fn counted(report: &Report, way: usize) -> Counted {
    let tally = report.tallies[way];
    Counted {
        passed: tally.passed,
        lost: Some(tally.lost),
        duplicated: Some(tally.duplicated),
        reordered: Some(tally.reordered),
        corrupted: Some(tally.corrupted),
        overflowed: Some(tally.overflowed + report.overrun[way]),
    }
}

/// What the relay tells; nothing where there is none.
fn relayed(kernel: &Kernel) -> Result<Vec<Report>, String> {
    let Some(space) = kernel.namespace(RELAY) else { return Ok(Vec::new()) };
    let ask = || {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, RELAY_PORT))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut text = Vec::new();
        stream.take(ANSWER).read_to_end(&mut text)?;
        Ok::<_, std::io::Error>(serde_json::from_slice(&text)?)
    };
    within(space.as_fd(), ask)
        .and_then(|told| told)
        .map_err(|error| format!("the relay does not answer: {error}"))
}
