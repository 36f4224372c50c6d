//! Processes that stand still or are ended: those that agents run for some endpoints.

use std::collections::{BTreeMap, BTreeSet};

use netwright_control::faults::{Effect, NewFault};
use netwright_dataplane::plan::HostPlan;
use netwright_gameday::parties::Parties;
use netwright_lab::faults::Strike;

use super::{Homes, Orders, Struck};

/// What each host does to the processes of some endpoints.
pub(super) fn orders<'h>(
    asked: &NewFault,
    (parties, concerned): (&Parties, &BTreeSet<usize>),
    whole: &HostPlan,
    homes: &Homes<'h>,
) -> Result<BTreeMap<&'h str, Orders>, Vec<String>> {
    let how = if asked.effect == Effect::Stop { Strike::Kill } else { Strike::Pause };
    let run: BTreeSet<&str> = whole.tasks.iter().map(|task| task.namespace.as_str()).collect();
    let mut wrong = Vec::new();
    let mut orders: BTreeMap<&str, Orders> = BTreeMap::new();
    for party in concerned.iter().filter_map(|place| parties.0.get(*place)) {
        let own: Vec<&String> =
            party.namespaces.iter().filter(|space| run.contains(space.as_str())).collect();
        if own.is_empty() {
            wrong.push(format!("agents run nothing on {}", party.name));
        }
        for space in own {
            let Some(host) = homes.get(space.as_str()) else { continue };
            let none = || Struck { namespaces: Vec::new(), how, holds: asked.process.clone() };
            let orders = orders.entry(*host).or_default();
            orders.processes.get_or_insert_with(none).namespaces.push(space.clone());
        }
    }
    if wrong.is_empty() { Ok(orders) } else { Err(wrong) }
}
