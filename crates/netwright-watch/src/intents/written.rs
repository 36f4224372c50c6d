//! The `probes` of a description.

use std::time::Duration;

use netwright_model::language::{ActiveProbe, ProbeAnswer, ProbeStep};
use netwright_model::network::Network;
use netwright_model::scalar;
use netwright_model::source::{Span, Spanned};
use netwright_verify::names::asked;
use netwright_verify::question::Questions;

use super::{Place, Placed, Probes, place};
use crate::probe::path::sound;
use crate::probe::target::{Capture, HttpExpect, Pattern, Spec, StepOf, TIMEOUT, Target};

type Wrong = (Span, String);

/// Adds them.
pub(super) fn add(
    network: &Network,
    questions: &Questions,
    made: &mut Probes,
) -> Result<(), Vec<Wrong>> {
    let mut wrong = Vec::new();
    for (name, probe) in network.description.probes.iter() {
        let spec = match spec(name, probe) {
            Ok(spec) => spec,
            Err(error) => {
                wrong.push(error);
                continue;
            }
        };
        let mut places = Vec::new();
        if probe.from.is_empty() {
            places.push((Place::Here, "here".to_owned()));
        }
        for from in &probe.from {
            match asked::source(network, &questions.names, &from.value) {
                Ok(found) => places.extend(
                    found
                        .points
                        .iter()
                        .filter_map(|point| Some((place(network, point)?, point.name.clone()))),
                ),
                Err(error) => wrong.push((from.span, error.message)),
            }
        }
        if places.is_empty() {
            made.left.push((name.value.clone(), "nothing has a place to ask it from".to_owned()));
        }
        for (from, who) in places {
            made.all.push(Placed {
                name: name.value.clone(),
                span: name.span,
                intent: false,
                from,
                label: format!("{who} → {}", spec.target),
                spec: spec.clone(),
                every: probe.every.as_ref().map(|every| time(every.value)),
            });
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

pub(super) fn spec(name: &Spanned<String>, probe: &ActiveProbe) -> Result<Spec, Wrong> {
    let target = match (&probe.target, probe.steps.is_empty()) {
        (Some(target), true) => one(target, probe)?,
        (None, false) => {
            let steps =
                probe.steps.iter().map(|(name, own)| step(name, own)).collect::<Result<_, _>>()?;
            Target::Path(steps)
        }
        (Some(target), false) => {
            return Err((target.span, "a probe has a target, or steps in its place".to_owned()));
        }
        (None, true) => {
            return Err((name.span, "this probe has no target and no steps".to_owned()));
        }
    };
    Ok(Spec {
        must_fail: probe.must_not_answer.as_ref().is_some_and(|not| not.value),
        timeout: probe.timeout.as_ref().map_or(TIMEOUT, |timeout| time(timeout.value)),
        within: probe.within.as_ref().map(|within| time(within.value)),
        sources: probe.source_address.iter().map(|address| address.value).collect(),
        ..Spec::of(target)
    })
}

fn one(written: &Spanned<String>, probe: &ActiveProbe) -> Result<Target, Wrong> {
    let mut target = Target::parse(&written.value).map_err(|error| (written.span, error))?;
    let Target::Http(http) = &mut target else { return Ok(target) };
    http.expect = expect(&probe.answer)?;
    if let Some(method) = &probe.method {
        http.with_method(&method.value).map_err(|error| (method.span, error))?;
    }
    for header in &probe.headers {
        let (name, value) = pair(header)?;
        http.header(name, value).map_err(|error| (header.span, error))?;
    }
    http.body = probe.data.as_ref().map(|data| data.value.clone().into_bytes()).unwrap_or_default();
    Ok(target)
}

fn step(name: &Spanned<String>, step: &ProbeStep) -> Result<StepOf, Wrong> {
    let Some(target) = &step.target else {
        return Err((name.span, "this step has no target".to_owned()));
    };
    sound(&target.value).map_err(|error| (target.span, error))?;
    let headers = step
        .headers
        .iter()
        .map(|header| pair(header).map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(StepOf {
        name: name.value.clone(),
        target: target.value.clone(),
        method: step.method.as_ref().map(|method| method.value.clone()),
        headers: headers.collect::<Result<_, _>>()?,
        body: step.data.as_ref().map(|data| data.value.clone()),
        expect: expect(&step.answer)?,
        capture: step.capture.iter().map(capture).collect::<Result<_, _>>()?,
        always: step.always.as_ref().is_some_and(|always| always.value),
        timeout: step.timeout.as_ref().map(|timeout| time(timeout.value)),
    })
}

fn expect(answer: &ProbeAnswer) -> Result<HttpExpect, Wrong> {
    let mut expect = HttpExpect::default();
    if !answer.status.is_empty() {
        expect.status = answer.status.iter().map(status).collect::<Result<_, _>>()?;
    }
    expect.contains = answer.contains.iter().map(|text| text.value.clone()).collect();
    let pattern =
        |text: &Spanned<String>| Pattern::parse(&text.value).map_err(|error| (text.span, error));
    expect.matches = answer.matches.iter().map(pattern).collect::<Result<_, _>>()?;
    for header in &answer.headers {
        let (name, value) = pair(header)?;
        expect.headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    Ok(expect)
}

fn status(text: &Spanned<String>) -> Result<(u16, u16), Wrong> {
    let (low, high) = text.value.split_once('-').unwrap_or((&text.value, &text.value));
    match (low.trim().parse(), high.trim().parse()) {
        (Ok(low @ 100..=999), Ok(high @ 100..=999)) if low <= high => Ok((low, high)),
        _ => Err((text.span, format!("`{}` is no status such as 200, or 200-299", text.value))),
    }
}

fn pair(text: &Spanned<String>) -> Result<(&str, &str), Wrong> {
    let (name, value) = text
        .value
        .split_once(':')
        .ok_or_else(|| (text.span, format!("`{}` is not `Name: value`", text.value)))?;
    Ok((name.trim(), value.trim()))
}

fn capture(text: &Spanned<String>) -> Result<(String, Capture), Wrong> {
    let wrong = || {
        let forms = "name=json:/place, name=header:name or name=matches:regex";
        (text.span, format!("`{}` does not say what is kept: {forms}", text.value))
    };
    let (name, from) = text.value.split_once('=').ok_or_else(wrong)?;
    let (kind, what) = from.split_once(':').ok_or_else(wrong)?;
    let capture = match kind.trim() {
        "json" => Capture::Json(what.trim().to_owned()),
        "header" => Capture::Header(what.trim().to_owned()),
        "matches" => Capture::Matches(Pattern::parse(what).map_err(|error| (text.span, error))?),
        _ => return Err(wrong()),
    };
    Ok((name.trim().to_owned(), capture))
}

const fn time(of: scalar::Duration) -> Duration {
    Duration::from_millis(of.as_millis())
}
