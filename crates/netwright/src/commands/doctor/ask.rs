//! What is asked: the probes and intents of a description, and the dependencies of its services.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use jiff::Timestamp;
use netwright_dataplane::plan::Call;
use netwright_lab::calls::{Called, Trouble};
use netwright_lab::control;
use netwright_lab::place;
use netwright_model::language::Outcome as Expected;
use netwright_verify::intents::{Answer, Standing};
use netwright_watch::doctor::{Asked, Check, Measured, Verdict as Severity, probes as judged};
use netwright_watch::intents::{Place, Placed, probes as described};
use netwright_watch::probe::outcome::{Kind, Outcome, Phase, PhaseName, Verdict};
use netwright_watch::probe::target::{Address, Host, Spec, Target};

use super::{Exam, in_focus};
use crate::arguments::{Asking, Doctor};
use crate::commands::check::Checked;
use crate::commands::lab::told;
use crate::commands::probe::described::{HERE, Means, all, namespace};
use crate::failure::Failure;
use crate::network::Input;

/// Asks every probe and intent that is in focus, as often as is wanted.
pub(super) fn probes(
    input: &Input,
    checked: &Checked,
    arguments: &Doctor,
    exam: &mut Exam,
) -> Result<(), Failure> {
    let made = described(&input.network).map_err(|errors| input.wrong_probes(errors))?;
    let up = lab_is_up(arguments);
    let mut places: BTreeMap<String, Vec<Placed>> = BTreeMap::new();
    for placed in made.all {
        let check = blank(input, &placed);
        exam.known.insert(check.component.clone());
        if !in_focus(&check, arguments) {
            continue;
        }
        if placed.from != Place::Here && !up {
            exam.take(check.unknown(not_up(arguments)), arguments);
            continue;
        }
        places.entry(namespace(&input.network, placed.from)).or_default().push(placed);
    }
    for (name, why) in made.left {
        let mut check = Check::new(&name, "probes").unknown(format!("not asked: {why}"));
        if closed_on_paper(input, checked, &name) {
            check.verdict = Severity::Warn;
            check.evidence.push("as described, nothing gets there".to_owned());
        }
        exam.take(check, arguments);
    }
    let asking = Asking {
        timeout: arguments.timeout,
        ca: arguments.ca.clone(),
        resolver: arguments.resolver,
        ..Asking::default()
    };
    let means = Means { asking: &asking, lab: &arguments.lab };
    let file = std::path::absolute(&arguments.file).unwrap_or_else(|_| arguments.file.clone());
    let mut seen: Vec<(Placed, Vec<Outcome>)> = Vec::new();
    for round in 0..arguments.count {
        for (at, (placed, _, outcome)) in
            all(&file, places.clone(), &means)?.into_iter().enumerate()
        {
            match (round, seen.get_mut(at)) {
                (1.., Some((_, outcomes))) => outcomes.push(outcome),
                _ => seen.push((placed, vec![outcome])),
            }
        }
    }
    for (placed, outcomes) in &seen {
        let broken = checked.answers.iter().find(|answer| {
            placed.intent && answer.name == placed.name && answer.standing == Standing::Broken
        });
        let blank = blank(input, placed);
        let asked = Asked {
            name: &blank.name,
            component: &blank.component,
            spec: &placed.spec,
            outcomes,
            on_paper: broken.map(|answer| answer.why.as_str()),
        };
        take(exam, &asked, &blank, &placed.name, arguments);
    }
    Ok(())
}

/// Has the services of the lab call what they depend on, each call over a connection of its own.
pub(super) fn dependencies(
    input: &Input,
    arguments: &Doctor,
    exam: &mut Exam,
) -> Result<(), Failure> {
    let services = &input.network.description.services;
    if services.iter().all(|(_, service)| service.dependencies.iter().next().is_none()) {
        return Ok(());
    }
    if !lab_is_up(arguments) {
        for (service, written) in services.iter() {
            for (name, dependency) in written.dependencies.iter() {
                let to = dependency.to.value.to_string();
                let check = Check::new(format!("{} → {to} ({})", service.value, name.value), to)
                    .about([format!("service:{}", service.value)]);
                exam.take(check.unknown(not_up(arguments)), arguments);
            }
        }
        return Ok(());
    }
    let milliseconds = u64::try_from(arguments.timeout.as_millis()).unwrap_or(u64::MAX);
    let mut seen: Vec<(Call, Vec<Outcome>)> = Vec::new();
    for round in 0..arguments.count {
        let made = control::call(&arguments.lab, None, None, milliseconds).map_err(told)?;
        for (at, (call, called)) in made.into_iter().enumerate() {
            let outcome = outcome(&call, &called, round + 1);
            match (round, seen.get_mut(at)) {
                (1.., Some((_, outcomes))) => outcomes.push(outcome),
                _ => seen.push((call, vec![outcome])),
            }
        }
    }
    for (call, outcomes) in &seen {
        let name = format!("{} → {} ({})", call.service, call.target, call.name);
        let way = call.expected.way.split(" → ").filter_map(object);
        let blank = Check::new(name, call.target.clone())
            .about(way.chain([format!("service:{}", call.service)]));
        let to = call.how.as_ref().map(netwright_dataplane::plan::call::How::to);
        let to = Address {
            host: Host::Address(to.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |to| to.ip())),
            port: to.map_or(0, |to| to.port()),
        };
        let spec =
            Spec { within: call.deadline.map(Duration::from_millis), ..Spec::of(Target::Tcp(to)) };
        let on_paper = (call.expected.works == Some(false)).then_some(call.expected.why.as_deref());
        let asked = Asked {
            name: &blank.name,
            component: &blank.component,
            spec: &spec,
            outcomes,
            on_paper: on_paper.flatten(),
        };
        take(exam, &asked, &blank, &blank.name, arguments);
    }
    Ok(())
}

/// Judges what was asked, and keeps what was measured for the thresholds of the description.
fn take(exam: &mut Exam, asked: &Asked<'_>, blank: &Check, thing: &str, arguments: &Doctor) {
    let measured: &mut Measured = exam.things.entry(thing.to_owned()).or_default();
    measured.about.push(blank.component.clone());
    measured.about.extend(blank.component.split_once(':').map(|(_, name)| name.to_owned()));
    measured.about.extend(blank.about.iter().cloned());
    for outcome in asked.outcomes {
        measured.take(outcome);
    }
    for check in judged(asked) {
        exam.take(check.about(blank.about.iter().cloned()), arguments);
    }
}

/// Whether an intent says that something must not work, and the description sees to it: what cannot even be asked is then worth a look, and no more.
fn closed_on_paper(input: &Input, checked: &Checked, name: &str) -> bool {
    let intents = &input.network.description.expect;
    let blocked = intents.iter().any(|(own, intent)| {
        let outcome = intent.outcome.as_ref().map(|outcome| outcome.value);
        own.value == name && outcome == Some(Expected::Blocked)
    });
    let holds = |answer: &Answer| answer.name == name && answer.standing == Standing::Holds;
    blocked && checked.answers.iter().any(holds)
}

fn lab_is_up(arguments: &Doctor) -> bool {
    place::names().contains(&arguments.lab)
}

fn not_up(arguments: &Doctor) -> String {
    let Doctor { file, lab, .. } = arguments;
    format!(
        "not asked: it is asked from inside a lab, and the lab `{lab}` does not run; `netwright lab up {} --name {lab}` builds it",
        file.display()
    )
}

/// A probe's check before it is asked, with what it is about.
fn blank(input: &Input, placed: &Placed) -> Check {
    let description = &input.network.description;
    let mut about = vec![placed.name.clone(), placed.spec.target.scheme().to_owned()];
    let mut component = placed.spec.target.to_string();
    if placed.intent
        && let Some((_, intent)) =
            description.expect.iter().find(|(name, _)| name.value == placed.name)
    {
        about.extend(intent.from.iter().chain(&intent.to).map(|end| end.value.to_string()));
        if let [to] = intent.to.as_slice() {
            component = to.value.to_string();
        }
    }
    match &placed.spec.target {
        Target::Postgres(_) | Target::Redis(_) => about.push("database".to_owned()),
        Target::Tls(_) => about.push("tls".to_owned()),
        Target::Http(_) if placed.spec.target.scheme() == "https" => about.push("tls".to_owned()),
        _ => {}
    }
    if let Some(host) = placed.spec.target.host() {
        about.push(host.to_string());
    }
    let from = if namespace(&input.network, placed.from) == HERE { "here" } else { &placed.label };
    let name = match placed.intent {
        true => format!("{}: {} {}", placed.name, placed.label, placed.spec.target),
        false => format!("{} ({from})", placed.name),
    };
    Check::new(name, component).about(about)
}

/// An object of a way in words: `connector staging-connector` is `connector:staging-connector`.
fn object(step: &str) -> Option<String> {
    let (kind, name) = step.split_once(' ')?;
    match kind {
        "connector" => Some(format!("connector:{name}")),
        "NAT" => Some(format!("nat_gateway:{name}")),
        "VPC" => Some(format!("vpc:{name}")),
        _ => None,
    }
}

/// A call as a probe would have had it.
fn outcome(call: &Call, called: &Called, attempt: u32) -> Outcome {
    let took = Duration::from_millis(called.milliseconds);
    let why = called.why.clone().unwrap_or_else(|| "no answer".to_owned());
    let verdict = match (called.answered, called.trouble) {
        (true, _) => Verdict::Passed,
        (false, None | Some(Trouble::Untried)) => Verdict::unknown(why),
        (false, Some(Trouble::Silent | Trouble::Behind)) => {
            Verdict::failed(Kind::ConnectTimedOut, why)
        }
        (false, Some(Trouble::Refused)) => Verdict::failed(Kind::ConnectionRefused, why),
        (false, Some(Trouble::NoWay)) => Verdict::failed(Kind::Unreachable, why),
        (false, Some(Trouble::Closed)) => Verdict::failed(Kind::ConnectionClosed, why),
        (false, Some(Trouble::Broken)) => Verdict::failed(Kind::ConnectionReset, why),
    };
    Outcome {
        took,
        phases: vec![Phase { name: PhaseName::Connect, took }],
        peer: call.how.as_ref().map(netwright_dataplane::plan::call::How::to),
        ..Outcome::bare(verdict, Timestamp::now(), attempt)
    }
}
