#![allow(clippy::print_stderr, reason = "a test says what it skips")]

use std::path::PathBuf;

use netwright_model::network::resolve::resolve;
use netwright_model::source::Sources;
use netwright_model::tree::Limits;

fn data() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/networks"));
    if !path.is_dir() {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

fn describe(path: &std::path::Path) -> netwright_model::network::Network {
    let mut sources = Sources::default();
    let loaded = match crate::load(path, &mut sources, &Limits::default()) {
        Ok(loaded) => loaded,
        Err(errors) => panic!(
            "{}: {}",
            path.display(),
            errors.iter().map(|e| e.render(&sources, false)).collect::<String>()
        ),
    };
    let text = crate::to_yaml(&loaded.description);
    let again = netwright_model::parse_description("again.yaml", &text, &mut sources);
    match again {
        Ok(again) => assert_eq!(again, loaded.description, "{}", path.display()),
        Err(errors) => panic!(
            "{}: {}\n{text}",
            path.display(),
            errors.iter().map(|e| e.render(&sources, false)).collect::<String>()
        ),
    }
    match resolve(loaded.description) {
        Ok(network) => network,
        Err(errors) => panic!(
            "{}: {}",
            path.display(),
            errors.iter().map(|e| e.render(&sources, false)).collect::<String>()
        ),
    }
}

#[test]
fn every_export_of_the_collections_is_read_written_and_resolved() {
    let Some(data) = data() else { return };
    let mut count = 0;
    for entry in std::fs::read_dir(data.join("batfish-aws")).unwrap() {
        let path = entry.unwrap().path().join("aws_configs");
        if path.is_dir() {
            let network = describe(&path);
            assert!(!network.vpcs.is_empty() || !network.transits.is_empty(), "{}", path.display());
            count += 1;
        }
    }
    for entry in std::fs::read_dir(data.join("np-guard-vpc/awsvpc/input")).unwrap() {
        let network = describe(&entry.unwrap().path());
        assert!(!network.interfaces.is_empty());
        count += 1;
    }
    describe(&data.join("cloudmapper-demo/account-data"));
    assert!(count >= 10, "{count}");
}

#[test]
fn single_objects_are_read_or_refused_but_never_panic() {
    let Some(data) = data() else { return };
    for entry in std::fs::read_dir(data.join("batfish-aws")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "json") {
            let _any = crate::load(&path, &mut Sources::default(), &Limits::default());
        }
    }
}
