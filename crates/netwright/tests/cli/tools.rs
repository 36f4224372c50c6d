//! `import`, `generate`, `schema`, `completions`, `man`.

use crate::folder::{Folder, SHOP};
use crate::run::{netwright, on};

const EXPORT: &str = r#"{
  "Vpcs": [{ "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16" }],
  "Subnets": [{ "SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24" }]
}"#;

#[test]
fn what_import_writes_is_a_description() {
    let folder = Folder::new();
    folder.write("export.json", EXPORT);
    let ran = netwright(&folder, &["import", "export.json"]).ends(0);
    folder.write("network.yaml", &ran.out);
    netwright(&folder, &["check", "network.yaml"]).ends(0);
    netwright(&folder, &["import", "export.json", "--output", "same.yaml"]).ends(0);
    let same = std::fs::read_to_string(folder.path().join("same.yaml")).expect("written");
    assert_eq!(same, ran.out);
    netwright(&folder, &["import", "export.json", "--output", "no/such/folder.yaml"]).ends(2);
}

#[test]
fn every_shape_is_generated_the_same_each_time_and_holds_what_it_says() {
    let folder = Folder::new();
    for shape in ["flat", "hub-and-spoke", "many-small-vpcs", "group-references"] {
        let words = ["generate", "--shape", shape, "--instances", "60", "--seed", "7"];
        let first = netwright(&folder, &words).ends(0).out;
        assert_eq!(first, netwright(&folder, &words).out, "{shape}");
        folder.write("network.yaml", &first);
        netwright(&folder, &["check", "network.yaml"]).ends(0);
    }
    netwright(&folder, &["generate", "--shape", "round"]).ends(2);
}

#[test]
fn the_schema_names_every_object_and_the_reference_every_field() {
    let json = on(SHOP, &["schema"]).ends(0).json();
    assert_eq!(json["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let objects = json["$defs"].as_object().expect("definitions");
    let reference = on(SHOP, &["schema", "--reference"]).ends(0).out;
    for (name, object) in objects {
        assert!(reference.contains(&format!("## {name}\n")), "{name}");
        for field in object["properties"].as_object().into_iter().flatten() {
            assert!(reference.contains(&format!("`{}`", field.0)), "{name}.{}", field.0);
        }
    }
}

#[test]
fn shells_get_completions_and_readers_a_manual_page() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = netwright(&folder, &["completions", shell]).ends(0);
        assert!(ran.out.contains("netwright"), "{shell}");
    }
    assert!(netwright(&folder, &["man"]).ends(0).out.contains(".TH netwright"));
}
