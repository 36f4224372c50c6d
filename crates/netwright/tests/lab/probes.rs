//! Probes from inside a lab: one by one, and all that a description expects.

use super::harness::{Way, text, ways};
use super::served;

/// A web server on db's port 80, a door that is open and nobody behind it (22), and one that is shut.
fn network(way: &Way, rest: &str) -> String {
    served::network(
        way,
        &["protocol: tcp, port: 80", "protocol: tcp, port: 22", "protocol: icmp"],
        rest,
    )
}

const EXPECTED: &str = "expect:
  works: { from: web, to: db, service: tcp/80, mtu: 1400, latency: 2s }
  shut: { from: web, to: db, service: tcp/81, outcome: blocked }
probes:
  golden:
    from: web
    steps:
      page: { target: 'http://10.0.0.20/', answer: { contains: [modules] }, capture: ['word=matches:(healthy|modules)'] }
      count: { target: 'http://10.0.0.20/metrics?${word}', answer: { matches: ['probes_total \\d+'] } }
      end: { target: 'http://10.0.0.20/-/healthy', always: true }
";

#[test]
fn probes_run_inside_an_instance_and_intents_are_asked_without_being_written_twice() {
    for way in ways("probes") {
        let file = way.file(&network(&way, EXPECTED));
        let up = way.lab(&["up", &file]);
        assert_eq!(up.status.code(), Some(0), "{up:?}");
        let probe = |words: &[&str]| {
            let all = [&["probe", "--lab", &way.lab, "--timeout", "1s"][..], words].concat();
            way.command(&all).output().unwrap()
        };
        let one = probe(&[
            "--from",
            "web",
            "http://10.0.0.20/-/healthy",
            "--body",
            "Healthy",
            "--format",
            "json",
        ]);
        assert_eq!(one.status.code(), Some(0), "{one:?}");
        let json: serde_json::Value = serde_json::from_slice(&one.stdout).unwrap();
        assert_eq!(json["probes"][0]["source"]["address"], "10.0.0.10", "{json}");
        let refused = probe(&["--from", "web", "tcp://10.0.0.20:22"]);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(text(&refused.stdout).contains("connection_refused"), "{refused:?}");
        let echo = probe(&["--from", "web", "icmp://10.0.0.20?size=1500"]);
        assert_eq!(echo.status.code(), Some(0), "{echo:?}");
        let silence = probe(&["--from", "web", "--not", "tcp://10.0.0.20:81"]);
        assert_eq!(silence.status.code(), Some(3), "{silence:?}");
        let control = probe(&[
            "--from",
            "web",
            "--not",
            "tcp://10.0.0.20:81",
            "--control",
            "tcp://10.0.0.20:80",
        ]);
        assert_eq!(control.status.code(), Some(0), "{control:?}");
        let nobody = probe(&["--from", "nobody", "tcp://10.0.0.20:80"]);
        assert_eq!(nobody.status.code(), Some(2), "{nobody:?}");

        let all = probe(&[&file, "--format", "json"]);
        assert_eq!(all.status.code(), Some(0), "{all:?}");
        let json: serde_json::Value = serde_json::from_slice(&all.stdout).unwrap();
        let names: Vec<_> =
            json["probes"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["works", "works", "shut", "golden"], "{json}");
        // What the network does not do any more is told by the intent's own name.
        let file = way.file(&network(&way, &EXPECTED.replace("tcp/80, mtu", "tcp/22, mtu")));
        let broken = probe(&[&file]);
        assert_eq!(broken.status.code(), Some(1), "{broken:?}");
        let out = text(&broken.stdout);
        assert!(out.contains("works: web → db tcp://10.0.0.20:22"), "{out}");
        assert!(out.ends_with("4 asked: 3 passed, 1 failed, 0 unknown\n"), "{out}");
    }
}
