//! Load balancers: their nodes, what they listen on, and what stands behind them.

use crate::language::{
    self, AllDown, EndpointKind, EndpointRef, LoadBalancerKind, OpenConnections, Scheme,
};
use crate::network::{BackendTarget, EndpointId, Interface, Listener, LoadBalancer, VpcId};
use crate::profile::Facts;
use crate::scalar::{Prefix, Service};
use crate::source::Spanned;

use super::context::{Resolver, find, flag, values};
use super::workload::Written;

impl Resolver<'_> {
    pub(super) fn load_balancers(&mut self) {
        let mut endpoints = Vec::new();
        for (name, written) in self.description.load_balancers.iter() {
            let endpoint = self.add_endpoint(EndpointKind::LoadBalancer, name, written.id.as_ref());
            self.balancer_names.add(&name.value, written.id.as_ref(), endpoint);
            self.balancer_nodes(endpoint, name, written);
            endpoints.push(endpoint);
        }
        // A balancer may be the backend of one that is written before it.
        let all = self.description.load_balancers.iter().zip(endpoints);
        for (index, ((_, written), endpoint)) in all.enumerate() {
            let vpc = match written.vpc.as_ref() {
                Some(vpc) => find!(self, vpc_names, vpc),
                None => self.network[endpoint]
                    .interfaces
                    .first()
                    .map(|node| self.network[self.network[*node].subnet].vpc),
            };
            let kind = written.kind.as_ref().map(|kind| kind.value).unwrap_or_default();
            let facts = match vpc {
                Some(vpc) => self.network[vpc].facts.clone(),
                // A balancer outside all networks is its provider's: that of the networks it serves, where nothing says so.
                None => match self.network.vpcs.first() {
                    Some(first) if self.description.provider.is_none() => first.facts.clone(),
                    _ => self.facts(self.provider(None)),
                },
            };
            let passes = kind == LoadBalancerKind::PassThrough;
            let external = written.scheme.as_ref().is_some_and(|s| s.value == Scheme::External);
            let listeners = self.listeners(written, vpc);
            let on: Vec<Service> = listeners.iter().map(|listener| listener.on).collect();
            if !on.is_empty() {
                self.network.endpoints[endpoint.index()].listens = Some(on);
            }
            let proxies = self.proxies(endpoint, written, (vpc, external), &facts);
            let probes = match &written.probe_sources[..] {
                [] => facts.health_probe_sources.clone(),
                given => values(given),
            };
            self.network.load_balancers.push(LoadBalancer {
                endpoint,
                kind,
                external,
                vpc,
                listeners,
                cross_zone: flag(
                    written.cross_zone.as_ref(),
                    !(passes && facts.balancers.pass_through_in_zone),
                ),
                proxies,
                probes,
                fails_open: match &written.when_all_down {
                    Some(given) => given.value == AllDown::SendToAll,
                    None if passes => facts.balancers.pass_through_fails_open,
                    None => facts.balancers.proxies_fail_open,
                },
                keeps_destination: passes && facts.balancers.pass_through_keeps_destination,
                index,
            });
        }
        self.allocate();
    }

    fn balancer_nodes(
        &mut self,
        endpoint: EndpointId,
        name: &Spanned<String>,
        written: &language::LoadBalancer,
    ) {
        let mut nodes = Vec::new();
        for (key, node) in written.nodes.iter() {
            let mut parts = Written::of(format!("{}/{}", name.value, key.value), key.span, node);
            if parts.filters.is_empty() {
                parts.filters = &written.filters;
            }
            nodes.extend(self.interface(endpoint, &parts, None));
        }
        if written.nodes.is_empty() {
            for (position, subnet) in written.subnets.iter().enumerate() {
                let written = Written {
                    name: format!("{}/node-{}", name.value, position + 1),
                    id: None,
                    span: name.span,
                    subnet: Some(subnet),
                    addresses: &[],
                    prefixes: &[],
                    public: &[],
                    filters: &written.filters,
                    forwards: false,
                };
                nodes.extend(self.interface(endpoint, &written, None));
            }
        }
        // Public addresses belong to the nodes in turn, so that packets to them pass the nodes' gateway and filters.
        let public = values(&written.public_addresses);
        if nodes.is_empty() {
            self.network.endpoints[endpoint.index()].public = public;
        } else {
            for (position, address) in public.into_iter().enumerate() {
                let node = nodes[position % nodes.len()];
                self.network.interfaces[node.index()].public.push(address);
            }
        }
    }

    /// Where a balancer's own connections come from: as written; where the provider has a front end of its own, from there, and for one
    /// inside a VPC from the subnets that are kept for proxies (Google Cloud, "Proxy-only subnets").
    fn proxies(
        &self,
        endpoint: EndpointId,
        written: &language::LoadBalancer,
        (vpc, external): (Option<VpcId>, bool),
        facts: &Facts,
    ) -> Vec<Prefix> {
        if !written.proxy_sources.is_empty() {
            return values(&written.proxy_sources);
        }
        if external || facts.proxy_sources.is_empty() {
            return facts.proxy_sources.clone();
        }
        let Some(vpc) = vpc else { return Vec::new() };
        let node = self.network[endpoint].interfaces.first();
        let region = node.and_then(|node| self.network[self.network[*node].subnet].region.as_ref());
        let written = self.description.vpcs.get(&self.network[vpc].name);
        let kept = written.into_iter().flat_map(|vpc| vpc.subnets.iter()).filter(|(_, subnet)| {
            let own = subnet.region.as_ref().map(|region| &region.value);
            subnet.purpose.as_ref().is_some_and(|purpose| purpose.value == "proxy-only")
                && (region.is_none() || own.is_none() || own == region)
        });
        kept.flat_map(|(_, subnet)| values(&subnet.cidrs)).collect()
    }

    fn listeners(&mut self, written: &language::LoadBalancer, vpc: Option<VpcId>) -> Vec<Listener> {
        let passes =
            written.kind.as_ref().is_some_and(|k| k.value == LoadBalancerKind::PassThrough);
        let mut listeners = Vec::new();
        for (name, listener) in written.listeners.iter() {
            let mut made = Listener {
                name: name.value.clone(),
                on: listener.on.value,
                backends: Vec::new(),
                answers: flag(listener.answers.as_ref(), false),
                incomplete: Vec::new(),
                has_groups: !listener.to.is_empty(),
                span: name.span,
            };
            for group_name in &listener.to {
                let group = written.backends.iter().find(|(key, _)| key.value == group_name.value);
                let Some((key, group)) = group else {
                    let message = format!("there is no group of backends `{}`", group_name.value);
                    self.error(group_name.span, message, None);
                    continue;
                };
                if let Some(why) = &group.incomplete {
                    made.incomplete.push(format!("{}: {}", key.value, why.value));
                }
                // What is being drained gets nothing new, also where nothing else is in service.
                let drains = |backend: &&language::Backend| flag(backend.draining.as_ref(), false);
                for backend in group.targets.iter().filter(|backend| !drains(backend)) {
                    let port = backend_port(listener, group, backend, passes);
                    let made_of = self.backend(backend, (&key.value, group), port, vpc);
                    made.backends.extend(made_of.map(|own| BackendTarget {
                        preserves_client: passes && own.preserves_client,
                        ..own
                    }));
                }
            }
            listeners.push(made);
        }
        listeners
    }

    fn backend(
        &mut self,
        backend: &language::Backend,
        (name, group): (&str, &language::BackendGroup),
        port: Service,
        vpc: Option<VpcId>,
    ) -> Option<BackendTarget> {
        let (endpoint, address) = match &backend.target.value {
            EndpointRef::Prefix(prefix) if prefix.as_host().is_some() => {
                let address = prefix.as_host();
                let mut holders: Vec<&Interface> = (self.network.interfaces.iter())
                    .filter(|row| address.is_some_and(|address| row.addresses.contains(&address)))
                    .collect();
                // The same address in another VPC is somebody else's.
                holders.sort_by_key(|row| Some(self.network[row.subnet].vpc) != vpc);
                (holders.first().map(|interface| interface.owner), address)
            }
            EndpointRef::Kind(EndpointKind::Instance, name) | EndpointRef::Name(name) => {
                (self.endpoint_named(name), None)
            }
            EndpointRef::Kind(EndpointKind::Service, name) => {
                (self.service_names.get(name).map(|id| self.network[id].endpoint), None)
            }
            EndpointRef::Kind(EndpointKind::LoadBalancer, name) => {
                (self.balancer_names.get(name), None)
            }
            EndpointRef::Kind(EndpointKind::External, name) => {
                (self.external_names.get(name).map(|id| self.network[id].endpoint), None)
            }
            EndpointRef::Kind(..) | EndpointRef::Internet | EndpointRef::Prefix(_) => (None, None),
        };
        // An address may be one of a site, or of another network.
        if endpoint.is_none() && address.is_none() {
            let message = format!("`{}` is no backend that the description holds", backend.target);
            self.error(backend.target.span, message, None);
            return None;
        }
        let own = |port: &Spanned<Service>| port.value;
        let probe = group.health_check.as_ref().and_then(|check| {
            // Nothing but an answer over TCP shows that a backend lives, whatever it serves.
            check.port.as_ref().map(own).or_else(|| port.first_port().map(Service::tcp))
        });
        Some(BackendTarget {
            group: name.to_owned(),
            span: backend.target.span,
            endpoint,
            address,
            port,
            healthy: backend.healthy.as_ref().map(|healthy| healthy.value),
            preserves_client: flag(group.preserve_client_address.as_ref(), true),
            probe,
            closes: (group.open_connections.as_ref())
                .is_some_and(|given| given.value == OpenConnections::Close),
        })
    }
}

/// Protocol and port of a backend. What is passed on keeps its protocol, and its port where nothing gives another one.
fn backend_port(
    listener: &language::Listener,
    group: &language::BackendGroup,
    backend: &language::Backend,
    passes: bool,
) -> Service {
    let on = listener.on.value;
    let given = group.port.as_ref().map(|port| port.value);
    match (&backend.port, given) {
        (Some(port), Some(group)) if !passes => group.with_port(port.value),
        (Some(port), _) => on.with_port(port.value),
        (None, Some(group)) if passes => group.first_port().map_or(on, |port| on.with_port(port)),
        (None, Some(group)) => group,
        (None, None) => on,
    }
}
