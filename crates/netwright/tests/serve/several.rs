//! Several servers over one store: one leads, any answers, another takes over.

use crate::server::{Etcd, Folder, Server, pause};

#[test]
fn followers_pass_writes_on_and_take_over_when_the_leader_is_killed() {
    let Some(etcd) = Etcd::start() else { return };
    let store = etcd.store();
    let folders = [Folder::new(), Folder::new(), Folder::new()];
    let names = ["one", "two", "three"];
    let mut servers: Vec<Server> = folders
        .iter()
        .zip(names)
        .map(|(folder, name)| {
            let words = ["--store", store.as_str(), "--name", name, "--lease", "2"];
            let server = Server::start(&folder.0, &words);
            server.until("somebody leads", |health| health["status"] == "healthy");
            server
        })
        .collect();
    assert_eq!(leaders(&servers), 1);
    // Any of them makes a key, and all know it.
    let made = servers[2].post("/api/v1/keys", None, r#"{"name":"a","role":"admin"}"#);
    assert_eq!(made.status, 201, "{}", made.text);
    let admin = made.json()["key"].as_str().unwrap().to_owned();
    for server in &servers {
        server.until("it knows the key", |_| server.get("/api/v1/system/snapshot").status == 401);
        let made = server.post("/api/v1/keys", Some(&admin), r#"{"name":"b","role":"reader"}"#);
        assert_eq!(made.status, 201, "{}", made.text);
    }
    // The leader is killed: another leads, and what was acknowledged is there.
    let at =
        servers.iter().position(|server| server.get("/health").json()["leads"] == true).unwrap();
    drop(servers.remove(at));
    for _ in 0..500 {
        if leaders(&servers) == 1 {
            break;
        }
        pause(20);
    }
    assert_eq!(leaders(&servers), 1);
    let keys = servers[0].ask("GET", "/api/v1/keys", &[("x-api-key", &admin)], None).json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 4);

    // A forced election: a later epoch, one leader.
    let before =
        servers[0].ask("GET", "/api/v1/consensus/status", &[("x-api-key", &admin)], None).json();
    let forced = servers[1].post("/api/v1/consensus/force-election", Some(&admin), "");
    assert_eq!(forced.status, 202, "{}", forced.text);
    for _ in 0..500 {
        let now = servers[0]
            .ask("GET", "/api/v1/consensus/status", &[("x-api-key", &admin)], None)
            .json();
        if now["epoch"].as_u64() > before["epoch"].as_u64().map(|epoch| epoch + 1)
            && leaders(&servers) == 1
        {
            return;
        }
        pause(20);
    }
    panic!("nobody leads after a forced election");
}

fn leaders(servers: &[Server]) -> usize {
    servers.iter().filter(|server| server.get("/health").json()["leads"] == true).count()
}

#[test]
fn a_leader_that_was_stopped_for_longer_than_its_lease_leads_no_more() {
    let Some(etcd) = Etcd::start() else { return };
    let store = etcd.store();
    let folders = [Folder::new(), Folder::new()];
    let start = |at: usize, name: &str| {
        Server::start(&folders[at].0, &["--store", store.as_str(), "--name", name, "--lease", "2"])
    };
    let first = start(0, "first");
    first.until("it leads", |health| health["leads"] == true);
    let second = start(1, "second");
    second.until("somebody leads", |health| health["status"] == "healthy");
    first.signal("-STOP");
    second.until("it leads", |health| health["leads"] == true);
    first.signal("-CONT");
    // From its first answer on: its own clock says that the lease is over.
    assert_eq!(first.get("/health").json()["leads"], false);
    let made = first.post("/api/v1/keys", None, r#"{"name":"a","role":"admin"}"#);
    assert_eq!(made.status, 201, "it is passed on: {}", made.text);
    assert_eq!(second.get("/health").json()["leads"], true);
}
