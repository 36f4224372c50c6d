//! `netwright apply`.

use netwright_model::network::resolve::resolve;
use netwright_model::to_yaml;
use serde_json::json;
use ureq::http::Method;

use super::change::send;
use crate::arguments::Apply;
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::network::load;

/// The longest name of a description, in octets, that a service takes.
const LONGEST: usize = 400;

pub(super) fn run(arguments: &Apply, console: &mut Console) -> Result<Code, Failure> {
    let (loaded, sources) = load(&arguments.file)?;
    for note in &loaded.notes {
        console.error(&format!("note: {note}\n"));
    }
    let mut name = arguments.file.display().to_string();
    if name.len() > LONGEST {
        name = "network.yaml".to_owned();
    }
    let mut body = json!({
        "description": to_yaml(&loaded.description, ""),
        "name": name,
        "prune": arguments.prune,
    });
    let sent = send(&Method::POST, "/api/v1/changes", &mut body, &arguments.wish, console);
    // What is wrong by itself is told with its places in the files; what is wrong with the objects of the service, as it says.
    if let Err(Failure::Told { .. }) = &sent
        && let Err(diagnostics) = resolve(loaded.description)
    {
        return Err(Failure::Input { diagnostics, sources });
    }
    sent
}
