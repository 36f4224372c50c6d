//! `netwright lab fleet`: a server and hosts with agents on one machine, as an ordinary user.
//!
//! The lab's own plan is the hosts and what links them. What the network says is on them is made by the agents, each in its host's namespace,
//! as they would on machines of their own.

use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Parser;
use netwright_dataplane::kernel::pause;
use netwright_dataplane::plan::hosts::{Place, bare, places};
use netwright_dataplane::plan::{HostPlan, Ready, Task};
use serde_json::{Value, json};

use super::{start, words};
use crate::arguments::{Arguments, Hosts, LabName};
use crate::console::{Code, Console};
use crate::failure::Failure;

/// Where the fleet's own files are, in the lab's memory.
const FOLDER: &str = "/run/netwright/fleet";
/// The server's API key.
pub(super) const KEY: &str = "/run/netwright/fleet/key";
/// The port of the server.
const PORT: u16 = 8180;
/// The host of the server.
const SERVER: (&str, Ipv4Addr) = ("host/server", Ipv4Addr::new(198, 19, 0, 1));
/// Largest packet between hosts, without what VXLAN adds: as the largest that clouds carry.
const LARGEST: u32 = 9_216;
/// How often the agents read everything back, in seconds.
const CHECK: &str = "5";

/// How long the server's key is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// The exit code of what could not be determined.
const UNDETERMINED: u8 = 3;

/// The parts that tasks of a fleet are.
pub(super) const COMMAND: &str = "command";
pub(super) const SERVE: &str = "fleet-server";

/// The hosts of a fleet with their agents, and a server.
pub(super) fn plan(hosts: usize) -> HostPlan {
    let mut all = places(hosts);
    let mut tasks: Vec<Task> = all.iter().map(agent).collect();
    let server = Place { host: SERVER.0.to_owned(), address: SERVER.1 };
    let listens = Ready::Listens { protocol: 6, port: PORT };
    tasks.push(Task::part(&server.host, "server", SERVE, String::new()).ready_when(listens));
    all.push(server);
    let mut plan = bare(&all, LARGEST);
    tasks.sort_by(|one, other| one.key().cmp(&other.key()));
    plan.tasks = tasks;
    plan
}

fn agent(place: &Place) -> Task {
    let name = place.host.rsplit('/').next().unwrap_or(&place.host);
    let address = place.address.to_string();
    let server = format!("http://{}:{PORT}", SERVER.1);
    let run_dir = format!("{FOLDER}/{name}");
    let command = [
        "agent",
        "--host",
        name,
        "--underlay",
        &address,
        "--server",
        &server,
        "--key-file",
        KEY,
        "--clear",
        "--run-dir",
        &run_dir,
        "--check",
        CHECK,
    ];
    Task::part(&place.host, "agent", COMMAND, json!(command).to_string())
}

/// Is a command whose words are its settings, as soon as the server has made its key.
pub(super) fn command(settings: &str, console: &mut Console) -> Result<Code, Failure> {
    let begun = Instant::now();
    while !Path::new(KEY).exists() && begun.elapsed() < PATIENCE {
        pause(LOOK);
    }
    let words: Vec<String> = serde_json::from_str(settings)
        .map_err(|error| Failure::usage(format!("no words of a command: {error}"), None))?;
    become_command(&words, console)
}

fn become_command(words: &[String], console: &mut Console) -> Result<Code, Failure> {
    let all = ["netwright".to_owned()].into_iter().chain(words.iter().cloned());
    let arguments =
        Arguments::try_parse_from(all).map_err(|error| Failure::usage(error.to_string(), None))?;
    crate::commands::run(&arguments.command, console)
}

/// Is the server. Its key is made first, where there is none.
pub(super) fn serve(console: &mut Console) -> Result<Code, Failure> {
    let folder = format!("{FOLDER}/server");
    let failed = |error: std::io::Error| Failure::output(Path::new(FOLDER), &error);
    fs::create_dir_all(&folder).map_err(failed)?;
    let store = format!("file:{folder}/network.redb");
    if !Path::new(KEY).exists() {
        let made = Command::new("/proc/self/exe")
            .args(["key", "--offline", "--store", &store, "--state", &folder, "--format", "json"])
            .args(["create", "--role", "admin", "--name", "fleet"])
            .output()
            .map_err(failed)?;
        let answer: Value = serde_json::from_slice(&made.stdout).unwrap_or_default();
        let Some(key) = answer.get("key").and_then(Value::as_str) else {
            let said = String::from_utf8_lossy(&made.stderr).trim().to_owned();
            return Err(Failure::usage(format!("no key could be made: {said}"), None));
        };
        let mut options = fs::OpenOptions::new();
        let new = format!("{KEY}.new");
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&new);
        file.and_then(|mut file| file.write_all(key.as_bytes())).map_err(failed)?;
        fs::rename(new, KEY).map_err(failed)?;
    }
    let (listen, url) = (format!("0.0.0.0:{PORT}"), format!("http://{}:{PORT}", SERVER.1));
    let command =
        ["serve", "--store", &store, "--state", &folder, "--listen", &listen, "--url", &url];
    become_command(&words(&command), console)
}

/// Starts a fleet, and has it take a network.
pub(super) fn up(
    file: Option<&Path>,
    (lab, hosts): (&LabName, Hosts),
    console: &mut Console,
) -> Result<Code, Failure> {
    if let Some(file) = file {
        // What is wrong with the file is told here, with its places.
        crate::network::open(file)?;
    }
    let shown = Path::new(".");
    let (code, _) = start(file.unwrap_or(shown), (&lab.name, hosts, true), (false, None), console)?;
    if code != Code::Pass {
        return Ok(code);
    }
    let program = std::env::current_exe()
        .map_err(|error| Failure::usage(format!("this program cannot be found: {error}"), None))?;
    let named = format!("--name {}", lab.name);
    let inside = |rest: &str| format!("netwright lab exec {named} server -- netwright {rest}");
    if let Some(file) = file {
        console.flush();
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let file = file.to_string_lossy();
        let mut apply = Command::new("/proc/self/exe");
        apply.args(["lab", "exec", "--name", &lab.name, "server", "--"]).arg(&program);
        apply.args(["apply", &file, "--key-file", KEY, "--wait"]);
        let begun = Instant::now();
        loop {
            let ran = apply.output();
            let ran = ran.map_err(|error| Failure::usage(format!("apply: {error}"), None))?;
            let code = ran.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255);
            // A server that has just begun does not lead yet.
            if code == UNDETERMINED && begun.elapsed() < PATIENCE {
                pause(LOOK);
                continue;
            }
            console.line(String::from_utf8_lossy(&ran.stdout).trim_end());
            console.error(&String::from_utf8_lossy(&ran.stderr));
            if code != 0 {
                return Ok(Code::Passed(code));
            }
            break;
        }
    }
    console.line(&format!(
        "how far the hosts are: {}",
        inside(&format!("convergence --key-file {KEY}"))
    ));
    console.line(&format!("what the agents do:    netwright lab logs {named}"));
    console.line(&format!("end it:                netwright lab down {named}"));
    Ok(Code::Pass)
}
