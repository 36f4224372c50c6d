//! Arguments of `monitoring`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use netwright_watch::probe::target::duration;

/// What is written for others who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Artefact {
    /// Alerting rules for Prometheus.
    Rules,
    /// What Prometheus scrapes.
    Scrape,
    /// A dashboard for Grafana.
    Dashboard,
}

/// Arguments of `monitoring`.
#[derive(Debug, Args)]
pub(crate) struct Monitoring {
    /// What is written.
    #[arg(value_enum)]
    pub(crate) artefact: Artefact,
    /// The description.
    pub(crate) file: PathBuf,
    /// Where `netwright probe --serve` answers.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9115")]
    pub(crate) exporter: String,
    /// Where `netwright watch` answers.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) station: Option<String>,
    /// How often Prometheus asks.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    pub(crate) every: Duration,
}
