//! A network, loaded for proving: indexes, compiled filters, and paths.
//!
//! What a packet meets on its way depends on its addresses and on where it starts, never on its ports. So a [`path::Path`] is
//! found for a pair of addresses, and what passes along it is a set over protocol and ports: the intersection of what each
//! filter on it permits. [`crate::trace`] asks one packet, [`crate::reach`] asks all of them; both read the same paths.
//!
//! Architecture invariant: the meaning of routes and filters lives here and in [`crate::interpreter`], which knows nothing of this
//! module; a property test holds the two together.

pub(crate) mod address;
pub mod change;
mod chosen;
pub mod index;
pub mod path;
pub mod policy;
pub mod routing;
mod walk;

use netwright_model::network::Network;

use crate::reach::Known;
use crate::space::Space;

pub(crate) use walk::UNPREDICTABLE;

/// A network, loaded. Everything derived from it is computed once, on first use where it is large.
pub struct Prover<'n> {
    /// The network.
    pub network: &'n Network,
    pub(crate) index: index::Index,
    pub(crate) routing: routing::Routing,
    pub(crate) policies: policy::Policies,
    /// The sets over protocol and ports that filters permit.
    pub space: Space,
    /// What questions about all pairs found out.
    pub(crate) known: Option<Box<Known>>,
}

impl<'n> Prover<'n> {
    /// Loads a network.
    #[must_use]
    pub fn new(network: &'n Network) -> Self {
        Self::in_space(network, Space::new())
    }

    /// Loads a network into a space that already holds sets, so that its sets can be compared with another network's.
    #[must_use]
    pub fn in_space(network: &'n Network, mut space: Space) -> Self {
        Self {
            network,
            index: index::Index::of(network),
            routing: routing::Routing::of(network),
            policies: policy::Policies::of(network, &mut space),
            space,
            known: None,
        }
    }

    /// The space with all its sets.
    #[must_use]
    pub fn into_space(self) -> Space {
        self.space
    }
}
