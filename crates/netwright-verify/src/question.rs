//! One question between two sides, asked of every address that could really be used.
//!
//! A side is a machine with all its interfaces, a service, or outside addresses. "Works" is said only of what works from every address
//! that the sender could send from, to every address that the receiver could be asked by, and for all of a range. What works only in
//! part is told with the part: a client does not choose which address it is given.
//!
//! Outside addresses are cut where anything in the network tells them apart; one address then stands for each piece, exactly.

mod partly;
mod parts;

use std::cell::OnceCell;

use netwright_model::network::Network;
use netwright_model::scalar::Service;

use crate::ask::{Point, packet_of, set_of};
use crate::balancer::{Beyond, beyond, beyond_for};
use crate::names::Names;
use crate::prover::Prover;
use crate::prover::path::Origin;
use crate::prover::policy::Layer4;
use crate::reach::{Piece, pieces};
use crate::space::protocol;
use crate::trace::{Flow, Trace, Verdict, obstacle_reason};

pub use partly::Partly;
pub use parts::Part;

/// What questions need to know of the whole network, found when first asked for.
#[derive(Debug)]
pub struct Questions {
    /// The DNS zones.
    pub names: Names,
    pieces: OnceCell<Vec<Piece>>,
}

/// One side of a question: everything that has one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The endpoint's name.
    pub name: String,
    /// Its interfaces, or the one point that it is.
    pub points: Vec<Point>,
}

/// Two sides, address by address.
#[derive(Debug, Clone)]
pub struct Question {
    /// Addresses of the sender.
    pub from: Vec<Part>,
    /// Addresses of the receiver.
    pub to: Vec<Part>,
    /// Which of them talk to each other, by position.
    pub pairs: Vec<(usize, usize)>,
}

/// What is found out about one pair of addresses.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Whether it is as asked: surely, surely not, or unknown.
    pub works: Option<bool>,
    /// What can be said of its packets.
    pub verdict: Verdict,
    /// Why it is not as asked.
    pub why: String,
    /// A packet that shows it.
    pub trace: Trace,
    /// What stands behind it, where it goes to a load balancer.
    pub beyond: Option<Beyond>,
}

/// What is found out about all pairs of a question.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Whether all is as asked: surely, surely not for some, or unknown. `None` of an empty question too.
    pub works: Option<bool>,
    /// The finding that decides: of those that do not work the one that gets farthest.
    pub finding: Option<Finding>,
    /// Which part does not work, where another does.
    pub partly: Option<Partly>,
    /// Pairs asked.
    pub asked: usize,
}

impl Questions {
    /// What is known of a network.
    #[must_use]
    pub fn of(network: &Network) -> Self {
        Self { names: Names::of(network), pieces: OnceCell::new() }
    }

    fn pieces(&self, prover: &Prover<'_>) -> &[Piece] {
        self.pieces.get_or_init(|| pieces(prover))
    }

    /// Every pair of addresses of two sides that a service could really use.
    #[must_use]
    pub fn between(
        &self,
        prover: &Prover<'_>,
        from: &Side,
        to: &Side,
        service: Service,
    ) -> Question {
        let senders = self.parts(prover, from, false);
        let from_internet = senders.iter().all(|part| part.origin == Some(Origin::Internet));
        let mut receivers = self.parts(prover, to, from_internet);
        // A service has no address of its own.
        receivers.retain(|part| !part.address.is_unspecified());
        in_use(prover.network, &mut receivers);
        let only_v4 = |part: &Part| {
            matches!(part.origin, Some(Origin::Serverless(_)))
                && receivers.iter().any(|to| to.address.is_ipv4())
        };
        let mut pairs = Vec::new();
        for (a, sender) in senders.iter().enumerate() {
            let platform = matches!(sender.origin, Some(Origin::Serverless(_)));
            for (b, receiver) in receivers.iter().enumerate() {
                let v4 = receiver.address.is_ipv4();
                let family = match service {
                    Service::Icmp { protocol: number, .. } => v4 == (number == protocol::ICMP),
                    _ => true,
                };
                let talk = sender.origin.is_some()
                    && family
                    && (platform || sender.address.is_ipv4() == v4)
                    && (v4 || !only_v4(sender))
                    && parts::sends_by(prover.network, &senders, sender, receiver.address);
                if talk {
                    pairs.push((a, b));
                }
            }
        }
        Question { from: senders, to: receivers, pairs }
    }

    /// The addresses of a side. Asked from the Internet, a machine is asked by its public addresses where it has some.
    fn parts(&self, prover: &Prover<'_>, side: &Side, public: bool) -> Vec<Part> {
        let public = public && side.points.iter().any(|point| !point.public.is_empty());
        let mut all = Vec::new();
        for point in &side.points {
            if let Some(asked) = &point.outside {
                all.extend(parts::outside(prover.network, self.pieces(prover), point, asked));
            }
            all.extend(parts::own(point, public));
        }
        parts::name(&mut all, side);
        all
    }
}

/// The points of some references as sides: what belongs to one endpoint is one side.
#[must_use]
pub fn sides(network: &Network, points: Vec<Point>) -> Vec<Side> {
    let mut all: Vec<(Option<usize>, Side)> = Vec::new();
    for point in points {
        let owner = match point.origin {
            Some(Origin::Interface(id)) => Some(network[id].owner),
            _ => None,
        };
        let key = owner.map(netwright_model::network::EndpointId::index);
        let known = all.iter_mut().find(|(known, side)| match key {
            Some(_) => *known == key,
            None => known.is_none() && side.name == point.name,
        });
        match known {
            Some((_, side)) if side.points.contains(&point) => {}
            Some((_, side)) => side.points.push(point),
            None => {
                let name = owner.map_or_else(|| point.name.clone(), |id| network[id].name.clone());
                all.push((key, Side { name, points: vec![point] }));
            }
        }
    }
    all.into_iter().map(|(_, side)| side).collect()
}

impl Question {
    /// The flows of all pairs, for everything that passes.
    pub fn flows(&self) -> impl Iterator<Item = Flow> {
        self.pairs.iter().filter_map(|(a, b)| {
            let (from, to) = (&self.from[*a], &self.to[*b]);
            Some(Flow {
                origin: from.origin?,
                src: from.address,
                dst: to.address,
                packet: None,
                meant: to.meant,
            })
        })
    }

    /// Asks every pair for all packets of a service. `also` looks at each finding: what works may be wrong all the same.
    pub fn ask(
        &self,
        prover: &mut Prover<'_>,
        service: Service,
        mut also: impl FnMut(&mut Prover<'_>, Finding) -> Finding,
    ) -> Survey {
        let packet = packet_of(service, None);
        self.survey(prover, packet, |prover, flow| {
            let found = judge(prover, flow, service);
            also(prover, found)
        })
    }

    /// Asks every pair for one packet, or for whether anything passes.
    pub fn follow(&self, prover: &mut Prover<'_>, packet: Option<Layer4>) -> Survey {
        self.survey(prover, packet, |prover, flow| {
            let trace = prover.trace(flow);
            finding(prover, trace)
        })
    }

    fn survey<'n>(
        &self,
        prover: &mut Prover<'n>,
        packet: Option<Layer4>,
        mut look: impl FnMut(&mut Prover<'n>, Flow) -> Finding,
    ) -> Survey {
        let mut findings: Vec<((usize, usize), Finding)> = Vec::new();
        for (a, b) in &self.pairs {
            let (from, to) = (&self.from[*a], &self.to[*b]);
            let Some(origin) = from.origin else { continue };
            let (src, dst) = (from.address, to.address);
            let flow = Flow { origin, src, dst, packet, meant: to.meant };
            findings.push(((*a, *b), look(prover, flow)));
        }
        let class = |finding: &Finding| finding.works;
        let any = |wanted| findings.iter().any(|(_, finding)| class(finding) == wanted);
        let works = match (findings.is_empty(), any(Some(false)), any(None)) {
            (true, ..) | (_, false, true) => None,
            (_, true, _) => Some(false),
            (_, false, false) => Some(true),
        };
        let partly = (works != Some(true))
            .then(|| {
                let wrong = |finding: &Finding| finding.works == works;
                let fails: Vec<(usize, usize)> =
                    findings.iter().filter(|(_, f)| wrong(f)).map(|(pair, _)| *pair).collect();
                partly::of(self, &fails, works == Some(false))
            })
            .flatten();
        let asked = findings.len();
        let deciding = findings.into_iter().filter(|(_, finding)| finding.works == works);
        let finding = deciding
            .map(|(_, finding)| finding)
            .reduce(|best, next| if rank(&next) < rank(&best) { next } else { best });
        Survey { works, finding, partly, asked }
    }
}

/// What a trace says of its own flow.
fn finding(prover: &mut Prover<'_>, trace: Trace) -> Finding {
    let works = certainty(trace.verdict);
    let why = match works {
        Some(true) => String::new(),
        Some(false) => reason(prover.network, &trace, trace.verdict),
        None => "unknown".to_owned(),
    };
    let beyond = beyond(prover, &trace);
    Finding { works, verdict: trace.verdict, why, trace, beyond: None }.with(beyond)
}

/// Leaves out nodes of balancers that names do not lead to, where others are left.
fn in_use(network: &Network, receivers: &mut Vec<Part>) {
    let used = |part: &Part| part.interface().is_none_or(|id| crate::balancer::serves(network, id));
    if receivers.iter().any(used) {
        receivers.retain(used);
    }
}

fn certainty(verdict: Verdict) -> Option<bool> {
    match verdict {
        Verdict::Reachable => Some(true),
        Verdict::Unknown | Verdict::Unresolved => None,
        Verdict::Blocked | Verdict::NoReturn => Some(false),
    }
}

/// How far a flow gets: less is farther.
fn rank(finding: &Finding) -> (u8, usize) {
    let verdict = match finding.verdict {
        Verdict::Reachable => 0,
        Verdict::Unknown => 1,
        Verdict::NoReturn => 2,
        Verdict::Blocked | Verdict::Unresolved => 3,
    };
    (verdict, usize::MAX - finding.trace.forward.path.steps.len())
}

/// What can be said of all packets of a service between two addresses, from every port that a client may use.
pub fn judge(prover: &mut Prover<'_>, flow: Flow, service: Service) -> Finding {
    let trace = prover.trace(flow);
    let (verdict, trace) = of_everything(prover, trace, service);
    let works = certainty(verdict);
    let mut why = String::new();
    if works != Some(true) {
        let part = part_that_fails(prover, &trace, service);
        let reason = reason(prover.network, &trace, verdict);
        why = match (works, part) {
            (None, Some(part)) => format!("unknown for {part}"),
            (None, None) => "unknown".to_owned(),
            (_, Some(part)) => format!("for {part}: {reason}"),
            (_, None) => reason,
        };
    }
    let found = Finding { works, verdict, why, trace, beyond: None };
    let beyond = beyond_for(prover, &found.trace, service);
    found.with(beyond)
}

impl Finding {
    /// The finding about the whole, where what was asked goes to a load balancer.
    fn with(self, beyond: Option<Beyond>) -> Self {
        let Some(found) = beyond else { return self };
        if self.works == Some(false) || found.verdict == Verdict::Reachable {
            return Self { beyond: Some(found), ..self };
        }
        Self {
            works: certainty(found.verdict),
            verdict: found.verdict,
            why: found.why.clone().unwrap_or(self.why),
            beyond: Some(found),
            trace: self.trace,
        }
    }
}

/// The verdict for all packets of a service: all must be as expected. With it the trace of a packet that is not, where the one that was
/// followed is.
fn of_everything(prover: &mut Prover<'_>, trace: Trace, service: Service) -> (Verdict, Trace) {
    let many = trace.flows.is_some() || matches!(service, Service::Ports { .. });
    let followed_works = trace.flows.is_some() || trace.verdict == Verdict::Reachable;
    if !many || !followed_works {
        return (trace.verdict, trace);
    }
    let flows = prover.flows_of(&trace.flow);
    let asked = set_of(&mut prover.space, service);
    let space = &mut prover.space;
    if space.is_subset(asked, flows.answered.must) {
        return (Verdict::Reachable, trace);
    }
    let (verdict, works) = if space.is_subset(asked, flows.answered.may) {
        (Verdict::Unknown, flows.answered.must)
    } else if space.is_subset(asked, flows.arrives.may) {
        (Verdict::NoReturn, flows.answered.may)
    } else {
        (Verdict::Blocked, flows.arrives.may)
    };
    let fails = space.minus(asked, works);
    // When memory ran out there may be no such packet; then nothing is said of one.
    let Some(packet) = space.pick(fails) else { return (Verdict::Unknown, trace) };
    let example = prover.trace(Flow { packet: Some((&packet).into()), ..trace.flow });
    (verdict, example)
}

/// Which part of a service does not surely work between the addresses of a trace, in words; none where that is all of it.
fn part_that_fails(prover: &mut Prover<'_>, trace: &Trace, service: Service) -> Option<String> {
    let flows = prover.flows_of(&trace.flow);
    let asked = set_of(&mut prover.space, service);
    let space = &mut prover.space;
    let works = flows.answered.must;
    if !space.intersects(asked, works) {
        return None;
    }
    let fails = space.minus(asked, works);
    (!fails.is_empty()).then(|| crate::space::show::layer4(space, fails))
}

/// Why a trace's flow does not work.
fn reason(network: &Network, trace: &Trace, verdict: Verdict) -> String {
    if let Some(first) = trace.blockers(network).first() {
        return first.text.clone();
    }
    match &trace.forward.path.end {
        crate::prover::path::End::Blocked(obstacle) => obstacle_reason(network, obstacle).text,
        _ => format!("it is {}", verdict.word().replace('_', " ")),
    }
}

#[cfg(test)]
mod tests;
