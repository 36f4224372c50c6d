//! What serverless services call: each dependency as a connection that can be made in the lab, with the verdict beside it.

use std::net::{IpAddr, SocketAddr};

use netwright_model::language::{DependencyPath, EndpointKind, EndpointRef};
use netwright_model::network::Network;
use netwright_verify::dependencies::{self, Answer};
use netwright_verify::prover::Prover;
use netwright_verify::prover::path::{Arrival, End};
use netwright_verify::trace::{Flow, Verdict};
use serde::{Deserialize, Serialize};

use super::build::Build;
use super::{INTERNET, endpoint, machine, stand_ins};

/// A dependency of a service, as it is called in a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// The dependency's name.
    pub name: String,
    /// What it leads to, as written.
    pub target: String,
    /// The name that it is called by, where it has one.
    pub host: Option<String>,
    /// How it is called; none where the description does not say enough.
    pub how: Option<How>,
    /// Where it is answered: the namespace, and the address and port there.
    pub answers: Option<(String, SocketAddr)>,
    /// How long connecting may take, in milliseconds, where the description says.
    pub deadline: Option<u64>,
    /// The verdict.
    pub expected: Expected,
}

/// How a dependency is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// By TCP.
    Tcp {
        /// The address and port.
        to: SocketAddr,
    },
    /// By UDP.
    Udp {
        /// The address and port.
        to: SocketAddr,
    },
    /// By a Unix socket, behind which a proxy connects onwards.
    Socket {
        /// The socket's path, as the service sees it.
        path: String,
        /// Where the proxy connects to.
        to: SocketAddr,
    },
}

impl How {
    /// The address and port that packets go to.
    #[must_use]
    pub fn to(&self) -> SocketAddr {
        match self {
            Self::Tcp { to } | Self::Udp { to } | Self::Socket { to, .. } => *to,
        }
    }
}

/// What is expected of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The verdict in a word.
    pub verdict: String,
    /// Whether it works; none where that is not known.
    pub works: Option<bool>,
    /// The way, in words.
    pub way: String,
    /// The sources of which the target sees one; none where it cannot be predicted.
    pub sources: Vec<IpAddr>,
    /// Why it does not work.
    pub why: Option<String>,
}

/// The calls of all services.
pub(super) fn calls(build: &mut Build<'_>) {
    let network = build.network;
    if network.description.services.is_empty() {
        return;
    }
    let mut prover = Prover::new(network);
    let answers = dependencies::ask(&mut prover);
    let mut calls: Vec<Call> = answers.iter().map(|answer| call(&mut prover, answer)).collect();
    calls.retain(|call| build.get(&call.namespace).is_some());
    calls.sort_by(|one, other| one.service.cmp(&other.service));
    for call in &mut calls {
        // What the lab does not build answers nothing.
        call.answers.take_if(|(namespace, _)| build.get(namespace).is_none());
    }
    build.calls = calls;
}

fn call(prover: &mut Prover<'_>, answer: &Answer) -> Call {
    let network = prover.network;
    let written = network
        .description
        .services
        .get(&answer.service)
        .and_then(|service| service.dependencies.get(&answer.name));
    let to = answer.flow.and_then(|flow| Some(SocketAddr::new(flow.dst, flow.packet?.dst_port)));
    let how = to.map(|to| match answer.via {
        DependencyPath::Tcp => How::Tcp { to },
        DependencyPath::Udp => How::Udp { to },
        DependencyPath::Socket => {
            let target = written.map(|written| &written.to.value);
            How::Socket { path: stand_ins::socket(network, target), to }
        }
    });
    let works = match answer.verdict {
        Verdict::Reachable => Some(true),
        Verdict::Unknown => None,
        Verdict::NoReturn | Verdict::Blocked | Verdict::Unresolved => Some(false),
    };
    Call {
        service: answer.service.clone(),
        namespace: format!("{}/{}", EndpointKind::Service.word(), answer.service),
        name: answer.name.clone(),
        target: answer.target.clone(),
        host: written.and_then(|written| host(network, &written.to.value)),
        how,
        answers: answer
            .flow
            .and_then(|flow| answers(prover, flow, written.map(|written| &written.to.value))),
        deadline: written
            .and_then(|written| written.connect_timeout.as_ref())
            .map(|timeout| timeout.value.as_millis()),
        expected: Expected {
            verdict: answer.verdict.word().to_owned(),
            works,
            way: answer.way.clone(),
            sources: answer.sources_seen.clone(),
            why: answer.why.clone(),
        },
    }
}

/// The name of a zone that a reference is, or the first by which what it names is called.
fn host(network: &Network, target: &EndpointRef) -> Option<String> {
    let description = &network.description;
    let hosts = match target {
        EndpointRef::Kind(EndpointKind::External, name) => &description.externals.get(name)?.hosts,
        EndpointRef::Kind(EndpointKind::Service, name) => &description.services.get(name)?.hosts,
        EndpointRef::Name(name) => {
            let described = network.endpoints.iter().any(|row| row.name == *name);
            return (!described && name.contains('.')).then(|| name.clone());
        }
        EndpointRef::Kind(..) | EndpointRef::Internet | EndpointRef::Prefix(_) => return None,
    };
    hosts.iter().map(|host| host.value.clone()).find(|host| !host.contains('*'))
}

/// Where a flow is answered: where it arrives, or would if nothing stopped it.
fn answers(
    prover: &mut Prover<'_>,
    flow: Flow,
    target: Option<&EndpointRef>,
) -> Option<(String, SocketAddr)> {
    let network = prover.network;
    let port = flow.packet?.dst_port;
    let path = prover.trace(flow).forward.path;
    let (namespace, address) = match path.end {
        End::Delivered(Arrival::Interface(id)) => (machine(network, id), path.dst),
        End::Delivered(Arrival::Endpoint(id)) => (endpoint(network, id), path.dst),
        End::Delivered(Arrival::Internet) => (INTERNET.to_owned(), path.dst),
        _ => (named(network, target?, flow.dst)?, flow.dst),
    };
    Some((namespace, SocketAddr::new(address, port)))
}

/// The namespace of what a reference names.
fn named(network: &Network, target: &EndpointRef, address: IpAddr) -> Option<String> {
    let found = match target {
        EndpointRef::Kind(EndpointKind::Service, _) => return Some(INTERNET.to_owned()),
        EndpointRef::Kind(kind, name) => {
            network.endpoints.iter().find(|row| row.kind == *kind && row.name == *name)
        }
        EndpointRef::Name(name) => network.endpoints.iter().find(|row| row.name == *name),
        EndpointRef::Internet | EndpointRef::Prefix(_) => None,
    };
    if let Some(row) = found {
        return Some(format!("{}/{}", row.kind.word(), row.name));
    }
    let holds = |interface: &&netwright_model::network::Interface| {
        interface.addresses.contains(&address) || interface.public.contains(&address)
    };
    let owner = &network[network.interfaces.iter().find(holds)?.owner];
    Some(format!("{}/{}", owner.kind.word(), owner.name))
}
