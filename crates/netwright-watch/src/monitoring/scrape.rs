//! What Prometheus asks for: each probe of a description, by way of `netwright probe --serve`, and `netwright watch`.

use std::fmt::Write;
use std::time::Duration;

use super::quoted;

/// The job under which probes are scraped.
pub const JOB: &str = "netwright-probes";

/// A probe as it is scraped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scraped {
    /// Its name.
    pub name: String,
    /// What it asks, as `netwright probe` has it.
    pub target: String,
}

/// The `scrape_configs` of probes that an exporter asks, and of the station that watches where there is one.
#[must_use]
pub fn scrape(
    probes: &[Scraped],
    (exporter, station): (&str, Option<&str>),
    every: Duration,
) -> String {
    let mut out = String::from("scrape_configs:\n");
    let interval = format!("{}ms", every.as_millis().max(100));
    let _always = write!(
        out,
        "  - job_name: {JOB}\n    metrics_path: /probe\n    params: {{ module: [any] }}\n    scrape_interval: {interval}\n    scrape_timeout: {interval}\n    static_configs:\n"
    );
    for Scraped { name, target } in probes {
        let _always = writeln!(
            out,
            "      - {{ targets: [{}], labels: {{ probe: {} }} }}",
            quoted(target),
            quoted(name)
        );
    }
    if probes.is_empty() {
        out.push_str("      - targets: []\n");
    }
    let _always = write!(
        out,
        "    relabel_configs:\n      - {{ source_labels: [__address__], target_label: __param_target }}\n      - {{ source_labels: [__param_target], target_label: instance }}\n      - {{ target_label: __address__, replacement: {} }}\n",
        quoted(exporter)
    );
    if let Some(station) = station {
        let _always = write!(
            out,
            "  - job_name: netwright-watch\n    scrape_interval: {interval}\n    scrape_timeout: {interval}\n    static_configs:\n      - {{ targets: [{}] }}\n",
            quoted(station)
        );
    }
    out
}
