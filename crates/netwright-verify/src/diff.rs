//! What a change does: flows gained and lost, and intents broken and fixed.
//!
//! Endpoints are matched by name, outside addresses by value. Both networks are computed in one space of sets, so that equal sets
//! are equal ids, and only pairs of groups that something passes between are looked at.

mod cause;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_model::network::Network;

use crate::cascade::{self, Cascade};
use crate::check::{Finding, check_with};
use crate::dependencies::{self, Answer as Dependency};
use crate::flow::Flows;
use crate::intents::{self, Answer, Standing};
use crate::prover::Prover;
use crate::reach::{Member, Outside, Reach, Relation};
use crate::space::{Overflow, Packet, Set, Space, show};
use crate::steps::{Step, steps};

pub use cause::Cause;

/// Who sends or receives, the same in both networks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// An endpoint by name, in one address family.
    Named {
        /// Its name.
        name: String,
        /// IPv4 rather than IPv6.
        v4: bool,
    },
    /// Outside addresses: whose, first and last.
    Outside(String, IpAddr, IpAddr),
}

/// Flows between some sources and some destinations that changed in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Sources.
    pub from: Vec<Party>,
    /// Destinations.
    pub to: Vec<Party>,
    /// For which of them.
    pub relation: Relation,
    /// What works no longer, in words.
    pub lost: Option<String>,
    /// What works now, in words.
    pub gained: Option<String>,
    /// What is unknown now and was not, in words.
    pub unsure: Option<String>,
    /// Why what is lost is lost, by one of the flows.
    pub cause: Option<Cause>,
    /// One packet of what is lost.
    sample: Option<Packet>,
}

/// What a change does.
#[derive(Debug, Clone, Default)]
pub struct Diff {
    /// Flows.
    pub changes: Vec<Change>,
    /// Intents that held, or did not exist, and do not hold now.
    pub broken: Vec<Answer>,
    /// Intents that did not hold and do now.
    pub fixed: Vec<Answer>,
    /// Intents of the new network that cannot be determined.
    pub unsure: Vec<Answer>,
    /// Intents that the old network has and the new one does not: nothing asks them any more.
    pub dropped: Vec<String>,
    /// Findings that the new network has and the old one has not.
    pub found: Vec<Finding>,
    /// Findings that the old network has and the new one has not, with places in the old one.
    pub gone: Vec<Finding>,
    /// What has to be done to get from the old network to the new one.
    pub steps: Vec<Step>,
    /// Dependencies of services whose verdict, way or source address changed: before and after.
    pub dependencies: Vec<(Option<Dependency>, Dependency)>,
    /// What did not start or was lost before.
    pub cascade_before: Cascade,
    /// What does not start or is lost now.
    pub cascade: Cascade,
}

impl Diff {
    /// Whether anything that worked works no longer.
    #[must_use]
    pub fn loses(&self) -> bool {
        self.changes.iter().any(|change| change.lost.is_some())
    }
}

/// Compares two networks. `today` is in days since 1970-01-01: without it nothing is said about certificates that expire.
///
/// # Errors
///
/// When the sets outgrow their memory limit; then nothing is known.
pub fn diff(old: &Network, new: &Network, today: Option<i64>) -> Result<Diff, Overflow> {
    let mut prover = Prover::new(old);
    let before = prover.reach()?;
    let held = intents::ask(&mut prover);
    let had = dependencies::ask(&mut prover);
    let found_before = check_with(&mut prover, today);
    let (mut prover, change) = prover.go_on(new);
    let after = prover.reach_after(&change, &before)?;
    let holds = intents::ask(&mut prover);
    let has = dependencies::ask(&mut prover);
    let found_after = check_with(&mut prover, today);
    let mut result = Diff {
        changes: Comparison::new((old, &before), (new, &after)).changes(&mut prover.space),
        cascade_before: cascade::follow(old, &had),
        cascade: cascade::follow(new, &has),
        dependencies: compare_dependencies(&had, has),
        found: without(&found_after, &found_before),
        gone: without(&found_before, &found_after),
        steps: steps(&old.description, &new.description),
        ..Diff::default()
    };
    let places = cause::Places::of(new);
    for change in &mut result.changes {
        if let Some(packet) = change.sample.take() {
            change.cause = cause::of(&mut prover, &places, change, &packet);
        }
    }
    let names: BTreeSet<&str> = holds.iter().map(|answer| answer.name.as_str()).collect();
    let dropped = held.iter().filter(|answer| !names.contains(answer.name.as_str()));
    result.dropped = dropped.map(|answer| answer.name.clone()).collect();
    compare_intents(&held, holds, &mut result);
    prover.space.checked(result)
}

/// Findings of one network that the other has not. A finding is the same when it says the same: that its line has moved does not matter.
fn without(all: &[Finding], known: &[Finding]) -> Vec<Finding> {
    let mut left: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for finding in known {
        *left.entry((finding.id, finding.message.as_str())).or_default() += 1;
    }
    let new = all.iter().filter(|finding| {
        let count = left.entry((finding.id, finding.message.as_str())).or_default();
        let known = *count > 0;
        *count = count.saturating_sub(1);
        !known
    });
    new.cloned().collect()
}

fn compare_dependencies(
    had: &[Dependency],
    has: Vec<Dependency>,
) -> Vec<(Option<Dependency>, Dependency)> {
    let paired = has.into_iter().map(|now| {
        let before = had.iter().find(|old| (&old.service, &old.name) == (&now.service, &now.name));
        (before.cloned(), now)
    });
    let told = |(before, now): &(Option<Dependency>, Dependency)| {
        before.as_ref().is_none_or(|old| {
            (old.verdict, &old.way, old.source_seen) != (now.verdict, &now.way, now.source_seen)
        })
    };
    paired.filter(told).collect()
}

fn compare_intents(held: &[Answer], holds: Vec<Answer>, result: &mut Diff) {
    for answer in holds {
        let before = held.iter().find(|old| old.name == answer.name).map(|old| old.standing);
        match (before, answer.standing) {
            (_, Standing::Unknown) => result.unsure.push(answer),
            (Some(Standing::Broken), Standing::Broken)
            | (Some(Standing::Holds), Standing::Holds) => {}
            (_, Standing::Broken) => result.broken.push(answer),
            (Some(Standing::Broken | Standing::Unknown), Standing::Holds) => {
                result.fixed.push(answer);
            }
            (None, Standing::Holds) => {}
        }
    }
}

/// Members of the two networks that are the same party and in the same groups on both sides.
type Class = (Option<usize>, Option<usize>);

struct Comparison {
    classes: BTreeMap<Class, Vec<Party>>,
    /// Classes by group, before and after.
    of_group: [BTreeMap<usize, BTreeSet<Class>>; 2],
    flows: [BTreeMap<(usize, usize), [Flows; 2]>; 2],
}

impl Comparison {
    fn new(before: (&Network, &Reach), after: (&Network, &Reach)) -> Self {
        let cuts = cuts(before.1, after.1);
        let sides = [parties(before.0, before.1, &cuts), parties(after.0, after.1, &cuts)];
        let mut classes: BTreeMap<Class, Vec<Party>> = BTreeMap::new();
        let everybody: BTreeSet<&Party> = sides[0].keys().chain(sides[1].keys()).collect();
        for party in everybody {
            let class = (sides[0].get(party).copied(), sides[1].get(party).copied());
            classes.entry(class).or_default().push(party.clone());
        }
        let mut of_group: [BTreeMap<usize, BTreeSet<Class>>; 2] = Default::default();
        for class in classes.keys() {
            for (side, group) in [class.0, class.1].into_iter().enumerate() {
                if let Some(group) = group {
                    of_group[side].entry(group).or_default().insert(*class);
                }
            }
        }
        Self { classes, of_group, flows: [flows(before.1), flows(after.1)] }
    }

    fn changes(&self, space: &mut Space) -> Vec<Change> {
        let mut pairs: BTreeSet<(Class, Class)> = BTreeSet::new();
        for (side, flows) in self.flows.iter().enumerate() {
            for (src, dst) in flows.keys() {
                let (Some(from), Some(to)) =
                    (self.of_group[side].get(src), self.of_group[side].get(dst))
                else {
                    continue;
                };
                for a in from {
                    pairs.extend(to.iter().map(|b| (*a, *b)));
                }
            }
        }
        together(pairs.into_iter().flat_map(|pair| self.pair(space, pair)).collect())
    }

    fn between(&self, side: usize, src: Option<usize>, dst: Option<usize>) -> [Flows; 2] {
        let key = src.zip(dst);
        let known = key.and_then(|key| self.flows[side].get(&key));
        known.copied().unwrap_or([Flows::NONE; 2])
    }

    fn pair(&self, space: &mut Space, (from, to): (Class, Class)) -> Vec<Change> {
        let old = self.between(0, from.0, to.0);
        let new = self.between(1, from.1, to.1);
        if old == new {
            return Vec::new();
        }
        let relations = [Relation::SameSubnet, Relation::OtherSubnet];
        let mut found: Vec<Change> = (0..2)
            .filter_map(|index| {
                self.change(space, (from, to), relations[index], &old[index], &new[index])
            })
            .collect();
        if let [one, other] = found.as_mut_slice()
            && (&one.lost, &one.gained, &one.unsure) == (&other.lost, &other.gained, &other.unsure)
        {
            one.relation = Relation::Any;
            found.truncate(1);
        }
        found
    }

    fn change(
        &self,
        space: &mut Space,
        (from, to): (Class, Class),
        relation: Relation,
        old: &Flows,
        new: &Flows,
    ) -> Option<Change> {
        let lost = space.minus(old.reachable(), new.answered.may);
        let gained = space.minus(new.reachable(), old.answered.must);
        let unsure = space.minus(new.answered.may, new.answered.must);
        let was_unsure = space.minus(old.answered.may, old.answered.must);
        let unsure = space.minus(unsure, was_unsure);
        let sample = space.pick(lost);
        let mut words = |set: Set| (!set.is_empty()).then(|| show::layer4(space, set));
        let (lost, gained, unsure) = (words(lost), words(gained), words(unsure));
        if lost.is_none() && gained.is_none() && unsure.is_none() {
            return None;
        }
        let of = |class: Class| self.classes.get(&class).cloned().unwrap_or_default();
        let (from, to) = (of(from), of(to));
        Some(Change { from, to, relation, lost, gained, unsure, cause: None, sample })
    }
}

/// What a change says, without whom it is about.
type Said = (Relation, Option<String>, Option<String>, Option<String>);

/// Parties that the same is said of together with one other side: who, the place of the first, and its packet.
type Together = BTreeMap<(Vec<Party>, Said), (Vec<Party>, usize, Option<Packet>)>;

/// Changes that say the same, told once: first over sources, then over destinations. Their first packet stands for all.
fn together(changes: Vec<Change>) -> Vec<Change> {
    let mut by_source: Together = BTreeMap::new();
    for (place, change) in changes.into_iter().enumerate() {
        let said = (change.relation, change.lost, change.gained, change.unsure);
        let known = by_source.entry((change.to, said));
        known.or_insert_with(|| (Vec::new(), place, change.sample)).0.extend(change.from);
    }
    let mut by_destination: Together = BTreeMap::new();
    for ((to, said), (mut from, place, sample)) in by_source {
        from.sort();
        let known = by_destination.entry((from, said));
        let known = known.or_insert_with(|| (Vec::new(), place, sample));
        known.0.extend(to);
        known.1 = known.1.min(place);
    }
    let mut merged: Vec<(usize, Change)> = by_destination
        .into_iter()
        .map(|((from, (relation, lost, gained, unsure)), (mut to, place, sample))| {
            to.sort();
            (place, Change { from, to, relation, lost, gained, unsure, cause: None, sample })
        })
        .collect();
    merged.sort_by_key(|(place, _)| *place);
    merged.into_iter().map(|(_, change)| change).collect()
}

/// Flows by pair of groups, within one subnet and between subnets.
fn flows(reach: &Reach) -> BTreeMap<(usize, usize), [Flows; 2]> {
    let mut all: BTreeMap<(usize, usize), [Flows; 2]> = BTreeMap::new();
    for entry in reach.entries() {
        let known = all.entry((entry.src, entry.dst)).or_insert([Flows::NONE; 2]);
        match entry.relation {
            Relation::Any => *known = [entry.flows; 2],
            Relation::SameSubnet => known[0] = entry.flows,
            Relation::OtherSubnet => known[1] = entry.flows,
        }
    }
    all
}

/// Addresses at which either side's outside ranges start.
fn cuts(before: &Reach, after: &Reach) -> BTreeSet<IpAddr> {
    let groups = before.groups.iter().chain(after.groups.iter());
    let members = groups.flat_map(|group| &group.members);
    let mut cuts = BTreeSet::new();
    for member in members {
        if let Member::Outside(_, first, last) = member {
            cuts.insert(*first);
            cuts.extend(next(*last));
        }
    }
    cuts
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|n| IpAddr::V6(n.into())),
    }
}

fn previous(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_sub(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_sub(1).map(|n| IpAddr::V6(n.into())),
    }
}

/// The parties of a network with their groups.
fn parties(network: &Network, reach: &Reach, cuts: &BTreeSet<IpAddr>) -> BTreeMap<Party, usize> {
    let mut all = BTreeMap::new();
    for (index, group) in reach.groups.iter().enumerate() {
        for member in &group.members {
            match member {
                Member::Interface(id, address) => {
                    let name = network[*id].name.clone();
                    all.insert(Party::Named { name, v4: address.is_ipv4() }, index);
                }
                Member::Serverless(id) => {
                    let name = network[network[*id].endpoint].name.clone();
                    all.insert(Party::Named { name, v4: true }, index);
                }
                Member::Outside(whose, first, last) => {
                    let whose = match whose {
                        Outside::Internet => "internet".to_owned(),
                        Outside::Site(id) | Outside::External(id) => network[*id].name.clone(),
                    };
                    let mut start = *first;
                    for cut in cuts.range((
                        std::ops::Bound::Excluded(*first),
                        std::ops::Bound::Included(*last),
                    )) {
                        if let Some(end) = previous(*cut) {
                            all.insert(Party::Outside(whose.clone(), start, end), index);
                        }
                        start = *cut;
                    }
                    all.insert(Party::Outside(whose, start, *last), index);
                }
            }
        }
    }
    all
}
