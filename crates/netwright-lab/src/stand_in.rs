//! Parts of this program that stand in a lab for what a cloud provides, each a process of its own: what listens for a database or an
//! outside service ([`listener`]), a load balancer's proxy ([`balancer`]), the platform's database proxy ([`proxy`]), a serverless service ([`service`]).
//!
//! They hold no data and speak just enough of a protocol that a client sees that it arrived, and from where. Among themselves they speak a
//! line each way: [`HELLO`], and a JSON object with who answers and the source that it sees.

mod balancer;
mod client;
mod listener;
mod proxy;
pub(crate) mod service;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::time::Duration;

use netwright_dataplane::kernel;
use netwright_dataplane::plan::balancers::Forwarder;
use netwright_dataplane::plan::{Listener, Proxy, Service, TUNNEL, TunnelEnd};
use rustix::net::{AddressFamily, SocketType, bind, listen, sockopt};
use serde::de::DeserializeOwned;

pub(crate) use listener::serve as listen_meanwhile;

use crate::failure::Failure;
use crate::tunnel;

/// What a call says first to a stand-in. No protocol that a stand-in speaks begins so.
pub(crate) const HELLO: &[u8] = b"NETWRIGHT 1\n";

/// Longest settings.
const SETTINGS: u64 = 1024 * 1024;

/// Connections that wait to be taken.
const WAITING: i32 = 128;

/// How long what is full is left alone.
const MOMENT: Duration = Duration::from_millis(100);

/// Is a part until it ends: which, by its word; its settings are on the standard input. None where it is none of these.
pub fn run(part: &str) -> Option<Result<(), Failure>> {
    Some(match part {
        "listener" => settings::<Listener>().and_then(|own| listener::run(&own)),
        "proxy" => settings::<Proxy>().and_then(|own| proxy::run(&own)),
        "balancer" => balancer::run(&settings::<Forwarder>),
        "service" => settings::<Service>().and_then(|own| service::run(&own)),
        TUNNEL => settings::<TunnelEnd>().and_then(|own| tunnel::run(&own)),
        _ => return None,
    })
}

fn settings<T: DeserializeOwned>() -> Result<T, Failure> {
    let mut text = String::new();
    let read = io::stdin().as_fd().try_clone_to_owned().and_then(|stdin| {
        let mut file = File::from(stdin);
        // They stand at its beginning, however often they are read; what is no file has none and is read as it comes.
        let _none = file.rewind();
        file.take(SETTINGS).read_to_string(&mut text)
    });
    read.map_err(Failure::during("reading the settings"))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::new(format!("the settings cannot be read: {error}")))
}

/// Listens on a TCP port of every address. The port is shared with those of this user who listen on one address and share it too.
fn on_all_addresses(port: u16) -> io::Result<std::net::TcpListener> {
    let v6 = (|| {
        let socket = rustix::net::socket(AddressFamily::INET6, SocketType::STREAM, None)?;
        sockopt::set_ipv6_v6only(&socket, false)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sockopt::set_socket_reuseport(&socket, true)?;
        bind(&socket, &std::net::SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port)))?;
        listen(&socket, WAITING)?;
        Ok::<_, rustix::io::Errno>(socket)
    })();
    if let Ok(socket) = v6 {
        return Ok(std::net::TcpListener::from(socket));
    }
    // A kernel without IPv6.
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    bind(&socket, &std::net::SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, port)))?;
    listen(&socket, WAITING)?;
    Ok(std::net::TcpListener::from(socket))
}

/// Lets a moment pass: something that is full now may not be then.
fn pause() {
    kernel::pause(MOMENT);
}

/// A part says something: the lab keeps it.
pub(crate) fn say(what: &str) {
    // Where nobody keeps it, it works all the same.
    let _nobody = io::Write::write_all(&mut io::stderr(), format!("{what}\n").as_bytes());
}
