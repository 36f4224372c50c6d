//! Any text as each scalar: what is read is written and read back equal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netwright_model::scalar::{
    AddressRange, Bandwidth, Duration, Percent, PortRange, Prefix, ProtocolMatch, Scalar, Service,
};

fn law<T: Scalar>(text: &str) {
    if let Ok(value) = T::parse_scalar(text) {
        let written = value.to_string();
        let again = T::parse_scalar(&written).map(|value| value.to_string());
        assert_eq!(Ok(written), again);
    }
}

fuzz_target!(|text: &str| {
    law::<Prefix>(text);
    law::<AddressRange>(text);
    law::<PortRange>(text);
    law::<ProtocolMatch>(text);
    law::<Service>(text);
    law::<Duration>(text);
    law::<Bandwidth>(text);
    law::<Percent>(text);
});
