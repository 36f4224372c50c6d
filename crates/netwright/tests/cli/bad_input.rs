//! Bad input ends with code 2 and a message with a place, in little time and memory.

use std::time::{Duration, Instant};

use crate::folder::{Folder, SHOP};
use crate::run::netwright;

/// Checks one file and expects a refusal that says this.
#[track_caller]
fn refused(name: &str, content: impl AsRef<[u8]>, says: &str) {
    let folder = Folder::new();
    folder.write(name, content);
    let begin = Instant::now();
    let ran = netwright(&folder, &["check", name]).ends(2);
    assert!(ran.err.contains(says), "`{says}` is not in: {}", ran.err);
    assert!(ran.out.is_empty(), "nothing on standard output: {}", ran.out);
    assert!(begin.elapsed() < Duration::from_secs(20), "refused quickly");
}

#[test]
fn a_file_that_ends_early() {
    refused("a.yaml", "vpcs: { prod: {", "a.yaml:1");
    refused("a.json", "{\"Vpcs\": [", "a.json:1");
}

#[test]
fn a_file_of_100_megabytes() {
    let folder = Folder::new();
    let file = std::fs::File::create(folder.path().join("big.yaml")).expect("a file");
    file.set_len(100_000_000).expect("a sparse file");
    let ran = netwright(&folder, &["check", "big.yaml"]).ends(2);
    assert!(ran.err.contains("limit"), "{}", ran.err);
}

#[test]
fn deep_nesting() {
    refused("a.yaml", format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000)), "a.yaml:1");
    let json = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    refused("a.json", json, "nested more than");
}

#[test]
fn aliases_that_stand_for_very_much() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let list = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{list}]\n");
    }
    refused("a.yaml", text, "a.yaml:");
}

#[test]
fn octets_that_are_not_utf8() {
    refused("a.yaml", b"name: \xff\xfe\n", "not UTF-8");
    refused("a.json", b"{\"a\": \"\xc3\x28\"}", "not UTF-8");
}

#[test]
fn a_key_given_twice() {
    refused("a.yaml", "name: a\nname: b\n", "`name` is given twice");
    refused("a.json", "{\"Vpcs\": [], \"Vpcs\": []}", "given twice");
}

#[test]
fn a_field_that_does_not_exist() {
    refused("a.yaml", "instnces: {}\n", "did you mean `instances`?");
}

#[test]
fn a_prefix_that_is_too_long() {
    refused("a.yaml", "vpcs: { a: { cidr: 10.0.0.0/33 } }\n", "a.yaml:1:20");
}

#[test]
fn a_unit_that_does_not_exist() {
    refused("a.yaml", "services: { a: { startup_limit: 3 parsecs } }\n", "a.yaml:1:33");
}

#[test]
fn a_reference_to_nothing() {
    refused("a.yaml", SHOP.replace("filters: web", "filters: wbe"), "did you mean `web`?");
}

#[test]
fn a_part_of_an_export_that_cannot_be_read_is_told() {
    let folder = Folder::new();
    folder.write("a.json", "{\"Vpcs\": [3]}");
    let ran = netwright(&folder, &["check", "a.json"]);
    assert!(ran.out.contains("vpc:?"), "{ran:?}");
}

#[test]
fn a_file_or_folder_that_is_not_there_or_holds_nothing() {
    let folder = Folder::new();
    netwright(&folder, &["check", "nothing.yaml"]).ends(2);
    std::fs::create_dir(folder.path().join("empty")).expect("a folder");
    netwright(&folder, &["check", "empty"]).ends(2);
    refused("empty.yaml", "", "is empty");
}

#[test]
fn an_export_that_lacks_parts_is_no_error() {
    let folder = Folder::new();
    folder.write("a.json", "{\"Vpcs\": [{\"VpcId\": \"vpc-1\", \"CidrBlock\": \"10.0.0.0/16\"}]}");
    netwright(&folder, &["check", "a.json"]).ends(0);
}

#[test]
fn usage_that_makes_no_sense() {
    let folder = Folder::new();
    for words in [&["chekc", "a"][..], &["check"], &["trace", "a.yaml", "b"], &["reach", "--port"]]
    {
        netwright(&folder, words).ends(2);
    }
}
