//! Links of endpoints that are slow: packets that leave their two ends, each on the host of its end.

use std::collections::{BTreeMap, BTreeSet};

use netwright_control::faults::{NewFault, Way};
use netwright_dataplane::plan::emulation::seed_of_way;
use netwright_dataplane::plan::{Condition, Conditions, HostPlan};
use netwright_gameday::parties::Parties;
use netwright_lab::link::aside::Leaving;
use netwright_lab::link::check;

use super::{Homes, Orders};

fn condition(asked: &NewFault) -> Condition {
    let slow = asked.slow.unwrap_or_default();
    Condition {
        latency: slow.latency_us,
        jitter: slow.jitter_us,
        loss: asked.share.unwrap_or_default(),
        duplicate: slow.duplicate,
        reorder: slow.reorder,
        corrupt: slow.corrupt,
        rate: asked.rate.unwrap_or_default().saturating_mul(8),
        limit: 0,
    }
}

/// What each host does to the links of some endpoints.
pub(super) fn orders<'h>(
    asked: &NewFault,
    (parties, concerned): (&Parties, &BTreeSet<usize>),
    whole: &HostPlan,
    homes: &Homes<'h>,
) -> Result<BTreeMap<&'h str, Orders>, Vec<String>> {
    let condition = condition(asked);
    check(&condition).map_err(|failure| vec![failure.to_string()])?;
    let mut orders: BTreeMap<&str, Orders> = BTreeMap::new();
    for party in concerned.iter().filter_map(|place| parties.0.get(*place)) {
        for link in whole.links.iter().filter(|link| party.links.contains(&link.name)) {
            let inside = |namespace: &String| party.namespaces.contains(namespace);
            let ends =
                if inside(&link.a.namespace) { [&link.a, &link.b] } else { [&link.b, &link.a] };
            let seed = Conditions { seed: asked.seed, ..Conditions::default() }.seed_of(&link.name);
            for (end, back) in ends.into_iter().zip([false, true]) {
                let spared = if back { Way::There } else { Way::Back };
                let Some(host) = homes.get(end.namespace.as_str()) else { continue };
                if asked.direction == spared {
                    continue;
                }
                orders.entry(*host).or_default().slow.push(Leaving {
                    namespace: end.namespace.clone(),
                    interface: end.name.clone(),
                    mtu: link.mtu,
                    back,
                    condition,
                    seed: seed_of_way(seed, back),
                });
            }
        }
    }
    Ok(orders)
}
