use proptest::prelude::*;

use super::*;

#[test]
fn targets_are_read_and_shown_without_their_passwords() {
    let cases = [
        ("tcp://db.internal:5432", "tcp://db.internal:5432"),
        ("tcp://[::1]:80", "tcp://[::1]:80"),
        ("tls://api.example", "tls://api.example:443"),
        ("https://who:what@api.example/a?token=x", "https://api.example/a"),
        ("dns://api.example@10.0.0.2?type=aaaa", "dns://api.example@10.0.0.2:53"),
        ("postgres://who:s%65cret@db/shop?writable", "postgres://db:5432/shop"),
        ("rediss://:secret@cache:6380/3", "rediss://cache:6380/3"),
        ("icmp://10.0.0.1?size=1500", "icmp://10.0.0.1?size=1500"),
    ];
    for (text, shown) in cases {
        let target = Target::parse(text).unwrap();
        assert_eq!(target.to_string(), shown);
        let debug = format!("{target:?}");
        assert!(!debug.contains("secret") && !debug.contains("what"), "{debug}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_without_telling_the_password() {
    let cases = [
        "db:5432",
        "tcp://db",
        "tcp://db:0",
        "tcp://:80",
        "tcp://db:80?x=1",
        "ftp://db",
        "icmp://db:7",
        "icmp://db?size=12",
        "dns://10.0.0.1",
        "dns://a.example@server.example",
        "dns://a.example?type=NONE",
        "redis://db/zero",
        "postgres://who:secret@db?writable=maybe",
        "postgres://who:secret@db?nothing=1",
        "https://api.example/a b",
        "tcp://[::1:80",
    ];
    for text in cases {
        let wrong = Target::parse(text).unwrap_err();
        assert!(!wrong.contains("secret"), "{wrong}");
    }
}

#[test]
fn a_header_cannot_smuggle_another_one() {
    let Ok(Target::Http(mut http)) = Target::parse("http://a/") else { panic!("http") };
    assert!(http.header("x-a", "b\r\nx-c: d").is_err());
    assert!(http.header("x a", "b").is_err());
    assert!(http.with_method("GET /x").is_err());
}

#[test]
fn base_64_is_that_of_rfc_4648() {
    let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
    for (plain, coded) in cases {
        assert_eq!(base64(plain.as_bytes()), coded);
    }
}

proptest! {
    #[test]
    fn no_text_makes_reading_a_target_panic(text in "(tcp|tls|https?|dns|postgres|rediss?|icmp)://.{0,60}") {
        let _read_or_refused = Target::parse(&text).map(|target| target.to_string());
    }
}
