//! What the steps of resolution share: the network so far, the names, the errors.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::language::{Description, Provider};
use crate::network::{EndpointId, FilterId, InterfaceId, Network, RouteTableId, SubnetId, VpcId};
use crate::profile::{Facts, facts};
use crate::source::{Span, Spanned};
use crate::suggest::nearest;

/// Names and identifiers of one kind of object.
#[derive(Debug)]
pub(super) struct Names<Id> {
    kind: &'static str,
    by_name: BTreeMap<String, Id>,
    by_id: BTreeMap<String, Id>,
    /// Short names (without the owner) and how many objects have each.
    short: BTreeMap<String, (Id, usize)>,
}

impl<Id: Copy> Names<Id> {
    pub(super) fn new(kind: &'static str) -> Self {
        Self { kind, by_name: BTreeMap::new(), by_id: BTreeMap::new(), short: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, name: &str, id: Option<&Spanned<String>>, value: Id) {
        self.by_name.insert(name.to_owned(), value);
        if let Some(id) = id {
            self.by_id.insert(id.value.clone(), value);
        }
        if let Some((_, short)) = name.split_once('/') {
            self.short
                .entry(short.to_owned())
                .and_modify(|(_, count)| *count += 1)
                .or_insert((value, 1));
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<Id> {
        if let Some(id) = self.by_name.get(name).or_else(|| self.by_id.get(name)) {
            return Some(*id);
        }
        self.short.get(name).filter(|(_, count)| *count == 1).map(|(id, _)| *id)
    }

    fn trouble(&self, name: &str) -> (String, Option<String>) {
        if let Some((_, count)) = self.short.get(name).filter(|(_, count)| *count > 1) {
            let help = format!("write it with its VPC, as `vpc/{name}`");
            return (format!("{count} {}s are called `{name}`", self.kind), Some(help));
        }
        let known = self.by_name.keys().chain(self.short.keys()).map(String::as_str);
        let help = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
        (format!("there is no {} `{name}`", self.kind), help)
    }
}

/// The state of a resolution.
pub(super) struct Resolver<'d> {
    pub(super) description: &'d Description,
    pub(super) network: Network,
    pub(super) errors: Vec<Diagnostic>,
    pub(super) vpc_names: Names<VpcId>,
    pub(super) subnet_names: Names<SubnetId>,
    pub(super) table_names: Names<RouteTableId>,
    pub(super) filter_names: Names<FilterId>,
    pub(super) instance_names: Names<EndpointId>,
    pub(super) interface_names: Names<InterfaceId>,
    pub(super) database_names: Names<EndpointId>,
    pub(super) external_names: Names<super::super::ExternalId>,
    pub(super) site_names: Names<super::super::SiteId>,
    pub(super) vpn_names: Names<super::super::VpnId>,
    pub(super) gateway_names: Names<super::super::GatewayId>,
    pub(super) nat_names: Names<super::super::NatId>,
    pub(super) peering_names: Names<super::super::PeeringId>,
    pub(super) transit_names: Names<super::super::TransitId>,
    pub(super) attachment_names: Names<super::super::AttachmentId>,
    pub(super) endpoint_names: Names<EndpointId>,
    pub(super) service_names: Names<super::super::ServerlessId>,
    pub(super) connector_names: Names<super::super::ConnectorId>,
    pub(super) balancer_names: Names<EndpointId>,
    /// Subnets of the provider's own network in which it keeps what one VPC reaches (private services access).
    pub(super) beside: Vec<SubnetId>,
}

impl<'d> Resolver<'d> {
    pub(super) fn new(description: &'d Description) -> Self {
        Self {
            description,
            network: Network::default(),
            errors: Vec::new(),
            beside: Vec::new(),
            vpc_names: Names::new("VPC"),
            subnet_names: Names::new("subnet"),
            table_names: Names::new("route table"),
            filter_names: Names::new("filter"),
            instance_names: Names::new("instance"),
            interface_names: Names::new("interface"),
            database_names: Names::new("database"),
            external_names: Names::new("external"),
            site_names: Names::new("site"),
            vpn_names: Names::new("VPN"),
            gateway_names: Names::new("internet gateway"),
            nat_names: Names::new("NAT gateway"),
            peering_names: Names::new("peering"),
            transit_names: Names::new("transit hub"),
            attachment_names: Names::new("attachment"),
            endpoint_names: Names::new("private endpoint"),
            service_names: Names::new("service"),
            connector_names: Names::new("connector"),
            balancer_names: Names::new("load balancer"),
        }
    }

    pub(super) fn finish(self) -> (Network, Vec<Diagnostic>) {
        (self.network, self.errors)
    }

    pub(super) fn error(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        let mut diagnostic = Diagnostic::error("NW-REF-001", span, message.into());
        diagnostic.help = help;
        self.errors.push(diagnostic);
    }

    /// The provider of an object, from its own word or the description's.
    pub(super) fn provider(&self, own: Option<&Spanned<Provider>>) -> Provider {
        own.or(self.description.provider.as_ref()).map_or(Provider::Generic, |p| p.value)
    }

    pub(super) fn facts(&self, provider: Provider) -> Facts {
        facts(provider, self.description)
    }
}

/// Looks a reference up, or reports it. A macro, because the names and the errors are two parts of one borrowed resolver.
macro_rules! find {
    ($resolver:expr, $names:ident, $reference:expr) => {{
        let reference = $reference;
        match $resolver.$names.get(&reference.value) {
            Some(id) => Some(id),
            None => {
                $resolver.missing(|r| r.$names.trouble_of(&reference.value), reference.span);
                None
            }
        }
    }};
}
pub(super) use find;

impl<Id: Copy> Names<Id> {
    /// The message and the help for a name that leads nowhere.
    pub(super) fn trouble_of(&self, name: &str) -> (String, Option<String>) {
        self.trouble(name)
    }
}

impl Resolver<'_> {
    pub(super) fn missing(
        &mut self,
        trouble: impl FnOnce(&Self) -> (String, Option<String>),
        span: Span,
    ) {
        let (message, help) = trouble(self);
        self.error(span, message, help);
    }
}

/// The text of an optional identifier.
pub(super) fn text(id: Option<&Spanned<String>>) -> Option<String> {
    id.map(|id| id.value.clone())
}

/// Values of a list of spanned values.
pub(super) fn values<T: Clone>(list: &[Spanned<T>]) -> Vec<T> {
    list.iter().map(|item| item.value.clone()).collect()
}

/// The value of an optional yes or no, with its default.
pub(super) fn flag(value: Option<&Spanned<bool>>, default: bool) -> bool {
    value.map_or(default, |v| v.value)
}
