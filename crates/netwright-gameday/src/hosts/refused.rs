//! What of an experiment cannot be done to hosts with agents.

use super::away;
use crate::load::name_of;
use crate::plan::{Does, Plan};
use crate::run::request::origin;
use crate::run::workload;

/// What of a plan is not done to a live network, in words: nothing is begun where there is anything.
#[must_use]
pub fn refused(plan: &Plan) -> Vec<String> {
    let experiment = &plan.experiment;
    let mut all = Vec::new();
    for fault in &plan.faults {
        if matches!(fault.does, Does::Clocks(..)) {
            all.push(format!("{}: {}: agents set no clock of a host", fault.name, fault.what));
        }
    }
    if experiment.reference.is_some() || !experiment.system.is_empty() {
        all.push("no system is started on hosts: what runs there is what is broken".to_owned());
    }
    for work in &experiment.workload {
        if let Some(from) = origin(experiment, work.from.as_ref()) {
            all.push(format!(
                "{} comes from {}: what is done to hosts comes from this machine, without `from` and `safety.controller`",
                workload::name_of(work),
                from.value
            ));
        }
    }
    let lists = [
        ("steady-state-hypothesis", &experiment.steady_state_hypothesis.probes),
        ("method", &experiment.method),
        ("recovery", &experiment.recovery),
        ("rollbacks", &experiment.rollbacks),
    ];
    for (list, steps) in lists {
        for (place, step) in steps.iter().enumerate() {
            if away::from(step, experiment).is_some()
                && let Some(why) = away::refused(step)
            {
                let name = name_of(step, place);
                all.push(format!("{list}: {name} comes from an endpoint: {why}"));
            }
        }
    }
    all
}
