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

pub(super) fn run(arguments: &Apply, console: &mut Console) -> Result<Code, Failure> {
    let (loaded, sources) = load(&arguments.file)?;
    for note in &loaded.notes {
        console.error(&format!("note: {note}\n"));
    }
    let mut body = json!({
        "description": to_yaml(&loaded.description, ""),
        "name": arguments.file.display().to_string(),
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
