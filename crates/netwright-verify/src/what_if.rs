//! What would be, if a few settings were different: one variation, or every combination of several.
//!
//! Settings are changed in the description's tree, by paths such as `services.auth.egress.mode`, and the result is read and resolved
//! like any other description, so that what cannot be written cannot be tried.

mod cost;
pub mod rank;

use netwright_model::decode::{Decode, Decoder};
use netwright_model::diagnostic::Diagnostic;
use netwright_model::language::Description;
use netwright_model::network::resolve::resolve;
use netwright_model::source::Span;
use netwright_model::suggest::nearest;
use netwright_model::tree::{Key, Kind, Node};

use crate::cascade::{self, Cascade};
use crate::check::{Finding, check_with};
use crate::dependencies::{self, Answer};
use crate::intents;
use crate::prover::Prover;

pub use cost::{Cost, monthly};

/// Most combinations that are tried.
pub const MOST_COMBINATIONS: usize = 4096;

/// A setting: where, and its value as YAML text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// Path of names, joined by dots.
    pub path: String,
    /// The value, as YAML.
    pub value: String,
}

/// One combination of settings and what follows from it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The settings.
    pub settings: Vec<Setting>,
    /// Every dependency of every service.
    pub dependencies: Vec<Answer>,
    /// What does not start.
    pub cascade: Cascade,
    /// Every intent.
    pub intents: Vec<intents::Answer>,
    /// What is probably wrong.
    pub findings: Vec<Finding>,
    /// Estimated monthly cost of the NAT gateways.
    pub cost: Cost,
    /// How many of the settings are not already so.
    pub changed: usize,
}

impl Outcome {
    /// Whether everything that is needed is surely reached.
    #[must_use]
    pub fn works(&self) -> bool {
        let lacks = |answer: &Answer| {
            !answer.optional && answer.verdict != crate::trace::Verdict::Reachable
        };
        self.cascade.failures.is_empty() && !self.dependencies.iter().any(lacks)
    }
}

/// Tries one set of settings.
///
/// # Errors
///
/// When a path leads nowhere, a value is no YAML, or the result is no valid description.
pub fn try_settings(root: &Node, settings: &[Setting]) -> Result<Outcome, Vec<Diagnostic>> {
    let mut varied = root.clone();
    let mut changed = 0;
    for setting in settings {
        let before = varied.clone();
        set(&mut varied, setting).map_err(|error| vec![error])?;
        changed += usize::from(!same(&before, &varied));
    }
    let mut cx = Decoder::default();
    let description = Description::decode(&varied, &mut cx);
    let description = match description {
        Some(description) if cx.diagnostics.is_empty() => description,
        _ => return Err(cx.diagnostics),
    };
    let network = resolve(description)?;
    let mut prover = Prover::new(&network);
    let dependencies = dependencies::ask(&mut prover);
    let cascade = cascade::follow(&network, &dependencies);
    Ok(Outcome {
        settings: settings.to_vec(),
        dependencies,
        cascade,
        intents: intents::ask(&mut prover),
        // Nothing is said about the day: what has expired has so with every option.
        findings: check_with(&mut prover, None),
        cost: monthly(&network),
        changed,
    })
}

/// Whether two trees say the same, wherever it was written. Trees are as deep as the reader lets them be.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::Sequence(a), Kind::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Kind::Mapping(a), Kind::Mapping(b)) => {
            let alike =
                |((a, x), (b, y)): (&(Key, Node), &(Key, Node))| a.text == b.text && same(x, y);
            a.len() == b.len() && a.iter().zip(b).all(alike)
        }
        (a, b) => a == b,
    }
}

/// Tries every combination of the values of several settings, the last varying fastest.
///
/// # Errors
///
/// As [`try_settings`], and when there are more than [`MOST_COMBINATIONS`].
pub fn matrix(
    root: &Node,
    vary: &[(String, Vec<String>)],
) -> Result<Vec<Outcome>, Vec<Diagnostic>> {
    let mut combinations: Vec<Vec<Setting>> = vec![Vec::new()];
    for (path, values) in vary {
        if combinations.len().saturating_mul(values.len()) > MOST_COMBINATIONS {
            let message = format!("more than {MOST_COMBINATIONS} combinations");
            let error = Diagnostic::error("NW-SET-003", Span::NONE, message);
            return Err(vec![error.with_help("vary fewer settings at once")]);
        }
        combinations = combinations
            .into_iter()
            .flat_map(|settings| {
                values.iter().map(move |value| {
                    let mut settings = settings.clone();
                    settings.push(Setting { path: path.clone(), value: value.clone() });
                    settings
                })
            })
            .collect();
    }
    combinations.iter().map(|settings| try_settings(root, settings)).collect()
}

/// Sets a value at a path. The objects on the way must exist; only the last field may be new. A `*` stands for every object at
/// its place that has the rest of the path.
fn set(root: &mut Node, setting: &Setting) -> Result<(), Diagnostic> {
    let limits = netwright_model::tree::Limits::default();
    let file = netwright_model::source::FileId(u32::MAX);
    let value =
        netwright_model::tree::yaml::parse(&setting.value, file, &limits).map_err(|error| {
            let message = format!("`{}` is no value: {}", setting.value, error.message);
            Diagnostic::error("NW-SET-002", Span::NONE, message)
        })?;
    let parts: Vec<&str> = setting.path.split('.').collect();
    put(root, &parts, &value, &setting.path)
}

fn put(node: &mut Node, parts: &[&str], value: &Node, path: &str) -> Result<(), Diagnostic> {
    let wrong = |message: String, help: Option<String>| {
        let mut error = Diagnostic::error("NW-SET-001", Span::NONE, message);
        error.help = help;
        Err(error)
    };
    let Some((first, rest)) = parts.split_first() else {
        *node = value.clone();
        return Ok(());
    };
    let Kind::Mapping(entries) = &mut node.kind else {
        return wrong(format!("`{path}` leads into something that is no map, at `{first}`"), None);
    };
    if *first == "*" {
        let mut missing = None;
        let mut found = false;
        for (_, inner) in entries {
            match put(inner, rest, value, path) {
                Ok(()) => found = true,
                Err(error) => missing = missing.or(Some(error)),
            }
        }
        // Those that lack the rest of the path are left alone, unless all do.
        return missing.filter(|_| !found).map_or(Ok(()), Err);
    }
    if let Some((_, inner)) = entries.iter_mut().find(|(key, _)| &*key.text == *first) {
        return put(inner, rest, value, path);
    }
    if rest.is_empty() {
        entries.push((Key { text: (*first).into(), span: Span::NONE }, value.clone()));
        return Ok(());
    }
    let known = entries.iter().map(|(key, _)| &*key.text);
    let help = nearest(first, known).map(|near| format!("did you mean `{near}`?"));
    wrong(format!("`{path}` leads nowhere: there is no `{first}`"), help)
}

#[cfg(test)]
mod tests;
