//! The thresholds that a description declares, asked once of what was measured.

use std::collections::BTreeMap;

use super::{Check, Verdict};
use crate::alert::{Compare, Condition, Level, Rule, Threshold};
use crate::fleet::names;
use crate::probe::outcome::Outcome;

/// What was measured of a thing: all values of each measure, and how its probes ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// Values by measure.
    pub values: BTreeMap<String, Vec<f64>>,
    /// How many probes passed.
    pub passed: u64,
    /// How many failed.
    pub failed: u64,
    /// Words that a rule may name it by, beside its own name.
    pub about: Vec<String>,
}

impl Measured {
    /// Something was measured. What is no number was not.
    pub fn add(&mut self, measure: &str, value: f64) {
        if value.is_finite() {
            self.values.entry(measure.to_owned()).or_default().push(value);
        }
    }

    /// A probe of it ended.
    pub fn take(&mut self, outcome: &Outcome) {
        for (measure, value) in outcome.measures() {
            self.add(&measure, value);
        }
        self.passed += u64::from(outcome.passed());
        self.failed += u64::from(outcome.failure().is_some());
    }

    /// The value that counts for a side of a threshold.
    fn worst(&self, measure: &str, compare: Compare) -> Option<f64> {
        let values = self.values.get(measure)?.iter().copied();
        match compare {
            Compare::AtLeast => values.reduce(f64::max),
            Compare::AtMost => values.reduce(f64::min),
        }
    }
}

/// A check for each rule and thing that it is about; of a rule about things of which nothing was measured, one that says so. States and flapping are
/// a matter of time: who watches asks them.
#[must_use]
pub fn alerts(rules: &[Rule], things: &BTreeMap<String, Measured>) -> Vec<Check> {
    let mut checks = Vec::new();
    for rule in rules {
        let Some(measure) = measure(&rule.condition) else { continue };
        let about = |(name, thing): &(&String, &Measured)| {
            names(&rule.things, name) || thing.about.iter().any(|word| names(&rule.things, word))
        };
        let measured = |thing: &Measured| match &rule.condition {
            Condition::FailureRate { .. } => thing.passed + thing.failed > 0,
            _ => thing.values.contains_key(measure),
        };
        let mut any = false;
        for (name, thing) in things.iter().filter(about).filter(|(_, thing)| measured(thing)) {
            any = true;
            checks.push(judged(rule, name, thing));
        }
        if !any {
            let check = Check::new(&rule.name, &rule.component);
            let check = Check { threshold: Some(threshold(&rule.condition)), ..check };
            checks.push(check.unknown(format!(
                "`{measure}` of {} was not measured here; --measured {}:{measure}=VALUE hands it in",
                rule.things, rule.things
            )));
        }
    }
    checks
}

fn measure(condition: &Condition) -> Option<&str> {
    match condition {
        Condition::Metric(threshold) => Some(&threshold.metric),
        Condition::FailureRate { .. } => Some("failure_rate"),
        Condition::State(_) | Condition::Flapping | Condition::Missing(_) => None,
    }
}

fn threshold(condition: &Condition) -> String {
    match condition {
        Condition::Metric(Threshold { metric, compare: Compare::AtLeast, value }) => {
            format!("{metric} below {value}")
        }
        Condition::Metric(Threshold { metric, compare: Compare::AtMost, value }) => {
            format!("{metric} above {value}")
        }
        Condition::FailureRate { share, least } => {
            format!("failure_rate below {share} of at least {least}")
        }
        Condition::State(_) | Condition::Flapping | Condition::Missing(_) => String::new(),
    }
}

/// What a rule says of a thing of which its measure was measured.
fn judged(rule: &Rule, name: &str, thing: &Measured) -> Check {
    let mut check = Check::new(format!("{}: {name}", rule.name), &rule.component);
    check.about.extend(thing.about.iter().cloned().chain([name.to_owned(), rule.things.clone()]));
    check.threshold = Some(threshold(&rule.condition));
    let (value, over) = match &rule.condition {
        Condition::Metric(threshold) => match thing.worst(&threshold.metric, threshold.compare) {
            Some(value) => (value, threshold.holds(value)),
            None => return check,
        },
        Condition::FailureRate { share, least } => {
            let (failed, all) = (thing.failed, thing.passed + thing.failed);
            check.measured = Some(format!("{failed} of {all}"));
            if all < *least {
                return check.unknown(format!("{all} results are too few to tell a rate of"));
            }
            let rate = crate::load::report::exact(failed) / crate::load::report::exact(all);
            (rate, rate >= *share)
        }
        Condition::State(_) | Condition::Flapping | Condition::Missing(_) => return check,
    };
    check.measured.get_or_insert_with(|| format!("{}", (value * 1e6).round() / 1e6));
    check.verdict = match (over, rule.level) {
        (false, _) => Verdict::Pass,
        (true, Level::Critical) => Verdict::Fail,
        (true, Level::Warning | Level::Info) => Verdict::Warn,
    };
    if over {
        check.evidence.push(rule.says_of(name, Some(value)));
        check.domain = Some(crate::fault::Domain::Infrastructure);
        check.remediation = rule.remedy_for(|threshold| {
            thing
                .worst(&threshold.metric, threshold.compare)
                .is_some_and(|own| threshold.holds(own))
        });
    }
    check
}
