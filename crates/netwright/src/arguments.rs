//! The command line.

mod change;
mod fleet;
mod service;
mod store;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use netwright_model::scalar::{Bandwidth, Delay, Percent, Scalar, ScalarError, Service};

use crate::console::Color;
pub(crate) use change::{Apply, Get, History, Rollback, Wish};
pub(crate) use fleet::{Agent, Convergence};
pub(crate) use service::{Key, KeyCommand, Remote, RoleArgument, Serve, StoreArguments};
pub(crate) use store::{StoreCommand, StoreOf};

/// Proves what a network does before it is deployed.
///
/// A network is a description in YAML, a folder of them, or an export of AWS, Google Cloud or IBM Cloud VPC as their tools write
/// it.
#[derive(Debug, Parser)]
#[command(name = "netwright", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// When output is coloured.
    #[arg(long, value_enum, default_value = "auto", global = true)]
    pub(crate) color: Color,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 it holds, 1 it does not, 2 bad input or usage, 3 it could not be determined.";

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs; see docs/json.md.
    Json,
}

/// How results that can be drawn are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DrawnFormat {
    /// For people.
    Text,
    /// For programs; see docs/json.md.
    Json,
    /// A picture.
    Svg,
    /// A graph for Graphviz.
    Dot,
}

/// How results of `check` are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people.
    Text,
    /// For programs; see docs/json.md.
    Json,
    /// SARIF 2.1.0, for code review.
    Sarif,
    /// `JUnit` XML, for CI.
    Junit,
}

/// Which findings make `check` fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Errors.
    Error,
    /// Errors and warnings.
    Warning,
    /// Everything.
    Info,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask every intent and dependency, find what is probably wrong, and tell what is known to be missing.
    #[command(
        after_help = "Examples:\n  netwright check network.yaml\n  netwright check exports/ --format sarif > findings.sarif"
    )]
    Check(Check),
    /// Follow one flow hop by hop, forward and back, with the rule that decides at each filter.
    #[command(
        after_help = "Examples:\n  netwright trace network.yaml web-1 db-1 --port tcp/5432\n  netwright trace exports/ internet i-0123456789abcdef0 --port tcp/443\n  netwright trace network.yaml 10.0.1.5 internet --icmp 8/0"
    )]
    Trace(Trace),
    /// Tell who reaches whom, exactly.
    #[command(
        after_help = "Examples:\n  netwright reach network.yaml\n  netwright reach network.yaml --from internet --port tcp/22"
    )]
    Reach(Reach),
    /// Compare two networks: what breaks and why, what is gained, what has to be done and whether it can be undone.
    ///
    /// Ends with 1 where an intent breaks, a service does not start any more or a finding of severity error is new; without intents in
    /// the new network also where any flow is lost.
    #[command(
        after_help = "Examples:\n  netwright diff before.yaml after.yaml\n  netwright diff main/ branch/ --format sarif > diff.sarif"
    )]
    Diff(Diff),
    /// Change settings of a description, and tell what then works and what does not.
    #[command(
        after_help = "Example:\n  netwright what-if before.yaml --set 'services.*.egress.mode=all-traffic'"
    )]
    WhatIf(WhatIf),
    /// Try every combination of settings: which dependencies work, by which way, seen from which address; and which to take.
    ///
    /// Options are ranked by the golden paths they lose, services that do not start, intents and dependencies that fail, those that are unknown,
    /// findings, cost, and settings to be changed. The first that is better than the file as it is and breaks nothing is recommended.
    #[command(
        after_help = "Example:\n  netwright matrix works.yaml --vary 'services.*.egress.mode=none,private-ranges-only,all-traffic' --vary nat_gateways.staging-nat.address_allocation=static,automatic"
    )]
    Matrix(Matrix),
    /// Read a provider's export and write it as a description.
    #[command(after_help = "Example:\n  netwright import exports/ --output network.yaml")]
    Import(Import),
    /// Write a synthetic network of a given size.
    #[command(
        after_help = "Example:\n  netwright generate --shape hub-and-spoke --instances 1000 --seed 7 > big.yaml"
    )]
    Generate(Generate),
    /// Build a network on this machine with real packets, as an ordinary user, and run commands in it.
    #[command(
        after_help = "Examples:\n  netwright lab up network.yaml\n  netwright lab apply changed.yaml\n  netwright lab exec web-1 -- ping -c 1 10.0.2.20\n  netwright lab down"
    )]
    Lab(Lab),
    /// Check a network, build it on this machine, prove it with packets, and stay: each edit is checked, applied and proved again.
    ///
    /// Ctrl-C ends it, and its lab. It ends with what was true last: 0 where everything that was asked holds and the kernel agrees, 1 where
    /// something is broken or the kernel does not agree, 3 where something could not be determined. An edit with mistakes changes
    /// nothing.
    #[command(
        after_help = "Examples:\n  netwright up network.yaml\n  netwright up network.yaml --name second --wait 1000\n\nFrom another terminal:\n  netwright lab exec web-1 -- ping -c 1 10.0.2.20\n  netwright lab ps"
    )]
    Up(Up),
    /// Build a network on this machine, ask all pairs with packets, and compare what is seen with the verdicts.
    ///
    /// By TCP, UDP and ICMP echo, at the ports that rules tell apart: whether it arrives and is answered, the source that the far end sees, and the
    /// largest packets. Ends with 1 where the kernel does what was not predicted.
    #[command(
        after_help = "Examples:\n  netwright prove network.yaml\n  netwright prove network.yaml --most 200 --format json\n  netwright prove network.yaml --lab lab"
    )]
    Prove(Prove),
    /// Run the service of a network: what is kept, who may change it, an API over HTTP.
    ///
    /// It stays until Ctrl-C or SIGTERM. The address that it answers at is the first line of its output. With its store away it starts all the same:
    /// it answers reads from what it has kept, refuses writes, and says so.
    #[command(
        after_help = "Examples:\n  netwright serve\n  netwright serve --store etcd://10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379 --listen 10.0.0.1:8180 --url https://net-1.example:8180"
    )]
    Serve(Box<Serve>),
    /// Declare the network of a service: planned, proved, written; or refused with what it would break.
    ///
    /// Objects of the network that the description lacks stay unless they are pruned. Ends with 1 where it is refused, or would be.
    #[command(
        after_help = "Examples:\n  netwright apply network.yaml --dry-run\n  netwright apply network.yaml --why 'NET-42: database subnet'\n  netwright apply network.yaml --force 'agreed outage'"
    )]
    Apply(Box<Apply>),
    /// Write the network of a service, or objects of it, as YAML.
    #[command(
        after_help = "Examples:\n  netwright get > network.yaml\n  netwright get filters/web\n  netwright get --revision 12"
    )]
    Get(Box<Get>),
    /// List the changes of a network, or show one: who, what, why, what it broke.
    #[command(after_help = "Examples:\n  netwright history\n  netwright history 12")]
    History(Box<History>),
    /// Bring the network back to an earlier revision, by a change that is proved like any other.
    ///
    /// Where a step of it loses something for good, it is refused unless it is forced.
    #[command(
        after_help = "Examples:\n  netwright rollback 12 --dry-run\n  netwright rollback 12 --why 'NET-43'"
    )]
    Rollback(Box<Rollback>),
    /// Be the agent of this host: bring what the network has on it to the kernel, keep it so, and report.
    ///
    /// It asks a server, or the store itself where one is named. Namespaces are kept in its folder: packets flow on when it ends, and the next one takes
    /// over what is there. It needs root, or a host of `netwright lab fleet`.
    #[command(
        after_help = "Examples:\n  netwright agent --server https://net-1.example:8180 --key-file /etc/netwright/key --underlay 10.0.0.7\n  netwright agent --store etcd://10.0.0.1:2379 --underlay 10.0.0.7 --host h7\n  netwright agent --store etcd://10.0.0.1:2379 --host h7 --remove"
    )]
    Agent(Box<Agent>),
    /// Tell how far the hosts are with a revision of the network: who has it, who has not, and for how long.
    ///
    /// A revision has converged when every host that lives and that it concerns has applied it and read it back. Ends with 1 where that is not so.
    #[command(
        after_help = "Examples:\n  netwright convergence\n  netwright convergence --wait 4711 --within 30"
    )]
    Convergence(Box<Convergence>),
    /// Make, list, rotate and revoke the API keys of a network.
    ///
    /// A server is asked, as an admin; the first key can also be made with the store itself, while no server runs on its file (--offline).
    #[command(
        after_help = "Examples:\n  netwright key create --offline --role admin --name operations\n  netwright key create --role operator --name ci --expires 90\n  netwright key rotate 3f2a9c01d4e7"
    )]
    Key(Box<Key>),
    /// Look at the store of a network, write all of it to a file, read it back.
    #[command(
        after_help = "Examples:\n  netwright store status --store etcd://10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379\n  netwright store export network.jsonl\n  netwright store import network.jsonl --store etcd://10.0.0.1:2379"
    )]
    Store(Box<StoreOf>),
    /// Write the JSON Schema of the description, or its reference.
    Schema(Schema),
    /// Say why a finding matters and where its rule comes from; without an identifier, list all rules.
    #[command(after_help = "Example:\n  netwright explain NW-FLT-001")]
    Explain {
        /// The finding's identifier.
        id: Option<String>,
    },
    /// Write a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual page.
    Man,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The network.
    pub(crate) file: PathBuf,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ReportFormat,
    /// Which findings end with exit code 1.
    #[arg(long, value_enum, default_value = "error")]
    pub(crate) fail_on: FailOn,
    /// Show every finding in text, also where there are many of a kind. The other formats hold all.
    #[arg(long)]
    pub(crate) all: bool,
}

/// Arguments of `trace`.
#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// The network.
    pub(crate) file: PathBuf,
    /// Where the flow starts: a name, an identifier of the export, an address, or `internet`.
    #[arg(required_unless_present = "from_option")]
    pub(crate) from: Option<String>,
    /// Where it goes.
    #[arg(required_unless_present = "to_option")]
    pub(crate) to: Option<String>,
    /// Where the flow starts, as an option.
    #[arg(long = "from", value_name = "FROM", conflicts_with = "from")]
    pub(crate) from_option: Option<String>,
    /// Where it goes, as an option.
    #[arg(long = "to", value_name = "TO", conflicts_with = "to")]
    pub(crate) to_option: Option<String>,
    /// Which of the source's addresses, where it has several.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from_address: Option<IpAddr>,
    /// Which of the destination's addresses: its private or its public one.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to_address: Option<IpAddr>,
    /// Protocol and destination port, for example tcp/443.
    #[arg(long, value_parser = service, conflicts_with_all = ["protocol", "icmp"])]
    pub(crate) port: Option<Service>,
    /// Protocol by number or name, for example 50 or esp.
    #[arg(long, value_parser = protocol, conflicts_with = "icmp")]
    pub(crate) protocol: Option<u8>,
    /// ICMP type and code, for example 8/0.
    #[arg(long, value_parser = icmp)]
    pub(crate) icmp: Option<(u8, u8)>,
    /// Source port; the first dynamic port, 49152, unless given.
    #[arg(long)]
    pub(crate) source_port: Option<u16>,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: DrawnFormat,
}

/// Arguments of `reach`.
#[derive(Debug, Args)]
pub(crate) struct Reach {
    /// The network.
    pub(crate) file: PathBuf,
    /// Only from here.
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Only to here.
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// Only this service, for example tcp/22.
    #[arg(long, value_parser = service)]
    pub(crate) port: Option<Service>,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: DrawnFormat,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The network as it is.
    pub(crate) old: PathBuf,
    /// The network as it would be.
    pub(crate) new: PathBuf,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: ReportFormat,
}

/// Arguments of `what-if`.
#[derive(Debug, Args)]
pub(crate) struct WhatIf {
    /// The network.
    pub(crate) file: PathBuf,
    /// A setting, as path=value; `*` in a path stands for every object at its place.
    #[arg(long, value_parser = assignment, required = true)]
    pub(crate) set: Vec<(String, String)>,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Arguments of `matrix`.
#[derive(Debug, Args)]
pub(crate) struct Matrix {
    /// The network.
    pub(crate) file: PathBuf,
    /// A setting with its values, as path=a,b,c; `*` in a path stands for every object at its place.
    #[arg(long, value_parser = assignment, required = true)]
    pub(crate) vary: Vec<(String, String)>,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The export: a file or a folder.
    pub(crate) path: PathBuf,
    /// Where to write; standard output unless given.
    #[arg(short, long)]
    pub(crate) output: Option<PathBuf>,
}

/// Arguments of `generate`.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Shape: flat, hub-and-spoke, many-small-vpcs, group-references.
    #[arg(long, default_value = "flat")]
    pub(crate) shape: String,
    /// Number of instances.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) instances: u32,
    /// Seed: the same seed gives the same network.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Whose semantics: aws or gcp.
    #[arg(long, default_value = "aws")]
    pub(crate) provider: String,
}

/// Arguments of `up`.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The network.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) lab: LabName,
    #[command(flatten)]
    pub(crate) hosts: Hosts,
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

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// The reference for people, in Markdown, instead.
    #[arg(long)]
    pub(crate) reference: bool,
}

fn told(error: &ScalarError) -> String {
    error.to_string()
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.is_empty() => Ok((path.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not path=value")),
    }
}

fn scalar<T: Scalar>(text: &str) -> Result<T, String> {
    T::parse_scalar(text).map_err(|error| told(&error))
}

fn rate(text: &str) -> Result<Bandwidth, String> {
    if text == "none" { Ok(Bandwidth::default()) } else { scalar(text) }
}

fn service(text: &str) -> Result<Service, String> {
    Service::parse_scalar(text).map_err(|error| told(&error))
}

fn protocol(text: &str) -> Result<u8, String> {
    netwright_model::scalar::protocol_number(text).map_err(|error| told(&error))
}

fn icmp(text: &str) -> Result<(u8, u8), String> {
    let wrong = || format!("`{text}` is not an ICMP type and code such as 8/0");
    let (kind, code) = text.split_once('/').unwrap_or((text, "0"));
    Ok((kind.parse().map_err(|_| wrong())?, code.parse().map_err(|_| wrong())?))
}
