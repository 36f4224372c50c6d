//! Source addresses that a NAT gateway chooses: one with several public addresses takes any of them for a connection.
//!
//! A filter on the way is asked about each of them. What passes with all surely passes, what passes with some may.

use crate::prover::Prover;
use crate::prover::path::{Check, Seen};
use crate::prover::policy::{Decision, Layer4, Permit};

impl Prover<'_> {
    /// The questions that a check stands for: of a request the source, of an answer the destination may be any address of a gateway.
    fn possible(&self, check: &Check, answer: bool) -> Vec<Check> {
        let chosen = if answer { check.seen.dst } else { check.seen.src };
        let mut all = vec![*check];
        if let Some(nat) = self.index.nat(chosen) {
            let others = self.network[nat].addresses.iter().copied();
            let others = others.filter(|a| *a != chosen && a.is_ipv4() == chosen.is_ipv4());
            all.extend(others.map(|other| {
                let seen = if answer {
                    Seen { dst: other, ..check.seen }
                } else {
                    Seen { src: other, ..check.seen }
                };
                Check { seen, ..*check }
            }));
        }
        all
    }

    /// What a check permits, of a request or of an answer.
    pub(crate) fn permit(&mut self, check: &Check, answer: bool) -> Permit {
        let mut permit = Permit::ALL;
        let mut may = crate::space::Set::EMPTY;
        for one in self.possible(check, answer) {
            let own = self.policies.permit(self.network, &mut self.space, &one);
            permit.must = self.space.and(permit.must, own.must);
            may = self.space.or(may, own.may);
        }
        permit.may = may;
        permit
    }

    /// How a check decides one packet, of a request or of an answer.
    pub(crate) fn decide(&self, check: &Check, answer: bool, packet: Layer4) -> Decision {
        let all = self.possible(check, answer);
        let mut decisions = all.iter().map(|one| self.policies.decide(self.network, one, packet));
        let first = decisions.next().unwrap_or(Decision::Unknown(super::policy::Decider::Nothing));
        let alike =
            |other: &Decision| std::mem::discriminant(other) == std::mem::discriminant(&first);
        match decisions.find(|other| !alike(other)) {
            None => first,
            // The address that does not pass tells what is in the way.
            Some(other) => Decision::Unknown(match (&first, &other) {
                (Decision::Allow(_), other) => decider(other),
                (first, _) => decider(first),
            }),
        }
    }
}

fn decider(decision: &Decision) -> super::policy::Decider {
    match decision {
        Decision::Allow(decider) | Decision::Deny(decider) | Decision::Unknown(decider) => *decider,
    }
}
