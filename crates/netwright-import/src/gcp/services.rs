//! Cloud Run services in the forms of both versions of its API, and Cloud Functions: how their packets leave, from where they may be
//! called, and which databases they reach through the platform's proxy.

use netwright_model::language::{
    Dependency, DependencyPath, Egress, EgressMode, EndpointKind, EndpointRef, Service,
    ServiceIngress,
};
use netwright_model::scalar::{Duration, Scalar};
use netwright_model::source::{Span, Spanned};
use netwright_model::tree::{Limits, Node, json};

use super::Import;
use super::export::{Object, last, segment};
use super::networks::number;
use super::revision::{self, Revision};
use crate::access::Access;

impl<'e> Import<'e> {
    pub(super) fn services(&mut self) {
        for service in self.export.all("runService") {
            let revision = match service.node.get("apiVersion") {
                Some(_) => revision::of_first_api(service.node),
                None => revision::of_second_api(service.node),
            };
            self.service(*service, revision);
        }
        for function in self.export.all("function") {
            let revision = revision::of_function(function.node);
            // The second generation of functions runs as a service of Cloud Run, which stands for both where it is in the export.
            let same = revision.runs_as.as_ref().and_then(|link| self.export.find(&link.value));
            if same.is_some() {
                continue;
            }
            self.service(*function, revision);
        }
    }

    fn service(&mut self, object: Object<'e>, revision: Revision<'e>) {
        let at = object.span();
        let key = self.names.key(object);
        let named = format!("service:{key}");
        let link = object.link().unwrap_or_default();
        let region = segment(&link, "locations").filter(|region| *region != "-");
        let mut egress = self.egress(&revision, region, &named);
        if let Some(other) = &revision.other_revision {
            let what = format!(
                "traffic goes to {} and not only to the latest revision, the only one that is described",
                other.value
            );
            self.gap(&named, what.clone(), other.span, true);
            egress = self.unknown_egress(&named, &what, other.span);
        }
        let mut made = Service {
            id: Some(Spanned::new(link.clone(), at)),
            region: region.map(|region| Spanned::new(region.to_owned(), at)),
            egress,
            ingress: self.ingress(revision.ingress.as_ref(), &named),
            hosts: revision.hosts,
            port: revision.port,
            min_instances: revision.min_instances,
            max_instances: revision.max_instances,
            account: revision.account,
            startup_probe: revision.startup_probe,
            liveness_probe: revision.liveness_probe,
            request_timeout: revision.timeout,
            span: at.into(),
            ..Service::default()
        };
        for connection in &revision.databases {
            let (name, dependency) = self.proxied(connection, &named);
            if made.dependencies.get(&name).is_none() {
                made.dependencies.insert(Spanned::new(name, connection.span), dependency);
            }
        }
        let place = object.node.get("name").map_or(at, |name| name.span);
        self.description.services.insert(Spanned::new(key, place), made);
    }

    /// How packets leave: through a connector, from a subnet, or past the VPC.
    fn egress(&mut self, revision: &Revision<'_>, region: Option<&str>, named: &str) -> Egress {
        if revision.connector.is_none() && revision.interfaces.is_none() {
            return Egress::default();
        }
        let word = revision.egress.as_ref();
        let plain = word.map(|word| word.value.to_ascii_lowercase().replace('_', "-"));
        let mode = match plain.as_deref() {
            Some("all-traffic" | "all") => EgressMode::AllTraffic,
            // What the platform does where nothing is said.
            None | Some("private-ranges-only" | "vpc-egress-unspecified") => {
                EgressMode::PrivateRangesOnly
            }
            Some(text) if text.ends_with("egress-settings-unspecified") => {
                EgressMode::PrivateRangesOnly
            }
            Some(other) => {
                let what = format!("`{other}` is no egress setting that is known");
                return self.unknown_egress(named, &what, word.map_or(Span::NONE, |w| w.span));
            }
        };
        let at = word.map_or(Span::NONE, |word| word.span);
        if let Some(connector) = &revision.connector {
            let key = self.connector_called(connector, region);
            return Egress {
                mode: Some(Spanned::new(mode, if at.is_some() { at } else { connector.span })),
                connector: Some(Spanned::new(key, connector.span)),
                span: connector.span.into(),
                ..Egress::default()
            };
        }
        match revision.interfaces {
            Some(interfaces) => self.direct(interfaces, mode, at, region, named),
            None => Egress::default(),
        }
    }

    /// Direct VPC egress: the first interface's subnet. An annotation holds its list as text.
    fn direct(
        &mut self,
        interfaces: &Node,
        mode: EgressMode,
        at: Span,
        region: Option<&str>,
        named: &str,
    ) -> Egress {
        let here = interfaces.span;
        let parsed =
            interfaces.as_str().map(|text| json::parse(text, here.file, &Limits::default()));
        let list = match &parsed {
            Some(Ok(list)) => list,
            Some(Err(_)) => {
                return self.unknown_egress(named, "its network interfaces are no JSON", here);
            }
            None => interfaces,
        };
        let Some(first) = list.items().first() else {
            return self.unknown_egress(named, "its list of network interfaces is empty", here);
        };
        // Of a network without a subnet, the subnet of the same name is used.
        let network = first.word("network");
        let Some(word) = first.word("subnetwork").or(network) else {
            return self.unknown_egress(named, "its network interface names no network", here);
        };
        let word = if first.word("subnetwork").is_some() { word } else { last(word) };
        let vpc = network.and_then(|network| self.names.network_called(network, None));
        let found = self.names.subnet_called(word, region, vpc);
        let Some(subnet) = found.map(|(vpc, subnet)| format!("{vpc}/{subnet}")) else {
            let what = format!("subnet {} is not in the export", last(word));
            return self.unknown_egress(named, &what, here);
        };
        let tags = first.list("tags").iter().filter_map(Node::as_text);
        Egress {
            mode: Some(Spanned::new(mode, if at.is_some() { at } else { here })),
            subnet: Some(Spanned::new(subnet, here)),
            tags: tags.map(|tag| Spanned::new(tag.to_owned(), here)).collect(),
            span: here.into(),
            ..Egress::default()
        }
    }

    /// A way that the description cannot say: all verdicts about it are unknown.
    fn unknown_egress(&mut self, named: &str, what: &str, at: Span) -> Egress {
        let name = format!("{}-vpc-access", named.trim_start_matches("service:"));
        let key = self.placeless_connector(&name, what, at);
        Egress {
            mode: Some(Spanned::new(EgressMode::AllTraffic, at)),
            connector: Some(Spanned::new(key, at)),
            span: at.into(),
            ..Egress::default()
        }
    }

    fn ingress(
        &mut self,
        word: Option<&Spanned<String>>,
        named: &str,
    ) -> Option<Spanned<ServiceIngress>> {
        let word = word?;
        let ingress = match word.value.to_ascii_lowercase().replace('_', "-").as_str() {
            "all" | "ingress-traffic-all" | "allow-all" => ServiceIngress::All,
            "internal" | "ingress-traffic-internal-only" | "allow-internal-only" => {
                ServiceIngress::Internal
            }
            "internal-and-cloud-load-balancing"
            | "ingress-traffic-internal-load-balancer"
            | "allow-internal-and-gclb" => ServiceIngress::InternalAndLoadBalancing,
            other => {
                let what = format!("from where it may be called is `{other}`, which is not known");
                self.gap(named, what, word.span, true);
                return None;
            }
        };
        Some(Spanned::new(ingress, word.span))
    }

    /// A database that the platform's proxy connects to, named as `project:region:instance`.
    fn proxied(&mut self, connection: &Spanned<String>, named: &str) -> (String, Dependency) {
        let own = |object: &&Object<'_>| {
            object.node.word("connectionName") == Some(connection.value.as_str())
        };
        let name = connection.value.rsplit(':').next().unwrap_or(&connection.value);
        let key = match self.export.all("sqlInstance").iter().find(own) {
            Some(object) => self.names.key(*object),
            None => {
                let what = format!("database {} is not in the export", connection.value);
                self.gap(named, what, connection.span, true);
                super::names::clean(&connection.value)
            }
        };
        let to = EndpointRef::Kind(EndpointKind::Database, key);
        let dependency = Dependency {
            to: Spanned::new(to, connection.span),
            via: Some(Spanned::new(DependencyPath::Socket, connection.span)),
            span: connection.span.into(),
            ..Dependency::default()
        };
        (super::names::clean(name), dependency)
    }
}

/// A time in seconds, as a number or as `300s`.
pub(super) fn seconds(node: &Node, field: &str) -> Option<Spanned<Duration>> {
    if let Some(count) = number(node, field) {
        return Some(count.map(|count| Duration::from_secs(count.into())));
    }
    let text = node.text(field)?;
    Some(Spanned::new(Duration::parse_scalar(&text.value).ok()?, text.span))
}
