//! Arguments of `gameday`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Format, LabName, Remote};

/// Arguments of `gameday`.
#[derive(Debug, Args)]
pub(crate) struct Gameday {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: GamedayCommand,
}

/// What to do on a game day.
#[derive(Debug, Subcommand)]
pub(crate) enum GamedayCommand {
    /// Do an experiment: steady state, faults, detection, everything taken back, recovery, verdict.
    ///
    /// The lab of the network is started where none of that name runs; with `--server`, the hosts of a live network are broken. Ctrl-C takes everything back at once; so does the end of this program, however
    /// it ends. Ends with 0 where everything that was expected holds, 1 where something does not, 3 where something could not be found out.
    #[command(
        after_help = "Examples:\n  netwright gameday run backend-database\n  netwright gameday run backend-database --shorten 6s --seed 7\n  netwright gameday run backend-database --variant no-fencing\n  netwright gameday run experiment.yaml --network network.yaml --output runs/today\n  netwright gameday run experiment.yaml --server https://net-1.example:8180 --key-file key"
    )]
    Run(GamedayRun),
    /// Say what an experiment would do, and do nothing: which pairs would be cut, when, how much that is, what is protected.
    #[command(after_help = "Example:\n  netwright gameday plan backend-database")]
    Plan(GamedayPlan),
    /// Say what is broken now, in one lab or in all.
    Status {
        #[command(flatten)]
        lab: LabName,
        /// All labs of this user.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        live: GamedayServer,
        /// How the result is written.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Take everything back, whoever did it, and look whether anything is left.
    ///
    /// Ends with 1 where something is left.
    Stop(GamedayStop),
    /// List the scenarios that ship.
    List {
        /// How the result is written.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Check what clients saw of a system: nothing lost, nothing done twice, an order that explains what was read.
    ///
    /// Reads histories of Jepsen and its relatives (EDN, JSON), its logs against etcd, and Netwright's own; told apart by content. Ends with 0
    /// where the history is as the model says, 1 where it is not, 3 where it says too little or the search was not finished.
    #[command(
        after_help = "Examples:\n  netwright gameday check history.edn --model cas-register\n  netwright gameday check transactions.jsonl --model list-append --level snapshot-isolation\n  netwright gameday check history.jsonl --format junit > history.xml\n\nModels are listed in docs/guides/check-a-history.md and by an unknown one."
    )]
    Check(HistoryCheck),
    /// Show the report of a run; of several, how they compare over time.
    ///
    /// Ends with 0 where the run (of several, the latest) passed, 1 where it failed, 3 where that is unknown.
    #[command(
        after_help = "Examples:\n  netwright gameday report runs/2026-11-21/\n  netwright gameday report runs/2026-11-21/ --output report.html\n  netwright gameday report runs/*/ --output trend.html"
    )]
    Report(GamedayReport),
}

/// Arguments of `gameday run`.
#[derive(Debug, Args)]
pub(crate) struct GamedayRun {
    /// The experiment: a file of Netwright's or of the Chaos Toolkit, or the name of a scenario.
    pub(crate) experiment: String,
    /// The network; what the experiment names unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) network: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) lab: LabName,
    #[command(flatten)]
    pub(crate) live: GamedayServer,
    #[command(flatten)]
    pub(crate) changes: GamedayChanges,
    /// The folder that the journal, histories and report go to: it must not be there yet. `gameday-runs/` and the run's identifier unless given.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Arguments of `gameday plan`.
#[derive(Debug, Args)]
pub(crate) struct GamedayPlan {
    /// The experiment: a file of Netwright's or of the Chaos Toolkit, or the name of a scenario.
    pub(crate) experiment: String,
    /// The network; what the experiment names unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) network: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) changes: GamedayChanges,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// What a run changes of an experiment's file.
#[derive(Debug, Args)]
pub(crate) struct GamedayChanges {
    /// Another variant of the reference system: `correct`, or one that is wrong on purpose, as `no-fencing`.
    #[arg(long, value_name = "NAME")]
    pub(crate) variant: Option<String>,
    /// Let no step last longer, and watch no longer than a second before and after; turns are shortened with their step.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) shorten: Option<u64>,
    /// Draw how long steps last (half of the time written to all of it), pairs, turns and requests from this number.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
}

/// A duration in milliseconds.
fn duration(text: &str) -> Result<u64, String> {
    use netwright_model::scalar::{Duration, Scalar};
    Duration::parse_scalar(text).map(Duration::as_millis).map_err(|error| error.to_string())
}

/// Arguments of `gameday stop`.
#[derive(Debug, Args)]
pub(crate) struct GamedayStop {
    #[command(flatten)]
    pub(crate) lab: LabName,
    /// All labs of this user; on hosts, all faults in any case.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) live: GamedayServer,
}

/// The server of hosts with agents that are broken, in the place of a lab.
#[derive(Debug, Args)]
pub(crate) struct GamedayServer {
    /// Break hosts with agents through this server, in the place of a lab. It is never taken from the environment.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// File that holds the API key of an operator; without it the variable `NETWRIGHT_KEY`, where it is set.
    #[arg(long, env = "NETWRIGHT_KEY_FILE", hide_env_values = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Certificates (PEM) of who signed that of the server, where those of the public do not do.
    #[arg(long, env = "NETWRIGHT_CA_FILE", hide_env_values = true, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

impl GamedayServer {
    /// As other commands name it; none where a lab is broken.
    pub(crate) fn remote(&self) -> Option<Remote> {
        let (key_file, ca_file) = (self.key_file.clone(), self.ca_file.clone());
        let server = self.server.clone()?;
        Some(Remote { server, key_file, ca_file, timeout: ANSWER })
    }
}

/// How many seconds a server's answer is waited for: a lease must not end meanwhile by much.
const ANSWER: u64 = 10;

/// How a verdict about a history is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerdictFormat {
    /// For people.
    Text,
    /// For programs; see docs/json.md.
    Json,
    /// `JUnit` XML, for CI.
    Junit,
}

/// Arguments of `gameday check`.
#[derive(Debug, Args)]
pub(crate) struct HistoryCheck {
    /// The history; `-` for standard input.
    pub(crate) file: PathBuf,
    /// What the history has to be: cas-register, list-append, set, bank and others. Not needed where its operations leave no doubt.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// The level of isolation that transactions have to keep, as read-committed, snapshot-isolation, serializable.
    #[arg(
        long,
        visible_alias = "consistency-model",
        alias = "consistency-models",
        value_name = "NAME",
        default_value = "strict-serializable"
    )]
    pub(crate) level: String,
    /// What registers held at first, as EDN or JSON. Nothing, unless given; of Jepsen's histories nothing or 0.
    #[arg(long, value_name = "VALUE")]
    pub(crate) initial: Option<String>,
    /// What all accounts of a bank hold together. What the first read says, unless given.
    #[arg(
        long,
        value_name = "AMOUNT",
        visible_alias = "total-amount",
        allow_negative_numbers = true
    )]
    pub(crate) total: Option<i64>,
    /// Let accounts of a bank hold less than nothing.
    #[arg(long, visible_alias = "allow-negative-balances")]
    pub(crate) negative: bool,
    /// The history was broken off before everything was read, or queues were emptied: what is absent makes it unknown, and not invalid.
    #[arg(long)]
    pub(crate) unfinished: bool,
    /// Places that the search for an order looks at for each key, about 100 octets each, before it says unknown.
    #[arg(long, value_name = "PLACES", default_value_t = netwright_history::DEFAULT_BUDGET)]
    pub(crate) budget: usize,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: VerdictFormat,
}

/// Arguments of `gameday report`.
#[derive(Debug, Args)]
pub(crate) struct GamedayReport {
    /// Reports as JSON, or folders of runs that hold `report.json`.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// How the report is written; unless given, by the end of `--output`, or as text.
    #[arg(long, value_enum)]
    pub(crate) format: Option<PageFormat>,
    /// The file to write; standard output unless given.
    #[arg(long)]
    pub(crate) output: Option<PathBuf>,
    /// Only the verdict, the figures, and what stands against a pass.
    #[arg(long)]
    pub(crate) brief: bool,
}

/// How reports are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PageFormat {
    /// For people at a terminal.
    Text,
    /// For programs; see docs/json.md.
    Json,
    /// One page that opens from disk.
    Html,
}
