//! `store`: what a network keeps, out of one store and into another.

use serde_json::Value;

use crate::folder::Folder;
use crate::run::{Ran, command, netwright};

fn in_file(folder: &Folder, words: &[&str]) -> Ran {
    let mut all = vec!["store"];
    all.extend(words);
    Ran::of(command(folder.path(), &all).env("XDG_STATE_HOME", folder.path()))
}

/// A store that holds something: a key.
fn filled(folder: &Folder, store: &str) {
    let words =
        ["key", "--offline", "--store", store, "create", "--role", "admin", "--name", "one"];
    Ran::of(command(folder.path(), &words).env("XDG_STATE_HOME", folder.path())).ends(0);
}

#[test]
fn a_store_is_exported_and_imported_whole() {
    let folder = Folder::new();
    filled(&folder, "file:first");
    let told = in_file(&folder, &["export", "state.jsonl", "--store", "file:first"]).ends(0).out;
    assert!(told.starts_with("exported "), "{told}");
    let path = folder.path().join("state.jsonl");
    let text = std::fs::read_to_string(&path).expect("the export");
    assert!(text.starts_with("{\"netwright-store\":1,"), "{text}");
    assert!(text.contains("\"key\":\"access/"), "{text}");
    let mode = std::os::unix::fs::MetadataExt::mode(&path.metadata().expect("the export"));
    assert_eq!(mode & 0o777, 0o600, "others can read it");
    let piped = in_file(&folder, &["export", "--store", "file:first"]).ends(0);
    assert_eq!(piped.out, text);

    let told = in_file(&folder, &["import", "state.jsonl", "--store", "file:second"]).ends(0).out;
    assert!(told.contains("with their revisions"), "{told}");
    let again = in_file(&folder, &["export", "--store", "file:second"]).ends(0).out;
    let rows = |text: &str| {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines[1..lines.len() - 1].to_vec()
    };
    assert_eq!(rows(&again), rows(&text));
    let told = in_file(&folder, &["import", "state.jsonl", "--store", "file:second"]).ends(2).err;
    assert!(told.contains("not empty"), "{told}");
    let words = ["import", "state.jsonl", "--replace", "--store", "file:second"];
    let told = in_file(&folder, &words).ends(2).err;
    assert!(told.contains("could not keep their revisions"), "{told}");
    let words = ["import", "state.jsonl", "--replace", "--new-revisions", "--store", "file:second"];
    in_file(&folder, &words).ends(0);
}

#[test]
fn a_damaged_file_is_refused_with_its_line_and_changes_nothing() {
    let folder = Folder::new();
    filled(&folder, "file:first");
    in_file(&folder, &["export", "state.jsonl", "--store", "file:first"]).ends(0);
    let text = std::fs::read_to_string(folder.path().join("state.jsonl")).expect("the export");
    for (name, damaged) in [
        ("cut.jsonl", text[..text.len() - 30].to_owned()),
        ("changed.jsonl", text.replacen("access/", "access0", 1)),
        ("network.yaml", "vpcs: []\n".to_owned()),
    ] {
        folder.write(name, &damaged);
        let told = in_file(&folder, &["import", name, "--store", "file:other"]).ends(2).err;
        assert!(told.contains(&format!("{name}: line ")), "{told}");
        assert!(!folder.path().join("other").exists(), "a store was made");
    }
    in_file(&folder, &["import", "nowhere.jsonl", "--store", "file:other"]).ends(2);
}

#[test]
fn the_status_of_a_store_is_told() {
    let folder = Folder::new();
    filled(&folder, "file:first");
    let words = ["status", "--store", "file:first", "--format", "json"];
    let told: Value = in_file(&folder, &words).ends(0).json();
    assert_eq!(told["engine"], "embedded (redb)");
    assert!(told["revision"].as_u64() > Some(1) && told["octets"].as_u64() > Some(0), "{told}");
    let text = in_file(&folder, &["status", "--store", "file:first"]).ends(0).out;
    assert!(text.contains("engine    embedded (redb)"), "{text}");
}

#[test]
fn a_store_that_is_away_or_wrong_is_told() {
    let folder = Folder::new();
    // Port 1 is nobody's.
    let words = ["status", "--store", "etcd://127.0.0.1:1"];
    let ran = in_file(&folder, &words).ends(3);
    assert!(ran.out.contains("away") && ran.err.contains("not available"), "{ran:?}");
    for (address, part) in [("http://x", "there is no `http:`"), ("etcd://a/b", "is no host")] {
        let told = netwright(&folder, &["store", "status", "--store", address]).ends(2).err;
        assert!(told.contains(part), "{told}");
    }
}
