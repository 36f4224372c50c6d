//! Any text as a description: errors, never a panic; what is read is written and read back equal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netwright_model::source::Sources;
use netwright_model::{parse_description, to_yaml};

fuzz_target!(|text: &str| {
    let mut sources = Sources::default();
    match parse_description("input.yaml", text, &mut sources) {
        Ok(description) => {
            let written = to_yaml(&description, "");
            let again = parse_description("again.yaml", &written, &mut sources);
            assert_eq!(Ok(description), again, "{written}");
        }
        Err(errors) => errors.iter().for_each(|error| drop(error.render(&sources, false))),
    }
});
