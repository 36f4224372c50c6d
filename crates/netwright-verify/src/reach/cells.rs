//! The sources of a destination, cut into cells of which everything there treats the members alike.

use netwright_model::language::Direction;
use rustc_hash::FxHashMap;

use crate::prover::Prover;
use crate::prover::policy::PolicyId;

use super::admission::{Admission, ListId};
use super::nodes::Groups;

/// Policies that packets to a destination meet there: of the interface, the VPC, the subnet.
pub(super) type Guards = [Option<PolicyId>; 3];

/// Routing class, what each of the policies does, and the filter classes where a policy asks about its own side.
type Key = (u32, [[u32; 3]; 3], (u32, u32));

/// Sources by what their own side does: their routes, and what their own filters let out (and, without state, in).
pub(super) struct SourceClasses {
    of: Vec<u32>,
    count: u32,
}

impl SourceClasses {
    pub(super) fn of(prover: &Prover<'_>, groups: &Groups) -> Self {
        let mut lines: FxHashMap<Vec<u128>, u32> = FxHashMap::default();
        let mut policies: FxHashMap<PolicyId, [u32; 3]> = FxHashMap::default();
        let mut classes: FxHashMap<Key, u32> = FxHashMap::default();
        let mut own = |policy: PolicyId| -> [u32; 3] {
            if let Some(known) = policies.get(&policy) {
                return *known;
            }
            let mut line = |direction: Direction| {
                let next = u32::try_from(lines.len() + 1).unwrap_or(u32::MAX);
                let line = prover.policies.line(prover.network, policy, direction);
                *lines.entry(line).or_insert(next)
            };
            let egress = line(Direction::Egress);
            let stateful = prover.policies.is_stateful(policy);
            let answers = if stateful { 0 } else { line(Direction::Ingress) };
            let local = local_matters(prover, policy);
            policies.insert(policy, [egress, answers, u32::from(local)]);
            [egress, answers, u32::from(local)]
        };
        let of = groups
            .nodes
            .iter()
            .map(|node| {
                let policies = node.policies.map(|policy| policy.map_or([0; 3], &mut own));
                let exact = policies.iter().any(|[.., local]| *local == 1);
                let filter = if exact { (node.filter_class, node.address_class) } else { (0, 0) };
                let next = u32::try_from(classes.len()).unwrap_or(u32::MAX);
                *classes.entry((node.route_class, policies, filter)).or_insert(next)
            })
            .collect();
        Self { of, count: u32::try_from(classes.len()).unwrap_or(u32::MAX) }
    }
}

fn local_matters(prover: &Prover<'_>, policy: PolicyId) -> bool {
    [Direction::Ingress, Direction::Egress]
        .into_iter()
        .any(|direction| prover.policies.local_matters(policy, direction))
}

/// Cuts sources into cells, one destination after another.
pub(super) struct Cutter {
    classes: SourceClasses,
    /// Class of each group for the destination at hand; equal to its source class between two.
    class: Vec<u32>,
    touched: Vec<u32>,
    /// How many of the policies at hand a group may pass, with the number of the question.
    admitted: Vec<(u32, u8)>,
    question: u32,
    place: FxHashMap<u32, usize>,
    split: FxHashMap<u32, u32>,
}

impl Cutter {
    pub(super) fn of(prover: &Prover<'_>, groups: &Groups) -> Self {
        let classes = SourceClasses::of(prover, groups);
        Self {
            class: classes.of.clone(),
            touched: Vec::new(),
            admitted: vec![(0, 0); groups.nodes.len()],
            question: 0,
            place: FxHashMap::default(),
            split: FxHashMap::default(),
            classes,
        }
    }

    /// The cells of those of `senders` that may pass the guards inwards, and of all in `anyway`; both are sorted. Cells come in the order
    /// of their first members.
    pub(super) fn cells<'n>(
        &mut self,
        (prover, groups): (&Prover<'n>, &Groups),
        admission: &mut Admission<'n>,
        guards: Guards,
        senders: &[u32],
        anyway: &[u32],
    ) -> Vec<Vec<u32>> {
        self.question += 1;
        let mut lists: Vec<ListId> = Vec::new();
        let mut closed = 0;
        // What a translated source needs: every closed policy takes translated addresses.
        let mut translated = true;
        for (place, policy) in guards.into_iter().enumerate() {
            let Some(policy) = policy else { continue };
            let asked = admission.policy(prover, groups, policy, Direction::Ingress);
            lists.extend(&asked.lists);
            if !prover.policies.is_stateful(policy) {
                let answers = admission.policy(prover, groups, policy, Direction::Egress);
                lists.extend(&answers.lists);
            }
            // The subnet's filters are not asked about packets from inside it.
            if !asked.open && place < 2 {
                self.admit(admission, &asked.admitted, closed);
                closed += 1;
                translated &= asked.admits_translated;
            }
        }
        lists.sort_unstable();
        lists.dedup();
        self.cut(admission, &lists);
        let pass = |id: &u32| {
            let index = *id as usize;
            let (question, passed) = self.admitted[index];
            let kept = closed == 0 || (question == self.question && passed == closed);
            kept || (translated && admission.may_translate[index])
        };
        let mut cells: Vec<Vec<u32>> = Vec::new();
        self.place.clear();
        for id in merged(senders.iter().copied().filter(pass), anyway) {
            let next = cells.len();
            let cell = *self.place.entry(self.class[id as usize]).or_insert(next);
            if cell == next {
                cells.push(Vec::new());
            }
            cells[cell].push(id);
        }
        for id in self.touched.drain(..) {
            self.class[id as usize] = self.classes.of[id as usize];
        }
        cells
    }

    /// Notes the groups that pass one more closed policy.
    fn admit(&mut self, admission: &Admission<'_>, lists: &[ListId], before: u8) {
        for list in lists {
            for id in admission.list(*list) {
                let (question, passed) = &mut self.admitted[*id as usize];
                if *question != self.question {
                    (*question, *passed) = (self.question, 0);
                }
                if *passed == before {
                    *passed += 1;
                }
            }
        }
    }

    /// Cuts every class at every list.
    fn cut(&mut self, admission: &Admission<'_>, lists: &[ListId]) {
        let mut next = self.classes.count;
        for list in lists {
            self.split.clear();
            for id in admission.list(*list) {
                let class = &mut self.class[*id as usize];
                let part = self.split.entry(*class).or_insert_with(|| {
                    next += 1;
                    next - 1
                });
                *class = *part;
                self.touched.push(*id);
            }
        }
    }
}

/// Two sorted lists as one, each member once.
fn merged(one: impl Iterator<Item = u32>, other: &[u32]) -> impl Iterator<Item = u32> {
    let mut one = one.peekable();
    let mut other = other.iter().copied().peekable();
    std::iter::from_fn(move || match (one.peek().copied(), other.peek().copied()) {
        (Some(a), Some(b)) if a == b => {
            other.next();
            one.next()
        }
        (Some(a), Some(b)) if b < a => other.next(),
        (Some(_), _) => one.next(),
        (None, _) => other.next(),
    })
}
