//! What each host is to have, worked out once for all of them.
//!
//! How that is done is not known here: whoever starts a server gives it a [`Compiler`]. Without one, agents are told the whole network.

use std::collections::BTreeMap;
use std::fmt;

use netwright_model::network::Network;

use crate::agents::Registration;
use crate::faults::{NewFault, Worked};

/// A host's part of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The part, as JSON.
    pub text: String,
    /// What has a place on the host, each as its kind and name: `instance/web`.
    pub places: Vec<String>,
}

/// Works out hosts' parts of a network.
pub trait Compiler: fmt::Debug + Send + Sync {
    /// What the parts are written in. An agent that reads something else is told the whole network.
    fn format(&self) -> &'static str;

    /// Each host's part, by the host's name.
    ///
    /// # Errors
    ///
    /// Why there are none.
    fn parts(
        &self,
        network: &Network,
        hosts: &[Registration],
    ) -> Result<BTreeMap<String, Part>, String>;

    /// What hosts are to do for a fault, and what it concerns; `id` is how it is called where its rules are.
    ///
    /// # Errors
    ///
    /// What of it cannot be: names of nothing, services that are none.
    fn fault(
        &self,
        id: &str,
        network: &Network,
        hosts: &[Registration],
        fault: &NewFault,
    ) -> Result<Worked, Vec<String>>;
}
