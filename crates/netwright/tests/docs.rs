//! The pages under `docs/` that are made from code are up to date, and no page links to nothing.
//!
//! `cargo xtask docs` runs this with `NETWRIGHT_WRITE_DOCS=1`: then the pages are written instead of compared.

#![expect(clippy::expect_used, reason = "a test that cannot read a page fails")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What a command writes to standard output.
fn output(words: &[&str]) -> String {
    ended(words, 0)
}

/// The same for a command that ends with a code.
fn ended(words: &[&str], code: i32) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
    let run = command.args(words).current_dir(root()).output().expect("the program starts");
    assert_eq!(run.status.code(), Some(code), "{words:?}");
    String::from_utf8(run.stdout).expect("output is UTF-8")
}

/// The page holds this; or, on demand, it is made to.
#[track_caller]
fn page(name: &str, text: &str) {
    let path = root().join("docs").join(name);
    if std::env::var_os("NETWRIGHT_WRITE_DOCS").is_some() {
        std::fs::write(&path, text).expect("the page is written");
        return;
    }
    let now = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(now == text, "docs/{name} is out of date: `cargo xtask docs` writes it anew");
}

#[test]
fn the_reference_is_that_of_the_language() {
    let head = "# Reference of the language\n\nWritten by `cargo xtask docs`. A list of one may be written without brackets.\n\n";
    page("reference.md", &format!("{head}{}\n", output(&["schema", "--reference"]).trim_end()));
}

#[test]
fn the_commands_are_those_of_the_program() {
    let help = output(&["--help"]);
    let commands = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help");
    let mut text = format!("# Commands\n\nWritten by `cargo xtask docs`.\n\n```text\n{help}```\n");
    for command in commands {
        let help = output(&[command, "--help"]);
        text += &format!("\n## {command}\n\n```text\n{help}```\n");
    }
    page("commands.md", &text);
}

#[test]
fn the_findings_are_those_of_the_catalogue() {
    let mut text = String::from(
        "# Findings\n\nWritten by `cargo xtask docs`. `netwright explain ID` says the same.\n",
    );
    for line in output(&["explain"]).lines() {
        let id = line.split_whitespace().next().expect("an identifier");
        let explained = output(&["explain", id]);
        let mut lines = explained.lines();
        text += &format!("\n## {}\n\n", lines.next().expect("a title"));
        for line in lines {
            let (what, words) = line.split_once(' ').expect("a field and its words");
            text += &format!("- **{what}**: {}\n", words.trim());
        }
    }
    page("findings.md", &text);
}

#[test]
fn the_api_is_that_of_the_server() {
    let document: serde_json::Value =
        serde_json::from_str(&output(&["schema", "--api"])).expect("a description");
    let mut text = String::from(
        "# The API\n\nWritten by `cargo xtask docs`. A server describes itself at `/openapi.json`, with all forms.\n",
    );
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let word = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
            text += &format!("\n## {} {path}\n\n{}.\n", method.to_uppercase(), word("summary"));
            let role = operation["x-role"].as_str().map(|role| format!("needs the role {role}"));
            text += &format!("\n- {}\n", role.unwrap_or_else(|| "needs no key".to_owned()));
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let part = |name: &str| parameter[name].as_str().unwrap_or_default();
                text += format!("- {} `{}`: {}", part("in"), part("name"), part("description"))
                    .trim_end_matches([' ', ':']);
                text += "\n";
            }
            for (status, answer) in operation["responses"].as_object().expect("answers") {
                text += &format!(
                    "- {status}: {}\n",
                    answer["description"].as_str().unwrap_or_default()
                );
            }
            if operation["description"].is_string() {
                text += &format!("\n{}\n", word("description"));
            }
        }
    }
    page("api.md", &text);
}

#[test]
fn the_pictures_are_those_that_the_program_draws() {
    let staging = "examples/staging-egress/after.yaml";
    let flow = ["trace", staging, "analytics", "external:clickhouse", "--port", "tcp/9440"];
    let flow: Vec<&str> = flow.into_iter().chain(["--format", "svg"]).collect();
    page("pictures/flow.svg", &ended(&flow, 1));
    let reach = ["reach", "examples/aws-three-tier/export", "--format", "svg"];
    page("pictures/reach.svg", &output(&reach));
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of pages") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let mut found = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    found.retain(|page| page.is_file());
    pages(&root().join("docs"), &mut found);
    for page in found {
        let text = std::fs::read_to_string(&page).expect("a page");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or("");
            if file.is_empty() || link.contains("://") {
                continue;
            }
            let target = page.parent().unwrap_or(&page).join(file);
            assert!(target.exists(), "{} links to {link}, which is not there", page.display());
        }
    }
}
