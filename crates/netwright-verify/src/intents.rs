//! What must and what must not work: intents, asked one by one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::language::{EndpointRef, Intent, Outcome};
use netwright_model::network::{InterfaceId, Network};
use netwright_model::scalar::Service;
use netwright_model::source::{Span, Spanned};

use crate::ask::{
    Asked, Point, all_flows_between, all_of, flows_between, packet_of, points, set_of,
};
use crate::flow::Flows;
use crate::prover::Prover;
use crate::prover::path::Origin;
use crate::reach::{Member, Outside, Reach};
use crate::trace::{Flow, Trace, Verdict, obstacle_reason};

/// Whether an intent holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// For every source, destination and service it names.
    Holds,
    /// For at least one it does not.
    Broken,
    /// That cannot be said.
    Unknown,
}

/// The answer to one intent.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its name.
    pub name: String,
    /// Where it was written.
    pub span: Span,
    /// Whether it holds.
    pub standing: Standing,
    /// Why not, in words; for one that holds, what was asked.
    pub why: String,
    /// The first flow that speaks against it.
    pub example: Option<Trace>,
    /// Flows asked.
    pub asked: usize,
}

/// Asks every intent of the description, in the order written.
pub fn ask(prover: &mut Prover<'_>) -> Vec<Answer> {
    let network = prover.network;
    let intents = &network.description.expect;
    let reached = reached_from_outside(prover);
    let reached = reached.as_ref();
    intents.iter().map(|(name, intent)| one(prover, reached, name, intent)).collect()
}

/// What passes from outside to the destinations of intents about what must not pass. Asked once for all of them; nothing where there is
/// no such intent. `None` when the sets outgrow their memory.
fn reached_from_outside(prover: &mut Prover<'_>) -> Option<Reach> {
    let network = prover.network;
    let mut interfaces: BTreeSet<InterfaceId> = BTreeSet::new();
    let mut addresses: BTreeSet<IpAddr> = BTreeSet::new();
    let mut any = false;
    for (_, intent) in network.description.expect.iter() {
        let forbids =
            intent.outcome.as_ref().is_some_and(|outcome| outcome.value == Outcome::Blocked);
        // What cannot be resolved is told when the intent itself is asked.
        let Some(from) = forbids.then(|| resolve(network, &intent.from).ok()).flatten() else {
            continue;
        };
        if from.iter().all(|point| point.outside.is_none()) {
            continue;
        }
        any = true;
        for point in resolve(network, &intent.to).unwrap_or_default() {
            if let Some(Origin::Interface(id)) = point.origin {
                interfaces.insert(id);
            }
            addresses.extend(point.addresses);
        }
    }
    if !any {
        return Some(Reach::default());
    }
    let sends = |member: &Member| matches!(member, Member::Outside(..));
    let receives = |member: &Member| match member {
        Member::Interface(id, _) => interfaces.contains(id),
        Member::Outside(_, first, last) => addresses.range(*first..=*last).next().is_some(),
        Member::Serverless(_) => false,
    };
    prover.reach_between(sends, receives).ok()
}

fn one(
    prover: &mut Prover<'_>,
    reached: Option<&Reach>,
    name: &Spanned<String>,
    intent: &Intent,
) -> Answer {
    let network = prover.network;
    let mut answer = Answer {
        name: name.value.clone(),
        span: name.span,
        standing: Standing::Holds,
        why: String::new(),
        example: None,
        asked: 0,
    };
    let sides =
        resolve(network, &intent.from).and_then(|from| Ok((from, resolve(network, &intent.to)?)));
    let (from, to) = match sides {
        Ok(sides) => sides,
        Err((why, span)) => {
            answer.standing = Standing::Unknown;
            answer.why = why;
            answer.span = span;
            return answer;
        }
    };
    let services: Vec<Service> = if intent.service.is_empty() {
        vec![Service::Any]
    } else {
        intent.service.iter().map(|service| service.value).collect()
    };
    for source in &from {
        for destination in to.iter().filter(|to| to.name != source.name) {
            for service in &services {
                consider(prover, reached, intent, (source, destination, *service), &mut answer);
                if answer.standing == Standing::Broken {
                    return answer;
                }
            }
        }
    }
    if answer.asked == 0 {
        // What selects nothing proves nothing.
        answer.standing = Standing::Unknown;
        answer.why = "it names no flow: there is nothing to check".to_owned();
    } else if answer.standing == Standing::Holds {
        answer.why =
            format!("{} flow{} asked", answer.asked, if answer.asked == 1 { "" } else { "s" });
        let skipped = not_asked(intent);
        if !skipped.is_empty() {
            // What was not looked at does not pass.
            answer.standing = Standing::Unknown;
            answer.why += &format!("; not asked: {}", skipped.join(", "));
        }
    }
    answer
}

type Missing = (String, Span);

fn resolve(network: &Network, references: &[Spanned<EndpointRef>]) -> Result<Vec<Point>, Missing> {
    let mut all = Vec::new();
    for reference in references {
        match points(network, &reference.value) {
            Ok(found) => all.extend(found),
            Err(missing) => {
                let help = missing.help.map_or_else(String::new, |help| format!(" ({help})"));
                return Err((format!("{}{help}", missing.message), reference.span));
            }
        }
    }
    Ok(all)
}

fn consider(
    prover: &mut Prover<'_>,
    reached: Option<&Reach>,
    intent: &Intent,
    (source, destination, service): (&Point, &Point, Service),
    answer: &mut Answer,
) {
    let expected = intent.outcome.as_ref().map_or(Outcome::Reachable, |outcome| outcome.value);
    if expected == Outcome::Blocked {
        nothing_passes(prover, reached, (source, destination, service), answer);
        return;
    }
    let flows = flows_between(source, destination, packet_of(service, None));
    let Some(trace) = prover.best_trace(&flows) else { return };
    answer.asked += 1;
    let label = format!("{} → {} {service}", source.name, destination.name);
    let (verdict, trace) = of_everything(prover, trace, service);
    let wrong = match verdict {
        Verdict::Unknown | Verdict::Unresolved => {
            answer.standing = Standing::Unknown;
            answer.why = match part_that_fails(prover, &trace, service) {
                Some(part) => format!("{label}: unknown for {part}"),
                None => format!("{label}: unknown"),
            };
            answer.example = Some(trace);
            return;
        }
        Verdict::Reachable => match size(prover.network, intent, &trace) {
            Size::Unknown(why) => {
                answer.standing = Standing::Unknown;
                answer.why = format!("{label}: {why}");
                answer.example = Some(trace);
                return;
            }
            Size::TooLarge(why) => Some(why),
            Size::Fits => clause(prover, intent, &trace),
        },
        other => {
            let why = why(prover.network, &trace, other);
            Some(match part_that_fails(prover, &trace, service) {
                Some(part) => format!("for {part}: {why}"),
                None => why,
            })
        }
    };
    if let Some(wrong) = wrong {
        answer.standing = Standing::Broken;
        answer.why = format!("{label}: {wrong}");
        answer.example = Some(trace);
    }
}

/// Whether nothing of a service passes: from every address of the source, from every source port.
fn nothing_passes(
    prover: &mut Prover<'_>,
    reached: Option<&Reach>,
    (source, destination, service): (&Point, &Point, Service),
    answer: &mut Answer,
) {
    let asked = all_of(&mut prover.space, service);
    let label = format!("{} → {} {service}", source.name, destination.name);
    let mut passed: Vec<(Flows, String)> = Vec::new();
    for flow in all_flows_between(source, destination) {
        answer.asked += 1;
        passed.push((prover.flows(flow.origin, flow.src, flow.dst), flow.src.to_string()));
    }
    if source.outside.is_some() {
        let Some(flows) = reached.map(|reached| from_outside(reached, source, destination)) else {
            answer.standing = Standing::Unknown;
            answer.why = format!("{label}: the sets outgrew their memory limit");
            return;
        };
        passed.extend(flows);
    }
    for (flows, from) in passed {
        let space = &mut prover.space;
        if space.intersects(asked, flows.arrives.must) {
            let open = space.and(asked, flows.arrives.must);
            let what = crate::space::show::layer4(space, open);
            answer.standing = Standing::Broken;
            answer.why = format!("{label}: from {from} passes {what}");
            return;
        }
        if space.intersects(asked, flows.arrives.may) {
            answer.standing = Standing::Unknown;
            answer.why = format!("{label}: unknown from {from}");
        }
    }
}

/// What passes from all outside addresses that a source stands for, each with an example of a source address.
fn from_outside(reached: &Reach, source: &Point, destination: &Point) -> Vec<(Flows, String)> {
    let sends = |member: &Member| match (member, &source.outside) {
        (Member::Outside(whose, first, last), Some(asked)) => match asked {
            Asked::Internet => *whose == Outside::Internet,
            Asked::Range(a, b) => a.is_ipv4() == first.is_ipv4() && a <= last && first <= b,
        },
        _ => false,
    };
    let receives = |member: &Member| match (member, destination.origin) {
        (Member::Interface(id, _), Some(Origin::Interface(own))) => *id == own,
        (Member::Outside(_, first, last), _) => destination
            .addresses
            .iter()
            .any(|a| a.is_ipv4() == first.is_ipv4() && first <= a && a <= last),
        _ => false,
    };
    let found = reached.entries().filter_map(|entry| {
        let from = reached.groups[entry.src].members.iter().find(|member| sends(member))?;
        reached.groups[entry.dst].members.iter().find(|member| receives(member))?;
        let Member::Outside(_, first, last) = from else { return None };
        Some((entry.flows, format!("{first}-{last}")))
    });
    found.collect()
}

/// The verdict for all packets of a service, from every port that a client may use: all must be as expected. With it the trace of a packet
/// that is not, where the one that was followed is.
fn of_everything(prover: &mut Prover<'_>, trace: Trace, service: Service) -> (Verdict, Trace) {
    let many = trace.flows.is_some() || matches!(service, Service::Ports { .. });
    let followed_works = trace.flows.is_some() || trace.verdict == Verdict::Reachable;
    if !many || !followed_works {
        return (trace.verdict, trace);
    }
    let Flow { origin, src, dst, .. } = trace.flow;
    let flows = prover.flows(origin, src, dst);
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
    let Flow { origin, src, dst, .. } = trace.flow;
    let flows = prover.flows(origin, src, dst);
    let asked = set_of(&mut prover.space, service);
    let space = &mut prover.space;
    let works = flows.answered.must;
    if !space.intersects(asked, works) {
        return None;
    }
    let fails = space.minus(asked, works);
    (!fails.is_empty()).then(|| crate::space::show::layer4(space, fails))
}

/// The clauses of an intent that no description can answer, by the names they are written with.
fn not_asked(intent: &Intent) -> Vec<&'static str> {
    let clauses =
        [("latency", intent.latency.is_some()), ("availability", intent.availability.is_some())];
    clauses.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect()
}

fn why(network: &Network, trace: &Trace, verdict: Verdict) -> String {
    if let Some(first) = trace.blockers(network).first() {
        return first.text.clone();
    }
    match &trace.forward.path.end {
        crate::prover::path::End::Blocked(obstacle) => obstacle_reason(network, obstacle).text,
        _ => format!("it is {}", verdict.word().replace('_', " ")),
    }
}

/// Whether packets of the size that an intent asks for pass, both ways.
enum Size {
    Fits,
    TooLarge(String),
    Unknown(String),
}

fn size(network: &Network, intent: &Intent, trace: &Trace) -> Size {
    let Some(wanted) = intent.mtu.as_ref().map(|mtu| mtu.value) else { return Size::Fits };
    let mut unknown = None;
    for direction in std::iter::once(&trace.forward).chain(&trace.back) {
        let found = crate::mtu::path::of(network, &direction.path);
        match found.octets {
            Some(octets) if octets < wanted => {
                let why = format!(
                    "packets of {wanted} octets do not fit: {} carries up to {octets}, and {}",
                    found.at,
                    found.larger.sentence()
                );
                return Size::TooLarge(why);
            }
            Some(_) => {}
            None => unknown = Some(format!("the largest packet of {} is not described", found.at)),
        }
    }
    unknown.map_or(Size::Fits, Size::Unknown)
}

/// What else an intent asks of a flow that works.
fn clause(prover: &Prover<'_>, intent: &Intent, trace: &Trace) -> Option<String> {
    let seen = trace.source_seen();
    if let Some(wanted) = &intent.source_address
        && seen != Some(wanted.value)
    {
        let seen = seen
            .map_or_else(|| "an address that cannot be predicted".to_owned(), |a| a.to_string());
        return Some(format!("the destination sees {seen}, not {}", wanted.value));
    }
    if intent.predictable_source.as_ref().is_some_and(|wanted| wanted.value) && seen.is_none() {
        return Some("the destination sees a source address that cannot be predicted".to_owned());
    }
    if let Some(through) = &intent.through
        && !passes(prover.network, trace, &through.value)
    {
        return Some(format!("its path does not use {}", through.value));
    }
    None
}

/// Whether a trace's request passes an object of a name.
fn passes(network: &Network, trace: &Trace, name: &str) -> bool {
    crate::trace::hops(network, &trace.forward)
        .iter()
        .any(|hop| hop.name == name || hop.ids.iter().any(|id| id == name))
}

#[cfg(test)]
mod tests;
