//! Keys and roles.

use serde_json::Value;

use crate::server::{Etcd, Folder, Server, out, ran};

fn key(server: &Server, by: Option<&str>, role: &str) -> (String, String) {
    let made = server.post("/api/v1/keys", by, &format!(r#"{{"name":"{role}","role":"{role}"}}"#));
    assert_eq!(made.status, 201, "{}", made.text);
    let text = |name: &str| made.json()[name].as_str().unwrap().to_owned();
    (text("key"), text("id"))
}

#[test]
fn each_role_may_what_it_may_and_no_more() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &[]);
    let (admin, _) = key(&server, None, "admin");
    let (reader, id) = key(&server, Some(&admin), "reader");
    let (operator, _) = key(&server, Some(&admin), "operator");
    let get = |path: &str, key: &str| server.ask("GET", path, &[("x-api-key", key)], None).status;
    assert_eq!(get("/api/v1/system/snapshot", &reader), 200);
    for key in [&reader, &operator] {
        assert_eq!(get("/api/v1/keys", key), 403);
        assert_eq!(get("/api/v1/audit", key), 403);
        assert_eq!(server.post("/api/v1/keys", Some(key), "{}").problem(), "forbidden");
    }
    assert_eq!(get("/api/v1/keys", &admin), 200);
    // Now that there are keys, who is on this machine needs one too.
    assert_eq!(server.get("/api/v1/system/snapshot").problem(), "unauthorized");
    let ended = server.ask("DELETE", &format!("/api/v1/keys/{id}"), &[("x-api-key", &admin)], None);
    assert_eq!(ended.status, 204);
    let answer = server.ask("GET", "/api/v1/system/snapshot", &[("x-api-key", &reader)], None);
    assert_eq!(answer.problem(), "unauthorized");
    assert!(answer.text.contains("revoked"));
}

#[test]
fn who_did_what_is_kept_without_secrets() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &[]);
    let (admin, _) = key(&server, None, "admin");
    let (reader, _) = key(&server, Some(&admin), "reader");
    assert_eq!(server.post("/api/v1/keys", Some(&reader), "{}").status, 403);
    let mut records = Vec::new();
    for _ in 0..100 {
        let audit = server.ask("GET", "/api/v1/audit", &[("x-api-key", &admin)], None);
        records = audit.json()["records"].as_array().unwrap().clone();
        if records.len() == 3 {
            assert!(!audit.text.contains(admin.rsplit('_').next().unwrap()));
            break;
        }
        crate::server::pause(20);
    }
    let of =
        |name: &str| -> Vec<Value> { records.iter().map(|record| record[name].clone()).collect() };
    assert_eq!(of("status"), [201, 201, 403]);
    assert_eq!(of("name"), ["local", "admin", "reader"]);
    assert_eq!(records[2]["problem"], "forbidden");
}

#[test]
fn the_first_key_is_made_with_the_store_itself_and_commands_use_it() {
    let folder = Folder::new();
    let state = folder.text("");
    let made =
        ran(&["key", "create", "--offline", "--state", &state, "--name", "a", "--role", "admin"]);
    assert!(made.status.success(), "{made:?}");
    let file = folder.text("key");
    std::fs::write(&file, out(&made)).unwrap();
    let server = Server::leading(&folder.0, &[]);
    let asked = |words: &[&str]| {
        let mut all = words.to_vec();
        all.extend(["--server", &server.url, "--key-file", &file]);
        ran(&all)
    };
    let made = asked(&["key", "create", "--name", "ci", "--role", "operator", "--format", "json"]);
    assert!(made.status.success(), "{made:?}");
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let id = made["id"].as_str().unwrap();
    assert!(asked(&["key", "rotate", id]).status.success());
    assert!(asked(&["key", "revoke", id]).status.success());
    let list = out(&asked(&["key", "list"]));
    assert!(list.contains("operator") && list.lines().count() == 3, "{list}");
    // The server has the file of the store: it is not opened twice.
    let taken = ran(&["key", "list", "--offline", "--state", &state]);
    assert_eq!(taken.status.code(), Some(3), "{taken:?}");
    let refused = ran(&["key", "list", "--server", &server.url]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("X-API-Key is missing"));
}

#[test]
fn without_a_key_no_server_listens_beyond_its_machine() {
    let folder = Folder::new();
    let state = folder.text("");
    let refused = ran(&["serve", "--state", &state, "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no API key"));
    let made =
        ran(&["key", "create", "--offline", "--state", &state, "--name", "a", "--role", "reader"]);
    assert!(made.status.success());
    let server = Server::start(&folder.0, &["--listen", "0.0.0.0:0"]);
    server.until("it leads", |health| health["leads"] == true);
    assert_eq!(server.get("/api/v1/system/snapshot").problem(), "unauthorized");
    let answer = server.ask("GET", "/api/v1/system/snapshot", &[("x-api-key", &out(&made))], None);
    assert_eq!(answer.status, 200);
}

#[test]
fn a_server_among_several_says_where_the_others_reach_it() {
    let folder = Folder::new();
    let state = folder.text("");
    let place = ["--state", &state, "--store", "etcd://127.0.0.1:1"];
    let ended = ran(&[&["serve", "--listen", "0.0.0.0:0"][..], &place].concat());
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("--url"), "{ended:?}");
}

#[test]
fn beyond_its_machine_with_the_store_away_nobody_gets_in() {
    let Some(mut etcd) = Etcd::start() else { return };
    etcd.kill();
    let folder = Folder::new();
    let url = ["--url", "http://127.0.0.1:1"];
    let place = ["--store", &etcd.store(), "--listen", "0.0.0.0:0"];
    let server = Server::start(&folder.0, &[&place[..], &url].concat());
    assert_eq!(server.get("/livez").status, 200);
    for key in ["", "nw_000000000000_00", "x"] {
        let answer = server.ask("GET", "/api/v1/system/snapshot", &[("x-api-key", key)], None);
        assert_eq!(answer.problem(), "store-away");
    }
}

#[test]
fn a_page_in_a_browser_that_was_led_here_gets_nothing() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &[]);
    let asked = server.raw(
        b"GET /api/v1/system/snapshot HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n",
    );
    assert!(asked.starts_with("HTTP/1.1 403"), "{asked}");
    let own = server.raw(
        b"GET /api/v1/system/snapshot HTTP/1.1\r\nhost: localhost:1\r\nconnection: close\r\n\r\n",
    );
    assert!(own.starts_with("HTTP/1.1 200"), "{own}");
}

#[test]
fn over_tls_commands_ask_with_the_authority_they_are_given() {
    let folder = Folder::new();
    let made =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
            .unwrap();
    let (certificate, secret) = (folder.text("cert.pem"), folder.text("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&secret, made.signing_key.serialize_pem()).unwrap();
    let server = Server::start(&folder.0, &["--tls-cert", &certificate, "--tls-key", &secret]);
    assert!(server.url.starts_with("https://"));
    let mut listed = ran(&["key", "list", "--server", &server.url, "--ca-file", &certificate]);
    for _ in 0..100 {
        if listed.status.success() {
            break;
        }
        crate::server::pause(50);
        listed = ran(&["key", "list", "--server", &server.url, "--ca-file", &certificate]);
    }
    assert!(listed.status.success(), "{listed:?}");
    let stranger = ran(&["key", "list", "--server", &server.url]);
    assert_eq!(stranger.status.code(), Some(3), "{stranger:?}");
}
