//! What peers say to probes: HTTP answers and Redis' replies, however they are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

// The readers alone, without the protocols that they are read for: those would take minutes to build.
#[allow(dead_code, reason = "only what reads is used")]
#[path = "../../crates/netwright-watch/src/probe/http/answer.rs"]
mod answer;
#[allow(dead_code, reason = "only what reads is used")]
#[path = "../../crates/netwright-watch/src/probe/redis/reply.rs"]
mod reply;

use answer::{Body, Decoder};

fuzz_target!(|data: &[u8]| {
    let Some((step, rest)) = data.split_first() else { return };
    let mut decoder = Decoder::new(Body::Keep(1_000));
    for part in rest.chunks(usize::from(*step).max(1)) {
        let Ok(used) = decoder.feed(part) else { break };
        assert!(used <= part.len());
    }
    if let Ok(Some((_, length))) = reply::read(rest) {
        assert!(length <= rest.len());
    }
});
