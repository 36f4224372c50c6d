//! Findings as people and machines read them.

use serde_json::Value;

use crate::folder::Folder;
use crate::run::netwright;

/// A filter with so many rules that say the same, in a folder of its own.
fn twins(count: usize) -> Folder {
    let folder = Folder::new();
    let rule = "      - { direction: ingress, protocol: tcp, port: 80, from: 10.0.0.0/8 }\n";
    folder.write(
        "net work.yaml",
        format!(
            "vpcs: {{ p: {{ cidr: 10.0.0.0/16, subnets: {{ s: {{ cidr: 10.0.1.0/24 }} }} }} }}\ninstances: {{ a: {{ subnet: s, filters: f }} }}\nfilters:\n  f:\n    rules:\n{}",
            rule.repeat(count + 1)
        ),
    );
    folder
}

#[test]
fn many_findings_of_a_kind_are_counted_in_text_and_complete_elsewhere() {
    let folder = twins(20);
    let text = netwright(&folder, &["check", "net work.yaml"]).ends(0).out;
    assert_eq!(text.matches("[NW-FLT-003]").count(), 3, "{text}");
    assert!(text.contains("and 17 more of NW-FLT-003 (rule given twice)"), "{text}");
    assert!(text.contains("20 findings: 0 errors, 0 warnings, 20 for information"), "{text}");
    assert!(text.contains("`--all` shows them"), "{text}");
    let all = netwright(&folder, &["check", "net work.yaml", "--all"]).ends(0).out;
    assert_eq!(all.matches("[NW-FLT-003]").count(), 20, "{all}");
    let json = netwright(&folder, &["check", "net work.yaml", "--format", "json"]).ends(0).out;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let findings = json["findings"].as_array().expect("a list");
    assert_eq!(findings.len(), 20);
    assert_eq!(findings[0]["also"][0]["line"], 6);
}

#[test]
fn a_finding_is_shown_with_its_line_and_what_to_do() {
    let folder = twins(1);
    let text = netwright(&folder, &["check", "net work.yaml"]).ends(0).out;
    assert!(text.contains("info[NW-FLT-003]: rule 2 of f says the same as rule 1"), "{text}");
    assert!(text.contains("--> net work.yaml:7:9"), "{text}");
    assert!(text.contains("the other rule"), "{text}");
    assert!(text.contains("= help: remove one of the two"), "{text}");
}

#[test]
fn sarif_names_rules_levels_and_places_as_the_standard_asks() {
    let folder = twins(2);
    let words = ["check", "net work.yaml", "--format", "sarif"];
    let sarif: Value = serde_json::from_str(&netwright(&folder, &words).ends(0).out).expect("JSON");
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "netwright");
    let rules = driver["rules"].as_array().expect("rules");
    let levels = ["none", "note", "warning", "error"];
    for rule in rules {
        for field in ["shortDescription", "fullDescription", "help"] {
            assert!(rule[field]["text"].as_str().is_some_and(|text| !text.is_empty()), "{rule}");
        }
        let level = rule["defaultConfiguration"]["level"].as_str().expect("a level");
        assert!(levels.contains(&level), "{rule}");
    }
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), 2);
    for result in results {
        let index =
            usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(result["level"], "note");
        assert!(result["message"]["text"].is_string());
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "net%20work.yaml");
        assert!(place["region"]["startLine"].as_u64().is_some_and(|line| line >= 1));
        assert!(place["region"]["startColumn"].as_u64().is_some_and(|column| column >= 1));
        assert!(result["relatedLocations"][0]["message"]["text"].is_string());
    }
}

#[test]
fn junit_fails_what_fails_the_check_and_tells_the_rest() {
    let folder = twins(2);
    let words = ["check", "net work.yaml", "--format", "junit"];
    let lenient = netwright(&folder, &words).ends(0).out;
    assert!(lenient.contains("name=\"findings\" tests=\"2\" failures=\"0\""), "{lenient}");
    assert_eq!(lenient.matches("<system-out>").count(), 2, "{lenient}");
    let strict = [&words[..], &["--fail-on", "info"]].concat();
    let strict = netwright(&folder, &strict).ends(1).out;
    assert!(strict.contains("name=\"findings\" tests=\"2\" failures=\"2\""), "{strict}");
}

#[test]
fn every_listed_finding_is_explained_and_a_wrong_one_is_corrected() {
    let folder = Folder::new();
    let list = netwright(&folder, &["explain"]).ends(0).out;
    for line in list.lines() {
        let id = line.split_whitespace().next().expect("an identifier");
        let text = netwright(&folder, &["explain", id]).ends(0).out;
        for field in ["severity", "why", "remedy", "source"] {
            assert!(text.lines().any(|line| line.starts_with(field)), "{text}");
        }
    }
    let wrong = netwright(&folder, &["explain", "NW-FLT-0001"]).ends(2);
    assert!(wrong.err.contains("did you mean NW-FLT-001?"), "{}", wrong.err);
}
