//! `netwright lab`.

pub(super) mod call;
mod fleet;
pub(super) mod follow;
mod link;
mod parts;
mod show;
mod stats;
mod tasks;

use std::path::{Path, PathBuf};
use std::time::Instant;

use netwright_dataplane::plan::hosts::spread;
use netwright_dataplane::plan::{HostPlan, PARTS, What, plan};
use netwright_lab::control;
use netwright_lab::interrupt::Interrupt;
use netwright_lab::{keeper, run as inside};

use crate::arguments::{Format, Hosts, LabCommand};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::network;
use follow::Follow;

pub(super) fn run(command: &LabCommand, console: &mut Console) -> Result<Code, Failure> {
    match command {
        LabCommand::Up { file, lab, hosts, foreground, watch } => {
            up(file, (&lab.name, *hosts), (*foreground || *watch, *watch), console)
        }
        LabCommand::Fleet { file, lab, hosts } => {
            fleet::up(file.as_deref(), (lab, *hosts), console)
        }
        LabCommand::Apply { file, lab } => {
            let input = network::open(file)?;
            apply(&lab.name, &plan(&input.network), console)
        }
        LabCommand::Exec { lab, instance, command } => exec(&lab.name, instance, command),
        LabCommand::Shell { lab, instance } => exec(&lab.name, instance, &[shell()]),
        LabCommand::Ps { lab, format } => {
            let rows = control::ps(&lab.name).map_err(told)?;
            let tasks = control::tasks(&lab.name).map_err(told)?;
            let tunnels = control::tunnels(&lab.name).map_err(told)?;
            show::lab(&rows, &tasks, &tunnels, *format, console);
            Ok(Code::Pass)
        }
        LabCommand::Stats { lab, namespace, all, format } => {
            let counters = control::counters(&lab.name).map_err(told)?;
            stats::show(&counters, (namespace.as_deref(), *all), *format, console)
        }
        LabCommand::Link(arguments) => link::run(arguments, console),
        LabCommand::Logs { lab, instance, follow } => {
            tasks::logs(&lab.name, instance.as_deref(), *follow, console)
        }
        LabCommand::Check { lab } => {
            let deviations = control::check(&lab.name).map_err(told)?;
            for what in &deviations {
                console.line(what);
            }
            Ok(if deviations.is_empty() { Code::Pass } else { Code::Fail })
        }
        LabCommand::Down { lab } => {
            control::down(&lab.name).map_err(told)?;
            Ok(Code::Pass)
        }
        LabCommand::Keeper { name, file, stay, bare, fleet, hosts } => {
            let inside = inside_words(file, *hosts, [(*fleet, "--fleet"), (*bare, "--bare")]);
            Ok(if keeper::keep(name, &inside, *stay) { Code::Pass } else { Code::Fail })
        }
        LabCommand::Inside { bare, fleet, hosts, file, keeper } => {
            let plan = || match fleet {
                true => Ok(fleet::plan(usize::from(hosts.hosts))),
                false => planned(file, *bare, *hosts),
            };
            keeper::inside(*keeper, &part(), plan);
            Ok(Code::Pass)
        }
        LabCommand::Call { lab, service, dependency, wait, format } => {
            let (service, dependency) = (service.as_deref(), dependency.as_deref());
            let calls = call::make(&lab.name, service, dependency, *wait)?;
            match format {
                Format::Text => call::text(&calls, console),
                Format::Json => console.json(&call::document(&calls)),
            }
            Ok(call::code(&calls))
        }
        LabCommand::Part { part } => parts::run(part, console),
        LabCommand::Step { program, arguments } => {
            let (failure, status) = inside::become_command(program, arguments);
            console.error(&format!("error: {failure}\n"));
            Ok(Code::Passed(status))
        }
    }
}

/// The shell of who asks, where it is on this machine.
fn shell() -> String {
    let shell = std::env::var("SHELL").unwrap_or_default();
    if Path::new(&shell).is_file() { shell } else { "/bin/sh".to_owned() }
}

/// The words with which this program becomes process 1 of a lab.
fn inside_words(file: &Path, hosts: Hosts, flags: [(bool, &str); 2]) -> Vec<String> {
    let mut inside = words(&["lab", "inside"]);
    inside.extend(hosts.words());
    inside.extend(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| (*flag).to_owned()));
    inside.push(file.to_string_lossy().into_owned());
    inside
}

/// The words with which this program becomes a part of itself; the part's name follows them.
pub(super) fn part() -> Vec<String> {
    words(&["lab", "part"])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(super) fn told(failure: netwright_lab::failure::Failure) -> Failure {
    Failure::usage(failure.message, failure.help)
}

/// The plan of a description, in process 1; `bare` leaves out the commands of instances, and what stands in for others.
fn planned(
    file: &Path,
    bare: bool,
    hosts: Hosts,
) -> Result<HostPlan, netwright_lab::failure::Failure> {
    let input = network::open(file).map_err(|_| {
        netwright_lab::failure::Failure::new(format!(
            "{} can be read no more, or not from the lab",
            file.display()
        ))
    })?;
    // Commands run in the folder of the description.
    let folder = if file.is_dir() { Some(file) } else { file.parent() };
    let _where_it_is = folder.map(std::env::set_current_dir);
    let mut plan = plan(&input.network);
    if bare {
        plan.tasks.retain(
            |task| matches!(&task.what, What::Part { part, .. } if !PARTS.contains(&part.as_str())),
        );
    }
    let count = usize::from(hosts.hosts);
    Ok(if count > 1 { spread(plan, count) } else { plan })
}

impl Hosts {
    /// The same as words of a command.
    pub(super) fn words(self) -> [String; 2] {
        ["--hosts".to_owned(), self.hosts.to_string()]
    }
}

/// Starts a lab of a description, or of hosts for a fleet, and tells how it came up; with `stay`, it ends with the handle.
pub(super) fn start(
    file: &Path,
    (name, hosts, fleet): (&str, Hosts, bool),
    (stay, interrupt): (bool, Option<&Interrupt>),
    console: &mut Console,
) -> Result<(Code, Option<keeper::Held>), Failure> {
    let file: PathBuf = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let file = file
        .to_str()
        .ok_or_else(|| Failure::usage("the lab needs a file whose name is UTF-8", None))?;
    let mut arguments = words(&["lab", "keeper", name, file]);
    arguments.extend(hosts.words());
    if fleet {
        arguments.push("--fleet".to_owned());
    }
    if stay {
        arguments.push("--stay".to_owned());
    }
    let (ready, held) = keeper::up_unless(&arguments, stay, interrupt).map_err(told)?;
    console.line(&format!(
        "lab {name} is up: {} namespaces and {} links in {} ms",
        ready.namespaces, ready.links, ready.milliseconds
    ));
    not_built(&ready.left_out, console);
    let code = tasks::settled(name, ready.tasks, console)?;
    Ok((code, held))
}

fn not_built(left_out: &[String], console: &mut Console) {
    for what in left_out {
        let what = console.styled(Style::Doubt, &format!("not built: {what}"));
        console.line(&what);
    }
}

fn up(
    file: &Path,
    (name, hosts): (&str, Hosts),
    (stay, watch): (bool, bool),
    console: &mut Console,
) -> Result<Code, Failure> {
    let mut follow = Follow::new(file);
    // What is wrong with the file is told here, with its places.
    let input = network::open(file)?;
    for note in &input.notes {
        console.error(&format!("note: {note}\n"));
    }
    drop(input);
    let interrupt = if stay { Some(Interrupt::watch(name).map_err(told)?) } else { None };
    let (code, held) = match start(file, (name, hosts, false), (stay, interrupt.as_ref()), console)
    {
        Err(_) if interrupt.as_ref().is_some_and(Interrupt::asked) => return Ok(Code::Pass),
        other => other?,
    };
    let Some(held) = held else { return Ok(code) };
    console.flush();
    while watch && !held.ended_within(follow::LOOK) {
        if follow.changed(Instant::now()) {
            match network::open(file) {
                Ok(input) => {
                    // What the kernel refuses is told; the next edit may be better.
                    if let Err(failure) = apply(name, &plan(&input.network), console) {
                        failure.report(console);
                    }
                }
                Err(failure) => {
                    failure.report(console);
                    console.error(STAYS);
                }
            }
            console.flush();
        }
    }
    held.wait().map_err(told)?;
    Ok(code)
}

/// What is told where an edit cannot be read.
pub(super) const STAYS: &str = "the lab stays as it was\n";

/// Brings a running lab to a plan and tells what that changed.
pub(super) fn apply(name: &str, plan: &HostPlan, console: &mut Console) -> Result<Code, Failure> {
    let changed = control::apply(name, plan).map_err(told)?;
    if changed.changes.is_empty() {
        console.line("nothing of the lab changes");
        return Ok(Code::Pass);
    }
    for what in &changed.changes {
        console.line(&format!("  {what}"));
    }
    let count = match changed.changes.len() {
        1 => "1 change".to_owned(),
        several => format!("{several} changes"),
    };
    console.line(&format!("{count} applied in {} ms", changed.milliseconds));
    not_built(&changed.left_out, console);
    tasks::settled(name, changed.tasks, console)
}

fn exec(lab: &str, instance: &str, command: &[String]) -> Result<Code, Failure> {
    let mut step = words(&["lab", "step", "--"]);
    step.extend(command.iter().cloned());
    Ok(Code::Passed(inside::exec(lab, instance, &step).map_err(told)?))
}
