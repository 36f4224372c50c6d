//! Who is who: the keys under which objects of the export enter the description.
//!
//! An export names an object by `crn`, `id` or `href`, not always by all three. Names are unique only inside a VPC,
//! sometimes not even there: a key is the name where that is unique, else `vpc/name`, else that with a number.

use std::collections::{BTreeMap, BTreeSet};

use netwright_model::scalar::Prefix;
use netwright_model::source::Spanned;

use super::read::{Export, Object};

/// A subnet as others refer to it.
#[derive(Debug, Clone)]
pub(super) struct KnownSubnet {
    /// Key of its VPC.
    pub(super) vpc: String,
    /// Key inside the VPC.
    pub(super) key: String,
    pub(super) cidr: Prefix,
    pub(super) zone: Option<String>,
}

impl KnownSubnet {
    pub(super) fn reference(&self) -> String {
        format!("{}/{}", self.vpc, self.key)
    }
}

/// Keys by identity.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    vpcs: BTreeMap<String, String>,
    filters: BTreeMap<String, String>,
    subnets: Vec<KnownSubnet>,
    subnet_ids: BTreeMap<String, usize>,
}

impl Catalog {
    pub(super) fn of(export: &Export<'_>) -> Self {
        let mut catalog = Self::default();
        let vpcs = export.all("vpcs");
        let names: Vec<_> = vpcs.iter().map(|vpc| (None, vpc.name())).collect();
        for (vpc, key) in vpcs.iter().zip(unique(&names)) {
            catalog.vpcs.extend(vpc.identities().map(|id| (id.to_owned(), key.clone())));
        }
        let mut filters = export.all("network_acls");
        filters.extend(export.all("security_groups"));
        for (filter, key) in filters.iter().zip(catalog.scoped(&filters)) {
            catalog.filters.extend(filter.identities().map(|id| (id.to_owned(), key.clone())));
        }
        catalog.add_subnets(&export.all("subnets"));
        catalog
    }

    fn add_subnets(&mut self, subnets: &[Object<'_>]) {
        let mut placed: BTreeMap<String, Vec<Object<'_>>> = BTreeMap::new();
        for subnet in subnets {
            if subnet.prefix("ipv4_cidr_block").is_none() {
                continue;
            }
            if let Some(vpc) = self.vpc_of(*subnet) {
                placed.entry(vpc.to_owned()).or_default().push(*subnet);
            }
        }
        for (vpc, subnets) in placed {
            let names: Vec<_> = subnets.iter().map(|subnet| (None, subnet.name())).collect();
            for (subnet, key) in subnets.iter().zip(unique(&names)) {
                let Some(cidr) = subnet.prefix("ipv4_cidr_block") else { continue };
                let at = self.subnets.len();
                self.subnet_ids.extend(subnet.identities().map(|id| (id.to_owned(), at)));
                self.subnets.push(KnownSubnet {
                    vpc: vpc.clone(),
                    key,
                    cidr: cidr.value,
                    zone: subnet.object("zone").map(Object::name),
                });
            }
        }
    }

    /// Keys of objects that belong to VPCs.
    pub(super) fn scoped(&self, objects: &[Object<'_>]) -> Vec<String> {
        let names: Vec<_> = objects
            .iter()
            .map(|object| (self.vpc_of(*object).map(str::to_owned), object.name()))
            .collect();
        unique(&names)
    }

    /// Key of the VPC that an object says it belongs to.
    pub(super) fn vpc_of(&self, object: Object<'_>) -> Option<&str> {
        self.vpc(object.object("vpc")?)
    }

    /// Key of a VPC from a reference to it.
    pub(super) fn vpc(&self, reference: Object<'_>) -> Option<&str> {
        reference.identities().find_map(|id| self.vpcs.get(id)).map(String::as_str)
    }

    pub(super) fn vpc_by_id(&self, id: &str) -> Option<&str> {
        self.vpcs.get(id).map(String::as_str)
    }

    pub(super) fn vpc_reference(&self, reference: Object<'_>) -> Option<Spanned<String>> {
        self.vpc(reference).map(|key| Spanned::new(key.to_owned(), reference.span()))
    }

    pub(super) fn filter(&self, reference: Object<'_>) -> Option<&str> {
        reference.identities().find_map(|id| self.filters.get(id)).map(String::as_str)
    }

    pub(super) fn subnet(&self, reference: Object<'_>) -> Option<&KnownSubnet> {
        reference.identities().find_map(|id| self.subnet_by_id(id))
    }

    pub(super) fn subnet_by_id(&self, id: &str) -> Option<&KnownSubnet> {
        self.subnet_ids.get(id).map(|at| &self.subnets[*at])
    }

    /// The subnet of a VPC that holds an address.
    pub(super) fn subnet_at(&self, vpc: &str, address: std::net::IpAddr) -> Option<&KnownSubnet> {
        self.subnets
            .iter()
            .filter(|subnet| subnet.vpc == vpc)
            .find(|subnet| subnet.cidr.contains(address))
    }
}

/// Keys for names: the name alone where it is unique, else with its scope, else numbered.
pub(super) fn unique(names: &[(Option<String>, String)]) -> Vec<String> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, name) in names {
        *seen.entry(name).or_default() += 1;
    }
    let mut taken = BTreeSet::new();
    let mut keys = Vec::new();
    for (scope, name) in names {
        let base = match scope {
            Some(scope) if seen[name.as_str()] > 1 => format!("{scope}/{name}"),
            _ => name.clone(),
        };
        let mut key = base.clone();
        let mut number = 1;
        while !taken.insert(key.clone()) {
            number += 1;
            key = format!("{base}-{number}");
        }
        keys.push(key);
    }
    keys
}

/// Objects in the order of their linked list: `before` names the object that follows. As listed where the links do not make
/// one chain of all.
pub(super) fn ordered<'a>(listed: &[Object<'a>]) -> Vec<Object<'a>> {
    let ids: Vec<Option<&str>> = listed.iter().map(|object| object.str("id")).collect();
    let next: Vec<Option<usize>> = listed
        .iter()
        .map(|object| {
            let before = match object.object("before") {
                Some(reference) => reference.str("id"),
                None => object.str("before"),
            }?;
            ids.iter().position(|id| *id == Some(before))
        })
        .collect();
    let first = (0..listed.len()).find(|at| !next.contains(&Some(*at)));
    let mut chain = Vec::new();
    let mut at = first;
    while let Some(position) = at.filter(|position| !chain.contains(position)) {
        chain.push(position);
        at = next[position];
    }
    if chain.len() == listed.len() {
        chain.into_iter().map(|position| listed[position]).collect()
    } else {
        listed.to_vec()
    }
}
