//! What the first screen of a report says: the verdict with its reasons, and the figures that a board asks for.

use serde::Serialize;

use crate::report::{End, Fault, PhaseKind, Report, Sighting};
use crate::{Span, Verdict};

/// Computed from a report, and only so.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Passed only if every criterion and check passed, something was broken, every fault is known to have bitten, all of them are gone, and the run came to its
    /// end. Failed if anything failed; unknown otherwise.
    pub verdict: Verdict,
    /// What stands against a pass, the failures first. Empty exactly when the verdict is passed.
    pub reasons: Vec<Reason>,
    /// From the first fault in force until all of the service was there again.
    pub recovery_time: Option<Span>,
    /// How long that may take.
    pub recovery_objective: Option<Span>,
    /// How faults were seen.
    pub detection: DetectionSummary,
    /// Acknowledged writes that are gone.
    pub lost: Option<u64>,
    /// Jobs whose effect happened more than once.
    pub duplicated_effects: Option<u64>,
    /// Of what was tried while something was broken, the share that happened, from 0 to 1; `None` if nothing was tried.
    pub success_under_faults: Option<f64>,
    /// The same while nothing was broken yet.
    pub success_before: Option<f64>,
    /// How long at least one fault was in force; `None` where one is not known to be gone, or nothing was broken.
    pub broken_for: Option<Span>,
}

/// Something that stands against a pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Failed or unknown.
    pub verdict: Verdict,
    /// What, in a sentence.
    pub text: String,
}

/// How faults were seen, over all directions of all links.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DetectionSummary {
    /// Directions on which something was broken.
    pub injected: usize,
    /// On which it was seen for what it was.
    pub detected: usize,
    /// On which something else was seen.
    pub misjudged: usize,
    /// On which nothing was seen.
    pub missed: usize,
    /// Directions on which something was seen and nothing broken.
    pub false_alarms: usize,
    /// Directions of which the probes said nothing.
    pub unknown: usize,
    /// Half were declared no later than this after the request.
    pub p50: Option<Span>,
    /// 99 of 100 were.
    pub p99: Option<Span>,
    /// All were.
    pub max: Option<Span>,
}

impl DetectionSummary {
    fn of(report: &Report) -> Self {
        let mut summary = Self::default();
        let mut times = Vec::new();
        for detection in &report.detections {
            let sighting = detection.sighting();
            let broken = detection.injected.is_some_and(|status| status != crate::Status::Up);
            summary.injected += usize::from(broken);
            match sighting {
                Sighting::Detected => summary.detected += 1,
                Sighting::Misjudged => summary.misjudged += 1,
                Sighting::Missed => summary.missed += 1,
                Sighting::FalseAlarm => summary.false_alarms += 1,
                Sighting::Unknown => summary.unknown += 1,
                Sighting::Quiet => {}
            }
            if sighting == Sighting::Detected {
                times.extend(detection.took());
            }
        }
        times.sort_unstable();
        let nearest = |part: usize| {
            let rank = (times.len() * part).div_ceil(100);
            times.get(rank.saturating_sub(1)).copied()
        };
        summary.p50 = nearest(50);
        summary.p99 = nearest(99);
        summary.max = times.last().copied();
        summary
    }
}

impl Summary {
    /// What a report says.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let mut reasons = reasons(report);
        reasons.sort_by_key(|reason| reason.verdict != Verdict::Failed);
        let verdict = reasons.iter().fold(Verdict::Passed, |all, reason| all.and(reason.verdict));
        Self {
            verdict,
            reasons,
            recovery_time: report.recovery.took(),
            recovery_objective: report.recovery.objective,
            detection: DetectionSummary::of(report),
            lost: report.data.lost,
            duplicated_effects: report.data.duplicated_effects,
            success_under_faults: success(report, PhaseKind::Fault),
            success_before: success(report, PhaseKind::Baseline),
            broken_for: broken_for(report),
        }
    }
}

/// How long at least one fault was in force.
fn broken_for(report: &Report) -> Option<Span> {
    let stretch =
        |fault: &Fault| Some((fault.effective.unwrap_or(fault.requested), fault.removed?));
    let mut stretches = report.faults.iter().map(stretch).collect::<Option<Vec<_>>>()?;
    stretches.sort_unstable();
    let mut counted = stretches.first()?.0;
    let mut total = Span::default();
    for (begin, end) in stretches {
        let length = end.since(begin.max(counted));
        total = Span(total.0.saturating_add(length.0));
        counted = counted.max(end);
    }
    Some(total)
}

/// The share that happened in phases of a kind.
fn success(report: &Report, kind: PhaseKind) -> Option<f64> {
    let is_one =
        |name: &str| report.phases.iter().any(|phase| phase.kind == kind && phase.name == name);
    let rows = || report.workload.outcomes.iter().filter(|row| is_one(&row.phase));
    let ok = rows().fold(0_u64, |sum, row| sum.saturating_add(row.ok));
    let tried = rows().fold(0_u64, |sum, row| sum.saturating_add(row.tried()));
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
    (tried > 0).then(|| ok as f64 / tried as f64)
}

/// All that stands against a pass, in the order of the report.
fn reasons(report: &Report) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut against = |verdict: Verdict, text: String| {
        if verdict != Verdict::Passed {
            reasons.push(Reason { verdict, text });
        }
    };
    match &report.run.end {
        End::Completed => {}
        End::Aborted { why } => against(Verdict::Unknown, format!("the run was aborted: {why}")),
        End::Interrupted => against(Verdict::Unknown, "the run was interrupted".to_owned()),
        End::Unknown => against(Verdict::Unknown, "the run did not come to its end".to_owned()),
    }
    if report.criteria.is_empty() {
        against(Verdict::Unknown, "no criterion was set".to_owned());
    }
    for criterion in &report.criteria {
        let verdict = criterion.verdict();
        against(verdict, told("criterion", &criterion.name, verdict, &criterion.why));
    }
    for check in &report.checks {
        against(check.verdict, told("check", &check.name, check.verdict, &check.why));
    }
    if report.faults.is_empty() {
        against(Verdict::Unknown, "nothing was broken, so nothing was put to the test".to_owned());
    }
    for fault in &report.faults {
        let name = format!("{} {}", fault.kind, fault.place());
        match fault.bit() {
            Some(true) => {}
            Some(false) => against(
                Verdict::Unknown,
                format!("fault {name} did not bite: nothing was put to the test"),
            ),
            None => against(Verdict::Unknown, format!("nothing proves that fault {name} bit")),
        }
        if fault.removed.is_none() {
            against(Verdict::Unknown, format!("nothing proves that fault {name} is gone"));
        }
    }
    if !report.faults.is_empty() {
        let verdict = report.safety.rolled_back;
        against(verdict, told("roll-back", "of all faults", verdict, ""));
    }
    for left in &report.safety.leftovers {
        against(Verdict::Failed, format!("left behind: {left}"));
    }
    for steady in &report.steady {
        let (before, after) = (steady.before, steady.after);
        if before != Verdict::Passed {
            let name = &steady.name;
            against(
                Verdict::Unknown,
                format!("{name} was not known to be steady before anything was broken"),
            );
        }
        against(after, told("steady state after", &steady.name, after, &steady.detail));
    }
    reasons
}

fn told(kind: &str, name: &str, verdict: Verdict, why: &str) -> String {
    let word = match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Unknown => "is unknown",
    };
    let colon = if why.is_empty() { "" } else { ": " };
    format!("{kind} {name} {word}{colon}{why}")
}
