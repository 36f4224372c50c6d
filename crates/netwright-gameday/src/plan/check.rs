//! What an experiment may not do: name what is not there, go on for ever, overlap with itself, or concern more than it may.

use std::collections::BTreeSet;
use std::time::Duration;

use netwright_history::{MODELS, Model};
use netwright_model::diagnostic::Diagnostic;
use netwright_model::source::Spanned;
use netwright_model::suggest::nearest;
use netwright_servers::VARIANTS;

use super::{Planned, lasts};
use crate::journal::Blast;
use crate::language::{Experiment, Step};
use crate::parties::Parties;
use crate::run::request::parts;

/// The longest that all steps may take, unless the file says otherwise.
const LONGEST: Duration = Duration::from_secs(30 * 60);

fn is_background(step: &Step) -> bool {
    step.background.as_ref().is_some_and(|background| background.value)
}

/// Steps name faults that are there, last for some time, and no fault is injected while it is on.
pub(super) fn steps(experiment: &Experiment, wrong: &mut Vec<Diagnostic>) {
    if experiment.method.is_empty() {
        let message = "the experiment does nothing: its method has no steps";
        wrong.push(
            Diagnostic::error("NW-GD-001", experiment.span.0, message)
                .with_help("`method: [{ fault: NAME, for: 30s }]`"),
        );
    }
    let mut on: Vec<(&str, Duration)> = Vec::new();
    let mut now = Duration::ZERO;
    for step in &experiment.method {
        let begins = now;
        if !is_background(step) {
            now += lasts(step);
        }
        let Some(fault) = &step.fault else {
            if step.provider.is_none() && step.wait.is_none() && step.r#ref.is_none() {
                let message = "the step does nothing";
                wrong.push(
                    Diagnostic::error("NW-GD-001", step.span.0, message)
                        .with_help("give it `fault`, `provider` or `wait`"),
                );
            }
            continue;
        };
        if experiment.faults.get(&fault.value).is_none() {
            let names = experiment.faults.iter().map(|(name, _)| name.value.as_str());
            let near = nearest(&fault.value, names);
            wrong.push(unknown("fault", fault, near, "faults are declared under `faults`"));
        }
        let Some(length) = &step.r#for else {
            let message = format!("the fault {} never ends", fault.value);
            wrong.push(
                Diagnostic::error("NW-GD-007", step.span.0, message)
                    .with_help("say for how long: `for: 30s`"),
            );
            continue;
        };
        let length = Duration::from_millis(length.value.as_millis());
        if length.is_zero() {
            let message = format!("the fault {} ends when it begins", fault.value);
            wrong.push(
                Diagnostic::error("NW-GD-007", step.span.0, message)
                    .with_help("say for how long: `for: 30s`"),
            );
        }
        if on.iter().any(|(name, until)| *name == fault.value && *until > begins) {
            let message = format!("the fault {} is injected while it is on", fault.value);
            wrong.push(
                Diagnostic::error("NW-GD-009", fault.span, message)
                    .with_help("let the step before end first, or declare another fault"),
            );
        }
        on.push((&fault.value, begins + length));
    }
}

fn unknown(what: &str, name: &Spanned<String>, near: Option<&str>, otherwise: &str) -> Diagnostic {
    let message = format!("there is no {what} `{}`", name.value);
    let help = near.map_or_else(|| otherwise.to_owned(), |near| format!("did you mean `{near}`?"));
    Diagnostic::error("NW-GD-003", name.span, message).with_help(help)
}

/// Faults are injected by the method: before it nothing is broken, and after it everything is taken back.
pub(super) fn faults_elsewhere(experiment: &Experiment, wrong: &mut Vec<Diagnostic>) {
    let probes = &experiment.steady_state_hypothesis.probes;
    let steps = probes.iter().chain(&experiment.recovery).chain(&experiment.rollbacks);
    for fault in steps.filter_map(|step| step.fault.as_ref()) {
        let message =
            format!("the fault {} is injected where nothing is to be broken", fault.value);
        wrong.push(
            Diagnostic::error("NW-GD-001", fault.span, message)
                .with_help("only steps of the `method` inject faults"),
        );
    }
}

/// What is done again is an activity that there is.
pub(super) fn references(experiment: &Experiment, wrong: &mut Vec<Diagnostic>) {
    let probes = &experiment.steady_state_hypothesis.probes;
    let all = probes.iter().chain(&experiment.method).filter(|step| step.provider.is_some());
    let names: Vec<&str> =
        all.filter_map(|step| Some(step.name.as_ref()?.value.as_str())).collect();
    let steps = experiment.method.iter().chain(&experiment.recovery);
    for wanted in steps.filter_map(|step| step.r#ref.as_ref()) {
        if !names.contains(&wanted.value.as_str()) {
            let near = nearest(&wanted.value, names.iter().copied());
            let otherwise = "activities of the steady state and of the method are known by `name`";
            wrong.push(unknown("activity", wanted, near, otherwise));
        }
    }
}

/// Workloads come from what is there, go somewhere, do something, and are checked by what there is.
pub(super) fn workload(experiment: &Experiment, parties: &Parties, wrong: &mut Vec<Diagnostic>) {
    for work in &experiment.workload {
        if let Some(from) = &work.from
            && parties.named(&from.value).is_none()
        {
            let near = nearest(&from.value, parties.0.iter().map(|party| party.name.as_str()));
            wrong.push(unknown("endpoint", from, near, "a workload comes from one endpoint"));
        }
        if let Some(model) = &work.model
            && Model::of(&model.value).is_none()
        {
            let near = nearest(&model.value, MODELS.iter().map(|model| model.name));
            let all = MODELS.map(|model| model.name).join(", ");
            wrong.push(unknown("model", model, near, &format!("there are {all}")));
        }
        let mut missing = |what: &str, help: &str| {
            let message = format!("the workload {what}");
            wrong.push(Diagnostic::error("NW-GD-002", work.span.0, message).with_help(help));
        };
        if work.run.is_some() {
            continue;
        }
        if work.operations.is_empty() && work.write.is_none() {
            missing("does nothing", "`write: PATH` for requests, or a program: `run: COMMAND`");
        }
        match work.url.as_ref().map(|url| (url.span, parts(&url.value))) {
            None => missing("goes nowhere", "`url: \"http://ENDPOINT:PORT\"`"),
            Some((span, Err(why))) => wrong.push(Diagnostic::error("NW-GD-002", span, why)),
            Some((_, Ok(_))) => {}
        }
    }
}

/// The reference system's variant is one that there is.
pub(super) fn reference(experiment: &Experiment, wrong: &mut Vec<Diagnostic>) {
    let reference = experiment.reference.as_ref();
    let Some(variant) = reference.and_then(|reference| reference.variant.as_ref()) else { return };
    if variant.value == "correct" || VARIANTS.contains(&variant.value.as_str()) {
        return;
    }
    let message = format!("the reference system has no variant `{}`", variant.value);
    let help = match nearest(&variant.value, VARIANTS.into_iter()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are correct, {}", VARIANTS.join(", ")),
    };
    wrong.push(Diagnostic::error("NW-GD-003", variant.span, message).with_help(help));
}

/// No fault concerns what is protected.
pub(super) fn protected(
    experiment: &Experiment,
    parties: &Parties,
    faults: &[Planned],
    wrong: &mut Vec<Diagnostic>,
) {
    let safety = &experiment.safety;
    let named = safety.protect.iter().map(|name| (name, "is protected"));
    let controller =
        safety.controller.iter().map(|name| (name, "is where probes and the workload come from"));
    for (name, why) in named.chain(controller) {
        let own = match parties.select(&name.value) {
            Ok(own) => own,
            Err(near) => {
                let error = Diagnostic::error(
                    "NW-GD-003",
                    name.span,
                    format!("`{}` names nothing of this network", name.value),
                );
                wrong.push(match near {
                    Some(near) => error.with_help(format!("did you mean `{near}`?")),
                    None => error,
                });
                continue;
            }
        };
        for fault in faults {
            for place in own.iter().filter(|place| fault.concerned.contains(place)) {
                let message = format!(
                    "the fault {} concerns {}, which {why}",
                    fault.name,
                    parties.name(*place)
                );
                let span = experiment
                    .faults
                    .iter()
                    .find(|(own, _)| own.value == fault.name)
                    .map_or(name.span, |(own, _)| own.span);
                wrong.push(
                    Diagnostic::error("NW-GD-010", span, message)
                        .with_help("leave it out of the fault, or do not protect it"),
                );
            }
        }
    }
}

/// How much is concerned at most at a time; where steps go on in the background, all faults may be on together.
pub(super) fn blast(
    experiment: &Experiment,
    parties: &Parties,
    faults: &[Planned],
    wrong: &mut Vec<Diagnostic>,
) -> Blast {
    let used: BTreeSet<&str> = experiment
        .method
        .iter()
        .filter_map(|step| step.fault.as_ref())
        .map(|fault| fault.value.as_str())
        .collect();
    let used: Vec<&Planned> =
        faults.iter().filter(|fault| used.contains(fault.name.as_str())).collect();
    let together = experiment.method.iter().any(|step| step.fault.is_some() && is_background(step));
    let all = used.iter().flat_map(|fault| &fault.pairs).collect::<BTreeSet<_>>().len();
    let most = used.iter().map(|fault| fault.pairs.len()).max().unwrap_or(0);
    let cut = if together { all } else { most };
    let concerned: BTreeSet<usize> =
        used.iter().flat_map(|fault| fault.concerned.iter().copied()).collect();
    let count = parties.0.len();
    let pairs = count * count.saturating_sub(1) / 2;
    let safety = &experiment.safety;
    let over = |part: usize, whole: usize, most: u32| {
        (part as u128) * 100_000 > (whole as u128) * u128::from(most)
    };
    let percent = |part: usize, whole: usize| (part * 100).div_ceil(whole.max(1));
    let ceiling = safety.most_pairs.map_or(50_000, |share| share.value.as_thousandths());
    if over(cut, pairs, ceiling) {
        let span = safety.most_pairs.map_or(experiment.title.span, |share| share.span);
        let message = format!(
            "{cut} of {pairs} pairs of endpoints ({} %) would be cut, and at most {} % may be",
            percent(cut, pairs),
            ceiling / 1000
        );
        wrong.push(
            Diagnostic::error("NW-GD-004", span, message)
                .with_help("cut less, or raise `safety.most_pairs`"),
        );
    }
    let ceiling = safety.most_endpoints.map_or(100_000, |share| share.value.as_thousandths());
    if over(concerned.len(), count, ceiling) {
        let span = safety.most_endpoints.map_or(experiment.title.span, |share| share.span);
        let message = format!(
            "{} of {count} endpoints ({} %) would be concerned, and at most {} % may be",
            concerned.len(),
            percent(concerned.len(), count),
            ceiling / 1000
        );
        wrong.push(
            Diagnostic::error("NW-GD-004", span, message)
                .with_help("concern fewer, or raise `safety.most_endpoints`"),
        );
    }
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Blast {
        pairs: number(pairs),
        cut: number(cut),
        endpoints: number(count),
        concerned: concerned.into_iter().map(|place| parties.name(place).to_owned()).collect(),
    }
}

/// How long all steps take; not longer than they may.
pub(super) fn length(experiment: &Experiment, wrong: &mut Vec<Diagnostic>) -> Duration {
    let mut now = Duration::ZERO;
    let mut end = Duration::ZERO;
    for step in &experiment.method {
        let until = now + lasts(step);
        end = end.max(until);
        if !is_background(step) {
            now = until;
        }
    }
    let longest = &experiment.safety.longest;
    let most = longest.map_or(LONGEST, |longest| Duration::from_millis(longest.value.as_millis()));
    if end > most {
        let span = longest.map_or(experiment.title.span, |longest| longest.span);
        let message = format!(
            "the steps take {} s, and at most {} s are allowed",
            end.as_secs(),
            most.as_secs()
        );
        wrong.push(
            Diagnostic::error("NW-GD-007", span, message)
                .with_help("shorten them, or raise `safety.longest`"),
        );
    }
    end
}
