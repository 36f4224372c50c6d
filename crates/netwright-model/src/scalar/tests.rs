use super::{
    Bandwidth, Delay, Duration, Percent, PortRange, Prefix, ProtocolMatch, Scalar, Service,
};

fn message<T: Scalar>(text: &str) -> String {
    match T::parse_scalar(text) {
        Ok(value) => format!("read as {value}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_prefix_length_over_32_names_the_limit() {
    assert!(message::<Prefix>("10.0.0.0/33").contains("33 is over 32"));
}

#[test]
fn host_bits_are_an_error_that_offers_both_meanings() {
    let text = message::<Prefix>("10.0.0.5/24");
    assert!(text.contains("10.0.0.0/24") && text.contains("10.0.0.5/32"), "{text}");
}

#[test]
fn a_bare_address_is_a_prefix_of_one() {
    assert_eq!(Prefix::parse_scalar("10.0.0.5").unwrap().to_string(), "10.0.0.5/32");
}

#[test]
fn a_port_over_65535_is_refused() {
    assert!(message::<PortRange>("70000").contains("over 65535"));
}

#[test]
fn a_duration_without_unit_asks_for_one() {
    assert!(message::<Duration>("15").contains("15s"));
}

#[test]
fn a_delay_has_a_unit_and_is_no_more_than_a_minute() {
    assert!(message::<Delay>("50").contains("50ms"));
    assert!(message::<Delay>("2m").contains("is not a delay"));
    assert!(message::<Delay>("61s").contains("over 60s"));
}

#[test]
fn octets_are_not_bits() {
    assert!(message::<Bandwidth>("200MB").contains("200Mbit/s"));
}

#[test]
fn a_share_over_one_was_meant_as_percent() {
    assert!(message::<Percent>("80").contains("80%"));
}

#[test]
fn scalars_read_what_they_write() {
    fn check<T: Scalar + PartialEq + std::fmt::Debug>(texts: &[&str]) {
        for text in texts {
            let value = T::parse_scalar(text).unwrap();
            assert_eq!(T::parse_scalar(&value.to_string()).unwrap(), value, "{text}");
        }
    }
    check::<Prefix>(&["0.0.0.0/0", "10.0.0.0/8", "2001:db8::/32", "::/0", "10.1.1.1"]);
    check::<PortRange>(&["0", "443", "8000-8080", "any", "0-65535"]);
    check::<ProtocolMatch>(&["any", "tcp", "58", "ipv6-icmp", "253"]);
    check::<Service>(&[
        "tcp/443", "udp/53", "tcp", "icmp", "icmp/8", "icmp/8/0", "esp", "any", "ip/253",
    ]);
    check::<Duration>(&["0", "500ms", "15s", "90s", "10m", "2h", "1d", "1.5s"]);
    check::<Bandwidth>(&[
        "200Mbit/s",
        "1.6Gbit/s",
        "64kbit/s",
        "1bit/s",
        "100Mbps",
        "10mbit",
        "2Gbit",
    ]);
    check::<Delay>(&["0", "50ms", "1.5ms", "200us", "1s", "60s"]);
    check::<Percent>(&["80%", "0.8", "99.95%", "1"]);
}

#[test]
fn a_sign_is_no_part_of_a_number() {
    for text in ["+443", "80-+90"] {
        assert!(
            message::<PortRange>(text).contains("is not a port"),
            "{}",
            message::<PortRange>(text)
        );
    }
    assert!(message::<Prefix>("10.0.0.0/+8").contains("is not a prefix length"));
    assert!(message::<ProtocolMatch>("+6").contains("is not a protocol"));
    assert!(message::<Service>("icmp/+8").contains("not an ICMP type"));
    assert!(message::<Percent>(".+5").contains("is not a share"));
    assert!(message::<Percent>("+1").contains("is not a share"));
}
