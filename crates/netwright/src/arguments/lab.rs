//! Arguments of `lab` and of what builds one: `up`, `prove`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use netwright_model::scalar::{Bandwidth, Delay, Percent, Scalar};

use super::{Format, told};

/// Arguments of `up`.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The network.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) lab: LabName,
    #[command(flatten)]
    pub(crate) hosts: Hosts,
    /// Ask the backends of load balancers that run something, and take those out of service that do not answer.
    #[arg(long)]
    pub(crate) health: bool,
    /// Tell of the description's alerts about backends: `webhook=URL`, `alertmanager=URL`, or `mail=smtp://relay,from@a,to@b`. Several may be given.
    #[arg(long, value_name = "RECEIVER", requires = "health")]
    pub(crate) notify: Vec<String>,
    #[command(flatten)]
    pub(crate) effort: Effort,
}

/// How many hosts a lab has.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Hosts {
    /// Spread the network over so many hosts with VXLAN between them; each is a namespace of the lab.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) hosts: u16,
}

/// How much is asked with packets, and how patiently.
#[derive(Debug, Args)]
pub(crate) struct Effort {
    /// Most questions that are asked.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) most: usize,
    /// How long an answer may take, in milliseconds: what takes longer counts as dropped.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..=5_000))]
    pub(crate) wait: u64,
}

/// Arguments of `prove`.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// The network.
    pub(crate) file: PathBuf,
    /// Ask in a lab that is up, and leave it up: whether it does what this file says.
    #[arg(long, value_name = "NAME", conflicts_with = "hosts")]
    pub(crate) lab: Option<String>,
    #[command(flatten)]
    pub(crate) hosts: Hosts,
    #[command(flatten)]
    pub(crate) effort: Effort,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Arguments of `lab`.
#[derive(Debug, Args)]
pub(crate) struct Lab {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: LabCommand,
}

/// Which lab.
#[derive(Debug, Args)]
pub(crate) struct LabName {
    /// The lab's name.
    #[arg(long, value_name = "NAME", default_value = netwright_lab::place::DEFAULT)]
    pub(crate) name: String,
}

/// What to do with a lab.
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// Build a network; it stays until `lab down`.
    Up {
        /// The network.
        file: PathBuf,
        #[command(flatten)]
        lab: LabName,
        #[command(flatten)]
        hosts: Hosts,
        /// Stay, and end the lab with this command.
        #[arg(long)]
        foreground: bool,
        /// Stay, and bring the lab to each edit of the network: only what differs is changed.
        #[arg(long)]
        watch: bool,
    },
    /// Start a server and hosts with agents on this machine, as an ordinary user, and have them take a network.
    ///
    /// Each host is a namespace of the lab with an agent of its own, which makes what the network has on it; the server keeps the network in a file in
    /// the lab's memory.
    Fleet {
        /// The network; none unless given.
        file: Option<PathBuf>,
        #[command(flatten)]
        lab: LabName,
        #[command(flatten)]
        hosts: Hosts,
    },
    /// Bring a lab to another network, or to the same after an edit: only what differs is changed.
    Apply {
        /// The network.
        file: PathBuf,
        #[command(flatten)]
        lab: LabName,
    },
    /// Run a command in an instance: with this terminal and folder, its exit status passed on.
    Exec {
        #[command(flatten)]
        lab: LabName,
        /// The instance, as `lab ps` names it, or the name alone.
        instance: String,
        /// The command.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Have a serverless service call what it depends on, and tell what came of each call beside what was predicted.
    ///
    /// Its stand-in calls from inside its namespace, by TCP, UDP or the Unix socket of a database's proxy. Ends with 1 where a call is not
    /// answered, or not as predicted.
    Call {
        #[command(flatten)]
        lab: LabName,
        /// The service; all unless given.
        service: Option<String>,
        /// One of its dependencies; all unless given.
        dependency: Option<String>,
        /// How long a call may take, in milliseconds.
        #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
        wait: u64,
        /// How the result is written.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Run a shell in an instance.
    Shell {
        #[command(flatten)]
        lab: LabName,
        /// The instance.
        instance: String,
    },
    /// List what a lab holds: instances, addresses, processes.
    Ps {
        #[command(flatten)]
        lab: LabName,
        /// How the result is written.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Show the counters of a lab's data path: packets and octets of rules, translations and links, by name.
    ///
    /// A rule counts the packets that it decided: of filters that keep state, the first of each connection. A translation counts the
    /// connections that it was made for.
    Stats {
        #[command(flatten)]
        lab: LabName,
        /// Only of this namespace, as `lab ps` names it, or of the end of its name.
        namespace: Option<String>,
        /// Show also what has counted nothing.
        #[arg(long)]
        all: bool,
        /// How the result is written.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Show what links do to packets on their way, or have one do something else while the lab runs.
    ///
    /// What is given changes, the rest stays. Without --direction both ways are meant, each by itself: a latency of 50 ms makes a round trip
    /// 100 ms longer. What does it is shown: the kernel where it has the queue for it, else a relay in user space.
    Link(Link),
    /// Show what the tasks of a lab wrote: the commands that its instances run, and the lab's own parts.
    Logs {
        #[command(flatten)]
        lab: LabName,
        /// Only of this instance.
        instance: Option<String>,
        /// Stay, and show what comes.
        #[arg(long, short)]
        follow: bool,
    },
    /// Read a lab back from the kernel and list what is otherwise than it was built.
    Check {
        #[command(flatten)]
        lab: LabName,
    },
    /// End a lab: nothing of it stays.
    Down {
        #[command(flatten)]
        lab: LabName,
    },
    /// The keeper of a lab; `lab up` starts it.
    #[command(hide = true)]
    Keeper {
        name: String,
        file: PathBuf,
        #[arg(long)]
        stay: bool,
        /// Without tasks.
        #[arg(long)]
        bare: bool,
        /// Hosts with agents, and nothing of the file.
        #[arg(long)]
        fleet: bool,
        #[command(flatten)]
        hosts: Hosts,
    },
    /// Process 1 of a lab; its keeper starts it.
    #[command(hide = true)]
    Inside {
        #[arg(long)]
        bare: bool,
        #[arg(long)]
        fleet: bool,
        #[command(flatten)]
        hosts: Hosts,
        file: PathBuf,
        keeper: i64,
    },
    /// A part of a lab that runs in a process of its own; process 1 starts it.
    #[command(hide = true)]
    Part { part: String },
    /// A command of a lab; `lab exec` starts it.
    #[command(hide = true)]
    Step {
        program: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Arguments of `lab link`.
#[derive(Debug, Args)]
pub(crate) struct Link {
    #[command(flatten)]
    pub(crate) lab: LabName,
    /// The link, as this command lists them, or the end of its name; all unless given.
    pub(crate) link: Option<String>,
    /// How long a packet takes, such as 50ms; 0 for no time.
    #[arg(long, value_parser = scalar::<Delay>, requires = "link")]
    pub(crate) latency: Option<Delay>,
    /// The delay of each packet is the latency, less or more up to so much.
    #[arg(long, value_parser = scalar::<Delay>, requires = "link")]
    pub(crate) jitter: Option<Delay>,
    /// Share of packets that are lost, such as 1%; 100% breaks the link.
    #[arg(long, value_parser = scalar::<Percent>, requires = "link")]
    pub(crate) loss: Option<Percent>,
    /// Share of packets that arrive twice.
    #[arg(long, value_parser = scalar::<Percent>, requires = "link")]
    pub(crate) duplicate: Option<Percent>,
    /// Share of packets that take no latency, and so overtake others.
    #[arg(long, value_parser = scalar::<Percent>, requires = "link")]
    pub(crate) reorder: Option<Percent>,
    /// Share of packets in which one bit is turned over.
    #[arg(long, value_parser = scalar::<Percent>, requires = "link")]
    pub(crate) corrupt: Option<Percent>,
    /// Most that is carried, such as 10mbit; `none` for no bound.
    #[arg(long, value_parser = rate, requires = "link")]
    pub(crate) rate: Option<Bandwidth>,
    /// Most packets that are on their way at a time.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), requires = "link")]
    pub(crate) limit: Option<u32>,
    /// Which way is meant: `there` is from what the link belongs to.
    #[arg(long, value_enum, default_value = "both", requires = "link")]
    pub(crate) direction: LinkDirection,
    /// What is drawn follows from this number: the same packets meet the same again.
    #[arg(long, requires = "link")]
    pub(crate) seed: Option<u64>,
    /// First take back all that was said of the link while the lab runs: it does what the description says.
    #[arg(long, requires = "link")]
    pub(crate) clear: bool,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Which ways of a link are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LinkDirection {
    /// Both, each by itself.
    Both,
    /// The way from what the link belongs to: out of a machine, to the site, from a peering's first VPC to its second.
    There,
    /// The other way.
    Back,
}

fn scalar<T: Scalar>(text: &str) -> Result<T, String> {
    T::parse_scalar(text).map_err(|error| told(&error))
}

fn rate(text: &str) -> Result<Bandwidth, String> {
    if text == "none" { Ok(Bandwidth::default()) } else { scalar(text) }
}
