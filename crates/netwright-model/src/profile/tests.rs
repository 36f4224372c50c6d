use super::{SHIPPED, shipped};
use crate::language::{Profile, Provider};

#[test]
fn every_shipped_profile_parses() {
    for (provider, text) in SHIPPED {
        assert!(crate::decode::from_text::<Profile>(text).is_some(), "{provider}");
    }
}

#[test]
fn a_slash_24_offers_251_addresses_on_aws_and_252_on_gcp() {
    let usable = |provider| {
        let facts = shipped(provider);
        256 - facts.reserved_first - facts.reserved_last
    };
    assert_eq!(usable(Provider::Aws), 251);
    assert_eq!(usable(Provider::Azure), 251);
    assert_eq!(usable(Provider::Gcp), 252);
}
