//! What the kernel holds, whoever put it there: compared with what was applied, and taken as the ground that the next plan is applied on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::link::{InfoData, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo};

use super::facts::{Fact, Way};
use super::failure::Failure;
use super::queue::Found;
use super::socket::{Netlink, Request};
use super::{
    ASIDE, Kernel, Space, TUNNEL_TABLE, enter, facts, messages, queue, ruleset, settings,
    speaks_v6, ways,
};
use crate::plan::{HostPlan, Link, Namespace, Neighbour, Queue, Role, Route, Via};

/// What is in a namespace.
#[derive(Debug)]
pub(super) struct Observed {
    /// Settings that are not what they must be, in words.
    settings: Vec<String>,
    links: BTreeMap<String, End>,
    /// By the links' indices.
    queues: BTreeMap<u32, Found>,
    facts: BTreeSet<Fact>,
    /// What of the ruleset is not as planned, in words.
    ruleset: Vec<String>,
    /// The tables of rulesets that are there.
    tables: Vec<String>,
}

/// An end of a link that is there.
#[derive(Debug)]
struct End {
    index: u32,
    mtu: u32,
    mac: Vec<u8>,
    up: bool,
    /// Where it goes through VXLAN: its identifier, from which host, to which.
    over: Option<Over>,
}

type Over = (u32, Ipv4Addr, Ipv4Addr);

/// Where an end of a link is to go through VXLAN: 0 for the first end.
fn planned_over(link: &Link, end: usize) -> Option<Over> {
    let over = link.over.as_ref()?;
    Some((over.vni, over.hosts[end].address, over.hosts[1 - end].address))
}

/// What the kernel says of a link's kind.
fn told_over(about: &[LinkInfo]) -> Option<Over> {
    let all = about.iter().find_map(|info| match info {
        LinkInfo::Data(InfoData::Vxlan(all)) => Some(all),
        _ => None,
    })?;
    let (mut vni, mut local, mut remote) = (0, Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
    for one in all {
        match one {
            InfoVxlan::Id(id) => vni = *id,
            InfoVxlan::Local(address) => local = *address,
            InfoVxlan::Group(address) => remote = *address,
            _ => {}
        }
    }
    Some((vni, local, remote))
}

/// Looks at a namespace; the calling thread moves into it.
pub(super) fn observe(namespace: &Namespace, space: &Space) -> Result<Observed, Failure> {
    let name = &namespace.name;
    let failed = |error: std::io::Error| Failure::refused(name, "reading back", error);
    enter(space.descriptor.as_fd()).map_err(failed)?;
    let settings = settings::of(namespace.forwards, speaks_v6(namespace))
        .iter()
        .filter(|setting| setting.needed)
        .filter_map(settings::read)
        .collect();
    let mut netlink = Netlink::here().map_err(failed)?;
    let mut links = BTreeMap::new();
    for message in netlink.dump(Message::GetLink(Default::default())).map_err(failed)? {
        let Message::NewLink(message) = message else { continue };
        let mut end = End {
            index: message.header.index,
            mtu: 0,
            mac: Vec::new(),
            up: message.header.flags.contains(LinkFlags::Up),
            over: None,
        };
        let mut link = String::new();
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link = name,
                LinkAttribute::Mtu(octets) => end.mtu = octets,
                LinkAttribute::Address(octets) => end.mac = octets,
                LinkAttribute::LinkInfo(about) => end.over = told_over(&about),
                _ => {}
            }
        }
        links.insert(link, end);
    }
    let queues = queue::all(&mut netlink).map_err(failed)?;
    let names = links.iter().map(|(name, end)| (end.index, name.clone())).collect();
    let mut found = BTreeSet::new();
    let questions = [
        Message::GetAddress(Default::default()),
        Message::GetNeighbour(Default::default()),
        Message::GetRoute(Default::default()),
        Message::GetRule(Default::default()),
    ];
    for question in questions {
        let told = netlink.dump(question).map_err(failed)?;
        found.extend(told.into_iter().filter_map(|message| facts::told(message, &names)));
    }
    // What is turned aside on purpose is looked after by whoever did that.
    links.retain(|link, _| !link.starts_with(ASIDE));
    found.retain(|fact| fact.link().is_none_or(|link| !link.starts_with(ASIDE)));
    if namespace.role == Role::Tunnel {
        // What makes a tunnel may have a device and a table of its own.
        let ours = |link: &str| link == "lo" || space.links.contains_key(link);
        found.retain(|fact| fact.table() != Some(TUNNEL_TABLE) && fact.link().is_none_or(ours));
    }
    let (ruleset, tables) = if namespace.ruleset.is_empty() {
        Default::default()
    } else {
        ruleset::deviations(name, &namespace.ruleset)?
    };
    Ok(Observed { settings, links, queues, facts: found, ruleset, tables })
}

impl Kernel {
    /// Where a namespace is otherwise than was applied, in words.
    pub(super) fn deviations(
        &self,
        namespace: &Namespace,
        space: &Space,
        seen: &Observed,
    ) -> Vec<String> {
        let name = &namespace.name;
        let mut wrong = seen.settings.clone();
        for link in &self.applied.links {
            for (number, end) in [&link.a, &link.b].into_iter().enumerate() {
                if &end.namespace != name {
                    continue;
                }
                let what = &end.name;
                match seen.links.get(what) {
                    None => wrong.push(format!("link {what} is missing")),
                    Some(End { mtu, mac, .. }) if *mtu != link.mtu || *mac != end.mac => {
                        wrong.push(format!(
                            "link {what} has {mtu} octets and {mac:02x?}, not {} and {:02x?}",
                            link.mtu, end.mac
                        ));
                    }
                    Some(End { over, .. }) if *over != planned_over(link, number) => {
                        wrong.push(format!("link {what} goes to another host than was planned"));
                    }
                    Some(End { up: false, .. }) => wrong.push(format!("link {what} is down")),
                    Some(_) => {}
                }
            }
        }
        for (end, queue, _) in self.applied.links.iter().flat_map(ways::ends) {
            if &end.namespace == name
                && let Some(index) = space.index(&end.name)
                && !is_queue(seen.queues.get(&index), queue)
            {
                let found = seen.queues.get(&index).map_or("none", |found| found.kind.as_str());
                wrong
                    .push(format!("link {} has another queue than was planned: {found}", end.name));
            }
        }
        let planned: BTreeSet<Fact> = facts::planned(namespace).into_iter().collect();
        wrong.extend(planned.difference(&seen.facts).map(|fact| format!("{fact}: is missing")));
        let more = seen.facts.difference(&planned);
        wrong.extend(more.map(|fact| format!("{fact}: is there, and is not planned")));
        wrong.extend(seen.ruleset.iter().cloned());
        wrong
    }

    /// Takes over the namespaces that are kept: `known` is what may have been applied, the surest first. What nobody knows is kept no more. What is
    /// otherwise than the first says, in words.
    ///
    /// # Errors
    ///
    /// What could not be read.
    pub fn adopt(&mut self, known: &[HostPlan]) -> Result<Vec<String>, Vec<Failure>> {
        let all = match &self.keep {
            Some(keep) => keep.all(),
            None => Ok(Vec::new()),
        };
        let all = all.map_err(|error| {
            vec![Failure::refused("this host", "the namespaces that are kept", error)]
        })?;
        let known = known.iter().fold(HostPlan::default(), |sum, plan| either(&sum, plan));
        for (name, descriptor) in all {
            if known.namespaces.iter().any(|one| one.name == name) {
                let (links, next) = (BTreeMap::new(), messages::LOOPBACK);
                self.spaces.insert(name, Space { descriptor, links, next });
            } else {
                self.keep.iter().for_each(|keep| keep.release(&name));
            }
        }
        self.applied = known;
        self.survey()
    }

    /// Looks at everything, and takes what is there as what was applied: the next [`Self::apply`] changes what differs from its plan, whoever caused
    /// it. What was otherwise than applied, in words.
    ///
    /// # Errors
    ///
    /// What could not be read, or be taken out of the way.
    pub fn survey(&mut self) -> Result<Vec<String>, Vec<Failure>> {
        let seen = self.gathered(observe).map_err(|failure| vec![failure])?;
        for (name, seen) in &seen {
            if let Some(space) = self.spaces.get_mut(name) {
                space.links =
                    seen.links.iter().map(|(link, end)| (link.clone(), end.index)).collect();
                space.next = seen.links.values().map(|end| end.index).max().unwrap_or(1);
            }
        }
        let mut wrong = Vec::new();
        let mut there = HostPlan { tasks: self.applied.tasks.clone(), ..HostPlan::default() };
        for namespace in &self.applied.namespaces {
            let name = &namespace.name;
            let (Some(space), Some(seen)) = (self.spaces.get(name), seen.get(name)) else {
                wrong.push(format!("{name}: is not there"));
                continue;
            };
            let own = self.deviations(namespace, space, seen);
            wrong.extend(own.into_iter().map(|what| format!("{name}: {what}")));
            there.namespaces.push(actual(namespace, seen));
        }
        let mut gone: BTreeMap<&str, Vec<Request>> = BTreeMap::new();
        for link in &self.applied.links {
            match actual_link(link, &seen) {
                Ok(link) => there.links.push(link),
                Err(left) => {
                    for (namespace, name, index) in left {
                        gone.entry(namespace).or_default().push(messages::unlink(index, name));
                    }
                }
            }
        }
        let mut failures = self.ask(gone);
        // What is set from outside a plan is set right here: no plan would differ in it.
        let set = self.gathered_of(
            |name| seen.get(name).is_some_and(|seen| !seen.settings.is_empty()),
            |namespace, space| {
                let name = &namespace.name;
                let refused = |what: String| Failure::refused(name, "setting", what);
                enter(space.descriptor.as_fd()).map_err(|error| refused(error.to_string()))?;
                let all = settings::of(namespace.forwards, speaks_v6(namespace));
                let wrong = settings::write(&all);
                if wrong.is_empty() { Ok(()) } else { Err(refused(wrong.join(", "))) }
            },
        );
        failures.extend(set.err());
        self.applied = there;
        if failures.is_empty() { Ok(wrong) } else { Err(failures) }
    }
}

fn is_queue(found: Option<&Found>, planned: Option<&Queue>) -> bool {
    let ours = found.filter(|found| found.is_ours());
    match (ours, planned) {
        (None, None) => true,
        (Some(found), Some(planned)) => found.is(planned),
        _ => false,
    }
}

/// A namespace of a plan with what is in it in truth.
fn actual(planned: &Namespace, seen: &Observed) -> Namespace {
    let mut namespace = planned.clone();
    namespace.addresses.clear();
    namespace.neighbours.clear();
    namespace.routes.clear();
    namespace.rules.clear();
    for fact in &seen.facts {
        match fact {
            Fact::Address { link, address } => namespace.addresses.push((link.clone(), *address)),
            Fact::Neighbour { link, address, mac } => {
                let mac = mac.as_slice().try_into().unwrap_or_default();
                namespace.neighbours.push(Neighbour { link: link.clone(), address: *address, mac });
            }
            Fact::Route { table, to, way } => {
                let via = match way {
                    Way::Over { link, gateway } => {
                        Via::Link { link: link.clone(), gateway: *gateway }
                    }
                    Way::Dropped => Via::Blackhole,
                    Way::Next => Via::Throw,
                    Way::Here => Via::Local,
                    Way::Other(_) => continue,
                };
                namespace.routes.push(Route { table: *table, to: *to, via });
            }
            Fact::Rule { v6, priority, mark, table } => {
                let (v6, priority, mark, table) = (*v6, *priority, *mark, *table);
                namespace.rules.push(crate::plan::PolicyRule { priority, mark, table, v6 });
            }
        }
    }
    if !seen.ruleset.is_empty() {
        // Not what is planned, whatever it is: its tables are what must go.
        namespace.ruleset = seen.tables.iter().map(|table| format!("{table} {{\n}}\n")).collect();
    }
    namespace
}

/// Ends of a link that is not whole: the namespace, the name, the index.
type Left<'a> = Vec<(&'a str, &'a str, u32)>;

/// A link of a plan as it is in truth; where it is not whole, what is left of it.
fn actual_link<'a>(planned: &'a Link, seen: &BTreeMap<String, Observed>) -> Result<Link, Left<'a>> {
    let mut link = planned.clone();
    let mut left = Vec::new();
    let mut whole = true;
    for (number, end) in [&planned.a, &planned.b].into_iter().enumerate() {
        let Some(space) = seen.get(&end.namespace) else {
            // On another host, or gone with its namespace.
            whole &= planned.over.is_some();
            continue;
        };
        let Some(there) = space.links.get(&end.name) else {
            whole = false;
            continue;
        };
        left.push((end.namespace.as_str(), end.name.as_str(), there.index));
        whole &= there.up && there.mac == end.mac && there.over == planned_over(planned, number);
        if there.mtu != planned.mtu {
            // Of one end or of both: no plan has it.
            link.mtu = 0;
        }
        let found = space.queues.get(&there.index);
        if !is_queue(found, planned.queues[number].as_ref()) {
            // Something else than is planned: whatever that is, it is replaced or taken away.
            link.queues[number] = match planned.queues[number] {
                Some(_) => None,
                None => Some(Queue::Tbf { rate: 0, burst: 0, limit: 0 }),
            };
        }
    }
    if whole && !left.is_empty() { Ok(link) } else { Err(left) }
}

/// What is in one plan, and of another what is not in the first.
pub(super) fn either(first: &HostPlan, second: &HostPlan) -> HostPlan {
    let mut sum = first.clone();
    let names: BTreeSet<&str> = first.namespaces.iter().map(|one| one.name.as_str()).collect();
    let more = second.namespaces.iter().filter(|one| !names.contains(one.name.as_str()));
    sum.namespaces.extend(more.cloned());
    let ends: BTreeSet<_> = first.links.iter().flat_map(|link| [&link.a, &link.b]).collect();
    let more = second.links.iter().filter(|l| !ends.contains(&l.a) && !ends.contains(&l.b));
    sum.links.extend(more.cloned());
    sum
}
