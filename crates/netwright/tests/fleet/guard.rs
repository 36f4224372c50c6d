//! The guard beside an agent: what it holds goes on by itself.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::PATIENCE;

#[test]
fn what_a_guard_holds_goes_on_when_its_agent_has_gone_and_when_its_lease_is_over() {
    let place = std::fs::metadata("/proc/self/ns/net").unwrap().ino();
    let mark = ("NETWRIGHT_TEST_GUARD", "1");
    let mut sleeps = Command::new("sleep").arg("98773").env(mark.0, mark.1).spawn().expect("sleep");
    let state = |number: u32| {
        let text = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap();
        text.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    };
    let until = |still: bool| {
        let start = Instant::now();
        while (state(sleeps.id()) == 'T') != still {
            assert!(start.elapsed() < PATIENCE, "{}", state(sleeps.id()));
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let order = |lease: u64| {
        let still = json!({ "places": [place], "mark": { "name": mark.0, "value": mark.1 }, "holds": "sleep 98773" });
        json!({ "lease_ms": lease, "work": { "still": still } })
    };
    for (lease, dies) in [(60_000, true), (1_000, false)] {
        let mut guard = Command::new(env!("CARGO_BIN_EXE_netwright"))
            .args(["lab", "part", "guard"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the guard");
        let (mut to, from) = (guard.stdin.take().unwrap(), guard.stdout.take().unwrap());
        writeln!(to, "{}", order(lease)).unwrap();
        let mut said = String::new();
        let mut from = BufReader::new(from);
        from.read_line(&mut said).unwrap();
        if dies {
            assert_eq!(said.trim(), "{\"still\":1,\"wrong\":0}");
            until(true);
            // All that it hears of an agent that is killed.
            drop(to);
            until(false);
        } else {
            until(false);
            drop(to);
        }
        assert!(guard.wait().unwrap().success());
    }
    sleeps.kill().unwrap();
    sleeps.wait().unwrap();
}
