//! What `check` finds, as `JUnit` XML.

use netwright_verify::intents::Standing;

use super::{Checked, fails, place};
use crate::arguments::FailOn;
use crate::network::Input;

pub(in crate::commands) fn document(input: &Input, checked: &Checked, on: FailOn) -> String {
    let Checked { answers, services, findings } = checked;
    let failures = answers.iter().filter(|answer| answer.standing == Standing::Broken).count();
    let errors = answers.iter().filter(|answer| answer.standing == Standing::Unknown).count();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"intents\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\">\n",
        answers.len()
    );
    for answer in answers {
        let name = escape(&answer.name);
        let why = escape(&answer.why);
        let at = escape(&place(&input.sources, answer.span));
        out += &match answer.standing {
            Standing::Holds => format!("    <testcase name=\"{name}\" classname=\"expect\"/>\n"),
            Standing::Broken => format!(
                "    <testcase name=\"{name}\" classname=\"expect\"><failure message=\"{why}\">{at}</failure></testcase>\n"
            ),
            Standing::Unknown => format!(
                "    <testcase name=\"{name}\" classname=\"expect\"><error message=\"{why}\">{at}</error></testcase>\n"
            ),
        };
    }
    out += "  </testsuite>\n";
    let missing = services.unreached().count();
    out += &format!(
        "  <testsuite name=\"dependencies\" tests=\"{}\" failures=\"{missing}\" errors=\"0\">\n",
        services.dependencies.len()
    );
    for dependency in &services.dependencies {
        let name = escape(&format!("{} → {}", dependency.service, dependency.target));
        let failure = if dependency.is_missing() {
            let why = escape(dependency.why.as_deref().unwrap_or(dependency.verdict.word()));
            format!("><failure message=\"{why}\"/></testcase>")
        } else {
            "/>".to_owned()
        };
        out += &format!("    <testcase name=\"{name}\" classname=\"services\"{failure}\n");
    }
    out += "  </testsuite>\n";
    let failing = findings.iter().filter(|finding| fails(finding, on)).count();
    out += &format!(
        "  <testsuite name=\"findings\" tests=\"{}\" failures=\"{failing}\" errors=\"0\">\n",
        findings.len(),
    );
    for finding in findings {
        let name = escape(&format!("{} {}", finding.id, place(&input.sources, finding.span)));
        let message = escape(&finding.message);
        let remedy = escape(&finding.remedy);
        let severity = finding.severity.word();
        // What does not fail the check passes here too, and is told beside.
        let said = if fails(finding, on) {
            format!("<failure message=\"{message}\" type=\"{severity}\">{remedy}</failure>")
        } else {
            format!("<system-out>{severity}: {message}. {remedy}</system-out>")
        };
        out += &format!("    <testcase name=\"{name}\" classname=\"findings\">{said}</testcase>\n");
    }
    out + "  </testsuite>\n</testsuites>\n"
}

/// Text as XML has it.
pub(in crate::commands) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no way to write these.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
