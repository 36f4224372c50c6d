//! A process that is to run, as data.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What is to be done before a program starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Run this and wait for its end, unless the file is there.
    Run {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        args: Vec<String>,
        /// Where this is, it was done before.
        unless: PathBuf,
    },
    /// Make a folder.
    Folder(PathBuf),
    /// Write a file.
    Write {
        /// Where.
        file: PathBuf,
        /// What.
        text: String,
    },
}

/// How one sees that a program is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// PostgreSQL lets this user in.
    Postgres {
        /// Where.
        address: SocketAddr,
        /// Whom.
        user: String,
    },
    /// Redis answers a ping.
    Redis(SocketAddr),
    /// A GET is answered with 200.
    Http {
        /// Where.
        address: SocketAddr,
        /// What is asked for.
        path: String,
    },
}

impl Ready {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        match self {
            Self::Postgres { address, .. } | Self::Redis(address) | Self::Http { address, .. } => {
                *address
            }
        }
    }
}

/// A process that is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The machine of the network that it runs on: `postgres`, `redis`, `gateway`, `worker`, `frontend`.
    pub machine: String,
    /// What is to be done before, in this order.
    pub before: Vec<Step>,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// What its environment has beside that of who starts it.
    pub env: BTreeMap<String, String>,
    /// How one sees that it is ready.
    pub ready: Ready,
}
