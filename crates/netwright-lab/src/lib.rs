//! A lab: a planned network on one machine with real packets, as an ordinary user, with nothing of the machine changed.
//!
//! A lab is two processes. The [`keeper`] leaves the caller's user namespace and starts the lab's process 1, which holds every network
//! namespace; when either ends, however it ends, the kernel removes all of it. [`control`] asks a running lab; [`run`] starts a command
//! inside one of its namespaces. [`probe`] sends real packets and tells what arrived, [`ask`] asks name servers,
//! [`check`] what really listens behind a balancer. [`tasks`] keeps
//! the processes running that the plan names, [`stand_in`] is those of them that stand for what a cloud provides, [`tunnel`] the ends of
//! tunnels, and [`calls`] has services call what they depend on. [`link`] is what links do to packets on their way. [`faults`] are what a game
//! day does to a lab for as long as somebody holds on to it, [`monitor`] watches connections of a lab from inside.
//!
//! Architecture invariant: the lab is given a plan; it reads no description and decides nothing about packets.

pub mod ask;
pub mod calls;
pub mod check;
pub mod control;
pub mod failure;
pub mod faults;
pub mod interrupt;
pub mod isolate;
pub mod keeper;
pub mod link;
pub mod monitor;
mod names;
pub mod place;
pub mod probe;
pub mod run;
pub mod stand_in;
pub mod strike;
pub mod tasks;
pub mod tunnel;
mod view;
