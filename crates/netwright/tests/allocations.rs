//! Allocations through a real server with the embedded store, by the commands that people use.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it cannot go on"
)]

#[path = "harness/server.rs"]
mod server;

use server::Server;

/// The ticket's VPC: two halves of 10.0.1.0/24 are taken, and all before it.
const NETWORK: &str = "
vpcs:
  prod:
    cidr: 10.0.0.0/16
    subnets:
      old: { cidr: 10.0.0.0/24 }
      web: { cidr: 10.0.1.0/25 }
      api: { cidr: 10.0.1.128/25 }
";

/// A server, and the ticket's network in its folder, where commands are run.
fn started() -> Server {
    let mut server = Server::start();
    std::fs::write(server.folder.join("network.yaml"), NETWORK).unwrap();
    server.at.clone_from(&server.folder);
    server
}

#[test]
fn the_next_free_range_is_given_once_and_kept_over_a_kill() {
    let mut server = started();
    server.told(&["apply", "network.yaml"]);
    let allocate = ["allocate", "vpc:prod", "--length", "24", "--for", "subnet:prod/new"];
    assert_eq!(server.told(&allocate), "10.0.2.0/24");
    let once = [&allocate[..], &["--once", "ticket-42"]].concat();
    assert_eq!(server.told(&once), "10.0.3.0/24");
    server.kill();
    let server = Server::on(server.folder.clone());
    assert_eq!(server.told(&once), "10.0.3.0/24", "the same word, the same answer");
    let other = ["allocate", "vpc:prod", "--length", "25", "--for", "x", "--once", "ticket-42"];
    assert_eq!(server.ask(&other).0, 2, "the same word for something else");
    assert_eq!(server.told(&allocate), "10.0.4.0/24");

    let taken = ["allocate", "vpc:prod", "--value", "10.0.2.0/23", "--for", "x"];
    let (code, _, err) = server.ask(&taken);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("10.0.2.0/23 is taken by `subnet:prod/new`"), "{err}");
    let (code, _, err) = server.ask(&["allocate", "vpc:prod", "--length", "15", "--for", "x"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("no free /15"), "{err}");
    let (code, _, err) = server.ask(&["allocate", "vpc:prd", "--length", "24", "--for", "x"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("did you mean `vpc:prod`?"), "{err}");
}

#[test]
fn what_is_released_rests_and_a_late_release_frees_nothing() {
    let server = started();
    server.told(&[
        "pools",
        "set",
        "ids",
        "--kind",
        "numbers",
        "--range",
        "1-2",
        "--hold-down",
        "0",
    ]);
    let made = server.told(&["allocate", "ids", "--for", "a", "--format", "json"]);
    assert!(made.contains("\"value\": \"1\""), "{made}");
    let number = made.split("\"sequence\": ").nth(1).unwrap();
    let number = number.split([',', '\n']).next().unwrap().to_owned();
    server.told(&["release", "ids", "1", "--sequence", &number]);
    assert_eq!(server.told(&["allocate", "ids", "--for", "b"]), "1");
    let (code, _, err) = server.ask(&["release", "ids", "1", "--sequence", &number]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("belongs to another"), "{err}");

    server.told(&["pools", "set", "ids", "--kind", "numbers", "--range", "1-2"]);
    assert!(server.told(&["release", "ids", "1"]).contains("rests until"));
    assert_eq!(server.told(&["allocate", "ids", "--for", "c"]), "2");
    let (code, _, err) = server.ask(&["allocate", "ids", "--for", "d"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("1 released value still rests"), "{err}");
    let shown = server.told(&["pools", "show", "ids"]);
    assert!(shown.contains("`ids` is exhausted"), "{shown}");
    assert!(shown.lines().any(|line| line.starts_with("2 ") && line.contains(" c ")), "{shown}");
    assert_eq!(server.ask(&["pools", "remove", "ids"]).0, 1, "it is in use");
}

#[test]
fn a_change_may_not_use_what_is_allocated_for_something_else() {
    let server = started();
    server.told(&["apply", "network.yaml"]);
    let allocate = ["allocate", "vpc:prod", "--length", "24", "--for", "subnet:prod/new"];
    assert_eq!(server.told(&allocate), "10.0.2.0/24");
    let write = |name: &str| {
        let text = format!("{NETWORK}      {name}: {{ cidr: 10.0.2.0/24 }}\n");
        std::fs::write(server.folder.join("network.yaml"), text).unwrap();
    };
    write("other");
    let (code, out, err) = server.ask(&["apply", "network.yaml"]);
    assert_eq!(code, 1, "{out}{err}");
    write("new");
    server.told(&["apply", "network.yaml"]);
    assert_eq!(server.told(&allocate), "10.0.3.0/24");
    let pools = server.told(&["pools"]);
    assert!(pools.lines().any(|line| line.starts_with("subnet:prod/new ")), "{pools}");
}
