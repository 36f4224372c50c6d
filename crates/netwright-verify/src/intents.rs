//! What must and what must not work: intents, asked one by one.

use netwright_model::language::{EndpointRef, Intent, Outcome};
use netwright_model::network::Network;
use netwright_model::scalar::Service;
use netwright_model::source::{Span, Spanned};

use crate::ask::{Point, flows_between, packet_of, points, set_of};
use crate::prover::Prover;
use crate::trace::{Trace, Verdict, obstacle_reason};

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
    intents.iter().map(|(name, intent)| one(prover, network, name, intent)).collect()
}

fn one(
    prover: &mut Prover<'_>,
    network: &Network,
    name: &Spanned<String>,
    intent: &Intent,
) -> Answer {
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
                consider(prover, intent, (source, destination, *service), &mut answer);
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
    intent: &Intent,
    (source, destination, service): (&Point, &Point, Service),
    answer: &mut Answer,
) {
    let expected = intent.outcome.as_ref().map_or(Outcome::Reachable, |outcome| outcome.value);
    let flows = flows_between(source, destination, packet_of(service, None));
    let Some(trace) = prover.best_trace(&flows) else { return };
    answer.asked += 1;
    let label = format!("{} → {} {service}", source.name, destination.name);
    let verdict = match trace.flows {
        Some(_) => of_everything(prover, &trace, service, expected),
        None => trace.verdict,
    };
    let wrong = match (expected, verdict) {
        (_, Verdict::Unknown | Verdict::Unresolved) => {
            answer.standing = Standing::Unknown;
            answer.why = format!("{label}: unknown");
            answer.example = Some(trace);
            return;
        }
        (Outcome::Reachable, Verdict::Reachable) => clause(prover, intent, &trace),
        (Outcome::Reachable, other) => Some(why(prover.network, &trace, other)),
        (Outcome::Blocked, Verdict::Blocked) => None,
        (Outcome::Blocked, other) => Some(format!("it is {}", other.word().replace('_', " "))),
    };
    if let Some(wrong) = wrong {
        answer.standing = Standing::Broken;
        answer.why = format!("{label}: {wrong}");
        answer.example = Some(trace);
    }
}

/// The verdict for a service that stands for many packets: all must be as expected.
fn of_everything(
    prover: &mut Prover<'_>,
    trace: &Trace,
    service: Service,
    expected: Outcome,
) -> Verdict {
    let Some(flows) = trace.flows else { return trace.verdict };
    let asked = set_of(&mut prover.space, service);
    let space = &mut prover.space;
    match expected {
        Outcome::Reachable => {
            if space.is_subset(asked, flows.answered.must) {
                Verdict::Reachable
            } else if space.is_subset(asked, flows.answered.may) {
                Verdict::Unknown
            } else if space.is_subset(asked, flows.arrives.may) {
                Verdict::NoReturn
            } else {
                Verdict::Blocked
            }
        }
        Outcome::Blocked => {
            if !space.intersects(asked, flows.arrives.may) {
                Verdict::Blocked
            } else if space.intersects(asked, flows.arrives.must) {
                Verdict::Reachable
            } else {
                Verdict::Unknown
            }
        }
    }
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
