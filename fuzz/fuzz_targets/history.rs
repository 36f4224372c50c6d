//! Any octets as a history: read or refused with a place, and checked against every model without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netwright_history::{MODELS, Options, check, read_text, timeline};

fuzz_target!(|text: &[u8]| {
    let Ok(history) = read_text(text) else { return };
    let options = Options { budget: 2_000, ..Options::default() };
    for model in MODELS {
        if let Ok(report) = check(&history, model, &options) {
            for finding in report.findings {
                drop(timeline(&history, &finding.operations));
            }
        }
    }
});
