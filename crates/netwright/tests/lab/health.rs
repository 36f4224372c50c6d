//! Backends that fail while a lab runs: one decision for all nodes, what is open as the group says, and what happens when none is left.

use std::io::{Read, Write};

use super::harness::{Stays, Way, text, ways};

/// Answers with its name what it hears, and listens only while a file is not there.
const SERVER: &str = "import os, socket, sys, threading, time
port, name, flag = int(sys.argv[1]), sys.argv[2], sys.argv[3]
def serve(c):
    try:
        while (d := c.recv(64)):
            c.send(name.encode() + d)
    except OSError:
        pass
s = None
while True:
    if os.path.exists(flag):
        if s:
            s.close()
            s = None
        time.sleep(0.05)
        continue
    if not s:
        s = socket.create_server(('0.0.0.0', port), backlog=64)
        s.settimeout(0.05)
    try:
        threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
    except TimeoutError:
        pass
";

/// Who answers 40 new connections; `none` where nobody does.
const NEW: &str = "import socket, sys
seen = set()
for _ in range(40):
    try:
        c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
        c.send(b'!')
        seen.add(c.recv(64).decode() or 'none')
    except OSError:
        seen.add('none')
print(' '.join(sorted(seen)))
";

/// Holds a connection to a backend open, says when it is closed, and that it still works when a file appears.
const HOLD: &str = "import os, socket, sys, time
host, port, wanted, flag = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
while True:
    c = socket.create_connection((host, port), 5)
    c.send(b'!')
    if c.recv(64).decode() == wanted + '!':
        break
print('held', flush=True)
c.settimeout(0.1)
while not os.path.exists(flag):
    try:
        if not c.recv(64):
            break
    except TimeoutError:
        continue
    except OSError:
        break
else:
    c.settimeout(5)
    c.send(b'?')
    print('open', c.recv(64).decode(), flush=True)
    sys.exit()
print('closed', flush=True)
";

/// The example with backends that run, and checks that are quick.
fn description(way: &Way) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/load-balancers/network.yaml");
    let mut text = std::fs::read_to_string(path).unwrap();
    let script = way.folder.join("serve.py");
    std::fs::write(&script, SERVER).unwrap();
    for (name, port) in [("web-1", 8080), ("web-2", 8080), ("db-1", 6432), ("db-2", 6432)] {
        let listens = format!("listens: tcp/{port} }}");
        let flag = way.folder.join(format!("down-{name}"));
        let run = format!("exec python3 {} {port} {name} {}", script.display(), flag.display());
        let line = text.lines().find(|line| line.contains(&format!("  {name}: {{"))).unwrap();
        let with = line.replace(
            &listens,
            &format!("listens: tcp/{port}, exec: {{ name: serve, run: '{run}', ready: {{ port: tcp/{port} }} }} }}"),
        );
        text = text.replace(line, &with);
    }
    let check = "health_check: { interval: 1s, timeout: 500ms, healthy_threshold: 2, unhealthy_threshold: 3 }";
    let text = text.replace("health_check: {}", check);
    let text = text.replace(
        "      web: { port: tcp/8080,",
        "      web: { port: tcp/8080, open_connections: close,",
    );
    text.replace("    kind: proxy\n", "    kind: proxy\n    when_all_down: refuse\n") + ALERTS
}

const ALERTS: &str = "
alerts:
  backend-down:
    of: 'shop/*'
    states: [unhealthy]
    severity: critical
    component: shop
    message: '{thing} is out of service'
    remedies: [ { text: Look at what it wrote with `netwright lab logs` } ]
    escalation: web_team
    runbook: https://runbooks.example/web
";

/// What a webhook gets first.
fn webhook() -> (String, std::thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let receiver = format!("webhook=http://{}/alerts", listener.local_addr().unwrap());
    let got = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut got = Vec::new();
        let mut part = [0; 4096];
        while !got.ends_with(b"}") {
            let read = stream.read(&mut part).unwrap();
            got.extend_from_slice(&part[..read]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        text(&got)
    });
    (receiver, got)
}

fn new(way: &Way, from: &str, to: &str, port: &str) -> String {
    let words = ["exec", from, "--", "python3", "-c", NEW, to, port];
    text(&way.lab(&words).stdout).trim().to_owned()
}

#[test]
fn a_backend_that_fails_is_out_of_service_everywhere_until_it_is_well_again() {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: no python3 to serve with");
        return;
    }
    // Who runs it makes no difference to what is decided.
    for way in ways("health").into_iter().take(1) {
        let file = way.file(&description(&way));
        let (receiver, webhook) = webhook();
        let words = ["up", &file, "--name", &way.lab, "--health", "--notify", &receiver];
        let up = Stays::start(way.command(&words));
        let told = up.until("Ctrl-C ends the lab").join("\n");
        assert!(told.contains("4 backends of load balancers are asked"), "{told}");
        for _ in 0..4 {
            up.until("is healthy");
        }
        let flag = |name: &str| way.folder.join(format!("down-{name}"));
        let again = way.folder.join("again");
        let hold = |from: &str, to: &str, port: &str, name: &str| {
            let flag = again.to_str().unwrap();
            let words = [
                "lab", "exec", "--name", &way.lab, from, "--", "python3", "-c", HOLD, to, port,
                name, flag,
            ];
            let held = Stays::start(way.command(&words));
            held.until("held");
            held
        };
        let shop = ("internet", "198.51.100.10", "443");
        let data = ("web-1", "10.0.3.10", "5432");
        let through_proxy = hold(shop.0, shop.1, shop.2, "web-1");
        let passed_on = hold(data.0, data.1, data.2, "db-1");

        std::fs::write(flag("web-1"), "").unwrap();
        let told = up.until("shop: 1 of 2 backends").join("\n");
        assert!(told.contains("shop/web-1 10.0.2.11 port 8080 is unhealthy: nothing listens there (connection_refused) [application]"), "{told}");
        through_proxy.until("closed");
        assert_eq!(new(&way, shop.0, shop.1, shop.2), "web-2!");

        let line = up.until("CRITICAL shop: shop/web-1").pop().unwrap();
        let wanted = "CRITICAL shop: shop/web-1 10.0.2.11 port 8080 is out of service [application]. Look at what it wrote with `netwright lab \
                      logs` (next: web_team) (see: https://runbooks.example/web)";
        assert_eq!(line, wanted);
        let got = webhook.join().unwrap();
        assert!(
            got.starts_with("POST /alerts HTTP/1.1") && got.contains("\"escalation\":\"web_team\""),
            "{got}"
        );

        std::fs::write(flag("db-1"), "").unwrap();
        up.until("data: 1 of 2 backends");
        assert_eq!(new(&way, data.0, data.1, data.2), "db-2!");
        std::fs::write(&again, "").unwrap();
        passed_on.until("open db-1?");

        std::fs::write(flag("web-2"), "").unwrap();
        up.until("shop: no backend is in service; it refuses connections");
        assert_eq!(new(&way, shop.0, shop.1, shop.2), "none");

        for name in ["web-1", "web-2", "db-1"] {
            std::fs::remove_file(flag(name)).unwrap();
        }
        up.until("shop: 2 of 2 backends");
        assert_eq!(new(&way, shop.0, shop.1, shop.2), "web-1! web-2!");
        up.interrupt();
    }
}
