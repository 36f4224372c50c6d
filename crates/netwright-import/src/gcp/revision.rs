//! The settings of a serverless service, from each of the forms that they come in.

use netwright_model::language::Probe;
use netwright_model::scalar::Duration;
use netwright_model::source::Spanned;
use netwright_model::tree::Node;

use super::networks::number;
use super::services::seconds;
use crate::access::Access;

/// What decides about a service's packets and its running, in one form.
#[derive(Debug, Default)]
pub(super) struct Revision<'e> {
    pub(super) connector: Option<Spanned<String>>,
    pub(super) egress: Option<Spanned<String>>,
    /// Network interfaces of direct VPC egress: a list, or a text that holds one.
    pub(super) interfaces: Option<&'e Node>,
    pub(super) ingress: Option<Spanned<String>>,
    pub(super) hosts: Vec<Spanned<String>>,
    pub(super) port: Option<Spanned<u16>>,
    pub(super) min_instances: Option<Spanned<u32>>,
    pub(super) max_instances: Option<Spanned<u32>>,
    pub(super) account: Option<Spanned<String>>,
    pub(super) timeout: Option<Spanned<Duration>>,
    pub(super) startup_probe: Option<Probe>,
    pub(super) liveness_probe: Option<Probe>,
    /// Connection names of databases behind the platform's proxy.
    pub(super) databases: Vec<Spanned<String>>,
    /// A revision beside the latest one that gets traffic.
    pub(super) other_revision: Option<Spanned<String>>,
    /// The service of Cloud Run that a function runs as.
    pub(super) runs_as: Option<Spanned<String>>,
}

/// Of `serving.knative.dev/v1`: settings are annotations of the service and of its template.
pub(super) fn of_first_api(node: &Node) -> Revision<'_> {
    let metadata = node.get("metadata");
    let own = metadata.and_then(|metadata| metadata.get("annotations"));
    let spec = node.get("spec");
    let template = spec.and_then(|spec| spec.get("template"));
    let inner = template.and_then(|template| template.get("spec"));
    let annotations = template.and_then(|t| t.get("metadata")).and_then(|m| m.get("annotations"));
    let said = |key: &str| annotations.and_then(|annotations| annotations.text(key));
    let count = |place: Option<&Node>, key: &str| place.and_then(|place| number(place, key));
    let status = node.get("status");
    let mut made = Revision {
        connector: said("run.googleapis.com/vpc-access-connector"),
        egress: said("run.googleapis.com/vpc-access-egress"),
        interfaces: annotations.and_then(|a| a.get("run.googleapis.com/network-interfaces")),
        ingress: own.and_then(|own| {
            let settled = own.text("run.googleapis.com/ingress");
            settled.or_else(|| own.text("run.googleapis.com/ingress-status"))
        }),
        hosts: status.and_then(|status| host(status, "url")).into_iter().collect(),
        min_instances: count(annotations, "autoscaling.knative.dev/minScale")
            .or_else(|| count(own, "run.googleapis.com/minScale")),
        max_instances: count(annotations, "autoscaling.knative.dev/maxScale")
            .or_else(|| count(own, "run.googleapis.com/maxScale")),
        account: inner.and_then(|inner| inner.text("serviceAccountName")),
        timeout: inner.and_then(|inner| seconds(inner, "timeoutSeconds")),
        ..Revision::default()
    };
    if let Some(list) = said("run.googleapis.com/cloudsql-instances") {
        let names = list.value.split(',').map(str::trim).filter(|name| !name.is_empty());
        made.databases = names.map(|name| Spanned::new(name.to_owned(), list.span)).collect();
    }
    let latest = [
        template.and_then(|t| t.get("metadata")).and_then(|metadata| metadata.word("name")),
        status.and_then(|status| status.word("latestReadyRevisionName")),
    ];
    made.other_revision = spec.map_or(&[][..], |spec| spec.list("traffic")).iter().find_map(|to| {
        let revision = to.text("revisionName")?;
        let used = to.number("percent").unwrap_or(0) > 0;
        let other = !latest.contains(&Some(revision.value.as_str()));
        (used && other && to.flag("latestRevision") != Some(true)).then_some(revision)
    });
    if let Some(inner) = inner {
        container(inner, &mut made);
    }
    made
}

/// Of `run.googleapis.com/v2`.
pub(super) fn of_second_api(node: &Node) -> Revision<'_> {
    let template = node.get("template");
    let access = template.and_then(|template| template.get("vpcAccess"));
    let scaling = template.and_then(|template| template.get("scaling"));
    let scaling = scaling.or_else(|| node.get("scaling"));
    let mut made = Revision {
        connector: access.and_then(|access| access.text("connector")),
        egress: access.and_then(|access| access.text("egress")),
        interfaces: access
            .and_then(|access| access.get("networkInterfaces"))
            .filter(|list| !list.items().is_empty()),
        ingress: node.text("ingress"),
        hosts: host(node, "uri").into_iter().collect(),
        min_instances: scaling.and_then(|scaling| number(scaling, "minInstanceCount")),
        max_instances: scaling.and_then(|scaling| number(scaling, "maxInstanceCount")),
        account: template.and_then(|template| template.text("serviceAccount")),
        timeout: template.and_then(|template| seconds(template, "timeout")),
        ..Revision::default()
    };
    let volumes = template.map_or(&[][..], |template| template.list("volumes")).iter();
    for volume in volumes.filter_map(|volume| volume.get("cloudSqlInstance")) {
        let names = volume.list("instances").iter();
        let names =
            names.filter_map(|name| Some(Spanned::new(name.as_text()?.to_owned(), name.span)));
        made.databases.extend(names);
    }
    let latest = node.word("latestReadyRevision").map(super::export::last);
    let own = template.and_then(|template| template.word("revision"));
    made.other_revision = node.list("traffic").iter().find_map(|to| {
        let revision = to.text("revision")?;
        let used = to.number("percent").unwrap_or(0) > 0;
        let name = Some(super::export::last(&revision.value));
        (used && name != latest && name != own).then_some(revision)
    });
    if let Some(template) = template {
        container(template, &mut made);
    }
    made
}

/// Of Cloud Functions, either generation.
pub(super) fn of_function(node: &Node) -> Revision<'_> {
    let settings = node.get("serviceConfig").unwrap_or(node);
    let host_of = node.get("httpsTrigger").and_then(|trigger| host(trigger, "url"));
    Revision {
        connector: settings.text("vpcConnector"),
        egress: settings.text("vpcConnectorEgressSettings"),
        ingress: settings.text("ingressSettings"),
        hosts: host(settings, "uri").or(host_of).into_iter().collect(),
        min_instances: number(settings, "minInstanceCount")
            .or_else(|| number(settings, "minInstances")),
        max_instances: number(settings, "maxInstanceCount")
            .or_else(|| number(settings, "maxInstances")),
        account: settings.text("serviceAccountEmail"),
        timeout: seconds(settings, "timeoutSeconds").or_else(|| seconds(settings, "timeout")),
        runs_as: settings.text("service"),
        ..Revision::default()
    }
}

/// The port and probes of the container that takes requests: the one with a port, or else the first.
fn container(place: &Node, made: &mut Revision<'_>) {
    let all = place.list("containers");
    let serving = all.iter().find(|container| !container.list("ports").is_empty());
    let Some(container) = serving.or_else(|| all.first()) else { return };
    let port = container.list("ports").first();
    made.port = port.and_then(|port| sixteen(port, "containerPort"));
    made.startup_probe = container.get("startupProbe").map(probe);
    made.liveness_probe = container.get("livenessProbe").map(probe);
}

fn probe(node: &Node) -> Probe {
    let http = node.get("httpGet");
    let asked = http.or_else(|| node.get("tcpSocket")).or_else(|| node.get("grpc"));
    Probe {
        path: http.and_then(|http| http.text("path")),
        port: asked.and_then(|asked| sixteen(asked, "port")),
        initial_delay: seconds(node, "initialDelaySeconds"),
        period: seconds(node, "periodSeconds"),
        timeout: seconds(node, "timeoutSeconds"),
        failure_threshold: number(node, "failureThreshold"),
        span: node.span.into(),
    }
}

/// A port.
pub(super) fn sixteen(node: &Node, field: &str) -> Option<Spanned<u16>> {
    let count = number(node, field)?;
    Some(Spanned::new(u16::try_from(count.value).ok()?, count.span))
}

/// The host of a URL.
fn host(node: &Node, field: &str) -> Option<Spanned<String>> {
    let url = node.text(field)?;
    let rest = url.value.split_once("://").map_or(url.value.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', ':']).next().filter(|host| !host.is_empty())?;
    Some(Spanned::new(host.to_owned(), url.span))
}
