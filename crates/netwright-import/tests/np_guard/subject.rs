//! Our side: an export as a network with all its pairs, asked by address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use netwright_model::language::reference::EndpointKind;
use netwright_model::language::{Description, Instance, InstanceKind, Provider};
use netwright_model::network::resolve::resolve;
use netwright_model::network::{EndpointId, InterfaceId, Network};
use netwright_model::source::{Sources, Spanned};
use netwright_model::tree::Limits;
use netwright_verify::flow::Flows;
use netwright_verify::prover::Prover;
use netwright_verify::reach::{Member, Outside, Reach, Relation};

use crate::golden::Range;

/// Loads an export as the other analyser sees it: it does not look at whether servers run.
pub(crate) fn load(input: &Path) -> Description {
    let loaded = netwright_import::load(input, &mut Sources::default(), &Limits::default());
    let mut description = loaded.unwrap().description;
    for (_, instance) in &mut description.instances.0 {
        instance.running = None;
    }
    description
}

/// Each subnet with one machine in it, and no filter but the subnet's: what an analysis of subnets is about. On AWS the machines
/// have public addresses, because there a subnet with a route to an internet gateway counts as one that reaches it.
pub(crate) fn subnets_only(description: Description) -> Description {
    let mut description = description;
    description.instances.clear();
    description.load_balancers.clear();
    description.private_endpoints.clear();
    description.databases.clear();
    let aws = description.provider.as_ref().is_some_and(|p| p.value == Provider::Aws);
    let mut public = (1..=u8::MAX).map(|last| Spanned::bare(IpAddr::from([203, 0, 113, last])));
    for (vpc_name, vpc) in description.vpcs.iter() {
        for (name, _) in vpc.subnets.iter() {
            let reference = format!("{}/{}", vpc_name.value, name.value);
            let subnet = Some(Spanned::bare(reference.clone()));
            let public_address = public.next().filter(|_| aws).into_iter().collect();
            let probe = Instance { subnet, public_address, ..Instance::default() };
            description.instances.0.push((Spanned::bare(reference.replace('/', "+")), probe));
        }
    }
    description
}

/// Resolves a description that must be sound.
pub(crate) fn network(description: Description) -> Network {
    resolve(description).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// An address of an interface.
pub(crate) type Point = (InterfaceId, IpAddr);

/// A network with all its pairs.
pub(crate) struct Subject<'n> {
    pub(crate) network: &'n Network,
    pub(crate) prover: Prover<'n>,
    groups: BTreeMap<Member, usize>,
    entries: BTreeMap<(usize, usize), Vec<(Relation, Flows)>>,
    /// Outside ranges by whether they are of the service network, with their groups.
    outside: [Vec<(Range, usize)>; 2],
}

impl<'n> Subject<'n> {
    pub(crate) fn of(network: &'n Network) -> Self {
        let mut prover = Prover::new(network);
        let reach: Reach = prover.reach().unwrap();
        let found = &reach.groups;
        let mut groups = BTreeMap::new();
        let mut outside = [Vec::new(), Vec::new()];
        for (at, group) in found.iter().enumerate() {
            for member in &group.members {
                groups.insert(*member, at);
                if let Member::Outside(whose, IpAddr::V4(first), IpAddr::V4(last)) = member {
                    let side = usize::from(matches!(whose, Outside::External(_)));
                    outside[side].push(((u32::from(*first), u32::from(*last)), at));
                }
            }
        }
        let mut entries: BTreeMap<(usize, usize), Vec<(Relation, Flows)>> = BTreeMap::new();
        for entry in reach.entries() {
            entries.entry((entry.src, entry.dst)).or_default().push((entry.relation, entry.flows));
        }
        Self { network, prover, groups, entries, outside }
    }

    pub(crate) fn vpc_of(&self, point: Point) -> &'n str {
        let subnet = self.network[point.0].subnet;
        &self.network[self.network[subnet].vpc].name
    }

    pub(crate) fn owner(&self, point: Point) -> EndpointId {
        self.network[point.0].owner
    }

    pub(crate) fn is_balancer(&self, point: Point) -> bool {
        self.network[self.owner(point)].kind == EndpointKind::LoadBalancer
    }

    pub(crate) fn is_private_endpoint(&self, point: Point) -> bool {
        self.network[self.owner(point)].kind == EndpointKind::PrivateEndpoint
    }

    /// Whether a point is another address of a balancer in the subnet of one; one of them is shown.
    pub(crate) fn stands_for(&self, point: Point, shown: IpAddr) -> bool {
        let row = &self.network[point.0];
        self.is_balancer(point)
            && self.network[row.owner].interfaces.iter().any(|other| {
                let other = &self.network[*other];
                other.subnet == row.subnet && other.addresses.contains(&shown)
            })
    }

    /// Whether a name of the other analyser means this VPC.
    pub(crate) fn is_vpc(&self, point: Point, name: &str) -> bool {
        let vpc = &self.network[self.network[self.network[point.0].subnet].vpc];
        vpc.name == name || vpc.id.as_deref() == Some(name)
    }

    /// Addresses that the other analyser compares: those of servers, workers, endpoint gateways and balancers.
    pub(crate) fn points(&self) -> Vec<Point> {
        let reserved: BTreeSet<&str> = self
            .network
            .description
            .instances
            .iter()
            .filter(|(_, instance)| {
                instance.kind.as_ref().is_some_and(|k| {
                    matches!(
                        k.value,
                        InstanceKind::ReservedAddress | InstanceKind::ManagedInterface
                    )
                })
            })
            .map(|(name, _)| name.value.as_str())
            .collect();
        let mut points = Vec::new();
        for (index, row) in self.network.interfaces.iter().enumerate() {
            let owner = &self.network[row.owner];
            let shown = matches!(
                owner.kind,
                EndpointKind::Instance | EndpointKind::PrivateEndpoint | EndpointKind::LoadBalancer
            );
            if shown && !reserved.contains(owner.name.as_str()) {
                points
                    .extend(row.addresses.iter().map(|address| (InterfaceId::at(index), *address)));
            }
        }
        points
    }

    /// What passes between two addresses of interfaces.
    pub(crate) fn between(&self, from: Point, to: Point) -> Flows {
        let group = |point: Point| self.groups.get(&Member::Interface(point.0, point.1)).copied();
        let (Some(a), Some(b)) = (group(from), group(to)) else { return Flows::NONE };
        let same = self.network[from.0].subnet == self.network[to.0].subnet;
        let wanted = if same { Relation::SameSubnet } else { Relation::OtherSubnet };
        let found = self.entries.get(&(a, b)).into_iter().flatten();
        let mut found =
            found.filter(|(relation, _)| *relation == Relation::Any || *relation == wanted);
        found.next().map_or(Flows::NONE, |(_, flows)| *flows)
    }

    /// What passes between an address and all outside addresses, by range; ranges that are not listed have nothing.
    pub(crate) fn outside(
        &self,
        point: Point,
        service: bool,
        inwards: bool,
    ) -> Vec<(Range, Flows)> {
        let Some(own) = self.groups.get(&Member::Interface(point.0, point.1)).copied() else {
            return Vec::new();
        };
        self.outside[usize::from(service)]
            .iter()
            .map(|(range, group)| {
                let key = if inwards { (*group, own) } else { (own, *group) };
                let flows = self.entries.get(&key).and_then(|found| found.first());
                (*range, flows.map_or(Flows::NONE, |(_, flows)| *flows))
            })
            .collect()
    }

    /// Public addresses of this network itself.
    pub(crate) fn public(&self) -> Vec<Range> {
        let interfaces = self.network.interfaces.iter().flat_map(|row| &row.public);
        let endpoints = self.network.endpoints.iter().flat_map(|row| &row.public);
        let gateways = self.network.nats.iter().flat_map(|row| &row.addresses);
        let all = interfaces.chain(endpoints).chain(gateways);
        all.filter_map(|address| match address {
            IpAddr::V4(v4) => Some((u32::from(*v4), u32::from(*v4))),
            IpAddr::V6(_) => None,
        })
        .collect()
    }

    /// Endpoints that a balancer sends connections to.
    pub(crate) fn members(&self, balancer: EndpointId) -> BTreeSet<EndpointId> {
        let own = self.network.load_balancers.iter().filter(|one| one.endpoint == balancer);
        let listeners = own.flat_map(|one| &one.listeners);
        listeners
            .flat_map(|listener| &listener.backends)
            .filter_map(|backend| backend.endpoint)
            .collect()
    }

    /// A point in words.
    pub(crate) fn show(&self, point: Point) -> String {
        format!("{}/{}[{}]", self.vpc_of(point), self.network[self.owner(point)].name, point.1)
    }
}
