//! A program that makes the operations of a workload.

use std::fs::File;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use serde_json::{Value, json};

use super::Around;
use crate::language::Workload;
use crate::run::request::source;
use crate::run::watch::Watched;

/// How long a program may take to end when it was asked to.
const ENDS: Duration = Duration::from_secs(20);

/// A program that makes the operations and writes the history itself.
pub(super) fn run(
    around: Around<'_>,
    (number, work): (usize, &Workload),
    file: &str,
) -> Result<(), String> {
    let (setting, over) = (around.setting, around.over);
    let run = work.run.as_ref().ok_or("there is no program")?;
    let mut command = setting.command(source(setting, work.from.as_ref())?.as_deref())?;
    let watched = around.watched.map(|watched| (watched, setting.folder.join("links.json")));
    let log = File::create(setting.folder.join(format!("workload-{number}.log")))
        .map_err(|error| error.to_string())?;
    let errors = log.try_clone().map_err(|error| error.to_string())?;
    command.args(["/bin/sh", "-c", &format!("exec {}", run.value)]);
    command.env("NETWRIGHT_HISTORY", setting.folder.join(file));
    if let Some((watched, links)) = &watched {
        tell_links(watched, links);
        command.env("NETWRIGHT_LINKS", links);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::from(log))
        .stderr(Stdio::from(errors))
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut known = Vec::new();
    while !over.load(Ordering::SeqCst) {
        if let Ok(Some(status)) = child.try_wait() {
            return if status.success() {
                Ok(())
            } else {
                Err(format!("the program ended: {status}"))
            };
        }
        if let Some((watched, links)) = &watched
            && watched.states() != known
        {
            known = watched.states();
            tell_links(watched, links);
        }
        pause(Duration::from_millis(50));
    }
    let number = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(number) = number {
        let _ended_already = rustix::process::kill_process(number, rustix::process::Signal::TERM);
    }
    let asked = Instant::now();
    while asked.elapsed() < ENDS {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return Ok(());
        }
        pause(Duration::from_millis(20));
    }
    let _ended_already = child.kill();
    let _status = child.wait();
    Err("the program did not end when it was asked to".to_owned())
}

/// What is known of connections, for a program: written whole, in the place of what was.
fn tell_links(watched: &Watched, path: &std::path::Path) {
    let states = watched.states();
    let rows = watched.links.iter().zip(states);
    let rows: Vec<Value> = rows
        .map(|(link, state)| json!({"from": link.from, "to": link.to, "port": link.port, "state": state}))
        .collect();
    let new = path.with_extension("new");
    let text = json!({"version": 1, "links": rows}).to_string();
    // Where it cannot be written, what was there stays.
    let _stays = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, path));
}
