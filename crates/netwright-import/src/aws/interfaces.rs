//! Instances, network interfaces, VPC endpoints, databases.

use std::net::IpAddr;

use netwright_model::language::{
    Database, DatabaseEngine, Instance, InstanceKind, Interface, PrivateEndpoint,
};
use netwright_model::source::Spanned;
use netwright_model::tree::Node;

use crate::access::Access;

use super::Import;
use super::export::key;

impl<'e> Import<'e> {
    /// Names of the groups that a node lists.
    pub(super) fn groups(&mut self, node: &Node, list: &str, owner: &str) -> Vec<Spanned<String>> {
        let mut found = Vec::new();
        for group in node.list(list) {
            let id = group
                .text("GroupId")
                .or_else(|| group.as_str().map(|id| Spanned::new(id.to_owned(), group.span)));
            let Some(id) = id else { continue };
            match self.names.of_section("SecurityGroups", &id.value) {
                Some(name) => found.push(Spanned::new(name.to_owned(), id.span)),
                None => found.push(self.missing_group(&id, owner)),
            }
        }
        found
    }

    /// A group that the export does not hold: its rules are unknown.
    fn missing_group(&mut self, id: &Spanned<String>, owner: &str) -> Spanned<String> {
        if self.description.filters.get(&id.value).is_none() {
            let what = "the security group is not in the export".to_owned();
            self.gap(
                &format!("security_group:{}", id.value),
                format!("{what}; {owner} is in it"),
                id.span,
                true,
            );
            let filter = netwright_model::language::Filter {
                id: Some(id.clone()),
                incomplete: Some(Spanned::new(what, id.span)),
                span: id.span.into(),
                ..Default::default()
            };
            self.description.filters.push((id.clone(), filter));
        }
        id.clone()
    }

    /// A network interface as an export describes it.
    fn interface(&mut self, node: &Node, owner: &str) -> Interface {
        let subnet = node.text("SubnetId").and_then(|id| {
            let name = self.names.subnet(&id.value);
            Some(Spanned::new(name?, id.span))
        });
        let listed = node.list("PrivateIpAddresses");
        let mut addresses: Vec<Spanned<IpAddr>> =
            listed.iter().filter_map(|entry| entry.address("PrivateIpAddress")).collect();
        if addresses.is_empty() {
            addresses.extend(node.address("PrivateIpAddress"));
        }
        let mut public: Vec<Spanned<IpAddr>> = Vec::new();
        for entry in listed {
            public.extend(entry.get("Association").and_then(|a| a.address("PublicIp")));
        }
        if public.is_empty() {
            public.extend(node.get("Association").and_then(|a| a.address("PublicIp")));
        }
        if public.is_empty() {
            public.extend(self.elastic(node.word("NetworkInterfaceId"), None));
        }
        for entry in node.list("Ipv6Addresses") {
            addresses.extend(entry.address("Ipv6Address"));
        }
        self.keep_inside(&mut addresses, subnet.as_ref(), owner);
        let prefixes =
            node.list("Ipv4Prefixes").iter().filter_map(|entry| entry.prefix("Ipv4Prefix"));
        Interface {
            link: netwright_model::language::Link::default(),
            id: node.text("NetworkInterfaceId"),
            subnet,
            addresses,
            prefixes: prefixes.collect(),
            public_address: public,
            filters: self.groups(node, "Groups", owner),
            forwards: (node.flag("SourceDestCheck") == Some(false)).then(|| Spanned::bare(true)),
            span: node.span.into(),
        }
    }

    /// An interface whose groups the export does not say: every such interface has some, and their rules are unknown.
    fn unknown_groups(&mut self, interface: &mut Interface, owner: &str) {
        let id = interface.id.as_ref().map_or(owner, |id| id.value.as_str());
        let missing = Spanned::new(format!("groups-of-{id}"), *interface.span);
        interface.filters.push(self.missing_group(&missing, owner));
    }

    /// Leaves out addresses that are not in the subnet: an export that contradicts itself.
    fn keep_inside(
        &mut self,
        addresses: &mut Vec<Spanned<IpAddr>>,
        subnet: Option<&Spanned<String>>,
        owner: &str,
    ) {
        let Some((vpc, own)) = subnet.and_then(|subnet| subnet.value.split_once('/')) else {
            return;
        };
        let ranges = self.description.vpcs.get(vpc).and_then(|vpc| vpc.subnets.get(own));
        let Some(ranges) = ranges.map(|subnet| subnet.cidrs.clone()) else { return };
        let inside =
            |address: &Spanned<IpAddr>| ranges.iter().any(|range| range.contains(address.value));
        let (kept, wrong): (Vec<_>, Vec<_>) = addresses.drain(..).partition(inside);
        *addresses = kept;
        for address in wrong {
            let what = format!(
                "address {} is not in its subnet {vpc}/{own} and was left out",
                address.value
            );
            self.gap(&format!("interface:{owner}"), what, address.span, true);
        }
    }

    /// The elastic address associated with an interface or instance.
    fn elastic(&self, interface: Option<&str>, instance: Option<&str>) -> Option<Spanned<IpAddr>> {
        self.export.all("Addresses").iter().find_map(|address| {
            let same = |key: &str, id: Option<&str>| id.is_some() && address.word(key) == id;
            let own = same("NetworkInterfaceId", interface) || same("InstanceId", instance);
            own.then(|| address.address("PublicIp")).flatten()
        })
    }

    pub(super) fn instances(&mut self) {
        for instance in self.export.instances() {
            self.instance(instance);
        }
        for node in self.export.all("NetworkInterfaces") {
            self.lone_interface(node);
        }
    }

    /// The interfaces attached to an instance, in the order of their devices.
    fn interfaces_of<'n>(&self, instance: &'n Node, id: &str) -> Vec<&'n Node>
    where
        'e: 'n,
    {
        let attached = self.export.all("NetworkInterfaces").iter().copied().filter(|interface| {
            interface.get("Attachment").and_then(|a| a.word("InstanceId")) == Some(id)
        });
        let mut nodes: Vec<&Node> = attached.collect();
        for own in instance.list("NetworkInterfaces") {
            let listed = own.word("NetworkInterfaceId");
            if !nodes.iter().any(|node| node.word("NetworkInterfaceId") == listed) {
                nodes.push(own);
            }
        }
        nodes.sort_by_key(|node| {
            node.get("Attachment").and_then(|a| a.number("DeviceIndex")).unwrap_or(0)
        });
        nodes
    }

    fn instance(&mut self, node: &Node) {
        let Some(id) = node.text("InstanceId") else {
            self.gap("instance:?", "an instance without InstanceId was left out", node.span, true);
            return;
        };
        let state = node.get("State").and_then(|state| state.word("Name"));
        if matches!(state, Some("terminated" | "shutting-down")) {
            self.notes.push(format!("instance {} is terminated and was left out", id.value));
            return;
        }
        let name = self.names.or_id("Instances", &id.value).to_owned();
        let mut found: Vec<(String, Interface)> = Vec::new();
        let nodes = self.interfaces_of(node, &id.value);
        for node in nodes {
            let mut interface = self.interface(node, &name);
            if interface.filters.is_empty() && node.get("Groups").is_none() {
                self.unknown_groups(&mut interface, &name);
            }
            let label =
                interface.id.as_ref().map_or_else(|| "eth".to_owned(), |id| id.value.clone());
            self.taken.insert(label.clone());
            found.push((label, interface));
        }
        if found.is_empty() {
            let mut interface = self.interface(node, &name);
            interface.id = None;
            interface.filters = self.groups(node, "SecurityGroups", &name);
            if interface.filters.is_empty() && node.get("SecurityGroups").is_none() {
                self.unknown_groups(&mut interface, &name);
            }
            if interface.public_address.is_empty() {
                let elastic = self.elastic(None, Some(&id.value));
                interface.public_address.extend(node.address("PublicIpAddress").or(elastic));
            }
            found.push(("eth0".to_owned(), interface));
        }
        let running =
            (state == Some("stopped") || state == Some("stopping")).then(|| Spanned::bare(false));
        let mut row = Instance {
            id: Some(id.clone()),
            running,
            span: node.span.into(),
            ..Instance::default()
        };
        found.retain(|(label, interface)| {
            let known = interface.subnet.is_some();
            if !known {
                self.description.gaps.push(netwright_model::language::Gap {
                    object: Spanned::new(format!("instance:{}", id.value), node.span),
                    what: Spanned::bare(format!("the subnet of interface {label} is not in the export; the interface was left out")),
                    affects_verdicts: Some(Spanned::bare(true)),
                    span: node.span.into(),
                });
            }
            known
        });
        hold(&mut row, found);
        self.description.instances.push((key(&name, node), row));
    }

    /// An interface of no instance in the export: a load balancer's, a function's, a cache's.
    fn lone_interface(&mut self, node: &Node) {
        let Some(id) = node.text("NetworkInterfaceId") else { return };
        let kind = node.word("InterfaceType").unwrap_or("interface");
        if self.taken.contains(&id.value) || matches!(kind, "nat_gateway" | "transit_gateway") {
            return;
        }
        let interface = self.interface(node, &id.value);
        if interface.subnet.is_none() {
            self.gap(
                &format!("interface:{}", id.value),
                "its subnet is not in the export; it was left out",
                node.span,
                true,
            );
            return;
        }
        let description = node.word("Description").unwrap_or("");
        let kind = if description.starts_with("ELB ") {
            InstanceKind::LoadBalancerNode
        } else {
            InstanceKind::ManagedInterface
        };
        let name = self.names.or_id("NetworkInterfaces", &id.value).to_owned();
        let row = Instance {
            id: Some(id),
            kind: Some(Spanned::bare(kind)),
            subnet: interface.subnet,
            addresses: interface.addresses,
            prefixes: interface.prefixes,
            public_address: interface.public_address,
            filters: interface.filters,
            forwards: interface.forwards,
            span: node.span.into(),
            ..Instance::default()
        };
        self.description.instances.push((key(&name, node), row));
    }

    /// How routes name an interface: its instance, with the interface where it has several.
    pub(super) fn interface_named(&self, id: &str) -> Option<String> {
        self.description.instances.iter().find_map(|(name, instance)| {
            let own =
                |held: &Option<Spanned<String>>| held.as_ref().is_some_and(|held| held.value == id);
            if own(&instance.interface_id) || own(&instance.id) {
                return Some(name.value.clone());
            }
            instance.interfaces.get(id).map(|_| format!("{}/{id}", name.value))
        })
    }

    /// The name of an instance that was represented.
    pub(super) fn instance_named(&self, id: &str) -> Option<String> {
        let name = self.names.of_section("Instances", id)?;
        self.description.instances.get(name).map(|_| name.to_owned())
    }

    /// How routes name an instance: with its first interface where it has several.
    pub(super) fn next_hop_named(&self, id: &str) -> Option<String> {
        let name = self.instance_named(id)?;
        let instance = self.description.instances.get(&name)?;
        match instance.interfaces.iter().next() {
            Some((first, _)) => Some(format!("{name}/{}", first.value)),
            None if instance.subnet.is_some() => Some(name),
            None => None,
        }
    }

    pub(super) fn endpoints(&mut self) {
        for endpoint in self.export.all("VpcEndpoints") {
            let Some(id) = endpoint.text("VpcEndpointId") else { continue };
            let name = self.names.or_id("VpcEndpoints", &id.value).to_owned();
            let vpc = endpoint.text("VpcId").and_then(|vpc| {
                let name = self.names.of_section("Vpcs", &vpc.value)?.to_owned();
                Some(Spanned::new(name, vpc.span))
            });
            let service = endpoint.text("ServiceName");
            let list = service.as_ref().and_then(|service| {
                self.export.find("PrefixLists", "PrefixListName", &service.value)
            });
            let cidrs = list.map(|list| {
                list.list("Cidrs").iter().filter_map(crate::access::prefix_of).collect()
            });
            let mut row = PrivateEndpoint {
                id: Some(id.clone()),
                vpc,
                service,
                cidrs: cidrs
                    .filter(|_| endpoint.word("VpcEndpointType") == Some("Gateway"))
                    .unwrap_or_default(),
                filters: self.groups(endpoint, "Groups", &name),
                span: endpoint.span.into(),
                ..PrivateEndpoint::default()
            };
            for interface in endpoint.list("NetworkInterfaceIds") {
                let Some(label) = interface.as_str() else { continue };
                self.taken.insert(label.to_owned());
                let Some(node) = self.export.find("NetworkInterfaces", "NetworkInterfaceId", label)
                else {
                    self.gap(
                        &format!("private_endpoint:{}", id.value),
                        format!("interface {label} is not in the export"),
                        interface.span,
                        true,
                    );
                    continue;
                };
                let mut made = self.interface(node, &name);
                let subnet = node.word("SubnetId").unwrap_or("");
                made.id = Some(Spanned::new(format!("{}-{subnet}", id.value), node.span));
                row.interfaces.push((Spanned::new(label.to_owned(), node.span), made));
            }
            self.description.private_endpoints.push((key(&name, endpoint), row));
        }
    }

    pub(super) fn databases(&mut self) {
        for node in self.export.all("DBInstances") {
            let Some(id) = node.text("DBInstanceIdentifier") else { continue };
            let engine = match node.word("Engine").unwrap_or("") {
                e if e.contains("postgres") => DatabaseEngine::Postgres,
                e if e.contains("mysql") || e.contains("maria") || e == "aurora" => {
                    DatabaseEngine::Mysql
                }
                e if e.contains("sqlserver") => DatabaseEngine::SqlServer,
                e if e.contains("oracle") => DatabaseEngine::Oracle,
                _ => DatabaseEngine::Other,
            };
            let group = node.get("DBSubnetGroup");
            let listed = group.map_or(&[][..], |group| group.list("Subnets"));
            let mut subnets = Vec::new();
            for subnet in listed {
                let Some(id) = subnet.text("SubnetIdentifier") else { continue };
                subnets
                    .extend(self.names.subnet(&id.value).map(|name| Spanned::new(name, id.span)));
            }
            let mut filters = Vec::new();
            for entry in node.list("VpcSecurityGroups") {
                let Some(group) = entry.text("VpcSecurityGroupId") else { continue };
                match self.names.of_section("SecurityGroups", &group.value) {
                    Some(name) => filters.push(Spanned::new(name.to_owned(), group.span)),
                    None => filters.push(self.missing_group(&group, &id.value)),
                }
            }
            let object = format!("database:{}", id.value);
            if subnets.is_empty() {
                self.gap(
                    &object,
                    "its subnets are not in the export; it has no interface here",
                    node.span,
                    true,
                );
            } else {
                self.gap(&object, "exports do not give its address; the lowest free one of its first subnet stands for it", node.span, false);
            }
            let endpoint = node.get("Endpoint");
            let port = endpoint.and_then(|e| e.number("Port")).and_then(|p| u16::try_from(p).ok());
            let row = Database {
                engine: Some(Spanned::bare(engine)),
                port: port.filter(|port| *port > 0).map(Spanned::bare),
                subnets,
                filters,
                public: node.flag("PubliclyAccessible").map(Spanned::bare),
                id: Some(id.clone()),
                span: node.span.into(),
                ..Database::default()
            };
            self.description.databases.push((key(&id.value, node), row));
        }
    }
}

/// Gives an instance its interfaces; the fields of an only one stand at the instance itself.
fn hold(row: &mut Instance, found: Vec<(String, Interface)>) {
    match <[(String, Interface); 1]>::try_from(found) {
        Ok([(_, only)]) => {
            row.subnet = only.subnet;
            row.addresses = only.addresses;
            row.prefixes = only.prefixes;
            row.public_address = only.public_address;
            row.filters = only.filters;
            row.forwards = only.forwards;
            row.interface_id = only.id;
        }
        Err(several) => {
            for (label, interface) in several {
                row.interfaces.push((Spanned::new(label, *interface.span), interface));
            }
        }
    }
}
