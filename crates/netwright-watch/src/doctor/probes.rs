//! Outcomes of probes, judged.

use std::time::Duration;

use super::limits::{CERTIFICATE_DAYS, LIMITS, Limit};
use super::{Check, Verdict};
use crate::fault::{self, Domain};
use crate::load::report::shown;
use crate::probe::outcome::{Failure, Outcome, Verdict as Of};
use crate::probe::target::Spec;

/// A probe that was asked several times.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its name.
    pub name: &'a str,
    /// Of which part of the system it is.
    pub component: &'a str,
    /// What was asked.
    pub spec: &'a Spec,
    /// What came of it.
    pub outcomes: &'a [Outcome],
    /// What is known on paper against it: why it cannot work as it is described.
    pub on_paper: Option<&'a str>,
}

/// The checks of a probe: whether it does what it is to do, then its times.
#[must_use]
pub fn probes(asked: &Asked<'_>) -> Vec<Check> {
    let mut checks = vec![answers(asked)];
    // What must not answer has no times.
    if !asked.spec.must_fail {
        checks.extend(LIMITS.iter().filter_map(|limit| time(asked, limit)));
        checks.extend(certificate(asked));
    }
    checks
}

/// Whether it does what it is to do.
fn answers(asked: &Asked<'_>) -> Check {
    let Asked { outcomes, spec, .. } = asked;
    let mut check = Check::new(asked.name, asked.component);
    let not = if spec.must_fail { "does not answer" } else { "answers" };
    check.threshold = Some(match spec.within {
        Some(within) => format!("{not} within {}", shown(within)),
        None => not.to_owned(),
    });
    let passed = outcomes.iter().filter(|outcome| outcome.passed());
    let times: Vec<Duration> = passed.map(|outcome| outcome.took).collect();
    let failures: Vec<&Failure> = outcomes.iter().filter_map(Outcome::failure).collect();
    let unknown = outcomes.iter().find_map(|outcome| match &outcome.verdict {
        Of::Unknown { why } => Some(why.clone()),
        _ => None,
    });
    check.measured = Some(format!("{} of {} as it should", times.len(), outcomes.len()));
    if let Some(slowest) = times.iter().max()
        && !spec.must_fail
    {
        check.measured = check.measured.map(|text| format!("{text}, slowest {}", shown(*slowest)));
    }
    if let Some(first) = failures.first() {
        check.verdict = Verdict::Fail;
        blame(&mut check, &failures, asked.on_paper);
        check.remediation = Some(fault::remedy(&first.kind).to_owned());
    } else if let Some(why) = unknown {
        check = check.unknown(why);
    } else if times.is_empty() {
        check = check.unknown("it was not asked");
    } else {
        check.verdict = Verdict::Pass;
    }
    check
}

/// Where failures lie together, with what was said. Where the description itself says that it cannot work, what somebody set is at fault: the kind
/// tells only where it shows.
fn blame(check: &mut Check, failures: &[&Failure], on_paper: Option<&str>) {
    let mut domain = Domain::Unknown;
    for failure in failures {
        domain = domain.and(fault::of_failure(failure));
        let line = failure.to_string();
        if !check.evidence.contains(&line) {
            check.evidence.push(line);
        }
    }
    if let Some(why) = on_paper {
        domain = Domain::Configuration;
        check.evidence.push(format!("as described it cannot work: {why}"));
    }
    check.domain = Some(domain);
}

/// The slowest of the phases of a limit.
fn time(asked: &Asked<'_>, limit: &Limit) -> Option<Check> {
    let took = |outcome: &Outcome| {
        outcome.passed().then(|| limit.phases.took(&asked.spec.target, outcome))?
    };
    let slowest = asked.outcomes.iter().filter_map(took).max()?;
    let mut check = Check::new(format!("{}: {}", asked.name, limit.name), asked.component);
    let warn = limit.warn.map(|warn| format!(" ({} is worth a look)", shown(warn)));
    check.threshold = Some(format!("under {}{}", shown(limit.fail), warn.unwrap_or_default()));
    check.measured = Some(format!("slowest {}", shown(slowest)));
    check.verdict = if slowest >= limit.fail {
        Verdict::Fail
    } else if limit.warn.is_some_and(|warn| slowest >= warn) {
        Verdict::Warn
    } else {
        Verdict::Pass
    };
    if check.verdict != Verdict::Pass {
        check.domain = Some(Domain::Infrastructure);
        check.evidence.push(format!("{} took {}", limit.name, shown(slowest)));
        check.remediation = Some(
            "Look at the load of what answers and at the way to it: `netwright load` tells how times are spread".to_owned(),
        );
    }
    Some(check)
}

/// How long the certificates are valid.
fn certificate(asked: &Asked<'_>) -> Option<Check> {
    let left = |outcome: &Outcome| {
        let end = outcome.seen.tls.as_ref()?.earliest_expiry?;
        Some(end.duration_since(outcome.at).as_secs_f64() / 86_400.0)
    };
    let days = asked.outcomes.iter().filter_map(left).reduce(f64::min)?;
    let mut check = Check::new(format!("{}: certificate", asked.name), asked.component);
    check.threshold = Some(format!("{CERTIFICATE_DAYS:.0} days"));
    check.measured = Some(format!("{days:.1} days"));
    check.verdict = match days {
        days if days <= 0.0 => Verdict::Fail,
        days if days < CERTIFICATE_DAYS => Verdict::Warn,
        _ => Verdict::Pass,
    };
    if check.verdict != Verdict::Pass {
        check.domain = Some(Domain::Configuration);
        check.evidence.push(format!("the first certificate of the chain ends in {days:.1} days"));
        check.remediation = Some("Renew it, and find out why it was not renewed".to_owned());
    }
    Some(check)
}
