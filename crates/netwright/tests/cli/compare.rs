//! `netwright diff`.

use crate::folder::{Folder, SHOP};
use crate::run::{Ran, netwright};

fn diff(old: &str, new: &str, more: &[&str]) -> Ran {
    let folder = Folder::new();
    folder.write("old.yaml", old);
    folder.write("new.yaml", new);
    let words: Vec<&str> = ["diff", "old.yaml", "new.yaml"].iter().chain(more).copied().collect();
    netwright(&folder, &words)
}

#[test]
fn a_network_does_not_differ_from_itself() {
    diff(SHOP, SHOP, &[]).ends(0);
}

#[test]
fn a_change_that_breaks_an_intent_fails_and_names_it_and_the_flows_lost() {
    let new = SHOP.replace("port: 5432, from: group:web", "port: 6432, from: group:web");
    let ran = diff(SHOP, &new, &[]).ends(1);
    assert!(ran.out.contains("tcp dst 5432"), "{}", ran.out);
    assert!(ran.out.contains("tcp dst 6432"), "{}", ran.out);
    assert!(ran.out.contains("web reaches the database"), "{}", ran.out);
    diff(&new, SHOP, &[]).ends(0);
}

#[test]
fn json_tells_flows_and_intents() {
    let new = SHOP.replace("port: 5432, from: group:web", "port: 6432, from: group:web");
    let json = diff(SHOP, &new, &["--format", "json"]).ends(1).json();
    assert_eq!(json["version"], 1);
    assert_eq!(json["intents"]["broken"][0]["name"], "web reaches the database");
    assert!(json["flows"].as_array().is_some_and(|flows| !flows.is_empty()));
}
