//! Serverless VPC Access connectors.

use netwright_model::language::Connector;
use netwright_model::source::{Span, Spanned};

use super::Import;
use super::export::{Object, segment};
use super::networks::number;
use crate::access::Access;

/// Mbit/s that an instance adds to a connector's throughput, where only the throughput is given (Serverless VPC Access, "Throughput
/// and scaling": the default bounds of 200 and 300 are 2 and 3 instances).
const MBIT_PER_INSTANCE: u32 = 100;

impl<'e> Import<'e> {
    pub(super) fn connectors(&mut self) {
        for connector in self.export.all("connector") {
            self.connector(*connector);
        }
    }

    fn connector(&mut self, object: Object<'e>) {
        let (node, at) = (object.node, object.span());
        let key = self.names.key(object);
        let named = format!("connector:{key}");
        let link = object.link().unwrap_or_default();
        let region = segment(&link, "locations");
        let instances = |count: &str, throughput: &str| {
            let of_throughput =
                || Some(number(node, throughput)?.map(|mbit| mbit / MBIT_PER_INSTANCE));
            number(node, count).filter(|count| count.value > 0).or_else(of_throughput)
        };
        let mut made = Connector {
            id: Some(Spanned::new(link.clone(), at)),
            region: region.map(|region| Spanned::new(region.to_owned(), at)),
            machine_type: node.text("machineType"),
            min_instances: instances("minInstances", "minThroughput"),
            max_instances: instances("maxInstances", "maxThroughput"),
            state: node.text("state"),
            tags: region
                .map(|region| Spanned::new(format!("vpc-connector-{region}-{}", object.name()), at))
                .into_iter()
                .collect(),
            span: at.into(),
            ..Connector::default()
        };
        self.stand(object, &named, &mut made);
        if let Some(state) = made.state.clone().filter(|state| state.value != "READY") {
            let what = format!("its state is {}: what it carries is unknown", state.value);
            self.gap(&named, what, state.span, true);
            (made.vpc, made.subnet, made.cidr) = (None, None, None);
        }
        let place = node.get("name").map_or(at, |name| name.span);
        self.description.connectors.insert(Spanned::new(key, place), made);
    }

    /// Where a connector stands: in a subnet of the user's, or in a range of its own.
    fn stand(&mut self, object: Object<'e>, named: &str, made: &mut Connector) {
        let (node, at) = (object.node, object.span());
        let link = object.link().unwrap_or_default();
        let (region, project) = (segment(&link, "locations"), segment(&link, "projects"));
        let network = node.text("network");
        made.vpc = network.as_ref().and_then(|word| {
            let key = self.names.network_called(&word.value, project)?;
            Some(Spanned::new(key.to_owned(), word.span))
        });
        made.cidr = node.prefix("ipCidrRange");
        let vpc = made.vpc.as_ref().map(|vpc| vpc.value.as_str());
        if let Some(subnet) = node.get("subnet").and_then(|subnet| subnet.text("name")) {
            match self.names.subnet_called(&subnet.value, region, vpc) {
                Some((vpc, own)) => {
                    made.vpc = Some(Spanned::new(vpc.to_owned(), subnet.span));
                    made.subnet = Some(Spanned::new(format!("{vpc}/{own}"), subnet.span));
                    made.cidr = None;
                    return;
                }
                None if made.cidr.is_none() || made.vpc.is_none() => {
                    let what = format!("its subnet {} is not in the export", subnet.value);
                    self.gap(named, what, subnet.span, true);
                    return;
                }
                None => {}
            }
        }
        if made.vpc.is_none() {
            let network = network.map_or_else(|| "that it leads into".to_owned(), |n| n.value);
            let what = format!("the network {network} is not in the export");
            self.gap(named, what, at, true);
        } else if made.cidr.is_none() {
            self.gap(named, "neither its subnet nor its range is in the export", at, true);
        }
    }

    /// The key of the connector that a service names, by its path or by its name alone. One that the export does not hold is made
    /// without a place: what passes it is unknown.
    pub(super) fn connector_called(
        &mut self,
        word: &Spanned<String>,
        region: Option<&str>,
    ) -> String {
        let name = super::export::last(&word.value);
        let region = segment(&word.value, "locations").or(region);
        let project = segment(&word.value, "projects");
        let fits = |object: &&Object<'e>| {
            let link = object.link().unwrap_or_default();
            object.name() == name && (region.is_none() || segment(&link, "locations") == region)
        };
        let all = self.export.all("connector");
        let exact = all.iter().find(|object| {
            let link = object.link().unwrap_or_default();
            fits(object) && segment(&link, "projects") == project
        });
        // A project has a name and a number, and either may stand in a path.
        let mut fitting = all.iter().filter(fits);
        let only = fitting.next().filter(|_| fitting.next().is_none());
        if let Some(object) = exact.or(only) {
            return self.names.key(*object);
        }
        self.placeless_connector(name, &format!("connector {name} is not in the export"), word.span)
    }

    /// A connector that stands nowhere that is known, for a way into a VPC that cannot be described.
    pub(super) fn placeless_connector(&mut self, name: &str, what: &str, at: Span) -> String {
        let key = super::names::clean(name);
        let known = self.description.connectors.get(&key);
        let key = if known.is_some_and(|known| known.vpc.is_some()) {
            format!("{key}-unknown")
        } else {
            key
        };
        self.gap(&format!("connector:{key}"), what, at, true);
        if self.description.connectors.get(&key).is_none() {
            let made = Connector { span: at.into(), ..Connector::default() };
            self.description.connectors.insert(Spanned::new(key.clone(), at), made);
        }
        key
    }
}
