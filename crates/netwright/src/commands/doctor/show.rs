//! Checks as a table, as JSON and as `JUnit`.

use netwright_watch::doctor::{Check, Verdict, domain, overall};
use serde_json::{Value, json};

use crate::commands::check::junit::escape;
use crate::console::{Console, Style};
use crate::table::table;

fn style(verdict: Verdict) -> Option<Style> {
    match verdict {
        Verdict::Pass => None,
        Verdict::Warn | Verdict::Unknown => Some(Style::Doubt),
        Verdict::Fail => Some(Style::Bad),
    }
}

pub(super) fn text(checks: &[Check], console: &mut Console) {
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<[String; 6]> = checks
        .iter()
        .map(|check| {
            [
                check.component.clone(),
                check.name.clone(),
                check.verdict.as_str().to_owned(),
                word(&check.measured),
                word(&check.threshold),
                check.domain.map_or_else(|| "-".to_owned(), |domain| domain.to_string()),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let head = ["COMPONENT", "CHECK", "VERDICT", "MEASURED", "THRESHOLD", "FAULT"];
        table(head, &rows, console, |at| style(checks[at].verdict));
    }
    for alike in alike(checks) {
        console.line("");
        for check in &alike {
            let title = format!("{}: {}", check.verdict.as_str(), check.name);
            let style = style(check.verdict);
            console.line(&style.map_or(title.clone(), |style| console.styled(style, &title)));
        }
        let Some(first) = alike.first() else { continue };
        for line in &first.evidence {
            console.line(&format!("  {line}"));
        }
        if let Some(remediation) = &first.remediation {
            console.line(&format!("  to do: {remediation}"));
        }
    }
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let fault = domain(checks).map_or_else(String::new, |domain| format!("; fault: {domain}"));
    console.line(&format!(
        "\n{} check{}: {} pass, {} warn, {} fail, {} unknown{fault}",
        checks.len(),
        if checks.len() == 1 { "" } else { "s" },
        count(Verdict::Pass),
        count(Verdict::Warn),
        count(Verdict::Fail),
        count(Verdict::Unknown)
    ));
}

/// What does not pass, with what has the same evidence and remedy told together.
fn alike(checks: &[Check]) -> Vec<Vec<&Check>> {
    let mut groups: Vec<Vec<&Check>> = Vec::new();
    for check in checks.iter().filter(|check| check.verdict != Verdict::Pass) {
        let same = |group: &&mut Vec<&Check>| {
            group.first().is_some_and(|first| {
                first.verdict == check.verdict
                    && first.evidence == check.evidence
                    && first.remediation == check.remediation
            })
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(check),
            None => groups.push(vec![check]),
        }
    }
    groups
}

pub(super) fn json(checks: &[Check]) -> Value {
    json!({
        "version": 1,
        "verdict": overall(checks),
        "fault_domain": domain(checks),
        "checks": checks,
    })
}

pub(super) fn junit(checks: &[Check]) -> String {
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"doctor\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
        checks.len(),
        count(Verdict::Fail),
        count(Verdict::Unknown)
    );
    for check in checks {
        let (name, class) = (escape(&check.name), escape(&check.component));
        let told = escape(&check.evidence.join("\n"));
        let first = escape(check.evidence.first().map_or("", String::as_str));
        let to_do = escape(check.remediation.as_deref().unwrap_or_default());
        let fault = check.domain.map_or("unknown", netwright_watch::fault::Domain::as_str);
        let inside = match check.verdict {
            Verdict::Pass => String::new(),
            Verdict::Warn => format!("<system-out>warning: {told}. {to_do}</system-out>"),
            Verdict::Fail => {
                format!("<failure message=\"{first}\" type=\"{fault}\">{told}. {to_do}</failure>")
            }
            Verdict::Unknown => format!("<error message=\"{first}\">{told}</error>"),
        };
        out +=
            &format!("    <testcase name=\"{name}\" classname=\"{class}\">{inside}</testcase>\n");
    }
    out + "  </testsuite>\n</testsuites>\n"
}
