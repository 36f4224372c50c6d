//! Load balancers of the second generation, with listeners, target groups and the targets' health.

use netwright_model::decode::Entries;
use netwright_model::language::{
    Backend, BackendGroup, EndpointKind, EndpointRef, HealthCheck, Interface, Listener,
    LoadBalancer, LoadBalancerKind, Scheme,
};
use netwright_model::scalar::{Duration, Prefix, Service, protocol_number};
use netwright_model::source::{Span, Spanned};
use netwright_model::tree::Node;

use crate::access::Access;

use super::Import;
use super::export::key;

impl Import<'_> {
    pub(super) fn load_balancers(&mut self) {
        for node in self.export.all("LoadBalancers") {
            self.load_balancer(node);
        }
        for node in self.export.all("LoadBalancerDescriptions") {
            self.classic(node);
        }
    }

    fn load_balancer(&mut self, node: &Node) {
        let Some(arn) = node.text("LoadBalancerArn") else { return };
        let name = self.names.or_id("LoadBalancers", &arn.value).to_owned();
        let kind = match node.word("Type") {
            Some("network" | "gateway") => LoadBalancerKind::PassThrough,
            _ => LoadBalancerKind::Proxy,
        };
        let scheme = match node.word("Scheme") {
            Some("internet-facing") => Scheme::External,
            _ => Scheme::Internal,
        };
        let vpc = node.text("VpcId").and_then(|id| {
            Some(Spanned::new(self.names.of_section("Vpcs", &id.value)?.to_owned(), id.span))
        });
        let mut row = LoadBalancer {
            kind: Some(Spanned::bare(kind)),
            scheme: Some(Spanned::bare(scheme)),
            vpc,
            hosts: node.text("DNSName").into_iter().collect(),
            span: node.span.into(),
            ..LoadBalancer::default()
        };
        row.filters = self.groups(node, "SecurityGroups", &name);
        row.cross_zone = self.crosses_zones(&arn.value);
        if kind == LoadBalancerKind::PassThrough && row.cross_zone.is_none() {
            let what = "whether it sends across zones, and what its target groups do with the client's address, is not in the export: taken as by default";
            self.gap(&format!("load_balancer:{name}"), what, node.span, false);
        }
        self.nodes(&mut row, &arn.value, node);
        self.listeners(&mut row, &arn.value);
        row.id = Some(arn);
        self.description.load_balancers.push((key(&name, node), row));
    }

    /// Whether requests may go to other zones, where an attribute says so.
    fn crosses_zones(&self, arn: &str) -> Option<Spanned<bool>> {
        let own = self.export.find("LoadBalancerAttributes", "LoadBalancerArn", arn)?;
        let key = Some("load_balancing.cross_zone.enabled");
        let set = own.list("Attributes").iter().find(|attribute| attribute.word("Key") == key)?;
        Some(Spanned::new(set.word("Value")? == "true", set.span))
    }

    /// A balancer's nodes: its interfaces where the export holds them, otherwise one in each of its subnets.
    fn nodes(&mut self, row: &mut LoadBalancer, arn: &str, node: &Node) {
        let suffix = arn.split_once("loadbalancer/").map_or("", |(_, suffix)| suffix);
        if !suffix.is_empty() {
            let described = format!("ELB {suffix}");
            row.nodes = Entries(self.claimed(|text| text == described));
        }
        if !row.nodes.is_empty() {
            return;
        }
        for zone in node.list("AvailabilityZones") {
            let Some(id) = zone.text("SubnetId") else { continue };
            match self.names.subnet(&id.value) {
                Some(subnet) => row.subnets.push(Spanned::new(subnet, id.span)),
                None => self.gap(
                    &format!("load_balancer:{arn}"),
                    format!("subnet {} is not in the export", id.value),
                    id.span,
                    true,
                ),
            }
            for address in zone.list("LoadBalancerAddresses") {
                row.public_addresses.extend(address.address("IpAddress"));
            }
        }
    }

    /// Interfaces of nobody whose description says whose they are: taken from among the instances.
    pub(super) fn claimed(
        &mut self,
        described: impl Fn(&str) -> bool,
    ) -> Vec<(Spanned<String>, Interface)> {
        let interfaces = self.export.all("NetworkInterfaces").iter();
        let own = interfaces.filter(|node| node.word("Description").is_some_and(&described));
        let own: Vec<&str> = own.filter_map(|node| node.word("NetworkInterfaceId")).collect();
        let mut claimed = Vec::new();
        for id in own {
            let position = self.description.instances.iter().position(|(_, instance)| {
                instance.kind.is_some() && instance.id.as_ref().is_some_and(|own| own.value == id)
            });
            let Some(position) = position else { continue };
            let (label, instance) = self.description.instances.0.remove(position);
            let interface = Interface {
                link: instance.link,
                id: instance.id,
                subnet: instance.subnet,
                addresses: instance.addresses,
                prefixes: instance.prefixes,
                public_address: instance.public_address,
                filters: instance.filters,
                forwards: instance.forwards,
                span: instance.span,
            };
            claimed.push((label, interface));
        }
        claimed
    }

    fn listeners(&mut self, row: &mut LoadBalancer, arn: &str) {
        let grouped = self.export.all("LoadBalancerListeners").iter();
        let grouped = grouped.filter(|section| section.word("LoadBalancerArn") == Some(arn));
        let own = self.export.all("Listeners").iter().copied();
        let own = own.filter(|listener| listener.word("LoadBalancerArn") == Some(arn));
        let listeners: Vec<&Node> =
            grouped.flat_map(|section| section.list("Listeners")).chain(own).collect();
        for listener in listeners {
            let on = service(listener.word("Protocol"), listener.number("Port"));
            let mut to = Vec::new();
            for group in listener.list("DefaultActions").iter().flat_map(forwarded) {
                if to.iter().any(|known: &Spanned<String>| {
                    known.value == self.names.or_id("TargetGroups", &group.value)
                }) {
                    continue;
                }
                let name = self.names.or_id("TargetGroups", &group.value).to_owned();
                if row.backends.get(&name).is_none() {
                    let made = self.group_of_targets(&group.value);
                    row.backends.push((Spanned::new(name.clone(), group.span), made));
                }
                to.push(Spanned::new(name, group.span));
            }
            let tls = matches!(listener.word("Protocol"), Some("HTTPS" | "TLS"));
            let to_itself = listener
                .list("DefaultActions")
                .iter()
                .any(|action| matches!(action.word("Type"), Some("redirect" | "fixed-response")));
            let made = Listener {
                on: Spanned::new(on, listener.span),
                answers: (to_itself && to.is_empty()).then(|| Spanned::bare(true)),
                to,
                tls: tls.then(|| Spanned::bare(true)),
                span: listener.span.into(),
            };
            // One listener for both protocols is two here.
            if listener.word("Protocol") == Some("TCP_UDP") {
                let on = service(Some("UDP"), listener.number("Port"));
                let made = Listener { on: Spanned::new(on, listener.span), ..made.clone() };
                row.listeners.push((Spanned::new(on.to_string(), listener.span), made));
            }
            row.listeners.push((Spanned::new(on.to_string(), listener.span), made));
        }
    }

    fn group_of_targets(&mut self, arn: &str) -> BackendGroup {
        let Some(node) = self.export.find("TargetGroups", "TargetGroupArn", arn) else {
            let what = "the target group is not in the export";
            self.gap(&format!("target_group:{arn}"), what, Span::NONE, true);
            let incomplete = Some(Spanned::bare(what.to_owned()));
            return BackendGroup { incomplete, ..BackendGroup::default() };
        };
        let health = self.export.all("LoadBalancerTargetHealth").iter();
        let health = health.filter(|section| section.word("TargetGroupArn") == Some(arn));
        let mut incomplete = None;
        if health.clone().next().is_none() {
            let what = "its targets are not in the export";
            incomplete = Some(Spanned::new(what.to_owned(), node.span));
            self.gap(&format!("target_group:{arn}"), what, node.span, true);
        }
        let mut targets = Vec::new();
        for entry in health.flat_map(|section| section.list("TargetHealthDescriptions")) {
            let Some(target) = entry.get("Target") else { continue };
            let Some(id) = target.text("Id") else { continue };
            let known = self.instance_named(&id.value);
            let balancer = self.export.find("LoadBalancers", "LoadBalancerArn", &id.value);
            let reference = match (id.value.parse(), known, balancer) {
                (Ok(address), ..) => EndpointRef::Prefix(Prefix::host(address)),
                (_, Some(name), _) => EndpointRef::Kind(EndpointKind::Instance, name),
                (.., Some(_)) => {
                    let name = self.names.or_id("LoadBalancers", &id.value).to_owned();
                    EndpointRef::Kind(EndpointKind::LoadBalancer, name)
                }
                (_, None, None) => {
                    let what = format!("target {} is not in the export", id.value);
                    incomplete = Some(Spanned::new(what.clone(), id.span));
                    self.gap(&format!("target_group:{arn}"), what, id.span, true);
                    continue;
                }
            };
            let state = entry.get("TargetHealth").and_then(|health| health.word("State"));
            targets.push(Backend {
                target: Spanned::new(reference, id.span),
                port: target.number("Port").and_then(|p| u16::try_from(p).ok()).map(Spanned::bare),
                healthy: match state {
                    Some("healthy") => Some(Spanned::bare(true)),
                    Some("unhealthy") => Some(Spanned::bare(false)),
                    _ => None,
                },
                span: entry.span.into(),
                ..Backend::default()
            });
        }
        BackendGroup {
            id: Some(Spanned::bare(arn.to_owned())),
            targets,
            port: Some(Spanned::new(
                service(node.word("Protocol"), node.number("Port")),
                node.span,
            )),
            health_check: health_check(node),
            preserve_client_address: keeps_client(node).map(Spanned::bare),
            incomplete,
            span: node.span.into(),
            ..BackendGroup::default()
        }
    }
}

/// How a target group's health is decided; none where nothing is checked.
fn health_check(node: &Node) -> Option<HealthCheck> {
    if node.flag("HealthCheckEnabled") == Some(false) {
        return None;
    }
    let seconds = |key: &str| {
        node.number(key)
            .and_then(|s| u64::try_from(s).ok())
            .map(|s| Spanned::bare(Duration::from_secs(s)))
    };
    let count = |key: &str| node.number(key).and_then(|n| u32::try_from(n).ok()).map(Spanned::bare);
    let port = node.word("HealthCheckPort").and_then(|port| port.parse::<u16>().ok());
    Some(HealthCheck {
        port: port.map(|port| Spanned::new(Service::tcp(port), node.span)),
        path: node.text("HealthCheckPath"),
        interval: seconds("HealthCheckIntervalSeconds"),
        timeout: seconds("HealthCheckTimeoutSeconds"),
        healthy_threshold: count("HealthyThresholdCount"),
        unhealthy_threshold: count("UnhealthyThresholdCount"),
        span: node.span.into(),
        ..HealthCheck::default()
    })
}

/// Whether a pass-through balancer keeps the client's address, where that is not so by its nature: off for addresses asked over TCP, unless
/// an attribute that no export holds says otherwise (NLB guide, "Client IP preservation").
fn keeps_client(group: &Node) -> Option<bool> {
    let addresses = group.word("TargetType") == Some("ip");
    let tcp = matches!(group.word("Protocol"), Some("TCP" | "TLS"));
    (addresses && tcp).then_some(false)
}

/// The target groups that an action forwards to: one, or several with weights.
fn forwarded(action: &Node) -> Vec<Spanned<String>> {
    let several = action.get("ForwardConfig").map_or(&[][..], |config| config.list("TargetGroups"));
    let several = several.iter().filter_map(|group| group.text("TargetGroupArn"));
    action.text("TargetGroupArn").into_iter().chain(several).collect()
}

/// A listener's or group's protocol and port. HTTP and TLS run over TCP.
pub(super) fn service(protocol: Option<&str>, port: Option<i64>) -> Service {
    let protocol = match protocol.unwrap_or("TCP").to_ascii_lowercase().as_str() {
        "http" | "https" | "tls" | "tcp_udp" => 6,
        other => protocol_number(other).unwrap_or(6),
    };
    let port = port.and_then(|port| u16::try_from(port).ok());
    match port {
        Some(port) => Service::of_protocol(protocol).with_port(port),
        None => Service::of_protocol(protocol),
    }
}
