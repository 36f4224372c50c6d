//! The examples that come with the project do what they are there to show.

use std::path::{Path, PathBuf};

use crate::folder::Folder;
use crate::run::{Ran, command, netwright};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[track_caller]
fn example(words: &[&str], code: i32) -> Ran {
    Ran::of(&mut command(&root(), words)).ends(code)
}

#[test]
fn the_quick_start_holds_and_its_mistake_breaks_one_intent() {
    example(&["check", "examples/quickstart/network.yaml"], 0);
    let ran = example(&["check", "examples/quickstart/mistake.yaml"], 1);
    assert!(ran.out.contains("web-reaches-db"), "{}", ran.out);
}

#[test]
fn the_reference_systems_network_holds_its_intents() {
    example(&["check", "examples/visapi/network.yaml"], 0);
}

#[test]
fn the_three_tier_export_holds_its_intents() {
    example(&["check", "examples/aws-three-tier/export"], 0);
    let folder = Folder::new();
    let written = example(&["import", "examples/aws-three-tier/export"], 0).out;
    folder.write("network.yaml", written);
    netwright(&folder, &["check", "network.yaml"]).ends(0);
}

#[test]
fn the_change_to_staging_kills_what_needs_the_public_database_and_cures_nothing() {
    let folder = "examples/staging-egress";
    let (before, after) = (format!("{folder}/before.yaml"), format!("{folder}/after.yaml"));
    let ran = example(&["diff", &before, &after], 1);
    for what in ["auth", "backend", "sign-in-and-ask", "clickhouse"] {
        assert!(ran.out.contains(what), "{what}: {}", ran.out);
    }
}

#[test]
fn of_the_options_for_staging_only_the_last_carries_everything() {
    for (name, code) in [
        ("before", 1),
        ("after", 1),
        ("option-1", 1),
        ("option-2", 1),
        ("option-3", 1),
        ("works", 0),
    ] {
        example(&["check", &format!("examples/staging-egress/{name}.yaml")], code);
    }
}

#[test]
fn the_recommended_option_does_not_use_its_nat_gateway() {
    let file = "examples/staging-egress/option-1.yaml";
    let words = [
        "trace",
        file,
        "service:analytics",
        "clickhouse",
        "--port",
        "tcp/8443",
        "--format",
        "json",
    ];
    let json = example(&words, 1).json();
    let hops = json["forward"]["hops"].as_array().expect("hops");
    assert!(hops.iter().all(|hop| hop["object"] != "nat_gateway"), "{json}");
}
