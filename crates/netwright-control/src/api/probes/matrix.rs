//! Who reaches whom: each pair of names, as is proved and as was seen.

use std::collections::BTreeMap;

use netwright_model::network::SubnetId;
use netwright_verify::prover::Prover;
use netwright_verify::reach::{Member, Outside, Relation};
use netwright_verify::space::{Overflow, show};
use schemars::JsonSchema;
use serde::Serialize;

use crate::network::Live;
use crate::probes::Probe;

/// Who reaches whom.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Matrix {
    /// The revision of the network.
    pub revision: u64,
    /// The pairs, by name.
    pub pairs: Vec<Cell>,
    /// How many more there are.
    pub more: usize,
    /// When hosts were asked what is observed, in milliseconds since 1970; none where nothing is observed.
    pub observed_at: Option<u64>,
}

/// A pair.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Cell {
    /// Who asks.
    pub from: String,
    /// Who answers.
    pub to: String,
    /// What passes and is answered, as is proved.
    pub reachable: Option<String>,
    /// What arrives and whose answer does not come back, as is proved.
    pub no_return: Option<String>,
    /// Of what that is not known.
    pub unknown: Option<String>,
    /// What hosts saw; nothing where they were not asked.
    pub observed: Vec<Observed>,
}

/// What a host saw.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Observed {
    /// What was asked: `tcp/443`, `icmp echo`.
    pub what: String,
    /// Whether it was answered.
    pub answered: bool,
    /// Whether that was proved.
    pub predicted: bool,
}

type Cells = BTreeMap<(String, String), Cell>;

/// The matrix of a network, of at most so many pairs, with what came of a probe of it.
pub(super) fn of(live: &Live, probe: Option<&Probe>, limit: usize) -> Result<Matrix, Overflow> {
    let mut prover = Prover::new(&live.network);
    let found = prover.reach_between(|_| true, |_| true)?;
    let (mut cells, observed_at) = seen(probe.filter(|probe| probe.revision == live.revision.0));
    let members: Vec<Members> =
        found.groups.iter().map(|group| Members::of(live, &group.members)).collect();
    let mut more = 0;
    for entry in found.entries() {
        let space = &mut prover.space;
        let (lost, unsure) = (entry.flows.no_return(space), entry.flows.unknown(space));
        let mut words = |set: netwright_verify::space::Set| {
            (!set.is_empty()).then(|| show::layer4(&mut prover.space, set))
        };
        let told = [words(entry.flows.reachable()), words(lost), words(unsure)];
        let (sources, targets) = (&members[entry.src], &members[entry.dst]);
        for (from, own) in &sources.names {
            if cells.len() >= limit && !has_pairs_from(&cells, from) {
                // A large network has more pairs than anybody lists: they are counted.
                more += targets.others(from, own, entry.relation);
                continue;
            }
            for (to, theirs) in targets.names.iter().filter(|(to, _)| *to != from) {
                let count = related(own, theirs, entry.relation);
                if count == 0 {
                    continue;
                }
                let pair = (from.clone(), to.clone());
                if cells.len() >= limit && !cells.contains_key(&pair) {
                    more += count;
                    continue;
                }
                let cell = cells.entry(pair).or_default();
                let all = [&mut cell.reachable, &mut cell.no_return, &mut cell.unknown];
                for (own, told) in all.into_iter().zip(&told) {
                    add(own, told.as_deref());
                }
            }
        }
    }
    let pairs = cells.into_iter().map(|((from, to), cell)| Cell { from, to, ..cell });
    Ok(Matrix { revision: live.revision.0, pairs: pairs.collect(), more, observed_at })
}

/// What was seen, and when it was asked.
fn seen(probe: Option<&Probe>) -> (Cells, Option<u64>) {
    let (mut cells, mut observed_at) = (Cells::new(), None);
    for row in probe.iter().flat_map(|probe| &probe.rows) {
        let Some(answered) = row.observed else { continue };
        observed_at = probe.map(|probe| probe.at);
        let question = &row.question;
        let what = question.what();
        let cell = cells.entry((question.from.clone(), question.to.clone())).or_default();
        cell.observed.push(Observed { what, answered, predicted: question.predicted });
    }
    (cells, observed_at)
}

/// The members of a group by name, each with its subnet: a machine may have several addresses, and what is in no subnet has none.
struct Members {
    names: BTreeMap<String, Vec<Option<SubnetId>>>,
    by_subnet: BTreeMap<Option<SubnetId>, usize>,
    all: usize,
}

impl Members {
    fn of(live: &Live, members: &[Member]) -> Self {
        let mut own = Self { names: BTreeMap::new(), by_subnet: BTreeMap::new(), all: 0 };
        for member in members {
            let subnet = match member {
                Member::Interface(id, _) => Some(live.network[*id].subnet),
                Member::Serverless(_) | Member::Outside(..) => None,
            };
            own.names.entry(name(live, member)).or_default().push(subnet);
            *own.by_subnet.entry(subnet).or_default() += 1;
            own.all += 1;
        }
        own
    }

    /// How many pairs one of another name has with these, where its subnets and theirs relate so.
    fn others(&self, name: &str, subnets: &[Option<SubnetId>], relation: Relation) -> usize {
        let same = self.names.get(name).map_or(&[][..], Vec::as_slice);
        let all = subnets.iter().map(|subnet| match (relation, subnet) {
            (Relation::Any, _) | (Relation::OtherSubnet, None) => self.all,
            (Relation::SameSubnet, None) => 0,
            (Relation::SameSubnet, Some(_)) => self.in_subnet(*subnet),
            (Relation::OtherSubnet, Some(_)) => self.all - self.in_subnet(*subnet),
        });
        all.sum::<usize>() - related(subnets, same, relation)
    }

    fn in_subnet(&self, subnet: Option<SubnetId>) -> usize {
        self.by_subnet.get(&subnet).copied().unwrap_or_default()
    }
}

/// How many pairs of addresses in these subnets relate so.
fn related(from: &[Option<SubnetId>], to: &[Option<SubnetId>], relation: Relation) -> usize {
    let is = |one: &Option<SubnetId>, other: &Option<SubnetId>| match relation {
        Relation::Any => true,
        Relation::SameSubnet => one.is_some() && one == other,
        Relation::OtherSubnet => one.is_none() || one != other,
    };
    from.iter().map(|one| to.iter().filter(|other| is(one, other)).count()).sum()
}

fn has_pairs_from(cells: &Cells, from: &str) -> bool {
    let mut later = cells.range((from.to_owned(), String::new())..);
    later.next().is_some_and(|((own, _), _)| own == from)
}

/// What passes between other addresses of the same pair.
fn add(own: &mut Option<String>, told: Option<&str>) {
    match (own.as_mut(), told) {
        (Some(own), Some(told)) if !own.split("; ").any(|part| part == told) => {
            own.push_str("; ");
            own.push_str(told);
        }
        (None, Some(told)) => *own = Some(told.to_owned()),
        _ => {}
    }
}

fn name(live: &Live, member: &Member) -> String {
    let network = &live.network;
    match member {
        Member::Interface(id, _) => network[*id].name.clone(),
        Member::Serverless(id) => network[network[*id].endpoint].name.clone(),
        Member::Outside(Outside::Internet, ..) => "internet".to_owned(),
        Member::Outside(Outside::Site(endpoint) | Outside::External(endpoint), ..) => {
            network[*endpoint].name.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use netwright_model::generate::{Plan, generate};
    use netwright_store::Revision;

    use super::{Matrix, Prover, Relation, of};
    use crate::network::Live;
    use crate::network::objects::wishes;

    fn live(description: &netwright_model::language::Description) -> Live {
        let edits = Live::empty().objects.edits_to(&wishes(description));
        Live::empty().after(&edits, Revision(5)).unwrap_or_else(|wrong| panic!("{wrong:?}"))
    }

    fn pairs(matrix: &Matrix) -> BTreeSet<(&str, &str)> {
        matrix.pairs.iter().map(|cell| (cell.from.as_str(), cell.to.as_str())).collect()
    }

    /// Network ACLs are asked between subnets, and not within one.
    #[test]
    fn what_passes_within_a_subnet_is_not_told_of_machines_in_two() {
        let text = "
vpcs:
  v:
    provider: aws
    cidr: 10.0.0.0/16
    subnets:
      a: { cidr: 10.0.1.0/24, filters: closed }
      b: { cidr: 10.0.2.0/24, filters: closed }
filters:
  closed: { rules: [] }
  open:
    rules: [ { direction: ingress, protocol: tcp, port: 80 }, { direction: egress } ]
instances:
  i: { subnet: a, address: 10.0.1.10, filters: open }
  j: { subnet: a, address: 10.0.1.11, filters: open }
  k: { subnet: b, address: 10.0.2.10, filters: open }
";
        let parsed = netwright_model::parse_description("n", text, &mut Default::default());
        let parsed = parsed.unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let live = live(&parsed);
        let mut prover = Prover::new(&live.network);
        let found = prover.reach_between(|_| true, |_| true).expect("all pairs");
        assert!(found.entries().any(|entry| entry.relation == Relation::SameSubnet));
        let matrix = of(&live, None, 100).expect("a matrix");
        assert_eq!(pairs(&matrix), BTreeSet::from([("i", "j"), ("j", "i")]));
    }

    #[test]
    fn what_is_not_listed_is_counted() {
        let live = live(&generate(&Plan { instances: 30, ..Plan::default() }));
        let whole = of(&live, None, 10_000).expect("a matrix");
        assert_eq!(whole.more, 0);
        for limit in [1, 7, 50] {
            let some = of(&live, None, limit).expect("a matrix");
            assert_eq!(some.pairs.len(), limit.min(whole.pairs.len()));
            assert!(some.more >= whole.pairs.len() - some.pairs.len(), "{limit}: {}", some.more);
        }
    }
}
