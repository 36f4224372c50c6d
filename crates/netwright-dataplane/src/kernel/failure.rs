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

/// What to do where the kernel does not know a part of a ruleset.
const FEATURES: &str = "the kernel lacks a part of nf_tables: `modprobe -a nf_tables nft_ct nft_nat nft_chain_nat nft_fib_inet`, or a kernel with CONFIG_NF_TABLES and CONFIG_NF_CONNTRACK";

/// Whether what `nft` said is that the kernel does not know something.
fn lacks_feature(said: &str) -> bool {
    ["not supported", "No such file or directory"].iter().any(|words| said.contains(words))
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
                if let Some((number, text)) = line {
                    write!(f, "\n  line {number}: {text}")?;
                }
                if lacks_feature(said) { write!(f, "\n  {FEATURES}") } else { Ok(()) }
            }
            Self::Broken(what) => write!(f, "{what} ended before its work was done"),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn a_kernel_without_a_part_of_nf_tables_is_told_with_what_to_load() {
        let told = |said: &str| {
            let said = said.to_owned();
            Failure::Ruleset { namespace: "vpc/v".to_owned(), said, line: None }.to_string()
        };
        assert!(told("Could not process rule: Operation not supported").contains("modprobe"));
        assert!(!told("syntax error").contains("modprobe"));
    }
}
