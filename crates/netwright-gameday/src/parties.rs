//! The endpoints of a network as a game day sees them: where each stands in the lab, its addresses, and the doors to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_dataplane::plan::{HostPlan, Role, endpoint, machine};
use netwright_model::language::EndpointKind;
use netwright_model::network::{EndpointId, Network};
use netwright_model::suggest::nearest;

/// Addresses of a range that are named one by one; larger ranges cannot be cut.
const RANGE: u32 = 256;

/// Where packets of an endpoint pass: the namespace next to it, and the link there that leads to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Door {
    /// The namespace next to it.
    pub namespace: String,
    /// The link's name there.
    pub link: String,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Its name.
    pub name: String,
    /// Its kind and name.
    pub full: String,
    /// Its namespaces in the lab; the first is where processes are looked for.
    pub namespaces: Vec<String>,
    /// Its own address that connections come from, where it has one.
    pub source: Option<IpAddr>,
    /// An address that the Internet knows it by, where it has one.
    pub public: Option<IpAddr>,
    /// It stands outside: what it connects to it knows by its public address, where there is one.
    pub outside: bool,
    /// Everything that others know it by.
    pub addresses: Vec<IpAddr>,
    /// The doors to it.
    pub doors: Vec<Door>,
    /// Links that carry its packets, by name.
    pub links: Vec<String>,
    /// TCP ports that it answers on.
    pub listens: Vec<u16>,
    /// Zones, regions, VPCs, subnets, groups and tags that it is of, as `kind:name`.
    pub memberships: BTreeSet<String>,
    /// Ranges of addresses that are too large to be named one by one.
    pub vague: bool,
}

/// All endpoints of a network that stand in a lab, sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parties(pub Vec<Party>);

/// Kinds that are no machines of their own.
fn is_party(kind: EndpointKind) -> bool {
    use EndpointKind as Kind;
    matches!(
        kind,
        Kind::Instance
            | Kind::Service
            | Kind::Database
            | Kind::External
            | Kind::LoadBalancer
            | Kind::Site
    )
}

impl Parties {
    /// Those of a network, in the lab that a plan makes.
    #[must_use]
    pub fn of(network: &Network, plan: &HostPlan) -> Self {
        let spaces: BTreeMap<&str, Role> =
            plan.namespaces.iter().map(|space| (space.name.as_str(), space.role)).collect();
        let ids = (0..network.endpoints.len()).map(EndpointId::at);
        let mut all: Vec<Party> = ids
            .filter(|id| is_party(network[*id].kind))
            .filter_map(|id| party(network, plan, &spaces, id))
            .collect();
        all.sort_by(|one, other| one.full.cmp(&other.full));
        Self(all)
    }

    /// The endpoints that a reference names, by their place.
    ///
    /// # Errors
    ///
    /// It names nothing: what may be meant.
    pub fn select(&self, wanted: &str) -> Result<Vec<usize>, Option<String>> {
        if matches!(wanted, "everything" | "all" | "*") {
            return Ok((0..self.0.len()).collect());
        }
        let of = |fits: &dyn Fn(&Party) -> bool| -> Vec<usize> {
            let all = self.0.iter().enumerate().filter(|(_, party)| fits(party));
            all.map(|(place, _)| place).collect()
        };
        let full = wanted.replacen(':', "/", 1);
        for found in [
            of(&|party| party.full == full),
            of(&|party| party.memberships.contains(wanted)),
            of(&|party| party.name == wanted),
        ] {
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let known = self.0.iter().flat_map(|party| {
            party.memberships.iter().map(String::as_str).chain([party.name.as_str()])
        });
        Err(nearest(wanted, known).map(str::to_owned))
    }

    /// The endpoint of a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Party> {
        let mut found = self.0.iter().filter(|party| {
            party.name == name || party.full == name || party.full.replacen('/', ":", 1) == name
        });
        found.next().filter(|_| found.next().is_none())
    }

    /// The address by which one endpoint connects to another.
    #[must_use]
    pub fn target(&self, from: usize, to: usize) -> Option<IpAddr> {
        let (from, to) = (self.0.get(from)?, self.0.get(to)?);
        let own = to.source.or_else(|| to.addresses.first().copied());
        if from.outside { to.public.or(own) } else { own }
    }

    /// An endpoint.
    #[must_use]
    pub fn name(&self, place: usize) -> &str {
        self.0.get(place).map_or("", |party| &party.name)
    }
}

fn party(
    network: &Network,
    plan: &HostPlan,
    spaces: &BTreeMap<&str, Role>,
    id: EndpointId,
) -> Option<Party> {
    let row = &network[id];
    let own = row.interfaces.iter().map(|interface| machine(network, *interface));
    let mut namespaces: Vec<String> = Vec::new();
    for name in own.chain([endpoint(network, id)]) {
        if spaces.contains_key(name.as_str()) && !namespaces.contains(&name) {
            namespaces.push(name);
        }
    }
    namespaces.first()?;
    let mut party = Party {
        name: row.name.clone(),
        full: format!("{}/{}", row.kind.word(), row.name),
        namespaces,
        source: None,
        public: row.public.first().copied(),
        outside: matches!(row.kind, EndpointKind::External),
        addresses: Vec::new(),
        doors: Vec::new(),
        links: Vec::new(),
        listens: listens(network, id),
        memberships: memberships(network, id),
        vague: false,
    };
    let mut addresses = BTreeSet::new();
    for interface in &row.interfaces {
        let own = &network[*interface];
        party.source = party.source.or_else(|| own.addresses.first().copied());
        party.public = party.public.or_else(|| own.public.first().copied());
        addresses.extend(own.addresses.iter().chain(&own.public).copied());
    }
    addresses.extend(row.public.iter().copied());
    for prefix in &row.prefixes {
        let size = if prefix.is_v4() { 32 } else { 128 } - prefix.length();
        if size > RANGE.trailing_zeros().try_into().unwrap_or(8) {
            party.vague = true;
            continue;
        }
        addresses.extend((0..1_u32 << size).filter_map(|host| prefix.host_at(host)));
        addresses.insert(prefix.first());
    }
    for space in plan.namespaces.iter().filter(|space| party.namespaces.contains(&space.name)) {
        let own = space.addresses.iter().map(|(_, address)| *address);
        let own: Vec<IpAddr> = own.filter(|address| !address.is_loopback()).collect();
        party.source = party.source.or_else(|| own.first().copied());
        if addresses.is_empty() {
            addresses.extend(own);
        }
    }
    party.addresses = addresses.into_iter().collect();
    doors(plan, &mut party);
    Some(party)
}

fn doors(plan: &HostPlan, party: &mut Party) {
    for link in &plan.links {
        for (own, other) in [(&link.a, &link.b), (&link.b, &link.a)] {
            let inside = |name: &String| party.namespaces.contains(name);
            if inside(&own.namespace) && !inside(&other.namespace) {
                party
                    .doors
                    .push(Door { namespace: other.namespace.clone(), link: other.name.clone() });
                party.links.push(link.name.clone());
            }
        }
    }
    party.doors.sort();
    party.links.sort();
}

fn listens(network: &Network, id: EndpointId) -> Vec<u16> {
    let services = network[id].listens.iter().flatten();
    let ports = services.filter(|service| service.protocol() == Some(6));
    let mut ports: Vec<u16> = ports.filter_map(|service| service.first_port()).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn memberships(network: &Network, id: EndpointId) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for interface in &network[id].interfaces {
        let row = &network[*interface];
        let subnet = &network[row.subnet];
        let vpc = &network[subnet.vpc];
        all.insert(format!("subnet:{}", subnet.name));
        if let Some((_, short)) = subnet.name.split_once('/') {
            all.insert(format!("subnet:{short}"));
        }
        all.insert(format!("vpc:{}", vpc.name));
        all.extend(subnet.zone.iter().map(|zone| format!("zone:{zone}")));
        let region = subnet.region.as_ref().or(vpc.region.as_ref());
        all.extend(region.map(|region| format!("region:{region}")));
        all.extend(row.tags.iter().map(|tag| format!("tag:{tag}")));
        all.extend(row.filters.iter().map(|filter| format!("group:{}", network[*filter].name)));
    }
    all
}
