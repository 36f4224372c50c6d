//! A described network in a Linux kernel: which namespaces, links, routes and rulesets make packets do what the prover says.
//!
//! [`plan`] turns a resolved network into a [`plan::HostPlan`]; it is pure. Applying a plan is the kernel half's work.
//!
//! Architecture invariant: `plan` knows no kernel, no file and no clock; the same network always gives the same plan.

pub mod plan;
