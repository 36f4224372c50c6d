//! What was measured, a line for each pair: which services work, from which source they are seen, how large their packets are.

use std::collections::BTreeMap;

use netwright_lab::probe::What;

use super::Compared;
use super::sizes::Fit;

/// Most services of a pair that are named.
const SERVICES: usize = 4;

/// What is told of a transfer that stopped.
const LOST: &str = "full packets are lost";

/// What was seen between two parties.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pair {
    works: Vec<String>,
    arrives: Vec<String>,
    sources: Vec<String>,
    sizes: Vec<String>,
    /// The largest datagram that passed, of those whose size was asked about.
    passed: Option<u32>,
    /// How many questions were not answered.
    not: usize,
    /// How many disagree with their verdict.
    pub(super) wrong: usize,
}

impl Pair {
    /// Whether anything at all was seen to arrive, or is not as predicted.
    fn is_told(&self) -> bool {
        self.wrong > 0 || !self.works.is_empty() || !self.arrives.is_empty()
    }

    fn add(&mut self, (question, seen, agrees): &Compared<'_>) {
        let put = |list: &mut Vec<String>, what: String| {
            if !list.contains(&what) {
                list.push(what);
            }
        };
        self.wrong += usize::from(*agrees == Some(false));
        if let What::Datagram { octets, .. } | What::Echo { octets } = question.probe.what
            && octets > 0
        {
            self.passed = self.passed.max(seen.answered.then_some(octets));
        }
        if question.size().is_some() {
            return;
        }
        if seen.answered {
            put(&mut self.works, question.service());
            if let Some(source) = seen.source {
                put(&mut self.sources, source.to_string());
            }
        } else if seen.arrived {
            put(&mut self.arrives, question.service());
        } else {
            self.not += 1;
        }
        if question.probe.what == What::Transfer && seen.answered {
            let size = match (seen.there, seen.back) {
                (Some(there), Some(back)) if there == back => there.to_string(),
                (Some(there), Some(back)) => format!("{there}, back {back}"),
                (Some(there), None) => format!("{there}, full packets back are lost"),
                _ if question.fits.0 == Fit::Stops => LOST.to_owned(),
                _ => "not found".to_owned(),
            };
            put(&mut self.sizes, size);
        }
    }

    fn row(&self, from: &str, to: &str) -> [String; 6] {
        let arrives = self.arrives.iter().map(|service| format!("{service} (no answer)"));
        let all: Vec<String> = self.works.iter().cloned().chain(arrives).collect();
        let more = all.len().saturating_sub(SERVICES);
        let mut works = all[..all.len() - more].join(", ");
        if more > 0 {
            works.push_str(&format!(", {more} more"));
        }
        let sizes = self.sizes.iter().map(|size| match self.passed {
            Some(octets) if size == LOST => format!("{octets}, larger are lost"),
            _ => size.clone(),
        });
        let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        [
            from.to_owned(),
            to.to_owned(),
            or_dash(works),
            self.not.to_string(),
            or_dash(self.sources.join(", ")),
            or_dash(sizes.collect::<Vec<_>>().join("; ")),
        ]
    }
}

/// The columns.
pub(super) const HEAD: [&str; 6] = ["FROM", "TO", "WORKS", "NOT", "SEEN AS", "LARGEST PACKET"];

/// Pairs of which something was seen, in the order in which they were asked: their row and how many of their questions disagree; and the
/// number of pairs between which nothing passed.
pub(super) fn rows(compared: &[Compared<'_>]) -> (Vec<([String; 6], usize)>, usize) {
    let mut order: Vec<(&str, &str)> = Vec::new();
    let mut pairs: BTreeMap<(&str, &str), Pair> = BTreeMap::new();
    for one in compared {
        let key = (one.0.from.as_str(), one.0.to.as_str());
        pairs
            .entry(key)
            .or_insert_with(|| {
                order.push(key);
                Pair::default()
            })
            .add(one);
    }
    let mut rows = Vec::new();
    for (from, to) in &order {
        let Some(pair) = pairs.get(&(*from, *to)) else { continue };
        if pair.is_told() {
            rows.push((pair.row(from, to), pair.wrong));
        }
    }
    let silent = order.len() - rows.len();
    (rows, silent)
}
