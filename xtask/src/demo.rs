//! `cargo xtask demo`: a real export checked and traced, an outage explained, and a network kept by a server and three hosts.

use std::path::PathBuf;
use std::process::Command;

use crate::shell::{self, Outcome, cargo, root, say, step};

/// A real AWS export, where the collection of real networks lies beside the project.
const REAL: &str = "../shared/data/networks/batfish-aws/test-nat-gateway";

pub(crate) fn run() -> Result<Outcome, String> {
    step("building Netwright");
    let build = ["build", "--release", "--package", "netwright", "--locked"];
    if shell::run(cargo().args(build))? == Outcome::Failed {
        return Ok(Outcome::Failed);
    }
    let binary = binary();
    let shows = shows();
    let mut as_told = true;
    for show in &shows {
        step(show.title);
        let words = show.arguments.join(" ");
        say(&format!("$ netwright {words}"));
        let code = shell::code(Command::new(&binary).args(&show.arguments).current_dir(root()))?;
        say(&format!("[exit code {code}]"));
        as_told &= code == show.code;
        if code != show.code {
            say(&format!("expected exit code {}", show.code));
        }
    }
    say(NEXT);
    Ok(if as_told { Outcome::Passed } else { Outcome::Failed })
}

const NEXT: &str = "
Where to go next:
  your own network      netwright check FOLDER-WITH-YOUR-EXPORT
  one question          netwright trace FOLDER FROM TO --port tcp/443
  before you deploy     netwright diff now.yaml proposed.yaml
  with packets          netwright up examples/staging-egress/before.yaml
  for a team            netwright serve, and docs/guides/run-a-server.md
  start from an example examples/quickstart, and docs/guides/";

fn binary() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| root().join("target"));
    target.join("release").join(format!("netwright{}", std::env::consts::EXE_SUFFIX))
}

struct Show {
    title: &'static str,
    arguments: Vec<String>,
    /// Exit code of a demonstration that goes as told.
    code: i32,
}

fn show(title: &'static str, code: i32, words: &[&str]) -> Show {
    Show { title, arguments: words.iter().map(|word| (*word).to_owned()).collect(), code }
}

fn shows() -> Vec<Show> {
    let mut shows = export();
    let before = "examples/staging-egress/before.yaml";
    let after = "examples/staging-egress/after.yaml";
    shows.push(show(
        "one egress setting was changed, and staging was dead for a day: what the change does",
        1,
        &["diff", before, after],
    ));
    shows.extend(fleet());
    shows
}

/// A server and three hosts on this machine; nothing where the kernel lets nobody make them.
fn fleet() -> Vec<Show> {
    let allowed = std::fs::read_to_string("/proc/sys/user/max_user_namespaces");
    if allowed.is_ok_and(|most| most.trim() == "0") {
        say("\n(no user namespaces here: no lab of hosts is shown)");
        return Vec::new();
    }
    let (file, name) = ("examples/quickstart/network.yaml", "demo-fleet");
    let binary = binary();
    let server = |title, code, words: &[&str]| {
        let key = ["--key-file", "/run/netwright/fleet/key"];
        let inside = ["lab", "exec", "--name", name, "server", "--", &binary.to_string_lossy()];
        show(title, code, &[&inside[..], words, &key[..]].concat())
    };
    let mistake = "examples/quickstart/mistake.yaml";
    vec![
        show(
            "a server and three hosts with agents: the network is accepted, applied and read back",
            0,
            &["lab", "fleet", file, "--hosts", "3", "--name", name],
        ),
        server(
            "a change that breaks an intent is refused, and the trace says where",
            1,
            &["apply", mistake, "--why", "the new database"],
        ),
        server(
            "a range for a new subnet: nobody else gets it, or one that overlaps it",
            0,
            &["allocate", "vpc:prod", "--length", "24", "--for", "subnet:prod/new"],
        ),
        server("which host has which revision", 0, &["convergence"]),
        show("and nothing of it stays", 0, &["lab", "down", "--name", name]),
    ]
}

/// A check and a trace of a real export, and of the example that comes with the project.
fn export() -> Vec<Show> {
    let mut shows = Vec::new();
    if root().join(REAL).is_dir() {
        let machine = "i-0a128d26e59be60f3";
        shows.push(show("a real AWS export: who reaches whom", 0, &["reach", REAL]));
        shows.push(show(
            "a machine in it opens a connection to the Internet",
            0,
            &["trace", REAL, machine, "8.8.8.8", "--port", "tcp/443"],
        ));
    } else {
        say(&format!("\n(no real export at {REAL}: the example's stands for it)"));
    }
    let example = "examples/aws-three-tier/export";
    shows.push(show("an AWS export with intents beside it, checked", 0, &["check", example]));
    shows.push(show(
        "one flow through it, hop by hop",
        0,
        &["trace", example, "app-1", "database:orders", "--port", "tcp/5432"],
    ));
    shows
}
