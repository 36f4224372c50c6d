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

#[test]
fn the_verdict_comes_first_and_what_is_lost_names_its_cause() {
    let new = SHOP.replace("port: 5432, from: group:web", "port: 6432, from: group:web");
    let ran = diff(SHOP, &new, &[]).ends(1);
    assert!(ran.out.starts_with("this breaks something: 1 intent broken"), "{}", ran.out);
    assert!(ran.out.contains("because data denies into db-1"), "{}", ran.out);
    let same = diff(SHOP, SHOP, &[]).ends(0);
    assert!(same.out.starts_with("nothing breaks"), "{}", same.out);
}

#[test]
fn an_intent_that_is_taken_out_is_told() {
    let at = SHOP.find("  nobody outside").expect("the intent");
    let ran = diff(SHOP, &SHOP[..at], &[]).ends(0);
    assert!(ran.out.contains("intents that nothing asks any more"), "{}", ran.out);
    assert!(ran.out.contains("nobody outside reaches the database"), "{}", ran.out);
}

#[test]
fn a_new_finding_of_severity_error_fails_and_one_that_is_gone_is_told() {
    let open = SHOP.replace("port: 443, from: any", "port: 22, from: any");
    let ran = diff(SHOP, &open, &[]).ends(1);
    assert!(ran.out.contains("new findings"), "{}", ran.out);
    let back = diff(&open, SHOP, &[]).ends(0);
    assert!(back.out.contains("findings that are gone"), "{}", back.out);
}

#[test]
fn steps_say_what_cannot_be_undone() {
    let other = SHOP.replace("198.51.100.7", "198.51.100.8");
    let json = diff(SHOP, &other, &["--format", "json"]).json();
    let step = &json["steps"][0];
    assert_eq!((&step["kind"], &step["undo"]), (&"instance".into(), &"irreversible".into()));
    assert!(step["why"].as_str().is_some_and(|why| why.contains("198.51.100.7")), "{step}");
}

#[test]
fn an_endpoint_that_is_gone_is_told_apart_from_one_that_is_blocked() {
    let without: String = SHOP
        .lines()
        .filter(|line| !line.contains("db-1:") && !line.contains("database"))
        .map(|line| format!("{line}\n"))
        .collect();
    let json = diff(SHOP, &without, &["--format", "json"]).json();
    let flows = json["flows"].as_array().expect("flows");
    assert!(flows.iter().any(|flow| flow["cause"]["endpoint_gone"] == true), "{json}");
}

#[test]
fn other_programs_get_what_is_new_only() {
    let new = SHOP.replace("port: 5432, from: group:web", "port: 6432, from: group:web");
    let sarif = diff(SHOP, &new, &["--format", "sarif"]).ends(1).json();
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    assert!(results.iter().any(|result| result["ruleId"] == "NW-INTENT-001"), "{sarif}");
    let same = diff(SHOP, SHOP, &["--format", "sarif"]).ends(0).json();
    assert_eq!(same["runs"][0]["results"].as_array().map(Vec::len), Some(0));
    let junit = diff(SHOP, &new, &["--format", "junit"]).ends(1);
    assert!(junit.out.contains("<testsuite"), "{}", junit.out);
}
