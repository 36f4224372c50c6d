//! Instances, private endpoints, databases, outside services, connectors, serverless services.

use std::net::IpAddr;

use crate::language::{self, DatabaseEngine, EndpointKind};
use crate::network::{
    Connector, ConnectorId, EndpointId, External, ExternalId, Interface, Serverless, ServerlessId,
    SubnetId,
};
use crate::scalar::{Prefix, Service};
use crate::source::{Span, Spanned};

use super::allocate::Allocator;
use super::context::{Resolver, find, flag, text, values};

/// The parts of an interface, however they were written.
pub(super) struct Written<'a> {
    pub(super) name: String,
    pub(super) id: Option<&'a Spanned<String>>,
    pub(super) span: Span,
    pub(super) subnet: Option<&'a Spanned<String>>,
    pub(super) addresses: &'a [Spanned<IpAddr>],
    pub(super) prefixes: &'a [Spanned<Prefix>],
    pub(super) public: &'a [Spanned<IpAddr>],
    pub(super) filters: &'a [Spanned<String>],
    pub(super) forwards: bool,
}

impl<'a> Written<'a> {
    pub(super) fn of(name: String, span: Span, interface: &'a language::Interface) -> Self {
        Self {
            name,
            id: interface.id.as_ref(),
            span,
            subnet: interface.subnet.as_ref(),
            addresses: &interface.addresses,
            prefixes: &interface.prefixes,
            public: &interface.public_address,
            filters: &interface.filters,
            forwards: flag(interface.forwards.as_ref(), false),
        }
    }
}

impl Resolver<'_> {
    pub(super) fn externals(&mut self) {
        for (name, external) in self.description.externals.iter() {
            let endpoint = self.add_endpoint(EndpointKind::External, name, external.id.as_ref());
            self.network.endpoints[endpoint.index()].prefixes = values(&external.addresses);
            if !external.listens.is_empty() {
                self.network.endpoints[endpoint.index()].listens = Some(values(&external.listens));
            }
            let mut attached = Vec::new();
            for vpc in &external.attached_vpcs {
                attached.extend(find!(self, vpc_names, vpc));
            }
            let id = ExternalId::at(self.network.externals.len());
            self.external_names.add(&name.value, external.id.as_ref(), id);
            self.network.externals.push(External {
                endpoint,
                attached,
                initiates: flag(external.initiates.as_ref(), false),
                allow_from: (!external.allow_from.is_empty()).then(|| values(&external.allow_from)),
            });
        }
    }

    pub(super) fn instances(&mut self) {
        for (name, instance) in self.description.instances.iter() {
            let endpoint = self.add_endpoint(EndpointKind::Instance, name, instance.id.as_ref());
            self.instance_names.add(&name.value, instance.id.as_ref(), endpoint);
            if !instance.listens.is_empty() {
                self.network.endpoints[endpoint.index()].listens = Some(values(&instance.listens));
            }
            if instance.subnet.is_some() {
                let written = Written {
                    name: name.value.clone(),
                    id: instance.interface_id.as_ref(),
                    span: name.span,
                    subnet: instance.subnet.as_ref(),
                    addresses: &instance.addresses,
                    prefixes: &instance.prefixes,
                    public: &instance.public_address,
                    filters: &instance.filters,
                    forwards: flag(instance.forwards.as_ref(), false),
                };
                self.interface(endpoint, &written, Some(instance));
            } else if !instance.addresses.is_empty() {
                let help = "write `subnet: vpc/subnet` beside the address".to_owned();
                let message = format!("instance `{}` has an address but no subnet", name.value);
                self.error(name.span, message, Some(help));
            }
            for (key, interface) in instance.interfaces.iter() {
                let full = format!("{}/{}", name.value, key.value);
                let written = Written::of(full, key.span, interface);
                self.interface(endpoint, &written, Some(instance));
            }
        }
    }

    pub(super) fn interface(
        &mut self,
        owner: EndpointId,
        written: &Written<'_>,
        instance: Option<&language::Instance>,
    ) -> Option<crate::network::InterfaceId> {
        let Some(reference) = written.subnet else {
            let message = format!("interface `{}` names no subnet", written.name);
            self.error(written.span, message, None);
            return None;
        };
        let subnet = find!(self, subnet_names, reference)?;
        for address in written.addresses {
            let inside = self.network[subnet].cidrs.iter().any(|cidr| cidr.contains(address.value));
            if !inside {
                let row = &self.network[subnet];
                let ranges: Vec<String> = row.cidrs.iter().map(ToString::to_string).collect();
                let message = format!(
                    "{} is not in subnet `{}` ({})",
                    address.value,
                    row.name,
                    ranges.join(", ")
                );
                self.error(address.span, message, None);
            }
        }
        let filters = self.interface_filters(written.filters);
        let id = self.add_interface(Interface {
            name: written.name.clone(),
            id: text(written.id),
            span: written.span,
            owner,
            subnet,
            addresses: values(written.addresses),
            prefixes: values(written.prefixes),
            public: values(written.public),
            filters,
            tags: instance.map(|i| values(&i.tags)).unwrap_or_default(),
            account: instance.and_then(|i| text(i.account.as_ref())),
            forwards: written.forwards
                || instance.is_some_and(|i| flag(i.forwards.as_ref(), false)),
            running: instance.is_none_or(|i| flag(i.running.as_ref(), true)),
            answers_only: false,
            provider_side: instance.is_none() && self.stands_beside(subnet),
        });
        Some(id)
    }

    /// Whether what is no instance has its addresses beside a network rather than in it: Google Cloud asks no firewall rule of the network
    /// for packets to a forwarding rule's address ("VPC firewall rules": they protect instances).
    fn stands_beside(&self, subnet: SubnetId) -> bool {
        self.network[self.network[subnet].vpc].provider == language::Provider::Gcp
    }

    /// Gives an address to each interface that names none. Done when all are there: an address that is written is nobody else's.
    pub(super) fn allocate(&mut self) {
        let mut allocator = Allocator::default();
        for interface in &self.network.interfaces {
            for address in &interface.addresses {
                allocator.take(interface.subnet, *address);
            }
        }
        for index in 0..self.network.interfaces.len() {
            let interface = &self.network.interfaces[index];
            if !interface.addresses.is_empty() || !interface.prefixes.is_empty() {
                continue;
            }
            let (subnet, span, name) = (interface.subnet, interface.span, interface.name.clone());
            if let Some(address) = allocator.lowest(&self.network, subnet) {
                self.network.interfaces[index].addresses.push(address);
            } else {
                let subnet = self.network[subnet].name.clone();
                let message = format!("subnet `{subnet}` has no free IPv4 address for `{name}`");
                self.error(
                    span,
                    message,
                    Some("give the instance an address, or the subnet a larger range".into()),
                );
            }
        }
    }

    pub(super) fn private_endpoints(&mut self) {
        for (name, written) in self.description.private_endpoints.iter() {
            let endpoint =
                self.add_endpoint(EndpointKind::PrivateEndpoint, name, written.id.as_ref());
            self.endpoint_names.add(&name.value, written.id.as_ref(), endpoint);
            let row = &mut self.network.endpoints[endpoint.index()];
            row.prefixes = values(&written.cidrs);
            if !written.listens.is_empty() {
                row.listens = Some(values(&written.listens));
            }
            for (key, interface) in written.interfaces.iter() {
                let full = format!("{}/{}", name.value, key.value);
                let mut parts = Written::of(full, key.span, interface);
                if parts.filters.is_empty() {
                    parts.filters = &written.filters;
                }
                self.interface(endpoint, &parts, None);
            }
        }
    }

    pub(super) fn databases(&mut self) {
        for (name, database) in self.description.databases.iter() {
            let endpoint = self.add_endpoint(EndpointKind::Database, name, database.id.as_ref());
            self.database_names.add(&name.value, database.id.as_ref(), endpoint);
            let row = &mut self.network.endpoints[endpoint.index()];
            row.public = values(&database.public_addresses);
            row.listens = database_port(database).map(|port| vec![Service::tcp(port)]);
            if database.subnets.is_empty() {
                self.provider_side_database(endpoint, name, database);
                continue;
            }
            for (position, subnet) in database.subnets.iter().enumerate() {
                let own: &[Spanned<IpAddr>] = match find!(self, subnet_names, subnet) {
                    Some(id) => in_subnet(&database.private_addresses, &self.network[id].cidrs),
                    None => &[],
                };
                // A database stands in one of its subnets at a time: without addresses, in the first.
                if own.is_empty() && (position > 0 || !database.private_addresses.is_empty()) {
                    continue;
                }
                let written = Written {
                    name: name.value.clone(),
                    id: None,
                    span: name.span,
                    subnet: Some(subnet),
                    addresses: own,
                    prefixes: &[],
                    public: &[],
                    filters: &database.filters,
                    forwards: false,
                };
                self.interface(endpoint, &written, None);
            }
        }
    }

    /// A database whose interface stands in the provider's network, reached from one VPC (private services access).
    fn provider_side_database(
        &mut self,
        endpoint: EndpointId,
        name: &Spanned<String>,
        database: &language::Database,
    ) {
        let Some(vpc) = database.vpc.as_ref().and_then(|vpc| find!(self, vpc_names, vpc)) else {
            return;
        };
        for address in &database.private_addresses {
            let existing = self.network[vpc].subnets.iter().copied().find(|subnet| {
                self.network[*subnet].cidrs.iter().any(|cidr| cidr.contains(address.value))
            });
            let subnet = existing.unwrap_or_else(|| {
                let label = format!("database:{}", name.value);
                let made = self.implied_subnet(vpc, &label, Prefix::host(address.value), name.span);
                self.beside.push(made);
                made
            });
            self.add_interface(Interface {
                name: name.value.clone(),
                span: name.span,
                owner: endpoint,
                subnet,
                addresses: vec![address.value],
                running: true,
                provider_side: true,
                ..Interface::default()
            });
        }
    }

    pub(super) fn connectors(&mut self) {
        for (index, (name, connector)) in self.description.connectors.iter().enumerate() {
            let endpoint = self.add_endpoint(EndpointKind::Connector, name, connector.id.as_ref());
            let vpc = connector.vpc.as_ref().and_then(|vpc| find!(self, vpc_names, vpc));
            let subnet = match (&connector.subnet, &connector.cidr, vpc) {
                (Some(reference), _, _) => find!(self, subnet_names, reference),
                (None, Some(cidr), Some(vpc)) => {
                    let label = format!("connector:{}", name.value);
                    let subnet = self.implied_subnet(vpc, &label, cidr.value, name.span);
                    self.network.subnets[subnet.index()].region = text(connector.region.as_ref());
                    Some(subnet)
                }
                _ => None,
            };
            let interface = subnet.map(|subnet| {
                let cidrs = self.network[subnet].cidrs.clone();
                let mut tags = values(&connector.tags);
                // The tag that every connector's instances carry.
                tags.push("vpc-connector".to_owned());
                self.add_interface(Interface {
                    name: name.value.clone(),
                    span: name.span,
                    owner: endpoint,
                    subnet,
                    addresses: cidrs.iter().filter_map(|cidr| cidr.host_at(4)).take(1).collect(),
                    prefixes: connector.cidr.iter().map(|cidr| cidr.value).collect(),
                    tags,
                    running: true,
                    answers_only: true,
                    ..Interface::default()
                })
            });
            let id = ConnectorId::at(self.network.connectors.len());
            self.connector_names.add(&name.value, connector.id.as_ref(), id);
            let name = name.value.clone();
            let span = *connector.span;
            self.network.connectors.push(Connector { name, span, interface, index });
        }
    }

    pub(super) fn services(&mut self) {
        for (index, (name, service)) in self.description.services.iter().enumerate() {
            let endpoint = self.add_endpoint(EndpointKind::Service, name, service.id.as_ref());
            let connector =
                service.egress.connector.as_ref().and_then(|c| find!(self, connector_names, c));
            let direct = service.egress.subnet.as_ref().and_then(|s| find!(self, subnet_names, s));
            let interface = match (connector, direct) {
                (Some(connector), _) => self.network[connector].interface,
                (None, Some(subnet)) => Some(self.direct_egress(endpoint, name, subnet, service)),
                (None, None) => None,
            };
            let facts = self.facts(self.provider(service.provider.as_ref()));
            let id = ServerlessId::at(self.network.serverless.len());
            self.service_names.add(&name.value, service.id.as_ref(), id);
            self.network.serverless.push(Serverless {
                endpoint,
                mode: service.egress.mode.as_ref().map(|mode| mode.value).unwrap_or_default(),
                interface,
                connector,
                facts,
                index,
            });
        }
    }

    fn direct_egress(
        &mut self,
        owner: EndpointId,
        name: &Spanned<String>,
        subnet: SubnetId,
        service: &language::Service,
    ) -> crate::network::InterfaceId {
        self.add_interface(Interface {
            name: name.value.clone(),
            span: *service.egress.span,
            owner,
            subnet,
            tags: values(&service.egress.tags),
            account: text(service.account.as_ref()),
            running: true,
            answers_only: true,
            ..Interface::default()
        })
    }

    /// An endpoint by the name or identifier of an instance, an interface, a service, a database or a load balancer.
    pub(super) fn endpoint_named(&self, name: &str) -> Option<EndpointId> {
        self.instance_names
            .get(name)
            .or_else(|| self.interface_names.get(name).map(|id| self.network[id].owner))
            .or_else(|| self.service_names.get(name).map(|id| self.network[id].endpoint))
            .or_else(|| self.database_names.get(name))
            .or_else(|| self.balancer_names.get(name))
    }
}

/// The port a database answers on.
#[must_use]
pub(crate) fn database_port(database: &language::Database) -> Option<u16> {
    let usual = match database.engine.as_ref().map(|engine| engine.value) {
        Some(DatabaseEngine::Postgres) => Some(5432),
        Some(DatabaseEngine::Mysql) => Some(3306),
        Some(DatabaseEngine::SqlServer) => Some(1433),
        Some(DatabaseEngine::Oracle) => Some(1521),
        Some(DatabaseEngine::Redis) => Some(6379),
        Some(DatabaseEngine::Other) | None => None,
    };
    database.port.as_ref().map(|port| port.value).or(usual)
}

/// The first run of addresses that lie in a subnet's ranges.
fn in_subnet<'a>(addresses: &'a [Spanned<IpAddr>], cidrs: &[Prefix]) -> &'a [Spanned<IpAddr>] {
    let inside = |a: &Spanned<IpAddr>| cidrs.iter().any(|cidr| cidr.contains(a.value));
    let Some(start) = addresses.iter().position(inside) else { return &[] };
    let length = addresses[start..].iter().take_while(|a| inside(a)).count();
    &addresses[start..start + length]
}
