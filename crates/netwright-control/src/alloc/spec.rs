//! What a pool has to give, and how.

use std::ops::RangeInclusive;
use std::sync::Arc;

use netwright_model::scalar::{Prefix, Scalar};

use super::block::{Block, Plane, cover, normalised};
use super::error::Error;
use super::free::Order;
use super::record::Declared;
use super::value::{Family, Kind, Value, of_prefix, planes};

/// Most ranges that a declared pool may have.
pub const MAX_RANGES: usize = 1024;

/// How long a released value rests unless its pool says otherwise, in milliseconds: as long as providers keep the port of a closed connection (Cloud
/// NAT: TCP `TIME_WAIT`, 120 s), so that nobody gets packets that are meant for who had it before.
pub const HOLD_DOWN: u64 = 120_000;

/// The share of a pool from which on it warns, unless it says otherwise: that of subnets.
pub const WARN_AT: f64 = 0.8;

/// Ports of a block, where neither the gateway nor the provider says (SNAT of a kernel finds every port of a block of at most 128).
pub const PORTS: u32 = 64;

/// The largest number of a virtual network (RFC 7348: 24 bits).
pub const MAX_VNI: u128 = (1 << 24) - 1;

/// Where a pool comes from.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// It follows from the network.
    Network,
    /// Somebody declared it.
    Declared,
    /// What it follows from is gone; something of it is still taken.
    Gone,
}

/// A pool, apart from what is allocated of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// What it is of.
    pub kind: Kind,
    /// Where it comes from.
    pub source: Source,
    /// All that it has, normalised. No range reaches from one of these into another.
    pub roots: Vec<Block>,
    /// What of that the provider or the user keeps, normalised: it is no capacity.
    pub kept: Vec<Block>,
    /// What the network describes as taken, normalised. It may reach beyond the roots.
    pub described: Vec<Block>,
    /// How many positions are taken beyond those, nobody knows which.
    pub unknown: u128,
    /// The size of what is given where a request does not say; none where it must. By family where it is a prefix length.
    pub size: Option<Size>,
    /// Which free value comes next.
    pub order: Order,
    /// How long a released value rests, in milliseconds.
    pub hold_down: u64,
    /// The share from which on it warns.
    pub warn_at: f64,
    /// Why nothing can be given.
    pub closed: Option<String>,
    /// Pools whose values are taken here too. What is linked is linked both ways.
    pub linked: Vec<Arc<str>>,
}

/// How large a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A prefix length.
    Length(u8),
    /// The logarithm of a number of positions.
    Order(u8),
}

impl Spec {
    /// One with nothing in it.
    #[must_use]
    pub fn empty(kind: Kind, source: Source) -> Self {
        Self {
            kind,
            source,
            roots: Vec::new(),
            kept: Vec::new(),
            described: Vec::new(),
            unknown: 0,
            size: match kind {
                Kind::Ranges => None,
                Kind::Ports => Some(order_of_ports(PORTS)),
                Kind::Addresses | Kind::Numbers => Some(Size::Order(0)),
            },
            order: if kind == Kind::Ranges { Order::BestFit } else { Order::Lowest },
            hold_down: HOLD_DOWN,
            warn_at: WARN_AT,
            closed: None,
            linked: Vec::new(),
        }
    }

    /// What it says of itself over what follows from the network.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where it cannot be so.
    pub fn declared(&mut self, declared: &Declared) -> Result<(), Error> {
        if declared.kind != self.kind {
            return Err(Error::Invalid(format!(
                "`{}` is of {}, not of {}",
                declared.pool,
                self.kind.word(),
                declared.kind.word()
            )));
        }
        if !declared.ranges.is_empty() {
            let mut roots = Vec::new();
            for text in &declared.ranges {
                roots.extend(root(self.kind, text)?);
            }
            self.roots = normalised(roots);
            self.closed = None;
        }
        if let Some(percent) = declared.warn_at_percent {
            if !(0.0..=100.0).contains(&percent) {
                return Err(Error::Invalid("`warn_at_percent` is from 0 to 100".to_owned()));
            }
            self.warn_at = percent / 100.0;
        }
        if let Some(ports) = declared.ports {
            if self.kind != Kind::Ports || ports == 0 || ports > 65_536 {
                return Err(Error::Invalid("`ports` of a block are 1 to 65536".to_owned()));
            }
            self.size = Some(order_of_ports(ports));
        }
        if let Some(length) = declared.length {
            if self.kind != Kind::Ranges || length > 128 {
                return Err(Error::Invalid("`length` is a prefix length, of ranges".to_owned()));
            }
            self.size = Some(Size::Length(length));
        }
        self.order = declared.order.unwrap_or(self.order);
        let seconds = declared.hold_down_seconds;
        self.hold_down = seconds.map_or(self.hold_down, |s| s.saturating_mul(1000));
        Ok(())
    }

    /// The families of addresses that it has.
    fn has(&self, family: Family) -> bool {
        let planes = planes(self.kind, family);
        self.roots.iter().any(|root| planes.contains(&root.plane()))
    }

    /// Where to look for what is wanted, and its order.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the request does not fit the pool.
    pub fn wanted(
        &self,
        pool: &str,
        want: &super::request::Want,
    ) -> Result<(RangeInclusive<Plane>, u8), Error> {
        let foreign = match self.kind {
            Kind::Ranges => want.ports.is_some(),
            Kind::Ports => want.length.is_some() || want.family.is_some(),
            Kind::Addresses => want.ports.is_some() || want.length.is_some(),
            Kind::Numbers => want.ports.is_some() || want.length.is_some() || want.family.is_some(),
        };
        if foreign {
            let kind = self.kind.word();
            let why = format!(
                "`{pool}` is of {kind}: `length` is for ranges, `family` for ranges and addresses, `ports` for ports"
            );
            return Err(Error::Invalid(why));
        }
        let six = want.length.is_some_and(|length| length > 32)
            || (want.family.is_none() && !self.has(Family::V4) && self.has(Family::V6));
        let family = want.family.unwrap_or(if six { Family::V6 } else { Family::V4 });
        let has_families = matches!(self.kind, Kind::Ranges | Kind::Addresses);
        if has_families && !self.roots.is_empty() && !self.has(family) {
            let why = format!("`{pool}` has nothing of {}", family.name());
            return Err(Error::Invalid(why));
        }
        let own = match (want.length, want.ports) {
            (Some(length), _) => Some(Size::Length(length)),
            (None, Some(ports)) if !ports.is_power_of_two() || ports > 65_536 => {
                return Err(Error::Invalid("`ports` is a power of two up to 65536".to_owned()));
            }
            (None, Some(ports)) => Some(order_of_ports(ports)),
            (None, None) => self.size,
        };
        let longest = if family == Family::V4 { 32_u8 } else { 128 };
        let order = match own {
            Some(Size::Order(order)) => Some(order),
            Some(Size::Length(length)) => longest.checked_sub(length),
            None => {
                return Err(Error::Invalid(format!("`{pool}` asks for a prefix length")));
            }
        };
        let wrong =
            || Error::Invalid(format!("a prefix length of this family is at most {longest}"));
        Ok((planes(self.kind, family), order.ok_or_else(wrong)?))
    }
}

/// The size of a block of so many ports, made a power of two.
#[must_use]
pub fn order_of_ports(ports: u32) -> Size {
    let ports = ports.clamp(1, 65_536).next_power_of_two();
    Size::Order(u8::try_from(ports.trailing_zeros()).unwrap_or(16))
}

/// The ports of an address that connections from behind a gateway may have: from 1024 on, as many as the provider gives.
#[must_use]
pub fn ports_of(address: std::net::Ipv4Addr, many: u32) -> Vec<Block> {
    let last = 1023 + many.min(64_512);
    if many == 0 { Vec::new() } else { cover(Plane::ports(address), 1024, last.into()) }
}

/// A range of a declared pool.
fn root(kind: Kind, text: &str) -> Result<Vec<Block>, Error> {
    let expected = |what: &str| Err(Error::Invalid(format!("`{text}` is not {what}")));
    match kind {
        Kind::Ranges | Kind::Addresses => match Prefix::parse_scalar(text) {
            Ok(prefix) => Ok(vec![of_prefix(prefix)]),
            Err(error) => Err(Error::Invalid(error.to_string())),
        },
        Kind::Ports => match Value::parse(text) {
            Some(Value::Address(std::net::IpAddr::V4(address))) => Ok(ports_of(address, 64_512)),
            Some(value @ Value::Ports { .. }) => match value.block() {
                Some(block) => Ok(vec![block]),
                None => expected("a block of ports: a power of two, at a multiple of it"),
            },
            _ => expected("a public IPv4 address, or ports such as 198.51.100.1:1024-2047"),
        },
        Kind::Numbers => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            match (first.trim().parse::<u32>(), last.trim().parse::<u32>()) {
                (Ok(first), Ok(last)) if first <= last => {
                    Ok(cover(Plane::NUMBERS, first.into(), last.into()))
                }
                _ => expected("a range of numbers such as 1-100"),
            }
        }
    }
}
