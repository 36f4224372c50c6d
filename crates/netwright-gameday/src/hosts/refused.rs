//! What of an experiment cannot be done to hosts with agents.

use crate::language::Step;
use crate::plan::{Does, Plan};

/// What of a plan is not done to a live network, in words: nothing is begun where there is anything.
#[must_use]
pub fn refused(plan: &Plan) -> Vec<String> {
    let experiment = &plan.experiment;
    let mut all = Vec::new();
    for fault in &plan.faults {
        if !matches!(fault.does, Does::Cut(_)) {
            all.push(format!(
                "{}: {}: agents only lose, refuse, reset and hold packets back between endpoints",
                fault.name, fault.what
            ));
        }
    }
    if experiment.reference.is_some() || !experiment.system.is_empty() {
        all.push("no system is started on hosts: what runs there is what is broken".to_owned());
    }
    if !experiment.workload.is_empty() {
        all.push("no workload is run on hosts: let your own run meanwhile".to_owned());
    }
    if !experiment.recovery.is_empty() {
        all.push("recovery is of systems that a run starts: use `rollbacks`".to_owned());
    }
    let lists = [
        ("steady-state-hypothesis", &experiment.steady_state_hypothesis.probes),
        ("method", &experiment.method),
        ("rollbacks", &experiment.rollbacks),
    ];
    let controller = experiment.safety.controller.is_some();
    for (list, steps) in lists {
        let away = steps.iter().filter(|step| is_away(step, controller)).count();
        if away > 0 {
            all.push(format!(
                "{list}: {away} activities come from an endpoint: on hosts they come from this machine (no `from`, no `controller`)"
            ));
        }
    }
    all
}

/// Whether an activity is done from an endpoint of the network.
fn is_away(step: &Step, controller: bool) -> bool {
    step.provider.as_ref().is_some_and(|provider| {
        let program = provider.r#type.value == "process";
        provider.from.is_some() || (controller && !program)
    })
}
