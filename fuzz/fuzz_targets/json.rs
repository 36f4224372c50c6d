//! Any text as JSON: a tree or an error with a place that can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netwright_model::source::Sources;
use netwright_model::tree::{Limits, json};

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    let file = sources.add("input.json", text);
    if let Err(error) = json::parse(text, file, &Limits::default()) {
        drop(error.render(&sources, false));
    }
});
