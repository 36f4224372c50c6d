//! What others need who watch with Prometheus and Grafana: what to scrape, alerting rules and a dashboard, made of a description.
//!
//! [`scrape`] has `netwright probe --serve` ask each probe of a description. [`rules`] are alerting rules: about what those probes say, and about what
//! `netwright watch` exports, one for each alert that the description declares, with its level, message, remedy, escalation and runbook.
//! [`dashboard`] shows both. All are texts that a test gives to a real Prometheus, which has to load them and to fire.
//!
//! Rules keep what rules are for: a measure that is missing is an alert of its own, and no data is not well.

mod dashboard;
mod promql;
mod rules;
mod scrape;

pub use dashboard::{dashboard, panels};
pub use rules::rules;
pub use scrape::{JOB, Scraped, scrape};

/// A text as YAML and JSON both have it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
