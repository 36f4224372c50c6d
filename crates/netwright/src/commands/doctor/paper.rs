//! What is wrong with the description itself.

use netwright_model::diagnostic::Severity;
use netwright_watch::doctor::{Check, Verdict};
use netwright_watch::fault::Domain;

use super::Exam;
use crate::arguments::Doctor;
use crate::commands::check::{Checked, place};
use crate::network::Input;

/// The description's findings, as checks; notes that are for information are left to `check`.
pub(super) fn findings(input: &Input, checked: &Checked, arguments: &Doctor, exam: &mut Exam) {
    let names = names(input);
    let mut any = false;
    for finding in &checked.findings {
        let verdict = match finding.severity {
            Severity::Error => Verdict::Fail,
            Severity::Warning => Verdict::Warn,
            _ => continue,
        };
        any = true;
        let words = names.iter().filter(|(_, name)| mentions(&finding.message, name));
        let about = words.map(|(kind, name)| format!("{kind}:{name}"));
        let mut check = Check::new(finding.id, "description").about(about);
        check.verdict = verdict;
        check.measured = Some(place(&input.sources, finding.span));
        check.domain = Some(Domain::Configuration);
        check.evidence.push(finding.message.clone());
        check.remediation = Some(finding.remedy.clone());
        exam.take(check, arguments);
    }
    if !any {
        let mut check = Check::new("description", "description");
        check.verdict = Verdict::Pass;
        check.measured = Some("no findings".to_owned());
        exam.take(check, arguments);
    }
}

/// The names of objects that a finding may be about.
fn names(input: &Input) -> Vec<(&'static str, String)> {
    let description = &input.network.description;
    let mut all: Vec<(&'static str, String)> = Vec::new();
    macro_rules! of {
        ($($kind:literal: $field:ident),+) => {
            $(all.extend(description.$field.iter().map(|(name, _)| ($kind, name.value.clone())));)+
        };
    }
    of!(
        "connector": connectors, "database": databases, "service": services, "instance": instances,
        "external": externals, "nat_gateway": nat_gateways, "load_balancer": load_balancers, "certificate": certificates
    );
    all
}

/// Whether a text has a name as a word of its own.
fn mentions(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !name.is_empty() && !before.is_some_and(part) && !after.is_some_and(part)
    })
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn a_name_is_found_as_a_word() {
        assert!(mentions("auth sends everything through v/connector:staging", "staging"));
        assert!(mentions("`main` is full", "main"));
        assert!(!mentions("the maintenance window", "main"));
        assert!(!mentions("main-2 is full", "main"));
        assert!(!mentions("anything", ""));
    }
}
