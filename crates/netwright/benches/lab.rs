//! Benchmarks of the lab: `cargo xtask bench lab` runs all, `cargo xtask bench lab balancer` one.

#![allow(clippy::unwrap_used, reason = "a benchmark stops where it cannot go on")]

use std::io::Write;

#[path = "lab/balancer.rs"]
mod balancer;
#[path = "lab/here.rs"]
mod here;
#[path = "lab/size.rs"]
mod size;
#[path = "lab/stream.rs"]
mod stream;

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = std::io::stdout().lock();
    match words.as_slice() {
        ["balancer", part @ ("serve" | "connect"), rest @ ..] => balancer::be(part, rest, &mut out),
        ["stream", part @ ("send" | "take"), rest @ ..] => stream::be(part, rest, &mut out),
        ["balancer"] => balancer::run(&mut out),
        ["size"] => size::run(&mut out),
        ["stream"] => stream::run(&mut out),
        [] => {
            size::run(&mut out);
            stream::run(&mut out);
            balancer::run(&mut out);
        }
        _ => writeln!(out, "the lab has no benchmark `{}`", words.join(" ")).unwrap(),
    }
}
