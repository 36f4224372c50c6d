//! `netwright watch --at`: asks for another process, from inside a namespace. Questions come as lines on standard input, answers go as lines to
//! standard output; it ends when nobody asks any more.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use netwright_watch::probe::outcome::Outcome;
use netwright_watch::probe::target::Spec;
use serde::{Deserialize, Serialize};

use crate::arguments::Watch;
use crate::commands::probe;
use crate::commands::probe::described::namespace;
use crate::commands::serve::runtime;
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::network::open;

/// A thing to ask.
#[derive(Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) target: String,
    pub(super) attempt: u32,
    pub(super) time_out: Duration,
}

/// What came of it.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) target: String,
    pub(super) outcome: Outcome,
}

pub(super) fn run(arguments: &Watch, place: &str) -> Result<Code, Failure> {
    if let Some(from) = &arguments.from {
        return probe::from(&arguments.lab, from);
    }
    let input = open(&arguments.file)?;
    let mut plan = input.watched()?;
    plan.retain(|from| namespace(&input.network, from) == place);
    let prober = Arc::new(probe::prober_of(arguments.ca.as_deref(), arguments.resolver)?);
    let specs: BTreeMap<String, Spec> =
        plan.items.into_iter().map(|(name, item)| (name, item.placed.spec)).collect();
    let runtime = runtime()?;
    let out = Arc::new(Mutex::new(Console::new(crate::console::Color::Never)));
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let Ok(question) = serde_json::from_str::<Question>(&line) else { continue };
        let Some(spec) = specs.get(&question.target) else { continue };
        let spec = Spec { timeout: question.time_out, ..spec.clone() };
        let (prober, out) = (prober.clone(), out.clone());
        runtime.spawn(async move {
            let outcome = prober.ask(&spec, question.attempt).await;
            let answer = Answer { target: question.target, outcome };
            let text = serde_json::to_string(&answer).unwrap_or_default();
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            out.line(&text);
            out.flush();
        });
    }
    runtime.shutdown_background();
    Ok(Code::Pass)
}
