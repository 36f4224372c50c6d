//! Ports, protocols, and services (a protocol with ports).

use std::fmt;

use crate::suggest::nearest;

use super::{Scalar, ScalarError};

/// Ports from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

impl Default for PortRange {
    fn default() -> Self {
        Self::ALL
    }
}

impl PortRange {
    /// All ports.
    pub const ALL: Self = Self { first: 0, last: u16::MAX };

    /// One port.
    #[must_use]
    pub const fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// Ports from one to another; `None` in the wrong order.
    #[must_use]
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// Whether a port lies in it.
    #[must_use]
    pub const fn contains(&self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl Scalar for PortRange {
    const WHAT: &'static str = "a port or range such as 443 or 8000-8080";
    const PATTERN: Option<&'static str> = Some(r"^([0-9]+( *- *[0-9]+)?|any|\*)$");

    fn parse_scalar(text: &str) -> Result<Self, ScalarError> {
        if text == "any" || text == "*" {
            return Ok(Self::ALL);
        }
        let port = |part: &str| -> Result<u16, ScalarError> {
            let part = part.trim();
            match part.parse::<u64>() {
                Ok(number) if !part.starts_with('+') => u16::try_from(number)
                    .map_err(|_| ScalarError::new(format!("port {number} is over 65535"))),
                _ => Err(ScalarError::new(format!("`{text}` is not {}", Self::WHAT))),
            }
        };
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (port(first)?, port(last)?),
            None => (port(text)?, port(text)?),
        };
        Self::new(first, last).ok_or_else(|| {
            ScalarError::new(format!("`{text}` ends before it starts"))
                .with_help(format!("did you mean {last}-{first}?"))
        })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (0, u16::MAX) => f.write_str("any"),
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

/// Names of IP protocols, from IANA's registry.
const PROTOCOLS: [(u8, &str); 26] = [
    (0, "hopopt"),
    (1, "icmp"),
    (2, "igmp"),
    (4, "ipv4"),
    (6, "tcp"),
    (8, "egp"),
    (17, "udp"),
    (27, "rdp"),
    (33, "dccp"),
    (41, "ipv6"),
    (46, "rsvp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "icmpv6"),
    (88, "eigrp"),
    (89, "ospf"),
    (94, "ipip"),
    (97, "etherip"),
    (103, "pim"),
    (108, "ipcomp"),
    (112, "vrrp"),
    (115, "l2tp"),
    (132, "sctp"),
    (136, "udplite"),
    (137, "mpls-in-ip"),
];

/// The name of a protocol, or its number.
#[must_use]
pub fn protocol_name(number: u8) -> String {
    let known = PROTOCOLS.iter().find(|(own, _)| *own == number);
    known.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

/// The number of a protocol by name or number.
///
/// # Errors
///
/// When it is neither.
pub fn protocol_number(text: &str) -> Result<u8, ScalarError> {
    if let Ok(number) = text.parse::<u64>()
        && !text.starts_with('+')
    {
        return u8::try_from(number)
            .map_err(|_| ScalarError::new(format!("protocol {number} is over 255")));
    }
    let lower = text.to_ascii_lowercase();
    let name = match lower.as_str() {
        "ipv6-icmp" | "icmp6" => "icmpv6",
        other => other,
    };
    if let Some((number, _)) = PROTOCOLS.iter().find(|(_, known)| *known == name) {
        return Ok(*number);
    }
    let mut error = ScalarError::new(format!("`{text}` is not a protocol"));
    error.help = nearest(name, PROTOCOLS.iter().map(|(_, known)| *known))
        .map(|near| format!("did you mean `{near}`?"))
        .or_else(|| Some("a name such as tcp, udp, icmp, esp, or a number from 0 to 255".into()));
    Err(error)
}

/// Which protocols a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ProtocolMatch {
    /// Every protocol.
    #[default]
    Any,
    /// One, by its number.
    Number(u8),
}

impl ProtocolMatch {
    /// Whether it matches a protocol.
    #[must_use]
    pub fn matches(self, protocol: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Number(number) => number == protocol,
        }
    }
}

impl Scalar for ProtocolMatch {
    const WHAT: &'static str =
        "a protocol such as tcp, udp, icmp, esp, a number from 0 to 255, or any";
    const PATTERN: Option<&'static str> = None;

    fn parse_scalar(text: &str) -> Result<Self, ScalarError> {
        match text {
            "any" | "all" | "-1" | "*" => Ok(Self::Any),
            _ => protocol_number(text).map(Self::Number),
        }
    }
}

impl fmt::Display for ProtocolMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Number(number) => f.write_str(&protocol_name(*number)),
        }
    }
}

/// What something answers on or a flow is for: a protocol with destination ports, or ICMP with type and code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Service {
    /// Everything.
    #[default]
    Any,
    /// A protocol with destination ports (TCP, UDP, SCTP, DCCP, UDP-Lite).
    Ports {
        /// Its number.
        protocol: u8,
        /// The ports.
        ports: PortRange,
    },
    /// ICMP or `ICMPv6`.
    Icmp {
        /// 1 or 58.
        protocol: u8,
        /// Type; all where `None`.
        kind: Option<u8>,
        /// Code; all where `None`.
        code: Option<u8>,
    },
    /// A protocol without ports, by its number.
    Protocol(u8),
}

impl Service {
    /// A TCP port.
    #[must_use]
    pub const fn tcp(port: u16) -> Self {
        Self::Ports { protocol: 6, ports: PortRange::one(port) }
    }

    /// A UDP port.
    #[must_use]
    pub const fn udp(port: u16) -> Self {
        Self::Ports { protocol: 17, ports: PortRange::one(port) }
    }

    /// Everything of a protocol.
    #[must_use]
    pub fn of_protocol(protocol: u8) -> Self {
        match protocol {
            1 | 58 => Self::Icmp { protocol, kind: None, code: None },
            _ if WITH_PORTS.contains(&protocol) => Self::Ports { protocol, ports: PortRange::ALL },
            _ => Self::Protocol(protocol),
        }
    }

    /// The protocol's number; `None` for everything.
    #[must_use]
    pub const fn protocol(self) -> Option<u8> {
        match self {
            Self::Any => None,
            Self::Ports { protocol, .. }
            | Self::Icmp { protocol, .. }
            | Self::Protocol(protocol) => Some(protocol),
        }
    }

    /// The same protocol with one port.
    #[must_use]
    pub const fn with_port(self, port: u16) -> Self {
        match self {
            Self::Ports { protocol, .. } => Self::Ports { protocol, ports: PortRange::one(port) },
            Self::Any | Self::Icmp { .. } | Self::Protocol(_) => Self::tcp(port),
        }
    }

    /// The first destination port, where there are ports.
    #[must_use]
    pub const fn first_port(self) -> Option<u16> {
        match self {
            Self::Ports { ports, .. } => Some(ports.first),
            Self::Any | Self::Icmp { .. } | Self::Protocol(_) => None,
        }
    }
}

const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

impl Scalar for Service {
    const WHAT: &'static str =
        "a service such as tcp/443, udp/53, tcp/8000-8080, icmp, icmp/8/0, esp, ip/253 or any";
    const PATTERN: Option<&'static str> = None;

    fn parse_scalar(text: &str) -> Result<Self, ScalarError> {
        if matches!(text, "any" | "all" | "*") {
            return Ok(Self::Any);
        }
        if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            return Err(ScalarError::new(format!("`{text}` names no protocol"))
                .with_help(format!("did you mean tcp/{text}?")));
        }
        if let Some(number) = text.strip_prefix("ip/") {
            return protocol_number(number).map(Self::of_protocol);
        }
        let mut parts = text.split('/');
        let protocol = protocol_number(parts.next().unwrap_or(""))?;
        let (first, second, rest) = (parts.next(), parts.next(), parts.next());
        let number = |part: &str| -> Result<u8, ScalarError> {
            let number = part.parse().ok().filter(|_| !part.starts_with('+'));
            number.ok_or_else(|| {
                ScalarError::new(format!(
                    "`{text}`: `{part}` is not an ICMP type or code from 0 to 255"
                ))
            })
        };
        match protocol {
            1 | 58 if rest.is_none() => Ok(Self::Icmp {
                protocol,
                kind: first.map(number).transpose()?,
                code: second.map(number).transpose()?,
            }),
            _ if WITH_PORTS.contains(&protocol) && second.is_none() => {
                let ports = first.map_or(Ok(PortRange::ALL), PortRange::parse_scalar)?;
                Ok(Self::Ports { protocol, ports })
            }
            _ if first.is_none() => Ok(Self::Protocol(protocol)),
            _ => Err(ScalarError::new(format!("`{text}` is not {}", Self::WHAT))),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Ports { protocol, ports: PortRange::ALL } => {
                f.write_str(&protocol_name(*protocol))
            }
            Self::Ports { protocol, ports } => write!(f, "{}/{ports}", protocol_name(*protocol)),
            Self::Icmp { protocol, kind, code } => {
                f.write_str(&protocol_name(*protocol))?;
                match (kind, code) {
                    (Some(kind), Some(code)) => write!(f, "/{kind}/{code}"),
                    (Some(kind), None) => write!(f, "/{kind}"),
                    (None, _) => Ok(()),
                }
            }
            Self::Protocol(protocol) => match protocol_name(*protocol) {
                name if name.starts_with(|c: char| c.is_ascii_digit()) => write!(f, "ip/{name}"),
                name => f.write_str(&name),
            },
        }
    }
}
