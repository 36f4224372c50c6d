//! Arguments of commands that read and change the network of a service.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use netwright_watch::probe::target::duration;

use super::{Format, Remote};

/// What goes with every change.
#[derive(Debug, Clone, Args)]
pub(crate) struct Wish {
    /// Write nothing: show the steps, what would break and whether it would be refused.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Why, for the history.
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: Option<String>,
    /// Land it although it is refused. The reason stands in the history.
    #[arg(long, value_name = "REASON")]
    pub(crate) force: Option<String>,
    /// Only while the network is at this revision.
    #[arg(long, value_name = "REVISION")]
    pub(crate) if_revision: Option<u64>,
    /// A key of your own by which the request is known when it is sent again: it is done once.
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Wait until every host that lives has it, or could not apply it: at most so many seconds, 60 unless given.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "60", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) wait: Option<u64>,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// Description, folder or export.
    pub(crate) file: PathBuf,
    /// Take away what the network has and the description lacks; without it that stays, and is named.
    #[arg(long)]
    pub(crate) prune: bool,
    /// With `--wait`: do not have the hosts ask with packets whether it is so.
    #[arg(long, requires = "wait")]
    pub(crate) no_probe: bool,
    /// With `--wait`: keep it although a host could not apply it, or its packets say otherwise than was proved.
    #[arg(long, requires = "wait")]
    pub(crate) keep_on_failure: bool,
    /// With `--wait`: keep it only when each dependency of the services was used by a fresh start, and take it back where one broke; wait so long for that.
    ///
    /// Who watches (`netwright watch`) is told of starts (`netwright started`), and watches on when the time is over.
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "wait", conflicts_with = "dry_run")]
    pub(crate) watch: Option<Duration>,
    /// With `--watch`: who watches; the watch of this machine unless given.
    #[arg(long, value_name = "URL", requires = "watch")]
    pub(crate) watcher: Option<String>,
    #[command(flatten)]
    pub(crate) wish: Wish,
}

/// Arguments of `get`.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// A part of the network (filters), or an object (filters/web); all of it unless given.
    pub(crate) object: Option<String>,
    /// As it was at this revision.
    #[arg(long, value_name = "REVISION")]
    pub(crate) revision: Option<u64>,
    /// How the result is written: YAML, or JSON with the revision.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Arguments of `history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The change that made this revision, with its edits; all changes unless given.
    pub(crate) revision: Option<u64>,
    /// Changes from this revision on.
    #[arg(long, value_name = "REVISION", conflicts_with = "revision")]
    pub(crate) from: Option<u64>,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The revision to go back to, as `history` lists it.
    pub(crate) revision: u64,
    #[command(flatten)]
    pub(crate) wish: Wish,
}
