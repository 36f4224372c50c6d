//! Paths: steps one after the other, with what one answers carried on to the next.
//!
//! When a step fails, those after it are left out, except those that always run: what a path began, it ends. A captured value may be a secret;
//! it is put where a step names it and shown nowhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::http::Answer;
use super::outcome::{Failure, Kind, Step, Verdict};
use super::prober::Prober;
use super::target::{Capture, Spec, StepOf, Target, Url, url::encoded};
use super::trail::{Asked, Trail};

/// Longest value that is carried on, in octets.
const VALUE: usize = 16_384;

/// What was captured, by name.
type Values = BTreeMap<String, String>;

/// Goes along a path.
pub(crate) async fn ask(
    prober: &Prober,
    steps: &[StepOf],
    spec: &Spec,
    end: Instant,
    trail: &mut Trail,
) -> Asked<()> {
    let mut values = Values::new();
    let mut verdict = Ok(());
    for step in steps {
        if verdict.is_err() && !step.always {
            trail.steps.push(Step { name: step.name.clone(), outcome: None });
            continue;
        }
        let result = one(prober, step, spec, end, &mut values, trail).await;
        // The first that went wrong is the one that is told.
        verdict = verdict.and(result);
    }
    verdict
}

async fn one(
    prober: &Prober,
    step: &StepOf,
    spec: &Spec,
    end: Instant,
    values: &mut Values,
    trail: &mut Trail,
) -> Asked<()> {
    let named = |verdict: Verdict| match verdict {
        Verdict::Failed(Failure { kind, text }) => {
            Verdict::failed(kind, format!("{}: {text}", step.name))
        }
        Verdict::Unknown { why } => Verdict::unknown(format!("{}: {why}", step.name)),
        Verdict::Passed => Verdict::Passed,
    };
    let left = end.saturating_duration_since(Instant::now());
    // What always runs gets time of its own out of the last tenth.
    let reserve = if step.always { Duration::ZERO } else { spec.timeout / 10 };
    let timeout = step.timeout.unwrap_or(left).min(left.saturating_sub(reserve));
    let target = match filled(step, values) {
        Ok(target) => target,
        Err(verdict) => {
            trail.steps.push(Step { name: step.name.clone(), outcome: None });
            return Err(named(verdict));
        }
    };
    let spec = Spec { timeout, bind: spec.bind, ..Spec::of(target) };
    let (mut outcome, answer) = Box::pin(prober.ask_for_text(&spec, 1)).await;
    if outcome.passed()
        && let Err(verdict) = captured(step, answer.as_ref(), values)
    {
        outcome.verdict = verdict;
    }
    let verdict = outcome.verdict.clone();
    trail.source = outcome.source.or(trail.source);
    trail.steps.push(Step { name: step.name.clone(), outcome: Some(Box::new(outcome)) });
    if verdict == Verdict::Passed { Ok(()) } else { Err(named(verdict)) }
}

/// A step with its names replaced.
fn filled(step: &StepOf, values: &Values) -> Asked<Target> {
    let plain = |text: &str| replaced(text, values, str::to_owned);
    let url = replaced(&step.target, values, encoded)?;
    let wrong = |wrong: String| Verdict::unknown(format!("this step cannot be asked: {wrong}"));
    let mut target = Target::parse(&url).map_err(wrong)?;
    if let Target::Http(http) = &mut target {
        http.expect = step.expect.clone();
        if let Some(method) = &step.method {
            http.with_method(method).map_err(wrong)?;
        }
        for (name, value) in &step.headers {
            http.header(name, &plain(value)?).map_err(wrong)?;
        }
        if let Some(body) = &step.body {
            http.body = plain(body)?.into_bytes();
        }
    }
    Ok(target)
}

/// A text in which `${name}` is replaced by what was captured.
fn replaced(text: &str, values: &Values, form: impl Fn(&str) -> String) -> Asked<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else { break };
        let value = values.get(name).ok_or_else(|| {
            Verdict::failed(Kind::NothingToCapture, format!("nothing was captured as `{name}`"))
        })?;
        out.push_str(before);
        out.push_str(&form(value));
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Keeps what later steps want.
fn captured(step: &StepOf, answer: Option<&Answer>, values: &mut Values) -> Asked<()> {
    for (name, capture) in &step.capture {
        let value = answer.and_then(|answer| value(capture, answer));
        let missing = || {
            Verdict::failed(
                Kind::NothingToCapture,
                format!("the answer does not hold what is to be `{name}`"),
            )
        };
        values
            .insert(name.clone(), value.filter(|value| value.len() <= VALUE).ok_or_else(missing)?);
    }
    Ok(())
}

fn value(capture: &Capture, answer: &Answer) -> Option<String> {
    match capture {
        Capture::Header(name) => answer.header(name),
        Capture::Json(at) => {
            let value: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
            match value.pointer(at)? {
                serde_json::Value::String(text) => Some(text.clone()),
                serde_json::Value::Null => None,
                other => Some(other.to_string()),
            }
        }
        Capture::Matches(pattern) => {
            let found = pattern.0.captures(&answer.body)?;
            let group = found.get(1).or_else(|| found.get(0))?;
            Some(String::from_utf8_lossy(group.as_bytes()).into_owned())
        }
    }
}

/// What is wrong with the text of a step's target before anything is captured: each name stands for a letter.
///
/// # Errors
///
/// What is wrong, in words.
pub fn sound(target: &str) -> Result<(), String> {
    let mut out = String::new();
    let mut rest = target;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((_, after)) = after.split_once('}') else {
            return Err("`${` without `}`".to_owned());
        };
        out.push_str(before);
        out.push('x');
        rest = after;
    }
    out.push_str(rest);
    Url::parse(&out).and_then(|_| Target::parse(&out)).map(drop)
}
