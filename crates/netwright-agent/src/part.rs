//! A host's part of a network.
//!
//! A server works out the parts of all hosts together ([`Planner`]): an agent that asks it is given its own, so that what it does follows what
//! changes on its host. An agent that reads the store itself plans the whole network, and takes its part.

use std::collections::BTreeMap;
use std::sync::Arc;

use netwright_control::agents::Registration;
use netwright_control::compile::{Compiler, Part};
use netwright_control::faults::{NewFault, Worked};
use netwright_dataplane::plan::hosts::{Place, fleet};
use netwright_dataplane::plan::{Conditions, HostPlan, TUNNEL, What, plan};
use netwright_model::diagnostic::Diagnostic;
use netwright_model::network::Network;
use netwright_model::network::resolve::resolve;
use netwright_model::parse_description;
use netwright_model::source::Sources;

use crate::faults::worked;
use crate::source::Described;

/// What parts are written in: the plan of this version as JSON.
pub const FORMAT: &str = concat!("plan-", env!("CARGO_PKG_VERSION"));

/// The name of a host's own namespace in plans.
pub(crate) fn namespace(host: &str) -> String {
    format!("host/{host}")
}

/// Works out what each host is to have.
#[derive(Debug, Clone, Copy, Default)]
pub struct Planner;

impl Compiler for Planner {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn parts(
        &self,
        network: &Network,
        hosts: &[Registration],
    ) -> Result<BTreeMap<String, Part>, String> {
        let whole = spread(network, hosts);
        let mut parts = whole.parts();
        let written = hosts.iter().map(|one| {
            let own = namespace(&one.host);
            let part = parts.remove(&own).unwrap_or_else(|| whole.part(&own));
            let part = unemulated(part);
            let places = part.namespaces.iter().map(|one| one.name.clone());
            let places = places.filter(|name| *name != own).collect();
            let text = serde_json::to_string(&part).map_err(|error| error.to_string())?;
            Ok((one.host.clone(), Part { text, places }))
        });
        written.collect()
    }

    fn fault(
        &self,
        id: &str,
        network: &Network,
        hosts: &[Registration],
        fault: &NewFault,
    ) -> Result<Worked, Vec<String>> {
        worked((id, fault), network, &spread(network, hosts), hosts)
    }
}

fn spread(network: &Network, hosts: &[Registration]) -> HostPlan {
    let places: Vec<Place> = hosts
        .iter()
        .map(|one| Place { host: namespace(&one.host), address: one.underlay })
        .collect();
    fleet(plan(network), &places)
}

/// A part without what agents do not do.
fn unemulated(mut part: HostPlan) -> HostPlan {
    // The two ends of a tunnel have a secret in common, which nobody brings from one host to another.
    let before = part.tasks.len();
    part.tasks.retain(|task| !matches!(&task.what, What::Part { part, .. } if part == TUNNEL));
    let tunnels = before - part.tasks.len();
    if tunnels > 0 {
        let what = if tunnels == 1 { "an end of a tunnel is" } else { "ends of tunnels are" };
        part.left_out.push(format!("{what} not encrypted: agents run none"));
    }
    let emulated = part.links.iter_mut().filter(|link| !link.conditions.is_none());
    let mut count = 0;
    for link in emulated {
        link.conditions = Conditions::default();
        count += 1;
    }
    if count > 0 {
        let what = if count == 1 { "a link is".to_owned() } else { format!("{count} links are") };
        part.left_out.push(format!("{what} described as slow or lossy; agents emulate nothing"));
    }
    part
}

/// What one of some hosts has of a network.
pub(crate) fn part(
    network: &Described,
    hosts: &[Registration],
    host: &str,
) -> Result<HostPlan, String> {
    let wrong = |all: Vec<Diagnostic>| {
        let first = all.first().map_or_else(String::new, |one| one.message.clone());
        format!("the network cannot be read: {first}")
    };
    let network = match network {
        Described::Resolved(network) => Arc::clone(network),
        Described::Text(text) => {
            let description = parse_description("network", text, &mut Sources::default());
            Arc::new(resolve(description.map_err(wrong)?).map_err(wrong)?)
        }
    };
    Ok(unemulated(spread(&network, hosts).part(&namespace(host))))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use netwright_control::agents::Registration;
    use netwright_control::compile::Compiler;
    use netwright_dataplane::plan::HostPlan;
    use netwright_model::generate::{Plan, generate};
    use netwright_model::network::resolve::resolve;

    use super::{Planner, part};
    use crate::source::Described;

    #[test]
    fn what_a_server_gives_a_host_is_what_the_host_would_plan() {
        let plan = Plan { instances: 40, ..Plan::default() };
        let network = resolve(generate(&plan)).map(Arc::new);
        let Ok(network) = network else { panic!("no network") };
        let host = |number: u8| Registration {
            host: format!("h{number}"),
            underlay: Ipv4Addr::new(198, 18, 0, number),
            labels: std::collections::BTreeMap::new(),
        };
        let hosts: Vec<Registration> = (1..4).map(host).collect();
        let parts = Planner.parts(&network, &hosts).unwrap_or_default();
        assert_eq!(parts.len(), hosts.len());
        for one in &hosts {
            let given: Option<HostPlan> = serde_json::from_str(&parts[&one.host].text).ok();
            let own = part(&Described::Resolved(Arc::clone(&network)), &hosts, &one.host);
            assert_eq!(given, own.ok(), "{}", one.host);
        }
    }
}
