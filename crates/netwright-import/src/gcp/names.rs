//! Names that people recognise: the object's own where it is unique, then with its region or zone, then with its project.

use std::collections::BTreeMap;

use super::export::{Export, Object, segment};
use crate::access::Access;

/// Keys of the description by link.
#[derive(Debug, Default)]
pub(super) struct Names {
    networks: BTreeMap<String, String>,
    /// Key of the VPC, and of the subnet inside it.
    subnets: BTreeMap<String, (String, String)>,
    others: BTreeMap<String, String>,
}

/// Objects by link with the spellings of their names, the shortest first.
type Spellings = Vec<(String, Vec<String>)>;

impl Names {
    pub(super) fn of(export: &Export<'_>) -> Self {
        let mut networks: Spellings = Vec::new();
        let mut add = |link: &str| {
            if let Some(link) = super::export::path_of(link)
                && networks.iter().all(|(known, _)| *known != link)
            {
                let name = super::export::last(&link).to_owned();
                let project = segment(&link, "projects").unwrap_or("project");
                networks.push((link.clone(), vec![name.clone(), format!("{name}.{project}")]));
            }
        };
        for network in export.all("network") {
            if let Some(link) = network.node.word("selfLink") {
                add(link);
            }
        }
        for link in mentioned_networks(export) {
            add(&link);
        }
        let networks = choose(&networks);
        let mut names = Self { networks, ..Self::default() };
        names.add_subnets(export);
        for kinds in [
            &["instance"][..],
            &["router"],
            &["vpnTunnel", "interconnectAttachment"],
            &["address"],
            &["forwardingRule"],
            &["backendService"],
            &["connector"],
            &["runService", "function"],
            &["sqlInstance"],
            &["managedZone"],
            &["sslCertificate"],
        ] {
            let objects = kinds.iter().flat_map(|kind| export.all(kind));
            let spellings: Spellings = objects
                .filter_map(|object| Some((identity(*object)?, spellings(*object))))
                .collect();
            names.others.extend(choose(&spellings));
        }
        names
    }

    fn add_subnets(&mut self, export: &Export<'_>) {
        let mut by_network: BTreeMap<String, Spellings> = BTreeMap::new();
        for subnet in export.all("subnetwork") {
            let network = subnet.node.word("network").and_then(|link| self.network(link));
            if let (Some(network), Some(link)) = (network, subnet.link()) {
                by_network.entry(network.to_owned()).or_default().push((link, spellings(*subnet)));
            }
        }
        for (network, subnets) in by_network {
            for (link, key) in choose(&subnets) {
                self.subnets.insert(link, (network.clone(), key));
            }
        }
    }

    /// The key of a network by its link.
    pub(super) fn network(&self, link: &str) -> Option<&str> {
        self.networks.get(&super::export::path_of(link)?).map(String::as_str)
    }

    /// The key of a network given by its link, or by its name alone: then the one of that name in the same project, or the only one.
    pub(super) fn network_called(&self, word: &str, project: Option<&str>) -> Option<&str> {
        if word.contains('/') {
            return self.network(word);
        }
        let named = self.networks.iter().filter(|(link, _)| super::export::last(link) == word);
        let own = named.clone().find(|(link, _)| segment(link, "projects") == project);
        let mut all = named;
        let only = all.next().filter(|_| all.next().is_none());
        own.or(only).map(|(_, key)| key.as_str())
    }

    /// The keys of a subnet's VPC and of the subnet, given by the subnet's link, or by its name alone with what else is known.
    pub(super) fn subnet_called(
        &self,
        word: &str,
        region: Option<&str>,
        vpc: Option<&str>,
    ) -> Option<(&str, &str)> {
        if word.contains('/') {
            return self.subnet(word);
        }
        let mut fitting = self.subnets.iter().filter(|(link, (network, _))| {
            super::export::last(link) == word
                && region.is_none_or(|region| segment(link, "regions") == Some(region))
                && vpc.is_none_or(|vpc| vpc == network)
        });
        let (_, (network, key)) = fitting.next()?;
        fitting.next().is_none().then_some((network, key))
    }

    /// All networks by link.
    pub(super) fn networks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.networks.iter().map(|(link, key)| (link.as_str(), key.as_str()))
    }

    /// The keys of a subnet's VPC and of the subnet inside it.
    pub(super) fn subnet(&self, link: &str) -> Option<(&str, &str)> {
        let (network, key) = self.subnets.get(&super::export::path_of(link)?)?;
        Some((network, key))
    }

    /// A subnet that the export only mentions gets a key.
    pub(super) fn add_subnet(&mut self, link: &str, network: &str) -> Option<String> {
        let link = super::export::path_of(link)?;
        let (name, region) = (super::export::last(&link), segment(&link, "regions"));
        let taken = |key: &str| self.subnets.values().any(|(n, k)| n == network && k == key);
        let long = format!("{name}.{}", region.unwrap_or("unknown"));
        let key = if taken(name) { long } else { name.to_owned() };
        self.subnets.insert(link, (network.to_owned(), key.clone()));
        Some(key)
    }

    /// The key of another object.
    pub(super) fn key(&self, object: Object<'_>) -> String {
        let known = identity(object).and_then(|link| self.others.get(&link).cloned());
        known.unwrap_or_else(|| clean(object.name()))
    }
}

/// What tells an object from others: its link, or its identifier where it has none.
fn identity(object: Object<'_>) -> Option<String> {
    object.link().or_else(|| object.node.word("id").map(str::to_owned))
}

fn spellings(object: Object<'_>) -> Vec<String> {
    let name = clean(object.name());
    let link = object.link().unwrap_or_default();
    let places = ["zones", "regions", "locations"];
    let place = places.into_iter().find_map(|word| segment(&link, word));
    let mut spellings = vec![name.clone()];
    spellings.extend(place.map(|place| format!("{name}.{place}")));
    if let Some(project) = segment(&link, "projects") {
        let place = place.map_or_else(String::new, |place| format!("{place}."));
        spellings.push(format!("{name}.{place}{}", clean(project)));
    }
    spellings
}

/// Networks that other objects name.
fn mentioned_networks(export: &Export<'_>) -> Vec<String> {
    let mut links = Vec::new();
    for kind in [
        "subnetwork",
        "firewall",
        "route",
        "router",
        "targetVpnGateway",
        "vpnGateway",
        "forwardingRule",
    ] {
        links.extend(export.all(kind).iter().filter_map(|o| o.node.word("network")));
    }
    for effective in export.all("effectiveFirewalls") {
        links.extend(effective.node.list("firewalls").iter().filter_map(|f| f.word("network")));
    }
    for database in export.all("sqlInstance") {
        let settings = database.node.get("settings").and_then(|s| s.get("ipConfiguration"));
        links.extend(settings.and_then(|ip| ip.word("privateNetwork")));
    }
    for instance in export.all("instance") {
        let interfaces = instance.node.list("networkInterfaces").iter();
        links.extend(interfaces.filter_map(|interface| interface.word("network")));
    }
    links.into_iter().map(str::to_owned).collect()
}

/// For each object the shortest spelling that no other has in the same length; numbered where even the longest is not enough.
fn choose(objects: &Spellings) -> BTreeMap<String, String> {
    let mut chosen: BTreeMap<String, String> = BTreeMap::new();
    let longest = objects.iter().map(|(_, spellings)| spellings.len()).max().unwrap_or(0);
    let mut taken: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();
    for length in 0..longest {
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        let open = |link: &String| !chosen.contains_key(link);
        for (_, spellings) in objects.iter().filter(|(link, _)| open(link)) {
            if let Some(spelling) = spellings.get(length) {
                *count.entry(spelling).or_default() += 1;
            }
        }
        let now: Vec<(String, String)> = objects
            .iter()
            .filter(|(link, _)| open(link))
            .filter_map(|(link, spellings)| Some((link.clone(), spellings.get(length)?.clone())))
            .filter(|(_, spelling)| {
                count.get(spelling.as_str()) == Some(&1) && !taken.contains(spelling)
            })
            .collect();
        for (link, spelling) in now {
            taken.insert(spelling.clone());
            chosen.insert(link, spelling);
        }
    }
    for (link, spellings) in objects {
        if chosen.contains_key(link) {
            continue;
        }
        let base = spellings.last().cloned().unwrap_or_default();
        let numbered = (1..).map(|number| format!("{base}.{number}"));
        if let Some(free) =
            std::iter::once(base.clone()).chain(numbered).find(|n| !taken.contains(n))
        {
            taken.insert(free.clone());
            chosen.insert(link.clone(), free);
        }
    }
    chosen
}

/// A name without characters that have a meaning in references.
pub(super) fn clean(name: &str) -> String {
    let special = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    let name: String = name.chars().map(|c| if special(c) { '-' } else { c }).collect();
    match name.as_str() {
        "" => "unnamed".to_owned(),
        "internet" | "any" => format!("{name}-"),
        _ => name,
    }
}
