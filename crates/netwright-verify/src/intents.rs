//! What must and what must not work: intents, asked one by one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netwright_model::language::{Intent, Outcome};
use netwright_model::network::lookup::NotFound;
use netwright_model::network::{InterfaceId, Network};
use netwright_model::scalar::Service;
use netwright_model::source::{Span, Spanned};

use crate::ask::{Point, all_flows_between, all_of};
use crate::flow::Flows;
use crate::names::{Resolution, asked};
use crate::prover::Prover;
use crate::prover::path::Origin;
use crate::question::{Finding, Partly, Questions, Side, sides};
use crate::reach::{Member, Reach};
use crate::trace::{Flow, Trace, Verdict, sources_words};

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
    /// What can be said of its flows: of the one that decides. None where it names no flow.
    pub verdict: Option<Verdict>,
    /// Why not, in words; for one that holds, what was asked.
    pub why: String,
    /// Which part does not work, where another does.
    pub partly: Option<Partly>,
    /// The first flow that speaks against it.
    pub example: Option<Trace>,
    /// Flows asked.
    pub asked: usize,
}

/// Asks every intent of the description, in the order written.
pub fn ask(prover: &mut Prover<'_>) -> Vec<Answer> {
    let network = prover.network;
    let intents = &network.description.expect;
    let questions = Questions::of(network);
    let reached = reached_from_outside(prover, &questions);
    let reached = reached.as_ref();
    intents.iter().map(|(name, intent)| one(prover, &questions, reached, name, intent)).collect()
}

/// What passes from outside to the destinations of intents about what must not pass. Asked once for all of them; nothing where there is
/// no such intent. `None` when the sets outgrow their memory.
fn reached_from_outside(prover: &mut Prover<'_>, questions: &Questions) -> Option<Reach> {
    let network = prover.network;
    let mut interfaces: BTreeSet<InterfaceId> = BTreeSet::new();
    let mut addresses: BTreeSet<IpAddr> = BTreeSet::new();
    let mut any = false;
    for (_, intent) in network.description.expect.iter() {
        if expected(intent) != Outcome::Blocked {
            continue;
        }
        // What cannot be resolved is told when the intent itself is asked.
        let from = intent
            .from
            .iter()
            .filter_map(|written| asked::source(network, &questions.names, &written.value).ok());
        let outside = |point: &Point| point.outside.is_some();
        if !from.flat_map(|found| found.points).any(|point| outside(&point)) {
            continue;
        }
        any = true;
        let to = intent.to.iter().filter_map(|written| {
            asked::destination(network, &questions.names, None, &written.value).ok()
        });
        for point in to.flat_map(|found| found.points) {
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
    questions: &Questions,
    reached: Option<&Reach>,
    name: &Spanned<String>,
    intent: &Intent,
) -> Answer {
    let mut answer = Answer {
        name: name.value.clone(),
        span: name.span,
        standing: Standing::Holds,
        verdict: None,
        why: String::new(),
        partly: None,
        example: None,
        asked: 0,
    };
    if let Err((why, span)) = all_sides(prover, questions, reached, intent, &mut answer) {
        answer.standing = Standing::Unknown;
        answer.verdict = Some(Verdict::Unknown);
        answer.why = why;
        answer.span = span;
        return answer;
    }
    if answer.standing != Standing::Holds {
        return answer;
    }
    if answer.asked == 0 {
        // What selects nothing proves nothing.
        answer.standing = Standing::Unknown;
        answer.why = "it names no flow: there is nothing to check".to_owned();
    } else {
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

fn missing(error: &NotFound, span: Span) -> Missing {
    let help = error.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
    (format!("{}{help}", error.message), span)
}

/// Asks every source for every destination, until one is told that it does not work.
fn all_sides(
    prover: &mut Prover<'_>,
    questions: &Questions,
    reached: Option<&Reach>,
    intent: &Intent,
    answer: &mut Answer,
) -> Result<(), Missing> {
    let network = prover.network;
    for written in &intent.from {
        let found = asked::source(network, &questions.names, &written.value)
            .map_err(|error| missing(&error, written.span))?;
        if found.points.is_empty()
            && let Some(resolution) = &found.resolution
        {
            leads_nowhere(&written.value.to_string(), resolution, intent, answer);
        }
        for source in sides(network, found.points) {
            let asker = source.points.first().and_then(|point| asked::asker(network, point));
            for written in &intent.to {
                let found = asked::destination(network, &questions.names, asker, &written.value)
                    .map_err(|error| missing(&error, written.span))?;
                if found.points.is_empty()
                    && let Some(resolution) = &found.resolution
                {
                    let label = format!("{} → {}", source.name, resolution.name);
                    leads_nowhere(&label, resolution, intent, answer);
                }
                for destination in sides(network, found.points) {
                    let by_name = found.resolution.as_ref().map(|resolution| &resolution.name);
                    let label = match by_name {
                        Some(name) => format!("{} → {name} ({})", source.name, destination.name),
                        None => format!("{} → {}", source.name, destination.name),
                    };
                    let between = (&source, &destination, label.as_str());
                    services(prover, questions, reached, intent, between, answer);
                }
            }
            if answer.standing == Standing::Broken {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What is said where a name has no address.
fn leads_nowhere(label: &str, resolution: &Resolution, intent: &Intent, answer: &mut Answer) {
    if answer.standing == Standing::Broken {
        return;
    }
    let chain = resolution.chain().unwrap_or_default();
    let fails = resolution.fails();
    answer.verdict = Some(if fails { Verdict::Unresolved } else { Verdict::Unknown });
    // That nothing arrives where nobody can be asked proves nothing about what must be blocked.
    let broken = fails && expected(intent) == Outcome::Reachable;
    answer.standing = if broken { Standing::Broken } else { Standing::Unknown };
    let word = if fails { "unresolved" } else { "unknown" };
    answer.why = format!("{label}: {word}: {chain}");
    answer.asked += 1;
}

fn expected(intent: &Intent) -> Outcome {
    intent.outcome.as_ref().map_or(Outcome::Reachable, |outcome| outcome.value)
}

/// Asks every service between two sides.
fn services(
    prover: &mut Prover<'_>,
    questions: &Questions,
    reached: Option<&Reach>,
    intent: &Intent,
    (source, destination, label): (&Side, &Side, &str),
    answer: &mut Answer,
) {
    let services: Vec<Service> = if intent.service.is_empty() {
        vec![Service::Any]
    } else {
        intent.service.iter().map(|service| service.value).collect()
    };
    for service in services {
        if answer.standing == Standing::Broken {
            return;
        }
        let label = format!("{label} {service}");
        if expected(intent) == Outcome::Blocked {
            let known = (questions, reached);
            nothing_passes(prover, known, (source, destination, service), &label, answer);
        } else if source.name != destination.name {
            all_works(prover, questions, intent, (source, destination, service), &label, answer);
        }
    }
}

/// Whether a service works from every address of the source to every address of the destination, as the intent's clauses ask.
fn all_works(
    prover: &mut Prover<'_>,
    questions: &Questions,
    intent: &Intent,
    (source, destination, service): (&Side, &Side, Service),
    label: &str,
    answer: &mut Answer,
) {
    let question = questions.between(prover, source, destination, service);
    let survey = question.ask(prover, service, |prover, finding| {
        if finding.works == Some(true) { clauses(prover, intent, finding) } else { finding }
    });
    answer.asked += survey.asked;
    if survey.asked == 0 {
        answer.standing = Standing::Unknown;
        answer.verdict = Some(Verdict::Unknown);
        answer.why = format!("{label}: there is no address of one family at both ends");
        return;
    }
    if survey.works == Some(true) {
        answer.verdict = answer.verdict.or(Some(Verdict::Reachable));
        return;
    }
    let Some(finding) = survey.finding else { return };
    let partly = survey.partly.as_ref();
    let part = partly.map_or_else(String::new, |partly| format!("{}: ", partly.sentence()));
    answer.standing =
        if survey.works == Some(false) { Standing::Broken } else { Standing::Unknown };
    answer.why = format!("{label}: {part}{}", finding.why);
    answer.verdict = Some(finding.verdict);
    answer.partly = survey.partly;
    answer.example = Some(finding.trace);
}

/// What an intent asks beside that it works.
fn clauses(prover: &Prover<'_>, intent: &Intent, finding: Finding) -> Finding {
    let (works, why) = match size(prover.network, intent, &finding.trace) {
        Size::Unknown(why) => (None, why),
        Size::TooLarge(why) => (Some(false), why),
        Size::Fits => match clause(prover, intent, &finding.trace) {
            Some(why) => (Some(false), why),
            None => return finding,
        },
    };
    Finding { works, why, ..finding }
}

/// Whether nothing of a service passes: from every address of the source, from every source port.
fn nothing_passes(
    prover: &mut Prover<'_>,
    (questions, reached): (&Questions, Option<&Reach>),
    (source, destination, service): (&Side, &Side, Service),
    label: &str,
    answer: &mut Answer,
) {
    let asked = all_of(&mut prover.space, service);
    let mut passed: Vec<(Flows, String)> = Vec::new();
    for from in &source.points {
        for to in destination.points.iter().filter(|to| to.name != from.name) {
            let flows = if to.outside.is_some() {
                to_outside(prover, questions, from, to)
            } else {
                all_flows_between(from, to)
            };
            for flow in flows {
                answer.asked += 1;
                passed.push((prover.flows_of(&flow), flow.src.to_string()));
            }
            if from.outside.is_some() {
                let Some(flows) = reached.map(|reached| from_outside(reached, from, to)) else {
                    answer.standing = Standing::Unknown;
                    answer.why = format!("{label}: the sets outgrew their memory limit");
                    return;
                };
                passed.extend(flows);
            }
        }
    }
    answer.verdict = answer.verdict.or(Some(Verdict::Blocked));
    for (flows, from) in passed {
        let space = &mut prover.space;
        if space.intersects(asked, flows.arrives.must) {
            let open = space.and(asked, flows.arrives.must);
            let what = crate::space::show::layer4(space, open);
            answer.standing = Standing::Broken;
            answer.verdict = Some(Verdict::Reachable);
            answer.why = format!("{label}: from {from} passes {what}");
            return;
        }
        if space.intersects(asked, flows.arrives.may) {
            answer.standing = Standing::Unknown;
            answer.verdict = Some(Verdict::Unknown);
            answer.why = format!("{label}: unknown from {from}");
        }
    }
}

/// The flows to outside addresses, one for each piece that nothing tells apart.
fn to_outside(prover: &Prover<'_>, questions: &Questions, from: &Point, to: &Point) -> Vec<Flow> {
    let side = |point: &Point| Side { name: point.name.clone(), points: vec![point.clone()] };
    let question = questions.between(prover, &side(from), &side(to), Service::Any);
    question.flows().collect()
}

/// What passes from all outside addresses that a source stands for, each with an example of a source address.
fn from_outside(reached: &Reach, source: &Point, destination: &Point) -> Vec<(Flows, String)> {
    let sends = |member: &Member| match (member, &source.outside) {
        (Member::Outside(whose, first, last), Some(asked)) => asked.meets(*whose, *first, *last),
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

/// The clauses of an intent that no description can answer, by the names they are written with.
fn not_asked(intent: &Intent) -> Vec<&'static str> {
    let clauses =
        [("latency", intent.latency.is_some()), ("availability", intent.availability.is_some())];
    clauses.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect()
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
    let seen = trace.sources_seen(prover.network);
    let wanted: Vec<IpAddr> = intent.source_address.iter().map(|wanted| wanted.value).collect();
    let as_wanted = !seen.is_empty() && seen.iter().all(|address| wanted.contains(address));
    if !wanted.is_empty() && !as_wanted {
        let always = seen.iter().any(|address| wanted.contains(address));
        let always = if always { " always" } else { "" };
        let (seen, wanted) = (sources_words(&seen), sources_words(&wanted));
        return Some(format!("the destination sees {seen}, not{always} {wanted}"));
    }
    if intent.predictable_source.as_ref().is_some_and(|wanted| wanted.value) && seen.is_empty() {
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
