//! `netwright check`.

use crate::folder::SHOP;
use crate::run::on;

fn broken() -> String {
    SHOP.replace("port: 5432, from: group:web", "port: 5433, from: group:web")
}

#[test]
fn a_network_whose_intents_hold_passes() {
    let ran = on(SHOP, &["check", "network.yaml"]).ends(0);
    assert!(ran.out.contains("web reaches the database"), "{}", ran.out);
}

#[test]
fn a_broken_intent_fails_with_its_place_and_the_reason() {
    let ran = on(&broken(), &["check", "network.yaml"]).ends(1);
    assert!(ran.out.contains("network.yaml:29:3"), "{}", ran.out);
    assert!(ran.out.contains("db-1"), "{}", ran.out);
}

#[test]
fn json_tells_how_each_intent_stands() {
    let json = on(&broken(), &["check", "network.yaml", "--format", "json"]).ends(1).json();
    assert_eq!(json["version"], 1);
    assert_eq!(json["intents"][0]["standing"], "broken");
    assert_eq!(json["intents"][0]["line"], 29);
    assert_eq!(json["intents"][1]["standing"], "holds");
}

#[test]
fn sarif_has_what_the_standard_requires() {
    let json = on(&broken(), &["check", "network.yaml", "--format", "sarif"]).ends(1).json();
    assert_eq!(json["version"], "2.1.0");
    let run = &json["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "netwright");
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let results = run["results"].as_array().expect("results");
    assert!(!results.is_empty());
    for result in results {
        let id = result["ruleId"].as_str().expect("a rule");
        assert!(rules.iter().any(|rule| rule["id"] == id), "{id} is in the catalogue");
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap_or("")));
        for location in result["locations"].as_array().into_iter().flatten() {
            let place = &location["physicalLocation"];
            assert!(place["artifactLocation"]["uri"].is_string());
            assert!(place["region"]["startLine"].as_u64().is_some_and(|line| line > 0));
            assert!(place["region"]["startColumn"].as_u64().is_some_and(|column| column > 0));
        }
    }
}

#[test]
fn junit_has_one_test_for_each_intent_and_escapes_names() {
    let text = broken().replace("web reaches the database", "\"web & <data>\"");
    let ran = on(&text, &["check", "network.yaml", "--format", "junit"]).ends(1);
    assert!(ran.out.starts_with("<?xml"), "{}", ran.out);
    assert!(ran.out.contains("name=\"web &amp; &lt;data&gt;\""), "{}", ran.out);
    assert!(ran.out.contains("<failure"), "{}", ran.out);
}

#[test]
fn json_tells_which_of_several_addresses_fails() {
    let two = SHOP
        .replace("address: 10.0.2.10", "addresses: [10.0.2.10, 10.0.2.11]")
        .replace("from: group:web", "from: group:web, to: 10.0.2.10");
    let json = on(&two, &["check", "network.yaml", "--format", "json"]).ends(1).json();
    assert_eq!(json["intents"][0]["standing"], "broken");
    let partly = &json["intents"][0]["partly"];
    assert_eq!(partly["works"], "to db-1 [10.0.2.10]");
    assert_eq!(partly["fails"], "to db-1 [10.0.2.11]");
    assert_eq!(partly["surely"], true);
    // A trace follows the address that works, and says that the other does not.
    let words = ["trace", "network.yaml", "web-1", "db-1", "--port", "tcp/5432"];
    let ran = on(&two, &words).ends(0);
    assert!(ran.out.contains("only to db-1 [10.0.2.10], not to db-1 [10.0.2.11]"), "{}", ran.out);
}
