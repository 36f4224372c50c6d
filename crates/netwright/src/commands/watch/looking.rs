//! Asking who watches: over HTTP where somebody does, else what was known last.

use std::path::PathBuf;

use netwright_watch::station::documents::Shown;
use netwright_watch::station::{address, shown};
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::Method;

use super::folder;
use crate::arguments::{Format, Looking, Remote, StatePlace};
use crate::client::Client;
use crate::console::Console;
use crate::failure::Failure;

/// How long an answer may take, in seconds.
const PATIENCE: u64 = 10;

/// Who watches, as far as is known.
pub(in crate::commands) struct Watcher {
    /// Where it answers.
    client: Option<Client>,
    folder: PathBuf,
}

impl Watcher {
    /// As [`Self::of`], of the usual watch of this machine, or at an address.
    pub(in crate::commands) fn at(url: Option<&String>) -> Result<Self, Failure> {
        let state = std::env::var_os("NETWRIGHT_STATE").map(PathBuf::from);
        let place = StatePlace { name: "main".to_owned(), state };
        Self::of(&Looking { place, url: url.cloned(), format: Format::Text })
    }

    pub(in crate::commands) fn of(looking: &Looking) -> Result<Self, Failure> {
        let folder = folder(&looking.place)?;
        let url = match &looking.url {
            Some(url) => Some(url.clone()),
            None => address(&folder).map(|address| format!("http://{address}")),
        };
        let remote = |server| Remote { server, key_file: None, ca_file: None, timeout: PATIENCE };
        let client = url.map(|url| Client::new(&remote(url))).transpose()?;
        Ok(Self { client, folder })
    }

    /// What it answers; none where nobody answers.
    pub(in crate::commands) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<T>, Failure> {
        let Some(client) = &self.client else { return Ok(None) };
        let value = match client.get(path) {
            Ok(answer) => answer.body,
            // Nobody is there: what was known last is better than nothing, and is told to be old.
            Err(Failure::Asked { code: crate::console::Code::Unknown, .. }) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let foreign = |error| Failure::unknown(format!("the answer cannot be read: {error}"));
        serde_json::from_value(value).map(Some).map_err(foreign)
    }

    /// Has something done by who watches, which has to be there.
    pub(in crate::commands) fn ask(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let client = self.client.as_ref().ok_or_else(|| self.nobody())?;
        Ok(client.ask(method, path, &[], body)?.body)
    }

    /// What was known last, with a word about it on standard error.
    pub(in crate::commands) fn last(&self, console: &mut Console) -> Result<Shown, Failure> {
        let shown = shown(&self.folder).map_err(Failure::unknown)?.ok_or_else(|| self.nobody())?;
        console.error(&format!(
            "note: nothing watches: this is what was known at {}\n",
            shown.health.at
        ));
        Ok(shown)
    }

    /// That nobody watches.
    pub(in crate::commands) fn nobody(&self) -> Failure {
        let message = format!("nothing watches with {}", self.folder.display());
        Failure::Asked {
            message,
            notes: vec![
                "`netwright watch FILE` does; --name, --state or --url say which".to_owned(),
            ],
            code: crate::console::Code::Unknown,
        }
    }
}
