//! The network that the store keeps.
//!
//! [`objects`] is what is kept; [`Live`] is what it says at one revision; [`Keeper`] has the newest one and follows the store.

mod keep;
mod live;
pub mod objects;
pub(crate) mod read;
pub mod snapshot;

pub use keep::{Keeper, State};
pub use live::{Live, Unfit};
pub use objects::{Edit, Object, ObjectKey, Objects};
