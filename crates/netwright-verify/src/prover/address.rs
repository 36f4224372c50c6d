//! Addresses as numbers: to count with, and as keys.

use std::net::IpAddr;

/// An address as a key of hash maps. `IpAddr` itself hashes its bytes as they lie in memory, so that with a fast hash function neighbours of one
/// IPv6 subnet, which differ in the last bytes, all fall into one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(u128, bool);

impl From<IpAddr> for Key {
    fn from(address: IpAddr) -> Self {
        Self(number(address), address.is_ipv4())
    }
}

/// An address as a number in its family.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// The address of a number in a family.
pub(crate) fn address(number: u128, v4: bool) -> IpAddr {
    match u32::try_from(number) {
        Ok(number) if v4 => IpAddr::V4(number.into()),
        _ => IpAddr::V6(number.into()),
    }
}
