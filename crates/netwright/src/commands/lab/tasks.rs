//! Tasks of a lab: whether they came up, and what they wrote.

use std::time::{Duration, Instant};

use netwright_lab::control;
use netwright_lab::tasks::{Line, State, TaskRow};

use super::told;
use crate::console::{Code, Console, Style};
use crate::failure::Failure;

/// How long tasks may take to be ready until those that are not are told.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long to wait for the next line, in milliseconds: also how often is looked whether tasks are ready.
const LOOK: u64 = 100;
/// How long a lab waits for a line at a time where it is followed, in milliseconds.
const FOLLOW: u64 = 5_000;
/// Lines that are shown of a task that did not come up.
const SHOWN: usize = 5;

/// Waits until tasks are ready, ended as they may, or died, and tells those that are not as they should be.
pub(super) fn settled(lab: &str, count: u64, console: &mut Console) -> Result<Code, Failure> {
    if count == 0 {
        return Ok(Code::Pass);
    }
    console.flush();
    let begun = Instant::now();
    let mut after = 0;
    let tasks = loop {
        let tasks = control::tasks(lab).map_err(told)?;
        let waits = |task: &TaskRow| match task.state {
            State::Starting => task.restarts == 0,
            State::Stopping => true,
            State::Ready | State::Waiting | State::Ended | State::Failed | State::Held => false,
        };
        if !tasks.iter().any(waits) || begun.elapsed() > PATIENCE {
            break tasks;
        }
        // Nothing but a wait that ends when something happens.
        after = control::logs(lab, None, after, LOOK).map_err(told)?.last;
    };
    let fine = |task: &&TaskRow| matches!(task.state, State::Ready | State::Ended);
    let wrong: Vec<&TaskRow> = tasks.iter().filter(|task| !fine(task)).collect();
    for task in &wrong {
        let text = match (&task.last, task.state) {
            (Some(last), _) => last.clone(),
            (None, _) => "is not ready".to_owned(),
        };
        let state = match task.state {
            State::Failed => "not started again",
            State::Waiting | State::Starting if task.restarts > 0 => "being started again",
            _ => "still waited for",
        };
        let line = format!("{} {} {text}: {}; {state}", task.namespace, task.name, task.what);
        let line = console.styled(Style::Bad, &line);
        console.line(&line);
        let lines = control::logs(lab, Some(&task.namespace), 0, 0).map_err(told)?.lines;
        let own = |line: &&Line| line.task == task.name && !line.text.starts_with("-- ");
        let own: Vec<&Line> = lines.iter().filter(own).collect();
        for line in &own[own.len().saturating_sub(SHOWN)..] {
            console.line(&format!("    {}", line.text));
        }
    }
    if wrong.is_empty() {
        console.line(&match count {
            1 => "1 task is up".to_owned(),
            _ => format!("{count} tasks are up"),
        });
        return Ok(Code::Pass);
    }
    console.line("`netwright lab ps` and `netwright lab logs` tell more");
    Ok(Code::Fail)
}

/// Writes what tasks wrote.
pub(super) fn logs(
    lab: &str,
    instance: Option<&str>,
    follow: bool,
    console: &mut Console,
) -> Result<Code, Failure> {
    let (mut after, mut first) = (0, true);
    loop {
        let wait = if follow && !first { FOLLOW } else { 0 };
        let lines = match control::logs(lab, instance, after, wait) {
            // The lab has ended while it was followed.
            Err(_) if !first => return Ok(Code::Pass),
            other => other.map_err(told)?,
        };
        first = false;
        if lines.dropped {
            console.error("note: older lines are no more kept\n");
        }
        for line in &lines.lines {
            let seconds = format!("{:>5}.{:03}", line.at / 1000, line.at % 1000);
            let head = format!("{seconds} {} {} ", line.namespace, line.task);
            let head = console.styled(Style::Dim, &head);
            console.line(&format!("{head}{}", line.text));
        }
        console.flush();
        // An answer has a bound: what it left out is asked for at once.
        let more = !lines.lines.is_empty() && lines.last > after;
        after = lines.last;
        if !follow && !more {
            return Ok(Code::Pass);
        }
    }
}
