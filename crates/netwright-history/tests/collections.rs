//! Verdicts of published collections of histories. Each is skipped where the collection is absent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops where it cannot go on, and says what it leaves out"
)]

use std::path::{Path, PathBuf};

use netwright_history::{
    History, Level, Limits, Model, Options, Report, Value, Verdict, check, read, read_text,
    recognize,
};

fn collections() -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/histories"));
    if !folder.is_dir() {
        eprintln!("skipped: {} is absent", folder.display());
        return None;
    }
    Some(folder.to_owned())
}

fn json(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).expect("a list of verdicts");
    serde_json::from_str(&text).expect("JSON")
}

fn history(path: &Path) -> History {
    read(Limits::default(), || std::fs::File::open(path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn checked(path: &Path, model: &str, options: &Options) -> Report {
    let history = history(path);
    let model = Model::of(model).unwrap_or_else(|| panic!("model {model}"));
    check(&history, model, options).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn verdict(valid: bool) -> Verdict {
    if valid { Verdict::Valid } else { Verdict::Invalid }
}

/// Compares all, and tells all that differ.
fn compare(cases: impl Iterator<Item = (PathBuf, String, Options, bool)>) {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (path, model, options, valid) in cases.filter(|(path, ..)| path.is_file()) {
        count += 1;
        let report = checked(&path, &model, &options);
        if report.verdict != verdict(valid) {
            wrong.push(format!("{}: {:?}, {}", path.display(), report.verdict, report.why));
        }
    }
    eprintln!("{count} histories");
    assert!(count > 0, "no history was there");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn etcd_logs_and_key_value_histories_are_judged_as_porcupine_does() {
    let Some(folder) = collections() else { return };
    let folder = folder.join("porcupine");
    let expected = json(&folder.join("expected.json"));
    let files = expected["files"].as_object().expect("files");
    compare(files.iter().filter_map(|(name, told)| {
        let model = if name.starts_with("kv/") { "key-value" } else { "cas-register" };
        let valid = told["linearizable"].as_bool()?;
        (told["ops"] != 0).then(|| (folder.join(name), model.to_owned(), Options::default(), valid))
    }));
}

#[test]
fn knossos_histories_are_judged_as_it_does() {
    let Some(folder) = collections() else { return };
    let folder = folder.join("knossos");
    let expected = json(&folder.join("expected.json"));
    let files = expected["files"].as_object().expect("files");
    compare(files.iter().filter_map(|(name, told)| {
        let model = name.split('/').nth(1).expect("a model");
        let valid = told["linearizable"].as_bool()?;
        Some((folder.join(name), model.to_owned(), Options::default(), valid))
    }));
}

#[test]
fn histories_of_elle_cli_are_judged_as_it_does() {
    let Some(folder) = collections() else { return };
    let folder = folder.join("elle-cli");
    let expected = json(&folder.join("expected.json"));
    let cases = expected["cases"].as_array().expect("cases");
    compare(cases.iter().map(|case| {
        let model = case["args"].as_str().and_then(|args| args.split(' ').nth(1)).expect("a model");
        let path = folder.join(case["file"].as_str().expect("a file"));
        (path, model.to_owned(), Options::default(), case["valid"].as_bool().expect("a verdict"))
    }));
}

fn anomalies(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.name.as_str()).collect()
}

#[test]
fn elle_vectors_have_its_verdicts_and_anomalies() {
    let Some(folder) = collections() else { return };
    let cases = json(&folder.join("elle/vectors/cases.json"));
    let mut wrong = Vec::new();
    for case in cases.as_array().expect("cases") {
        let path = folder.join(case["file"].as_str().expect("a file"));
        for expected in case["expect"].as_array().expect("assertions") {
            let level = expected["model"].as_str().expect("a level");
            let level = Level::of(level).unwrap_or_else(|| panic!("level {level}"));
            let options = Options { level, ..Options::default() };
            let report = checked(&path, case["workload"].as_str().expect("a workload"), &options);
            let wanted = verdict(expected["valid"].as_bool().expect("a verdict"));
            let named = expected["anomalies"].as_array().expect("anomalies");
            let missing = named.iter().filter_map(|name| name.as_str());
            let missing: Vec<&str> =
                missing.filter(|name| !anomalies(&report).contains(name)).collect();
            if report.verdict != wanted || !missing.is_empty() {
                wrong.push(format!(
                    "{} {}: {:?} {:?}, missing {missing:?}: {}",
                    path.display(),
                    level.name,
                    report.verdict,
                    anomalies(&report),
                    report.why
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn elle_histories_have_its_verdicts() {
    let Some(folder) = collections() else { return };
    let folder = folder.join("elle");
    let expected = json(&folder.join("expected.json"));
    for (name, told) in expected["files"].as_object().expect("files") {
        let path = folder.join(name);
        if !path.is_file() {
            continue;
        }
        let forbidding = told["not"].as_array().or(told["models"].as_array()).expect("levels");
        for level in forbidding {
            let level = Level::of(level.as_str().expect("a name")).expect("a level");
            let options = Options { level, ..Options::default() };
            let report = checked(&path, told["workload"].as_str().expect("a workload"), &options);
            assert_eq!(
                report.verdict,
                verdict(told["valid"].as_bool().expect("a verdict")),
                "{name}: {report:#?}"
            );
            for anomaly in told["anomalies"].as_array().expect("anomalies") {
                assert!(
                    anomalies(&report).contains(&anomaly.as_str().expect("a name")),
                    "{name}: {report:#?}"
                );
            }
        }
    }
}

#[test]
fn small_cases_of_jepsens_checkers_have_its_sets() {
    let Some(folder) = collections() else { return };
    let cases = json(&folder.join("jepsen-checkers/cases.json"));
    for case in cases["cases"].as_array().expect("cases") {
        let name = case["name"].as_str().expect("a name");
        let text = case["history"].to_string();
        let history = read_text(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let model = case["checker"].as_str().and_then(Model::of).expect("a model");
        let report = check(&history, model, &Options::default()).expect("a report");
        // Jepsen passes what holds nothing; here it is unknown.
        let empty = case["history"].as_array().is_some_and(Vec::is_empty);
        let expected = verdict(case["expect"]["valid"].as_bool().expect("a verdict"));
        assert_eq!(
            report.verdict,
            if empty { Verdict::Unknown } else { expected },
            "{name}: {report:#?}"
        );
        for (ours, theirs) in [
            ("lost", "lost"),
            ("recovered", "recovered"),
            ("unexpected", "unexpected"),
            ("duplicated", "duplicated"),
            ("attempted", "attempt_count"),
            ("acknowledged", "acknowledged_count"),
            ("bounds", "reads"),
            ("errors", "errors"),
        ] {
            let figure =
                report.figures.iter().find(|(name, _)| *name == ours).map(|(_, value)| value);
            if let (Some(figure), Some(wanted)) = (figure, case["expect"].get(theirs)) {
                assert_eq!(figure, wanted, "{name}: {ours}");
            }
        }
    }
}

#[test]
fn the_model_of_a_history_is_recognized_or_asked_for() {
    let Some(folder) = collections() else { return };
    for (file, model) in [
        ("porcupine/jepsen/etcd_000.log", Some("cas-register")),
        ("porcupine/jepsen/etcd_102.log", Some("cas-register")),
        ("porcupine/kv/c10-bad.txt", Some("key-value")),
        ("knossos/data/mutex/bad/etcd.edn", Some("mutex")),
        ("elle/histories/si-without-g-single.edn", Some("list-append")),
        ("elle/vectors/rw-g1a.jsonl", Some("rw-register")),
        ("elle-cli/histories/jepsen/bank.json", Some("bank")),
        ("elle-cli/histories/jepsen/set.edn", None),
    ] {
        let recognized = recognize(&history(&folder.join(file))).ok().map(|model| model.name);
        assert_eq!(recognized, model, "{file}");
    }
}

#[test]
fn whole_numbers_with_spaces_and_tabs_are_read_alike() {
    let tabs = "INFO  jepsen.util - 0\t:invoke\t:write\t1\nINFO  jepsen.util - 0\t:ok\t:write\t1\n";
    let spaces = tabs.replace('\t', "   ").replace('\n', "\r\n");
    let (tabs, spaces) = (read_text(tabs.as_bytes()), read_text(spaces.as_bytes()));
    let (tabs, spaces) = (tabs.expect("tabs"), spaces.expect("spaces"));
    assert_eq!(tabs.operations.len(), 1);
    assert_eq!(tabs.operations[0].value, Value::Int(1));
    assert_eq!(spaces.operations[0].value, tabs.operations[0].value);
}
