//! What is expected of many connections to a balancer, place by place, and whether what was seen is that.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_lab::probe::spread::{Place, Spread};
use netwright_model::network::Network;
use netwright_verify::trace::{Trace, Verdict};

/// What becomes of a request that is sent to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is answered.
    Answers,
    /// It arrives, and its answer does not.
    Arrives,
    /// It does not arrive.
    Nothing,
    /// One or the other.
    NotSaid,
}

/// A backend, as one listener of one node sees it.
#[derive(Debug, Clone)]
pub(super) struct Backend {
    pub(super) name: String,
    /// It is sent requests: surely, or perhaps; none where surely not.
    pub(super) chosen: Option<bool>,
    pub(super) fate: Fate,
    /// The source that it sees, where that is known.
    pub(super) source: Option<IpAddr>,
    /// Why it is not chosen or does not answer.
    pub(super) why: Option<String>,
}

impl Backend {
    /// One that nothing is sent to.
    pub(super) fn spared(name: String) -> Self {
        Self { name, chosen: None, fate: Fate::NotSaid, source: None, why: None }
    }
}

/// A place with the backends that it stands for.
#[derive(Debug)]
pub(super) struct At {
    pub(super) place: Place,
    pub(super) backends: Vec<Backend>,
}

/// What is expected.
#[derive(Debug)]
pub(in crate::commands) struct Expected {
    pub(super) verdict: Verdict,
    pub(super) places: Vec<At>,
    /// Backends that are chosen and nowhere to listen at.
    pub(super) lost: Vec<Backend>,
    stream: bool,
    /// Why the flow does not come to the balancer.
    pub(super) why: Option<String>,
}

impl Expected {
    pub(super) fn of(
        network: &Network,
        client: &Trace,
        places: &[Place],
        found: Vec<(Place, Backend)>,
        stream: bool,
    ) -> Self {
        let mut all: Vec<At> = places
            .iter()
            .filter(|place| !place.namespace.is_empty())
            .map(|place| At { place: place.clone(), backends: Vec::new() })
            .collect();
        let mut lost = Vec::new();
        for (place, backend) in found {
            match all.iter_mut().find(|at| at.place == place) {
                Some(at) => at.backends.push(backend),
                None => lost.push(backend),
            }
        }
        let why = client.blockers(network).first().map(|hop| hop.text.clone());
        Self { verdict: client.verdict, places: all, lost, stream, why }
    }

    fn reached(&self) -> bool {
        self.verdict == Verdict::Reachable
    }

    fn chosen(&self) -> impl Iterator<Item = &Backend> {
        let all = self.places.iter().flat_map(|at| &at.backends).chain(&self.lost);
        all.filter(|backend| backend.chosen.is_some() && self.reached())
    }

    /// Whether what was seen is what was predicted: each backend that is sent requests and answers them did, seen from the predicted source;
    /// no other place saw any; and as many were not answered as there must be.
    pub(super) fn agrees(&self, seen: &Spread, times: u32) -> bool {
        let places = self.places.iter().zip(&seen.shares);
        places.clone().all(|(at, share)| self.place_agrees(at, share))
            && self.places.len() == seen.shares.len()
            && self.unanswered_agrees(seen.unanswered, times)
    }

    fn place_agrees(&self, at: &At, share: &netwright_lab::probe::spread::Share) -> bool {
        let own = || at.backends.iter().filter(|one| one.chosen.is_some() && self.reached());
        let must = own().any(|one| one.chosen == Some(true) && one.fate == Fate::Answers);
        let must_arrive = own().any(|one| one.chosen == Some(true) && one.fate == Fate::Arrives);
        let may_answer = own().any(|one| matches!(one.fate, Fate::Answers | Fate::NotSaid));
        let may_arrive = may_answer || own().any(|one| one.fate == Fate::Arrives);
        let sources: BTreeSet<Option<IpAddr>> = own().map(|one| one.source).collect();
        let known = sources.contains(&None)
            || share.sources.iter().all(|seen| sources.contains(&Some(*seen)));
        (!must || share.answered > 0)
            && (!must_arrive || share.arrived > 0)
            && (may_answer || share.answered == 0)
            && (may_arrive || share.arrived == 0)
            && known
    }

    fn unanswered_agrees(&self, unanswered: u32, times: u32) -> bool {
        let fails = |one: &Backend| matches!(one.fate, Fate::Nothing | Fate::Arrives);
        if self.chosen().next().is_none() {
            return unanswered == times;
        }
        let some_fail = self.chosen().any(|one| one.chosen == Some(true) && fails(one));
        (!self.all_answer() || unanswered == 0) && (!some_fail || unanswered > 0)
    }

    /// Whether every backend that may be chosen answers, and one surely is.
    fn all_answer(&self) -> bool {
        self.chosen().all(|one| one.fate == Fate::Answers)
            && self.chosen().any(|one| one.chosen == Some(true))
    }

    /// Whether more patience may change what was seen: all that is wrong is that something did not come.
    pub(super) fn missed(&self, seen: &Spread, times: u32) -> bool {
        let mut complete = seen.clone();
        for (at, share) in self.places.iter().zip(&mut complete.shares) {
            let own = at.backends.iter().filter(|one| one.chosen == Some(true));
            for backend in own.filter(|_| self.reached()) {
                match backend.fate {
                    Fate::Answers => {
                        share.answered = share.answered.max(1);
                        share.arrived = share.arrived.max(1);
                    }
                    Fate::Arrives => share.arrived = share.arrived.max(1),
                    Fate::Nothing | Fate::NotSaid => {}
                }
            }
        }
        if self.all_answer() {
            complete.unanswered = 0;
        }
        !self.agrees(seen, times) && self.agrees(&complete, times)
    }

    /// In words.
    pub(super) fn told(&self) -> String {
        if !self.reached() {
            let why = self.why.as_deref().unwrap_or("it does not arrive");
            return format!("{}: {why}", self.verdict.word());
        }
        let names = |wanted: &dyn Fn(&Backend) -> bool| -> Vec<String> {
            let own = self.chosen().filter(|one| wanted(one));
            let one = |backend: &Backend| match backend.source {
                Some(source) if backend.fate == Fate::Answers => {
                    format!("{} (seen as {source})", backend.name)
                }
                _ => backend.name.clone(),
            };
            own.map(one).collect()
        };
        let answer = names(&|one| one.fate == Fate::Answers && one.chosen == Some(true));
        let perhaps = names(&|one| {
            one.fate == Fate::NotSaid || (one.chosen == Some(false) && one.fate == Fate::Answers)
        });
        let fail = names(&|one| matches!(one.fate, Fate::Nothing | Fate::Arrives));
        let mut parts = Vec::new();
        for (what, names) in [("answered by", answer), ("perhaps by", perhaps), ("lost at", fail)] {
            if !names.is_empty() {
                parts.push(format!("{what} {}", names.join(", ")));
            }
        }
        if parts.is_empty() {
            let kind = if self.stream { "connection" } else { "datagram" };
            return format!("no backend is sent any {kind}");
        }
        parts.join("; ")
    }
}
