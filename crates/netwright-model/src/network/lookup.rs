//! Finding things by what people call them: names, identifiers of an export, addresses, host names.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::language::{EndpointKind, EndpointRef};
use crate::scalar::Prefix;
use crate::suggest::nearest;

use super::{EndpointId, FilterId, InterfaceId, Network, ServerlessId, SubnetId, VpcId};

/// What an [`EndpointRef`] stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// An interface of an endpoint (an instance, a load balancer's node, a database in a subnet, a private endpoint, a NAT gateway).
    Interface(InterfaceId),
    /// An endpoint without interfaces of its own: an outside service, a site, a private endpoint as a route's target, a database with a
    /// public address only.
    Endpoint(EndpointId),
    /// A serverless service.
    Serverless(ServerlessId),
    /// Addresses that nothing here holds, or the whole Internet where `None`.
    Outside(Option<Prefix>),
}

/// Names, identifiers and addresses of everything that can be a source or destination.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    endpoints: BTreeMap<String, Vec<EndpointId>>,
    interfaces: BTreeMap<String, InterfaceId>,
    subnets: BTreeMap<String, Vec<SubnetId>>,
    vpcs: BTreeMap<String, VpcId>,
    filters: BTreeMap<String, FilterId>,
    /// Private and public addresses of interfaces, and public ones of endpoints.
    addresses: BTreeMap<IpAddr, Vec<Place>>,
    hosts: BTreeMap<String, EndpointId>,
    serverless: BTreeMap<EndpointId, ServerlessId>,
}

/// Why a reference leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFound {
    /// What was asked for and what was found instead.
    pub message: String,
    /// The nearest name, or how to say it without doubt.
    pub help: Option<String>,
}

impl Lookup {
    /// Indexes a network.
    #[must_use]
    pub fn of(network: &Network) -> Self {
        let mut lookup = Self::default();
        for (index, service) in network.serverless.iter().enumerate() {
            lookup.serverless.insert(service.endpoint, ServerlessId::at(index));
        }
        for (index, endpoint) in network.endpoints.iter().enumerate() {
            let id = EndpointId::at(index);
            lookup.endpoints.entry(endpoint.name.clone()).or_default().push(id);
            if let Some(cloud) = &endpoint.id {
                let ids = lookup.endpoints.entry(cloud.clone()).or_default();
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            for address in &endpoint.public {
                lookup.addresses.entry(*address).or_default().push(Place::Endpoint(id));
            }
        }
        for (index, interface) in network.interfaces.iter().enumerate() {
            let id = InterfaceId::at(index);
            lookup.interfaces.insert(interface.name.clone(), id);
            if let Some(cloud) = &interface.id {
                lookup.interfaces.insert(cloud.clone(), id);
            }
            for address in interface.addresses.iter().chain(&interface.public) {
                lookup.addresses.entry(*address).or_default().push(Place::Interface(id));
            }
        }
        for (index, subnet) in network.subnets.iter().enumerate() {
            let id = SubnetId::at(index);
            let short = subnet.name.split_once('/').map(|(_, short)| short.to_owned());
            for name in [Some(subnet.name.clone()), subnet.id.clone(), short].into_iter().flatten()
            {
                lookup.subnets.entry(name).or_default().push(id);
            }
        }
        for (index, vpc) in network.vpcs.iter().enumerate() {
            for name in [Some(vpc.name.clone()), vpc.id.clone()].into_iter().flatten() {
                lookup.vpcs.insert(name, VpcId::at(index));
            }
        }
        for (index, filter) in network.filters.iter().enumerate() {
            for name in [Some(filter.name.clone()), filter.id.clone()].into_iter().flatten() {
                lookup.filters.insert(name, FilterId::at(index));
            }
        }
        lookup.index_hosts(network);
        lookup
    }

    fn index_hosts(&mut self, network: &Network) {
        let description = &network.description;
        let hosts = (description.services.iter().map(|(name, s)| (name, &s.hosts)))
            .chain(description.externals.iter().map(|(name, e)| (name, &e.hosts)))
            .chain(description.load_balancers.iter().map(|(name, b)| (name, &b.hosts)));
        for (name, names) in hosts {
            let Some(endpoint) = self.endpoints.get(&name.value).and_then(|ids| ids.first()) else {
                continue;
            };
            for host in names {
                let host = host.value.trim_end_matches('.').to_ascii_lowercase();
                self.hosts.insert(host, *endpoint);
            }
        }
    }

    /// The endpoint that a host name belongs to by its `hosts`, without asking any DNS zone.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<EndpointId> {
        self.hosts.get(&name.trim_end_matches('.').to_ascii_lowercase()).copied()
    }

    /// All host names of `hosts`, in lower case, with their endpoints, sorted.
    pub fn hosts(&self) -> impl Iterator<Item = (&str, EndpointId)> {
        self.hosts.iter().map(|(name, endpoint)| (name.as_str(), *endpoint))
    }

    /// Who holds an address, private or public.
    #[must_use]
    pub fn holders(&self, address: IpAddr) -> &[Place] {
        self.addresses.get(&address).map_or(&[], Vec::as_slice)
    }

    /// What a reference stands for, in a stable order. Host names are left to the caller, who knows the zones.
    ///
    /// # Errors
    ///
    /// When nothing has the name, or several things do.
    pub fn places(
        &self,
        network: &Network,
        reference: &EndpointRef,
    ) -> Result<Vec<Place>, NotFound> {
        match reference {
            EndpointRef::Internet => Ok(vec![Place::Outside(None)]),
            EndpointRef::Prefix(prefix) => Ok(self.in_prefix(network, *prefix)),
            EndpointRef::Kind(kind, name) => self.of_kind(network, *kind, name),
            EndpointRef::Name(name) => self.named(network, name),
        }
    }

    fn in_prefix(&self, network: &Network, prefix: Prefix) -> Vec<Place> {
        let mut found: Vec<Place> = match prefix.as_host() {
            Some(address) => self.holders(address).to_vec(),
            None => self
                .addresses
                .range(prefix.first()..=prefix.last())
                .flat_map(|(_, places)| places.iter().cloned())
                .collect(),
        };
        if found.is_empty() {
            let sites_and_externals =
                network.endpoints.iter().enumerate().filter(|(_, endpoint)| {
                    endpoint.prefixes.iter().any(|own| own.contains_prefix(&prefix))
                });
            found.extend(
                sites_and_externals.map(|(index, _)| Place::Endpoint(EndpointId::at(index))),
            );
        }
        if found.is_empty() {
            found.push(Place::Outside(Some(prefix)));
        }
        found.sort();
        found.dedup();
        found
    }

    fn endpoint_places(&self, network: &Network, id: EndpointId) -> Vec<Place> {
        if let Some(service) = self.serverless.get(&id) {
            return vec![Place::Serverless(*service)];
        }
        let interfaces = &network[id].interfaces;
        if interfaces.is_empty() {
            return vec![Place::Endpoint(id)];
        }
        interfaces.iter().map(|interface| Place::Interface(*interface)).collect()
    }

    fn of_kind(
        &self,
        network: &Network,
        kind: EndpointKind,
        name: &str,
    ) -> Result<Vec<Place>, NotFound> {
        let all = |keep: &dyn Fn(&super::Interface) -> bool| -> Vec<Place> {
            let kept = network.interfaces.iter().enumerate().filter(|(_, i)| keep(i));
            kept.map(|(index, _)| Place::Interface(InterfaceId::at(index))).collect()
        };
        match kind {
            EndpointKind::Subnet => {
                let subnet = self.subnet(name)?;
                Ok(all(&|interface| interface.subnet == subnet))
            }
            EndpointKind::Vpc => {
                let vpc =
                    *self.vpcs.get(name).ok_or_else(|| missing("VPC", name, self.vpcs.keys()))?;
                Ok(all(&|interface| network[interface.subnet].vpc == vpc))
            }
            EndpointKind::Tag => {
                let found = all(&|interface| interface.tags.iter().any(|tag| tag == name));
                if found.is_empty() { Err(missing("tag", name, [].iter())) } else { Ok(found) }
            }
            EndpointKind::Group => {
                let filter = *self
                    .filters
                    .get(name)
                    .ok_or_else(|| missing("filter", name, self.filters.keys()))?;
                Ok(network[filter].members.iter().map(|id| Place::Interface(*id)).collect())
            }
            _ => {
                let ids = self.endpoints.get(name).map_or(&[][..], Vec::as_slice);
                let of_kind: Vec<_> =
                    ids.iter().copied().filter(|id| network[*id].kind == kind).collect();
                if of_kind.is_empty() {
                    let known: Vec<&String> = self
                        .endpoints
                        .iter()
                        .filter(|(_, ids)| ids.iter().any(|id| network[*id].kind == kind))
                        .map(|(name, _)| name)
                        .collect();
                    return Err(missing(kind.word(), name, known.into_iter()));
                }
                Ok(of_kind.into_iter().flat_map(|id| self.endpoint_places(network, id)).collect())
            }
        }
    }

    fn subnet(&self, name: &str) -> Result<SubnetId, NotFound> {
        match self.subnets.get(name).map(Vec::as_slice) {
            Some([only]) => Ok(*only),
            Some(several) => Err(NotFound {
                message: format!("{} subnets are called `{name}`", several.len()),
                help: Some(format!("write it with its VPC, as `subnet:vpc/{name}`")),
            }),
            None => Err(missing("subnet", name, self.subnets.keys())),
        }
    }

    fn named(&self, network: &Network, name: &str) -> Result<Vec<Place>, NotFound> {
        match self.endpoints.get(name).map(Vec::as_slice) {
            Some([only]) => return Ok(self.endpoint_places(network, *only)),
            Some(several) if !several.is_empty() => {
                let kinds: Vec<String> = several
                    .iter()
                    .map(|id| format!("`{}:{name}`", network[*id].kind.word()))
                    .collect();
                return Err(NotFound {
                    message: format!("{} things are called `{name}`", several.len()),
                    help: Some(format!("say which: {}", kinds.join(", "))),
                });
            }
            _ => {}
        }
        if let Some(interface) = self.interfaces.get(name) {
            return Ok(vec![Place::Interface(*interface)]);
        }
        if let Some(endpoint) = self.host(name) {
            return Ok(self.endpoint_places(network, endpoint));
        }
        if self.subnets.contains_key(name) {
            return self.of_kind(network, EndpointKind::Subnet, name);
        }
        if self.vpcs.contains_key(name) {
            return self.of_kind(network, EndpointKind::Vpc, name);
        }
        let known = self.endpoints.keys().chain(self.interfaces.keys()).chain(self.subnets.keys());
        Err(missing("endpoint", name, known))
    }
}

fn missing<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a String>) -> NotFound {
    let near = nearest(name, known.map(String::as_str));
    NotFound {
        message: format!("there is no {kind} `{name}`"),
        help: near.map(|near| format!("did you mean `{near}`?")),
    }
}
