//! How figures are written, and the sentences that both forms for people begin with.

use crate::report::{Action, Lessons, Report};
use crate::{Moment, Span, Summary, Verdict};

/// What stands where a figure is not known.
pub(crate) const UNKNOWN: &str = "unknown";

/// A count with its thousands apart: `4,821`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut written = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

/// A count that may not be known.
pub(crate) fn known(number: Option<u64>) -> String {
    number.map_or_else(|| UNKNOWN.to_owned(), count)
}

/// A length of time that may not be known.
pub(crate) fn span(span: Option<Span>) -> String {
    span.map_or_else(|| UNKNOWN.to_owned(), |span| span.to_string())
}

/// A moment that may not be known.
pub(crate) fn moment(moment: Option<Moment>) -> String {
    moment.map_or_else(|| UNKNOWN.to_owned(), |moment| moment.to_string())
}

/// A share in per cent, never rounded up: `99.97 %`, `52.3 %`.
pub(crate) fn percent(share: Option<f64>) -> String {
    let Some(share) = share.filter(|share| share.is_finite()) else {
        return UNKNOWN.to_owned();
    };
    let percent = share * 100.0;
    if percent >= 99.0 {
        // What lies a hair under a round number because it is no binary fraction is that number.
        return format!("{} %", (percent.mul_add(100.0, 1e-6)).floor() / 100.0);
    }
    format!("{:.1} %", (percent.mul_add(10.0, 1e-6)).floor() / 10.0)
}

/// A figure with at most three digits after the point.
pub(crate) fn figure(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    if value.abs() >= 1e15 {
        return format!("{value:e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A figure with its unit, or that it is not known.
pub(crate) fn with_unit(value: Option<f64>, unit: &str) -> String {
    match value.filter(|value| value.is_finite()) {
        Some(value) => format!("{} {unit}", figure(value)),
        None => UNKNOWN.to_owned(),
    }
}

/// The mark of a verdict, which says without colour what it is.
pub(crate) const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "✓",
        Verdict::Failed => "✗",
        Verdict::Unknown => "?",
    }
}

/// One of the figures that a board asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) label: &'static str,
    pub(crate) value: String,
    pub(crate) note: String,
    pub(crate) verdict: Option<Verdict>,
}

/// The five figures of the first screen.
pub(crate) fn figures(report: &Report, summary: &Summary) -> [Figure; 5] {
    let detection = &summary.detection;
    let objective = summary.recovery_objective;
    let within = summary.recovery_time.zip(objective).map(|(took, allowed)| took <= allowed);
    let none = |number: Option<u64>| Some(Verdict::from_known(number.map(|number| number == 0)));
    let seen = detection.injected > 0
        && detection.detected == detection.injected
        && detection.false_alarms == 0;
    [
        Figure {
            label: "Recovery time",
            value: span(summary.recovery_time),
            note: objective.map_or_else(String::new, |allowed| format!("of {allowed} allowed")),
            verdict: objective.map(|_| Verdict::from_known(within)),
        },
        Figure {
            label: "Detection, 99th percentile",
            value: span(summary.detection.p99),
            note: format!(
                "{} of {} seen, {} false {}",
                detection.detected,
                detection.injected,
                detection.false_alarms,
                if detection.false_alarms == 1 { "alarm" } else { "alarms" }
            ),
            verdict: Some(Verdict::from_known(
                (detection.injected > 0 && detection.unknown == 0).then_some(seen),
            )),
        },
        Figure {
            label: "Acknowledged writes lost",
            value: known(summary.lost),
            note: format!("of {}", known(report.data.acknowledged)),
            verdict: none(summary.lost),
        },
        Figure {
            label: "Duplicated effects",
            value: known(summary.duplicated_effects),
            note: format!("{} duplicated deliveries", known(report.data.duplicated_deliveries)),
            verdict: none(summary.duplicated_effects),
        },
        Figure {
            label: "Success under faults",
            value: percent(summary.success_under_faults),
            note: format!("{} before", percent(summary.success_before)),
            verdict: None,
        },
    ]
}

/// What is to be done, with who does it until when.
pub(crate) fn actions(lessons: &Lessons) -> Vec<String> {
    let told = |action: &Action| {
        let owner = action.owner.as_deref().unwrap_or("nobody yet");
        let due = action.due.as_deref().map_or_else(String::new, |due| format!(", until {due}"));
        format!("{} ({owner}{due})", action.what)
    };
    lessons.actions.iter().map(told).collect()
}

/// What happened, in sentences that hold only what is known.
pub(crate) fn story(report: &Report, summary: &Summary) -> Vec<String> {
    let mut told = Vec::new();
    if !report.scenario.description.is_empty() {
        told.push(report.scenario.description.clone());
    }
    told.push(broken(report, summary));
    let detection = &summary.detection;
    if detection.injected > 0 {
        let slowest =
            detection.max.map_or_else(String::new, |max| format!(", the slowest after {max}"));
        told.push(format!(
            "Of {} broken directions, {} were seen for what they were{slowest}; {} were misjudged, {} missed, and {} alarms were false.",
            detection.injected, detection.detected, detection.misjudged, detection.missed, detection.false_alarms
        ));
    }
    if let Some(share) = summary.success_under_faults {
        told.push(format!(
            "While something was broken, {} of what clients tried happened; before, {}.",
            percent(Some(share)),
            percent(summary.success_before)
        ));
    }
    told.push(match report.recovery.took() {
        Some(took) => {
            let by_hand = report.recovery.steps.iter().filter(|step| !step.automatic).count();
            let hands = match by_hand {
                0 => "without anything done by hand".to_owned(),
                1 => "with one step by hand".to_owned(),
                steps => format!("with {steps} steps by hand"),
            };
            format!("All of the service was there again {took} after it was first broken, {hands}.")
        }
        None => "When all of the service was there again is unknown.".to_owned(),
    });
    told
}

fn broken(report: &Report, summary: &Summary) -> String {
    let mut places: Vec<String> =
        report.faults.iter().map(|fault| format!("{} ({})", fault.place(), fault.kind)).collect();
    places.dedup();
    let more = places.len().saturating_sub(4);
    places.truncate(4);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let length = match summary.broken_for {
        Some(length) => format!("for {length}"),
        None => "for a time that is unknown".to_owned(),
    };
    if places.is_empty() {
        return "Nothing was broken.".to_owned();
    }
    format!("Broken {length}: {}{more}.", places.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{count, figure, percent};

    #[test]
    fn counts_have_their_thousands_apart() {
        let told = [0, 999, 1_000, 12_345, 1_000_000].map(count);
        assert_eq!(told, ["0", "999", "1,000", "12,345", "1,000,000"]);
    }

    #[test]
    fn a_share_is_never_rounded_up() {
        let told = [0.0, 0.523, 0.98999, 0.99, 0.99999, 1.0].map(|share| percent(Some(share)));
        assert_eq!(told, ["0.0 %", "52.3 %", "98.9 %", "99 %", "99.99 %", "100 %"]);
        assert_eq!(percent(None), "unknown");
    }

    #[test]
    fn figures_have_no_more_digits_than_they_need() {
        assert_eq!([1.0, 0.5, 30.0004, 1200.0].map(figure), ["1", "0.5", "30", "1200"]);
    }
}
