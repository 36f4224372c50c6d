//! How processes in a lab find out what a name stands for: each namespace's own `resolv.conf` and `hosts`, in the place of the machine's.
//!
//! The files lie in the lab's own `/run`; a process sees them at their usual places in a mount namespace of its own. They are written in
//! place, so that a change is seen by processes that run already.

use std::fmt::Write;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use netwright_dataplane::kernel::addresses;
use netwright_dataplane::plan::{HostPlan, Namespace};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::mount_bind;

use crate::view;

/// Where the files lie.
const FOLDER: &str = "/run/netwright";
/// Most links to a file that are followed.
const LINKS: usize = 8;
/// The order in which names are looked for, and the file that says so.
const SWITCH: &str = "/etc/nsswitch.conf";
const RESOLVERS: &str = "/etc/resolv.conf";
const HOSTS: &str = "/etc/hosts";

fn folder(namespace: &str) -> PathBuf {
    // A name of a namespace holds no other character that a path would take apart.
    Path::new(FOLDER).join(namespace.replace('/', "%"))
}

/// Makes place for the files: in process 1, when the lab's `/run` is there. Gives what will not be as it should, in words.
pub(crate) fn prepare() -> Option<String> {
    let failed = |error: io::Error| format!("names: {FOLDER} cannot be made: {error}");
    if let Err(error) = fs::create_dir_all(FOLDER) {
        return Some(failed(error));
    }
    // The order of the machine may ask daemons first that the lab hides.
    if let Ok(order) = fs::read_to_string(SWITCH) {
        let lines = order.lines().filter(|line| !line.trim_start().starts_with("hosts:"));
        let order: String =
            lines.chain(["hosts: files dns"]).flat_map(|line| [line, "\n"]).collect();
        if let Err(error) = fs::write(Path::new(FOLDER).join("nsswitch.conf"), order) {
            return Some(failed(error));
        }
    }
    stand_in(Path::new(RESOLVERS))
        .err()
        .map(|error| format!("names: {RESOLVERS} of this machine cannot be stood in for: {error}"))
}

/// A file that something can be mounted on: where a link leads to what the lab's `/run` hides, an empty one is made there.
fn stand_in(path: &Path) -> io::Result<()> {
    let mut at = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&at) {
            Ok(to) => at = at.parent().unwrap_or(Path::new("/")).join(to),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    let parent = at.parent().unwrap_or(Path::new("/"));
    // `..` on the way is taken where it stands: the folders on it may be hidden too.
    let mut plain = PathBuf::new();
    for part in parent.components() {
        match part {
            std::path::Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    if !plain.starts_with("/run") && !plain.starts_with("/var/run") {
        return Err(io::ErrorKind::NotFound.into());
    }
    fs::create_dir_all(&plain)?;
    fs::write(plain.join(at.file_name().unwrap_or_default()), "")
}

/// Writes the files of a namespace.
pub(crate) fn write(namespace: &Namespace) -> io::Result<()> {
    let folder = folder(&namespace.name);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("resolv.conf"), resolvers(namespace))?;
    fs::write(folder.join("hosts"), hosts(namespace))
}

/// Writes the files of those namespaces again that have them already: a plan was changed.
pub(crate) fn refresh(plan: &HostPlan) {
    for namespace in plan.namespaces.iter().filter(|one| folder(&one.name).exists()) {
        // What was there stays: nobody is there to be told.
        let _stays = write(namespace);
    }
}

/// How many name servers a resolver reads from its file (`MAXNS` of resolv.conf(5)).
const READ: usize = 3;

fn resolvers(namespace: &Namespace) -> String {
    if namespace.resolvers.is_empty() {
        return "# The description holds no names that are seen from here.\n".to_owned();
    }
    let read = namespace.resolvers.iter().take(READ);
    read.map(|address| format!("nameserver {address}\n")).collect()
}

fn hosts(namespace: &Namespace) -> String {
    let mut text = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n".to_owned();
    let own = namespace.name.rsplit('/').next().unwrap_or(&namespace.name);
    let all = addresses(namespace);
    for v6 in [false, true] {
        if let Some(first) = all.iter().find(|address: &&IpAddr| address.is_ipv6() == v6) {
            // Writing into a string does not fail.
            let _fine = writeln!(text, "{first} {own}");
        }
    }
    text
}

/// Gives the calling thread, and what it starts, a namespace's files at their usual places. Only where they were written.
pub(crate) fn enter(namespace: &str) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    view::keep_to_itself()?;
    let folder = folder(namespace);
    let shared = Path::new(FOLDER).join("nsswitch.conf");
    for (own, usual) in
        [(folder.join("resolv.conf"), RESOLVERS), (folder.join("hosts"), HOSTS), (shared, SWITCH)]
    {
        // What this machine does not have is not asked for.
        if own.exists() && Path::new(usual).exists() {
            mount_bind(&own, usual)?;
        }
    }
    Ok(())
}
