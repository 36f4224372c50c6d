//! Routes of VPC route tables: written ones, and those that the provider implies.

use crate::language::reference::Destination;
use crate::language::{PeeringState, RouteOrigin, RouteTarget};
use crate::network::{Origin, PeeringId, Route, RouteTableId, Target, TransitId, VpcId};
use crate::scalar::Prefix;
use crate::source::{Span, Spanned};

use super::context::{Resolver, find, text, values};

impl Resolver<'_> {
    /// The routes of every table. Implied routes come first.
    pub(super) fn routes(&mut self) {
        for vpc in (0..self.network.vpcs.len()).map(VpcId::at) {
            let locals: Vec<Route> = self.network[vpc]
                .cidrs
                .iter()
                .map(|cidr| implied(*cidr, Target::Local, Origin::Local))
                .collect();
            for table in self.network[vpc].route_tables.clone() {
                self.network.route_tables[table.index()].routes.extend(locals.iter().cloned());
            }
        }
        for peering in (0..self.network.peerings.len()).map(PeeringId::at) {
            self.peering_routes(peering);
        }
        for (vpc_name, vpc) in self.description.vpcs.iter() {
            for (name, table) in vpc.route_tables.iter() {
                let full = format!("{}/{}", vpc_name.value, name.value);
                let Some(id) = self.table_names.get(&full) else { continue };
                for route in &table.routes {
                    self.route(id, route);
                }
            }
        }
        self.routes_beside();
    }

    /// What the provider keeps beside a VPC answers over the VPC's routes, and has no way through its gateways: those serve what stands
    /// in the VPC.
    fn routes_beside(&mut self) {
        for subnet in self.beside.clone() {
            let (vpc, main) = (self.network[subnet].vpc, self.network[subnet].table);
            // A VPC that was refused has none.
            let Some(table) = self.network.route_tables.get(main.index()) else { continue };
            let mut table = table.clone();
            table.name = self.network[subnet].name.clone();
            table.id = None;
            table.routes.retain(|route| !matches!(route.via, Target::Gateway(_) | Target::Nat(_)));
            let id = RouteTableId::at(self.network.route_tables.len());
            self.network.route_tables.push(table);
            self.network.vpcs[vpc.index()].route_tables.push(id);
            self.network.subnets[subnet.index()].table = id;
        }
    }

    fn push_to_vpc(&mut self, vpc: VpcId, route: &Route) {
        for table in self.network[vpc].route_tables.clone() {
            self.network.route_tables[table.index()].routes.push(route.clone());
        }
    }

    /// Subnet routes that a provider exchanges over an active peering; they take part like local ones and cannot be overridden.
    fn peering_routes(&mut self, id: PeeringId) {
        let peering = self.network[id].clone();
        let [Some(a), Some(b)] = peering.vpcs else { return };
        if !peering.automatic_routes || peering.state != PeeringState::Active {
            return;
        }
        for (here, there) in [(a, b), (b, a)] {
            // A peering is not transitive: what stands beside a VPC is not exchanged.
            let mut subnets = self.network[there].subnets.clone();
            subnets.retain(|subnet| !self.beside.contains(subnet));
            let cidrs: Vec<Prefix> =
                subnets.iter().flat_map(|subnet| self.network[*subnet].cidrs.clone()).collect();
            for cidr in cidrs {
                let route = implied(cidr, Target::Peering(id), Origin::Local);
                self.push_to_vpc(here, &route);
            }
        }
    }

    /// Routes to a hub for all that the hub can reach, where the provider implies them. Called when the hub's tables are complete.
    pub(super) fn hub_routes(&mut self, transit: TransitId) {
        for attachment in self.network[transit].attachments.clone() {
            let (crate::network::Attached::Vpc(vpc), Some(table)) =
                (self.network[attachment].to, self.network[attachment].table)
            else {
                continue;
            };
            let reached: Vec<Prefix> = self.network[table]
                .routes
                .iter()
                .filter(|route| route.via != Target::Attachment(attachment))
                .map(|route| route.to)
                .collect();
            for prefix in reached {
                let route = implied(prefix, Target::Transit(transit), Origin::Propagated);
                self.push_to_vpc(vpc, &route);
            }
        }
    }

    fn route(&mut self, table: RouteTableId, route: &crate::language::Route) {
        let Some(via) = self.target(&route.via, table) else { return };
        let (prefixes, listed) = self.destinations(&route.to);
        let origin = match route.origin.as_ref().map(|origin| origin.value) {
            Some(given) if given != RouteOrigin::Static => given.into(),
            _ if via == Target::Local => Origin::Local,
            _ if listed => Origin::PrefixList,
            _ => Origin::Static,
        };
        for to in prefixes {
            self.network.route_tables[table.index()].routes.push(Route {
                to,
                via: via.clone(),
                priority: route.priority.as_ref().map_or(0, |priority| priority.value),
                origin,
                tags: values(&route.tags),
                span: *route.span,
                name: text(route.name.as_ref()),
            });
        }
    }

    /// The prefixes of a destination, and whether a prefix list named them.
    pub(super) fn destinations(&mut self, to: &Spanned<Destination>) -> (Vec<Prefix>, bool) {
        match &to.value {
            Destination::Prefix(prefix) => (vec![*prefix], false),
            Destination::PrefixList(name) => {
                let list = self.description.prefix_list(name).map(|list| values(&list.cidrs));
                match list {
                    Some(cidrs) => (cidrs, true),
                    None => {
                        self.error(to.span, format!("there is no prefix list `{name}`"), None);
                        (Vec::new(), true)
                    }
                }
            }
        }
    }

    fn target(&mut self, via: &Spanned<RouteTarget>, table: RouteTableId) -> Option<Target> {
        let spanned = |name: &String| Spanned::new(name.clone(), via.span);
        match &via.value {
            RouteTarget::Local => Some(Target::Local),
            RouteTarget::Blackhole => Some(Target::Blackhole),
            RouteTarget::Unknown(what) => Some(Target::Unknown(what.clone())),
            RouteTarget::InternetGateway(name) => {
                find!(self, gateway_names, &spanned(name)).map(Target::Gateway)
            }
            RouteTarget::Nat(name) => find!(self, nat_names, &spanned(name)).map(Target::Nat),
            RouteTarget::Peering(name) => {
                find!(self, peering_names, &spanned(name)).map(Target::Peering)
            }
            RouteTarget::Transit(name) => {
                find!(self, transit_names, &spanned(name)).map(Target::Transit)
            }
            RouteTarget::External(name) => {
                find!(self, external_names, &spanned(name)).map(Target::External)
            }
            RouteTarget::PrivateEndpoint(name) => {
                find!(self, endpoint_names, &spanned(name)).map(Target::PrivateEndpoint)
            }
            RouteTarget::Vpn(name) => self.vpns_named(&spanned(name)).map(Target::Vpn),
            RouteTarget::Instance(name) => self.next_hop(&spanned(name)),
            RouteTarget::Attachment(name) => {
                let hub = self.network[table].name.clone();
                self.error(
                    via.span,
                    format!(
                        "`attachment:{name}` is a target in a transit hub's table, not in `{hub}`"
                    ),
                    Some("write `transit:` with the hub's name".into()),
                );
                None
            }
        }
    }

    /// VPNs by their own name, or all that share a gateway.
    fn vpns_named(&mut self, name: &Spanned<String>) -> Option<Vec<crate::network::VpnId>> {
        let shared: Vec<_> = self
            .network
            .vpns
            .iter()
            .enumerate()
            .filter(|(_, vpn)| vpn.gateway.as_ref() == Some(&name.value))
            .map(|(index, _)| crate::network::VpnId::at(index))
            .collect();
        if !shared.is_empty() {
            return Some(shared);
        }
        find!(self, vpn_names, name).map(|vpn| vec![vpn])
    }

    fn next_hop(&mut self, name: &Spanned<String>) -> Option<Target> {
        if let Some(interface) = self.interface_names.get(&name.value) {
            return Some(Target::Interface(interface));
        }
        let instance = find!(self, instance_names, name)?;
        match self.network[instance].interfaces.as_slice() {
            [only] => Some(Target::Interface(*only)),
            several => {
                let message = format!("instance `{}` has {} interfaces", name.value, several.len());
                let help = format!("name one, as `instance:{}/interface`", name.value);
                self.error(name.span, message, Some(help));
                None
            }
        }
    }
}

pub(super) fn implied(to: Prefix, via: Target, origin: Origin) -> Route {
    Route { to, via, priority: 0, origin, tags: Vec::new(), span: Span::NONE, name: None }
}
