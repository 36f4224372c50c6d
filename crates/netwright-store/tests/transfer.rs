//! The whole state out of a store and into another.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it cannot go on"
)]

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use netwright_store::memory::Memory;
use netwright_store::transfer::{
    self, ImportOptions, Imported, TransferError, check, export, import, is_unfinished,
};
use netwright_store::{Entry, Keys, Monotonic, Op, OpenOptions, Range, Revision, Store, Txn, open};
use netwright_testbed::{Folder, Server, is_there};

const PREFIX: &str = "netwright/";

fn memory() -> Memory {
    Memory::new(Arc::new(Monotonic::default()))
}

fn options() -> ImportOptions {
    ImportOptions { prefix: PREFIX.to_owned(), ..ImportOptions::default() }
}

async fn put(store: &impl Store, pairs: &[(&[u8], &[u8])]) -> Revision {
    let ops = pairs.iter().map(|(key, value)| {
        Op::put([PREFIX.as_bytes(), key].concat(), Bytes::copy_from_slice(value))
    });
    store.txn(Txn::of(ops.collect())).await.unwrap().revision
}

/// Some of everything: text and what is none, empty values, keys that were written often, taken away or go with a lease, and a stranger's.
async fn filled(store: &impl Store) {
    put(store, &[(b"head", b"{\"a\":\"\\n\"}"), (b"gone", b"x")]).await;
    put(store, &[(b"epoch", b"1")]).await;
    put(store, &[(b"epoch", b"2"), (b"binary\xff\xfe", b"\x00\xff"), (b"empty", b"")]).await;
    store.txn(Txn::of(vec![Op::put("stranger", "x")])).await.unwrap();
    let lease = store.grant(Duration::from_secs(3600)).await.unwrap();
    let held = Op::Put { key: "netwright/leader".into(), value: "me".into(), lease: Some(lease) };
    store.txn(Txn::of(vec![held])).await.unwrap();
    store.txn(Txn::of(vec![Op::Delete(Keys::one("netwright/gone"))])).await.unwrap();
    for number in 0..40_u32 {
        let value = vec![b'v'; 60_000];
        put(store, &[(format!("snapshots/{number:04}").as_bytes(), &value)]).await;
    }
}

async fn exported(store: &impl Store) -> Vec<u8> {
    let mut file = Vec::new();
    export(store, PREFIX, &mut file).await.unwrap();
    file
}

/// What matters of the entries under the prefix.
async fn contents(store: &impl Store) -> Vec<(Bytes, Bytes, Revision)> {
    let found = store.range(Range::of(Keys::prefix(PREFIX))).await.unwrap();
    let kept = |entry: Entry| (entry.key, entry.value, entry.modified);
    found.entries.into_iter().filter(|entry| entry.lease.is_none()).map(kept).collect()
}

async fn imported(
    store: &impl Store,
    file: &[u8],
    options: &ImportOptions,
) -> Result<Imported, TransferError> {
    import(store, check(Cursor::new(file))?, options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_exported_is_imported_with_its_revisions_by_every_engine() {
    let source = memory();
    filled(&source).await;
    let file = exported(&source).await;
    let text = String::from_utf8(file.clone()).unwrap();
    assert!(text.contains(r#"{"key64":"YmluYXJ5//4=","value64":"AP8=","modified":4}"#), "{text}");
    assert!(text.lines().last().unwrap().contains(r#""left_out":1"#));
    assert!(!text.contains("stranger") && !text.contains("\"me\""));
    let (folder, mut targets) = (Folder::new(), Vec::new());
    targets.push(open("memory:", &OpenOptions::default()).await.unwrap());
    let path = folder.path().join("store").display().to_string();
    targets.push(open(&path, &OpenOptions::default()).await.unwrap());
    let server = is_there().then(Server::start);
    if let Some(server) = &server {
        let address = format!("etcd://{}", server.address());
        targets.push(open(&address, &OpenOptions::default()).await.unwrap());
    }
    for store in targets {
        let done = imported(&store, &file, &options()).await.unwrap();
        assert!(done.revisions_kept);
        assert_eq!(contents(&store).await, contents(&source).await);
        assert!(done.revision > source.status().await.unwrap().revision);
        assert!(!is_unfinished(&store, PREFIX).await.unwrap());
        // The same again, but for the revision of the whole.
        let again = exported(&store).await;
        let rows = |file: &[u8]| {
            let text = String::from_utf8(file.to_vec()).unwrap();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines[1..lines.len() - 1].to_vec()
        };
        assert_eq!(rows(&again), rows(&file));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_of_one_revision_whatever_is_written_meanwhile() {
    let folder = Folder::new();
    let path = folder.path().join("store").display().to_string();
    let store = open(&path, &OpenOptions::default()).await.unwrap();
    // All keys always have the same number.
    let write = async |number: u32| {
        let value = format!("{number:08}{}", "x".repeat(2_000));
        let ops = (0..100).map(|key| Op::put(format!("netwright/{key:03}"), value.clone()));
        store.txn(Txn::of(ops.collect())).await.unwrap();
    };
    write(0).await;
    let writing = async {
        for number in 1..60 {
            write(number).await;
        }
    };
    let reading = async {
        for _ in 0..10 {
            let text = String::from_utf8(exported(&store).await).unwrap();
            let numbers: std::collections::BTreeSet<&str> = text
                .lines()
                .filter_map(|line| Some(&line.split_once("\"value\":\"")?.1[..8]))
                .collect();
            assert_eq!(numbers.len(), 1, "{numbers:?}");
        }
    };
    tokio::join!(writing, reading);
}

fn told(file: &[u8]) -> String {
    match check(Cursor::new(file)) {
        Err(error @ TransferError::File { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is taken for whole: {}", String::from_utf8_lossy(file)),
    }
}

#[tokio::test]
async fn a_file_that_is_cut_off_anywhere_is_refused() {
    let source = memory();
    put(&source, &[(b"a", b"1"), (b"b", b"2")]).await;
    let file = exported(&source).await;
    for end in 0..file.len() {
        assert!(told(&file[..end]).starts_with("line "), "{end}");
    }
    assert_eq!(
        told(&file[..file.len() - 20]),
        "line 4: the file is cut off: its last line is missing"
    );
}

#[tokio::test]
async fn a_file_with_any_octet_changed_is_refused() {
    let source = memory();
    put(&source, &[(b"a", b"1"), (b"b\xff", b"2")]).await;
    put(&source, &[(b"c", b"3")]).await;
    let file = exported(&source).await;
    for place in 0..file.len() {
        for other in [b'0', b'z', b'"', b'\n', 0xff, file[place] ^ 1] {
            let mut damaged = file.clone();
            damaged[place] = other;
            let same = other == file[place];
            assert_eq!(check(Cursor::new(damaged)).is_ok(), same, "{place}: {other}");
        }
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let first = r#"{"netwright-store":1,"prefix":"p/","revision":9}"#;
    for (text, expected) in [
        ("", "line 1: this is no export"),
        ("hello\n", "line 1: this is no export"),
        (
            "{\"netwright-store\":2,\"more\":1}\n",
            "line 1: it has version 2; this program reads version 1",
        ),
        (&format!("{first}\n{{\"key\":\"a\"}}\n"), "line 2: missing field `modified`"),
        (&format!("{first}\n{{\"key\":\"a\",\"modified\":3}}\n"), "line 2: either `value` or"),
        (
            &format!("{first}\n{{\"key\":\"a\",\"value64\":\"?\",\"modified\":3}}\n"),
            "line 2: `value64` is no base64",
        ),
        (
            &format!("{first}\n{{\"key\":\"a\",\"value\":\"\",\"modified\":10}}\n"),
            "line 2: `modified` is 10: from 2 to 9",
        ),
        (
            &format!("{first}\n{{\"key\":\"\",\"value\":\"\",\"modified\":3}}\n"),
            "line 2: a key of 0 octets",
        ),
        (
            &format!("{first}\n{{\"key\":\"a\",\"value\":\"\",\"modified\":3,\"x\":1}}\n"),
            "line 2: unknown field `x`",
        ),
    ] {
        let told = told(text.as_bytes());
        assert!(told.starts_with(expected), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_goes_into_an_empty_place_unless_it_is_told_otherwise() {
    let source = memory();
    filled(&source).await;
    let file = exported(&source).await;
    let target = memory();
    put(&target, &[(b"there", b"already")]).await;
    let before = target.status().await.unwrap().revision;
    let told = imported(&target, &file, &options()).await.unwrap_err().to_string();
    assert!(told.contains("not empty") && told.contains("netwright/there"), "{told}");
    let told = imported(&target, &file, &ImportOptions { replace: true, ..options() }).await;
    let told = told.unwrap_err().to_string();
    assert!(told.contains("could not keep their revisions"), "{told}");
    assert_eq!(target.status().await.unwrap().revision, before, "something was written");
    let both = ImportOptions { replace: true, new_revisions: true, ..options() };
    let done = imported(&target, &file, &both).await.unwrap();
    assert!(!done.revisions_kept);
    let pairs = |all: Vec<(Bytes, Bytes, Revision)>| {
        all.into_iter().map(|(key, value, _)| (key, value)).collect::<Vec<_>>()
    };
    let (found, expected) = (contents(&target).await, contents(&source).await);
    // Their order in time is the same.
    let order = |all: &[(Bytes, Bytes, Revision)]| {
        let mut all: Vec<_> = all.iter().map(|(key, _, at)| (*at, key.clone())).collect();
        all.sort();
        all.into_iter().map(|(_, key)| key).collect::<Vec<_>>()
    };
    assert_eq!(order(&found), order(&expected));
    assert_eq!(pairs(found), pairs(expected));
}

#[tokio::test]
async fn what_an_unfinished_import_left_is_not_exported() {
    let target = memory();
    put(&target, &[(transfer::UNFINISHED.as_bytes(), b"1"), (b"a", b"1")]).await;
    let told = export(&target, PREFIX, &mut Vec::new()).await.unwrap_err().to_string();
    assert!(told.contains("not finished"), "{told}");
}

#[tokio::test]
async fn an_empty_store_is_exported_and_imported() {
    let file = exported(&memory()).await;
    let done = imported(&memory(), &file, &options()).await.unwrap();
    assert_eq!((done.entries, done.revisions_kept), (0, true));
}
