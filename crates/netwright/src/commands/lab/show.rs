//! What a lab holds, for people and for programs.

use netwright_lab::control::Row;
use netwright_lab::tasks::{State, TaskRow};
use netwright_lab::tunnel::Tunnel;
use serde_json::{Value, json};

use crate::arguments::Format;
use crate::console::{Console, Style};
use crate::table::table;

/// Writes what a lab holds.
pub(super) fn lab(
    rows: &[Row],
    tasks: &[TaskRow],
    tunnels: &[Tunnel],
    format: Format,
    console: &mut Console,
) {
    if format == Format::Json {
        let rows: Vec<Value> = rows.iter().map(row).collect();
        let tasks: Vec<Value> = tasks.iter().map(task).collect();
        console.json(&json!({
            "version": 1, "namespaces": rows, "tasks": tasks, "tunnels": tunnels,
        }));
        return;
    }
    let spread = rows.iter().any(|row| row.host.is_some());
    let all = rows.iter().map(|row| {
        let processes: Vec<String> =
            row.processes.iter().map(|(pid, command)| format!("{pid} {command}")).collect();
        let (addresses, processes) = (row.addresses.join(" "), processes.join("; "));
        let host = row.host.as_deref().map_or("-", |host| host.trim_start_matches("host/"));
        [row.name.clone(), row.role.clone(), host.to_owned(), addresses, processes]
    });
    let all: Vec<[String; 5]> = all.collect();
    if spread {
        let head = ["NAMESPACE", "ROLE", "HOST", "ADDRESSES", "PROCESSES"];
        table(head, &all, console, |_| None);
    } else {
        let all: Vec<[String; 4]> = all
            .into_iter()
            .map(|[name, role, _, addresses, processes]| [name, role, addresses, processes])
            .collect();
        table(["NAMESPACE", "ROLE", "ADDRESSES", "PROCESSES"], &all, console, |_| None);
    }
    if !tasks.is_empty() {
        console.line("");
        list(tasks, console);
    }
    if !tunnels.is_empty() {
        console.line("");
        let all = tunnels.iter().map(|tunnel| {
            let state = if tunnel.up { "up".to_owned() } else { tunnel.wrong.join("; ") };
            [tunnel.name.clone(), state, tunnel.made.clone().unwrap_or_else(|| "-".to_owned())]
        });
        let all: Vec<[String; 3]> = all.collect();
        table(["TUNNEL", "STATE", "MADE BY"], &all, console, |at| {
            (!tunnels[at].up).then_some(Style::Bad)
        });
    }
}

/// The tasks as a table.
fn list(tasks: &[TaskRow], console: &mut Console) {
    let all = tasks.iter().map(|task| {
        let uptime = task.uptime.map_or_else(|| "-".to_owned(), span);
        let last = task.last.as_ref().map(|last| format!("  (last: {last})")).unwrap_or_default();
        [
            task.namespace.clone(),
            task.name.clone(),
            task.state.word().to_owned(),
            task.restarts.to_string(),
            uptime,
            format!("{}{last}", task.what),
        ]
    });
    let head = ["NAMESPACE", "TASK", "STATE", "RESTARTS", "UPTIME", "WHAT"];
    table(head, &all.collect::<Vec<_>>(), console, |at| match tasks[at].state {
        State::Ready | State::Ended => None,
        State::Failed => Some(Style::Bad),
        State::Starting | State::Waiting | State::Stopping | State::Held => Some(Style::Doubt),
    });
}

/// A time as people say it.
fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

fn row(row: &Row) -> Value {
    let processes: Vec<Value> = row
        .processes
        .iter()
        .map(|(pid, command)| json!({"pid": pid, "command": command}))
        .collect();
    json!({
        "name": row.name,
        "role": row.role,
        "addresses": row.addresses,
        "host": row.host,
        "processes": processes,
    })
}

fn task(task: &TaskRow) -> Value {
    json!({
        "namespace": task.namespace,
        "name": task.name,
        "what": task.what,
        "state": task.state.word(),
        "restarts": task.restarts,
        "uptime_ms": task.uptime,
        "last": task.last,
    })
}
