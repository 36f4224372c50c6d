//! Loading what a command is given: a description, a folder, or a provider's export.

use std::path::Path;

use netwright_import::Loaded;
use netwright_model::diagnostic::Diagnostic;
use netwright_model::network::Network;
use netwright_model::network::resolve::resolve;
use netwright_model::source::{Sources, Span};
use netwright_model::tree::Limits;

use netwright_watch::plan::{Plan, plan};

use crate::failure::Failure;

/// A network with the texts that it came from.
#[derive(Debug)]
pub(crate) struct Input {
    /// The network.
    pub(crate) network: Network,
    /// The texts.
    pub(crate) sources: Sources,
    /// What an import left out, in words.
    pub(crate) notes: Vec<String>,
}

/// Reads and unites what a path holds.
pub(crate) fn load(path: &Path) -> Result<(Loaded, Sources), Failure> {
    let mut sources = Sources::default();
    match netwright_import::load(path, &mut sources, &Limits::default()) {
        Ok(loaded) => Ok((loaded, sources)),
        Err(diagnostics) => Err(Failure::Input { diagnostics, sources }),
    }
}

/// Reads what a path holds and resolves it.
pub(crate) fn open(path: &Path) -> Result<Input, Failure> {
    let (loaded, sources) = load(path)?;
    match resolve(loaded.description) {
        Ok(network) => Ok(Input { network, sources, notes: loaded.notes }),
        Err(diagnostics) => Err(Failure::Input { diagnostics, sources }),
    }
}

impl Input {
    /// What is watched by what it describes.
    pub(crate) fn watched(&self) -> Result<Plan, Failure> {
        plan(&self.network).map_err(|wrong| self.wrong_probes(wrong))
    }

    /// Probes that cannot be asked, with their places.
    pub(crate) fn wrong_probes(&self, wrong: Vec<(Span, String)>) -> Failure {
        let each = wrong.into_iter();
        let each = each.map(|(span, text)| Diagnostic::error("NW-IN-040", span, text));
        Failure::Input { diagnostics: each.collect(), sources: self.sources.clone() }
    }
}

/// Reads two at a time: where there are two processors it takes as long as one.
pub(crate) fn open_both(old: &Path, new: &Path) -> Result<(Input, Input), Failure> {
    std::thread::scope(|scope| {
        let old = scope.spawn(|| open(old));
        let new = open(new);
        // What panics there ends the process there: it does so here as if it had been called.
        let old = old.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((old?, new?))
    })
}
