//! `netwright gameday`.

mod check;
mod hosts;
mod live;
mod panel;
mod plan;
mod report;
mod run;
mod status;

use std::path::{Path, PathBuf};

use netwright_dataplane::plan::HostPlan;
use netwright_gameday::change::Changes;
use netwright_gameday::plan::Plan;
use netwright_gameday::scenarios::{FOLDER, SCENARIOS, named};
use netwright_gameday::{load, plan as planned};
use netwright_model::suggest::nearest;

use crate::arguments::{GamedayChanges, GamedayCommand};
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::network;

pub(super) fn run(command: &GamedayCommand, console: &mut Console) -> Result<Code, Failure> {
    match command {
        GamedayCommand::Run(arguments) => match arguments.live.remote() {
            Some(remote) => hosts::run(arguments, &remote, console),
            None => run::run(arguments, console),
        },
        GamedayCommand::Plan(arguments) => plan::run(arguments, console),
        GamedayCommand::Status { lab, all, live, format } => match live.remote() {
            Some(remote) => hosts::status(&remote, *format, console),
            None => status::status(&lab.name, *all, *format, console),
        },
        GamedayCommand::Stop(arguments) => match arguments.live.remote() {
            Some(remote) => hosts::stop(&remote, console),
            None => status::stop(arguments, console),
        },
        GamedayCommand::List { format } => Ok(status::list(*format, console)),
        GamedayCommand::Check(arguments) => check::run(arguments, console),
        GamedayCommand::Report(arguments) => report::run(arguments, console),
    }
}

/// An experiment that was planned, with what it was read from.
#[derive(Debug)]
struct Opened {
    plan: Plan,
    /// The plan of the lab.
    host: HostPlan,
    /// The experiment's file, or the name of a scenario.
    name: String,
    text: String,
    /// The folder that it is in.
    home: PathBuf,
    network: PathBuf,
}

/// The folder that a scenario's network is named from: that of the scenarios, here or above.
fn scenarios_folder() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|above| above.join(FOLDER)).find(|folder| folder.is_dir())
}

/// Reads and plans an experiment: a file, or a scenario by its name.
fn open(
    experiment: &str,
    network: Option<&Path>,
    changes: &GamedayChanges,
) -> Result<Opened, Failure> {
    let file = Path::new(experiment);
    let (text, folder) = if file.is_file() {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("{experiment}: {error}"), None))?;
        (text, file.parent().map(Path::to_path_buf))
    } else if let Some(scenario) = named(experiment) {
        (scenario.text.to_owned(), scenarios_folder())
    } else {
        let names = SCENARIOS.iter().map(|scenario| scenario.name);
        let help = match nearest(experiment, names) {
            Some(near) => format!("did you mean {near}?"),
            None => "`netwright gameday list` lists the scenarios".to_owned(),
        };
        let message = format!("{experiment} is neither a file nor a scenario");
        return Err(Failure::usage(message, Some(help)));
    };
    let mut sources = netwright_model::source::Sources::default();
    let mut read = match load::parse(file, &text, &mut sources, &|name| std::env::var(name).ok()) {
        Ok(read) => read,
        Err(diagnostics) => return Err(Failure::Input { diagnostics, sources }),
    };
    let GamedayChanges { variant, shorten, seed } = changes;
    let changes = Changes { variant: variant.clone(), shorten: *shorten, seed: *seed };
    changes.apply(&mut read).map_err(|why| Failure::usage(why, None))?;
    let path = match (network, &read.network, &folder) {
        (Some(network), ..) => network.to_owned(),
        (None, Some(network), Some(folder)) => folder.join(&network.value),
        (None, Some(_), None) => {
            let message = "the network of a scenario is found in a copy of the project only";
            return Err(Failure::usage(message, Some("name yours: `--network FILE`".to_owned())));
        }
        (None, None, _) => {
            let message = "the experiment names no network";
            return Err(Failure::usage(message, Some("name it: `--network FILE`".to_owned())));
        }
    };
    let input = network::open(&path)?;
    let host = netwright_dataplane::plan::plan(&input.network);
    match planned::plan(read, &input.network, &host) {
        Ok(plan) => {
            let (name, home) = (experiment.to_owned(), folder.unwrap_or_default());
            Ok(Opened { plan, host, name, text, home, network: path })
        }
        Err(diagnostics) => Err(Failure::Input { diagnostics, sources }),
    }
}
