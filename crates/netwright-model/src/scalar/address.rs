//! Prefixes and ranges of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use super::{Scalar, ScalarError};

/// A prefix: an address block in CIDR form, normalised to its first address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(IpNet);

impl Default for Prefix {
    fn default() -> Self {
        Self(IpNet::V4(Ipv4Net::default()))
    }
}

impl From<IpNet> for Prefix {
    fn from(net: IpNet) -> Self {
        Self(net.trunc())
    }
}

impl From<Prefix> for IpNet {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}

impl Prefix {
    /// The block of one address.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        Self(address.into())
    }

    /// The block of a given length that contains an address. A length beyond the family's is cut to it.
    #[must_use]
    pub fn of(address: IpAddr, length: u8) -> Self {
        let length = length.min(if address.is_ipv4() { 32 } else { 128 });
        IpNet::new(address, length).map_or(Self::host(address), |net| Self(net.trunc()))
    }

    /// The prefix as the address library has it.
    #[must_use]
    pub fn net(self) -> IpNet {
        self.0
    }

    /// The only address, where it is one.
    #[must_use]
    pub fn as_host(self) -> Option<IpAddr> {
        (self.0.prefix_len() == self.0.max_prefix_len()).then(|| self.0.addr())
    }

    /// First address.
    #[must_use]
    pub fn first(self) -> IpAddr {
        self.0.network()
    }

    /// Last address.
    #[must_use]
    pub fn last(self) -> IpAddr {
        self.0.broadcast()
    }

    /// Prefix length.
    #[must_use]
    pub fn length(self) -> u8 {
        self.0.prefix_len()
    }

    /// Whether it is IPv4.
    #[must_use]
    pub fn is_v4(self) -> bool {
        matches!(self.0, IpNet::V4(_))
    }

    /// Whether it contains an address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// Whether it contains another prefix, itself included.
    #[must_use]
    pub fn contains_prefix(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    /// Whether the two have an address in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains_prefix(other) || other.contains_prefix(self)
    }

    /// First and last address of an IPv4 prefix.
    #[must_use]
    pub fn v4_bounds(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        match self.0 {
            IpNet::V4(net) => Some((net.network(), net.broadcast())),
            IpNet::V6(_) => None,
        }
    }

    /// The address at an offset from the first, where the prefix holds it.
    #[must_use]
    pub fn host_at(&self, offset: u32) -> Option<IpAddr> {
        let address = match self.first() {
            IpAddr::V4(first) => Ipv4Addr::from(u32::from(first).checked_add(offset)?).into(),
            IpAddr::V6(first) => {
                Ipv6Addr::from(u128::from(first).checked_add(offset.into())?).into()
            }
        };
        self.contains(address).then_some(address)
    }

    /// Number of addresses, as far as 64 bits hold it.
    #[must_use]
    pub fn size(&self) -> u64 {
        let bits = self.0.max_prefix_len() - self.0.prefix_len();
        1_u64.checked_shl(bits.into()).unwrap_or(u64::MAX)
    }
}

impl Scalar for Prefix {
    const WHAT: &'static str = "a prefix such as 10.0.0.0/24 or 2001:db8::/64";
    const PATTERN: Option<&'static str> = Some(r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$");

    fn parse_scalar(text: &str) -> Result<Self, ScalarError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let Ok(parsed) = address.parse::<IpAddr>() else {
            return Err(wrong_address(text, address));
        };
        let most = if parsed.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(length) => match length.parse::<u8>() {
                Ok(number) if number <= most && !length.starts_with('+') => number,
                Ok(number) if !length.starts_with('+') => {
                    return Err(ScalarError::new(format!(
                        "`{text}`: prefix length {number} is over {most}, the most for {}",
                        if most == 32 { "IPv4" } else { "IPv6" }
                    )));
                }
                _ => {
                    return Err(ScalarError::new(format!(
                        "`{text}`: `{length}` is not a prefix length"
                    ))
                    .with_help(format!("a number from 0 to {most}")));
                }
            },
        };
        let prefix = Self::of(parsed, length);
        if prefix.first() != parsed {
            return Err(ScalarError::new(format!(
                "`{text}` has bits set beyond its prefix length"
            ))
            .with_help(format!("did you mean {prefix}, or {}?", Self::host(parsed))));
        }
        Ok(prefix)
    }
}

fn wrong_address(text: &str, address: &str) -> ScalarError {
    let octets: Vec<&str> = address.split('.').collect();
    if octets.len() == 4
        && let Some(octet) =
            octets.iter().find(|octet| octet.parse::<u32>().is_ok_and(|number| number > 255))
    {
        return ScalarError::new(format!("`{text}`: octet {octet} is over 255"));
    }
    if octets.len() == 4 && octets.iter().any(|o| o.len() > 1 && o.starts_with('0')) {
        return ScalarError::new(format!(
            "`{text}`: an octet starts with 0, which some read as octal"
        ))
        .with_help("leave the leading zero out");
    }
    ScalarError::new(format!("`{text}` is not a prefix"))
        .with_help(format!("expected {}", Prefix::WHAT))
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// All addresses of a family from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl Default for AddressRange {
    fn default() -> Self {
        Self { first: Ipv4Addr::UNSPECIFIED.into(), last: Ipv4Addr::UNSPECIFIED.into() }
    }
}

impl AddressRange {
    /// A range; `None` when the two are of different families or in the wrong order.
    #[must_use]
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Self { first, last })
    }

    /// First address.
    #[must_use]
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// Last address.
    #[must_use]
    pub fn last(&self) -> IpAddr {
        self.last
    }
}

impl Scalar for AddressRange {
    const WHAT: &'static str = "a range of addresses such as 10.0.0.1-10.0.0.9";
    const PATTERN: Option<&'static str> = Some(r"^[0-9A-Fa-f:.]+ *- *[0-9A-Fa-f:.]+$");

    fn parse_scalar(text: &str) -> Result<Self, ScalarError> {
        let ends = text.split_once('-').and_then(|(first, last)| {
            Some((first.trim().parse::<IpAddr>().ok()?, last.trim().parse::<IpAddr>().ok()?))
        });
        let Some((first, last)) = ends else {
            return Err(ScalarError::new(format!("`{text}` is not {}", Self::WHAT)));
        };
        Self::new(first, last).ok_or_else(|| {
            let why = if first.is_ipv4() == last.is_ipv4() {
                "ends before it starts"
            } else {
                "mixes IPv4 and IPv6"
            };
            ScalarError::new(format!("`{text}` {why}"))
        })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}
