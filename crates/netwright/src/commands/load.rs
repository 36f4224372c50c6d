//! `netwright load`.

use netwright_watch::load::report::{Limits, Times, percent, shown};
use netwright_watch::load::{Plan, Report, run as asked};
use serde_json::json;

use super::probe::{parsed, prober};
use crate::arguments::{Format, Load};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::table::table;

/// Widest bar of the picture, in characters.
const BAR: u64 = 40;

pub(super) fn run(arguments: &Load, console: &mut Console) -> Result<Code, Failure> {
    let spec = parsed(&arguments.target, &arguments.asking)?;
    let target = spec.target.to_string();
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let plan = Plan {
        spec,
        connections: usize::try_from(arguments.connections).unwrap_or(1),
        duration: arguments.duration,
        rate: arguments.rate,
        requests: arguments.requests,
        threads: arguments.threads.map_or(all, usize::from),
        fresh: arguments.fresh,
    };
    super::serve::take_files();
    let report = asked(&prober(&arguments.asking)?, &plan).map_err(Failure::unknown)?;
    let limits = Limits { p99: arguments.p99, errors: arguments.errors };
    let (verdict, why) = report.verdict(&limits);
    let code = match verdict {
        Some(true) => Code::Pass,
        Some(false) => Code::Fail,
        None => Code::Unknown,
    };
    let word = match code {
        Code::Pass => "passed",
        Code::Fail => "failed",
        _ => "unknown",
    };
    match arguments.format {
        Format::Text => {
            let ways = if plan.shares() {
                "connections that stay"
            } else {
                "a connection for each request"
            };
            let pace = plan.rate.map_or_else(
                || "as fast as it answers".to_owned(),
                |rate| format!("{rate} requests a second"),
            );
            console.line(&format!("{target}: {} at a time, {ways}, {pace}\n", plan.connections));
            text(&report, console);
            let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
            let style = if code == Code::Pass { Style::Good } else { Style::Bad };
            let line = console.styled(style, &format!("{word}{why}"));
            console.line(&line);
        }
        Format::Json => {
            let mut document = json!({"version": 1, "target": target, "verdict": word, "why": why});
            if let (Some(own), Some(more)) =
                (document.as_object_mut(), report.document().as_object())
            {
                own.extend(more.clone());
            }
            console.json(&document);
        }
    }
    Ok(code)
}

fn text(report: &Report, console: &mut Console) {
    let row = |name: &str, times: &Times| {
        let within = |share| shown(times.within(share));
        [
            name.to_owned(),
            times.count().to_string(),
            shown(times.mean()),
            within(0.5),
            within(0.9),
            within(0.99),
            within(0.999),
            shown(times.longest()),
        ]
    };
    let mut rows = vec![row("whole", &report.whole)];
    if report.sent.count() > 0 && report.sent.within(0.99) != report.whole.within(0.99) {
        rows.push(row("from when it was sent", &report.sent));
    }
    rows.extend(
        report.phases.iter().map(|(name, times)| row(&name.name().replace('_', " "), times)),
    );
    table(
        ["PHASE", "COUNT", "MEAN", "HALF", "90%", "99%", "99.9%", "LONGEST"],
        &rows,
        console,
        |_| None,
    );
    picture(report, console);
    console.line(&format!(
        "{} requests in {}: {:.0} a second, {} wrong ({})",
        report.requests,
        shown(report.took),
        report.rate(),
        report.wrong(),
        percent(report.share_wrong()),
    ));
    if report.not_sent > 0 {
        console.line(&format!(
            "{} requests were due and not sent: no connection was free",
            report.not_sent
        ));
    }
    for (kind, (count, first)) in &report.errors {
        let line = console.styled(Style::Bad, &format!("  {count} {kind}, first: {first}"));
        console.line(&line);
    }
}

/// How answers are spread over times that double.
fn picture(report: &Report, console: &mut Console) {
    let steps = report.whole.steps();
    let most = steps.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    console.line("");
    for (within, count) in &steps {
        let eighths = count * BAR * 8 / most;
        let full = "█".repeat(usize::try_from(eighths / 8).unwrap_or_default());
        let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
            [usize::try_from(eighths % 8).unwrap_or_default()];
        // What is there is seen.
        let bar =
            if *count > 0 && eighths == 0 { "▏".to_owned() } else { format!("{full}{rest}") };
        let line = format!("  up to {:>8}  {count:>9}  {bar}", shown(*within));
        console.line(line.trim_end());
    }
    console.line("");
}
