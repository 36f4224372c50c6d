//! The house's rooms: who may know whom, and who may print.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Each crate with the crates of ours it may use.
const LAYERS: [(&str, &[&str]); 17] = [
    ("netwright-model", &[]),
    ("netwright-import", &["netwright-model"]),
    ("netwright-verify", &["netwright-model"]),
    ("netwright-store", &[]),
    ("netwright-history", &[]),
    ("netwright-report", &[]),
    ("netwright-servers", &[]),
    ("netwright-watch", &["netwright-model", "netwright-verify", "netwright-dns"]),
    (
        "netwright-control",
        &["netwright-model", "netwright-verify", "netwright-store", "netwright-watch"],
    ),
    ("netwright-dns", &[]),
    ("netwright-dataplane", &["netwright-model", "netwright-verify", "netwright-dns"]),
    (
        "netwright-lab",
        &["netwright-model", "netwright-verify", "netwright-dns", "netwright-dataplane"],
    ),
    (
        "netwright-gameday",
        &[
            "netwright-model",
            "netwright-verify",
            "netwright-dns",
            "netwright-watch",
            "netwright-history",
            "netwright-report",
            "netwright-servers",
            "netwright-dataplane",
            "netwright-lab",
        ],
    ),
    (
        "netwright-agent",
        &[
            "netwright-model",
            "netwright-verify",
            "netwright-store",
            "netwright-control",
            "netwright-dns",
            "netwright-dataplane",
            "netwright-lab",
            "netwright-watch",
            "netwright-gameday",
            "netwright-history",
            "netwright-report",
            "netwright-servers",
        ],
    ),
    (
        "netwright",
        &[
            "netwright-model",
            "netwright-import",
            "netwright-verify",
            "netwright-store",
            "netwright-control",
            "netwright-dns",
            "netwright-dataplane",
            "netwright-lab",
            "netwright-agent",
            "netwright-watch",
            "netwright-history",
            "netwright-report",
            "netwright-gameday",
        ],
    ),
    ("xtask", &[]),
    // For tests only: no program has it.
    ("netwright-testbed", &[]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn manifests() -> BTreeMap<String, String> {
    let folders = std::fs::read_dir(root().join("crates")).expect("crates/");
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.expect("entry").path()).collect();
    folders.push(root().join("xtask"));
    let read = |folder: PathBuf| {
        let text = std::fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        (folder.file_name().expect("a name").to_string_lossy().into_owned(), text)
    };
    folders.into_iter().map(read).collect()
}

/// The names under `[dependencies]`, without those for tests.
fn dependencies(manifest: &str) -> Vec<&str> {
    let section = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    section
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .collect()
}

#[test]
fn every_crate_knows_only_those_below_it() {
    for (name, manifest) in manifests() {
        let (_, allowed) = LAYERS
            .iter()
            .find(|(own, _)| *own == name)
            .unwrap_or_else(|| panic!("{name} has no place in the house: give it one here"));
        for dependency in dependencies(&manifest) {
            let ours = LAYERS.iter().any(|(own, _)| *own == dependency);
            assert!(!ours || allowed.contains(&dependency), "{name} may not use {dependency}");
        }
    }
}

#[test]
fn only_the_console_prints() {
    let mut folders: Vec<PathBuf> =
        LAYERS[..12].iter().map(|(name, _)| root().join("crates").join(name).join("src")).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // The keeper's standard output is a pipe to whoever started it; what a stand-in writes is its log.
            if path.ends_with("netwright/src/console.rs")
                || path.ends_with("netwright-lab/src/keeper.rs")
                || path.ends_with("netwright-lab/src/stand_in.rs")
            {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a source");
            if path.ends_with("tests.rs") {
                continue;
            }
            for word in ["println!", "eprintln!", "print!(", "eprint!(", "io::stdout", "io::stderr"]
            {
                assert!(!text.contains(word), "{} prints ({word})", path.display());
            }
        }
    }
}
