//! What providers let one change in place, and what cannot be had back. Each row names where it is written.

use netwright_model::language::Provider;
use netwright_model::scalar::{Prefix, Scalar};
use netwright_model::tree::{Kind, Node};

use super::Undo;

/// How a value moves, where that decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// A number rises; a list or range comes to hold more and loses nothing.
    Grows,
    /// A number falls; a list or range loses something.
    Shrinks,
    /// Neither, or it cannot be told.
    Other,
}

impl Direction {
    pub(super) fn of(old: Option<&Node>, new: Option<&Node>) -> Self {
        let (Some(old), Some(new)) = (old, new) else {
            return if old.is_none() { Self::Grows } else { Self::Shrinks };
        };
        let number = |node: &Node| node.as_text().and_then(|text| text.parse::<u64>().ok());
        if let (Some(old), Some(new)) = (number(old), number(new)) {
            return if new > old { Self::Grows } else { Self::Shrinks };
        }
        let (had, has) = (items(old), items(new));
        let held = |wanted: &String, by: &[String]| {
            by.iter().any(|own| own == wanted || contains(own, wanted))
        };
        if had.iter().all(|item| held(item, &has)) {
            Self::Grows
        } else if has.iter().all(|item| held(item, &had)) {
            Self::Shrinks
        } else {
            Self::Other
        }
    }
}

fn items(node: &Node) -> Vec<String> {
    match &node.kind {
        Kind::Sequence(items) => items.iter().map(super::words).collect(),
        _ => vec![super::words(node)],
    }
}

fn contains(outer: &str, inner: &str) -> bool {
    let parse = |text: &str| Prefix::parse_scalar(text).ok();
    parse(outer).zip(parse(inner)).is_some_and(|(outer, inner)| outer.contains_prefix(&inner))
}

/// One fact: for a kind of object and the start of a field's path, at one provider or at all.
struct Fact {
    kind: &'static str,
    field: &'static str,
    provider: Option<Provider>,
    direction: Option<Direction>,
    undo: Undo,
    why: &'static str,
}

const fn fact(kind: &'static str, field: &'static str, undo: Undo, why: &'static str) -> Fact {
    Fact { kind, field, provider: None, direction: None, undo, why }
}

impl Fact {
    const fn at(mut self, provider: Provider) -> Self {
        self.provider = Some(provider);
        self
    }

    const fn when(mut self, direction: Direction) -> Self {
        self.direction = Some(direction);
        self
    }
}

use Direction::{Grows, Shrinks};
use Provider::{Aws, Gcp};
use Undo::{Irreversible, Replace, Reversible};

/// The first row that fits decides.
const FACTS: &[Fact] = &[
    fact("vpc", "cidrs", Reversible, "a range can be added, and taken away while nothing uses it (AWS, \"VPC CIDR blocks\")").at(Aws).when(Grows),
    fact("vpc", "cidrs", Replace, "the first range of a VPC cannot be changed (AWS, \"VPC CIDR blocks\")").at(Aws),
    fact("vpc", "mtu", Reversible, "it can be changed while machines are stopped (Google Cloud, \"Change the MTU of a network\")").at(Gcp),
    fact("vpc", "main_route_table", Reversible, "a subnet's table is an association that can be set back"),
    fact("vpc", "filters", Reversible, "an association that can be set back"),
    fact("vpc", "region", Replace, "a network cannot be moved"),
    fact("vpc", "account", Replace, "a network cannot be moved"),
    fact("vpc", "provider", Replace, "a network cannot be moved"),
    fact("subnet", "cidrs", Irreversible, "a range can be widened and never narrowed again (Google Cloud, \"Subnets\": expand a primary range)").at(Gcp).when(Grows),
    fact("subnet", "cidrs", Replace, "the range of a subnet cannot be changed (AWS, \"Subnet CIDR blocks\"; Google Cloud, \"Subnets\")"),
    fact("subnet", "zone", Replace, "a subnet cannot be moved"),
    fact("subnet", "region", Replace, "a subnet cannot be moved"),
    fact("subnet", "purpose", Replace, "what a subnet is for is chosen when it is made (Google Cloud, \"Subnets\": purpose)"),
    fact("subnet", "route_table", Reversible, "an association that can be set back"),
    fact("subnet", "filters", Reversible, "an association that can be set back"),
    fact("subnet", "", Reversible, "a setting that can be set back"),
    fact("route_table", "", Reversible, "routes can be written and taken away"),
    fact("prefix_list", "", Reversible, "entries can be written and taken away"),
    fact("filter", "attach", Replace, "another kind of filter"),
    fact("filter", "stateful", Replace, "another kind of filter"),
    fact("filter", "ordered", Replace, "another kind of filter"),
    fact("filter", "vpc", Replace, "a filter cannot be moved to another network"),
    fact("filter", "", Reversible, "rules can be written and taken away"),
    fact("internet_gateway", "vpc", Reversible, "it can be attached and detached"),
    fact("internet_gateway", "egress_only", Replace, "another kind of gateway (AWS, \"Egress-only internet gateways\")"),
    fact("nat_gateway", "subnet", Replace, "a NAT gateway cannot be moved (AWS, \"NAT gateway basics\")"),
    fact("nat_gateway", "private_address", Replace, "its address is chosen when it is made (AWS, \"NAT gateway basics\")"),
    fact("nat_gateway", "private", Replace, "another kind of gateway"),
    fact("nat_gateway", "vpc", Replace, "a NAT gateway cannot be moved"),
    fact("nat_gateway", "region", Replace, "a NAT gateway cannot be moved"),
    fact("nat_gateway", "addresses", Reversible, "addresses can be added, and drained before they are taken away (Google Cloud, \"Cloud NAT: addresses and ports\")"),
    fact("nat_gateway", "address_allocation", Reversible, "it can be set back; connections break, and automatic addresses are others afterwards (Google Cloud, \"Cloud NAT: addresses and ports\")"),
    fact("nat_gateway", "", Reversible, "it can be set back; connections may break (Google Cloud, \"Cloud NAT: addresses and ports\")"),
    fact("peering", "vpcs", Replace, "a peering joins the networks that it was made for"),
    fact("peering", "state", Reversible, "both sides can agree again"),
    fact("peering", "", Reversible, "a setting that can be set back"),
    fact("vpn", "", Replace, "a tunnel is made anew for other settings (Google Cloud, \"Cloud VPN\": tunnels cannot be edited)").at(Gcp),
    fact("vpn", "vpc", Replace, "a tunnel ends at the gateway that it was made for"),
    fact("vpn", "transit", Replace, "a tunnel ends at the gateway that it was made for"),
    fact("vpn", "", Reversible, "tunnel options can be modified, one tunnel after the other (AWS, \"Modify Site-to-Site VPN tunnel options\")").at(Aws),
    fact("transit", "", Reversible, "attachments, associations and routes can be made and taken away (AWS, \"Transit gateway route tables\")"),
    fact("connector", "min_instances", Irreversible, "its bounds can be raised and never lowered again (Google Cloud, \"Serverless VPC Access\": scaling)").when(Grows),
    fact("connector", "max_instances", Irreversible, "its bounds can be raised and never lowered again (Google Cloud, \"Serverless VPC Access\": scaling)").when(Grows),
    fact("connector", "min_instances", Replace, "its bounds cannot be lowered (Google Cloud, \"Serverless VPC Access\": scaling)").when(Shrinks),
    fact("connector", "max_instances", Replace, "its bounds cannot be lowered (Google Cloud, \"Serverless VPC Access\": scaling)").when(Shrinks),
    fact("connector", "machine_type", Reversible, "it can be updated (Google Cloud, \"Serverless VPC Access\": update a connector)"),
    fact("connector", "vpc", Replace, "a connector cannot be moved"),
    fact("connector", "subnet", Replace, "a connector cannot be moved"),
    fact("connector", "cidr", Replace, "its range is chosen when it is made (Google Cloud, \"Serverless VPC Access\")"),
    fact("connector", "region", Replace, "a connector cannot be moved"),
    fact("connector", "peak_throughput", Reversible, "what is expected, no setting"),
    fact("connector", "target_utilisation", Reversible, "what is expected, no setting"),
    fact("service", "region", Replace, "a service cannot be moved"),
    fact("service", "provider", Replace, "a service cannot be moved"),
    fact("service", "", Reversible, "a new revision; the one before can take the traffic again (Google Cloud, \"Cloud Run: rollbacks\")").at(Gcp),
    fact("load_balancer", "scheme", Replace, "it is internal or not from the start (AWS, \"Elastic Load Balancing\": scheme)"),
    fact("load_balancer", "kind", Replace, "another kind of balancer"),
    fact("load_balancer", "vpc", Replace, "a balancer cannot be moved"),
    fact("load_balancer", "", Reversible, "listeners, backends and checks can be written and taken away"),
    fact("database", "engine", Replace, "another engine is another database: its data has to be moved"),
    fact("database", "vpc", Irreversible, "a private address once given cannot be taken away, nor its network changed (Google Cloud, \"Cloud SQL: configure private IP\")").at(Gcp),
    fact("database", "private_addresses", Irreversible, "a private address once given cannot be taken away, nor its network changed (Google Cloud, \"Cloud SQL: configure private IP\")").at(Gcp),
    fact("database", "authorized_networks", Reversible, "a list that can be set back"),
    fact("database", "filters", Reversible, "an association that can be set back"),
    fact("database", "tier", Reversible, "it can be set back; the database restarts"),
    fact("database", "memory_mib", Reversible, "it can be set back; the database restarts"),
    fact("database", "max_connections", Reversible, "it can be set back; the database restarts"),
    fact("instance", "addresses", Replace, "the primary private address is chosen at launch (AWS, \"Amazon EC2 instance IP addressing\")").at(Aws),
    fact("instance", "subnet", Replace, "an interface cannot be moved to another subnet (AWS, \"Elastic network interfaces\")").at(Aws),
    fact("instance", "filters", Reversible, "an association that can be set back"),
    fact("instance", "tags", Reversible, "a setting that can be set back"),
    fact("instance", "forwards", Reversible, "a setting that can be set back").at(Aws),
    fact("instance", "forwards", Replace, "whether it forwards is chosen when it is made (Google Cloud, \"canIpForward\")").at(Gcp),
    fact("instance", "account", Reversible, "it can be changed while the machine is stopped").at(Gcp),
    fact("instance", "running", Reversible, "it can be started and stopped"),
    fact("instance", "listens", Reversible, "what is known of it, no setting"),
    fact("instance", "exec", Reversible, "what is known of it, no setting"),
    fact("instance", "public_address", Reversible, "an address can be given and taken away"),
    fact("dns_zone", "domain", Replace, "another name is another zone"),
    fact("dns_zone", "", Reversible, "records can be set back; answers given meanwhile live on in caches for their time to live (RFC 1035)"),
    fact("private_endpoint", "filters", Reversible, "an association that can be set back"),
    fact("private_endpoint", "service", Replace, "it leads to the service that it was made for"),
    fact("certificate", "names", Replace, "a certificate covers the names that it was issued for"),
    fact("certificate", "", Reversible, "what is known of it, no setting"),
    fact("site", "", Undo::Unknown, "it is changed by whoever runs the site"),
];

/// Whether the change of a field can be taken back.
pub(super) fn changed(
    kind: &str,
    path: &str,
    provider: Provider,
    direction: Direction,
) -> (Undo, String) {
    let fits = |fact: &&Fact| {
        let field = path == fact.field
            || fact.field.is_empty()
            || path.strip_prefix(fact.field).is_some_and(|rest| rest.starts_with('.'));
        fact.kind == kind
            && field
            && fact.provider.is_none_or(|own| own == provider)
            && fact.direction.is_none_or(|own| own == direction)
    };
    if path.split('.').any(|part| part == "link") {
        return (Reversible, "only labs do it to packets".to_owned());
    }
    match FACTS.iter().find(fits) {
        Some(fact) => (fact.undo, fact.why.to_owned()),
        None => {
            let what = format!("whether {provider} lets it be changed in place is not known here");
            (Undo::Unknown, what)
        }
    }
}

/// Whether an object that is taken away can be had back.
pub(super) fn destroyed(kind: &str) -> (Undo, &'static str) {
    match kind {
        "database" => (Irreversible, "its data goes with it"),
        "load_balancer" => {
            (Irreversible, "its name and addresses go with it: a new one has others")
        }
        "vpn" => (
            Irreversible,
            "its outer addresses and keys go with it: the other side has to be set up anew",
        ),
        "instance" => (Undo::Unknown, "what it stores is not described"),
        "certificate" => (Undo::Unknown, "whether its key is kept elsewhere is not described"),
        "site" => (Undo::Unknown, "it is run by somebody else"),
        _ => (Reversible, "it can be made again as it was"),
    }
}
