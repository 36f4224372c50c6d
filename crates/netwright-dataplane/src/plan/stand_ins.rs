//! What stands in a lab for what a cloud provides: databases, outside services, the platform's front end, serverless services, and the
//! proxies behind their Unix sockets. Each is a part of this program in a process of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use netwright_model::language::{DatabaseEngine, EndpointKind, EndpointRef};
use netwright_model::network::Network;
use netwright_verify::dependencies::PROXY_PORT;
use serde::{Deserialize, Serialize};

use super::build::Build;
use super::call::How;
use super::{INTERNET, Ready, Role, Task};

/// Number of TCP.
const TCP: u8 = 6;

/// Most ports that a stand-in listens on.
const PORTS: usize = 32;

/// The port of a service's container where none is given.
const CONTAINER_PORT: u16 = 8080;

/// The name of a stand-in's task.
const NAME: &str = "stand-in";

/// The words by which the program knows its parts.
pub const PARTS: [&str; 3] = [LISTENER, PROXY, SERVICE];
const LISTENER: &str = "listener";
const PROXY: &str = "proxy";
const SERVICE: &str = "service";

/// Where services see the sockets of databases, as on Cloud Run.
const SOCKETS: &str = "/cloudsql";

/// What listens for a database, an outside service or the platform's front end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Whom it stands for, in words.
    pub name: String,
    /// What it speaks: `postgres`, `mysql`, `redis` or `text`.
    pub speaks: String,
    /// TCP ports.
    pub ports: BTreeSet<u16>,
}

/// The platform's proxy to a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    /// The database, in words.
    pub name: String,
    /// The Unix socket that it listens on, as its service sees it.
    pub socket: String,
    /// Where it connects to.
    pub to: SocketAddr,
}

/// A serverless service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The port of its container.
    pub port: u16,
    /// The Unix sockets that it sees.
    pub sockets: BTreeSet<String>,
}

/// All that stands in.
pub(super) fn stand_ins(build: &mut Build<'_>) {
    let network = build.network;
    let mut listeners: BTreeMap<String, Listener> = BTreeMap::new();
    for endpoint in &network.endpoints {
        let database = network.description.databases.get(&endpoint.name);
        let speaks = match (endpoint.kind, database) {
            (EndpointKind::Database, Some(database)) => {
                speaks(database.engine.as_ref().map(|engine| engine.value).unwrap_or_default())
            }
            (EndpointKind::External, _) => "text",
            _ => continue,
        };
        let name = format!("{} {}", endpoint.kind.word(), endpoint.name);
        let listens = endpoint.listens.iter().flatten();
        let mut ports: BTreeSet<u16> = listens
            .filter(|service| service.protocol() == Some(TCP))
            .filter_map(|service| service.first_port())
            .take(PORTS)
            .collect();
        if database.is_some_and(|database| database.connection_name.is_some()) {
            ports.insert(PROXY_PORT);
        }
        let namespace = format!("{}/{}", endpoint.kind.word(), endpoint.name);
        let listener = Listener { name, speaks: speaks.to_owned(), ports };
        listeners.insert(namespace, listener);
    }
    let front_end = || Listener {
        name: "front end".to_owned(),
        speaks: "text".to_owned(),
        ports: BTreeSet::new(),
    };
    for call in &build.calls {
        let (Some((namespace, at)), Some(How::Tcp { .. } | How::Socket { .. })) =
            (&call.answers, &call.how)
        else {
            continue;
        };
        let listener = if namespace == INTERNET {
            Some(listeners.entry(namespace.clone()).or_insert_with(front_end))
        } else {
            // Instances run what their users want.
            listeners.get_mut(namespace)
        };
        if let Some(listener) = listener.filter(|listener| listener.ports.len() < PORTS) {
            listener.ports.insert(at.port());
        }
    }
    for (namespace, listener) in listeners {
        let first = listener.ports.first().copied();
        if let Some(port) = first.filter(|_| build.get(&namespace).is_some()) {
            let task = Task::part(&namespace, NAME, LISTENER, settings(&listener));
            build.task(task.ready_when(Ready::Listens { protocol: TCP, port }));
        }
    }
    services(build);
}

/// Services, and the proxies behind their sockets.
fn services(build: &mut Build<'_>) {
    let network = build.network;
    for (name, written) in network.description.services.iter() {
        let namespace = format!("{}/{}", EndpointKind::Service.word(), name.value);
        if build.get(&namespace).is_none_or(|namespace| namespace.role != Role::Serverless) {
            continue;
        }
        let mut proxies: BTreeMap<String, Proxy> = BTreeMap::new();
        for call in build.calls.iter().filter(|call| call.namespace == namespace) {
            if let Some(How::Socket { path, to }) = &call.how {
                let proxy = Proxy { name: call.target.clone(), socket: path.clone(), to: *to };
                proxies.entry(path.clone()).or_insert(proxy);
            }
        }
        let port = written.port.as_ref().map_or(CONTAINER_PORT, |port| port.value);
        let sockets = proxies.keys().cloned().collect();
        let service = Service { name: name.value.clone(), port, sockets };
        let task = Task::part(&namespace, NAME, SERVICE, settings(&service));
        build.task(task.ready_when(Ready::Listens { protocol: TCP, port }));
        for (number, proxy) in proxies.values().enumerate() {
            let short = proxy.name.rsplit(':').next().unwrap_or(&proxy.name);
            let mut name = format!("proxy-{short}");
            if number > 0 && build.has_task(&namespace, &name) {
                name = format!("{name}-{}", number + 1);
            }
            let task = Task::part(&namespace, &name, PROXY, settings(proxy));
            build.task(task.ready_when(Ready::Runs { milliseconds: 100 }));
        }
    }
}

pub(super) fn settings(what: &impl Serialize) -> String {
    // A structure of texts and numbers always becomes JSON.
    serde_json::to_string(what).unwrap_or_default()
}

fn speaks(engine: DatabaseEngine) -> &'static str {
    match engine {
        DatabaseEngine::Postgres => "postgres",
        DatabaseEngine::Mysql => "mysql",
        DatabaseEngine::Redis => "redis",
        DatabaseEngine::SqlServer | DatabaseEngine::Oracle | DatabaseEngine::Other => "text",
    }
}

/// The path of a database's Unix socket, as services see it: a folder of the connection's name, and in it what the engine's clients look for.
pub(super) fn socket(network: &Network, target: Option<&EndpointRef>) -> String {
    let name = match target {
        Some(EndpointRef::Kind(_, name) | EndpointRef::Name(name)) => name.as_str(),
        _ => "database",
    };
    let database = network.description.databases.get(name);
    let connection = database.and_then(|database| database.connection_name.as_ref());
    let connection = connection.map_or(name, |connection| connection.value.as_str());
    // A name is one part of a path.
    let connection = connection.replace('/', "-");
    let engine = database.and_then(|database| database.engine.as_ref());
    match engine.map(|engine| engine.value).unwrap_or_default() {
        DatabaseEngine::Postgres => format!("{SOCKETS}/{connection}/.s.PGSQL.5432"),
        _ => format!("{SOCKETS}/{connection}"),
    }
}
