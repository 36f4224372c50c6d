//! What stands behind a load balancer: backend services with their groups, pools, and health checks.

use netwright_model::language::{
    Backend, BackendGroup, EndpointKind, EndpointRef, HealthCheck, LoadBalancer,
};
use netwright_model::scalar::{Duration, Service};
use netwright_model::source::{Span, Spanned};
use netwright_model::tree::Node;

use super::Import;
use super::export::{Object, last, path_of, segment};
use super::networks::number;
use super::revision::sixteen;
use crate::access::Access;

/// Where the fields of a health check stand, by its kind.
const PROBES: [&str; 7] = [
    "httpHealthCheck",
    "httpsHealthCheck",
    "http2HealthCheck",
    "tcpHealthCheck",
    "sslHealthCheck",
    "grpcHealthCheck",
    "grpcTlsHealthCheck",
];

impl<'e> Import<'e> {
    /// Makes a group of backends of a balancer and gives its name there.
    pub(super) fn backend_group(
        &mut self,
        link: &Spanned<String>,
        balancer: &mut LoadBalancer,
        named: &str,
    ) -> String {
        let found = self.export.find(&link.value);
        let name =
            found.map_or_else(|| super::names::clean(last(&link.value)), |o| self.names.key(o));
        if balancer.backends.get(&name).is_some() {
            return name;
        }
        let group = match found {
            None => {
                let what = format!("{} is not in the export", last(&link.value));
                self.gap(named, what.clone(), link.span, true);
                let incomplete = Some(Spanned::new(what, link.span));
                BackendGroup { incomplete, span: link.span.into(), ..BackendGroup::default() }
            }
            Some(object) if link.value.contains("/backendBuckets/") => {
                let bucket = object.node.word("bucketName").unwrap_or("unnamed");
                let what = format!("storage bucket {bucket} behind it is not described");
                self.gap(named, what, object.span(), false);
                BackendGroup { span: object.span().into(), ..BackendGroup::default() }
            }
            Some(object) if link.value.contains("/targetPools/") => self.pool(object, named),
            Some(object) if link.value.contains("/targetInstances/") => {
                let mut made =
                    BackendGroup { span: object.span().into(), ..BackendGroup::default() };
                self.instance_backend(object.node.text("instance"), None, &mut made, named);
                made
            }
            Some(object) => self.backend_service(object, named),
        };
        balancer.backends.insert(Spanned::new(name.clone(), link.span), group);
        name
    }

    fn backend_service(&mut self, object: Object<'e>, named: &str) -> BackendGroup {
        let (node, at) = (object.node, object.span());
        let mut made = BackendGroup {
            id: node.text("selfLink"),
            timeout: number(node, "timeoutSec")
                .map(|count| count.map(|count| Duration::from_secs(count.into()))),
            span: at.into(),
            ..BackendGroup::default()
        };
        for backend in node.list("backends") {
            let Some(group) = backend.text("group") else { continue };
            if group.value.contains("/networkEndpointGroups/") {
                self.endpoint_group(&group, object, &mut made, named);
            } else {
                self.instance_group(&group, object, &mut made, named);
            }
        }
        self.health_of(node, &mut made, named);
        made
    }

    /// A group whose backends are not all in the export.
    fn lacks(&mut self, made: &mut BackendGroup, named: &str, what: String, at: Span) {
        made.incomplete.get_or_insert_with(|| Spanned::new(what.clone(), at));
        self.gap(named, what, at, true);
    }

    fn pool(&mut self, object: Object<'e>, named: &str) -> BackendGroup {
        let node = object.node;
        let mut made = BackendGroup {
            id: node.text("selfLink"),
            span: object.span().into(),
            ..BackendGroup::default()
        };
        for link in node.list("instances") {
            let text = link.as_text().map(|text| Spanned::new(text.to_owned(), link.span));
            self.instance_backend(text, None, &mut made, named);
        }
        self.health_of(node, &mut made, named);
        made
    }

    fn instance_backend(
        &mut self,
        link: Option<Spanned<String>>,
        healthy: Option<bool>,
        made: &mut BackendGroup,
        named: &str,
    ) {
        let Some(link) = link else { return };
        let key = self.export.find(&link.value).map(|instance| self.names.key(instance));
        let key = key.filter(|key| self.description.instances.get(key).is_some());
        let Some(key) = key else {
            let what = format!("backend {} is not in the export", last(&link.value));
            self.lacks(made, named, what, link.span);
            return;
        };
        made.targets.push(Backend {
            target: Spanned::new(EndpointRef::Kind(EndpointKind::Instance, key), link.span),
            healthy: healthy.map(|healthy| Spanned::new(healthy, link.span)),
            span: link.span.into(),
            ..Backend::default()
        });
    }

    /// A group of instances: its members are what a call about them answers, or the instances that say which manager made them.
    fn instance_group(
        &mut self,
        group: &Spanned<String>,
        service: Object<'e>,
        made: &mut BackendGroup,
        named: &str,
    ) {
        let listed = self.export.find(&group.value);
        let port_name = service.node.word("portName");
        let ports = listed.map_or(&[][..], |listed| listed.node.list("namedPorts"));
        let port = ports.iter().find(|port| port.word("name") == port_name);
        if let Some(port) = port.and_then(|port| sixteen(port, "port"))
            && made.port.is_none()
        {
            made.port = Some(port.map(Service::tcp));
        }
        let members = self.members(&group.value);
        if members.is_empty() {
            let empty = listed.and_then(|listed| listed.node.number("size")) == Some(0);
            let what = format!("the members of group {} are not in the export", last(&group.value));
            if !empty {
                self.lacks(made, named, what, group.span);
            }
        }
        for (instance, healthy) in members {
            let known = made.targets.iter().any(|t| t.target.span == instance.span);
            if !known {
                self.instance_backend(Some(instance), healthy, made, named);
            }
        }
    }

    /// Links of a group's instances, with their health where the export tells it.
    fn members(&self, group: &str) -> Vec<(Spanned<String>, Option<bool>)> {
        let path = path_of(group);
        let health = self.export.all("backendHealth").iter();
        let health = health.filter(|o| o.node.word("backend").and_then(path_of) == path);
        let states = health.filter_map(|o| o.node.get("status"));
        let mut found: Vec<(Spanned<String>, Option<bool>)> = Vec::new();
        for state in states.flat_map(|status| status.list("healthStatus")) {
            let Some(instance) = state.text("instance") else { continue };
            let healthy = match state.word("healthState") {
                Some("HEALTHY") => Some(true),
                Some("UNHEALTHY") => Some(false),
                _ => None,
            };
            found.push((instance, healthy));
        }
        let listed = self.export.all("instanceGroupMembers").iter();
        let listed = listed.filter(|o| {
            let id = o.node.word("id").and_then(path_of);
            id.as_deref().map(|id| id.trim_end_matches("/listInstances")) == path.as_deref()
        });
        let items = listed.flat_map(|o| o.node.list("items"));
        found.extend(items.filter_map(|item| Some((item.text("instance")?, None))));
        if found.is_empty() {
            found.extend(self.made_by(group).into_iter().map(|link| (link, None)));
        }
        let mut seen = std::collections::BTreeSet::new();
        found.retain(|(link, _)| seen.insert(path_of(&link.value)));
        found
    }

    /// Instances whose metadata names the manager of a group; a group has its manager's name.
    fn made_by(&self, group: &str) -> Vec<Spanned<String>> {
        let place = segment(group, "zones").or_else(|| segment(group, "regions")).unwrap_or("");
        let ours = |object: &&Object<'e>| {
            let items = object.node.get("metadata").map_or(&[][..], |data| data.list("items"));
            let maker = items.iter().find(|item| item.word("key") == Some("created-by"));
            let Some(maker) = maker.and_then(|item| item.word("value")) else { return false };
            let of = segment(maker, "zones").or_else(|| segment(maker, "regions"));
            last(maker) == last(group) && of == Some(place)
        };
        let instances = self.export.all("instance").iter().filter(ours);
        instances.filter_map(|object| object.node.text("selfLink")).collect()
    }

    /// A group of endpoints: a serverless service, or addresses that another call lists.
    fn endpoint_group(
        &mut self,
        group: &Spanned<String>,
        service: Object<'e>,
        made: &mut BackendGroup,
        named: &str,
    ) {
        let Some(object) = self.export.find(&group.value) else {
            let what = format!("endpoint group {} is not in the export", last(&group.value));
            self.lacks(made, named, what, group.span);
            return;
        };
        let node = object.node;
        if node.word("networkEndpointType") == Some("SERVERLESS") {
            self.serverless_backend(object, made, named);
            return;
        }
        let members = self.members(&group.value);
        if members.is_empty() {
            let kind = node.word("networkEndpointType").unwrap_or("unknown");
            let what = format!(
                "the endpoints of group {} ({kind}) of {} are not in the export",
                last(&group.value),
                service.name()
            );
            self.lacks(made, named, what, group.span);
        }
        if made.port.is_none() {
            made.port = sixteen(node, "defaultPort").map(|port| port.map(Service::tcp));
        }
        for (instance, healthy) in members {
            self.instance_backend(Some(instance), healthy, made, named);
        }
    }

    fn serverless_backend(&mut self, group: Object<'e>, made: &mut BackendGroup, named: &str) {
        let node = group.node;
        let run = node.get("cloudRun").and_then(|run| run.text("service"));
        let function = node.get("cloudFunction").and_then(|function| function.text("function"));
        let Some(name) = run.or(function) else {
            let what =
                format!("which services endpoint group {} leads to is not known", group.name());
            self.lacks(made, named, what, group.span());
            return;
        };
        let link = group.link().unwrap_or_default();
        let region = node.word("region").map(last).or_else(|| segment(&link, "regions"));
        let own = |object: &&Object<'e>| {
            let link = object.link().unwrap_or_default();
            object.name() == name.value
                && region.is_none_or(|r| segment(&link, "locations") == Some(r))
        };
        let both = ["runService", "function"].into_iter().flat_map(|kind| self.export.all(kind));
        let key = both.into_iter().find(own).map(|object| self.names.key(*object));
        let key = key.filter(|key| self.description.services.get(key).is_some());
        let Some(key) = key else {
            let what = format!("service {} is not in the export", name.value);
            self.lacks(made, named, what, name.span);
            return;
        };
        made.targets.push(Backend {
            target: Spanned::new(EndpointRef::Kind(EndpointKind::Service, key), name.span),
            span: name.span.into(),
            ..Backend::default()
        });
    }

    fn health_of(&mut self, node: &'e Node, made: &mut BackendGroup, named: &str) {
        let links = node.list("healthChecks");
        if links.len() > 1 {
            self.gap(
                named,
                "only the first of several health checks is represented",
                node.span,
                false,
            );
        }
        let Some(link) = links.first() else { return };
        let text = link.as_text().unwrap_or("");
        match self.export.find(text) {
            Some(object) => made.health_check = Some(health_check(object)),
            None => {
                let what = format!("health check {} is not in the export", last(text));
                self.gap(named, what, link.span, false);
                let check = HealthCheck { span: link.span.into(), ..HealthCheck::default() };
                made.health_check = Some(check);
            }
        }
    }
}

/// A health check of the present kind, or of the two older ones, whose fields stand in it directly.
fn health_check(object: Object<'_>) -> HealthCheck {
    let node = object.node;
    let inner = PROBES.iter().find_map(|field| node.get(field)).unwrap_or(node);
    let time = |field: &str| {
        number(node, field).map(|count| count.map(|count| Duration::from_secs(count.into())))
    };
    HealthCheck {
        id: node.text("selfLink"),
        port: sixteen(inner, "port").map(|port| port.map(Service::tcp)),
        path: inner.text("requestPath"),
        interval: time("checkIntervalSec"),
        timeout: time("timeoutSec"),
        healthy_threshold: number(node, "healthyThreshold"),
        unhealthy_threshold: number(node, "unhealthyThreshold"),
        span: object.span().into(),
        ..HealthCheck::default()
    }
}
