//! The reference system on the machines of a network: which program runs where, with which addresses and keys.
//!
//! What the programs are is the matter of `netwright-servers`; here each finds its endpoint.

pub mod runbook;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use netwright_servers::{Addresses, Keys, Program, System, system, visapi_beside};

use crate::language::Reference;
use crate::parties::{Parties, Party};
use crate::run::Failure;

/// The key of those who use the reference system, as its README has it.
pub const USER_KEY: &str = "api-key";
/// The key of those who operate it.
pub const OPERATOR_KEY: &str = "admin-key";
/// The name by which the frontend calls the gateway, where the network has a zone that knows it.
pub const GATEWAY_NAME: &str = "api.visanet.internal";
/// The machines that it stands on, each with the port of the program there.
pub const MACHINES: [(&str, u16); 5] =
    [("postgres", 5432), ("redis", 6379), ("gateway", 8080), ("worker", 8081), ("frontend", 8080)];

/// A machine's endpoint.
///
/// # Errors
///
/// The network has none of that name, or it has no address.
fn machine<'p>(parties: &'p Parties, name: &str) -> Result<(&'p Party, IpAddr), Failure> {
    let found = parties.named(name).and_then(|party| Some((party, party.source?)));
    found.ok_or_else(|| Failure {
        message: format!("the reference system needs a machine called {name} with an address, which this network has not"),
        help: Some("`examples/visapi/network.yaml` is a network for it".to_owned()),
    })
}

/// Where the program of a machine answers.
///
/// # Errors
///
/// The network has no such machine, or it has no address.
pub(crate) fn socket(parties: &Parties, name: &str) -> Result<SocketAddr, Failure> {
    let (party, address) = machine(parties, name)?;
    let own = MACHINES.iter().find(|(machine, _)| *machine == name).map(|(_, port)| *port);
    let port = party.listens.first().copied().or(own).unwrap_or_default();
    Ok(SocketAddr::new(address, port))
}

/// The programs of the reference system, in the order in which they start. `own` is the program that asks: `visapi` is looked for beside it.
///
/// # Errors
///
/// A machine is not there, or a program is not installed: what to do about it.
pub fn programs(
    reference: &Reference,
    parties: &Parties,
    named: bool,
    (own, folder): (&Path, &Path),
) -> Result<Vec<Program>, Failure> {
    let mut sockets = Vec::new();
    for (name, _) in MACHINES {
        sockets.push(socket(parties, name)?);
    }
    let [postgres, redis, gateway, worker, frontend] = sockets[..] else { return Ok(Vec::new()) };
    let visapi = visapi_beside(own).ok_or_else(|| not_built(own))?;
    let mut more: Vec<String> = reference
        .arguments
        .iter()
        .flat_map(|words| words.value.split_whitespace().map(str::to_owned))
        .collect();
    if let Some(variant) = variant(reference) {
        more.extend(["--broken".to_owned(), variant.to_owned(), "--yes-break-it".to_owned()]);
    }
    let alone = |at: SocketAddr| format!("{}/{}", at.ip(), if at.is_ipv4() { 32 } else { 128 });
    let whole = System {
        folder: folder.to_owned(),
        visapi,
        addresses: Addresses { postgres, redis, gateway, worker, frontend },
        clients: [postgres, gateway, worker].map(alone).to_vec(),
        keys: Keys { user: USER_KEY.to_owned(), operator: OPERATOR_KEY.to_owned() },
        // Whoever runs in a lab is user 0 there.
        as_root: true,
        more,
        gateway_url: named.then(|| format!("http://{GATEWAY_NAME}:{}", gateway.port())),
    };
    system(&whole).map_err(|missing| Failure {
        message: format!("the reference system needs {}, which is not installed", missing.program),
        help: Some(format!("`sudo apt-get install {}`", missing.package)),
    })
}

/// What is wrong with it on purpose; nothing with the correct one.
#[must_use]
pub fn variant(reference: &Reference) -> Option<&str> {
    let variant = reference.variant.as_ref().map(|variant| variant.value.as_str());
    variant.filter(|variant| *variant != "correct")
}

fn not_built(own: &Path) -> Failure {
    let release = own.components().any(|part| part.as_os_str() == "release");
    let flag = if release { " --release" } else { "" };
    Failure {
        message: format!("the reference system's program `visapi` is not beside {}", own.display()),
        help: Some(format!(
            "build it, in a copy of the project: `cargo build{flag} --package visapi`"
        )),
    }
}
