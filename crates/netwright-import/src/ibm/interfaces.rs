//! What is attached to an interface from the other side: security groups by their targets, floating IPs by theirs, and the
//! virtual network interfaces that attachments of a server stand for.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netwright_model::language::{Attachment, Interface};
use netwright_model::source::Spanned;

use super::Import;
use super::catalog::Catalog;
use super::read::{Export, Object};

/// Security groups and floating IPs by the identity of what they are attached to.
#[derive(Debug, Default)]
pub(super) struct Attached {
    groups: BTreeMap<String, Vec<Spanned<String>>>,
    public: BTreeMap<String, Vec<Spanned<IpAddr>>>,
}

impl Attached {
    pub(super) fn of(export: &Export<'_>, catalog: &Catalog) -> Self {
        let mut attached = Self::default();
        for group in export.all("security_groups") {
            let Some(key) = catalog.filter(group) else { continue };
            for target in group.objects("targets") {
                for id in target.identities() {
                    let groups = attached.groups.entry(id.to_owned()).or_default();
                    groups.push(Spanned::new(key.to_owned(), target.span()));
                }
            }
        }
        for address in export.all("floating_ips") {
            let (Some(target), Some(public)) =
                (address.object("target"), address.address("address"))
            else {
                continue;
            };
            for id in target.identities() {
                attached.public.entry(id.to_owned()).or_default().push(public);
            }
        }
        attached
    }
}

/// An interface that the description does not hold yet.
pub(super) struct Found {
    pub(super) name: Spanned<String>,
    pub(super) interface: Interface,
}

impl<'e> Import<'e> {
    /// Security groups of an object: those it names and those that name it.
    pub(super) fn groups_of(&mut self, objects: &[Object<'_>], name: &str) -> Vec<Spanned<String>> {
        let mut groups: Vec<Spanned<String>> = Vec::new();
        let mut missing = Vec::new();
        for object in objects {
            let (named, unknown) = self.catalog.filters_of(&object.objects("security_groups"));
            let targeted = object.identities().filter_map(|id| self.attached.groups.get(id));
            for group in named.into_iter().chain(targeted.flatten().cloned()) {
                if !groups.contains(&group) {
                    groups.push(group);
                }
            }
            missing.extend(unknown);
        }
        let at = objects.first().map(|object| object.span()).unwrap_or_default();
        if !missing.is_empty() {
            let what =
                format!("security groups that are not in the export: {}", missing.join(", "));
            groups.push(self.unknown_filter(name, &what, at, Attachment::Interface));
        } else if groups.is_empty() {
            let what = "the export names no security group of it";
            groups.push(self.unknown_filter(name, what, at, Attachment::Interface));
        }
        groups
    }

    fn public_of(&self, objects: &[Object<'_>]) -> Vec<Spanned<IpAddr>> {
        let mut public: Vec<Spanned<IpAddr>> = Vec::new();
        for object in objects {
            let named =
                object.objects("floating_ips").into_iter().filter_map(|ip| ip.address("address"));
            let targeted = object.identities().filter_map(|id| self.attached.public.get(id));
            for address in named.chain(targeted.flatten().copied()) {
                if !public.contains(&address) {
                    public.push(address);
                }
            }
        }
        public
    }

    /// An interface of a server: one of its `network_interfaces`, or of its `network_attachments` where it has only those. `object`
    /// names it in gaps.
    pub(super) fn interface(&mut self, nic: Object<'_>, object: &str) -> Option<Found> {
        let virtual_one = self.virtual_interface(nic);
        let parts: Vec<Object<'_>> = [Some(nic), virtual_one].into_iter().flatten().collect();
        let at = nic.span();
        let subnet = parts.iter().find_map(|part| part.object("subnet"));
        let Some((known, place)) =
            subnet.and_then(|subnet| Some((self.catalog.subnet(subnet)?.clone(), subnet.span())))
        else {
            let what = "its subnet is not in the export: it is left out";
            self.gap(object, what, at, true);
            return None;
        };
        let mut interface = Interface {
            id: parts.iter().rev().find_map(|part| part.identity()),
            subnet: Some(Spanned::new(known.reference(), place)),
            filters: self.groups_of(&parts, object),
            public_address: self.public_of(&parts),
            forwards: parts
                .iter()
                .find_map(|part| part.flag("allow_ip_spoofing").filter(|flag| flag.value)),
            span: at.into(),
            ..Interface::default()
        };
        for part in &parts {
            let listed = part.objects("ips");
            for ip in part.object("primary_ip").into_iter().chain(listed) {
                if let Some(address) = self.address(ip, "address", object)
                    && !interface.addresses.contains(&address)
                {
                    interface.addresses.push(address);
                }
            }
        }
        self.outside_subnet(&known, &mut interface, object);
        if interface.addresses.is_empty() {
            self.gap(
                object,
                "the export gives it no address in its subnet: it is left out",
                at,
                true,
            );
            return None;
        }
        Some(Found { name: nic.key(&nic.name()), interface })
    }

    /// Leaves out addresses that do not lie in the subnet.
    fn outside_subnet(
        &mut self,
        subnet: &super::catalog::KnownSubnet,
        interface: &mut Interface,
        object: &str,
    ) {
        let cidr = subnet.cidr;
        let (inside, outside) = std::mem::take(&mut interface.addresses)
            .into_iter()
            .partition(|a| cidr.contains(a.value));
        interface.addresses = inside;
        let outside: Vec<Spanned<IpAddr>> = outside;
        for address in outside {
            let what = format!("{} does not lie in its subnet {cidr}", address.value);
            self.gap(object, &what, address.span, true);
        }
    }

    /// The virtual network interface behind an attachment.
    fn virtual_interface(&self, nic: Object<'_>) -> Option<Object<'e>> {
        self.export.all("virtual_nis").into_iter().find(|virtual_one| {
            let targets = virtual_one.object("target").is_some_and(|target| target.same(nic));
            let named =
                nic.object("virtual_network_interface").is_some_and(|own| own.same(*virtual_one));
            targets || named
        })
    }

    /// The machine in a VPC that has an address, as a route names it.
    pub(super) fn machine_at(&self, vpc: &str, address: IpAddr) -> Option<String> {
        let holds = |subnet: Option<&Spanned<String>>, addresses: &[Spanned<IpAddr>]| {
            let within =
                subnet.is_some_and(|s| s.value.rsplit_once('/').is_some_and(|(own, _)| own == vpc));
            within && addresses.iter().any(|own| own.value == address)
        };
        self.description.instances.iter().find_map(|(name, instance)| {
            if holds(instance.subnet.as_ref(), &instance.addresses) {
                return Some(name.value.clone());
            }
            let (key, _) =
                instance.interfaces.iter().find(|(_, i)| holds(i.subnet.as_ref(), &i.addresses))?;
            Some(format!("{}/{}", name.value, key.value))
        })
    }
}
