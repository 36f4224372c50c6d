//! Whatever process of a lab is killed, whenever: it is started again or the lab ends whole, others are not troubled, and nothing stays.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test stops where it cannot go on"
)]

mod harness;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::{Mark, Stays, Way, text, ways};

/// How often the tests that repeat do so: more where it is asked for.
fn rounds() -> u32 {
    if std::env::var_os("NETWRIGHT_LONG").is_some() { 50 } else { 12 }
}

fn example(name: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/");
    std::fs::read_to_string(format!("{root}{name}")).unwrap()
}

/// The socket of a lab, where it may be.
fn sockets(way: &Way) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> =
        [0, 65534].iter().map(|user| PathBuf::from(format!("/tmp/netwright-{user}"))).collect();
    places.extend(std::env::var_os("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("netwright")));
    places.into_iter().map(|place| place.join(format!("{}.sock", way.lab))).collect()
}

/// Nothing of a lab is there any more, nor of what was started for it.
#[track_caller]
fn nothing_stays(way: &Way, mark: &Mark) {
    mark.gone();
    // What was killed leaves its socket to whoever looks next. It is held for a moment after all else of a process has gone.
    let begun = Instant::now();
    loop {
        assert!(!way.lab(&["ps"]).status.success());
        let left = sockets(way).into_iter().find(|socket| socket.exists());
        let Some(socket) = left else { return };
        assert!(begun.elapsed() < Duration::from_secs(60), "{} stays", socket.display());
    }
}

/// The tasks of a lab: namespace, name, state, how often it was started again.
fn tasks(way: &Way) -> Vec<(String, String, String, u64)> {
    let ps = way.ps();
    let text = |task: &serde_json::Value, key: &str| task[key].as_str().unwrap().to_owned();
    ps["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| {
            let restarts = task["restarts"].as_u64().unwrap();
            (text(task, "namespace"), text(task, "name"), text(task, "state"), restarts)
        })
        .collect()
}

#[test]
fn a_part_of_a_lab_that_is_killed_is_started_again_and_other_packets_flow_meanwhile() {
    for way in ways("kill-part") {
        let file = way.file(&example("staging-egress/before.yaml"));
        let up = way.lab(&["up", &file]);
        assert!(up.status.success(), "{up:?}");
        let stop = AtomicBool::new(false);
        let (calls, lost) = std::thread::scope(|scope| {
            let others = scope.spawn(|| {
                let (mut calls, mut lost) = (0, Vec::new());
                while !stop.load(Ordering::SeqCst) {
                    let called = way.lab(&["call", "backend", "redis"]);
                    calls += 1;
                    if !called.status.success() {
                        lost.push(text(&called.stdout));
                    }
                }
                (calls, lost)
            });
            let ps = way.ps();
            for namespace in ps["namespaces"].as_array().unwrap() {
                let name = namespace["name"].as_str().unwrap();
                let processes = namespace["processes"].as_array().unwrap();
                for process in processes.iter().filter(|_| name != "service/backend") {
                    let kill = format!("kill -KILL {}", process["pid"].as_u64().unwrap());
                    let killed = way.lab(&["exec", name, "--", "sh", "-c", &kill]);
                    assert!(killed.status.success(), "{killed:?}");
                }
            }
            let begun = Instant::now();
            loop {
                let now = tasks(&way);
                let again = |task: &&(String, String, String, u64)| task.0 != "service/backend";
                if now.iter().filter(again).all(|task| task.2 == "ready" && task.3 == 1) {
                    break;
                }
                assert!(begun.elapsed() < Duration::from_secs(60), "{now:#?}");
                std::thread::sleep(Duration::from_millis(50));
            }
            stop.store(true, Ordering::SeqCst);
            others.join().unwrap()
        });
        assert!(calls > 1 && lost.is_empty(), "{} of {calls} calls: {lost:#?}", lost.len());
        let called = way.lab(&["call", "auth"]);
        assert!(called.status.success(), "it is as before: {called:?}");
        let logs = text(&way.lab(&["logs", "service/auth"]).stdout);
        assert!(logs.contains("was killed (SIGKILL); started again in"), "{logs}");
        assert!(way.lab(&["check"]).status.success());
    }
}

#[test]
fn a_lab_whose_process_1_or_keeper_is_killed_ends_whole() {
    for way in ways("kill-lab") {
        for (round, who) in ["lab keeper", "lab inside"].into_iter().enumerate() {
            let mark = Mark::new(&format!("kill-lab-{round}-{}", way.ordinary));
            let file = way.file(&example("staging-egress/before.yaml"));
            let up =
                mark.put(way.command(&["lab", "up", &file, "--name", &way.lab])).output().unwrap();
            assert!(up.status.success(), "{up:?}");
            assert!(mark.all().len() > 8, "{:#?}", mark.all());
            assert!(mark.kill(who), "{:#?}", mark.all());
            nothing_stays(&way, &mark);
        }
    }
}

#[test]
fn what_stays_with_a_lab_notices_that_it_was_killed_and_builds_it_again() {
    for way in ways("kill-up") {
        let mark = Mark::new(&format!("kill-up-{}", way.ordinary));
        let file = way.file(&example("quickstart/network.yaml"));
        let up = Stays::start(mark.put(way.command(&["up", &file, "--name", &way.lab])));
        for (who, told) in [
            ("lab inside", "the lab's process 1 was ended from outside: it is built again"),
            ("lab keeper", "the lab's keeper was ended by signal 9: it is built again"),
        ] {
            up.until("Ctrl-C ends the lab");
            assert!(mark.kill(who));
            up.until(told);
            up.until("30 of 30 predictions were seen to be true");
        }
        let (status, rest) = up.interrupt();
        assert_eq!(status, Some(0), "{rest:#?}");
        nothing_stays(&way, &mark);
    }
}

#[test]
fn up_and_down_again_and_again_leaves_nothing() {
    for way in ways("again") {
        let mark = Mark::new(&format!("again-{}", way.ordinary));
        let file = way.file(&example("staging-egress/works.yaml"));
        let links = std::fs::read_to_string("/proc/net/dev").unwrap().lines().count();
        for _ in 0..rounds() {
            let up =
                mark.put(way.command(&["lab", "up", &file, "--name", &way.lab])).output().unwrap();
            assert!(up.status.success(), "{up:?}");
            let down = way.lab(&["down"]);
            assert!(down.status.success(), "{down:?}");
        }
        nothing_stays(&way, &mark);
        let now = std::fs::read_to_string("/proc/net/dev").unwrap().lines().count();
        assert_eq!(now, links, "links of this machine");
    }
}

#[test]
fn a_lab_that_is_killed_while_it_is_built_leaves_nothing() {
    for way in ways("building") {
        let file = way.file(&example("staging-egress/works.yaml"));
        for round in 0..rounds() {
            let mark = Mark::new(&format!("building-{round}-{}", way.ordinary));
            let who = ["lab up", "lab keeper", "lab inside"][round as usize % 3];
            let mut up =
                Stays::start(mark.put(way.command(&["lab", "up", &file, "--name", &way.lab])));
            // Moments that spread over the time that building takes.
            std::thread::sleep(Duration::from_millis(u64::from(round * 37 % 160)));
            let killed = mark.kill(who);
            if !killed || who == "lab up" {
                // It was up already, or not begun; or only who waits for it was killed.
                let _status = up.child.wait();
                way.lab(&["down"]);
            }
            drop(up);
            nothing_stays(&way, &mark);
        }
    }
}
