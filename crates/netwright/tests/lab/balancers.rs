//! Load balancers in a lab: both kinds prove true, count by name, and take other backends while connections go on.

use super::harness::{Stays, Way, text, ways};

fn example() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/load-balancers/network.yaml");
    std::fs::read_to_string(path).unwrap()
}

/// Connections to a backend, as they were counted.
fn counted(way: &Way, name: &str) -> u64 {
    let ran = way.lab(&["stats", "--all", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let all = json["counters"].as_array().unwrap();
    let mut own = all.iter().filter(|row| row["what"] == "backend" && row["name"] == name);
    own.next().and_then(|row| row["packets"].as_u64()).unwrap_or(u64::MAX)
}

#[test]
fn each_backend_in_service_is_reached_through_its_balancer_and_counted_by_name() {
    for way in ways("balanced") {
        let file = way.file(&example());
        assert!(way.lab(&["up", &file]).status.success());
        let names =
            ["data postgres: db-1 10.0.3.11 port 6432", "shop https: web-2 10.0.2.12 port 8080"];
        assert_eq!(names.map(|name| counted(&way, name)), [0, 0]);
        let proved =
            way.command(&["prove", &file, "--lab", &way.lab, "--format", "json"]).output().unwrap();
        assert!(proved.status.success(), "{}", text(&proved.stdout));
        let json: serde_json::Value = serde_json::from_slice(&proved.stdout).unwrap();
        let all = json["balanced"].as_array().unwrap();
        let of = |from: &str, to: &str| {
            all.iter().find(|row| row["from"] == from && row["to"] == to).unwrap().clone()
        };
        let data = of("web-1", "data/a");
        let answered: Vec<(&str, bool)> = data["backends"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let seen = row["sources_seen"].as_array().unwrap();
                assert!(seen.iter().all(|source| source == "10.0.2.11"), "{row}");
                (row["names"][0].as_str().unwrap(), row["answered"].as_u64() > Some(0))
            })
            .collect();
        assert_eq!(answered, [("db-1", true), ("db-2", true), ("db-3", false)]);
        let shop = of("internet", "shop/a");
        assert_eq!(shop["unanswered"], 0, "{shop}");
        assert_eq!(shop["backends"][0]["sources_seen"][0], "10.0.1.10", "{shop}");
        assert!(names.iter().all(|name| counted(&way, name) > 5));
    }
}

/// Each answers with what it hears, for as long as it hears anything.
const SERVER: &str = "import socket, sys, threading
s = socket.create_server(('0.0.0.0', int(sys.argv[1])), backlog=64)
print('up', flush=True)
def serve(c):
    while (d := c.recv(64)):
        c.send(sys.argv[2].encode() + d)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
";

/// Holds a connection to each backend open, and asks each once more when a file appears.
const CLIENT: &str = "import os, socket, sys, time
host, port, flag = sys.argv[1], int(sys.argv[2]), sys.argv[3]
held = {}
while len(held) < 2:
    c = socket.create_connection((host, port), 5)
    c.send(b'!')
    held.setdefault(c.recv(64), c)
print('held', flush=True)
while not os.path.exists(flag):
    time.sleep(0.05)
for name, c in held.items():
    c.settimeout(5)
    c.send(b'?')
    print('again', c.recv(64).decode(), flush=True)
time.sleep(0.5)
seen = set()
for _ in range(40):
    c = socket.create_connection((host, port), 5)
    c.send(b'!')
    seen.add(c.recv(64).decode())
print('new', ' '.join(sorted(seen)), flush=True)
";

#[test]
fn backends_come_and_go_and_open_connections_stay() {
    for way in ways("backends") {
        if std::process::Command::new("python3").arg("--version").output().is_err() {
            eprintln!("skipped: no python3 to connect with");
            return;
        }
        let file = way.file(&example());
        assert!(way.lab(&["up", &file]).status.success());
        let serve = |name: &str, port: &str| {
            let words = [
                "lab", "exec", "--name", &way.lab, name, "--", "python3", "-c", SERVER, port, name,
            ];
            let started = Stays::start(way.command(&words));
            started.until("up");
            started
        };
        let _servers = [
            serve("web-1", "8080"),
            serve("web-2", "8080"),
            serve("db-1", "6432"),
            serve("db-2", "6432"),
        ];
        let flag = way.folder.join("changed");
        let _none = std::fs::remove_file(&flag);
        let flag_text = flag.to_str().unwrap();
        let connect = |from: &str, to: &str, port: &str| {
            let words = [
                "lab", "exec", "--name", &way.lab, from, "--", "python3", "-c", CLIENT, to, port,
                flag_text,
            ];
            let started = Stays::start(way.command(&words));
            started.until("held");
            started
        };
        let through = [
            (connect("web-1", "10.0.3.10", "5432"), "db-1!"),
            (connect("internet", "198.51.100.10", "443"), "web-1!"),
        ];
        let gone = example()
            .replace("{ target: web-2 }", "{ target: web-2, healthy: false }")
            .replace("{ target: db-2 }", "{ target: db-2, healthy: false }");
        way.file(&gone);
        let applied = way.lab(&["apply", &file]);
        assert!(applied.status.success(), "{applied:?}");
        std::fs::write(&flag, "").unwrap();
        for (client, left) in &through {
            let told = client.until("new ");
            let again = told.iter().filter(|line| line.starts_with("again ")).count();
            assert_eq!(again, 2, "what was open stays: {told:#?}");
            assert_eq!(told.last().unwrap(), &format!("new {left}"), "{told:#?}");
        }
        let check = way.lab(&["check"]);
        assert!(check.status.success(), "{check:?}");
    }
}
