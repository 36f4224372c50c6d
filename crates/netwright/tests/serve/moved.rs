//! What a server leaves in its store, taken out and put in again.

use crate::server::{Folder, Server, out, ran};

#[test]
fn the_file_of_a_server_that_was_killed_takes_an_import() {
    let folder = Folder::new();
    let server = Server::leading(&folder.0, &[]);
    let given = server.post("/api/v1/allocations", None, r#"{"pool":"vni","for":"x"}"#);
    assert_eq!(given.status, 201, "{}", given.text);
    // Its key in the store stays, for it was killed.
    drop(server);
    let (state, export) = (folder.text(""), folder.text("export.jsonl"));
    let exported = ran(&["store", "export", &export, "--state", &state]);
    assert_eq!(exported.status.code(), Some(0), "{exported:?}");
    let words = ["store", "import", &export, "--state", &state, "--replace", "--new-revisions"];
    let imported = ran(&words);
    assert_eq!(imported.status.code(), Some(0), "{imported:?}");
    assert!(out(&imported).starts_with("imported "), "{imported:?}");
    let server = Server::leading(&folder.0, &[]);
    server.until("it knows its pools", |_| server.get("/api/v1/pools?pool=vni").status == 200);
    let all = server.get("/api/v1/allocations?pool=vni").json();
    assert_eq!(all["allocations"][0]["for"], "x", "{all}");
}
