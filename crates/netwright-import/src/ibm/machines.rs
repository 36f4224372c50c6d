//! Virtual servers, bare metal servers, workers of managed clusters, and reserved addresses with nothing described behind them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::language::{Attachment, Instance, InstanceKind, Interface};
use netwright_model::source::Spanned;

use super::Import;
use super::catalog::unique;
use super::interfaces::Found;
use super::read::Object;

impl<'e> Import<'e> {
    pub(super) fn machines(&mut self) {
        let mut servers = self.export.all("instances");
        servers.extend(self.export.all("bare_metal_servers"));
        let mut names: Vec<(Option<String>, String)> = servers
            .iter()
            .map(|server| (self.catalog.vpc_of(*server).map(str::to_owned), server.name()))
            .collect();
        // Virtual network interfaces of something else (a file share's mount target) are machines of their own.
        let others = self.other_interfaces(&servers);
        names.extend(
            others.iter().map(|one| (self.catalog.vpc_of(*one).map(str::to_owned), one.name())),
        );
        let keys = unique(&names);
        for (server, key) in servers.iter().zip(&keys) {
            self.server(*server, key);
        }
        for (one, key) in others.into_iter().zip(&keys[servers.len()..]) {
            let found = self.interface(one, &format!("instance:{key}"));
            let Some(found) = found else { continue };
            let mut instance = only(one, found);
            instance.kind = Some(Spanned::new(InstanceKind::ManagedInterface, one.span()));
            self.description.instances.insert(one.key(key), instance);
        }
    }

    fn other_interfaces(&self, servers: &[Object<'_>]) -> Vec<Object<'e>> {
        let nics: Vec<Object<'_>> = servers
            .iter()
            .flat_map(|server| {
                let mut nics = server.objects("network_interfaces");
                nics.extend(server.objects("network_attachments"));
                nics
            })
            .collect();
        let behind_server = |one: &Object<'_>| {
            let target = one.object("target");
            nics.iter().any(|nic| {
                let named = nic.object("virtual_network_interface");
                target.is_some_and(|target| target.same(*nic))
                    || named.is_some_and(|own| own.same(*one))
            })
        };
        let all = self.export.all("virtual_nis").into_iter();
        all.filter(|one| one.object("target").is_some() && !behind_server(one)).collect()
    }

    fn server(&mut self, server: Object<'_>, key: &str) {
        let object = format!("instance:{key}");
        let mut nics = server.objects("network_interfaces");
        if nics.is_empty() {
            nics = server.objects("network_attachments");
        }
        let mut found: Vec<Found> = Vec::new();
        for nic in nics {
            found.extend(self.interface(nic, &object));
        }
        let instance = match found.len() {
            0 => {
                self.gap(&object, "it has no interface that could be read", server.span(), true);
                return;
            }
            1 => found.pop().map(|found| only(server, found)).unwrap_or_default(),
            _ => several(server, found),
        };
        let instance = Instance { running: stopped(server), ..instance };
        self.description.instances.insert(server.key(key), instance);
    }

    pub(super) fn clusters(&mut self) {
        let mut workers: Vec<(Option<Object<'_>>, Object<'_>)> = Vec::new();
        for cluster in self.export.all("iks_clusters") {
            let mut listed = cluster.objects("WorkerNodes");
            listed.extend(cluster.objects("worker_nodes"));
            workers.extend(listed.into_iter().map(|worker| (Some(cluster), worker)));
        }
        workers
            .extend(self.export.all("iks_worker_nodes").into_iter().map(|worker| (None, worker)));
        let mut names: Vec<(Option<String>, String)> =
            self.description.instances.iter().map(|(name, _)| (None, name.value.clone())).collect();
        let known = names.len();
        names.extend(workers.iter().map(|(_, worker)| (None, worker.name())));
        let keys = unique(&names);
        for ((cluster, worker), key) in workers.into_iter().zip(&keys[known..]) {
            self.worker(cluster, worker, key);
        }
    }

    fn worker(&mut self, cluster: Option<Object<'_>>, worker: Object<'_>, key: &str) {
        let object = format!("instance:{key}");
        let at = worker.span();
        let state = worker.object("lifecycle").and_then(|lifecycle| lifecycle.str("actualState"));
        if state == Some("deleted") {
            self.notes.push(format!("worker {key} is deleted and was left out"));
            return;
        }
        let mut nics = worker.objects("networkInterfaces");
        nics.extend(worker.objects("network_interfaces"));
        let mut made = Instance {
            id: worker.identity(),
            kind: Some(Spanned::new(InstanceKind::ClusterNode, at)),
            span: at.into(),
            ..Instance::default()
        };
        for nic in nics {
            let subnet = nic.str("subnetID").and_then(|id| self.catalog.subnet_by_id(id)).cloned();
            let (Some(subnet), Some(address)) = (subnet, self.address(nic, "ipAddress", &object))
            else {
                self.gap(
                    &object,
                    "an interface in a subnet that is not in the export",
                    nic.span(),
                    true,
                );
                continue;
            };
            if !subnet.cidr.contains(address.value) {
                self.gap(&object, "its address does not lie in its subnet", nic.span(), true);
                continue;
            }
            let interface = Interface {
                subnet: Some(Spanned::new(subnet.reference(), nic.span())),
                addresses: vec![address],
                filters: self.worker_groups(cluster, &subnet.vpc, &object, worker),
                span: nic.span().into(),
                ..Interface::default()
            };
            if made.subnet.is_none() {
                made.subnet = interface.subnet;
                made.addresses = interface.addresses;
                made.filters = interface.filters;
            } else {
                let name = format!("eth{}", made.interfaces.len() + 1);
                made.interfaces.insert(Spanned::new(name, nic.span()), interface);
            }
        }
        if made.subnet.is_some() {
            self.description.instances.insert(worker.key(key), made);
        }
    }

    /// Security groups of a worker. The provider attaches the VPC's default group and one called `kube-` and the cluster's
    /// identifier; the export shows neither, because workers belong to the provider's account.
    fn worker_groups(
        &mut self,
        cluster: Option<Object<'_>>,
        vpc: &str,
        object: &str,
        worker: Object<'_>,
    ) -> Vec<Spanned<String>> {
        let at = worker.span();
        let home = self.export.all("vpcs").into_iter().find(|v| self.catalog.vpc(*v) == Some(vpc));
        let default = home
            .and_then(|home| home.object("default_security_group"))
            .and_then(|group| self.catalog.filter(group));
        let own_name = cluster.and_then(|cluster| cluster.str("id")).map(|id| format!("kube-{id}"));
        let own = self
            .export
            .all("security_groups")
            .into_iter()
            .filter(|group| self.catalog.vpc_of(*group) == Some(vpc))
            .find(|group| Some(group.name()) == own_name)
            .and_then(|group| self.catalog.filter(group));
        let found: Vec<Spanned<String>> =
            default.into_iter().chain(own).map(|key| Spanned::new(key.to_owned(), at)).collect();
        if found.is_empty() {
            let what = "the security groups of its cluster are not in the export";
            return vec![self.unknown_filter(object, what, at, Attachment::Interface)];
        }
        let names: Vec<&str> = found.iter().map(|group| group.value.as_str()).collect();
        let what = format!(
            "the export does not say which security groups a cluster's worker has: taken to be {}",
            names.join(" and ")
        );
        self.gap(object, &what, at, false);
        found
    }

    /// Addresses that something holds which the export does not describe.
    pub(super) fn reserved_addresses(&mut self) {
        let described = self.described_addresses();
        let mut found = Vec::new();
        for subnet in self.export.all("subnets") {
            let Some(known) = self.catalog.subnet(subnet).cloned() else { continue };
            for ip in subnet.objects("reserved_ips") {
                let (Some(target), Some(address)) = (ip.object("target"), ip.address("address"))
                else {
                    continue;
                };
                let inside = known.cidr.contains(address.value);
                if inside && !described.contains(&(known.reference(), address.value)) {
                    found.push((known.clone(), ip, target, address));
                }
            }
        }
        let mut names: Vec<(Option<String>, String)> =
            self.description.instances.iter().map(|(name, _)| (None, name.value.clone())).collect();
        let taken = names.len();
        names.extend(found.iter().map(|(known, ip, ..)| (Some(known.vpc.clone()), ip.name())));
        let keys = unique(&names);
        for ((known, ip, target, address), key) in found.into_iter().zip(&keys[taken..]) {
            let kind = target.str("resource_type").unwrap_or("something").replace('_', " ");
            let what =
                format!("{} is taken by a {kind} that the export does not describe", address.value);
            let groups = self.unknown_filter(
                &format!("instance:{key}"),
                &what,
                ip.span(),
                Attachment::Interface,
            );
            let instance = Instance {
                id: ip.identity(),
                kind: Some(Spanned::new(InstanceKind::ReservedAddress, ip.span())),
                subnet: Some(Spanned::new(known.reference(), ip.span())),
                addresses: vec![address],
                filters: vec![groups],
                span: ip.span().into(),
                ..Instance::default()
            };
            self.description.instances.insert(ip.key(key), instance);
        }
    }

    fn described_addresses(&self) -> BTreeSet<(String, IpAddr)> {
        let mut all = BTreeSet::new();
        let mut add = |subnet: &Option<Spanned<String>>, addresses: &[Spanned<IpAddr>]| {
            if let Some(subnet) = subnet {
                all.extend(addresses.iter().map(|address| (subnet.value.clone(), address.value)));
            }
        };
        for (_, instance) in self.description.instances.iter() {
            add(&instance.subnet, &instance.addresses);
            for (_, interface) in instance.interfaces.iter() {
                add(&interface.subnet, &interface.addresses);
            }
        }
        let endpoints = self.description.private_endpoints.iter().map(|(_, one)| &one.interfaces);
        let balancers = self.description.load_balancers.iter().map(|(_, one)| &one.nodes);
        for (_, interface) in endpoints.chain(balancers).flat_map(|interfaces| interfaces.iter()) {
            add(&interface.subnet, &interface.addresses);
        }
        all
    }
}

/// A machine with one interface, whose fields stand in the machine.
fn only(server: Object<'_>, found: Found) -> Instance {
    let interface = found.interface;
    Instance {
        id: server.identity(),
        subnet: interface.subnet,
        addresses: interface.addresses,
        public_address: interface.public_address,
        filters: interface.filters,
        forwards: interface.forwards,
        span: server.span().into(),
        ..Instance::default()
    }
}

fn several(server: Object<'_>, found: Vec<Found>) -> Instance {
    let names: Vec<_> = found.iter().map(|found| (None, found.name.value.clone())).collect();
    let keys = unique(&names);
    let interfaces = found
        .into_iter()
        .zip(keys)
        .map(|(found, key)| (Spanned::new(key, found.name.span), found.interface))
        .collect();
    Instance {
        id: server.identity(),
        interfaces,
        span: server.span().into(),
        ..Instance::default()
    }
}

/// Whether a server is said to be off.
fn stopped(server: Object<'_>) -> Option<Spanned<bool>> {
    let status = server.text("status")?;
    let off = matches!(
        status.value.as_str(),
        "stopped" | "stopping" | "failed" | "paused" | "pausing" | "deleting" | "deleted"
    );
    off.then(|| Spanned::new(false, status.span))
}
