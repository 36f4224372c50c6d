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

use std::sync::Arc;

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

/// A prover at rest, with the network that it is of: for whoever is asked at times, and goes on from change to change.
#[derive(Debug)]
pub struct Resting {
    network: Arc<Network>,
    parts: Parts,
}

/// All of a prover but its network.
struct Parts {
    index: index::Index,
    routing: routing::Routing,
    policies: policy::Policies,
    space: Space,
    known: Option<Box<Known>>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("known", &self.known.is_some()).finish_non_exhaustive()
    }
}

impl Resting {
    /// Loads a network.
    #[must_use]
    pub fn new(network: Arc<Network>) -> Self {
        let parts = Prover::new(&network).into_parts();
        Self { network, parts }
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// What its sets take, in octets.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.parts.space.stats().bytes
    }

    /// Asks it something.
    #[must_use]
    pub fn ask<T>(self, ask: impl FnOnce(&mut Prover<'_>) -> T) -> (Self, T) {
        let Self { network, parts } = self;
        let mut prover = parts.of(&network);
        let answer = ask(&mut prover);
        let parts = prover.into_parts();
        (Self { network, parts }, answer)
    }

    /// Goes on to another network, and asks something about the change.
    #[must_use]
    pub fn go_on<T>(
        self,
        new: Arc<Network>,
        ask: impl FnOnce(&mut Prover<'_>, &change::Change) -> T,
    ) -> (Self, T) {
        let (mut prover, change) = self.parts.of(&self.network).go_on(&new);
        let answer = ask(&mut prover, &change);
        let parts = prover.into_parts();
        (Self { network: new, parts }, answer)
    }
}

impl Parts {
    fn of(self, network: &Network) -> Prover<'_> {
        let Self { index, routing, policies, space, known } = self;
        Prover { network, index, routing, policies, space, known }
    }
}

impl Prover<'_> {
    fn into_parts(self) -> Parts {
        let Self { network: _, index, routing, policies, space, known } = self;
        Parts { index, routing, policies, space, known }
    }
}
