//! `gameday report`: what it writes, how it ends, and what it says of files that are no reports.

use crate::folder::Folder;
use crate::run::netwright;

/// The least that is a report; no criterion was set.
const LEAST: &str = r#"{ "version": 1, "title": "nothing", "run": { "id": "r", "began": "2026-11-21T18:00:00Z", "duration": 1, "seed": 7 } }"#;
/// What makes it pass.
const PASSED: &str = r#""criteria": [{ "name": "c", "verdict": "passed" }], "safety": { "rolled_back": "passed" }, "faults": [{ "id": "f", "kind": "pause", "from": "a", "requested": 0, "removed": 1, "felt": 1 }], "run": { "end": { "how": "completed" },"#;

fn with_criterion(verdict: &str) -> String {
    LEAST.replace(r#""run": {"#, &PASSED.replacen("passed", verdict, 1))
}

#[test]
fn it_ends_as_the_run_did_and_never_well_without_a_criterion() {
    let folder = Folder::new();
    for (text, code) in [
        (LEAST.to_owned(), 3),
        (with_criterion("passed"), 0),
        (with_criterion("failed"), 1),
        (with_criterion("unknown"), 3),
    ] {
        folder.write("report.json", &text);
        let ran = netwright(&folder, &["gameday", "report", "."]).ends(code);
        let json = netwright(&folder, &["gameday", "report", "report.json", "--format", "json"])
            .ends(code)
            .json();
        let word = json["summary"]["verdict"].as_str().expect("a verdict").to_uppercase();
        assert!(ran.out.starts_with(&word), "{}", ran.out);
    }
}

#[test]
fn the_end_of_the_outputs_name_decides_the_form() {
    let folder = Folder::new();
    folder.write("a.json", LEAST);
    netwright(&folder, &["gameday", "report", "a.json", "--output", "a.html"]).ends(3);
    let page = std::fs::read_to_string(folder.path().join("a.html")).expect("a page");
    assert!(page.starts_with("<!DOCTYPE html>"));
    netwright(&folder, &["gameday", "report", "a.json", "a.json", "--output", "b.json"]).ends(3);
    let trend = std::fs::read_to_string(folder.path().join("b.json")).expect("a trend");
    assert!(trend.contains("\"runs\""));
}

#[test]
fn what_is_no_report_is_told_with_its_place() {
    let folder = Folder::new();
    folder.write("broken.json", "{\n  \"version\": 1,,\n}");
    folder.write("other.json", "{ \"resources\": [] }");
    folder.write("later.json", LEAST.replace("\"version\": 1", "\"version\": 2"));
    folder.write("cut.json", &LEAST[..60]);
    folder.write("octets.json", [0xff, 0xfe]);
    std::fs::create_dir(folder.path().join("run")).expect("a folder");
    for (name, told) in [
        ("broken.json", "broken.json:2:16: "),
        ("other.json", "no report of a game day"),
        ("later.json", "the report is of version 2; this program reads version 1"),
        ("cut.json", "EOF while parsing"),
        ("octets.json", "octet 1 is not UTF-8"),
        ("run", "run/report.json: No such file"),
        ("absent.json", "absent.json: No such file"),
    ] {
        let ran = netwright(&folder, &["gameday", "report", name]).ends(2);
        assert!(ran.out.is_empty() && ran.err.contains(told), "{name}: {}", ran.err);
    }
}
