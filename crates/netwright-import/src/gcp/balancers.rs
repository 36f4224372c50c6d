//! Load balancers: forwarding rules with what stands behind them. Rules that share an address are one balancer.
//!
//! A forwarding rule leads to a target proxy, which leads over a URL map to backend services; or straight to a backend service, a pool or an
//! instance. A rule of Private Service Connect is an endpoint of its network and no balancer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netwright_model::decode::Entries;
use netwright_model::language::{Interface, Listener, LoadBalancer, LoadBalancerKind, Scheme};
use netwright_model::scalar::{PortRange, Prefix, Scalar, Service, protocol_number};
use netwright_model::source::Spanned;
use netwright_model::tree::Node;

use super::Import;
use super::export::{Object, last};
use crate::access::Access;

/// What a target proxy leads to and shows.
#[derive(Debug, Default)]
struct Front {
    /// Links of backend services and buckets.
    backends: Vec<Spanned<String>>,
    certificates: Vec<Spanned<String>>,
    hosts: Vec<Spanned<String>>,
    tls: bool,
    /// Packets keep the client's address.
    passes_through: bool,
    /// It answers by itself: it redirects, or shows what lies in buckets.
    answers: bool,
}

/// Where probes of external balancers that pass packets on come from (load balancing, "Firewall rules").
const PASS_THROUGH_PROBES: [([u8; 4], u8); 3] =
    [([35, 191, 0, 0], 16), ([209, 85, 152, 0], 22), ([209, 85, 204, 0], 22)];

impl<'e> Import<'e> {
    pub(super) fn load_balancers(&mut self) {
        let mut together: Vec<(Option<IpAddr>, String, Vec<Object<'e>>)> = Vec::new();
        let mut at_address: BTreeMap<(String, IpAddr), usize> = BTreeMap::new();
        for rule in self.export.all("forwardingRule") {
            let target = rule.node.word("target").unwrap_or("");
            if target.contains("/targetVpnGateways/") {
                continue;
            }
            if is_endpoint(target) {
                self.service_connect(*rule);
                continue;
            }
            let address = self.rule_address(rule.node);
            // The same private address may be used in two networks.
            let network = rule.node.word("network").unwrap_or("").to_owned();
            let known = address.as_ref().map(|a| (network.clone(), a.value));
            match known.as_ref().and_then(|known| at_address.get(known)) {
                Some(place) => together[*place].2.push(*rule),
                None => {
                    at_address.extend(known.map(|known| (known, together.len())));
                    together.push((address.map(|a| a.value), network, vec![*rule]));
                }
            }
        }
        for (_, _, rules) in together {
            self.load_balancer(&rules);
        }
    }

    fn load_balancer(&mut self, rules: &[Object<'e>]) {
        let Some(first) = rules.first() else { return };
        let at = first.span();
        let key = self.names.key(*first);
        let named = format!("load_balancer:{key}");
        let word = first.node.word("loadBalancingScheme").unwrap_or("EXTERNAL");
        if word == "INTERNAL_SELF_MANAGED" {
            let what = "a service mesh's rule: where its proxies stand is not in the export";
            self.gap(&named, what, at, true);
            return;
        }
        let external = word.starts_with("EXTERNAL");
        let scheme = if external { Scheme::External } else { Scheme::Internal };
        let mut made = LoadBalancer {
            id: first.node.text("selfLink"),
            scheme: Some(Spanned::new(scheme, at)),
            span: at.into(),
            ..LoadBalancer::default()
        };
        self.place_of(*first, external, &named, &mut made);
        let mut passes_through = false;
        for rule in rules {
            let front = self.front(rule.node, &named);
            passes_through |= front.passes_through;
            let mut to = Vec::new();
            for link in &front.backends {
                let name = self.backend_group(link, &mut made, &named);
                if to.iter().all(|known: &Spanned<String>| known.value != name) {
                    to.push(Spanned::new(name, link.span));
                }
            }
            self.listeners(*rule, &front, &to, &named, &mut made);
            for (own, found) in
                [(&mut made.hosts, front.hosts), (&mut made.certificates, front.certificates)]
            {
                for item in found {
                    if own.iter().all(|known| known.value != item.value) {
                        own.push(item);
                    }
                }
            }
        }
        let kind =
            if passes_through { LoadBalancerKind::PassThrough } else { LoadBalancerKind::Proxy };
        made.kind = Some(Spanned::new(kind, at));
        self.sources(*first, (external, passes_through), &named, &mut made);
        if rules.len() > 1 {
            let others: Vec<&str> = rules.iter().skip(1).map(|rule| rule.name()).collect();
            let others = others.join(", ");
            self.notes
                .push(format!("{key} and {others} share an address: one load balancer, {key}"));
        }
        let place = first.node.get("name").map_or(at, |name| name.span);
        self.description.load_balancers.insert(Spanned::new(key, place), made);
    }

    /// Where an external balancer's own packets come from, where that is not the usual front end.
    fn sources(
        &mut self,
        rule: Object<'e>,
        (external, passes_through): (bool, bool),
        named: &str,
        made: &mut LoadBalancer,
    ) {
        let at = rule.span();
        if external && passes_through {
            let probes = PASS_THROUGH_PROBES
                .iter()
                .map(|(base, length)| Spanned::new(Prefix::of((*base).into(), *length), at));
            made.probe_sources = probes.collect();
        }
        let managed = rule.node.word("loadBalancingScheme") == Some("EXTERNAL_MANAGED");
        let Some(region) = rule.node.word("region").map(last).filter(|_| managed) else { return };
        let network = rule.node.word("network").map(last);
        let vpcs = self.description.vpcs.iter().filter(|(name, _)| {
            network.is_none_or(|network| name.value == network || name.value.ends_with(network))
        });
        let subnets = vpcs.flat_map(|(_, vpc)| vpc.subnets.iter()).map(|(_, subnet)| subnet);
        let kept = subnets.filter(|subnet| {
            let proxies = subnet.purpose.as_ref().is_some_and(|p| p.value == "proxy-only");
            proxies && subnet.region.as_ref().is_some_and(|own| own.value == region)
        });
        made.proxy_sources = kept.flat_map(|subnet| subnet.cidrs.clone()).collect();
        if made.proxy_sources.is_empty() {
            let what = "the subnet of its proxies is not in the export";
            self.gap(named, what, at, true);
            for (_, group) in &mut made.backends.0 {
                group.incomplete = Some(Spanned::new(what.to_owned(), at));
                group.targets.clear();
            }
        }
    }

    /// The address of a rule: written, or of the reserved address that it names.
    fn rule_address(&self, node: &Node) -> Option<Spanned<IpAddr>> {
        node.address("IPAddress")
            .or_else(|| self.export.find(node.word("IPAddress")?)?.node.address("address"))
    }

    /// Where a balancer is reached: by a public address, or by a private one in a subnet.
    fn place_of(&mut self, rule: Object<'e>, external: bool, named: &str, made: &mut LoadBalancer) {
        let (node, at) = (rule.node, rule.span());
        let Some(address) = self.rule_address(node) else {
            self.gap(named, "its address is not in the export", at, true);
            return;
        };
        if external {
            made.public_addresses.push(address);
            return;
        }
        let Some(link) = node.word("subnetwork") else {
            self.gap(named, "the subnet of its address is not in the export", at, true);
            return;
        };
        let Some((vpc, subnet)) = self.subnet_of(link, node, named) else { return };
        let row = Interface {
            subnet: Some(Spanned::new(format!("{vpc}/{subnet}"), at)),
            addresses: vec![address],
            span: at.into(),
            ..Interface::default()
        };
        self.hold(&vpc, &subnet, &row);
        made.vpc = Some(Spanned::new(vpc, at));
        made.nodes = Entries(vec![(Spanned::new(rule.name().to_owned(), at), row)]);
    }

    /// What a rule leads to.
    fn front(&mut self, node: &'e Node, named: &str) -> Front {
        if let Some(link) = node.text("backendService") {
            return Front { backends: vec![link], passes_through: true, ..Front::default() };
        }
        let Some(target) = node.text("target") else {
            self.gap(named, "what it leads to is not in the export", node.span, true);
            return Front::default();
        };
        if target.value.contains("/targetPools/") || target.value.contains("/targetInstances/") {
            return Front { backends: vec![target], passes_through: true, ..Front::default() };
        }
        let tls = target.value.contains("/targetHttpsProxies/")
            || target.value.contains("/targetSslProxies/");
        let Some(proxy) = self.export.find(&target.value) else {
            let what = format!("target proxy {} is not in the export", last(&target.value));
            self.gap(named, what, target.span, true);
            return Front { tls, ..Front::default() };
        };
        let mut front = Front { tls, ..Front::default() };
        front.backends.extend(proxy.node.text("service"));
        for link in proxy.node.list("sslCertificates") {
            let Some(text) = link.as_text() else { continue };
            match self.export.find(text) {
                Some(found) => {
                    front.certificates.push(Spanned::new(self.names.key(found), link.span));
                }
                None => {
                    let what = format!("certificate {} is not in the export", last(text));
                    self.gap(named, what, link.span, false);
                }
            }
        }
        if let Some(map) = proxy.node.text("certificateMap") {
            let what = format!("certificate map {} is not represented", last(&map.value));
            self.gap(named, what, map.span, false);
        }
        if let Some(link) = proxy.node.text("urlMap") {
            match self.export.find(&link.value) {
                Some(map) => routed(map.node, &mut front),
                None => {
                    let what = format!("URL map {} is not in the export", last(&link.value));
                    self.gap(named, what, link.span, true);
                }
            }
        }
        let buckets = |link: &Spanned<String>| link.value.contains("/backendBuckets/");
        let map = proxy.node.text("urlMap").and_then(|link| self.export.find(&link.value));
        let redirects = map.is_some_and(|map| map.node.get("defaultUrlRedirect").is_some());
        front.answers =
            if front.backends.is_empty() { redirects } else { front.backends.iter().all(buckets) };
        front
    }

    fn listeners(
        &mut self,
        rule: Object<'e>,
        front: &Front,
        to: &[Spanned<String>],
        named: &str,
        made: &mut LoadBalancer,
    ) {
        let at = rule.span();
        let on = services(rule.node);
        if on.is_empty() {
            self.gap(named, "what it listens on is not known", at, true);
        }
        for (index, service) in on.iter().enumerate() {
            let listener = Listener {
                on: Spanned::new(*service, at),
                to: to.to_vec(),
                tls: front.tls.then(|| Spanned::new(true, at)),
                answers: front.answers.then(|| Spanned::new(true, at)),
                span: at.into(),
            };
            let name = if index == 0 {
                rule.name().to_owned()
            } else {
                format!("{}-{}", rule.name(), index + 1)
            };
            let name =
                if made.listeners.get(&name).is_some() { format!("{name}-{at:?}") } else { name };
            made.listeners.insert(Spanned::new(name, at), listener);
        }
    }
}

/// Whether a rule's target is a service of Private Service Connect: a published one, or a bundle of Google's APIs.
pub(super) fn is_endpoint(target: &str) -> bool {
    target.contains("/serviceAttachments/") || matches!(last(target), "all-apis" | "vpc-sc")
}

/// Protocols and ports of a rule.
fn services(node: &Node) -> Vec<Service> {
    let word = node.word("IPProtocol").unwrap_or("TCP").to_ascii_lowercase();
    let protocols: Vec<u8> = match word.as_str() {
        // All protocols: of those, the ones with ports and ICMP carry services.
        "l3_default" => vec![6, 17, 1],
        other => protocol_number(other).ok().into_iter().collect(),
    };
    let mut ranges: Vec<PortRange> = Vec::new();
    let words = node.list("ports").iter().filter_map(Node::as_text).chain(node.word("portRange"));
    for word in words {
        let word = match word.split_once('-') {
            Some((first, end)) if first == end => first,
            _ => word,
        };
        ranges.extend(PortRange::parse_scalar(word).ok());
    }
    let mut made = Vec::new();
    for protocol in protocols {
        let all = Service::of_protocol(protocol);
        match all {
            Service::Ports { .. } if !ranges.is_empty() => {
                made.extend(ranges.iter().map(|&ports| Service::Ports { protocol, ports }));
            }
            _ => made.push(all),
        }
    }
    made
}

/// The backends of a URL map, wherever they stand in it, and the hosts that it tells apart.
fn routed(map: &Node, front: &mut Front) {
    fn walk(node: &Node, found: &mut Vec<Spanned<String>>) {
        if let Some(text) = node.as_str()
            && (text.contains("/backendServices/") || text.contains("/backendBuckets/"))
            && found.iter().all(|known| known.value != text)
        {
            found.push(Spanned::new(text.to_owned(), node.span));
        }
        node.entries().iter().for_each(|(_, inner)| walk(inner, found));
        node.items().iter().for_each(|inner| walk(inner, found));
    }
    // Tests of a map route nothing.
    for (_, inner) in map.entries().iter().filter(|(key, _)| &*key.text != "tests") {
        walk(inner, &mut front.backends);
    }
    let hosts = map.list("hostRules").iter().flat_map(|rule| rule.list("hosts"));
    let plain = hosts.filter_map(|host| Some(Spanned::new(host.as_text()?.to_owned(), host.span)));
    front.hosts.extend(plain.filter(|host| !host.value.contains('*')));
}
