//! Small texts that refer to something else: peers of rules, targets of routes, endpoints of flows.
//!
//! Each is written as `kind:name`, where the kind can be left out when the text itself tells: an address or prefix is itself.

use std::fmt;
use std::net::IpAddr;

use crate::scalar::{AddressRange, Prefix, Scalar, ScalarError};
use crate::suggest::nearest;

/// One side of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Peer {
    /// Every address of both families.
    #[default]
    Any,
    /// A prefix.
    Prefix(Prefix),
    /// A range of addresses.
    Range(AddressRange),
    /// Interfaces that a filter is attached to (a security group reference: their private addresses).
    Group(String),
    /// Interfaces with a tag.
    Tag(String),
    /// Interfaces of a service account.
    Account(String),
    /// A named list of prefixes.
    PrefixList(String),
    /// The ranges of a subnet.
    Subnet(String),
    /// The ranges of a VPC.
    Vpc(String),
    /// The addresses of an instance.
    Instance(String),
    /// All addresses that no VPC and no site of the description holds.
    Internet,
    /// Something that could not be represented: it may match anything.
    Unknown(String),
}

/// Where a route sends packets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum RouteTarget {
    /// Inside the VPC.
    #[default]
    Local,
    /// An internet gateway.
    InternetGateway(String),
    /// A NAT gateway that lives in a subnet.
    Nat(String),
    /// A peering.
    Peering(String),
    /// A VPN, or the gateway that VPNs name.
    Vpn(String),
    /// A transit hub.
    Transit(String),
    /// An attachment of the transit hub that the table belongs to.
    Attachment(String),
    /// An interface of an instance that forwards; `instance` or `instance/interface`.
    Instance(String),
    /// A private endpoint.
    PrivateEndpoint(String),
    /// An outside service that the VPC is attached to.
    External(String),
    /// Packets are dropped.
    Blackhole,
    /// A target that could not be represented.
    Unknown(String),
}

/// A source or destination of flows: one endpoint or a group of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum EndpointRef {
    /// All addresses that no VPC and no site of the description holds.
    #[default]
    Internet,
    /// An address, or all addresses of a prefix: endpoints that hold them, otherwise the outside.
    Prefix(Prefix),
    /// A named thing of a given kind, for example `database:main`.
    Kind(EndpointKind, String),
    /// A name, an identifier of the provider's export, or a host name: whatever has it.
    Name(String),
}

/// Kinds that an [`EndpointRef`] may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointKind {
    /// An instance.
    Instance,
    /// All endpoints of a subnet.
    Subnet,
    /// All endpoints of a VPC.
    Vpc,
    /// All instances with a tag.
    Tag,
    /// All interfaces with a filter attached.
    Group,
    /// A serverless service.
    Service,
    /// A database.
    Database,
    /// An outside service.
    External,
    /// A load balancer.
    LoadBalancer,
    /// A site.
    Site,
    /// A private endpoint.
    PrivateEndpoint,
    /// A connector.
    Connector,
    /// A NAT gateway.
    Nat,
    /// A name to resolve through the DNS zones.
    Host,
}

impl EndpointKind {
    /// Every kind with its prefix.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::Instance, "instance"),
        (Self::Subnet, "subnet"),
        (Self::Vpc, "vpc"),
        (Self::Tag, "tag"),
        (Self::Group, "group"),
        (Self::Service, "service"),
        (Self::Database, "database"),
        (Self::External, "external"),
        (Self::LoadBalancer, "load_balancer"),
        (Self::Site, "site"),
        (Self::PrivateEndpoint, "private_endpoint"),
        (Self::Connector, "connector"),
        (Self::Nat, "nat"),
        (Self::Host, "host"),
    ];

    /// The prefix that names the kind.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }
}

/// Destination of a route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// A prefix.
    Prefix(Prefix),
    /// A named list of prefixes.
    PrefixList(String),
}

impl Default for Destination {
    fn default() -> Self {
        Self::Prefix(Prefix::default())
    }
}

/// Whether a text is an address, a prefix or a range, by its characters alone, so that a mistyped one gets its own error.
fn looks_like_address(text: &str) -> bool {
    let body = text.split('/').next().unwrap_or(text);
    let v4 = body.contains('.') && body.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-');
    let v6 = body.contains("::") || body.split(':').count() > 3;
    v4 || (v6 && body.chars().all(|c| c.is_ascii_hexdigit() || c == ':' || c == '.' || c == '-'))
}

fn unknown_kind(text: &str, kind: &str, known: &[&str]) -> ScalarError {
    let mut error = ScalarError::new(format!("`{kind}:` is not a kind that `{text}` could name"));
    error.help = Some(match nearest(kind, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}:`?"),
        None => format!("one of {}", known.join(":, ") + ":"),
    });
    error
}

fn named(text: &str, kind: &str, name: &str) -> Result<String, ScalarError> {
    if name.is_empty() {
        return Err(ScalarError::new(format!("`{text}` names no {kind}")));
    }
    Ok(name.to_owned())
}

impl Scalar for Peer {
    const WHAT: &'static str = "a prefix such as 10.0.0.0/8, `any`, `internet`, or `group:`, `tag:`, `account:`, `prefix_list:`, `subnet:`, `vpc:` or `instance:` with a name";
    const PATTERN: Option<&'static str> = None;

    fn parse_scalar(text: &str) -> Result<Self, ScalarError> {
        match text {
            "any" | "*" => return Ok(Self::Any),
            "internet" => return Ok(Self::Internet),
            _ => {}
        }
        if looks_like_address(text) {
            if text.contains('-') {
                return AddressRange::parse_scalar(text).map(Self::Range);
            }
            return Prefix::parse_scalar(text).map(Self::Prefix);
        }
        let Some((kind, name)) = text.split_once(':') else {
            let mut error = ScalarError::new(format!("`{text}` is not {}", Self::WHAT));
            error.help = Some(format!(
                "for the members of a filter write `group:{text}`, for a tag `tag:{text}`"
            ));
            return Err(error);
        };
        let name = named(text, kind, name)?;
        Ok(match kind {
            "group" | "filter" | "security_group" => Self::Group(name),
            "tag" => Self::Tag(name),
            "account" => Self::Account(name),
            "prefix_list" => Self::PrefixList(name),
            "subnet" => Self::Subnet(name),
            "vpc" => Self::Vpc(name),
            "instance" => Self::Instance(name),
            "unknown" => Self::Unknown(name),
            _ => {
                return Err(unknown_kind(
                    text,
                    kind,
                    &[
                        "group",
                        "tag",
                        "account",
                        "prefix_list",
                        "subnet",
                        "vpc",
                        "instance",
                        "unknown",
                    ],
                ));
            }
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Internet => f.write_str("internet"),
            Self::Prefix(prefix) => prefix.fmt(f),
            Self::Range(range) => range.fmt(f),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Tag(name) => write!(f, "tag:{name}"),
            Self::Account(name) => write!(f, "account:{name}"),
            Self::PrefixList(name) => write!(f, "prefix_list:{name}"),
            Self::Subnet(name) => write!(f, "subnet:{name}"),
            Self::Vpc(name) => write!(f, "vpc:{name}"),
            Self::Instance(name) => write!(f, "instance:{name}"),
            Self::Unknown(what) => write!(f, "unknown:{what}"),
        }
    }
}

impl Scalar for RouteTarget {
    const WHAT: &'static str = "`local`, `blackhole`, or `internet_gateway:`, `nat:`, `peering:`, `vpn:`, `transit:`, `attachment:`, `instance:`, `private_endpoint:` or `external:` with a name";
    const PATTERN: Option<&'static str> = None;

    fn parse_scalar(text: &str) -> Result<Self, ScalarError> {
        match text {
            "local" => return Ok(Self::Local),
            "blackhole" => return Ok(Self::Blackhole),
            _ => {}
        }
        let Some((kind, name)) = text.split_once(':') else {
            return Err(ScalarError::new(format!("`{text}` is not {}", Self::WHAT)));
        };
        let name = named(text, kind, name)?;
        Ok(match kind {
            "internet_gateway" | "igw" | "internet" => Self::InternetGateway(name),
            "nat" | "nat_gateway" => Self::Nat(name),
            "peering" => Self::Peering(name),
            "vpn" => Self::Vpn(name),
            "transit" => Self::Transit(name),
            "attachment" => Self::Attachment(name),
            "instance" => Self::Instance(name),
            "private_endpoint" => Self::PrivateEndpoint(name),
            "external" => Self::External(name),
            "unknown" => Self::Unknown(name),
            _ => {
                return Err(unknown_kind(
                    text,
                    kind,
                    &[
                        "internet_gateway",
                        "nat",
                        "peering",
                        "vpn",
                        "transit",
                        "attachment",
                        "instance",
                        "private_endpoint",
                        "external",
                        "unknown",
                    ],
                ));
            }
        })
    }
}

impl fmt::Display for RouteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Blackhole => f.write_str("blackhole"),
            Self::InternetGateway(name) => write!(f, "internet_gateway:{name}"),
            Self::Nat(name) => write!(f, "nat:{name}"),
            Self::Peering(name) => write!(f, "peering:{name}"),
            Self::Vpn(name) => write!(f, "vpn:{name}"),
            Self::Transit(name) => write!(f, "transit:{name}"),
            Self::Attachment(name) => write!(f, "attachment:{name}"),
            Self::Instance(name) => write!(f, "instance:{name}"),
            Self::PrivateEndpoint(name) => write!(f, "private_endpoint:{name}"),
            Self::External(name) => write!(f, "external:{name}"),
            Self::Unknown(what) => write!(f, "unknown:{what}"),
        }
    }
}

impl Scalar for EndpointRef {
    const WHAT: &'static str = "`internet`, an address or prefix, a name or identifier, or `kind:name` such as `database:main` or `subnet:prod/web`";
    const PATTERN: Option<&'static str> = None;

    fn parse_scalar(text: &str) -> Result<Self, ScalarError> {
        if text == "internet" {
            return Ok(Self::Internet);
        }
        if text.is_empty() {
            return Err(ScalarError::new(format!("nothing is not {}", Self::WHAT)));
        }
        if looks_like_address(text) {
            return match text.parse::<IpAddr>() {
                Ok(address) => Ok(Self::Prefix(Prefix::host(address))),
                Err(_) => Prefix::parse_scalar(text).map(Self::Prefix),
            };
        }
        if let Some((kind, name)) = text.split_once(':')
            && let Some((kind, _)) = EndpointKind::ALL.iter().find(|(_, word)| *word == kind)
        {
            return Ok(Self::Kind(*kind, named(text, kind.word(), name)?));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl fmt::Display for EndpointRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet => f.write_str("internet"),
            Self::Prefix(prefix) => match prefix.as_host() {
                Some(address) => address.fmt(f),
                None => prefix.fmt(f),
            },
            Self::Kind(kind, name) => write!(f, "{}:{name}", kind.word()),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Scalar for Destination {
    const WHAT: &'static str = "a prefix such as 0.0.0.0/0, or `prefix_list:` with a name";
    const PATTERN: Option<&'static str> = None;

    fn parse_scalar(text: &str) -> Result<Self, ScalarError> {
        match text.split_once(':') {
            Some(("prefix_list", name)) => named(text, "prefix_list", name).map(Self::PrefixList),
            _ => Prefix::parse_scalar(text).map(Self::Prefix),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => prefix.fmt(f),
            Self::PrefixList(name) => write!(f, "prefix_list:{name}"),
        }
    }
}

crate::scalar!(Peer);
crate::scalar!(RouteTarget);
crate::scalar!(EndpointRef);
crate::scalar!(Destination);
