//! Processes that run in the namespaces of a plan: the commands that instances name, and parts of this program that stand in for what
//! a cloud provides.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use netwright_model::language::{Command, EndpointKind, RestartPolicy};
use serde::{Deserialize, Serialize};

use super::build::Build;

/// How long a process runs until it counts as ready, where nothing else is said, in milliseconds.
const SETTLED: u64 = 500;

/// A process that runs in a namespace for as long as the plan holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its name, unique in its namespace.
    pub name: String,
    /// The namespace's name.
    pub namespace: String,
    /// What runs.
    pub what: What,
    /// When it is started again.
    pub restart: Restart,
    /// When it counts as ready: when all of these hold.
    pub ready: Vec<Ready>,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A command of the shell.
    Exec {
        /// As `/bin/sh -c` reads it.
        command: String,
    },
    /// A part of this program, in a process of its own.
    Part {
        /// Which: the word by which the program knows it.
        part: String,
        /// What it is to do, given to it on its standard input.
        settings: String,
        /// It takes other settings while it runs: it finds them at the beginning of its standard input when it gets SIGHUP.
        #[serde(default)]
        follows: bool,
    },
}

/// When a process that has ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restart {
    /// However it ended.
    Always,
    /// Where it ended with another status than 0, or by a signal.
    OnFailure,
    /// Never.
    Never,
}

/// A sign that a process is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ready {
    /// Something listens on a TCP or UDP port in its namespace.
    Listens {
        /// The protocol's number: 6 or 17.
        protocol: u8,
        /// The port.
        port: u16,
    },
    /// It has told the lab that it does what it is for: an end of a tunnel, that it hears the other one.
    Reports,
    /// A command of the shell ends with 0.
    Succeeds {
        /// As `/bin/sh -c` reads it.
        command: String,
    },
    /// It has run for this long, in milliseconds.
    Runs {
        /// How long.
        milliseconds: u64,
    },
}

impl Task {
    /// A part of this program, always kept running, ready when it has run for half a second.
    #[must_use]
    pub fn part(namespace: &str, name: &str, part: &str, settings: String) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            what: What::Part { part: part.to_owned(), settings, follows: false },
            restart: Restart::Always,
            ready: vec![Ready::Runs { milliseconds: SETTLED }],
        }
    }

    /// With another sign of being ready.
    #[must_use]
    pub fn ready_when(mut self, ready: Ready) -> Self {
        self.ready = vec![ready];
        self
    }

    /// A part that takes other settings while it runs.
    #[must_use]
    pub fn following(mut self) -> Self {
        if let What::Part { follows, .. } = &mut self.what {
            *follows = true;
        }
        self
    }

    /// The settings that a running process of this task takes to do what another says; `None` where it must be started anew.
    #[must_use]
    pub fn followed_by<'t>(&self, other: &'t Self) -> Option<&'t str> {
        let What::Part { part, follows: true, .. } = &self.what else { return None };
        let What::Part { part: theirs, settings, follows: true } = &other.what else { return None };
        let same = (self.key(), self.restart) == (other.key(), other.restart)
            && part == theirs
            && self.ready == other.ready;
        same.then_some(settings)
    }

    /// What tells a task from the others: its namespace and its name.
    #[must_use]
    pub fn key(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec { command } => write!(f, "runs `{}`", command.escape_debug()),
            Self::Part { part, .. } => f.write_str(part),
        }
    }
}

/// The commands that instances name.
pub(super) fn commands(build: &mut Build<'_>) {
    let network = build.network;
    for (name, instance) in network.description.instances.iter() {
        let runs = instance.running.as_ref().is_none_or(|running| running.value);
        if instance.exec.is_empty() || !runs {
            continue;
        }
        let namespace = format!("{}/{}", EndpointKind::Instance.word(), name.value);
        if build.get(&namespace).is_none() {
            build.leave_out(format!("commands of {}: it has no interface", name.value));
            continue;
        }
        let mut names = BTreeSet::new();
        for exec in &instance.exec {
            let wanted = task_name(&exec.0);
            let numbered = (2..).map(|number: u32| format!("{wanted}-{number}"));
            let mut all = std::iter::once(wanted.clone()).chain(numbered);
            let name = all.find(|name| !names.contains(name)).unwrap_or_else(|| wanted.clone());
            names.insert(name.clone());
            build.task(command(&namespace, name, &exec.0));
        }
    }
}

/// As given, or the program's.
fn task_name(command: &Command) -> String {
    if let Some(name) = &command.name {
        return name.value.clone();
    }
    let program = command.run.value.split_whitespace().next().unwrap_or("command");
    let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or(program);
    name.chars().take(32).collect()
}

fn command(namespace: &str, name: String, command: &Command) -> Task {
    let restart = match command.restart.as_ref().map(|restart| restart.value).unwrap_or_default() {
        RestartPolicy::OnFailure => Restart::OnFailure,
        RestartPolicy::Always => Restart::Always,
        RestartPolicy::Never => Restart::Never,
    };
    let mut ready = Vec::new();
    if let Some(after) = &command.ready.after {
        ready.push(Ready::Runs { milliseconds: after.value.as_millis() });
    }
    if let Some(service) = command.ready.port.as_ref().map(|port| port.value)
        && let (Some(protocol @ (6 | 17)), Some(port)) = (service.protocol(), service.first_port())
    {
        ready.push(Ready::Listens { protocol, port });
    }
    if let Some(command) = &command.ready.command {
        ready.push(Ready::Succeeds { command: command.value.clone() });
    }
    if ready.is_empty() {
        ready.push(Ready::Runs { milliseconds: SETTLED });
    }
    let what = What::Exec { command: command.run.value.clone() };
    Task { name, namespace: namespace.to_owned(), what, restart, ready }
}
