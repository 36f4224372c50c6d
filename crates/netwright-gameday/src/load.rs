//! From text to an experiment: with the project's own reader, so that all errors of a file are told at once, with their places.

mod configuration;

use std::path::Path;

use netwright_model::decode::{Decode, Decoder};
use netwright_model::diagnostic::Diagnostic;
use netwright_model::source::Sources;
use netwright_model::tree::{self, Limits, Node};

use crate::language::{Any, Experiment, Provider, Step};
use crate::run::activity::pattern;
pub use configuration::Environment;

/// Reads an experiment: of this language, or of the Chaos Toolkit, as YAML or JSON. Values of its `configuration` may come from the environment.
///
/// # Errors
///
/// Everything in the text that is not of the language.
pub fn parse(
    path: &Path,
    text: &str,
    sources: &mut Sources,
    environment: Environment<'_>,
) -> Result<Experiment, Vec<Diagnostic>> {
    let file = sources.add(path, text.to_owned());
    let node = tree::yaml::parse(text, file, &Limits::default()).map_err(|error| vec![error])?;
    let node = configuration::filled(node, environment)?;
    let mut cx = Decoder::default();
    let experiment = Experiment::decode(&node, &mut cx);
    match experiment {
        Some(mut experiment) if cx.diagnostics.is_empty() => {
            let mut wrong = Vec::new();
            crate::reference::runbook::expand(&mut experiment, sources, &mut wrong);
            if wrong.is_empty() { Ok(experiment) } else { Err(wrong) }
        }
        _ => Err(cx.finish()),
    }
}

/// What of an experiment is not done here, in words: what the Chaos Toolkit has and this has not.
#[must_use]
pub fn left_out(experiment: &Experiment) -> Vec<String> {
    let mut all = Vec::new();
    let mut told = |what: &str, any: &Any, why: &str| {
        let empty = any.0.is_null()
            || (any.0.items().is_empty()
                && any.0.entries().is_empty()
                && any.0.as_text().is_none());
        if !empty {
            all.push(format!("{what}: {why}"));
        }
    };
    told("controls", &experiment.controls, "hooks are not run");
    told("secrets", &experiment.secrets, "secrets are not read");
    told("extensions", &experiment.extensions, "extensions are not read");
    told("runtime", &experiment.runtime, "strategies are not read: rollbacks are always done");
    told(
        "steady-state-hypothesis: controls",
        &experiment.steady_state_hypothesis.controls,
        "hooks are not run",
    );
    let configured = experiment.configuration.0.entries().iter();
    all.extend(configured.filter_map(|(name, value)| {
        Some(format!("configuration: {}: {}", name.text, configuration::unread(value)?))
    }));
    let lists = [
        ("steady-state-hypothesis", &experiment.steady_state_hypothesis.probes),
        ("method", &experiment.method),
        ("recovery", &experiment.recovery),
        ("rollbacks", &experiment.rollbacks),
    ];
    for (list, steps) in lists {
        for (place, step) in steps.iter().enumerate() {
            let name = name_of(step, place);
            if let Some(why) = unable(step) {
                all.push(format!("{list}: {name}: {why}"));
            }
            if let Some(Err(why)) = pattern(&step.tolerance.0) {
                let why = why.lines().last().unwrap_or_default().trim().to_owned();
                all.push(format!(
                    "{list}: {name}: tolerance: the pattern is not understood: {why}"
                ));
            }
            let unverified = |own: &Provider| own.verify_tls.0.as_bool() == Some(false);
            if step.provider.as_ref().is_some_and(unverified) {
                let why =
                    "certificates are always looked at: `SSL_CERT_FILE` names who else is trusted";
                all.push(format!("{list}: {name}: verify_tls: {why}"));
            }
            if !step.controls.0.is_null() && !step.controls.0.items().is_empty() {
                all.push(format!("{list}: {name}: controls: hooks are not run"));
            }
        }
    }
    all
}

/// A step's name for people.
#[must_use]
pub fn name_of(step: &Step, place: usize) -> String {
    if let Some(name) = step.name.as_ref().or(step.r#ref.as_ref()).or(step.fault.as_ref()) {
        return name.value.clone();
    }
    format!("step {}", place + 1)
}

/// Why an activity cannot be done here; `None` where it can, or where the step is none.
#[must_use]
pub fn unable(step: &Step) -> Option<String> {
    let Provider { r#type, module, func, .. } = step.provider.as_ref()?;
    match r#type.value.as_str() {
        "http" | "process" | "tcp" => None,
        "python" => {
            let part = |part: &Option<netwright_model::source::Spanned<String>>| {
                part.as_ref().map_or("?", |part| part.value.as_str()).to_owned()
            };
            Some(format!("functions of Python are not run: {}.{}", part(module), part(func)))
        }
        other => Some(format!("providers of the type {other} are not run")),
    }
}

/// A time as the Chaos Toolkit writes it (seconds as a number) or as this language does.
#[must_use]
pub fn time(any: &Any) -> Option<std::time::Duration> {
    use netwright_model::scalar::{Duration, Scalar};
    let text = any.0.as_text()?;
    if let Ok(seconds) = text.parse::<f64>() {
        return std::time::Duration::try_from_secs_f64(seconds).ok();
    }
    Some(std::time::Duration::from_millis(Duration::parse_scalar(text).ok()?.as_millis()))
}

/// A node as JSON.
#[must_use]
pub fn json(node: &Node) -> serde_json::Value {
    use serde_json::Value;
    if let Some(text) = node.as_str() {
        return Value::String(text.to_owned());
    }
    if let Some(value) = node.as_bool() {
        return Value::Bool(value);
    }
    if let Some(number) = node.as_text() {
        return serde_json::from_str(number).unwrap_or_else(|_| Value::String(number.to_owned()));
    }
    if node.is_null() {
        return Value::Null;
    }
    if !node.entries().is_empty() {
        let entries = node.entries().iter().map(|(key, value)| (key.text.to_string(), json(value)));
        return Value::Object(entries.collect());
    }
    Value::Array(node.items().iter().map(json).collect())
}
