//! `netwright lab`.

use std::path::{Path, PathBuf};

use netwright_lab::control::{self, Row};
use netwright_lab::{keeper, run as inside};
use serde_json::json;

use crate::arguments::{Format, LabCommand};
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
            show(&rows, *format, console);
            Ok(Code::Pass)
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
        LabCommand::Keeper { name, file, stay } => {
            let mut inside = words(&["lab", "inside"]);
            inside.push(file.to_string_lossy().into_owned());
            keeper::keep(name, &inside, *stay);
            Ok(Code::Pass)
        }
        LabCommand::Inside { file, keeper } => {
            keeper::inside(*keeper, || {
                let input = network::open(file).map_err(|_| {
                    netwright_lab::failure::Failure::new(format!(
                        "{} can be read no more, or not from the lab",
                        file.display()
                    ))
                })?;
                Ok(netwright_dataplane::plan::plan(&input.network))
            });
            Ok(Code::Pass)
        }
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
    if let Some(held) = held {
        console.flush();
        held.wait();
    }
    Ok(Code::Pass)
}

fn exec(lab: &str, instance: &str, command: &[String]) -> Result<Code, Failure> {
    let mut step = words(&["lab", "step", "--"]);
    step.extend(command.iter().cloned());
    Ok(Code::Passed(inside::exec(lab, instance, &step).map_err(told)?))
}

fn show(rows: &[Row], format: Format, console: &mut Console) {
    if format == Format::Json {
        let rows = rows.iter().map(|row| {
            let processes =
                row.processes.iter().map(|(pid, command)| json!({"pid": pid, "command": command}));
            json!({
                "name": row.name,
                "role": row.role,
                "addresses": row.addresses,
                "processes": processes.collect::<Vec<_>>(),
            })
        });
        console.json(&json!({"version": 1, "namespaces": rows.collect::<Vec<_>>()}));
        return;
    }
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default().max(9);
    let addresses: Vec<String> = rows.iter().map(|row| row.addresses.join(" ")).collect();
    let middle = addresses.iter().map(String::len).max().unwrap_or_default().max(9);
    let head =
        format!("{:<width$}  {:<11} {:<middle$}  PROCESSES", "NAMESPACE", "ROLE", "ADDRESSES");
    console.line(&head);
    for (row, addresses) in rows.iter().zip(addresses) {
        let processes: Vec<String> =
            row.processes.iter().map(|(pid, command)| format!("{pid} {command}")).collect();
        let line = format!(
            "{:<width$}  {:<11} {addresses:<middle$}  {}",
            row.name,
            row.role,
            processes.join("; ")
        );
        console.line(line.trim_end());
    }
}
