//! What is allocated: ranges, addresses, blocks of ports, numbers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use netwright_model::scalar::{Prefix, Scalar};

use super::block::{Block, Plane};

/// What a pool is of.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Address ranges, as of subnets and connectors.
    Ranges,
    /// Single addresses.
    Addresses,
    /// Blocks of ports of public addresses.
    Ports,
    /// Numbers, as of virtual networks.
    Numbers,
}

impl Kind {
    /// The word that people write.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ranges => "ranges",
            Self::Addresses => "addresses",
            Self::Ports => "ports",
            Self::Numbers => "numbers",
        }
    }
}

/// A family of addresses.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// As people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// Something that is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A range, as `10.0.2.0/24`.
    Range(Prefix),
    /// An address, as `10.0.2.7`.
    Address(IpAddr),
    /// Ports of an address, as `198.51.100.1:1024-1087`.
    Ports {
        /// The public address.
        address: Ipv4Addr,
        /// The first port.
        first: u16,
        /// The last port.
        last: u16,
    },
    /// A number, as `42`.
    Number(u32),
}

fn of_address(address: IpAddr) -> (Plane, u128) {
    match address {
        IpAddr::V4(four) => (Plane::V4, u32::from(four).into()),
        IpAddr::V6(six) => (Plane::V6, six.into()),
    }
}

fn to_address(plane: Plane, position: u128) -> Option<IpAddr> {
    match plane {
        Plane::V4 => Some(Ipv4Addr::from(u32::try_from(position).ok()?).into()),
        Plane::V6 => Some(std::net::Ipv6Addr::from(position).into()),
        _ => None,
    }
}

/// The block of a prefix.
#[must_use]
pub fn of_prefix(prefix: Prefix) -> Block {
    let (plane, base) = of_address(prefix.first());
    let longest = if prefix.is_v4() { 32 } else { 128 };
    Block::around(plane, base, longest - prefix.length())
}

impl Value {
    /// What it is.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Range(_) => Kind::Ranges,
            Self::Address(_) => Kind::Addresses,
            Self::Ports { .. } => Kind::Ports,
            Self::Number(_) => Kind::Numbers,
        }
    }

    /// Its block; none where ports are no aligned power of two.
    #[must_use]
    pub fn block(self) -> Option<Block> {
        match self {
            Self::Range(prefix) => Some(of_prefix(prefix)),
            Self::Address(address) => {
                let (plane, position) = of_address(address);
                Block::new(plane, position, 0)
            }
            Self::Ports { address, first, last } => {
                let count = u32::from(last).checked_sub(first.into())? + 1;
                let order = u8::try_from(count.trailing_zeros()).ok()?;
                let block = Block::new(Plane::ports(address), first.into(), order)?;
                (block.last() == u128::from(last)).then_some(block)
            }
            Self::Number(number) => Block::new(Plane::NUMBERS, number.into(), 0),
        }
    }

    /// The value of a kind that a block is.
    #[must_use]
    pub fn of(kind: Kind, block: Block) -> Option<Self> {
        let base = block.first();
        match kind {
            Kind::Ranges => {
                let longest = if block.plane() == Plane::V4 { 32_u8 } else { 128 };
                let length = longest.checked_sub(block.order())?;
                Some(Self::Range(Prefix::of(to_address(block.plane(), base)?, length)))
            }
            Kind::Addresses => Some(Self::Address(to_address(block.plane(), base)?)),
            Kind::Ports => Some(Self::Ports {
                address: block.plane().address()?,
                first: u16::try_from(base).ok()?,
                last: u16::try_from(block.last()).ok()?,
            }),
            Kind::Numbers => Some(Self::Number(u32::try_from(base).ok()?)),
        }
    }

    /// Reads what [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains('/') {
            return Prefix::parse_scalar(text).ok().map(Self::Range);
        }
        if let Ok(address) = text.parse() {
            return Some(Self::Address(address));
        }
        if let Some((address, ports)) = text.split_once(':') {
            let (first, last) = ports.split_once('-')?;
            let number = |text: &str| text.parse::<u16>().ok().filter(|_| digits(text));
            let (first, last) = (number(first)?, number(last)?);
            return Some(Self::Ports { address: address.parse().ok()?, first, last });
        }
        text.parse().ok().filter(|_| digits(text)).map(Self::Number)
    }

    /// The value as a part of a key: it sorts as the value does, and holds no `/`.
    #[must_use]
    pub fn key(self) -> impl fmt::Display {
        Key(self)
    }
}

/// A value as a part of a key.
struct Key(Value);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = |address: IpAddr, f: &mut fmt::Formatter<'_>| match address {
            IpAddr::V4(four) => write!(f, "v4-{:08x}", u32::from(four)),
            IpAddr::V6(six) => write!(f, "v6-{:032x}", u128::from(six)),
        };
        match self.0 {
            Value::Range(prefix) => {
                address(prefix.first(), f)?;
                write!(f, "-{:03}", prefix.length())
            }
            Value::Address(own) => address(own, f),
            Value::Ports { address: own, first, last } => {
                address(own.into(), f)?;
                write!(f, "-{first:05}-{last:05}")
            }
            Value::Number(number) => write!(f, "{number:010}"),
        }
    }
}

/// A number is written in one way only.
fn digits(text: &str) -> bool {
    text == "0" || (!text.starts_with('0') && text.bytes().all(|octet| octet.is_ascii_digit()))
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(prefix) => prefix.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Ports { address, first, last } => write!(f, "{address}:{first}-{last}"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is no range, address, block of ports (`198.51.100.1:1024-1087`) or number"
            ))
        })
    }
}

impl schemars::JsonSchema for Value {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A range `10.0.2.0/24`, an address `10.0.2.7`, ports `198.51.100.1:1024-1087` or a number `42`.",
            "maxLength": 64
        })
    }
}

/// The planes in which values of a kind are looked for.
#[must_use]
pub fn planes(kind: Kind, family: Family) -> RangeInclusive<Plane> {
    match (kind, family) {
        (Kind::Ranges | Kind::Addresses, Family::V4) => Plane::V4..=Plane::V4,
        (Kind::Ranges | Kind::Addresses, Family::V6) => Plane::V6..=Plane::V6,
        (Kind::Ports, _) => Plane::ports(Ipv4Addr::UNSPECIFIED)..=Plane::ports(Ipv4Addr::BROADCAST),
        (Kind::Numbers, _) => Plane::NUMBERS..=Plane::NUMBERS,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Kind, Value};

    fn parse(text: &str) -> Value {
        Value::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn a_value_is_written_in_one_way() {
        for text in [
            "10.0.2.0/24",
            "2001:db8::/64",
            "10.0.2.7",
            "2001:db8::1",
            "198.51.100.1:1024-1087",
            "42",
        ] {
            assert_eq!(parse(text).to_string(), text);
        }
        for text in
            ["10.0.2.1/24", "042", "+1", "198.51.100.1:1024", "1-2", "", "a", "1.2.3.4:01-2"]
        {
            assert_eq!(Value::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ports_are_a_power_of_two_at_a_multiple_of_it() {
        assert!(parse("198.51.100.1:1024-1087").block().is_some());
        assert!(parse("198.51.100.1:1056-1119").block().is_none());
        assert!(parse("198.51.100.1:1024-1086").block().is_none());
        assert!(parse("198.51.100.1:1087-1024").block().is_none());
        assert!(parse("198.51.100.1:0-65535").block().is_some());
    }

    proptest! {
        #[test]
        fn a_value_is_its_block_and_its_text(number in any::<u128>(), length in 0_u8..=128, port in any::<u16>(), order in 0_u8..=16) {
            let six = std::net::Ipv6Addr::from(number);
            #[expect(clippy::cast_possible_truncation, reason = "any 32 bits will do")]
            let short = number as u32;
            let four = std::net::Ipv4Addr::from(short);
            let first = port & !u16::try_from((1_u32 << order) - 1).expect("16 bits");
            let last = first | u16::try_from((1_u32 << order) - 1).expect("16 bits");
            for value in [
                Value::Range(netwright_model::scalar::Prefix::of(six.into(), length)),
                Value::Range(netwright_model::scalar::Prefix::of(four.into(), length % 33)),
                Value::Address(six.into()),
                Value::Address(four.into()),
                Value::Ports { address: four, first, last },
                Value::Number(short),
            ] {
                let block = value.block().expect("a block");
                prop_assert_eq!(Value::of(value.kind(), block), Some(value));
                prop_assert_eq!(Value::parse(&value.to_string()), Some(value));
                prop_assert!(!value.key().to_string().contains('/'));
            }
        }

        #[test]
        fn keys_sort_as_values_do(a in any::<u32>(), b in any::<u32>()) {
            let of = |number: u32| [
                Value::Number(number),
                Value::Address(std::net::Ipv4Addr::from(number).into()),
                Value::Address(std::net::Ipv6Addr::from(u128::from(number) << 40).into()),
            ];
            for (one, other) in of(a).into_iter().zip(of(b)) {
                prop_assert_eq!(one.cmp(&other), one.key().to_string().cmp(&other.key().to_string()));
            }
        }
    }

    #[test]
    fn kinds_have_words() {
        assert_eq!(serde_json::to_string(&Kind::Ranges).expect("JSON"), "\"ranges\"");
    }
}
