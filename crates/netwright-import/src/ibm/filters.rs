//! Security groups and network ACLs.
//!
//! A security group is stateful, a union of allows, and sits on interfaces. A network ACL is stateless, ordered by a
//! linked list (`before`), and sits between a subnet and the rest. Both end in an implied deny.

use netwright_model::language::{Action, Attachment, Direction, Filter, Icmp, Peer, Rule};
use netwright_model::scalar::{PortRange, ProtocolMatch, Scalar};
use netwright_model::source::Spanned;

use super::Import;
use super::catalog::{Catalog, ordered};
use super::read::Object;

/// Port bounds of a rule, as its fields are called.
struct Bounds {
    min: &'static str,
    max: &'static str,
}

const SOURCE: Bounds = Bounds { min: "source_port_min", max: "source_port_max" };
const DESTINATION: Bounds = Bounds { min: "destination_port_min", max: "destination_port_max" };
const GROUP: Bounds = Bounds { min: "port_min", max: "port_max" };

impl Import<'_> {
    pub(super) fn filters(&mut self) {
        for acl in self.export.all("network_acls") {
            self.filter(acl, Attachment::Subnet, Self::acl_rules);
        }
        for group in self.export.all("security_groups") {
            self.filter(group, Attachment::Interface, Self::group_rules);
        }
    }

    /// Forgets what filters are said to protect that machines and subnets here have.
    pub(super) fn attached(&mut self) {
        let used = crate::naming::used_filters(&self.description);
        for (_, filter) in
            self.description.filters.0.iter_mut().filter(|(name, _)| used.contains(&name.value))
        {
            filter.elsewhere = None;
        }
    }

    /// Whether a filter is the default one of a VPC, which nobody can remove.
    fn provided(&self, object: Object<'_>, acl: bool) -> Option<Spanned<bool>> {
        let field = if acl { "default_network_acl" } else { "default_security_group" };
        let vpcs = self.export.all("vpcs").into_iter();
        let named = vpcs.filter_map(|vpc| vpc.object(field)).find(|default| {
            default.identities().any(|id| object.identities().any(|own| own == id))
        })?;
        Some(Spanned::new(true, named.span()))
    }

    fn filter(
        &mut self,
        object: Object<'_>,
        attach: Attachment,
        rules: fn(&mut Self, Object<'_>, &str) -> Vec<Rule>,
    ) {
        let at = object.span();
        let Some(key) = self.catalog.filter(object).map(str::to_owned) else {
            let what = "nothing identifies it: it is left out";
            self.gap(&format!("filter:{}", object.name()), what, at, true);
            return;
        };
        let acl = attach == Attachment::Subnet;
        let vpc = object.object("vpc").and_then(|vpc| self.catalog.vpc_reference(vpc));
        let mut filter = Filter {
            id: object.identity(),
            attach: Some(Spanned::new(attach, at)),
            vpc,
            stateful: Some(Spanned::new(!acl, at)),
            ordered: Some(Spanned::new(acl, at)),
            provided: self.provided(object, acl),
            elsewhere: elsewhere(object, acl),
            span: at.into(),
            ..Filter::default()
        };
        if object.get("rules").is_none() {
            let why = "the export does not list its rules".to_owned();
            filter.incomplete = Some(Spanned::new(why, at));
        }
        filter.rules = rules(self, object, &key);
        self.description.filters.insert(object.key(&key), filter);
    }

    fn acl_rules(&mut self, acl: Object<'_>, _key: &str) -> Vec<Rule> {
        let rules = acl.objects("rules");
        let mut made = Vec::new();
        for (position, rule) in ordered(&rules).into_iter().enumerate() {
            let mut made_here = self.rule(rule, &DESTINATION);
            for row in &mut made_here {
                let place = u32::try_from(position + 1).unwrap_or(u32::MAX);
                row.priority = Some(Spanned::new(place, rule.span()));
                row.action = Some(rule.text("action").map_or_else(
                    || Spanned::new(Action::Deny, rule.span()),
                    |word| Spanned::new(action(&word.value), word.span),
                ));
                row.source_ports = ports(rule, &SOURCE).into_iter().collect();
                row.from = vec![address(rule, "source")];
                row.to = vec![address(rule, "destination")];
            }
            made.append(&mut made_here);
        }
        made
    }

    fn group_rules(&mut self, group: Object<'_>, key: &str) -> Vec<Rule> {
        let mut made = Vec::new();
        for rule in group.objects("rules") {
            let mut made_here = self.rule(rule, &GROUP);
            let remote = self.remote(rule, key);
            let local = local(rule);
            for row in &mut made_here {
                let (own, other) = match row.direction.value {
                    Direction::Ingress => (&mut row.to, &mut row.from),
                    Direction::Egress => (&mut row.from, &mut row.to),
                };
                own.extend(local.clone());
                other.push(remote.clone());
            }
            made.append(&mut made_here);
        }
        made
    }

    /// What both kinds of rules share. Several rules where one protocol word means several protocols.
    fn rule(&mut self, rule: Object<'_>, bounds: &Bounds) -> Vec<Rule> {
        let at = rule.span();
        let direction = rule.text("direction").map_or_else(
            || Spanned::new(Direction::Ingress, at),
            |word| Spanned::new(direction(&word.value), word.span),
        );
        let word = rule.text("protocol");
        let name = word.as_ref().map_or("all", |word| word.value.as_str()).to_lowercase();
        let protocols: &[&str] = match name.as_str() {
            "icmp_tcp_udp" => &["icmp", "tcp", "udp"],
            _ => &[name.as_str()],
        };
        let uncertain = self.uncertainty(rule, protocols);
        protocols
            .iter()
            .map(|protocol| Rule {
                name: rule.text("name"),
                id: rule.text("id"),
                direction,
                protocol: match *protocol {
                    "all" | "any" => None,
                    other => ProtocolMatch::parse_scalar(other)
                        .ok()
                        .map(|p| Spanned::new(p, word.as_ref().map_or(at, |word| word.span))),
                },
                ports: match *protocol {
                    "tcp" | "udp" => ports(rule, bounds).into_iter().collect(),
                    _ => Vec::new(),
                },
                icmp: (*protocol == "icmp").then(|| icmp(rule)).flatten(),
                uncertain: uncertain.clone(),
                span: at.into(),
                ..Rule::default()
            })
            .collect()
    }

    /// What a rule says that was not understood.
    fn uncertainty(&mut self, rule: Object<'_>, protocols: &[&str]) -> Option<Spanned<String>> {
        for protocol in protocols {
            if !matches!(*protocol, "all" | "any") && ProtocolMatch::parse_scalar(protocol).is_err()
            {
                let why = format!("protocol `{protocol}` is not known");
                return Some(Spanned::new(why, rule.span()));
            }
        }
        match rule.text("direction") {
            Some(word) if matches!(word.value.as_str(), "inbound" | "outbound") => {}
            Some(word) => {
                let why = format!("direction `{}` is not known", word.value);
                return Some(Spanned::new(why, word.span));
            }
            None => return Some(Spanned::new("it has no direction".to_owned(), rule.span())),
        }
        let version = rule.text("ip_version")?;
        let known = matches!(version.value.as_str(), "" | "ipv4");
        (!known).then(|| Spanned::new(format!("address family `{}`", version.value), version.span))
    }

    /// The other side of a security group's rule: a range, an address, or the members of a group.
    fn remote(&mut self, rule: Object<'_>, key: &str) -> Spanned<Peer> {
        let Some(remote) = rule.object("remote") else {
            let why = format!("a rule of `{key}` without remote");
            return Spanned::new(Peer::Unknown(why), rule.span());
        };
        for field in ["cidr_block", "address"] {
            if remote.text(field).is_some() {
                return address(remote, field);
            }
        }
        let peer = match self.catalog.filter(remote) {
            Some(group) => Peer::Group(group.to_owned()),
            None => {
                let name = remote.name();
                Peer::Unknown(format!("security group {name} is not in the export"))
            }
        };
        Spanned::new(peer, remote.span())
    }
}

impl Catalog {
    /// Filters that a list of references names, each once. A reference to a filter that the export lacks is returned as its name.
    pub(super) fn filters_of(
        &self,
        references: &[Object<'_>],
    ) -> (Vec<Spanned<String>>, Vec<String>) {
        let mut known: Vec<Spanned<String>> = Vec::new();
        let mut unknown = Vec::new();
        for reference in references {
            match self.filter(*reference) {
                Some(key) if known.iter().any(|other| other.value == key) => {}
                Some(key) => known.push(Spanned::new(key.to_owned(), reference.span())),
                None => unknown.push(reference.name()),
            }
        }
        (known, unknown)
    }
}

fn action(word: &str) -> Action {
    match word {
        "allow" | "permit" => Action::Allow,
        _ => Action::Deny,
    }
}

fn direction(word: &str) -> Direction {
    match word {
        "outbound" => Direction::Egress,
        _ => Direction::Ingress,
    }
}

/// The protected side, where a rule narrows it.
fn local(rule: Object<'_>) -> Option<Spanned<Peer>> {
    let local = rule.object("local")?;
    let field = ["cidr_block", "address"].into_iter().find(|field| local.text(field).is_some())?;
    let peer = address(local, field);
    let all = matches!(peer.value, Peer::Prefix(prefix) if prefix.length() == 0);
    (!all).then_some(peer)
}

fn address(object: Object<'_>, field: &str) -> Spanned<Peer> {
    let Some(text) = object.text(field) else {
        return Spanned::new(Peer::Unknown(format!("a rule without {field}")), object.span());
    };
    let peer = match object.prefix(field) {
        Some(prefix) => Peer::Prefix(prefix.value),
        None => Peer::Unknown(format!("`{}` is no address range", text.value)),
    };
    Spanned::new(peer, text.span)
}

/// The ports of a rule. The provider's widest range is 1 to 65535 and stands for all ports.
fn ports(rule: Object<'_>, bounds: &Bounds) -> Option<Spanned<PortRange>> {
    let min = rule.port(bounds.min);
    let max = rule.port(bounds.max);
    let at = min.as_ref().or(max.as_ref())?.span;
    let first = min.map_or(1, |port| port.value);
    let last = max.map_or(u16::MAX, |port| port.value);
    if first <= 1 && last == u16::MAX {
        return None;
    }
    PortRange::new(first, last).map(|range| Spanned::new(range, at))
}

fn icmp(rule: Object<'_>) -> Option<Icmp> {
    let (kind, code) = (rule.byte("type"), rule.byte("code"));
    (kind.is_some() || code.is_some()).then(|| Icmp {
        r#type: kind,
        code,
        span: rule.span().into(),
    })
}

/// What a security group's targets are that no machine here stands for, and the subnets that an ACL lists.
fn elsewhere(object: Object<'_>, acl: bool) -> Option<Spanned<String>> {
    let field = if acl { "subnets" } else { "targets" };
    let first = object.objects(field).into_iter().next()?;
    Some(Spanned::new(format!("`{field}` lists {}", first.name()), first.span()))
}
