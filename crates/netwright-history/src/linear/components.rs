//! Registers that no operation joins need not be looked at together: what happened to each group of them has an order by itself, and orders of groups
//! fit into one.

use rustc_hash::FxHashMap;

use super::Part;
use super::machine::{Act, Numbers, World};

/// The one that stands for all registers of a group.
fn root(parents: &mut [usize], mut at: usize) -> usize {
    while parents[at] != at {
        parents[at] = parents[parents[at]];
        at = parents[at];
    }
    at
}

/// Registers by group, and the group of each with its place there.
fn groups(acts: &[Act], count: usize) -> (Vec<Vec<usize>>, Vec<(usize, u32)>) {
    let mut parents: Vec<usize> = (0..count).collect();
    for act in acts {
        let Act::Many(steps) = act else { continue };
        for pair in steps.windows(2) {
            let one = root(&mut parents, pair[0].1 as usize);
            let other = root(&mut parents, pair[1].1 as usize);
            parents[one.max(other)] = one.min(other);
        }
    }
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut numbers: FxHashMap<usize, usize> = FxHashMap::default();
    let mut places = Vec::with_capacity(count);
    for register in 0..count {
        let group = *numbers.entry(root(&mut parents, register)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        places.push((group, u32::try_from(groups[group].len()).unwrap_or(u32::MAX)));
        groups[group].push(register);
    }
    (groups, places)
}

/// What happened to each group of registers. `firsts` are what all registers may have held at first; their numbers are those of the states.
pub(crate) fn apart(whole: Part, firsts: &[Box<[u32]>]) -> Vec<Part> {
    let count = firsts.first().map_or(0, |held| held.len());
    let (groups, places) = groups(&whole.acts, count);
    let part = |registers: &Vec<usize>| {
        let mut states = Numbers::default();
        for held in firsts {
            states.of(&registers.iter().map(|register| held[*register]).collect());
        }
        Part {
            key: whole.key.clone(),
            world: World::Registers(registers.len(), states),
            acts: Vec::new(),
            spans: Vec::new(),
            operations: Vec::new(),
        }
    };
    let mut parts: Vec<Part> = groups.iter().map(part).collect();
    for ((act, span), operation) in whole.acts.into_iter().zip(whole.spans).zip(whole.operations) {
        let Act::Many(steps) = act else { continue };
        let Some((_, first, _)) = steps.first() else { continue };
        let own = &mut parts[places[*first as usize].0];
        let renamed = steps
            .iter()
            .map(|(writes, register, value)| (*writes, places[*register as usize].1, *value));
        own.acts.push(Act::Many(renamed.collect()));
        own.spans.push(span);
        own.operations.push(operation);
    }
    parts.retain(|part| !part.acts.is_empty());
    parts
}
