//! Arguments of `rehearse`.

use std::path::PathBuf;

use clap::Args;

use super::{Format, Hosts};

/// Arguments of `rehearse`.
#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    /// The network before the change.
    pub(crate) before: PathBuf,
    /// The network after it.
    pub(crate) after: PathBuf,
    /// What services may start without in an emergency, a kind or a name such as `database`: their starts are shown with that bypass too.
    #[arg(long, value_name = "DEPENDENCY")]
    pub(crate) emergency: Option<String>,
    /// The change is kept whatever it breaks, and what is to be done is told.
    #[arg(long)]
    pub(crate) keep: bool,
    /// How long a call may take, in milliseconds; less where the description says so.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub(crate) wait: u64,
    /// The name of the lab.
    #[arg(long, value_name = "NAME", default_value = "rehearsal")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) hosts: Hosts,
    /// How the report is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}
