//! Arguments of `probe` and `load`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use netwright_model::scalar::{Percent, Scalar};
use netwright_watch::probe::target::duration;

use super::Format;

/// What is asked of HTTP targets, and whom TLS trusts.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Asking {
    /// HTTP: the method.
    #[arg(long, value_name = "METHOD", help_heading = "What is asked")]
    pub(crate) method: Option<String>,
    /// HTTP: a header of the request.
    #[arg(long = "header", value_name = "NAME: VALUE", help_heading = "What is asked")]
    pub(crate) headers: Vec<String>,
    /// HTTP: the body of the request.
    #[arg(long, value_name = "TEXT", help_heading = "What is asked")]
    pub(crate) data: Option<String>,
    /// HTTP: statuses that are expected, such as 200-299,401.
    #[arg(long, value_name = "RANGES", help_heading = "What is expected")]
    pub(crate) status: Option<String>,
    /// HTTP: a text that the body holds.
    #[arg(long, value_name = "TEXT", help_heading = "What is expected")]
    pub(crate) body: Vec<String>,
    /// HTTP: a regular expression that the body matches.
    #[arg(long, value_name = "REGEX", help_heading = "What is expected")]
    pub(crate) matches: Vec<String>,
    /// HTTP: a header of the answer, with a text that its value holds.
    #[arg(long = "answer-header", value_name = "NAME: VALUE", help_heading = "What is expected")]
    pub(crate) answer_headers: Vec<String>,
    /// HTTP: how many redirects are followed.
    #[arg(long, value_name = "N", help_heading = "What is asked", value_parser = clap::value_parser!(u32).range(0..=20))]
    pub(crate) redirects: Option<u32>,
    /// TLS: the name that the certificate is to be for, where it is not the target's.
    #[arg(long, value_name = "NAME", help_heading = "What is expected")]
    pub(crate) tls_name: Option<String>,
    /// TLS: the certificates are to be valid for so long, such as 14d.
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "What is expected")]
    pub(crate) valid_for: Option<Duration>,
    /// TLS: a PEM file of authorities that are trusted beside the machine's.
    #[arg(long, value_name = "FILE", help_heading = "What is asked")]
    pub(crate) ca: Option<PathBuf>,
    /// Ask this name server, in the place of the machine's.
    #[arg(long, value_name = "ADDRESS", value_parser = server, help_heading = "What is asked")]
    pub(crate) resolver: Option<SocketAddr>,
    /// Ask from this address of the machine.
    #[arg(long, value_name = "ADDRESS", help_heading = "What is asked")]
    pub(crate) bind: Option<IpAddr>,
    /// How long one probe or request may take.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

/// Arguments of `probe`.
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// What is asked, or a description whose probes and intents are asked in a lab.
    #[arg(value_name = "TARGET", required_unless_present = "serve")]
    pub(crate) targets: Vec<String>,
    /// Ask from inside an instance of a lab, as `lab ps` names it.
    #[arg(long, value_name = "INSTANCE")]
    pub(crate) from: Option<String>,
    /// The lab of `--from`, or of a description.
    #[arg(long, value_name = "NAME", default_value = netwright_lab::place::DEFAULT)]
    pub(crate) lab: String,
    /// Turned around: nothing may answer. A refusal is evidence; silence is only beside a control that answers.
    #[arg(long)]
    pub(crate) not: bool,
    /// A target that must answer, for silence to be evidence.
    #[arg(long, value_name = "TARGET", requires = "not")]
    pub(crate) control: Option<String>,
    /// The peer is to see one of these source addresses; it has to tell which (PostgreSQL, Redis, a body that is an address).
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) source: Vec<IpAddr>,
    /// It is to take no longer.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) within: Option<Duration>,
    /// How often each target is asked.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) count: u32,
    /// From one beginning to the next.
    #[arg(long, short = 'i', value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) interval: Duration,
    /// Answer Prometheus at this address, as blackbox exporter does: `/probe?target=…&module=…`.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = ["targets", "from", "not", "count"])]
    pub(crate) serve: Option<SocketAddr>,
    /// With `--serve`: a machine that may be asked: a name, `*.domain`, an address or a prefix.
    #[arg(long, value_name = "MACHINE", requires = "serve")]
    pub(crate) allow: Vec<String>,
    /// With `--serve`: whoever asks may have any machine asked that this one reaches.
    #[arg(long, requires = "serve", conflicts_with = "allow")]
    pub(crate) any_target: bool,
    #[command(flatten)]
    pub(crate) asking: Asking,
    /// With a description: only what this namespace asks, for the process that asked for all.
    #[arg(long, hide = true)]
    pub(crate) at: Option<String>,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Arguments of `load`.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// What is asked.
    pub(crate) target: String,
    /// Connections at a time.
    #[arg(long, short = 'c', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(crate) connections: u32,
    /// For how long requests begin.
    #[arg(long, short = 'd', value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// An open loop of so many requests a second; without it each connection asks again when it was answered.
    #[arg(long, short = 'r', value_name = "REQUESTS", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// No more requests than this.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: Option<u64>,
    /// Threads that ask; as many as the machine has processors unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// Each request has a connection of its own.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// It fails where the slowest of a hundred takes longer.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) p99: Option<Duration>,
    /// It fails where a larger share of requests goes wrong.
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = share)]
    pub(crate) errors: f64,
    #[command(flatten)]
    pub(crate) asking: Asking,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

pub(super) fn server(text: &str) -> Result<SocketAddr, String> {
    let alone = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
    alone.or_else(|_| text.parse()).map_err(|_| format!("`{text}` is no address of a name server"))
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e7 => Ok(rate),
        _ => Err(format!("`{text}` is no number of requests a second")),
    }
}

/// A share from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    Percent::parse_scalar(text).map(Percent::fraction).map_err(|error| error.to_string())
}
