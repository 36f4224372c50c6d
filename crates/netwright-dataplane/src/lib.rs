//! A described network in a Linux kernel: which namespaces, links, routes and rulesets make packets do what the prover says.
//!
//! [`plan`] turns a resolved network into a [`plan::HostPlan`]; it is pure. [`kernel`] makes the plan true, changes only what differs, and
//! reads back what is there.
//!
//! Architecture invariant: `plan` knows no kernel, no file and no clock; the same network always gives the same plan. `kernel` knows no
//! network description: it does what the plan says.

pub mod kernel;
pub mod plan;
