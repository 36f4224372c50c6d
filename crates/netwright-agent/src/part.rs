//! A host's part of a network.

use std::sync::Arc;

use netwright_control::agents::Registration;
use netwright_dataplane::plan::hosts::{Place, fleet};
use netwright_dataplane::plan::{Conditions, HostPlan, plan};
use netwright_model::diagnostic::Diagnostic;
use netwright_model::network::resolve::resolve;
use netwright_model::parse_description;
use netwright_model::source::Sources;

use crate::source::Described;

/// The name of a host's own namespace in plans.
pub(crate) fn namespace(host: &str) -> String {
    format!("host/{host}")
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
    let places: Vec<Place> = hosts
        .iter()
        .map(|one| Place { host: namespace(&one.host), address: one.underlay })
        .collect();
    let mut part = fleet(plan(&network), &places).part(&namespace(host));
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
    Ok(part)
}
