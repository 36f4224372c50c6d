//! Watching a network: probes that never guess, health that does not flap, start-up that survives what it can, alerts that say what to do.
//!
//! [`probe`] asks a peer once and tells an [`outcome`](probe::outcome). [`intents`] makes probes of what a description expects, [`load`] asks one
//! target as often as it can be asked, [`exporter`] asks for Prometheus. [`health`] makes a state of outcomes, [`fault`] places a failure in a domain.
//! [`change`] is the window after a change, until each dependency has worked from a fresh start.
//! [`doctor`] judges what was seen of a live system by thresholds.
//! [`monitoring`] is all of it as files for Prometheus and Grafana.
//! [`fleet`] is many things of which some depend on others, [`alert`] what people are told and what to do, [`capacity`] how full things are, and
//! [`watcher`] holds them together: results in, decisions out. [`plan`] is what a description has watched, [`station`] a watcher that runs: what happened is
//! remembered, what is known is kept over restarts, and who asks is answered over HTTP.
//! [`startup`] is how a service starts while parts of what it needs are away, and [`endpoints`] is what it says of itself; our own server uses both.
//!
//! Architecture invariant: what decides reads no clock and no socket; times and results are passed in.

mod accept;
pub mod alert;
pub mod capacity;
pub mod change;
pub mod doctor;
pub mod endpoints;
pub mod exporter;
pub mod fault;
pub mod fleet;
pub mod health;
pub mod intents;
pub mod load;
pub mod monitoring;
pub mod plan;
pub mod probe;
pub mod startup;
pub mod station;
pub mod watcher;
