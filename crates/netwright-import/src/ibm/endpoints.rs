//! Endpoint gateways and load balancers.

use std::net::IpAddr;

use netwright_model::decode::Entries;
use netwright_model::language::reference::EndpointKind;
use netwright_model::language::{
    Attachment, Backend, BackendGroup, EndpointRef, HealthCheck, Interface, Listener, LoadBalancer,
    LoadBalancerKind, PrivateEndpoint, Scheme,
};
use netwright_model::scalar::{Duration, PortRange, Service};
use netwright_model::source::Spanned;

use super::Import;
use super::catalog::unique;
use super::read::Object;

impl Import<'_> {
    pub(super) fn private_endpoints(&mut self) {
        let gateways = self.export.all("endpoint_gateways");
        let keys = self.catalog.scoped(&gateways);
        for (gateway, key) in gateways.into_iter().zip(keys) {
            let object = format!("private_endpoint:{key}");
            let at = gateway.span();
            let Some(vpc) = gateway.object("vpc").and_then(|vpc| self.catalog.vpc_reference(vpc))
            else {
                self.gap(&object, "its VPC is not in the export: it is left out", at, true);
                continue;
            };
            let made = PrivateEndpoint {
                id: gateway.identity(),
                service: gateway.text("service_endpoint"),
                interfaces: self.own_addresses(gateway, "ips", &vpc.value, &object),
                filters: self.groups_of(&[gateway], &object),
                vpc: Some(vpc),
                span: at.into(),
                ..PrivateEndpoint::default()
            };
            self.description.private_endpoints.insert(gateway.key(&key), made);
        }
    }

    /// Interfaces for a list of reserved addresses, each in the subnet of the VPC that holds it.
    fn own_addresses(
        &mut self,
        owner: Object<'_>,
        list: &str,
        vpc: &str,
        object: &str,
    ) -> Entries<Interface> {
        let ips = owner.objects(list);
        let names: Vec<_> = ips.iter().map(|ip| (None, ip.name())).collect();
        let mut interfaces = Entries::default();
        for (ip, key) in ips.iter().zip(unique(&names)) {
            let Some(address) = self.address(*ip, "address", object) else { continue };
            let Some(subnet) = self.catalog.subnet_at(vpc, address.value) else {
                let what = format!("{} lies in no subnet of the export", address.value);
                self.gap(object, &what, address.span, true);
                continue;
            };
            let interface = Interface {
                id: ip.identity(),
                subnet: Some(Spanned::new(subnet.reference(), ip.span())),
                addresses: vec![address],
                span: ip.span().into(),
                ..Interface::default()
            };
            interfaces.insert(ip.key(&key), interface);
        }
        interfaces
    }

    pub(super) fn load_balancers(&mut self) {
        let balancers = self.export.all("load_balancers");
        let homes: Vec<Option<String>> = balancers
            .iter()
            .map(|balancer| {
                let subnets = balancer.objects("subnets");
                subnets.iter().find_map(|s| self.catalog.subnet(*s)).map(|s| s.vpc.clone())
            })
            .collect();
        let names: Vec<_> =
            balancers.iter().zip(&homes).map(|(one, home)| (home.clone(), one.name())).collect();
        for ((balancer, home), key) in balancers.iter().zip(homes).zip(unique(&names)) {
            let object = format!("load_balancer:{key}");
            match home {
                Some(home) => self.load_balancer(*balancer, &key, &home, &object),
                None => {
                    let what = "its subnets are not in the export: it is left out";
                    self.gap(&object, what, balancer.span(), true);
                }
            }
        }
    }

    fn load_balancer(&mut self, balancer: Object<'_>, key: &str, vpc: &str, object: &str) {
        let at = balancer.span();
        let family = balancer.object("profile").and_then(|profile| profile.text("family"));
        let passes =
            family.as_ref().is_some_and(|family| family.value.eq_ignore_ascii_case("network"));
        let kind = if passes { LoadBalancerKind::PassThrough } else { LoadBalancerKind::Proxy };
        let public = balancer.flag("is_public");
        let mut made = LoadBalancer {
            id: balancer.identity(),
            kind: Some(Spanned::new(kind, family.map_or(at, |family| family.span))),
            scheme: public.map(|public| {
                public.map(|public| if public { Scheme::External } else { Scheme::Internal })
            }),
            vpc: Some(Spanned::new(vpc.to_owned(), at)),
            nodes: self.own_addresses(balancer, "private_ips", vpc, object),
            hosts: balancer.text("hostname").into_iter().collect(),
            filters: self.balancer_groups(balancer, object),
            backends: self.pools(balancer, vpc, object),
            span: at.into(),
            ..LoadBalancer::default()
        };
        for subnet in balancer.objects("subnets") {
            if let Some(known) = self.catalog.subnet(subnet) {
                made.subnets.push(Spanned::new(known.reference(), subnet.span()));
            }
        }
        for ip in balancer.objects("public_ips") {
            made.public_addresses.extend(self.address(ip, "address", object));
        }
        if made.public_addresses.len() > 1 && made.nodes.len() > 1 {
            let what = "the export does not say which private address answers to which public one: paired in the order listed";
            self.gap(object, what, at, false);
        }
        self.waiting_subnets(&made, object);
        self.listeners(balancer, &mut made, object);
        self.description.load_balancers.insert(balancer.key(key), made);
    }

    /// Balancers without security groups let everything pass at this level: network balancers have none.
    fn balancer_groups(&mut self, balancer: Object<'_>, object: &str) -> Vec<Spanned<String>> {
        let supported = balancer.flag("security_groups_supported").is_none_or(|flag| flag.value);
        let named = !balancer.objects("security_groups").is_empty();
        if supported || named {
            return self.groups_of(&[balancer], object);
        }
        let what = "it supports no security groups, and the export does not say what it lets pass";
        vec![self.unknown_filter(object, what, balancer.span(), Attachment::Interface)]
    }

    /// Subnets where the balancer has no address now, but may take one when it grows or a zone fails.
    fn waiting_subnets(&mut self, made: &LoadBalancer, object: &str) {
        let waiting: Vec<&str> = made
            .subnets
            .iter()
            .filter(|subnet| {
                let here = |(_, node): &(_, Interface)| node.subnet.as_ref() == Some(subnet);
                !made.nodes.iter().any(here)
            })
            .map(|subnet| subnet.value.as_str())
            .collect();
        if !waiting.is_empty() {
            let what = format!("it may take addresses in {} too", waiting.join(", "));
            let at = made.span.0;
            self.gap(object, &what, at, false);
        }
    }

    fn listeners(&mut self, balancer: Object<'_>, made: &mut LoadBalancer, object: &str) {
        let listeners = balancer.objects("listeners");
        let names: Vec<_> =
            listeners.iter().map(|listener| (None, listener_name(*listener))).collect();
        for (listener, key) in listeners.iter().zip(unique(&names)) {
            let at = listener.span();
            let protocol = listener.str("protocol").unwrap_or("tcp");
            let Some(port) = listener.port("port").or_else(|| listener.port("port_min")) else {
                self.gap(object, "a listener without a port is left out", at, true);
                continue;
            };
            let last = listener.port("port_max").map_or(port.value, |max| max.value);
            let ports = PortRange::new(port.value, last).unwrap_or(PortRange::one(port.value));
            let on = Service::Ports { protocol: if protocol == "udp" { 17 } else { 6 }, ports };
            let mut to: Vec<Spanned<String>> = Vec::new();
            let default = listener.object("default_pool");
            let policies = listener.objects("policies");
            let targets = policies.iter().filter_map(|policy| policy.object("target"));
            for pool in default.into_iter().chain(targets) {
                let name = pool_key(balancer, pool);
                let known = name.filter(|name| made.backends.get(name).is_some());
                if let Some(name) = known.filter(|name| !to.iter().any(|own| own.value == *name)) {
                    to.push(Spanned::new(name, pool.span()));
                }
            }
            let tls = (protocol == "https").then(|| Spanned::new(true, at));
            // A listener that sends everybody elsewhere has no pool of its own.
            let redirects = to.is_empty() && listener.object("https_redirect").is_some();
            let answers = redirects.then(|| Spanned::new(true, at));
            let on = Spanned::new(on, port.span);
            let row = Listener { on, to, tls, answers, span: at.into() };
            made.listeners.insert(Spanned::new(key, at), row);
        }
    }

    fn pools(&mut self, balancer: Object<'_>, vpc: &str, object: &str) -> Entries<BackendGroup> {
        let mut groups = Entries::default();
        for pool in balancer.objects("pools") {
            let Some(key) = pool_key(balancer, pool) else { continue };
            let mut group = BackendGroup {
                id: pool.identity(),
                health_check: pool.object("health_monitor").map(health_check),
                span: pool.span().into(),
                ..BackendGroup::default()
            };
            for member in pool.objects("members") {
                let made = self.member(member, vpc, object);
                if made.is_none() {
                    let what = "a member is not in the export".to_owned();
                    group.incomplete = Some(Spanned::new(what, member.span()));
                }
                group.targets.extend(made);
            }
            groups.insert(pool.key(&key), group);
        }
        groups
    }

    fn member(&mut self, member: Object<'_>, vpc: &str, object: &str) -> Option<Backend> {
        let at = member.span();
        let target = member.object("target");
        let address = target.and_then(|target| target.address("address"));
        let holder = match address {
            Some(address) => self.holder(vpc, address.value),
            None => target.and_then(|target| {
                let same = |id: &Option<Spanned<String>>| {
                    id.as_ref().is_some_and(|id| target.identities().any(|own| own == id.value))
                };
                let found = self.description.instances.iter().find(|(_, one)| same(&one.id))?;
                Some(found.0.value.clone())
            }),
        };
        let Some(holder) = holder else {
            let who =
                address.map_or_else(|| "a member".to_owned(), |address| address.value.to_string());
            self.gap(
                object,
                &format!("{who} of a pool is not in the export: it is left out"),
                at,
                false,
            );
            return None;
        };
        let target = if holder.contains('/') && self.description.instances.get(&holder).is_none() {
            EndpointRef::Name(holder)
        } else {
            EndpointRef::Kind(EndpointKind::Instance, holder)
        };
        Some(Backend {
            target: Spanned::new(target, at),
            port: member.port("port"),
            healthy: member.text("health").and_then(|health| match health.value.as_str() {
                "ok" => Some(Spanned::new(true, health.span)),
                "faulted" => Some(Spanned::new(false, health.span)),
                _ => None,
            }),
            span: at.into(),
            ..Backend::default()
        })
    }

    /// The machine that has an address: in the balancer's VPC, else in the only other one that has it.
    fn holder(&self, vpc: &str, address: IpAddr) -> Option<String> {
        if let Some(own) = self.machine_at(vpc, address) {
            return Some(own);
        }
        let vpcs = self.export.all("vpcs");
        let mut others: Vec<String> = vpcs
            .into_iter()
            .filter_map(|vpc| self.machine_at(self.catalog.vpc(vpc)?, address))
            .collect();
        if others.len() == 1 { others.pop() } else { None }
    }
}

fn listener_name(listener: Object<'_>) -> String {
    let port = listener.str("port").or_else(|| listener.str("port_min")).unwrap_or("any");
    format!("{}-{port}", listener.str("protocol").unwrap_or("tcp"))
}

/// Key of a pool that a reference names, among the pools of its balancer.
fn pool_key(balancer: Object<'_>, pool: Object<'_>) -> Option<String> {
    let pools = balancer.objects("pools");
    let at = pools.iter().position(|own| own.same(pool))?;
    let names: Vec<_> = pools.iter().map(|pool| (None, pool.name())).collect();
    unique(&names).into_iter().nth(at)
}

fn health_check(monitor: Object<'_>) -> HealthCheck {
    let seconds =
        |field: &str| monitor.number(field).map(|seconds| seconds.map(Duration::from_secs));
    let protocol = monitor.str("type").unwrap_or("tcp");
    HealthCheck {
        port: monitor.port("port").map(|port| {
            port.map(|port| if protocol == "udp" { Service::udp(port) } else { Service::tcp(port) })
        }),
        path: monitor.text("url_path"),
        interval: seconds("delay"),
        timeout: seconds("timeout"),
        unhealthy_threshold: monitor
            .number("max_retries")
            .and_then(|n| u32::try_from(n.value).ok().map(|value| Spanned::new(value, n.span))),
        span: monitor.span().into(),
        ..HealthCheck::default()
    }
}
