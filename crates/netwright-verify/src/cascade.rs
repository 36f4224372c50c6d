//! From missing dependencies to failed start-up phases, failed services and lost golden paths.

use std::collections::BTreeMap;

use netwright_model::language::{EndpointKind, EndpointRef};
use netwright_model::network::Network;

use crate::dependencies::Answer;

/// Why a service does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The service.
    pub service: String,
    /// The phase that fails; none for a service without phases.
    pub phase: Option<String>,
    /// Why, in words.
    pub why: String,
}

/// A golden path that is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The path.
    pub path: String,
    /// The first step that fails, and why.
    pub why: String,
}

/// What follows from missing dependencies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cascade {
    /// Services that do not start, each after those that it waits for.
    pub failures: Vec<Failure>,
    /// Golden paths that are lost.
    pub lost: Vec<Lost>,
    /// Services that wait for each other and so never start.
    pub circles: Vec<String>,
}

/// Follows missing dependencies through the services' start-up phases.
#[must_use]
pub fn follow(network: &Network, answers: &[Answer]) -> Cascade {
    let mut cascade = Cascade::default();
    let services = &network.description.services;
    let mut failed: BTreeMap<&str, String> = BTreeMap::new();
    // Each round finds the services that fail because of those found before; there are no more rounds than services.
    for _ in 0..=services.len() {
        let before = failed.len();
        for (name, service) in services.iter() {
            if failed.contains_key(name.value.as_str()) {
                continue;
            }
            let missing = |dependency: Option<&str>| {
                answers.iter().find(|answer| {
                    answer.service == name.value
                        && answer.is_missing()
                        && dependency.is_none_or(|dependency| answer.name == dependency)
                })
            };
            let failure = if service.startup.is_empty() {
                missing(None).map(|answer| (None, lacks(answer)))
            } else {
                service.startup.iter().find_map(|(phase, written)| {
                    if written.critical.as_ref().is_some_and(|critical| !critical.value) {
                        return None;
                    }
                    let lacking = written.needs.iter().find_map(|need| missing(Some(&need.value)));
                    let waits = written
                        .after
                        .iter()
                        .find(|other| failed.contains_key(other.value.as_str()));
                    let why = match (lacking, waits) {
                        (Some(answer), _) => lacks(answer),
                        (None, Some(other)) => {
                            format!("it waits for {}, which does not start", other.value)
                        }
                        (None, None) => return None,
                    };
                    Some((Some(phase.value.clone()), why))
                })
            };
            if let Some((phase, why)) = failure {
                failed.insert(&name.value, why.clone());
                cascade.failures.push(Failure { service: name.value.clone(), phase, why });
            }
        }
        if failed.len() == before {
            break;
        }
    }
    cascade.circles = circles(network);
    for service in &cascade.circles {
        if !failed.contains_key(service.as_str()) {
            let why = "its phases wait for it to have started".to_owned();
            cascade.failures.push(Failure { service: service.clone(), phase: None, why });
        }
    }
    let in_circle = cascade.circles.clone();
    failed.extend(in_circle.iter().map(|service| (service.as_str(), String::new())));
    for (name, path) in network.description.golden_paths.iter() {
        let step = path.through.iter().find_map(|step| {
            let service = match &step.value {
                EndpointRef::Kind(EndpointKind::Service, name) | EndpointRef::Name(name) => name,
                EndpointRef::Kind(..) | EndpointRef::Internet | EndpointRef::Prefix(_) => {
                    return None;
                }
            };
            failed.contains_key(service.as_str()).then(|| format!("{service} does not start"))
        });
        cascade.lost.extend(step.map(|why| Lost { path: name.value.clone(), why }));
    }
    cascade
}

fn lacks(answer: &Answer) -> String {
    let why = answer.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    format!("it does not reach {}{why}", answer.target)
}

/// Services that, by their phases' `after`, wait for themselves.
fn circles(network: &Network) -> Vec<String> {
    let services = &network.description.services;
    let waits = |name: &str| -> Vec<&str> {
        let service = services.get(name);
        let phases = service.into_iter().flat_map(|service| service.startup.iter());
        phases.flat_map(|(_, phase)| phase.after.iter().map(|other| other.value.as_str())).collect()
    };
    let mut found = Vec::new();
    for (name, _) in services.iter() {
        let mut reached: Vec<&str> = waits(&name.value);
        let mut index = 0;
        while let Some(next) = reached.get(index).copied() {
            for other in waits(next) {
                if !reached.contains(&other) {
                    reached.push(other);
                }
            }
            index += 1;
        }
        if reached.contains(&name.value.as_str()) {
            found.push(name.value.clone());
        }
    }
    found
}
