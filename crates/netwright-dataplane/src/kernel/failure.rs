//! Why the kernel could not be brought to a plan: which object, what the kernel said, what helps.

use std::fmt;
use std::io;

/// Why a plan could not be applied.
#[derive(Debug)]
pub enum Failure {
    /// The machine lacks something.
    Missing {
        /// What.
        what: &'static str,
        /// What the kernel or the system said.
        said: String,
        /// What to install or enable.
        remedy: &'static str,
    },
    /// The kernel refused an object.
    Refused {
        /// The namespace.
        namespace: String,
        /// The object, in words.
        object: String,
        /// What the kernel said.
        said: String,
    },
    /// `nft` refused a ruleset.
    Ruleset {
        /// The namespace.
        namespace: String,
        /// What `nft` said.
        said: String,
        /// The line of the ruleset that it points at, with its number from 1.
        line: Option<(usize, String)>,
    },
    /// A thread of ours ended before its work was done.
    Broken(&'static str),
}

impl Failure {
    pub(crate) fn refused(
        namespace: &str,
        object: impl Into<String>,
        said: impl fmt::Display,
    ) -> Self {
        Self::Refused {
            namespace: namespace.to_owned(),
            object: object.into(),
            said: said.to_string(),
        }
    }

    /// The kernel made no network namespace.
    pub(crate) fn no_namespace(error: &io::Error) -> Self {
        let remedy = match error.raw_os_error() {
            // ENOSPC: a limit on the number of namespaces.
            Some(28) => "raise the limit: `sysctl user.max_net_namespaces`",
            // EMFILE, ENFILE: each namespace is held by a descriptor.
            Some(23 | 24) => "raise the limit of open files: `ulimit -n`",
            _ => {
                "unprivileged user namespaces must be allowed: `sysctl kernel.unprivileged_userns_clone=1`, on Ubuntu also `sysctl kernel.apparmor_restrict_unprivileged_userns=0`"
            }
        };
        Self::Missing { what: "a new network namespace", said: error.to_string(), remedy }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { what, said, remedy } => {
                write!(f, "the machine does not give {what}: {said}; {remedy}")
            }
            Self::Refused { namespace, object, said } => {
                write!(f, "{namespace}: {object}: the kernel said: {said}")
            }
            Self::Ruleset { namespace, said, line } => {
                write!(f, "{namespace}: the ruleset is refused: {said}")?;
                match line {
                    Some((number, text)) => write!(f, "\n  line {number}: {text}"),
                    None => Ok(()),
                }
            }
            Self::Broken(what) => write!(f, "{what} ended before its work was done"),
        }
    }
}

impl std::error::Error for Failure {}
