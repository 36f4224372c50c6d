//! How records are read, and how names are looked up.

use super::{Zones, key, problems, strings};
use crate::settings::{Record, Settings, Zone};
use hickory_proto::rr::Name;

fn with(records: &[(&str, &str, &str)]) -> Settings {
    let record = |(owner, kind, value): &(&str, &str, &str)| Record {
        owner: (*owner).to_owned(),
        kind: (*kind).to_owned(),
        ttl: 60,
        values: vec![(*value).to_owned()],
    };
    let records = records.iter().map(record).collect();
    let zone = Zone { name: "z".to_owned(), forward_to: Vec::new(), records };
    Settings { zones: vec![zone], ..Settings::default() }
}

#[test]
fn each_record_that_cannot_be_answered_with_is_told_and_the_others_are_answered() {
    let long = format!("{}.z", "x".repeat(64));
    let found = problems(&with(&[
        ("ok.z", "A", "10.0.0.1"),
        ("a.z", "A", "fd00::1"),
        ("m.z", "MX", "mail"),
        ("m.z", "MX", "70000 mail"),
        ("s.z", "SRV", "1 2 3"),
        ("other.example", "A", "10.0.0.1"),
        (long.as_str(), "A", "10.0.0.1"),
        ("t.z", "TXT", "\"open"),
        ("d.z", "DNSKEY", "x"),
    ]));
    let wanted = [
        "record a.z A of zone z: `fd00::1` is no IPv4 address",
        "record m.z MX of zone z: `mail` is no number up to 65535",
        "record m.z MX of zone z: `70000` is no number up to 65535",
        "record s.z SRV of zone z: `1 2 3` does not have 4 parts",
        "record other.example A of zone z: it is no name of the zone",
    ];
    assert_eq!(found[..5], wanted, "{found:#?}");
    assert_eq!(found.len(), 8, "{found:#?}");
}

#[test]
fn texts_are_strings_in_quotes_or_pieces_that_fit() {
    let octets = |texts: &[&str]| -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    };
    assert_eq!(strings("v=spf1 -all"), Ok(octets(&["v=spf1 -all"])));
    assert_eq!(strings("\"a b\" \"c\\\"d\" \"\""), Ok(octets(&["a b", "c\"d", ""])));
    let long = "x".repeat(300);
    assert_eq!(strings(&long), Ok(octets(&[&long[..255], &long[255..]])));
    assert!(strings("\"a").is_err());
}

#[test]
fn the_longest_zone_that_a_name_lies_in_answers() {
    let zone = |name: &str| Zone { name: name.to_owned(), ..Zone::default() };
    let zones = vec![zone(""), zone("shop.example"), zone("eu.shop.example")];
    let (zones, _) = Zones::of(&Settings { zones, ..Settings::default() });
    for (name, wanted) in [
        ("api.eu.shop.example.", "eu.shop.example."),
        ("eu.shop.example.", "eu.shop.example."),
        ("feu.shop.example.", "shop.example."),
        ("example.", "."),
        (".", "."),
    ] {
        let found = zones.find(&key(&Name::from_ascii(name).unwrap())).unwrap();
        assert_eq!(found.name.to_ascii(), wanted, "{name}");
    }
}
