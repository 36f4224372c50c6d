//! `netwright lab`.

mod show;
mod tasks;

use std::path::{Path, PathBuf};

use netwright_dataplane::plan::{HostPlan, plan};
use netwright_lab::control;
use netwright_lab::{keeper, run as inside};

use crate::arguments::LabCommand;
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::network;

pub(super) fn run(command: &LabCommand, console: &mut Console) -> Result<Code, Failure> {
    match command {
        LabCommand::Up { file, lab, foreground } => up(file, &lab.name, *foreground, console),
        LabCommand::Exec { lab, instance, command } => exec(&lab.name, instance, command),
        LabCommand::Shell { lab, instance } => {
            let shell = std::env::var("SHELL").unwrap_or_default();
            let shell = if Path::new(&shell).is_file() { shell } else { "/bin/sh".to_owned() };
            exec(&lab.name, instance, &[shell])
        }
        LabCommand::Ps { lab, format } => {
            let rows = control::ps(&lab.name).map_err(told)?;
            let tasks = control::tasks(&lab.name).map_err(told)?;
            show::lab(&rows, &tasks, *format, console);
            Ok(Code::Pass)
        }
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
        LabCommand::Keeper { name, file, stay, bare } => {
            let mut inside = words(&["lab", "inside"]);
            if *bare {
                inside.push("--bare".to_owned());
            }
            inside.push(file.to_string_lossy().into_owned());
            keeper::keep(name, &inside, *stay);
            Ok(Code::Pass)
        }
        LabCommand::Inside { bare, file, keeper } => {
            keeper::inside(*keeper, &words(&["lab", "part"]), || planned(file, *bare));
            Ok(Code::Pass)
        }
        LabCommand::Part { part } => Err(Failure::usage(format!("a lab has no part {part}"), None)),
        LabCommand::Step { program, arguments } => {
            let (failure, status) = inside::become_command(program, arguments);
            console.error(&format!("error: {failure}\n"));
            Ok(Code::Passed(status))
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(super) fn told(failure: netwright_lab::failure::Failure) -> Failure {
    Failure::usage(failure.message, failure.help)
}

/// The plan of a description, in process 1; `bare` leaves its tasks out.
fn planned(file: &Path, bare: bool) -> Result<HostPlan, netwright_lab::failure::Failure> {
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
        plan.tasks.clear();
    }
    Ok(plan)
}

fn up(file: &Path, name: &str, foreground: bool, console: &mut Console) -> Result<Code, Failure> {
    // What is wrong with the file is told here, with its places.
    let input = network::open(file)?;
    for note in &input.notes {
        console.error(&format!("note: {note}\n"));
    }
    drop(input);
    let file: PathBuf = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let file = file
        .to_str()
        .ok_or_else(|| Failure::usage("the lab needs a file whose name is UTF-8", None))?;
    let mut arguments = words(&["lab", "keeper", name, file]);
    if foreground {
        arguments.push("--stay".to_owned());
    }
    let (ready, held) = keeper::up(&arguments, foreground).map_err(told)?;
    console.line(&format!(
        "lab {name} is up: {} namespaces and {} links in {} ms",
        ready.namespaces, ready.links, ready.milliseconds
    ));
    for what in &ready.left_out {
        let what = console.styled(Style::Doubt, &format!("not built: {what}"));
        console.line(&what);
    }
    let code = tasks::settled(name, ready.tasks, console)?;
    if let Some(held) = held {
        console.flush();
        held.wait();
    }
    Ok(code)
}

fn exec(lab: &str, instance: &str, command: &[String]) -> Result<Code, Failure> {
    let mut step = words(&["lab", "step", "--"]);
    step.extend(command.iter().cloned());
    Ok(Code::Passed(inside::exec(lab, instance, &step).map_err(told)?))
}
