//! Any description that resolves: all pairs, and one flow between every two of its first endpoints.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netwright_model::load;
use netwright_model::source::Sources;
use netwright_verify::ask::{flows_between, points};
use netwright_verify::prover::Prover;
use netwright_verify::{cascade, dependencies, intents};

fuzz_target!(|text: &str| {
    let Ok(network) = load("input.yaml", text, &mut Sources::default()) else { return };
    let mut prover = Prover::new(&network);
    drop(prover.reach());
    drop(intents::ask(&mut prover));
    let answers = dependencies::ask(&mut prover);
    drop(cascade::follow(&network, &answers));
    let names = network.endpoints.iter().take(4).map(|endpoint| {
        netwright_model::language::EndpointRef::Kind(endpoint.kind, endpoint.name.clone())
    });
    let all: Vec<_> =
        names.filter_map(|name| points(&network, &name).ok()).flatten().take(8).collect();
    for from in &all {
        for to in &all {
            drop(prover.best_trace(&flows_between(from, to, None)));
        }
    }
});
