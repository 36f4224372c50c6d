//! Arguments of hosts: their agents, and how far they are.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::Args;

use super::{Format, Remote, StoreArguments};

/// Arguments of `agent`.
#[derive(Debug, Args)]
pub(crate) struct Agent {
    /// The host's name, unlike those of the others; the machine's unless given.
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
    /// The address at which the other hosts reach it.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "remove")]
    pub(crate) underlay: Option<Ipv4Addr>,
    /// Something to be said of the host, as KEY=VALUE.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    /// The folder in which it keeps namespaces and what it applied. It must not outlive a boot.
    #[arg(long, value_name = "FOLDER", default_value = "/run/netwright/agent")]
    pub(crate) run_dir: PathBuf,
    /// How often the whole data plane is read back, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) check: u64,
    /// Take everything off this host and say that it has gone, in the place of running.
    #[arg(long)]
    pub(crate) remove: bool,
    /// Send the API key to the server also without TLS: the way there is nobody else's.
    #[arg(long)]
    pub(crate) clear: bool,
    /// With `--store`: a server that tells what `netwright watch` wants to know from this host's machines. All else comes from the store, also while that server is
    /// away.
    #[arg(long, value_name = "URL", requires = "store")]
    pub(crate) errands: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a label is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Arguments of `observe`.
#[derive(Debug, Args)]
pub(crate) struct Observe {
    /// Ask only the flows of this intent; may be given several times.
    #[arg(long = "intent", value_name = "NAME", conflicts_with = "pairs")]
    pub(crate) intents: Vec<String>,
    /// Ask an echo between each two machines, in the place of the intents.
    #[arg(long)]
    pub(crate) pairs: bool,
    /// Show also what was seen as it was proved.
    #[arg(long)]
    pub(crate) all: bool,
    /// How long to wait for the hosts, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) within: u64,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Arguments of `system`.
#[derive(Debug, Args)]
pub(crate) struct System {
    /// Who reaches whom: as is proved, and as hosts saw when they were asked last (`netwright observe`).
    #[arg(long)]
    pub(crate) connectivity: bool,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Arguments of `convergence`.
#[derive(Debug, Args)]
pub(crate) struct Convergence {
    /// The revision; the newest unless given.
    #[arg(long, value_name = "REVISION")]
    pub(crate) revision: Option<u64>,
    /// Wait until every host that lives has this revision, or the newest, or could not apply it.
    #[arg(long, value_name = "REVISION", conflicts_with = "revision", num_args = 0..=1, require_equals = true)]
    pub(crate) wait: Option<Option<u64>>,
    /// How long to wait, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) within: u64,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) remote: Remote,
}
