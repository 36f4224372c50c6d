//! The command line.

mod allocation;
mod change;
mod doctor;
mod fleet;
mod gameday;
mod lab;
mod monitoring;
mod probe;
mod rehearse;
mod service;
mod store;
mod watch;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use netwright_model::scalar::{Scalar, ScalarError, Service};

use crate::console::Color;
pub(crate) use allocation::{Allocate, Pools, PoolsCommand, Release};
pub(crate) use change::{Apply, Get, History, Rollback, Wish};
pub(crate) use doctor::{Doctor, DoctorFormat};
pub(crate) use fleet::{Agent, Convergence, Observe, System};
pub(crate) use gameday::{
    Gameday, GamedayChanges, GamedayCommand, GamedayPlan, GamedayReport, GamedayRun, GamedayStop,
    HistoryCheck, PageFormat, VerdictFormat,
};
pub(crate) use lab::{Effort, Hosts, Lab, LabCommand, LabName, Link, LinkDirection, Prove, Up};
pub(crate) use monitoring::{Artefact, Monitoring};
pub(crate) use probe::{Asking, Load, Probe};
pub(crate) use rehearse::Rehearse;
pub(crate) use service::{Key, KeyCommand, Remote, RoleArgument, Serve, StoreArguments};
pub(crate) use store::{StoreCommand, StoreOf};
pub(crate) use watch::{Alerts, Capacity, Health, Looking, Silence, Started, StatePlace, Watch};

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
    /// Ask a target, phase by phase: TCP, TLS, HTTP, DNS, PostgreSQL, Redis or ICMP; or all that a description expects, in a lab.
    ///
    /// A target is `tcp://HOST:PORT`, `tls://HOST`, `https://HOST/PATH`, `dns://NAME@SERVER?type=A`, `postgres://USER@HOST/DATABASE`, `redis://HOST` or
    /// `icmp://HOST?size=1500`. A password is best written into no command: in a description, or an environment that the shell fills in. Ends
    /// with 1 where one failed, with 3 where nothing failed and of one nothing could be learnt.
    #[command(
        after_help = "Examples:\n  netwright probe https://api.example/health --body ok --valid-for 14d\n  netwright probe tcp://10.0.2.20:5432 --from web-1\n  netwright probe --not tcp://10.0.2.20:22 --control tcp://10.0.2.20:5432\n  netwright probe icmp://10.0.2.20?size=1500 -n 10 -i 200ms\n  netwright probe network.yaml --lab staging\n  netwright probe --serve 127.0.0.1:9115 --allow '*.internal'"
    )]
    Probe(Box<Probe>),
    /// Validate a live system against its description: every probe, intent, dependency and threshold, where a fault lies, and what to do.
    ///
    /// A running lab is asked from inside its instances, and what the description has asked from here is asked from here. A check that saw too little
    /// is unknown, and does not pass. Ends with 1 where one fails, with 3 where none fails and one is unknown; warnings pass.
    #[command(
        after_help = "Examples:\n  netwright doctor network.yaml\n  netwright doctor network.yaml --focus database --lab staging\n  netwright doctor network.yaml --log auth.log --measured staging-connector:capacity_utilisation=0.83\n  netwright doctor network.yaml --format junit > doctor.xml"
    )]
    Doctor(Box<Doctor>),
    /// Ask a target with many connections at a time and tell how its answers are spread, phase by phase.
    ///
    /// Without --rate each connection asks again when it was answered. With it requests are due at that rate whatever comes back, and each is
    /// measured from when it was due. Ends with 1 where more goes wrong than may, with 3 where too little was seen.
    #[command(
        after_help = "Examples:\n  netwright load https://api.example/ -c 20 -d 30s --p99 200ms\n  netwright load http://10.0.1.20:8080/ --rate 500 --errors 0%\n  netwright load postgres://app@10.0.2.20/shop -c 20 --p99 5s"
    )]
    Load(Box<Load>),
    /// Rehearse a change in a lab as it would go live: apply it, start every service anew, keep it or take it back, and tell what happened when.
    ///
    /// The network before is built, its services start, and the change is applied. A window stays open until each dependency was used by a fresh start: what
    /// ran before may live on connections that nobody gets any more. What breaks is told with the change beside it and what to do; then the change is
    /// taken back as far as it goes, and everything starts once more. Ends with 0 where the change is kept, with 1 where it broke something.
    #[command(
        after_help = "Examples:\n  netwright rehearse before.yaml after.yaml\n  netwright rehearse before.yaml after.yaml --emergency database"
    )]
    Rehearse(Box<Rehearse>),
    /// Write what Prometheus and Grafana need to watch a network: alerting rules, scrape targets, a dashboard.
    ///
    /// Rules are about the probes that `netwright probe --serve` asks, and about what `netwright watch` exports: one for each alert of the description, with
    /// its level, message, remedy and runbook, and one for its missing data.
    #[command(
        after_help = "Examples:\n  netwright monitoring rules network.yaml > rules.yaml\n  netwright monitoring scrape network.yaml --exporter 10.0.0.9:9115 > scrape.yaml\n  netwright monitoring dashboard network.yaml > dashboard.json"
    )]
    Monitoring(Monitoring),
    /// Ask what a description expects again and again, know how everything is, and tell people what is wrong and what to do.
    ///
    /// Its `probes` and `expect` are asked, from this machine and from instances of a lab; `alerts` decide what people are told. On a terminal the
    /// view is kept up to date, in a pipe each event is a line. An edit of the file is taken at once; one with mistakes is told, and what was watched before
    /// goes on. Ctrl-C ends it with what was true last: 0 where all is healthy, 1 where something is not, 3 where of something nobody knows.
    #[command(
        after_help = "Examples:\n  netwright watch network.yaml\n  netwright watch network.yaml --once --within 20s\n  netwright watch network.yaml --lab staging --notify alertmanager=http://127.0.0.1:9093\n  netwright watch network.yaml --serve 127.0.0.1:9180 --format json"
    )]
    Watch(Box<Watch>),
    /// Show how everything is that is watched: state, since when, why, and whether it flaps.
    ///
    /// The code is 0 where all is healthy, 1 where something is not, 3 where nobody knows: also where nothing watches any more.
    #[command(
        after_help = "Examples:\n  netwright health\n  netwright health 'checkout*' --format json"
    )]
    Health(Health),
    /// List what fires, what waits, and what nobody is told of: with what to do, where to read on, and the changes before it.
    ///
    /// The code is 1 where something fires that people are told of.
    #[command(after_help = "Examples:\n  netwright alerts\n  netwright alerts --format json")]
    Alerts(Alerts),
    /// Silence alerts for a while, or put things into maintenance; list what is silenced, and lift it.
    #[command(
        after_help = "Examples:\n  netwright silence 'checkout*' --for 2h --why 'NET-42: new database'\n  netwright silence --alert database-slow --for 30m --why 'known, NET-43'\n  netwright silence web --maintenance --for 1h --why 'kernel update'\n  netwright silence\n  netwright silence --lift 3"
    )]
    Silence(Silence),
    /// Tell who watches that a service was started anew, and how that went: what a change may have broken is judged by that.
    ///
    /// Connections from before a change say nothing of it; the next start does. A deployment's last step, or a service's own start-up, calls this. The code is
    /// 1 where a change is to be taken back by it.
    #[command(
        after_help = "Examples:\n  netwright started auth\n  netwright started analytics --lacks 'clickhouse=no answer within 5 s'\n  netwright started auth --failed --lacks 'database=validation timeout exceeded (15s)'"
    )]
    Started(Started),
    /// Show how full connectors, NAT gateways, pools and databases are, when they will be full, and what to do about it.
    ///
    /// What was measured comes from `netwright watch`: connectors of its lab, pools of the server that it follows, and what it was told (POST /v1/measures). What
    /// nobody measured is unknown. The code is 1 where a measured peak is 80 % or more, 3 where something is not measured.
    #[command(after_help = "Example:\n  netwright capacity network.yaml")]
    Capacity(Capacity),
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
    /// Allocate a range, address, block of ports or number from a pool of the network, and print it.
    ///
    /// The next free one, or this one (--value). Nobody else has it or anything that overlaps it. Ends with 1 where the pool has none, or the
    /// value is somebody's.
    #[command(
        after_help = "Examples:\n  netwright allocate vpc:prod --length 24 --for subnet:prod/web\n  netwright allocate subnet:prod/web --for instance:web-1 --once ticket-42\n  netwright allocate vpc:prod --value 10.0.8.0/22 --for 'next year' --reserve"
    )]
    Allocate(Box<Allocate>),
    /// Give an allocated value back.
    ///
    /// It rests for as long as its pool says before it is allocated again. With --sequence it is released only where nobody else has got it since.
    #[command(after_help = "Example:\n  netwright release vpc:prod 10.0.2.0/24 --sequence 17")]
    Release(Box<Release>),
    /// Show what can be allocated and how full it is; declare pools.
    ///
    /// Pools follow from the network: vpc:NAME and connectors:NAME (ranges), subnet:VPC/NAME (addresses), nat:NAME (blocks of ports), vni (numbers).
    #[command(
        after_help = "Examples:\n  netwright pools\n  netwright pools show vpc:prod\n  netwright pools set vpc:prod --kind ranges --order next --hold-down 3600\n  netwright pools set company --kind ranges --range 10.0.0.0/8 --length 16"
    )]
    Pools(Box<Pools>),
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
        after_help = "Examples:\n  netwright convergence\n  netwright convergence --wait=4711 --within 30"
    )]
    Convergence(Box<Convergence>),
    /// Have the hosts ask with packets what was proved: the flows of the intents, or an echo between each two machines.
    ///
    /// Each host's agent asks TCP and ICMP echo from the machines that it has. Whatever comes back, be it that nobody listens, says that the packet arrived and
    /// its answer found the way. Of what no host saw nothing is said. The code is 1 where something was seen otherwise than proved, 3 where nothing was seen.
    #[command(
        after_help = "Examples:\n  netwright observe\n  netwright observe --intent web-reaches-db --all\n  netwright observe --pairs --format json"
    )]
    Observe(Box<Observe>),
    /// How a server, its store and its hosts are: who leads, which members of etcd answer, which hosts are away or cut off; or who reaches whom.
    ///
    /// The code is 1 where something is not as it should be.
    #[command(after_help = "Examples:\n  netwright system\n  netwright system --connectivity")]
    System(Box<System>),
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
    /// Rehearse failures: plan and inject faults in a running lab, see how soon they are found out, take them back, and judge what came out.
    #[command(
        after_help = "Examples:\n  netwright gameday list\n  netwright gameday plan backend-database\n  netwright gameday run backend-database\n  netwright gameday run experiment.yaml --network network.yaml\n  netwright gameday stop --all"
    )]
    Gameday(Box<Gameday>),
    /// Write the JSON Schema of the description, its reference, or the description of the service's API.
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

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// The reference for people, in Markdown, instead.
    #[arg(long)]
    pub(crate) reference: bool,
    /// The description of the service's API (OpenAPI 3.1) instead.
    #[arg(long, conflicts_with = "reference")]
    pub(crate) api: bool,
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
