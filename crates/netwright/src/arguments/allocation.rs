//! Arguments of `allocate`, `release` and `pools`.

use clap::{Args, Subcommand, ValueEnum};

use super::{Format, Remote};

/// Arguments of `allocate`.
#[derive(Debug, Args)]
pub(crate) struct Allocate {
    /// The pool: `vpc:NAME`, `connectors:NAME`, `subnet:VPC/NAME`, `nat:NAME`, `vni`, or one that was declared.
    pub(crate) pool: String,
    /// What it is for, for example `subnet:prod/web`: under that name it may be described.
    #[arg(long = "for", value_name = "WHAT")]
    pub(crate) purpose: String,
    /// This range, address, block of ports (`198.51.100.1:1024-1087`) or number; the next free one unless given.
    #[arg(long, conflicts_with_all = ["length", "family", "ports"], value_parser = value)]
    pub(crate) value: Option<String>,
    /// Prefix length of a range.
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(0..=128))]
    pub(crate) length: Option<u8>,
    /// Family of a range or address.
    #[arg(long, value_enum)]
    pub(crate) family: Option<FamilyArgument>,
    /// Ports of a block, a power of two.
    #[arg(long, value_name = "N")]
    pub(crate) ports: Option<u32>,
    /// Keep it without using it yet.
    #[arg(long)]
    pub(crate) reserve: bool,
    /// A reservation ends by itself after so many hours.
    #[arg(long, value_name = "HOURS", requires = "reserve", value_parser = clap::value_parser!(u64).range(1..=876_000))]
    pub(crate) hours: Option<u64>,
    /// A word of your own: the same command with the same word, within a day, gets the same value and no other.
    #[arg(long, value_name = "WORD", visible_alias = "idempotency-key")]
    pub(crate) once: Option<String>,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// A value, told as it was written.
fn value(text: &str) -> Result<String, String> {
    let expected =
        "a range, an address, a block of ports as 198.51.100.1:1024-1087, or a number is expected";
    let known = netwright_control::alloc::Value::parse(text);
    known.map(|_| text.to_owned()).ok_or_else(|| expected.to_owned())
}

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FamilyArgument {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Arguments of `release`.
#[derive(Debug, Args)]
pub(crate) struct Release {
    /// The pool.
    pub(crate) pool: String,
    /// The value.
    #[arg(value_parser = value)]
    pub(crate) value: String,
    /// Only where it is still the allocation with this number, and nobody else's by now.
    #[arg(long, value_name = "N")]
    pub(crate) sequence: Option<u64>,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// Arguments of `pools`.
#[derive(Debug, Args)]
pub(crate) struct Pools {
    /// What to do; list all pools unless given.
    #[command(subcommand)]
    pub(crate) command: Option<PoolsCommand>,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text", global = true)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// What to do with pools.
#[derive(Debug, Subcommand)]
pub(crate) enum PoolsCommand {
    /// Show a pool and what is allocated of it.
    Show {
        /// The pool.
        pool: String,
    },
    /// Declare a pool, or settings of one of the network's. What was set before and is not given goes.
    Set {
        /// The pool.
        pool: String,
        /// What it is of.
        #[arg(long, value_enum)]
        kind: KindArgument,
        /// All that it has, several times: a range, of ports an address, of numbers `1-100`. Without any, what follows from the network.
        #[arg(long = "range", value_name = "RANGE")]
        ranges: Vec<String>,
        /// Which free value comes next.
        #[arg(long, value_enum)]
        order: Option<OrderArgument>,
        /// Warn when so much of it is taken.
        #[arg(long, value_name = "PERCENT")]
        warn_at: Option<f64>,
        /// How many seconds a released value rests.
        #[arg(long, value_name = "SECONDS")]
        hold_down: Option<u64>,
        /// Prefix length of a range where `allocate` does not say.
        #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(0..=128))]
        length: Option<u8>,
        /// Ports of a block where `allocate` does not say.
        #[arg(long, value_name = "N")]
        ports: Option<u32>,
    },
    /// Take a declared pool, or the settings of one of the network's, away.
    Remove {
        /// The pool.
        pool: String,
    },
}

/// What a pool is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindArgument {
    /// Address ranges.
    Ranges,
    /// Single addresses.
    Addresses,
    /// Blocks of ports of public addresses.
    Ports,
    /// Numbers.
    Numbers,
}

/// Which free value comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderArgument {
    /// The lowest in the smallest free block that has room.
    BestFit,
    /// The lowest.
    Lowest,
    /// The lowest after the one that was given last.
    Next,
}
