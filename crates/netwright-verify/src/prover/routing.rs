//! Route look-up: longest prefix, then the implied local route, then priority, then origin.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use netwright_model::network::{Network, Origin, Route, RouteTableId, TransitTableId};
use netwright_model::scalar::Prefix;

/// What a look-up finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// One route decides: its position in the table.
    Route(usize),
    /// Several routes that lead to different places are equally good: the positions of the first two.
    Ambiguous(usize, usize),
    /// The route at this position may apply or not.
    Uncertain(usize),
    /// None.
    Nothing,
}

/// Look-up structures of all route tables.
#[derive(Debug, Default)]
pub(crate) struct Routing {
    tables: Vec<Table>,
    hubs: Vec<Table>,
}

impl Routing {
    pub(crate) fn of(network: &Network) -> Self {
        Self {
            tables: network
                .route_tables
                .iter()
                .map(|table| Table::of(&table.routes, false))
                .collect(),
            hubs: network
                .transit_tables
                .iter()
                .map(|table| Table::of(&table.routes, true))
                .collect(),
        }
    }

    /// The route of a VPC's table for a destination, among those without tags or with one of the given.
    pub(crate) fn find(
        &self,
        network: &Network,
        table: RouteTableId,
        destination: IpAddr,
        tags: &[String],
    ) -> Found {
        self.tables[table.index()].find(&network[table].routes, destination, tags)
    }

    /// A route of a policy that may apply to what an interface sends to a destination, also inside its subnet.
    pub(crate) fn policy(
        &self,
        network: &Network,
        table: RouteTableId,
        destination: IpAddr,
        tags: &[String],
    ) -> Option<usize> {
        let routes = &network[table].routes;
        first_for(&self.tables[table.index()].policies, routes, destination, tags)
    }

    /// The route of a transit hub's table.
    pub(crate) fn find_in_hub(
        &self,
        network: &Network,
        table: TransitTableId,
        destination: IpAddr,
    ) -> Found {
        self.hubs[table.index()].find(&network[table].routes, destination, &[])
    }
}

/// Routes of one table, grouped by prefix length so that a look-up is one binary search for each length in use.
#[derive(Debug, Default)]
struct Table {
    v4: Vec<Length>,
    v6: Vec<Length>,
    /// Positions of the routes of policies.
    policies: Vec<usize>,
    /// Positions of the routes that may exist.
    possible: Vec<usize>,
}

/// The first of some routes that an interface may use for a destination.
fn first_for(
    positions: &[usize],
    routes: &[Route],
    destination: IpAddr,
    tags: &[String],
) -> Option<usize> {
    let fits = |position: &usize| {
        let route = &routes[*position];
        route.to.contains(destination) && applies(route, tags)
    };
    positions.iter().copied().find(fits)
}

/// Routes of one prefix length, sorted by prefix and preference.
#[derive(Debug)]
struct Length {
    length: u8,
    entries: Vec<(IpAddr, Rank, usize)>,
}

/// Preference among routes of one prefix: less is better.
type Rank = (bool, u32, Origin);

/// In a VPC's table the implied local route comes before all others of its prefix; otherwise the lowest priority, then the origin.
/// A transit hub has no local routes, and a static route there beats a propagated one whatever their priorities.
fn rank(route: &Route, hub: bool) -> Rank {
    let priority =
        if hub && route.origin == Origin::Propagated { u32::MAX } else { route.priority };
    (route.origin != Origin::Local, priority, route.origin)
}

impl Table {
    fn of(routes: &[Route], hub: bool) -> Self {
        let mut table = Self::default();
        for (position, route) in routes.iter().enumerate() {
            match route.origin {
                Origin::Policy => table.policies.push(position),
                Origin::Possible => table.possible.push(position),
                Origin::Local | Origin::Static | Origin::PrefixList | Origin::Propagated => {}
            }
            if route.origin.is_uncertain() {
                continue;
            }
            let first = route.to.first();
            let lengths = if first.is_ipv4() { &mut table.v4 } else { &mut table.v6 };
            let length = route.to.length();
            let entry = (first, rank(route, hub), position);
            match lengths.iter_mut().find(|known| known.length == length) {
                Some(known) => known.entries.push(entry),
                None => lengths.push(Length { length, entries: vec![entry] }),
            }
        }
        for lengths in [&mut table.v4, &mut table.v6] {
            lengths.sort_by_key(|known| std::cmp::Reverse(known.length));
            for known in lengths {
                known.entries.sort_unstable();
            }
        }
        table
    }

    fn find(&self, routes: &[Route], destination: IpAddr, tags: &[String]) -> Found {
        if let Some(policy) = first_for(&self.policies, routes, destination, tags) {
            return Found::Uncertain(policy);
        }
        let certain = self.find_certain(routes, destination, tags);
        let implied =
            matches!(certain, Found::Route(route) if routes[route].origin == Origin::Local);
        match first_for(&self.possible, routes, destination, tags) {
            Some(possible) if !implied => Found::Uncertain(possible),
            _ => certain,
        }
    }

    fn find_certain(&self, routes: &[Route], destination: IpAddr, tags: &[String]) -> Found {
        let lengths = if destination.is_ipv4() { &self.v4 } else { &self.v6 };
        for known in lengths {
            let base = Prefix::of(destination, known.length).first();
            let start = known.entries.partition_point(|(first, ..)| *first < base);
            let equal = known.entries[start..].iter().take_while(|(first, ..)| *first == base);
            let mut usable = equal.filter(|(.., position)| applies(&routes[*position], tags));
            let Some((_, best_rank, best)) = usable.next() else { continue };
            let rival = usable
                .take_while(|(_, rank, _)| rank == best_rank)
                .find(|(.., position)| routes[*position].via != routes[*best].via);
            return match rival {
                Some((.., rival)) => Found::Ambiguous(*best, *rival),
                None => Found::Route(*best),
            };
        }
        Found::Nothing
    }
}

/// The route that decides for each prefix of a table, among those without tags or with one of the given: its position, or the positions of
/// two that are equally good and lead to different places. Without those of which it is not known whether they apply.
#[must_use]
pub fn best_routes(
    routes: &[Route],
    tags: &[String],
    hub: bool,
) -> BTreeMap<Prefix, Result<usize, (usize, usize)>> {
    let used = |route: &Route| applies(route, tags) && !route.origin.is_uncertain();
    let mut usable: Vec<usize> =
        (0..routes.len()).filter(|position| used(&routes[*position])).collect();
    usable.sort_by_key(|position| (rank(&routes[*position], hub), *position));
    let mut best: BTreeMap<Prefix, Result<usize, (usize, usize)>> = BTreeMap::new();
    for position in usable {
        let route = &routes[position];
        match best.entry(route.to) {
            Entry::Vacant(vacant) => {
                vacant.insert(Ok(position));
            }
            Entry::Occupied(mut known) => {
                if let Ok(first) = *known.get()
                    && rank(&routes[first], hub) == rank(route, hub)
                    && routes[first].via != route.via
                {
                    *known.get_mut() = Err((first, position));
                }
            }
        }
    }
    best
}

fn applies(route: &Route, tags: &[String]) -> bool {
    route.tags.is_empty() || route.tags.iter().any(|tag| tags.contains(tag))
}
