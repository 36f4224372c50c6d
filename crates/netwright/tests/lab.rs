//! Labs from the command line: commands of instances, edits that are followed, and that nothing stays.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test says what it skips and stops where it cannot go on"
)]

#[path = "lab/balancers.rs"]
mod balancers;
#[path = "lab/detection.rs"]
mod detection;
#[path = "lab/doctor.rs"]
mod doctor;
mod harness;
#[path = "lab/health.rs"]
mod health;
#[path = "lab/hosts.rs"]
mod hosts;
#[path = "lab/names.rs"]
mod names;
#[path = "lab/probes.rs"]
mod probes;
#[path = "lab/prometheus.rs"]
mod prometheus;
#[path = "lab/rehearse.rs"]
mod rehearse;
#[path = "lab/served.rs"]
mod served;
#[path = "lab/sessions.rs"]
mod sessions;
#[path = "lab/watch.rs"]
mod watch;
#[path = "harness/words.rs"]
mod words;

use std::process::Command;

use harness::{Stays, text, ways};

#[test]
fn commands_that_die_are_told_with_what_they_wrote_and_the_others_run() {
    for way in ways("exec") {
        let file = way.file(
            "vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }
instances:
  web:
    subnet: s
    exec:
      - sleep 1000
      - { name: bad, run: 'echo I cannot; exit 3', restart: never }
      - { name: where, run: 'test -e network.yaml' }
",
        );
        let up = way.lab(&["up", &file]);
        let out = text(&up.stdout);
        assert_eq!(up.status.code(), Some(1), "{up:?}");
        assert!(out.contains("instance/web bad ended with status 3"), "{out}");
        assert!(out.contains("    I cannot\n"), "{out}");
        let ps = way.ps();
        let states: Vec<_> = ps["tasks"].as_array().unwrap().iter().map(|t| &t["state"]).collect();
        assert_eq!(states, ["failed", "ready", "ended"], "{ps}");
        let logs = text(&way.lab(&["logs", "web"]).stdout);
        assert!(logs.contains("instance/web bad I cannot"), "{logs}");
        let unknown = way.lab(&["logs", "nobody"]);
        assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    }
}

const WATCHED: &str = "vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }
filters: { f: { rules: [ { direction: ingress, protocol: tcp, port: 80, from: 10.0.0.0/24 } ] } }
instances:
  web: { subnet: s, address: 10.0.0.5, filters: f, exec: { name: stays, run: 'echo begun; exec sleep 1000' } }
";

#[test]
fn edits_are_followed_by_the_difference_and_mistakes_change_nothing() {
    for way in ways("watch") {
        let file = way.file(WATCHED);
        let up = Stays::start(way.command(&["lab", "up", "--watch", "--name", &way.lab, &file]));
        up.until("1 task is up");

        way.file(
            &WATCHED
                .replace("\ninstances:", "\ninstances:\n  new: { subnet: s, address: 10.0.0.9 }"),
        );
        let told = up.until(" applied in ");
        assert!(told.iter().any(|line| line == "  instance/new is new"), "{told:#?}");
        let web = told.iter().find(|line| line.contains("instance/web"));
        assert_eq!(web, None, "what is not concerned stays");

        way.file(&WATCHED.replace("port: 80", "port: eighty"));
        let told = up.until("the lab stays as it was");
        assert!(told.iter().any(|line| line.contains("network.yaml:2:")), "{told:#?}");
        assert_eq!(way.ps()["namespaces"].as_array().unwrap().len(), 4);

        way.file(&WATCHED.replace("port: 80", "port: 81"));
        let told = up.until(" applied in ");
        assert!(told.iter().any(|line| line == "  instance/new is removed"), "{told:#?}");
        assert!(told.iter().any(|line| line.contains("of its ruleset more")), "{told:#?}");
        let check = way.lab(&["check"]);
        assert!(check.status.success(), "{check:?}");

        let logs = text(&way.lab(&["logs"]).stdout);
        assert_eq!(logs.matches("begun").count(), 1, "a task that did not change runs on: {logs}");
        way.file(&WATCHED.replace("echo begun", "echo anew"));
        up.until("task instance/web stays is started anew");
        up.until("1 task is up");
        drop(up);
        way.gone();
    }
}

#[test]
fn a_lab_in_the_background_is_brought_to_another_network() {
    for way in ways("apply") {
        let file = way.file(WATCHED);
        assert!(way.lab(&["up", &file]).status.success());
        let same = way.lab(&["apply", &file]);
        assert_eq!(text(&same.stdout), "nothing of the lab changes\n", "{same:?}");
        way.file(&WATCHED.replace("10.0.0.5", "10.0.0.6"));
        let other = way.lab(&["apply", &file]);
        let out = text(&other.stdout);
        assert!(out.contains("instance/web: 1 address more and 1 less"), "{other:?}");
        let ran = way.lab(&["exec", "web", "cat", "/proc/net/fib_trie"]);
        assert!(text(&ran.stdout).contains("10.0.0.6"), "{ran:?}");
        assert!(way.lab(&["down"]).status.success());
        let nobody = way.lab(&["apply", &file]);
        assert_eq!(nobody.status.code(), Some(2), "{nobody:?}");
    }
}

#[test]
fn what_the_machine_lacks_is_told_with_what_to_do_and_nothing_stays() {
    let Some(way) = ways("lacks").into_iter().next() else { return };
    let file = way.file(WATCHED);
    let within = |script: &str| {
        let mut command = Command::new("unshare");
        let program = env!("CARGO_BIN_EXE_netwright");
        command.args(["-Urm", "sh", "-c", &format!("{script} && exec \"$0\" \"$@\""), program]);
        command.args(["lab", "up", "--name", &way.lab, &file]).current_dir(&way.folder);
        command.output().unwrap()
    };
    let cases = [
        (
            "echo 0 > /proc/sys/user/max_user_namespaces",
            ["the limit of user namespaces is reached", "`sysctl user.max_user_namespaces=10000`"],
        ),
        (
            "for nft in /usr/sbin/nft /sbin/nft; do test ! -e $nft || mount --bind /dev/null $nft; done",
            ["the machine does not give the program nft", "`apt install nftables`"],
        ),
    ];
    for (script, wanted) in cases {
        let ran = within(script);
        let told = text(&ran.stderr);
        if told.starts_with("unshare:") || told.starts_with("mount:") {
            eprintln!("skipped: {}", told.trim());
            continue;
        }
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        assert!(wanted.iter().all(|wanted| told.contains(wanted)), "{told}");
        assert!(!way.lab(&["ps"]).status.success());
    }
}

#[test]
fn an_address_that_two_machines_hold_is_told_and_the_others_work() {
    for way in ways("clash") {
        let file = way.file(
            "vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }
filters: { f: { rules: [ { direction: ingress, protocol: tcp, from: 10.0.0.0/24 }, { direction: egress, to: 10.0.0.0/24 } ] } }
instances:
  a: { subnet: s, address: 10.0.0.5, filters: f }
  b: { subnet: s, address: 10.0.0.5, filters: f }
  c: { subnet: s, address: 10.0.0.6, filters: f }
  d: { subnet: s, address: 10.0.0.7, filters: f }
",
        );
        let up = way.lab(&["up", &file]);
        let told = text(&up.stdout);
        let wanted =
            "10.0.0.5 is held by instance/a and instance/b: only one of them gets its packets";
        assert!(up.status.success() && told.contains(wanted), "{up:?}");
        let proved = way.command(&["prove", &file, "--lab", &way.lab]).output().unwrap();
        let told = text(&proved.stdout);
        assert!(proved.status.success() && told.contains("10.0.0.6"), "{told}");
    }
}
