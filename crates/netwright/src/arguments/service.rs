//! Arguments of the service, and of commands that ask one.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Format;

/// Where the network is kept.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoreArguments {
    /// Where the network is kept: `file:PATH`, `etcd://HOST:PORT,…` or `etcds://…`; a file in the state folder unless given.
    #[arg(
        long,
        global = true,
        env = "NETWRIGHT_STORE",
        hide_env_values = true,
        value_name = "ADDRESS"
    )]
    pub(crate) store: Option<String>,
    /// Where a server keeps files of its own; `STATE_DIRECTORY` as systemd sets it, or ~/.local/state/netwright, unless given.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) state: Option<PathBuf>,
    /// With etcd: what all keys of the network begin with.
    #[arg(long, global = true, value_name = "PREFIX", default_value = "netwright/")]
    pub(crate) prefix: String,
    /// With etcds: certificates (PEM) of who signed those of the members.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) store_ca: Option<PathBuf>,
    /// With etcds: our own certificate (PEM).
    #[arg(long, global = true, value_name = "FILE", requires = "store_key")]
    pub(crate) store_cert: Option<PathBuf>,
    /// With etcds: its private key (PEM).
    #[arg(long, global = true, value_name = "FILE", requires = "store_cert")]
    pub(crate) store_key: Option<PathBuf>,
    /// With etcds: the name in the members' certificates, where it is not the host of the address.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) store_name: Option<String>,
    /// With etcd: the user.
    #[arg(long, global = true, value_name = "NAME", requires = "store_password_file")]
    pub(crate) store_user: Option<String>,
    /// With etcd: the file that holds the user's password.
    #[arg(long, global = true, value_name = "FILE", requires = "store_user")]
    pub(crate) store_password_file: Option<PathBuf>,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Address and port to listen at; port 0 takes a free one. Beyond this machine only with keys.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8180")]
    pub(crate) listen: SocketAddr,
    /// Where other servers and people reach it; the address that it listens at unless given.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Its name among the servers of the network; the host's name and the port unless given.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How many seconds the lease of the leader lasts: others take over so long after it was killed.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=300))]
    pub(crate) lease: u64,
    /// Connections that may be open at a time.
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections: u32,
    /// Streams of events that may be open at a time.
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) streams: u32,
    /// Requests a second that one key, and one address, may make; twice as many at once.
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) rate: u32,
    /// Certificate (PEM), with those that signed it: the server answers over TLS.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Certificates (PEM) of who signed those of the other servers; our own certificate unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) peer_ca: Option<PathBuf>,
    /// End where the store is away at the start, and do not answer from what was kept.
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Which server is asked, and as whom.
#[derive(Debug, Clone, Args)]
pub(crate) struct Remote {
    /// The server to ask.
    #[arg(
        long,
        global = true,
        env = "NETWRIGHT_SERVER",
        hide_env_values = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:8180"
    )]
    pub(crate) server: String,
    /// File that holds the API key; without it the variable `NETWRIGHT_KEY`, where it is set.
    #[arg(
        long,
        global = true,
        env = "NETWRIGHT_KEY_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) key_file: Option<PathBuf>,
    /// Certificates (PEM) of who signed that of the server, where those of the public do not do.
    #[arg(
        long,
        global = true,
        env = "NETWRIGHT_CA_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) ca_file: Option<PathBuf>,
    /// How many seconds an answer is waited for.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
}

/// Arguments of `key`.
#[derive(Debug, Args)]
pub(crate) struct Key {
    /// What to do with keys.
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
    /// Ask the store itself and no server.
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text", global = true)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key. Its secret is shown this once.
    Create {
        /// What it is for.
        #[arg(long)]
        name: String,
        /// What it may do.
        #[arg(long, value_enum)]
        role: RoleArgument,
        /// After how many days it ends; never unless given.
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=36_500))]
        expires: Option<u64>,
    },
    /// List the keys, without secrets.
    List,
    /// Give a key another secret; the one before holds for some hours more.
    Rotate {
        /// The key's id.
        id: String,
        /// How many hours the secret before holds.
        #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(0..=8_760))]
        overlap: u64,
    },
    /// End a key, at once.
    Revoke {
        /// The key's id.
        id: String,
    },
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArgument {
    /// Reads.
    Reader,
    /// Allocates and changes the network.
    Operator,
    /// Makes keys, reads who did what, forces an election.
    Admin,
}
