//! What of an experiment cannot be done in a lab.

use super::request::origin;
use super::workload::name_of;
use crate::plan::Plan;

/// What of a plan is not done in a lab, in words: nothing is begun where there is anything.
#[must_use]
pub fn refused(plan: &Plan) -> Vec<String> {
    let experiment = &plan.experiment;
    let nowhere =
        experiment.workload.iter().filter(|work| origin(experiment, work.from.as_ref()).is_none());
    nowhere
        .map(|work| {
            let name = name_of(work);
            format!("{name} comes from no endpoint: give it `from`, or the experiment `safety.controller`")
        })
        .collect()
}
