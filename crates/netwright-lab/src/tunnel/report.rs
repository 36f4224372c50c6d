//! What an end of a tunnel tells the lab: what makes the tunnel, and whether the other end is heard. A file in the lab's own memory, replaced whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use netwright_dataplane::plan::{HostPlan, TunnelEnd};
use serde::{Deserialize, Serialize};

use super::secret;

/// Where they lie: in the lab's own `/run`.
const FOLDER: &str = "/run/netwright/tunnels";

/// What an end tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    /// What makes the tunnel, in words.
    pub(super) made: String,
    /// The other end is heard.
    pub(super) up: bool,
}

/// A tunnel of a running lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// Its name in the description.
    pub name: String,
    /// What makes it, in words; none where no end has told yet.
    pub made: Option<String>,
    /// Both ends hear each other.
    pub up: bool,
    /// What is wrong with it, in words.
    pub wrong: Vec<String>,
}

/// The file of a tunnel's end, by its namespace.
fn path(namespace: &str) -> PathBuf {
    Path::new(FOLDER).join(namespace.replace('/', "%"))
}

fn namespace(end: &TunnelEnd) -> String {
    format!("tunnel/{}.{}", end.tunnel, end.side.word())
}

impl Report {
    /// Tells.
    pub(super) fn write(&self, end: &TunnelEnd) -> io::Result<()> {
        fs::create_dir_all(FOLDER)?;
        let path = path(&namespace(end));
        let mut new = path.clone().into_os_string();
        new.push(".new");
        fs::write(&new, serde_json::to_vec(self)?)?;
        fs::rename(&new, path)
    }
}

fn read(namespace: &str) -> Option<Report> {
    serde_json::from_slice(&fs::read(path(namespace)).ok()?).ok()
}

/// Whether the end of a namespace has told that it hears the other one.
pub(crate) fn hears(namespace: &str) -> bool {
    read(namespace).is_some_and(|told| told.up)
}

/// Forgets what the end of a namespace told: it is started anew, or has ended.
pub(crate) fn forget(namespace: &str) {
    // It told nothing.
    let _absent = fs::remove_file(path(namespace));
}

/// The tunnels of a plan, as their ends tell.
pub(crate) fn tunnels(plan: &HostPlan) -> Vec<Tunnel> {
    let mut tunnels: Vec<Tunnel> = Vec::new();
    for end in secret::ends(plan) {
        let report = read(&namespace(&end));
        if tunnels.last().is_none_or(|last| last.name != end.tunnel) {
            let (name, made) = (end.tunnel.clone(), None);
            tunnels.push(Tunnel { name, made, up: true, wrong: Vec::new() });
        }
        let Some(tunnel) = tunnels.last_mut() else { continue };
        let side = end.side.word();
        match report {
            Some(report) => {
                if !report.up {
                    tunnel.wrong.push(format!("the {side} end does not hear the other one"));
                }
                tunnel.made = Some(report.made);
            }
            None => tunnel.wrong.push(format!("the {side} end does not run")),
        }
        tunnel.up = tunnel.wrong.is_empty();
    }
    tunnels
}
