//! Instances with their interfaces.

use netwright_model::language::{Instance, Interface, Subnet};
use netwright_model::scalar::Prefix;
use netwright_model::source::{Span, Spanned};
use netwright_model::tree::Node;

use super::Import;
use super::export::{Object, last};
use crate::access::Access;

impl<'e> Import<'e> {
    pub(super) fn instances(&mut self) {
        for instance in self.export.all("instance") {
            self.instance(*instance);
        }
    }

    fn instance(&mut self, object: Object<'e>) {
        let node = object.node;
        let key = self.names.key(object);
        let named = format!("instance:{key}");
        let mut made = Instance {
            id: object.identifier(),
            tags: tags(node),
            account: node.list("serviceAccounts").first().and_then(|account| account.text("email")),
            forwards: node.flag("canIpForward").map(|flag| Spanned::new(flag, object.span())),
            running: node
                .word("status")
                .map(|status| Spanned::new(status == "RUNNING", object.span())),
            span: object.span().into(),
            ..Instance::default()
        };
        for (index, interface) in node.list("networkInterfaces").iter().enumerate() {
            let name = interface.word("name").map_or_else(|| format!("nic{index}"), str::to_owned);
            let Some(row) = self.interface(interface, &format!("{named}/{name}")) else { continue };
            if made.subnet.is_none() {
                made.subnet = row.subnet;
                made.addresses = row.addresses;
                made.prefixes = row.prefixes;
                made.public_address = row.public_address;
            } else {
                made.interfaces.insert(Spanned::new(name, interface.span), row);
            }
        }
        if made.subnet.is_none() {
            self.gap(
                &named,
                "it has no interface whose network is known: it is left out",
                object.span(),
                true,
            );
            return;
        }
        let at = node.get("name").map_or(object.span(), |name| name.span);
        self.description.instances.insert(Spanned::new(key, at), made);
    }

    fn interface(&mut self, node: &Node, named: &str) -> Option<Interface> {
        let at = node.span;
        let address = node.address("networkIP");
        let (vpc, subnet) = match node.word("subnetwork") {
            Some(link) => self.subnet_of(link, node, named)?,
            None => {
                let network = node.word("network").and_then(|link| self.names.network(link))?;
                (network.to_owned(), "legacy".to_owned())
            }
        };
        let mut row = Interface {
            subnet: Some(Spanned::new(format!("{vpc}/{subnet}"), at)),
            span: at.into(),
            ..Interface::default()
        };
        match &address {
            Some(address) => row.addresses.push(*address),
            None => self.gap(named, "it has no IPv4 address in the export", at, false),
        }
        row.addresses.extend(node.address("ipv6Address"));
        for alias in node.list("aliasIpRanges") {
            row.prefixes.extend(alias.prefix("ipCidrRange"));
        }
        for access in node.list("accessConfigs") {
            row.public_address.extend(access.address("natIP"));
        }
        for access in node.list("ipv6AccessConfigs") {
            let address = access.address("externalIpv6");
            row.addresses
                .extend(address.filter(|a| row.addresses.iter().all(|o| o.value != a.value)));
        }
        self.hold(&vpc, &subnet, &row);
        Some(row)
    }

    /// The keys of an interface's subnet. One that is not in the export is made: it holds the addresses that are known.
    pub(super) fn subnet_of(
        &mut self,
        link: &str,
        node: &Node,
        named: &str,
    ) -> Option<(String, String)> {
        if let Some((vpc, subnet)) = self.names.subnet(link) {
            return Some((vpc.to_owned(), subnet.to_owned()));
        }
        let Some(vpc) = node.word("network").and_then(|link| self.names.network(link)) else {
            self.gap(named, "neither its subnet nor its network is in the export", node.span, true);
            return None;
        };
        let vpc = vpc.to_owned();
        let key = self.names.add_subnet(link, &vpc)?;
        let what = format!(
            "subnet {} is not in the export: of its range only the addresses of instances are known",
            last(link)
        );
        self.gap(&format!("subnet:{vpc}/{key}"), what.clone(), node.span, false);
        let subnet = Subnet {
            id: super::export::path_of(link).map(|link| Spanned::new(link, node.span)),
            region: super::export::segment(link, "regions")
                .map(|region| Spanned::new(region.to_owned(), node.span)),
            incomplete: Some(Spanned::new(what, node.span)),
            span: node.span.into(),
            ..Subnet::default()
        };
        if let Some(made) = self.description.vpcs.get_mut(&vpc) {
            made.subnets.insert(Spanned::new(key.clone(), node.span), subnet);
        }
        Some((vpc, key))
    }

    /// A subnet without a range of its own holds the addresses of its interfaces.
    pub(super) fn hold(&mut self, vpc: &str, subnet: &str, row: &Interface) {
        let made = self.description.vpcs.get_mut(vpc);
        let Some(made) = made.and_then(|vpc| vpc.subnets.get_mut(subnet)) else { return };
        let held = |prefix: Prefix, cidrs: &[Spanned<Prefix>]| {
            cidrs.iter().any(|cidr| cidr.value.contains_prefix(&prefix))
        };
        let own = row.addresses.iter().map(|a| Spanned::new(Prefix::host(a.value), a.span));
        for prefix in own.chain(row.prefixes.iter().copied()) {
            if !held(prefix.value, &made.cidrs) {
                made.cidrs.push(prefix);
            }
        }
    }
}

fn tags(node: &Node) -> Vec<Spanned<String>> {
    let items = node.get("tags").map_or(&[][..], |tags| tags.list("items"));
    let texts = items.iter().filter_map(|item| Some((item.as_text()?.to_owned(), item.span)));
    texts.map(|(text, at): (String, Span)| Spanned::new(text, at)).collect()
}
