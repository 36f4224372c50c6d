//! Load balancers of the first generation (`aws elb`): listeners, instances and health check in one object.

use netwright_model::decode::Entries;
use netwright_model::language::{
    Backend, BackendGroup, EndpointKind, EndpointRef, HealthCheck, Listener, LoadBalancer,
    LoadBalancerKind, Scheme,
};
use netwright_model::scalar::Duration;
use netwright_model::source::Spanned;
use netwright_model::tree::Node;

use crate::access::Access;

use super::Import;
use super::delivery::service;
use super::export::key;

impl Import<'_> {
    pub(super) fn classic(&mut self, node: &Node) {
        let Some(id) = node.text("LoadBalancerName") else {
            let what = "a load balancer without LoadBalancerName was left out";
            self.gap("load_balancer:?", what, node.span, true);
            return;
        };
        let object = format!("load_balancer:{}", id.value);
        let described = format!("ELB {}", id.value);
        let nodes = Entries(self.claimed(|text| text == described));
        let mut subnets = Vec::new();
        for subnet in node.list("Subnets").iter().filter(|_| nodes.is_empty()) {
            match subnet.as_str().and_then(|id| self.names.subnet(id)) {
                Some(name) => subnets.push(Spanned::new(name, subnet.span)),
                None => self.gap(&object, "a subnet is not in the export", subnet.span, true),
            }
        }
        let scheme = match node.word("Scheme") {
            Some("internal") => Scheme::Internal,
            _ => Scheme::External,
        };
        let filters = self.groups(node, "SecurityGroups", &object);
        let vpc = node.text("VPCId").and_then(|id| {
            Some(Spanned::new(self.names.of_section("Vpcs", &id.value)?.to_owned(), id.span))
        });
        let mut row = LoadBalancer {
            kind: Some(Spanned::bare(LoadBalancerKind::Proxy)),
            scheme: Some(Spanned::bare(scheme)),
            vpc,
            subnets,
            nodes,
            filters,
            hosts: node.text("DNSName").into_iter().collect(),
            id: Some(id.clone()),
            span: node.span.into(),
            ..LoadBalancer::default()
        };
        self.classic_listeners(&mut row, node);
        let name = match self.description.load_balancers.get(&id.value) {
            Some(_) => format!("classic-{}", id.value),
            None => id.value,
        };
        self.description.load_balancers.push((key(&name, node), row));
    }

    /// Every listener sends to the same instances, each to a port of its own.
    fn classic_listeners(&mut self, row: &mut LoadBalancer, node: &Node) {
        let mut targets = Vec::new();
        let mut incomplete = None;
        for instance in node.list("Instances") {
            let Some(id) = instance.text("InstanceId") else { continue };
            let Some(name) = self.instance_named(&id.value) else {
                let owner = node.word("LoadBalancerName").unwrap_or("?").to_owned();
                let what = format!("instance {} is not in the export", id.value);
                incomplete = Some(Spanned::new(what.clone(), id.span));
                self.gap(&format!("load_balancer:{owner}"), what, id.span, true);
                continue;
            };
            let reference = EndpointRef::Kind(EndpointKind::Instance, name);
            targets.push(Backend {
                target: Spanned::new(reference, id.span),
                span: instance.span.into(),
                ..Backend::default()
            });
        }
        for described in node.list("ListenerDescriptions") {
            let Some(listener) = described.get("Listener") else { continue };
            let protocol = listener.word("Protocol").map(listener_protocol);
            let on = service(protocol, listener.number("LoadBalancerPort"));
            let inside = listener.word("InstanceProtocol").map(listener_protocol);
            let port = service(inside, listener.number("InstancePort"));
            let group = port.to_string().replace('/', "-");
            if row.backends.get(&group).is_none() {
                let made = BackendGroup {
                    targets: targets.clone(),
                    incomplete: incomplete.clone(),
                    port: Some(Spanned::new(port, listener.span)),
                    health_check: node.get("HealthCheck").map(health_check),
                    span: listener.span.into(),
                    ..BackendGroup::default()
                };
                row.backends.push((Spanned::new(group.clone(), listener.span), made));
            }
            let name = on.to_string();
            if row.listeners.get(&name).is_some() {
                continue;
            }
            let tls = matches!(listener.word("Protocol"), Some("HTTPS" | "SSL"));
            let made = Listener {
                on: Spanned::new(on, listener.span),
                to: vec![Spanned::new(group, listener.span)],
                tls: tls.then(|| Spanned::bare(true)),
                answers: None,
                span: listener.span.into(),
            };
            row.listeners.push((Spanned::new(name, listener.span), made));
        }
    }
}

/// `SSL` is TCP with TLS on it.
fn listener_protocol(text: &str) -> &str {
    if text.eq_ignore_ascii_case("ssl") { "tls" } else { text }
}

/// A health check, whose target reads `HTTP:8080/path` or `TCP:8080`.
fn health_check(node: &Node) -> HealthCheck {
    let target = node.word("Target").unwrap_or("");
    let (protocol, rest) = target.split_once(':').unwrap_or(("TCP", ""));
    let (port, path) = match rest.find('/') {
        Some(at) => (&rest[..at], Some(rest[at..].to_owned())),
        None => (rest, None),
    };
    let port = port.parse().ok().map(|port| service(Some(listener_protocol(protocol)), Some(port)));
    let positive = |key: &str| node.number(key).and_then(|n| u32::try_from(n).ok());
    let seconds =
        |key: &str| positive(key).map(|n| Spanned::bare(Duration::from_secs(u64::from(n))));
    HealthCheck {
        port: port.map(|port| Spanned::new(port, node.span)),
        path: path.map(|path| Spanned::new(path, node.span)),
        interval: seconds("Interval"),
        timeout: seconds("Timeout"),
        healthy_threshold: positive("HealthyThreshold").map(Spanned::bare),
        unhealthy_threshold: positive("UnhealthyThreshold").map(Spanned::bare),
        span: node.span.into(),
        ..HealthCheck::default()
    }
}
