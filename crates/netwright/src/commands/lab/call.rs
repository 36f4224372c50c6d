//! What services called, and what came of it beside what was predicted.

use netwright_dataplane::plan::Call;
use netwright_dataplane::plan::call::How;
use netwright_lab::calls::Called;
use netwright_lab::control;
use serde_json::{Value, json};

use super::told;
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::table::table;

/// A call that should have been answered and was not is made so often.
const TRIES: u32 = 3;

/// A call and what came of it.
pub(in crate::commands) type Made = (Call, Called);

/// Makes calls in a lab. What should have been answered and was not is tried again with more patience: on a busy machine an answer comes
/// late.
pub(in crate::commands) fn make(
    lab: &str,
    service: Option<&str>,
    dependency: Option<&str>,
    wait: u64,
) -> Result<Vec<Made>, Failure> {
    let mut made = control::call(lab, service, dependency, wait).map_err(told)?;
    for (call, called) in &mut made {
        for round in 1..TRIES {
            if agrees(call, called) != Some(false) || called.answered {
                break;
            }
            let wait = wait.saturating_mul(u64::from(round) + 1);
            let again = control::call(lab, Some(&call.service), Some(&call.name), wait);
            if let Some((_, again)) = again.map_err(told)?.pop() {
                *called = again;
            }
        }
    }
    Ok(made)
}

/// Whether a call went as predicted; none where nothing was.
pub(in crate::commands) fn agrees(call: &Call, called: &Called) -> Option<bool> {
    let works = call.expected.works?;
    let sources = &call.expected.sources;
    let source = sources.is_empty() || called.source.is_none_or(|seen| sources.contains(&seen));
    Some(works == called.answered && (!works || source))
}

/// 1 where something is not answered that the service needs, or not as predicted.
pub(in crate::commands) fn code(made: &[Made]) -> Code {
    let wrong =
        made.iter().any(|(call, called)| !called.answered || agrees(call, called) == Some(false));
    if wrong { Code::Fail } else { Code::Pass }
}

/// Where a call goes, in words.
fn goes(call: &Call, called: &Called) -> String {
    let at = match &call.how {
        None => "-".to_owned(),
        Some(How::Tcp { to }) => format!("{to}"),
        Some(How::Udp { to }) => format!("{to}/udp"),
        Some(How::Socket { to, .. }) => format!("proxy, {to}"),
    };
    match (&call.host, &call.how) {
        (Some(host), Some(how)) if called.resolved.contains(&how.to().ip()) => {
            format!("{at} ({host})")
        }
        _ => at,
    }
}

/// What is said beside a result: why it does not work, or that it was to be otherwise.
fn reason(call: &Call, called: &Called) -> Option<String> {
    let expected = &call.expected;
    match (called.answered, agrees(call, called)) {
        (_, Some(false)) => Some(match (expected.works, expected.sources.first(), &expected.why) {
            (Some(true), Some(source), _) if called.answered => {
                format!("not as predicted: seen as {source}")
            }
            (Some(true), ..) => "not as predicted: it works".to_owned(),
            (_, _, Some(why)) => format!("not as predicted: {why}"),
            _ => "not as predicted".to_owned(),
        }),
        (false, _) => expected.why.clone(),
        (true, _) => None,
    }
}

/// Says what came of calls.
pub(in crate::commands) fn text(made: &[Made], console: &mut Console) {
    if made.is_empty() {
        console.line("no service of the description depends on anything");
        return;
    }
    let rows: Vec<[String; 5]> = made
        .iter()
        .map(|(call, called)| {
            let reason = reason(call, called).map_or_else(String::new, |why| format!(": {why}"));
            let by = if called.meanwhile { " (the lab answered for it)" } else { "" };
            [
                call.service.clone(),
                format!("{} ({})", call.target, call.name),
                goes(call, called),
                format!("{} ms", called.milliseconds),
                format!("{}{by}{reason}", called.words()),
            ]
        })
        .collect();
    table(["SERVICE", "CALLS", "AT", "TOOK", "RESULT"], &rows, console, |at| {
        let (call, called) = &made[at];
        match (called.answered, agrees(call, called)) {
            (false, _) | (_, Some(false)) => Some(Style::Bad),
            (true, _) => None,
        }
    });
}

pub(in crate::commands) fn document(made: &[Made]) -> Value {
    let one = |(call, called): &Made| {
        let (via, to) = match &call.how {
            None => (None, None),
            Some(how) => {
                let via = match how {
                    How::Tcp { .. } => "tcp",
                    How::Udp { .. } => "udp",
                    How::Socket { .. } => "socket",
                };
                (Some(via), Some(how.to()))
            }
        };
        let socket = match &call.how {
            Some(How::Socket { path, .. }) => Some(path),
            _ => None,
        };
        let sources: Vec<String> = call.expected.sources.iter().map(ToString::to_string).collect();
        json!({
            "service": call.service,
            "dependency": call.name,
            "target": call.target,
            "via": via,
            "socket": socket,
            "host": call.host,
            "resolved": called.resolved.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "address": to.map(|to| to.ip().to_string()),
            "port": to.map(|to| to.port()),
            "answered": called.answered,
            "source_seen": called.source.map(|source| source.to_string()),
            "error": called.why,
            "trouble": called.trouble,
            "milliseconds": called.milliseconds,
            "answered_by_lab": called.meanwhile,
            "verdict": call.expected.verdict,
            "way": call.expected.way,
            "sources_predicted": sources,
            "reason": call.expected.why,
            "agrees": agrees(call, called),
        })
    };
    json!({"version": 1, "calls": made.iter().map(one).collect::<Vec<Value>>()})
}
