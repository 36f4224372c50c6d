//! What works only in part, told by the part that does not.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::scalar::Prefix;

use super::{Part, Question};

/// How many names or ranges are told before the rest is counted.
const SHOWN: usize = 4;

/// Which part of a question is as asked and which is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partly {
    /// What works, in words: `from web/eth1 [10.0.1.5]`. Empty where nothing surely does.
    pub works: String,
    /// What does not, or what is unknown.
    pub fails: String,
    /// What does not surely does not; otherwise it is unknown.
    pub surely: bool,
}

impl Partly {
    /// Both, as the start of a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { works, fails, .. } = self;
        if self.surely { format!("only {works}, not {fails}") } else { format!("unknown {fails}") }
    }
}

/// The part of a question that is not as asked; none where that is all of it.
pub(super) fn of(question: &Question, fails: &[(usize, usize)], surely: bool) -> Option<Partly> {
    if fails.is_empty() || fails.len() == question.pairs.len() {
        return None;
    }
    let failing: BTreeSet<(usize, usize)> = fails.iter().copied().collect();
    let from: BTreeSet<usize> = fails.iter().map(|(from, _)| *from).collect();
    let to: BTreeSet<usize> = fails.iter().map(|(_, to)| *to).collect();
    let all_from: BTreeSet<usize> = question.pairs.iter().map(|(from, _)| *from).collect();
    let all_to: BTreeSet<usize> = question.pairs.iter().map(|(_, to)| *to).collect();
    let whole = |keep: &dyn Fn(&(usize, usize)) -> bool| {
        question.pairs.iter().filter(|pair| keep(pair)).all(|pair| failing.contains(pair))
    };
    let told = |word: &str, parts: &[Part], which: &BTreeSet<usize>| {
        let which: Vec<&Part> = which.iter().map(|index| &parts[*index]).collect();
        format!("{word} {}", list(&which))
    };
    let by_from = whole(&|(sender, _)| from.contains(sender));
    let by_to = whole(&|(_, receiver)| to.contains(receiver));
    // Where either end would tell it (one family of both), both do.
    let (works, fails) = if by_from && !by_to {
        let rest = all_from.difference(&from).copied().collect();
        (told("from", &question.from, &rest), told("from", &question.from, &from))
    } else if by_to && !by_from {
        let rest = all_to.difference(&to).copied().collect();
        (told("to", &question.to, &rest), told("to", &question.to, &to))
    } else {
        let pairs = |wanted: bool| {
            let chosen = question.pairs.iter().filter(|pair| failing.contains(pair) == wanted);
            let chosen: Vec<String> = chosen
                .map(|(a, b)| {
                    let (a, b) = (list(&[&question.from[*a]]), list(&[&question.to[*b]]));
                    format!("from {a} to {b}")
                })
                .collect();
            some(&chosen)
        };
        (pairs(false), pairs(true))
    };
    Some(Partly { works, fails, surely })
}

/// Names and ranges of some parts.
fn list(parts: &[&Part]) -> String {
    let mut names: Vec<String> =
        parts.iter().filter(|part| part.ranges.is_empty()).map(|part| part.name.clone()).collect();
    names.dedup();
    let ranges = parts.iter().flat_map(|part| part.ranges.iter().copied()).collect();
    names.extend(crate::reach::union(ranges).into_iter().map(range));
    some(&names)
}

fn some(names: &[String]) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// A range as a prefix where it is one.
fn range((first, last): (IpAddr, IpAddr)) -> String {
    if first == last {
        return first.to_string();
    }
    let most = if first.is_ipv4() { 32 } else { 128 };
    let prefix = (0..most).map(|length| Prefix::of(first, length));
    let found = prefix.into_iter().find(|p| p.first() == first && p.last() == last);
    found.map_or_else(|| format!("{first}-{last}"), |prefix| prefix.to_string())
}
