//! A program that makes the operations of a workload.

use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use serde_json::{Value, json};

use crate::language::Workload;
use crate::run::Setting;
use crate::run::activity::namespace;
use crate::run::watch::Watched;

/// How long a program may take to end when it was asked to.
const ENDS: Duration = Duration::from_secs(20);

/// A program that makes the operations and writes the history itself.
pub(super) fn run(
    setting: &Setting<'_>,
    (number, work): (usize, &Workload),
    (file, watched): (&str, &Watched),
    over: &AtomicBool,
) -> Result<(), String> {
    let run = work.run.as_ref().ok_or("there is no program")?;
    let from = namespace(setting, &work.from.value)?;
    let links = setting.folder.join("links.json");
    let (program, rest) = setting.exec.split_first().ok_or("there is no way into the lab")?;
    let log = File::create(setting.folder.join(format!("workload-{number}.log")))
        .map_err(|error| error.to_string())?;
    let errors = log.try_clone().map_err(|error| error.to_string())?;
    tell_links(watched, &links);
    let mut child = Command::new(program)
        .args(rest)
        .args([&from, "--", "/bin/sh", "-c", &format!("exec {}", run.value)])
        .env("NETWRIGHT_HISTORY", setting.folder.join(file))
        .env("NETWRIGHT_LINKS", &links)
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
        let states = watched.states();
        if states != known {
            tell_links(watched, &links);
            known = states;
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
