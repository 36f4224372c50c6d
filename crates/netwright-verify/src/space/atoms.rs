//! Atoms: the fewest classes of packets that a network cannot tell apart.
//!
//! Two questions, two tools:
//!
//! - [`AddressClasses`]: given many sets of addresses, which addresses are in exactly the same of
//!   them? Computed once by a sweep, for grouping what a description never distinguishes.
//! - [`DataPlane`]: routers and filters whose rules come and go one at a time. It keeps the atoms
//!   minimal after every update and looks for forwarding loops among the packets that an update
//!   moved.
//!
//! Routing looks at the destination only and filters at everything, so a data plane keeps two
//! partitions, one of each: a packet's behaviour is its routing atom with its filter atom. One
//! partition of both would be their product.

mod behaviour;
mod classes;
mod dataplane;
mod filter;
mod loops;
mod routes;
mod segments;
#[cfg(test)]
mod tests;

pub use classes::{AddressClasses, Class};
pub use dataplane::{Change, DataPlane, Filter, Node, Port, Router};
pub use loops::{Hop, Loop};
