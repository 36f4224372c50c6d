//! PostgreSQL, Redis and the reference system of game days as data: programs, arguments, environment, what is to be done before, and how one
//! sees that they are ready.
//!
//! [`system`] makes the whole reference system for given addresses; [`Program`] is one of its processes. Whoever starts them decides where: in
//! namespaces of a lab, or here, with [`start`]. Nothing is installed, and nothing of the machine is touched but the folder that is named.
//!
//! Architecture invariant: this knows commands and ports; it speaks to no server beyond asking whether it is ready, and knows no network.

mod find;
mod program;
mod running;
mod system;

pub use find::{Missing, postgres_program, redis_server, visapi_beside};
pub use program::{Program, Ready, Step};
pub use running::{Running, answers, start};
pub use system::{Addresses, Keys, System, VARIANTS, database_url, system};
