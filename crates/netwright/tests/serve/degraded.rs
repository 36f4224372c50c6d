//! A server whose store is away says so, answers what it knows, refuses what it cannot do, and heals by itself.

use crate::server::{Etcd, Folder, Server, pause};

#[test]
fn the_store_goes_and_comes_back_and_the_server_never_pretends() {
    let Some(mut etcd) = Etcd::start() else { return };
    let folder = Folder::new();
    let store = etcd.store();
    let words = ["--store", &store, "--lease", "2"];
    let server = Server::start(&folder.0, &words);
    server.until("it leads", |health| health["leads"] == true);
    let made = server.post("/api/v1/keys", None, r#"{"name":"a","role":"admin"}"#);
    let admin = made.json()["key"].as_str().unwrap().to_owned();
    let get = |server: &Server, path: &str| server.ask("GET", path, &[("x-api-key", &admin)], None);
    assert!(!get(&server, "/api/v1/keys").degraded);

    etcd.kill();
    server.until("it is degraded", |health| health["status"] == "degraded");
    assert_eq!(server.get("/health").status, 200);
    assert_eq!(server.get("/livez").status, 200);
    assert_eq!(server.get("/readyz").status, 200);
    let warn = server.ask("GET", "/health", &[("accept", "application/health+json")], None);
    assert_eq!((warn.status, warn.json()["status"].as_str()), (200, Some("warn")));
    // Reads are answered, with their age; who has no key gets in no more than before.
    let read = get(&server, "/api/v1/keys");
    assert!(read.status == 200 && read.degraded && read.text.contains("\"a\""), "{}", read.text);
    assert_eq!(server.get("/api/v1/keys").status, 401);
    let write = server.post("/api/v1/keys", Some(&admin), r#"{"name":"b","role":"reader"}"#);
    assert_eq!((write.status, write.problem().as_str()), (503, "store-away"));

    // A server that starts now answers what the one before has kept.
    assert_eq!(server.end(), Some(0));
    let server = Server::start(&folder.0, &words);
    server.until("its start is over", |health| health["startup"] == "emergency_degraded");
    assert_eq!(server.get("/startupz").json()["complete"], true);
    let read = get(&server, "/api/v1/keys");
    assert!(read.status == 200 && read.degraded && read.text.contains("\"a\""), "{}", read.text);
    assert_eq!(server.get("/api/v1/keys").status, 401, "the gate stays closed");
    pause(1500);
    assert!(server.get("/health").json()["age"].as_f64().unwrap() > 1.0, "what is old says so");

    etcd.start_again();
    server.until("it is well", |health| health["status"] == "healthy" && health["leads"] == true);
    // What the start went without was done again.
    server.until("its start is whole", |health| health["startup"] == "normal");
    assert!(!get(&server, "/api/v1/keys").degraded);
    let write = server.post("/api/v1/keys", Some(&admin), r#"{"name":"b","role":"reader"}"#);
    assert_eq!(write.status, 201, "{}", write.text);
}

#[test]
fn a_server_that_knows_nothing_is_alive_and_not_ready() {
    let Some(mut etcd) = Etcd::start() else { return };
    etcd.kill();
    let folder = Folder::new();
    let server = Server::start(&folder.0, &["--store", &etcd.store()]);
    assert_eq!(server.get("/livez").status, 200);
    for path in ["/readyz", "/health/basic"] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.problem().as_str()), (503, "not-ready"));
    }
    assert_eq!(server.get("/health").status, 503);
    assert_eq!(server.get("/api/v1/system/snapshot").problem(), "store-away");
}

#[test]
fn a_strict_server_does_not_start_without_its_store() {
    let Some(mut etcd) = Etcd::start() else { return };
    etcd.kill();
    let folder = Folder::new();
    let state = folder.text("");
    let ran = crate::server::ran(&[
        "serve",
        "--state",
        &state,
        "--listen",
        "127.0.0.1:0",
        "--store",
        &etcd.store(),
        "--strict",
    ]);
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
    assert!(String::from_utf8_lossy(&ran.stderr).contains("reach the store"), "{ran:?}");
}

#[test]
fn what_was_kept_and_is_damaged_is_not_used() {
    let Some(mut etcd) = Etcd::start() else { return };
    let folder = Folder::new();
    let store = etcd.store();
    let words = ["--store", store.as_str()];
    let server = Server::start(&folder.0, &words);
    server.until("it leads", |health| health["leads"] == true);
    assert_eq!(server.end(), Some(0));
    etcd.kill();
    for entry in std::fs::read_dir(&folder.0).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "snapshot") {
            let mut octets = std::fs::read(&path).unwrap();
            octets[30] ^= 1;
            std::fs::write(&path, octets).unwrap();
        }
    }
    let server = Server::start(&folder.0, &words);
    assert_eq!(server.get("/api/v1/system/snapshot").problem(), "store-away");
    assert_eq!(server.get("/livez").status, 200);
}
