//! Name servers that do wrong about what some endpoints ask them: those that answer these at all.

use std::collections::{BTreeMap, BTreeSet};

use netwright_control::faults::{NewFault, Said};
use netwright_dataplane::plan::{HostPlan, What};
use netwright_dns::settings::{Range, Settings, Trouble, Wrong};
use netwright_gameday::parties::Parties;

use super::{Homes, Misled, Orders};

/// How much later an answer comes unless that is said, in milliseconds.
const DELAY: u64 = 5_000;

/// What each host has its name servers do.
pub(super) fn orders<'h>(
    asked: &NewFault,
    (parties, concerned): (&Parties, &BTreeSet<usize>),
    whole: &HostPlan,
    homes: &Homes<'h>,
) -> Result<BTreeMap<&'h str, Orders>, Vec<String>> {
    let names = asked.names.clone().unwrap_or_default();
    let what = match names.answer {
        Said::NoAnswer => Wrong::Silent,
        Said::Error => Wrong::Failure,
        Said::NoName => Wrong::NoName,
        Said::Wrong => Wrong::Addresses(names.addresses),
        Said::Slow => Wrong::Late(names.delay_ms.unwrap_or(DELAY)),
    };
    let own = concerned.iter().filter_map(|place| parties.0.get(*place));
    let clients: Vec<Range> = own
        .flat_map(|party| &party.addresses)
        .map(|address| Range {
            address: *address,
            length: if address.is_ipv4() { 32 } else { 128 },
        })
        .collect();
    let names = names.names.iter().map(|name| name.trim_end_matches('.').to_owned()).collect();
    let trouble = Trouble { names, clients, what, lasts: None };
    let mut orders: BTreeMap<&str, Orders> = BTreeMap::new();
    for task in &whole.tasks {
        let What::Part { part, settings, follows: true } = &task.what else { continue };
        if part != "dns" {
            continue;
        }
        let Ok(settings) = serde_json::from_str::<Settings>(settings) else { continue };
        let answers = |client: &Range| {
            let all = &settings.clients;
            all.is_empty() || all.iter().any(|own| own.contains(client.address))
        };
        let Some(host) = homes.get(task.namespace.as_str()) else { continue };
        let (Some(metrics), true) = (settings.metrics, trouble.clients.iter().any(answers)) else {
            continue;
        };
        let (namespace, trouble) = (task.namespace.clone(), trouble.clone());
        orders.entry(*host).or_default().misled.push(Misled { namespace, metrics, trouble });
    }
    if orders.is_empty() {
        return Err(vec!["no name server of the network answers these endpoints".to_owned()]);
    }
    Ok(orders)
}
