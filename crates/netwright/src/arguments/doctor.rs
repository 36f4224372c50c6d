//! Arguments of `doctor`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use netwright_watch::probe::target::duration;

use super::probe::server;

/// How the result of `doctor` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoctorFormat {
    /// For people.
    Text,
    /// For programs; see docs/json.md.
    Json,
    /// `JUnit` XML, for CI.
    Junit,
}

/// A measurement that is handed in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Handed {
    /// Of what.
    pub(crate) thing: String,
    /// What.
    pub(crate) measure: String,
    /// How much.
    pub(crate) value: f64,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The description of the system.
    pub(crate) file: PathBuf,
    /// Only what is about this: `database`, `vpc-connector`, `ssl-certificate`, a service, a probe.
    #[arg(long, value_name = "COMPONENT")]
    pub(crate) focus: Vec<String>,
    /// The lab that is asked, from inside its instances.
    #[arg(long, value_name = "NAME", default_value = netwright_lab::place::DEFAULT)]
    pub(crate) lab: String,
    /// A log whose lines are placed by where their faults lie; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Vec<PathBuf>,
    /// Something that was measured elsewhere, such as staging-connector:capacity_utilisation=0.83 from the provider's metrics.
    #[arg(long, value_name = "THING:MEASURE=VALUE", value_parser = handed)]
    pub(crate) measured: Vec<Handed>,
    /// How often each is asked: the slowest counts.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) count: u32,
    /// How long one probe or call may take.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// A PEM file of authorities that are trusted beside the machine's.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Ask this name server from here, in the place of the machine's.
    #[arg(long, value_name = "ADDRESS", value_parser = server)]
    pub(crate) resolver: Option<SocketAddr>,
    /// How the result is written.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: DoctorFormat,
}

fn handed(text: &str) -> Result<Handed, String> {
    let wrong = || format!("`{text}` is no THING:MEASURE=VALUE");
    let (place, value) = text.rsplit_once('=').ok_or_else(wrong)?;
    let (thing, measure) = place.rsplit_once(':').ok_or_else(wrong)?;
    let value: f64 = value.trim().parse().map_err(|_| wrong())?;
    if thing.is_empty() || measure.is_empty() || !value.is_finite() {
        return Err(wrong());
    }
    Ok(Handed { thing: thing.to_owned(), measure: measure.to_owned(), value })
}

#[cfg(test)]
mod tests {
    use super::handed;

    #[test]
    fn measurements_are_read_strictly() {
        let read = handed("database:main:connection_utilisation=0.5").unwrap();
        assert_eq!(
            (read.thing.as_str(), read.measure.as_str()),
            ("database:main", "connection_utilisation")
        );
        for wrong in ["", "a", "a=1", ":b=1", "a:=1", "a:b=", "a:b=NaN", "a:b=inf", "a:b=1s"] {
            assert!(handed(wrong).is_err(), "{wrong}");
        }
    }
}
