//! Arguments of `store`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Format, StoreArguments};

/// Arguments of `store`.
#[derive(Debug, Args)]
pub(crate) struct StoreOf {
    /// What to do with the store.
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

/// What to do with a store.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Tell its engine, its revision and its members.
    Status {
        #[command(flatten)]
        store: StoreArguments,
        /// How the result is written.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Write all that a network keeps as lines of JSON, as of one revision, while servers go on.
    ///
    /// It holds hashes of API keys and who did what: the file is for its owner only.
    Export {
        /// The file; standard output unless given. It is there once it is whole.
        file: Option<PathBuf>,
        #[command(flatten)]
        store: StoreArguments,
    },
    /// Read what `export` wrote into an empty store, with the revisions that it had. No server may run meanwhile.
    ///
    /// The whole file is looked through first: one that is cut off or damaged changes nothing.
    Import {
        /// The file.
        file: PathBuf,
        /// Take away what the store holds of this network first.
        #[arg(long)]
        replace: bool,
        /// Where the store is past the revisions of the file: give new ones. Links to revisions, as of history and snapshots, then lead elsewhere.
        #[arg(long)]
        new_revisions: bool,
        #[command(flatten)]
        store: StoreArguments,
    },
}
