//! Watching.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::server::{Folder, Server};

struct Watching(BufReader<TcpStream>);

impl Watching {
    fn of(server: &Server, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let asked = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}\r\n");
        stream.write_all(asked.as_bytes()).unwrap();
        let mut watching = Self(BufReader::with_capacity(512, stream));
        let status = watching.line();
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        watching
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream has ended");
        line.trim_end().to_owned()
    }

    /// The next revision with its changes.
    fn next(&mut self) -> serde_json::Value {
        loop {
            if let Some(data) = self.line().strip_prefix("data: ") {
                let json: serde_json::Value = serde_json::from_str(data).unwrap();
                if json["changes"].is_array() {
                    return json;
                }
            }
        }
    }
}

/// Makes a revision that is told: who leads changes.
fn turn(server: &Server) {
    assert_eq!(server.post("/api/v1/consensus/force-election", None, "").status, 202);
    server.until("it leads", |health| health["leads"] == true);
}

#[test]
fn who_watches_sees_every_revision_once_and_goes_on_where_it_was() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &["--lease", "2"]);
    let mut all = Watching::of(&server, "/api/v1/watch?from=2", "");
    let first = all.next();
    assert_eq!(first["revision"], 2);
    turn(&server);
    let mut seen = vec![2];
    while seen.len() < 3 {
        seen.push(all.next()["revision"].as_u64().unwrap());
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    let mut again = Watching::of(&server, "/api/v1/watch", "last-event-id: 2\r\n");
    assert_eq!(again.next()["revision"], seen[1]);
    let mut leaders = Watching::of(&server, "/api/v1/watch?from=2&kind=leader", "");
    assert_eq!(leaders.next()["changes"][0]["kind"], "leader");
}

#[test]
fn what_is_no_longer_known_is_said_with_a_status() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &[]);
    assert_eq!(server.get("/api/v1/watch?from=0").problem(), "gone");
    assert_eq!(server.get("/api/v1/watch?from=1000000").status, 400);
    assert_eq!(server.get("/api/v1/watch?kind=access").problem(), "malformed");
}

#[test]
fn a_thousand_who_watch_lose_nothing() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &["--lease", "2"]);
    let mut watching: Vec<Watching> =
        (0..1000).map(|_| Watching::of(&server, "/api/v1/watch?from=2", "")).collect();
    turn(&server);
    let told: Vec<Vec<serde_json::Value>> =
        watching.iter_mut().map(|one| (0..3).map(|_| one.next()).collect()).collect();
    assert!(told.iter().all(|one| *one == told[0]));
    let metrics = server.get("/metrics").text;
    assert!(metrics.contains("netwright_streams 1000"), "{metrics}");
    drop(watching);
    // A server with streams open ends all the same.
    let _open = Watching::of(&server, "/api/v1/watch", "");
    assert_eq!(server.end(), Some(0));
}
