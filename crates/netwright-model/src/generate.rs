//! Synthetic networks of a given size: for benchmarks, for tests, and to try Netwright without a network of one's own.
//!
//! [`generate`] is a function of its [`Plan`]: the same plan gives the same description, on every machine and in every version that
//! keeps this file. What it says under `expect` holds.
//!
//! Documentation addresses stand for the outside (RFC 5737, RFC 3849, RFC 2544's 198.18.0.0/15 where more are needed).
//!
//! Architecture invariant: nothing here reads a clock, a file or the system's random numbers.

mod flat;
mod groups;
mod hub;
mod parts;
mod small;

use crate::language::{Description, Provider};
use crate::source::Spanned;

use parts::Draft;

crate::keyword! {
    /// What a generated network looks like.
    pub enum Shape {
        /// One VPC: web, application and data tiers over three zones.
        #[default] Flat = "flat",
        /// A transit hub with many spokes, a VPC of shared services, one that inspects, and an office over VPN.
        HubAndSpoke = "hub-and-spoke",
        /// Thousands of VPCs; some are peered, and those that are not use the same addresses.
        ManySmallVpcs = "many-small-vpcs",
        /// One VPC where instances are in several groups and rules refer to groups.
        GroupReferences = "group-references",
    }
}

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// What it looks like.
    pub shape: Shape,
    /// Whose semantics: security groups and ACLs (`aws`), or rules by tag and policies (`gcp`). Other providers get groups.
    pub provider: Provider,
    /// How many instances. At least 10 are made.
    pub instances: u32,
    /// Which network of this shape and size.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { shape: Shape::Flat, provider: Provider::Aws, instances: 100, seed: 1 }
    }
}

/// Fewest instances that every shape has room for all its parts with.
const FEWEST: u32 = 10;

/// The network of a plan.
#[must_use]
pub fn generate(plan: &Plan) -> Description {
    let instances = plan.instances.max(FEWEST);
    let mut draft = Draft::new(plan.provider, plan.seed);
    draft.description.name =
        Some(Spanned::bare(format!("{} {instances} (seed {})", plan.shape, plan.seed)));
    match plan.shape {
        Shape::Flat => flat::draw(&mut draft, instances),
        Shape::HubAndSpoke => hub::draw(&mut draft, instances),
        Shape::ManySmallVpcs => small::draw(&mut draft, instances),
        Shape::GroupReferences => groups::draw(&mut draft, instances),
    }
    draft.finish()
}

#[cfg(test)]
mod tests;
