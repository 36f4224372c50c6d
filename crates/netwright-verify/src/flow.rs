//! What passes between two addresses, both ways.

use std::net::IpAddr;

use netwright_model::language::Direction;

use crate::ask::holders::instead_of;
use crate::prover::Prover;
use crate::prover::path::{Check, End, Obstacle, Origin, Path, Step};
use crate::prover::policy::Permit;
use crate::space::{Family, IcmpAnswer, Set, Space, protocol};
use crate::trace::Flow;

/// What passes between two addresses, as sets over protocol and ports of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flows {
    /// Requests that arrive.
    pub arrives: Permit,
    /// Requests that arrive and whose answer comes back. ICMP other than echo requests needs no answer.
    pub answered: Permit,
}

impl Flows {
    /// Nothing arrives.
    pub const NONE: Self = Self { arrives: Permit::NONE, answered: Permit::NONE };

    /// Requests that surely work both ways.
    #[must_use]
    pub fn reachable(&self) -> Set {
        self.answered.must
    }

    /// Requests that surely arrive and whose answer surely does not come back.
    pub fn no_return(&self, space: &mut Space) -> Set {
        space.minus(self.arrives.must, self.answered.may)
    }

    /// Requests of which neither can be said, because the description lacks a fact.
    pub fn unknown(&self, space: &mut Space) -> Set {
        let lost = self.no_return(space);
        let known = space.or(self.answered.must, lost);
        space.minus(self.arrives.may, known)
    }

    /// Whether nothing can possibly arrive.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.arrives.may.is_empty()
    }
}

/// A request's path and its answer's.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The request's path.
    pub forward: Path,
    /// The answer's path; none where the request does not arrive.
    pub back: Option<Path>,
}

impl Prover<'_> {
    /// The paths of a request and its answer.
    #[must_use]
    pub fn connection(&self, origin: Origin, src: IpAddr, dst: IpAddr) -> Connection {
        let forward = self.path(origin, src, dst);
        let back = self.answer(&forward);
        Connection { forward, back }
    }

    /// The paths of a flow and its answer. A request finds who has its address where it is; where that is somebody else than whom it is meant for, it
    /// is lost.
    #[must_use]
    pub fn connection_of(&self, flow: &Flow) -> Connection {
        let Connection { mut forward, back } = self.connection(flow.origin, flow.src, flow.dst);
        match flow.meant.and_then(|meant| instead_of(self.network, meant, &forward.end)) {
            None => Connection { forward, back },
            Some(arrived) => {
                forward.end = End::Blocked(Obstacle::AnothersAddress(arrived));
                Connection { forward, back: None }
            }
        }
    }

    /// What passes of a flow between its two ends, whatever its packet.
    pub fn flows_of(&mut self, flow: &Flow) -> Flows {
        let connection = self.connection_of(flow);
        self.evaluate(&connection)
    }

    /// What passes between two addresses.
    pub fn flows(&mut self, origin: Origin, src: IpAddr, dst: IpAddr) -> Flows {
        let connection = self.connection(origin, src, dst);
        self.evaluate(&connection)
    }

    /// What passes along a request's path and its answer's.
    pub fn evaluate(&mut self, connection: &Connection) -> Flows {
        let arrives = self.along(&connection.forward, false, |_| false);
        if arrives.may.is_empty() {
            return Flows::NONE;
        }
        let back = match &connection.back {
            Some(back) => self.along(back, true, |check| self_passes(&connection.forward, check)),
            // Whether the request arrives is unknown, and so is whether its answer does.
            None => Permit { must: Set::EMPTY, may: Set::ALL },
        };
        let must = answered_by(&mut self.space, back.must);
        let may = answered_by(&mut self.space, back.may);
        let answered = Permit {
            must: self.space.and(arrives.must, must),
            may: self.space.and(arrives.may, may),
        };
        Flows { arrives, answered }
    }

    /// What passes along a path, of a request or an answer. `pass` names checks that are not asked (answers where a stateful filter let the request pass).
    fn along(
        &mut self,
        path: &Path,
        answer: bool,
        pass: impl Fn(&Candidate<'_>) -> bool,
    ) -> Permit {
        let mut permit = match path.end {
            End::Blocked(_) => return Permit::NONE,
            End::Delivered(_) => Permit::ALL,
            End::Unknown(_) => Permit { must: Set::EMPTY, may: Set::ALL },
        };
        for step in &path.steps {
            let passed = match step {
                Step::Check(check) => {
                    let Some(policy) = self.policies.policy(check.level) else {
                        continue;
                    };
                    let stateful = self.policies.is_stateful(policy);
                    if pass(&Candidate { check, stateful }) {
                        continue;
                    }
                    self.permit(check, answer)
                }
                Step::NatProtocolsOnly(_) => {
                    let set = nat_protocols(&mut self.space);
                    Permit { must: set, may: set }
                }
                Step::At(_) | Step::Route { .. } | Step::Translate(_) => continue,
            };
            permit.must = self.space.and(permit.must, passed.must);
            permit.may = self.space.and(permit.may, passed.may);
            if permit.may.is_empty() {
                return Permit::NONE;
            }
        }
        permit
    }
}

/// A check of an answer, and whether its filters keep state.
pub(crate) struct Candidate<'a> {
    pub(crate) check: &'a Check,
    pub(crate) stateful: bool,
}

/// Whether an answer passes a check by itself: stateful filters at the same place let the request pass.
pub(crate) fn self_passes(request: &Path, candidate: &Candidate<'_>) -> bool {
    candidate.stateful && passed_before(request, candidate.check)
}

/// Whether a request passed the place of an answer's check, in the other direction.
pub(crate) fn passed_before(request: &Path, answer: &Check) -> bool {
    let direction = opposite(answer.direction);
    request.checks().any(|check| check.level == answer.level && check.direction == direction)
}

fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    }
}

/// TCP, UDP and ICMP: what NAT gateways carry.
pub(crate) fn nat_protocols(space: &mut Space) -> Set {
    let sets = [protocol::TCP, protocol::UDP, protocol::ICMP].map(|number| space.protocol(number));
    space.union_all(sets)
}

/// The requests whose answers are in a set, and those that need no answer.
pub(crate) fn answered_by(space: &mut Space, answers: Set) -> Set {
    if answers.is_all() {
        return Set::ALL;
    }
    let asked = space.reverse(answers, IcmpAnswer::Echo);
    let none_needed = no_answer_needed(space);
    space.or(asked, none_needed)
}

/// ICMP but echo requests.
pub(crate) fn no_answer_needed(space: &mut Space) -> Set {
    let all = [protocol::ICMP, protocol::ICMPV6].map(|number| space.protocol(number));
    let all = space.union_all(all);
    let echo_v4 = space.icmp(Family::V4, ECHO_V4..=ECHO_V4, 0..=u8::MAX);
    let echo_v6 = space.icmp(Family::V6, ECHO_V6..=ECHO_V6, 0..=u8::MAX);
    let echo = space.or(echo_v4, echo_v6);
    space.minus(all, echo)
}

/// Type of an ICMP echo request (RFC 792).
pub(crate) const ECHO_V4: u8 = 8;
/// Type of an `ICMPv6` echo request (RFC 4443).
pub(crate) const ECHO_V6: u8 = 128;
