//! Any octets as a file of an export: a description that resolves, or errors. The first octet chooses the provider whose
//! skeleton surrounds the rest, so that the importers are met and not only the detection.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netwright_model::network::resolve::resolve;
use netwright_model::source::Sources;
use netwright_model::tree::Limits;

/// Texts before and after the input.
const SKELETONS: [(&str, &str); 7] = [
    ("", ""),
    ("{\"Vpcs\": [{\"VpcId\": \"vpc-1\", \"CidrBlock\": \"10.0.0.0/16\"}], ", "}"),
    ("{\"Reservations\": [{\"Instances\": [", "]}]}"),
    ("{\"kind\": \"compute#networkList\", \"items\": [", "]}"),
    (
        "{\"vpcs\": [{\"href\": \"x\", \"crn\": \"crn:v1\", \"name\": \"a\", \"id\": \"r006-1\"}], ",
        "}",
    ),
    (
        "[{\"kind\": \"compute#network\", \"name\": \"n\", \"selfLink\": \"https://www.googleapis.com/compute/v1/projects/p/global/networks/n\"}, {\"kind\": \"compute#router\", \"name\": \"e\", \"network\": \"projects/p/global/networks/n\", ",
        "}]",
    ),
    (
        "{\"vpcs\": [{\"id\": \"v\", \"crn\": \"crn:v\", \"name\": \"a\"}], \"routing_tables\": [{\"id\": \"t\", \"vpc\": {\"id\": \"v\"}, \"routes\": [",
        "]}]}",
    ),
];

fuzz_target!(|data: (u8, &str)| {
    let (before, after) = SKELETONS[usize::from(data.0) % SKELETONS.len()];
    let folder = std::env::temp_dir().join(format!("netwright-fuzz-{}", std::process::id()));
    let path = folder.join("input.json");
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&path, format!("{before}{}{after}", data.1)));
    if written.is_err() {
        return;
    }
    let mut sources = Sources::default();
    match netwright_import::load(&path, &mut sources, &Limits::default()) {
        Ok(loaded) => drop(resolve(loaded.description)),
        Err(errors) => errors.iter().for_each(|error| drop(error.render(&sources, false))),
    }
});
