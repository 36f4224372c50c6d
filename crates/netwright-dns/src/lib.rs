//! The name server that a VPC has in the cloud: it answers from the zones that the VPC sees, and asks others where a zone says so.
//!
//! [`settings::Settings`] says what it holds. [`server::Server`] is the whole server without sockets and without a clock: datagrams and
//! times go in, datagrams come out. [`serve`] is the loop that gives it both.
//!
//! Architecture invariant: nothing here knows a network description, a prover or a kernel's namespaces. That the prover and this server
//! say the same of every name is tested and proved, not shared code.

mod answer;
mod cache;
pub mod client;
mod forward;
mod limits;
mod message;
pub mod metrics;
pub mod serve;
pub mod server;
pub mod settings;
mod trouble;
mod zones;

pub use zones::problems;
