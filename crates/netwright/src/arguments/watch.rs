//! Arguments of `watch`, and of the commands that ask who watches.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use netwright_watch::probe::target::duration;

use super::Format;

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The description.
    pub(crate) file: PathBuf,
    /// The lab that probes with a place of their own are asked in.
    #[arg(long, value_name = "NAME", default_value = netwright_lab::place::DEFAULT)]
    pub(crate) lab: String,
    /// Ask until the state of everything is known, show it, and end. Nothing is kept, nobody is told.
    #[arg(long)]
    pub(crate) once: bool,
    /// With `--once`: how long that may take.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s", requires = "once")]
    pub(crate) within: Duration,
    /// End after so long.
    #[arg(long = "for", value_name = "TIME", value_parser = duration, conflicts_with = "once")]
    pub(crate) lasts: Option<Duration>,
    /// Where `health`, `alerts`, `silence` and Prometheus ask; a free port of this machine unless given.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "once")]
    pub(crate) serve: Option<SocketAddr>,
    /// Tell somebody of alerts: webhook=URL, alertmanager=URL, or mail=smtp://RELAY,FROM,TO,… (smtp, smtps, smtp+starttls)
    #[arg(long, value_name = "RECEIVER", conflicts_with = "once")]
    pub(crate) notify: Vec<String>,
    /// How long alerts of a component wait for others, to be told together.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2s")]
    pub(crate) group_wait: Duration,
    /// After how long people are told again of what still fires.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "4h")]
    pub(crate) repeat: Duration,
    /// The server of a network that runs on hosts: their agents are asked, in the place of a lab, what has a place of its own. It is followed too.
    #[arg(long, value_name = "URL", conflicts_with = "lab")]
    pub(crate) server: Option<String>,
    /// File that holds the server's API key; without it the variable `NETWRIGHT_KEY`, where it is set.
    #[arg(long, env = "NETWRIGHT_KEY_FILE", hide_env_values = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// A server whose accepted changes stand beside alerts, and whose pools are measured; its key is that of `--server`.
    #[arg(long, value_name = "URL", conflicts_with = "once")]
    pub(crate) follow: Option<String>,
    /// TLS: a PEM file of authorities that are trusted beside the machine's, by probes and by what tells people.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Ask this name server, in the place of the machine's.
    #[arg(long, value_name = "ADDRESS", value_parser = super::probe::server)]
    pub(crate) resolver: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) place: StatePlace,
    /// How it is shown; JSON is a line for each event, and with `--once` one document.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    /// Ask for another process from inside this namespace: whom, it says on standard input.
    #[arg(long, hide = true)]
    pub(crate) at: Option<String>,
    /// From where, for `--at`.
    #[arg(long, hide = true)]
    pub(crate) from: Option<String>,
}

/// Where who watches keeps what is known.
#[derive(Debug, Clone, Args)]
pub(crate) struct StatePlace {
    /// Which watch, where a machine has several.
    #[arg(long, value_name = "NAME", default_value = "main", value_parser = name)]
    pub(crate) name: String,
    /// The folder that holds what is kept; as the system has it unless given.
    #[arg(long, value_name = "FOLDER", env = "NETWRIGHT_STATE", hide_env_values = true)]
    pub(crate) state: Option<PathBuf>,
}

/// Whom to ask.
#[derive(Debug, Clone, Args)]
pub(crate) struct Looking {
    #[command(flatten)]
    pub(crate) place: StatePlace,
    /// Ask here: the address that `watch` answers at. Found by its folder unless given.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Arguments of `started`.
#[derive(Debug, Args)]
pub(crate) struct Started {
    /// The service.
    pub(crate) service: String,
    /// It did not start.
    #[arg(long)]
    pub(crate) failed: bool,
    /// A dependency that does not work, and why.
    #[arg(long, value_name = "DEPENDENCY=WHY")]
    pub(crate) lacks: Vec<String>,
    /// A dependency that works. Where the service is ready and nothing is said, all of them do.
    #[arg(long, value_name = "DEPENDENCY")]
    pub(crate) works: Vec<String>,
    /// How long ago the start began; now unless given.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) ago: Option<Duration>,
    #[command(flatten)]
    pub(crate) looking: Looking,
}

/// Arguments of `capacity`.
#[derive(Debug, Args)]
pub(crate) struct Capacity {
    /// The description: what can be full.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) looking: Looking,
}

/// Arguments of `health`.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Only these: a name, which stands for its parts too, or a beginning and `*`.
    #[arg(default_value = "*")]
    pub(crate) component: String,
    /// At most so many, the worst first.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) looking: Looking,
}

/// Arguments of `alerts`.
#[derive(Debug, Args)]
pub(crate) struct Alerts {
    #[command(flatten)]
    pub(crate) looking: Looking,
}

/// Arguments of `silence`.
#[derive(Debug, Args)]
pub(crate) struct Silence {
    /// The things: a name, which stands for its parts too, or a beginning and `*`. Without it, and without --alert, what is silenced is listed.
    #[arg(value_name = "MATCHER", requires_all = ["lasts", "why"])]
    pub(crate) things: Option<String>,
    /// Only these alerts: a name, or a beginning and `*`.
    #[arg(long, value_name = "MATCHER", requires_all = ["lasts", "why"], conflicts_with = "maintenance")]
    pub(crate) alert: Option<String>,
    /// For how long.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(crate) lasts: Option<Duration>,
    /// In how long it begins; at once unless given.
    #[arg(long = "in", value_name = "TIME", value_parser = duration)]
    pub(crate) begins: Option<Duration>,
    /// Why, for those who wonder.
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: Option<String>,
    /// Who; the user of this machine unless given.
    #[arg(
        long,
        value_name = "NAME",
        env = "USER",
        hide_env_values = true,
        default_value = "somebody"
    )]
    pub(crate) who: String,
    /// The things are in maintenance: their state says so, and what depends on them is not judged.
    #[arg(long, requires = "things")]
    pub(crate) maintenance: bool,
    /// End one before its time, by its number.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["things", "alert"])]
    pub(crate) lift: Option<u64>,
    #[command(flatten)]
    pub(crate) looking: Looking,
}

fn name(text: &str) -> Result<String, String> {
    let fine = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    match text.len() {
        1..=64 if text.bytes().all(fine) && !text.starts_with('.') => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is no name of letters, digits, `-`, `_` and `.`")),
    }
}
