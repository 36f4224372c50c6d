//! Networks with their subnets, the way to the Internet, and peerings.

use netwright_model::language::{InternetGateway, Peering, PeeringState, Subnet, Vpc};
use netwright_model::scalar::Prefix;
use netwright_model::source::{Span, Spanned};
use netwright_model::tree::Node;

use super::Import;
use super::export::{Object, last, segment};
use crate::access::Access;

/// Peerings that the provider makes for managed services: the other side is its own.
const SERVICE_PEERINGS: &str = "servicenetworking";

impl Import<'_> {
    pub(super) fn networks(&mut self) {
        let networks: Vec<(String, String)> =
            self.names.networks().map(|(link, key)| (link.to_owned(), key.to_owned())).collect();
        for (link, key) in networks {
            let object = self.export.find(&link);
            let mentioned = || self.export.mention(&link).unwrap_or(Span::NONE);
            let at = object.map_or_else(mentioned, Object::span);
            if object.is_none() {
                let what = "the network is not in the export: what else it holds is not seen";
                self.gap(&format!("vpc:{key}"), what, at, false);
            }
            let mut made = Vpc {
                id: Some(Spanned::new(link.clone(), at)),
                account: segment(&link, "projects").map(|p| Spanned::new(p.to_owned(), at)),
                mtu: object.and_then(|network| number(network.node, "mtu")),
                span: at.into(),
                ..Vpc::default()
            };
            if let Some(network) = object {
                self.legacy_range(network, &key, &mut made);
            }
            self.subnets(&key, &mut made);
            self.description.vpcs.insert(Spanned::new(key.clone(), at), made);
            let gateway = InternetGateway {
                vpc: Some(Spanned::new(key.clone(), at)),
                span: at.into(),
                ..InternetGateway::default()
            };
            self.description.internet_gateways.insert(Spanned::new(key, at), gateway);
        }
    }

    /// A legacy network has one range and no subnets.
    fn legacy_range(&mut self, network: Object<'_>, key: &str, made: &mut Vpc) {
        if let Some(range) = network.node.prefix("IPv4Range") {
            let at = range.span;
            let subnet = Subnet { cidrs: vec![range], span: at.into(), ..Subnet::default() };
            made.subnets.insert(Spanned::new("legacy".to_owned(), at), subnet);
            self.gap(&format!("vpc:{key}"), "a legacy network is taken as one subnet", at, false);
        }
    }

    fn subnets(&mut self, vpc: &str, made: &mut Vpc) {
        for subnet in self.export.all("subnetwork") {
            let Some(link) = subnet.link() else { continue };
            let key = match self.names.subnet(&link) {
                Some((network, key)) if network == vpc => key.to_owned(),
                _ => continue,
            };
            let at = subnet.span();
            let mut row = Subnet {
                id: Some(Spanned::new(link.clone(), at)),
                region: segment(&link, "regions").map(|r| Spanned::new(r.to_owned(), at)),
                purpose: purpose(subnet.node),
                private_provider_access: subnet
                    .node
                    .flag("privateIpGoogleAccess")
                    .map(|flag| Spanned::new(flag, at)),
                span: at.into(),
                ..Subnet::default()
            };
            row.cidrs.extend(self.range(
                subnet.node,
                "ipCidrRange",
                &format!("subnet:{vpc}/{key}"),
            ));
            for field in ["ipv6CidrRange", "externalIpv6Prefix", "internalIpv6Prefix"] {
                let range = subnet.node.prefix(field);
                row.cidrs.extend(range.filter(|r| row.cidrs.iter().all(|c| c.value != r.value)));
            }
            for secondary in subnet.node.list("secondaryIpRanges") {
                row.cidrs.extend(secondary.prefix("ipCidrRange"));
            }
            made.subnets.insert(Spanned::new(key, at), row);
        }
    }

    /// A range that must be there; a gap where it cannot be read.
    pub(super) fn range(
        &mut self,
        node: &Node,
        field: &str,
        object: &str,
    ) -> Option<Spanned<Prefix>> {
        let found = node.prefix(field);
        if found.is_none() {
            let written = node.word(field).unwrap_or("nothing");
            let what = format!("`{field}` is {written}, which is no address range");
            self.gap(object, what, node.span, true);
        }
        found
    }

    /// The sides of peerings that the export holds.
    pub(super) fn sides(&self) -> Vec<Side> {
        let mut sides: Vec<Side> = Vec::new();
        for network in self.export.all("network") {
            let Some(link) = network.link() else { continue };
            let Some(own) = self.names.network(&link).map(str::to_owned) else { continue };
            for peering in network.node.list("peerings") {
                let far = peering.word("network").unwrap_or("");
                let other = self.names.network(far).map(str::to_owned);
                sides.push(Side {
                    name: peering.word("name").unwrap_or("peering").to_owned(),
                    at: peering.span,
                    active: peering.word("state") == Some("ACTIVE"),
                    exchange: peering.flag("exchangeSubnetRoutes").unwrap_or(true),
                    exports: peering.flag("exportCustomRoutes").unwrap_or(false),
                    imports: peering.flag("importCustomRoutes").unwrap_or(false),
                    mtu: number(peering, "peerMtu").filter(|mtu| mtu.value > 0),
                    own: own.clone(),
                    other,
                    far: far.to_owned(),
                });
            }
        }
        sides
    }

    pub(super) fn peerings(&mut self) {
        let sides = self.sides();
        let mut done: Vec<usize> = Vec::new();
        for (index, side) in sides.iter().enumerate() {
            if done.contains(&index) {
                continue;
            }
            let back = sides.iter().enumerate().find(|(other, row)| {
                *other != index
                    && !done.contains(other)
                    && Some(&row.own) == side.other.as_ref()
                    && row.other.as_ref() == Some(&side.own)
            });
            done.extend(back.map(|(other, _)| other));
            self.peering(side, back.map(|(_, row)| row));
        }
    }

    fn peering(&mut self, side: &Side, back: Option<&Side>) {
        let at = side.at;
        let name = self.peering_name(&side.name, &side.own);
        let object = format!("peering:{name}");
        if side.other.is_none() {
            let of_provider =
                side.far.contains(SERVICE_PEERINGS) || side.name.contains(SERVICE_PEERINGS);
            let what = if of_provider {
                format!("network {} of the provider's services is not described", last(&side.far))
            } else {
                format!("network {} is not in the export", last(&side.far))
            };
            self.gap(&object, what, at, true);
        } else if back.is_none() && side.active {
            let what = "the other network's side of the peering is not in the export; the state of this side is taken for both";
            self.gap(&object, what, at, false);
        }
        let active = side.active && back.is_none_or(|back| back.active);
        let custom = back
            .is_some_and(|back| (side.exports && back.imports) || (back.exports && side.imports));
        let far = side.other.clone().unwrap_or_else(|| "unknown".to_owned());
        let made = Peering {
            vpcs: vec![Spanned::new(side.own.clone(), at), Spanned::new(far, at)],
            state: Some(Spanned::new(
                if active { PeeringState::Active } else { PeeringState::Pending },
                at,
            )),
            automatic_routes: Some(Spanned::new(side.exchange, at)),
            custom_routes: Some(Spanned::new(custom, at)),
            mtu: side.mtu,
            span: at.into(),
            ..Peering::default()
        };
        self.description.peerings.insert(Spanned::new(name, at), made);
    }

    /// A peering's name is unique in its network only.
    fn peering_name(&self, name: &str, network: &str) -> String {
        let name = super::names::clean(name);
        if self.description.peerings.get(&name).is_none() {
            return name;
        }
        format!("{name}.{network}")
    }
}

/// One network's side of a peering.
pub(super) struct Side {
    pub(super) name: String,
    pub(super) at: Span,
    pub(super) own: String,
    pub(super) other: Option<String>,
    pub(super) far: String,
    pub(super) active: bool,
    pub(super) exchange: bool,
    pub(super) exports: bool,
    pub(super) imports: bool,
    mtu: Option<Spanned<u32>>,
}

/// A whole number that is not negative.
pub(super) fn number(node: &Node, field: &str) -> Option<Spanned<u32>> {
    let value = node.number(field)?;
    let at = node.get(field).map_or(Span::NONE, |node| node.span);
    u32::try_from(value).ok().map(|value| Spanned::new(value, at))
}

/// What a subnet is kept for, in the words of the description.
fn purpose(subnet: &Node) -> Option<Spanned<String>> {
    let purpose = subnet.text("purpose")?;
    let word = match purpose.value.as_str() {
        "PRIVATE" | "PRIVATE_RFC_1918" => return None,
        "REGIONAL_MANAGED_PROXY" | "GLOBAL_MANAGED_PROXY" | "INTERNAL_HTTPS_LOAD_BALANCER" => {
            "proxy-only".to_owned()
        }
        other => other.to_ascii_lowercase().replace('_', "-"),
    };
    Some(Spanned::new(word, purpose.span))
}
