//! Cloud SQL instances, and the ranges kept for the provider's services beside a network.

use netwright_model::language::reference::Destination;
use netwright_model::language::{Database, DatabaseEngine, Route, RouteTarget};
use netwright_model::scalar::Prefix;
use netwright_model::source::Spanned;
use netwright_model::tree::Node;

use super::Import;
use super::export::Object;
use super::networks::number;
use crate::access::Access;

impl<'e> Import<'e> {
    pub(super) fn databases(&mut self) {
        for database in self.export.all("sqlInstance") {
            self.database(*database);
        }
    }

    fn database(&mut self, object: Object<'e>) {
        let (node, at) = (object.node, object.span());
        let key = self.names.key(object);
        let named = format!("database:{key}");
        let settings = node.get("settings");
        let access = settings.and_then(|settings| settings.get("ipConfiguration"));
        let version = node.text("databaseVersion");
        let engine = version.map(|version| version.map(|version| engine(&version)));
        let tier = settings.and_then(|settings| settings.text("tier"));
        let postgres = engine.as_ref().is_some_and(|e| e.value == DatabaseEngine::Postgres);
        let mut made = Database {
            id: node.text("selfLink").or_else(|| node.text("connectionName")),
            engine,
            public: access
                .and_then(|access| access.flag("ipv4Enabled"))
                .map(|public| Spanned::new(public, at)),
            connection_name: node.text("connectionName"),
            max_connections: settings.and_then(flagged_connections),
            // What follows from the memory is published for PostgreSQL only.
            memory_mib: tier.as_ref().filter(|_| postgres).and_then(memory),
            tier,
            span: at.into(),
            ..Database::default()
        };
        for entry in node.list("ipAddresses") {
            let Some(address) = entry.address("ipAddress") else { continue };
            match entry.word("type") {
                Some("PRIVATE") => made.private_addresses.push(address),
                // From an outgoing address it replicates; nobody connects there.
                Some("OUTGOING") => {}
                _ => made.public_addresses.push(address),
            }
        }
        if let Some(link) = access.and_then(|access| access.text("privateNetwork")) {
            made.vpc =
                self.names.network(&link.value).map(|vpc| Spanned::new(vpc.to_owned(), link.span));
            if made.private_addresses.is_empty() {
                self.gap(&named, "its private address is not in the export", link.span, true);
            }
        } else if !made.private_addresses.is_empty() {
            self.gap(&named, "which network reaches its private address is not known", at, true);
        }
        if let Some(access) = access {
            self.authorised(access, &named, &mut made);
            self.further_ways(access, &named);
        }
        let stopped = settings.and_then(|settings| settings.word("activationPolicy"));
        if stopped == Some("NEVER") || node.word("state").is_some_and(|s| s != "RUNNABLE") {
            let what = "it is not running; verdicts are about the network on the way to it";
            self.gap(&named, what, at, false);
        }
        let place = node.get("name").map_or(at, |name| name.span);
        self.description.databases.insert(Spanned::new(key, place), made);
    }

    /// Sources that the public address accepts.
    fn authorised(&mut self, access: &Node, named: &str, made: &mut Database) {
        for entry in access.list("authorizedNetworks") {
            // A single address may stand without a length.
            let alone =
                || entry.address("value").map(|a| Spanned::new(Prefix::host(a.value), a.span));
            match entry.prefix("value").or_else(alone) {
                Some(prefix) => made.authorized_networks.push(prefix),
                None => {
                    self.gap(named, "an authorised network is no address range", entry.span, true);
                }
            }
            if let Some(end) = entry.text("expirationTime") {
                let what =
                    format!("an authorised network ends at {}; it is taken to hold", end.value);
                self.gap(named, what, end.span, true);
            }
        }
    }

    /// Ways to a database that are no address of its own.
    fn further_ways(&mut self, access: &Node, named: &str) {
        let psc = access.get("pscConfig").filter(|psc| psc.flag("pscEnabled") == Some(true));
        if let Some(psc) = psc {
            let what = "who reaches it through Private Service Connect is known by endpoints only";
            self.gap(named, what, psc.span, false);
        }
        if access.flag("enablePrivatePathForGoogleCloudServices") == Some(true) {
            let what = "the private path of Google Cloud services to it is not represented";
            self.gap(named, what, access.span, false);
        }
    }

    /// Ranges kept for managed services that a peering with the provider's network uses: what stands there beside the databases
    /// of the export is not known.
    pub(super) fn service_ranges(&mut self) {
        for address in self.export.all("address") {
            let node = address.node;
            if node.word("purpose") != Some("VPC_PEERING") {
                continue;
            }
            let network = node.word("network").and_then(|link| self.names.network(link));
            let Some(vpc) = network.map(str::to_owned) else { continue };
            let (Some(first), Some(length)) =
                (node.address("address"), number(node, "prefixLength"))
            else {
                continue;
            };
            let Ok(length) = u8::try_from(length.value) else { continue };
            let most = if first.value.is_ipv4() { 32 } else { 128 };
            let range = Prefix::of(first.value, length.min(most));
            let what = format!(
                "{range} is kept for managed services; what stands there is not in the export"
            );
            self.gap(&format!("vpc:{vpc}"), what.clone(), first.span, true);
            let route = Route {
                to: Spanned::new(Destination::Prefix(range), first.span),
                via: Spanned::new(RouteTarget::Unknown(what), first.span),
                name: node.text("name"),
                span: address.span().into(),
                ..Route::default()
            };
            let made = self.description.vpcs.get_mut(&vpc);
            let table = made.and_then(|vpc| vpc.route_tables.0.first_mut());
            if let Some((_, table)) = table {
                // A route that the export lists for the range says more.
                let listed =
                    |own: &Route| matches!(own.to.value, Destination::Prefix(p) if p == range);
                if !table.routes.iter().any(listed) {
                    table.routes.push(route);
                }
            }
        }
    }
}

fn engine(version: &str) -> DatabaseEngine {
    match version.split('_').next().unwrap_or("") {
        "POSTGRES" => DatabaseEngine::Postgres,
        "MYSQL" => DatabaseEngine::Mysql,
        "SQLSERVER" => DatabaseEngine::SqlServer,
        _ => DatabaseEngine::Other,
    }
}

/// The limit on connections where it is set by hand.
fn flagged_connections(settings: &Node) -> Option<Spanned<u32>> {
    let mut flags = settings.list("databaseFlags").iter();
    let limit = flags.find(|flag| flag.word("name") == Some("max_connections"))?;
    number(limit, "value")
}

/// Memory by the name of the tier: shared cores by their published sizes, custom ones by their names (`db-custom-2-7680`).
fn memory(tier: &Spanned<String>) -> Option<Spanned<u32>> {
    let mib = match tier.value.as_str() {
        "db-f1-micro" => 614,
        "db-g1-small" => 1740,
        custom => custom.strip_prefix("db-custom-")?.rsplit('-').next()?.parse().ok()?,
    };
    Some(Spanned::new(mib, tier.span))
}
