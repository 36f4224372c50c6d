//! The runbook's procedures on the reference system, by name: what `runbook: NAME` of a step stands for.
//!
//! Each is a step as a file would have it, so that a reader can copy it for a system of his own.

use netwright_model::decode::{Decode, Decoder};
use netwright_model::diagnostic::Diagnostic;
use netwright_model::source::Sources;
use netwright_model::suggest::nearest;
use netwright_model::tree::{Limits, yaml};

use crate::language::{Experiment, Step};

/// A procedure.
#[derive(Debug, Clone, Copy)]
pub struct Procedure {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// The step.
    pub step: &'static str,
}

macro_rules! operator {
    ($method:literal, $path:literal, $($more:literal),*) => {
        concat!("provider: { type: http, url: \"http://gateway:8080", $path, "\", method: ", $method,
            ", from: gateway, timeout: 10, headers: { X-API-Key: admin-key }", $(", ", $more,)* " }")
    };
}

/// All procedures, in the order in which the runbook has them.
pub const PROCEDURES: [Procedure; 14] = [
    Procedure {
        name: "health",
        what: "the frontend is healthy, and so is the gateway behind it",
        step: "{ type: probe, name: the system is healthy, within: 30s, tolerance: { type: jsonpath, path: $.status, expect: healthy },
            provider: { type: http, url: \"http://frontend:8080/api/health\", from: frontend, timeout: 3 } }",
    },
    Procedure {
        name: "connectivity",
        what: "every process reaches what it needs, as it says itself",
        step: concat!("{ type: probe, name: all are connected, within: 30s, tolerance: { type: jsonpath, path: $.all_connected, expect: true }, ",
            operator!("GET", "/api/v1/system/connectivity-matrix",), " }"),
    },
    Procedure {
        name: "snapshot",
        what: "what there is now is counted",
        step: concat!("{ type: action, name: snapshot, tolerance: 200, ", operator!("GET", "/api/v1/system/snapshot",), " }"),
    },
    Procedure {
        name: "detect-split-brain",
        what: "nobody leads beside another",
        step: concat!("{ type: probe, name: no split brain, within: 15s, tolerance: { type: jsonpath, path: $.verdict, expect: none }, ",
            operator!("GET", "/api/v1/consistency/split-brain-detect",), " }"),
    },
    Procedure {
        name: "preview-queue-merge",
        what: "what a merge of the queue's views would do is told, and not done",
        step: concat!("{ type: action, name: what a merge of the queue would do, tolerance: 200, within: 40s, ",
            operator!("POST", "/api/v1/queue/merge-split-brain", "arguments: { strategy: timestamp_based, dry_run: true }"), " }"),
    },
    Procedure {
        name: "merge-queue",
        what: "the queue's two views are made one",
        step: concat!("{ type: action, name: merge the queue, tolerance: 200, within: 40s, ",
            operator!("POST", "/api/v1/queue/merge-split-brain", "arguments: { strategy: timestamp_based, dry_run: false }"), " }"),
    },
    Procedure {
        name: "reconcile",
        what: "writes of all sides are brought together: the last by hybrid clock wins, losers are kept",
        step: concat!("{ type: action, name: reconcile the database, tolerance: 200, within: 40s, ",
            operator!("POST", "/api/v1/database/reconcile", "arguments: { strategy: last_write_wins, audit: true }"), " }"),
    },
    Procedure {
        name: "reset-pools",
        what: "all connections to the database are closed, and new ones can be made",
        step: concat!("{ type: action, name: reset the pools, within: 40s, tolerance: { type: jsonpath, path: $.database, expect: connected }, ",
            operator!("POST", "/api/v1/database/reset-pools",), " }"),
    },
    Procedure {
        name: "reset-stuck-connections",
        what: "connections that have been in use for longer than 5 s are broken, here and on the server",
        step: concat!("{ type: action, name: reset stuck connections, tolerance: 200, within: 40s, ",
            operator!("POST", "/api/v1/database/reset-stuck-connections", "arguments: { older_than: 5s }"), " }"),
    },
    Procedure {
        name: "replay-journal",
        what: "writes that waited in the gateway's journal are replayed",
        step: concat!("{ type: action, name: replay the journal, within: 40s, tolerance: { type: jsonpath, path: $.refused, expect: 0 }, ",
            operator!("POST", "/api/v1/database/replay-wal", "arguments: { from_timestamp: 20m ago }"), " }"),
    },
    Procedure {
        name: "invalidate-caches",
        what: "answers that were kept are forgotten, everywhere",
        step: concat!("{ type: action, name: invalidate all caches, tolerance: 200, within: 40s, ",
            operator!("POST", "/api/v1/cache/invalidate-all",), " }"),
    },
    Procedure {
        name: "force-election",
        what: "who leads is fenced off, and whoever leads next does so in a later epoch",
        step: concat!("{ type: action, name: force an election, tolerance: 200, within: 40s, ",
            operator!("POST", "/api/v1/consensus/force-election",), " }"),
    },
    Procedure {
        name: "consistency",
        what: "the database's own checks find nothing wrong",
        step: concat!("{ type: probe, name: the data are consistent, within: 15s, tolerance: { type: jsonpath, path: $.verdict, expect: consistent }, ",
            operator!("GET", "/api/v1/consistency/check?full=true",), " }"),
    },
    Procedure {
        name: "recovery-report",
        what: "the system's own report says that it has recovered",
        step: concat!("{ type: probe, name: the system says that it has recovered, within: 15s, tolerance: { type: jsonpath, path: $.verdict, expect: recovered }, ",
            operator!("POST", "/api/v1/reports/partition-recovery", "arguments: { partition_start: 15m ago, include_metrics: true }"), " }"),
    },
];

/// Puts what they stand for in the place of steps that name a procedure.
pub(crate) fn expand(
    experiment: &mut Experiment,
    sources: &mut Sources,
    wrong: &mut Vec<Diagnostic>,
) {
    let has_system = experiment.reference.is_some();
    let lists = [
        &mut experiment.steady_state_hypothesis.probes,
        &mut experiment.method,
        &mut experiment.recovery,
        &mut experiment.rollbacks,
    ];
    for step in lists.into_iter().flatten() {
        let Some(name) = &step.runbook else { continue };
        let Some(found) = PROCEDURES.iter().find(|one| one.name == name.value) else {
            let message = format!("the runbook has no procedure `{}`", name.value);
            let near = nearest(&name.value, PROCEDURES.iter().map(|one| one.name));
            let error = Diagnostic::error("NW-GD-003", name.span, message);
            wrong.push(match near {
                Some(near) => error.with_help(format!("did you mean `{near}`?")),
                None => error,
            });
            continue;
        };
        if !has_system {
            let message = "procedures of the runbook are of the reference system, and the experiment has none";
            let error = Diagnostic::error("NW-GD-003", name.span, message);
            wrong.push(error.with_help("`reference: {}`, or a step of your own"));
            continue;
        }
        if let Some(whole) = read(found, sources) {
            let own = std::mem::replace(step, whole);
            step.span = own.span;
            step.name = own.name.or_else(|| step.name.take());
            step.within = own.within.or(step.within);
            step.background = own.background;
            step.pauses = own.pauses;
            step.wait = own.wait;
        }
    }
}

/// The step of a procedure.
fn read(procedure: &Procedure, sources: &mut Sources) -> Option<Step> {
    let file = sources.add(format!("runbook/{}", procedure.name), procedure.step.to_owned());
    let node = yaml::parse(procedure.step, file, &Limits::default()).ok()?;
    Step::decode(&node, &mut Decoder::default())
}

#[cfg(test)]
mod tests {
    use super::{PROCEDURES, Sources, read};

    #[test]
    fn every_procedure_is_a_step_that_does_something_and_says_what_must_come_of_it() {
        for procedure in &PROCEDURES {
            let step = read(procedure, &mut Sources::default());
            let whole = step.is_some_and(|step| {
                step.provider.is_some_and(|provider| provider.url.is_some())
                    && step.name.is_some()
                    && !step.tolerance.0.is_null()
            });
            assert!(whole, "{}", procedure.name);
        }
    }
}
