//! Suites against published vectors, and every one there and back.

use netwright_verify::mtu;

use super::Suite;

/// Names of every kind of suite, at every length of key and check value.
const NAMES: [&str; 17] = [
    "aes-gcm-16",
    "aes-gcm-12",
    "aes-gcm-8",
    "aes-256-gcm-16",
    "aes-192-gcm-16",
    "aes-ccm-16",
    "aes-ccm-12",
    "aes-ccm-8",
    "chacha20-poly1305",
    "aes-cbc-sha1",
    "aes-cbc-sha256",
    "aes-256-cbc-sha256",
    "aes-cbc-sha384",
    "aes-cbc-sha512",
    "aes-ctr-sha1",
    "aes-ctr-sha256",
    "aes-ctr-sha512",
];

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

fn keys(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

#[test]
fn every_suite_gives_back_what_it_was_given_and_refuses_what_was_changed() {
    for name in NAMES {
        let suite = Suite::named(name, keys).unwrap();
        let plain: Vec<u8> = (0..64).collect();
        let (header, vector) = ([1, 2, 3, 4, 0, 0, 0, 9], suite.vector(9));
        let mut text = plain.clone();
        let value = suite.seal(&header, &vector, &mut text);
        assert_eq!((value.len(), vector.len()), (suite.icv, suite.iv), "{name}");
        assert_ne!(text, plain, "{name}");
        let sealed = text.clone();
        assert!(suite.open(&header, &vector, &mut text, &value), "{name}");
        assert_eq!(text, plain, "{name}");
        let mut changed = sealed.clone();
        changed[20] ^= 1;
        assert!(!suite.open(&header, &vector, &mut changed, &value), "{name}: text");
        let other = [1, 2, 3, 4, 0, 0, 0, 8];
        assert!(!suite.open(&other, &vector, &mut sealed.clone(), &value), "{name}: header");
        let mut wrong = value.clone();
        wrong[0] ^= 1;
        assert!(!suite.open(&header, &vector, &mut sealed.clone(), &wrong), "{name}: value");
        assert!(!suite.open(&header, &vector, &mut sealed.clone(), &[]), "{name}: no value");
    }
}

#[test]
fn every_suite_that_is_computed_with_is_here_with_the_same_sizes() {
    for name in NAMES {
        let suite = Suite::named(name, keys).unwrap();
        // As much room as a packet of one padded unit takes: the largest packet of an underlay says what the suite adds.
        let underlay = 20 + 8 + suite.iv + suite.icv + 10 * suite.align;
        let computed = mtu::Suite::named(name).unwrap();
        let largest = mtu::esp(computed, u32::try_from(underlay).unwrap(), false, false);
        assert_eq!(largest, u32::try_from(10 * suite.align - 2).unwrap(), "{name}");
        let less = mtu::esp(computed, u32::try_from(underlay - 1).unwrap(), false, false);
        assert_eq!(less, u32::try_from(9 * suite.align - 2).unwrap(), "{name}");
    }
    for name in ["", "des", "aes-cbc", "sha256", "aes-cbc-md5"] {
        assert!(Suite::named(name, keys).is_none() && mtu::Suite::named(name).is_none(), "{name}");
    }
}

/// The first packet of RFC 7634, appendix A.
#[test]
fn chacha20_is_that_of_its_standard() {
    let all = octets("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3");
    let suite = Suite::named("chacha20-poly1305", |_| all.clone()).unwrap();
    let mut text = octets(
        "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10000736 27
         08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b
         2c2d2e2f30313233343536370102 0204",
    );
    let header = octets("01020304 00000005");
    let value = suite.seal(&header, &octets("1011121314151617"), &mut text);
    assert_eq!(
        text[..32],
        octets("24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6")[..]
    );
    assert_eq!(value, octets("76aaa8266b7fb0f7b11b369907e1ad43"));
}

/// The first vector of RFC 3686: what is encrypted does not depend on the check value.
#[test]
fn counter_mode_is_that_of_its_standard() {
    let all = [octets("ae6852f8121067cc4bf7a5765577f39e 00000030"), vec![0; 32]].concat();
    let suite = Suite::named("aes-ctr-sha256", |_| all.clone()).unwrap();
    let mut text = *b"Single block msg";
    suite.seal(&[0; 8], &[0; 8], &mut text);
    assert_eq!(text[..], octets("e4095d4fb7a7b3792d6175a3261311b8")[..]);
}

/// The first vector of RFC 3602.
#[test]
fn chained_blocks_are_those_of_their_standard() {
    let all = [octets("06a9214036b8a15b512e03d534120006"), vec![0; 32]].concat();
    let suite = Suite::named("aes-cbc-sha256", |_| all.clone()).unwrap();
    let mut text = *b"Single block msg";
    suite.seal(&[0; 8], &octets("3dafba429d9eb430b422da802c9fac41"), &mut text);
    assert_eq!(text[..], octets("e353779c1079aeb82708942dbe77181a")[..]);
}
