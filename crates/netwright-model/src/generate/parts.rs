//! What all shapes are made of: addresses, roles with what they accept, instances, intents.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::language::reference::{Destination, EndpointKind};
use crate::language::{
    Action, Attachment, Description, Direction, EndpointRef, Filter, Instance, Intent, Outcome,
    Peer, Provider, Route, RouteTable, RouteTarget, Rule, Subnet, Vpc,
};
use crate::scalar::{PortRange, Prefix, ProtocolMatch, Service};
use crate::source::Spanned;

use crate::random::Random;

/// A description under construction.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) description: Description,
    pub(super) random: Random,
    provider: Provider,
    public_used: u32,
}

/// From whom a role accepts connections.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Anywhere,
    Role(String),
    Prefix(Prefix),
}

/// What machines of one kind accept; they may send anything.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) accepts: Vec<(u8, PortRange, Source)>,
}

impl Role {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), accepts: Vec::new() }
    }

    /// It accepts connections to a TCP port.
    pub(super) fn tcp(mut self, port: u16, from: Source) -> Self {
        self.accepts.push((6, PortRange::one(port), from));
        self
    }

    /// It accepts datagrams to a UDP port.
    pub(super) fn udp(mut self, port: u16, from: Source) -> Self {
        self.accepts.push((17, PortRange::one(port), from));
        self
    }
}

pub(super) fn bare<T>(value: T) -> Spanned<T> {
    Spanned::bare(value)
}

pub(super) fn list<T>(values: impl IntoIterator<Item = T>) -> Vec<Spanned<T>> {
    values.into_iter().map(Spanned::bare).collect()
}

pub(super) fn v4(a: u8, b: u32, c: u32, d: u32) -> IpAddr {
    let low = |value: u32| u8::try_from(value % 256).unwrap_or_default();
    Ipv4Addr::new(a, low(b), low(c), low(d)).into()
}

/// The `number`th /24 of 10.0.0.0/8.
pub(super) fn small_net(number: u32) -> Prefix {
    Prefix::of(v4(10, number / 256, number, 0), 24)
}

/// The `number`th /64 of the `site`th /48 of the documentation prefix (RFC 3849).
pub(super) fn six_net(site: u32, number: u32) -> Prefix {
    let low = |value: u32| u16::try_from(value % 65_536).unwrap_or_default();
    Prefix::of(Ipv6Addr::new(0x2001, 0xdb8, low(site), low(number), 0, 0, 0, 0).into(), 64)
}

/// The host of a prefix by number.
pub(super) fn host(prefix: Prefix, number: u32) -> IpAddr {
    prefix.host_at(number).unwrap_or_else(|| prefix.first())
}

/// The office from which people administer the machines.
pub(super) fn office() -> Prefix {
    Prefix::of(v4(192, 0, 2, 0), 24)
}

pub(super) fn everywhere() -> [Prefix; 2] {
    [Prefix::of(Ipv4Addr::UNSPECIFIED.into(), 0), Prefix::of(Ipv6Addr::UNSPECIFIED.into(), 0)]
}

pub(super) fn instance_named(name: &str) -> EndpointRef {
    EndpointRef::Kind(EndpointKind::Instance, name.to_owned())
}

/// A route table from destinations and targets.
pub(super) fn table(routes: impl IntoIterator<Item = (Prefix, RouteTarget)>) -> RouteTable {
    let route =
        |(to, via)| Route { to: bare(Destination::Prefix(to)), via: bare(via), ..Route::default() };
    RouteTable { routes: routes.into_iter().map(route).collect(), ..RouteTable::default() }
}

/// A subnet in a zone (`a`, `b`, `c`), with a route table.
pub(super) fn subnet(cidrs: impl IntoIterator<Item = Prefix>, zone: char, table: &str) -> Subnet {
    Subnet {
        cidrs: list(cidrs),
        zone: Some(bare(format!("region-1{zone}"))),
        route_table: (!table.is_empty()).then(|| bare(table.to_owned())),
        ..Subnet::default()
    }
}

/// A rule with everything that rules here differ in.
pub(super) fn rule(
    direction: Direction,
    action: Action,
    what: (Option<u8>, Option<PortRange>),
    peers: impl IntoIterator<Item = Peer>,
) -> Rule {
    let (protocol, ports) = what;
    let peers = list(peers);
    let (from, to) = match direction {
        Direction::Ingress => (peers, Vec::new()),
        Direction::Egress => (Vec::new(), peers),
    };
    Rule {
        direction: bare(direction),
        action: (action != Action::Allow).then(|| bare(action)),
        protocol: protocol.map(|number| bare(ProtocolMatch::Number(number))),
        ports: list(ports),
        from,
        to,
        ..Rule::default()
    }
}

/// The same rule in a place in line.
pub(super) fn at(priority: u32, mut rule: Rule) -> Rule {
    rule.priority = Some(bare(priority));
    rule
}

impl Draft {
    pub(super) fn new(provider: Provider, seed: u64) -> Self {
        let description = Description {
            netwright: Some(bare(1)),
            provider: Some(bare(provider)),
            ..Description::default()
        };
        Self { description, random: Random::new(seed), provider, public_used: 0 }
    }

    pub(super) fn finish(self) -> Description {
        self.description
    }

    /// Rules go by tag and hold for a whole VPC, rather than by group.
    pub(super) fn by_tag(&self) -> bool {
        self.provider == Provider::Gcp
    }

    /// The next unused public address.
    pub(super) fn public_address(&mut self) -> IpAddr {
        let number = self.public_used;
        self.public_used += 1;
        v4(198, 18 + number / 65_536, number / 256, number)
    }

    pub(super) fn vpc(&mut self, name: &str, vpc: Vpc) {
        self.description.vpcs.insert(name.to_owned(), vpc);
    }

    /// The filters of a VPC's roles: a security group for each, or one firewall with rules by tag behind a policy.
    pub(super) fn roles(&mut self, vpc: &str, roles: &[Role]) {
        if self.by_tag() {
            return self.firewall(vpc, roles);
        }
        for role in roles {
            let mut rules: Vec<Rule> =
                role.accepts.iter().map(|accept| accepting(accept, Peer::Group)).collect();
            rules.push(rule(Direction::Egress, Action::Allow, (None, None), []));
            let filter = Filter { vpc: Some(bare(vpc.to_owned())), rules, ..Filter::default() };
            self.description.filters.insert(role.name.clone(), filter);
        }
    }

    fn firewall(&mut self, vpc: &str, roles: &[Role]) {
        let closed = [Peer::Any];
        let telnet = (Some(6), Some(PortRange::one(23)));
        let policy = Filter {
            attach: Some(bare(Attachment::Vpc)),
            vpc: Some(bare(vpc.to_owned())),
            ordered: Some(bare(true)),
            tier: Some(bare(0)),
            default_ingress: Some(bare(Action::Next)),
            default_egress: Some(bare(Action::Next)),
            rules: vec![at(1000, rule(Direction::Ingress, Action::Deny, telnet, closed))],
            ..Filter::default()
        };
        self.description.filters.insert(format!("{vpc}-policy"), policy);
        let mut rules = Vec::new();
        for role in roles {
            for accept in &role.accepts {
                let mut rule = at(1000, accepting(accept, Peer::Tag));
                rule.targets = list([Peer::Tag(role.name.clone())]);
                rules.push(rule);
            }
        }
        let firewall = Filter {
            attach: Some(bare(Attachment::Vpc)),
            vpc: Some(bare(vpc.to_owned())),
            ordered: Some(bare(true)),
            tier: Some(bare(1)),
            default_egress: Some(bare(Action::Allow)),
            rules,
            ..Filter::default()
        };
        self.description.filters.insert(format!("{vpc}-firewall"), firewall);
    }

    /// An instance with addresses in a subnet and roles.
    pub(super) fn instance(
        &mut self,
        name: &str,
        place: (&str, Vec<IpAddr>),
        roles: &[&str],
        listens: &[Service],
    ) -> &mut Instance {
        let roles = list(roles.iter().map(|&role| role.to_owned()));
        let (filters, tags) = if self.by_tag() { (Vec::new(), roles) } else { (roles, Vec::new()) };
        let instance = Instance {
            subnet: Some(bare(place.0.to_owned())),
            addresses: list(place.1),
            filters,
            tags,
            listens: list(listens.iter().copied()),
            ..Instance::default()
        };
        self.description.instances.insert(name.to_owned(), instance);
        let last = self.description.instances.len() - 1;
        &mut self.description.instances[last].1
    }

    /// What must work, or must not.
    pub(super) fn expect(
        &mut self,
        name: &str,
        ends: (EndpointRef, EndpointRef),
        service: Service,
        outcome: Outcome,
    ) {
        let intent = Intent {
            from: list([ends.0]),
            to: list([ends.1]),
            service: list([service]),
            outcome: Some(bare(outcome)),
            ..Intent::default()
        };
        self.description.expect.insert(name.to_owned(), intent);
    }
}

fn accepting(accept: &(u8, PortRange, Source), reference: fn(String) -> Peer) -> Rule {
    let (protocol, ports, source) = accept;
    let from = match source {
        Source::Anywhere => everywhere().map(Peer::Prefix).to_vec(),
        Source::Role(name) => vec![reference(name.clone())],
        Source::Prefix(prefix) => vec![Peer::Prefix(*prefix)],
    };
    rule(Direction::Ingress, Action::Allow, (Some(*protocol), Some(*ports)), from)
}
