//! The objects of an export by kind, whatever lists and files they stand in.
//!
//! An object says what it is by its `kind` (`compute#subnetwork`), by its own link (`…/regions/r/subnetworks/s`), or by the list
//! that holds it. Lists come as the APIs answer (`{"kind": "compute#instanceList", "items": […]}`, aggregated ones by zone and region),
//! and as `gcloud` prints them, bare.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use netwright_model::source::{Span, Spanned};
use netwright_model::tree::{Kind, Node};

use crate::Document;
use crate::access::Access;

/// Kinds that the importer reads.
const READ: [&str; 40] = [
    "network",
    "subnetwork",
    "firewall",
    "firewallPolicy",
    "route",
    "policyBasedRoute",
    "router",
    "routerStatus",
    "address",
    "instance",
    "vpnTunnel",
    "targetVpnGateway",
    "vpnGateway",
    "interconnectAttachment",
    "effectiveFirewalls",
    "natIpInfo",
    "connector",
    "runService",
    "function",
    "sqlInstance",
    "forwardingRule",
    "backendService",
    "backendBucket",
    "backendHealth",
    "healthCheck",
    "httpHealthCheck",
    "httpsHealthCheck",
    "instanceGroup",
    "instanceGroupMembers",
    "networkEndpointGroup",
    "urlMap",
    "targetHttpProxy",
    "targetHttpsProxy",
    "targetSslProxy",
    "targetTcpProxy",
    "targetPool",
    "targetInstance",
    "sslCertificate",
    "managedZone",
    "resourceRecordSet",
];

/// Kinds that lead packets somewhere and are not represented, with words for them.
const LEAD_ELSEWHERE: [(&str, &str); 10] = [
    ("packetMirroring", "packet mirrors"),
    ("networkConnectivityHub", "hubs of Network Connectivity Center"),
    ("spoke", "spokes of Network Connectivity Center"),
    ("exchangedPeeringRoute", "routes that peerings exchange"),
    ("serviceAttachment", "published services of Private Service Connect"),
    ("externalVpnGateway", "gateways of the other side"),
    ("cluster", "ranges of clusters for pods and services, and what runs there,"),
    ("runJob", "jobs of Cloud Run"),
    ("runRevision", "single revisions of Cloud Run services"),
    ("unidentified", "objects that do not say what they are"),
];

/// Where the collections of links lead: the name of the collection, and the kind of its objects.
const COLLECTIONS: [(&str, &str); 41] = [
    ("networks", "network"),
    ("subnetworks", "subnetwork"),
    ("firewalls", "firewall"),
    ("firewallPolicies", "firewallPolicy"),
    ("routes", "route"),
    ("routers", "router"),
    ("addresses", "address"),
    ("instances", "instance"),
    ("vpnTunnels", "vpnTunnel"),
    ("targetVpnGateways", "targetVpnGateway"),
    ("vpnGateways", "vpnGateway"),
    ("externalVpnGateways", "externalVpnGateway"),
    ("interconnects", "interconnect"),
    ("interconnectAttachments", "interconnectAttachment"),
    ("forwardingRules", "forwardingRule"),
    ("backendServices", "backendService"),
    ("backendBuckets", "backendBucket"),
    ("healthChecks", "healthCheck"),
    ("httpHealthChecks", "httpHealthCheck"),
    ("httpsHealthChecks", "httpsHealthCheck"),
    ("instanceGroups", "instanceGroup"),
    ("instanceGroupManagers", "instanceGroupManager"),
    ("networkEndpointGroups", "networkEndpointGroup"),
    ("urlMaps", "urlMap"),
    ("targetHttpProxies", "targetHttpProxy"),
    ("targetHttpsProxies", "targetHttpsProxy"),
    ("targetSslProxies", "targetSslProxy"),
    ("targetTcpProxies", "targetTcpProxy"),
    ("targetPools", "targetPool"),
    ("targetInstances", "targetInstance"),
    ("sslCertificates", "sslCertificate"),
    ("packetMirrorings", "packetMirroring"),
    ("serviceAttachments", "serviceAttachment"),
    ("licenses", "license"),
    ("disks", "disk"),
    ("zones", "zone"),
    ("regions", "region"),
    ("connectors", "connector"),
    ("clusters", "cluster"),
    ("hubs", "networkConnectivityHub"),
    ("policyBasedRoutes", "policyBasedRoute"),
];

/// Keys under which the newer APIs' list calls answer.
const WRAPPERS: [&str; 7] =
    ["connectors", "services", "functions", "jobs", "managedZones", "rrsets", "policyBasedRoutes"];

/// What is said of kinds that lead packets elsewhere.
pub(super) fn leads_elsewhere(kind: &str) -> Option<&'static str> {
    LEAD_ELSEWHERE.iter().find(|(name, _)| *name == kind).map(|(_, what)| *what)
}

/// An object of the export, with its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) node: &'a Node,
    /// The file that it stands in: answers that name no object belong to what else its folder holds.
    file: &'a Path,
}

impl<'a> Object<'a> {
    pub(super) fn span(self) -> Span {
        self.node.span
    }

    /// Its name, or else what identifies it.
    pub(super) fn name(self) -> &'a str {
        let inside = self.node.get("metadata").and_then(|metadata| metadata.word("name"));
        let word = self.node.word("name").or(inside).or_else(|| self.node.word("id"));
        let word = word.unwrap_or("unnamed");
        word.rsplit('/').next().unwrap_or(word)
    }

    /// Its link without the service's address: `projects/p/global/networks/n`.
    pub(super) fn link(self) -> Option<String> {
        let named = || self.node.word("name").filter(|name| name.starts_with("projects/"));
        let own = self.node.word("selfLink").and_then(path_of);
        own.or_else(|| named().map(str::to_owned)).or_else(|| self.knative_link())
    }

    /// A link for objects of Cloud Run's first API, which name their project and region in their metadata.
    fn knative_link(self) -> Option<String> {
        let metadata = self.node.get("metadata")?;
        self.node.word("apiVersion")?;
        let (name, project) = (metadata.word("name")?, metadata.word("namespace")?);
        let labels = metadata.get("labels");
        let region = labels.and_then(|labels| labels.word("cloud.googleapis.com/location"));
        Some(format!("projects/{project}/locations/{}/services/{name}", region.unwrap_or("-")))
    }

    /// Its identifier in the description: its link without the service's address.
    pub(super) fn identifier(self) -> Option<Spanned<String>> {
        let link = self.link().map(|link| Spanned::new(link, self.node.span));
        link.or_else(|| self.node.text("id"))
    }

    /// The folder of its file.
    pub(super) fn folder(self) -> PathBuf {
        self.file.parent().map(Path::to_owned).unwrap_or_default()
    }
}

/// A link without the service's address and version, so that all spellings of one object are equal.
pub(super) fn path_of(link: &str) -> Option<String> {
    if let Some(at) = link.find("projects/") {
        return Some(link[at..].trim_end_matches('/').to_owned());
    }
    let organisation = ["folders/", "organizations/", "locations/global/firewallPolicies/"];
    let at = organisation.iter().find_map(|start| link.find(start))?;
    Some(link[at..].trim_end_matches('/').to_owned())
}

/// The part of a link after a word: `segment("projects/p/regions/r", "regions")` is `r`.
pub(super) fn segment<'a>(link: &'a str, word: &str) -> Option<&'a str> {
    let mut parts = link.split('/');
    parts.find(|part| *part == word)?;
    parts.next().filter(|part| !part.is_empty())
}

/// The last part of a link.
pub(super) fn last(link: &str) -> &str {
    link.trim_end_matches('/').rsplit('/').next().unwrap_or(link)
}

/// All objects of all documents.
#[derive(Debug)]
pub(super) struct Export<'a> {
    objects: BTreeMap<String, Vec<Object<'a>>>,
    /// Positions by link.
    links: BTreeMap<String, Object<'a>>,
}

impl<'a> Export<'a> {
    pub(super) fn of(documents: &'a [Document]) -> Self {
        let mut export = Self { objects: BTreeMap::new(), links: BTreeMap::new() };
        for document in documents {
            export.add(&document.root, &document.path, None);
        }
        for objects in export.objects.values_mut() {
            let mut seen = BTreeSet::new();
            // Lists of other zones may hold an object again under another link; its number and name say that it is the same.
            let mut numbers: BTreeSet<(&str, &str)> = BTreeSet::new();
            objects.retain(|object| {
                let id = object.node.word("id").filter(|id| id.bytes().all(|b| b.is_ascii_digit()));
                if let (Some(id), Some(name)) = (id, object.node.word("name"))
                    && !numbers.insert((id, name))
                {
                    return false;
                }
                let named =
                    object.node.word("name").is_some() || object.node.get("metadata").is_some();
                named.then(|| object.link()).flatten().is_none_or(|link| seen.insert(link))
            });
        }
        for (kind, objects) in &export.objects {
            if kind == "routerStatus" {
                continue;
            }
            for object in objects {
                if let Some(link) = object.link() {
                    export.links.entry(link).or_insert(*object);
                }
            }
        }
        export
    }

    /// Takes in a node: an object, a list of objects, or a wrapper around one.
    fn add(&mut self, node: &'a Node, file: &'a Path, listed: Option<&str>) {
        match &node.kind {
            Kind::Sequence(items) => {
                for item in items {
                    self.add(item, file, listed);
                }
            }
            Kind::Mapping(_) => self.add_mapping(node, file, listed),
            _ => {}
        }
    }

    fn add_mapping(&mut self, node: &'a Node, file: &'a Path, listed: Option<&str>) {
        let kind = node.word("kind").unwrap_or("");
        if is_effective(node) {
            self.push("effectiveFirewalls", node, file);
            return;
        }
        if kind.ends_with("#routerStatusResponse") {
            self.push("routerStatus", node, file);
            return;
        }
        if node.list("result").iter().any(|item| item.get("natIpInfoMappings").is_some()) {
            self.push("natIpInfo", node, file);
            return;
        }
        if kind.ends_with("#instanceGroupsListInstances") {
            self.push("instanceGroupMembers", node, file);
            return;
        }
        // The Cloud Asset inventory wraps each resource.
        if let Some(data) = node.get("resource").and_then(|resource| resource.get("data")) {
            self.add(data, file, listed);
            return;
        }
        if let Some(items) = node.get("items") {
            let list = kind.rsplit('#').next().unwrap_or("");
            let list = list.strip_suffix("List").unwrap_or(list);
            let list = list.strip_suffix("Aggregated").unwrap_or(list);
            let listed = Some(list).filter(|list| !list.is_empty()).or(listed);
            match &items.kind {
                Kind::Mapping(scopes) => {
                    for (_, scope) in scopes {
                        self.add_scope(scope, file, listed);
                    }
                }
                _ => self.add(items, file, listed),
            }
            return;
        }
        let mut wrapped = node.entries().iter().filter(|(key, _)| WRAPPERS.contains(&&*key.text));
        if node.get("name").is_none() && wrapped.clone().next().is_some() {
            wrapped.by_ref().for_each(|(_, list)| self.add(list, file, None));
            return;
        }
        if kind.ends_with("List") && node.get("name").is_none() {
            return;
        }
        match kind_of(node, listed) {
            Some(kind) => self.push(&kind, node, file),
            None if node.entries().is_empty() => {}
            None => self.push("unidentified", node, file),
        }
    }

    /// One zone or region of an aggregated list: a list under the collection's name, or a warning that there is none.
    fn add_scope(&mut self, scope: &'a Node, file: &'a Path, listed: Option<&str>) {
        for (key, list) in scope.entries() {
            if matches!(list.kind, Kind::Sequence(_)) {
                let collection = COLLECTIONS.iter().find(|(name, _)| **name == *key.text);
                self.add(list, file, collection.map(|(_, kind)| *kind).or(listed));
            }
        }
    }

    fn push(&mut self, kind: &str, node: &'a Node, file: &'a Path) {
        self.objects.entry(kind.to_owned()).or_default().push(Object { node, file });
    }

    /// The objects of a kind.
    pub(super) fn all(&self, kind: &str) -> &[Object<'a>] {
        self.objects.get(kind).map_or(&[], Vec::as_slice)
    }

    /// The object that a link leads to.
    pub(super) fn find(&self, link: &str) -> Option<Object<'a>> {
        self.links.get(&path_of(link)?).copied()
    }

    /// Where an object names a network first.
    pub(super) fn mention(&self, network: &str) -> Option<Span> {
        let names =
            |node: &Node| node.word("network").and_then(path_of).as_deref() == Some(network);
        self.objects.values().flatten().find_map(|object| {
            let own = Some(object.node).filter(|node| names(node));
            let mut inside = object.node.list("networkInterfaces").iter();
            own.or_else(|| inside.find(|node| names(node))).map(|node| node.span)
        })
    }

    /// Kinds that were not read, with their number and a place.
    pub(super) fn unread(&self) -> Vec<(String, usize, Span)> {
        self.objects
            .iter()
            .filter(|(kind, _)| !READ.contains(&kind.as_str()))
            .map(|(kind, objects)| {
                (kind.clone(), objects.len(), objects.first().map_or(Span::NONE, |o| o.span()))
            })
            .collect()
    }
}

/// What `getEffectiveFirewalls` answers.
fn is_effective(node: &Node) -> bool {
    let list = |key: &str| node.get(key).is_some_and(|n| matches!(n.kind, Kind::Sequence(_)));
    (list("firewalls") || list("firewallPolicys")) && node.get("name").is_none()
}

/// What an object is: by its own word, by its link, or by the list that holds it.
fn kind_of(node: &Node, listed: Option<&str>) -> Option<String> {
    let kind = node.word("kind").unwrap_or("");
    match kind.split_once('#') {
        Some(("compute" | "dns", kind)) => return Some(kind.to_owned()),
        Some(("sql", "instance")) => return Some("sqlInstance".to_owned()),
        Some(("sql", kind)) => return Some(kind.to_owned()),
        _ => {}
    }
    if let Some(kind) = serverless(node) {
        return Some(kind.to_owned());
    }
    if node.get("backend").is_some() && node.get("status").is_some() {
        return Some("backendHealth".to_owned());
    }
    if let Some(link) = node.word("selfLink")
        && link.contains("googleapis.com")
        && let Some(collection) = link.rsplit('/').nth(1)
        && let Some((_, kind)) = COLLECTIONS.iter().find(|(name, _)| *name == collection)
    {
        return Some((*kind).to_owned());
    }
    if node.get("peerIp").is_some() && node.get("localTrafficSelector").is_some() {
        return Some("vpnTunnel".to_owned());
    }
    listed.map(str::to_owned)
}

/// Kinds of the serverless products, whose objects are told by their version or by the path that is their name.
fn serverless(node: &Node) -> Option<&'static str> {
    if let Some(version) = node.word("apiVersion") {
        let ours = version.starts_with("serving.knative.dev/")
            || version.starts_with("run.googleapis.com/");
        return match node.word("kind").filter(|_| ours)? {
            "Service" => Some("runService"),
            "Revision" => Some("runRevision"),
            "Job" => Some("runJob"),
            _ => None,
        };
    }
    let name = node.word("name").filter(|name| name.starts_with("projects/"))?;
    if !name.contains("/locations/") {
        return None;
    }
    match name.rsplit('/').nth(1)? {
        "connectors" => Some("connector"),
        "functions" => Some("function"),
        "policyBasedRoutes" => Some("policyBasedRoute"),
        "services" if node.get("template").is_some() => Some("runService"),
        "jobs" if node.get("template").is_some() => Some("runJob"),
        _ => None,
    }
}

/// Whether a document holds anything of this provider.
pub(super) fn recognises(root: &Node) -> bool {
    match &root.kind {
        Kind::Sequence(items) => items.iter().take(8).any(recognises_object),
        Kind::Mapping(_) => {
            let inside = match root.get("items").map(|items| &items.kind) {
                Some(Kind::Sequence(items)) => items.iter().take(8).any(recognises_object),
                Some(Kind::Mapping(scopes)) => scopes.iter().take(64).any(|(_, scope)| {
                    let lists = scope.entries().iter().map(|(_, list)| list);
                    lists.flat_map(Node::items).take(8).any(recognises_object)
                }),
                _ => false,
            };
            let wrapped = WRAPPERS.iter().flat_map(|key| root.list(key)).take(8);
            inside
                || wrapped.into_iter().any(recognises_object)
                || recognises_object(root)
                || effective_of_google(root)
        }
        _ => false,
    }
}

/// Effective firewalls are told by a rule of theirs: other providers have lists of that name too.
fn effective_of_google(root: &Node) -> bool {
    let firewall = root.list("firewalls").iter().any(recognises_object);
    let policy = root.list("firewallPolicys").iter();
    let policy = policy.flat_map(|one| one.list("rules")).any(recognises_object);
    is_effective(root)
        && (firewall || policy || (root.list("firewalls").is_empty() && root.entries().len() <= 2))
}

fn recognises_object(node: &Node) -> bool {
    let kind = node.word("kind").unwrap_or("");
    let service = kind.split_once('#').map_or("", |(service, _)| service);
    let linked = |key: &str| node.word(key).is_some_and(|link| link.contains("googleapis.com/"));
    matches!(service, "compute" | "sql" | "dns")
        || serverless(node).is_some()
        || linked("backend")
        || linked("selfLink")
        || linked("network")
        || linked("router")
        || node.list("result").iter().any(|item| item.get("natIpInfoMappings").is_some())
        || node.get("resource").and_then(|r| r.get("data")).is_some_and(recognises_object)
}
