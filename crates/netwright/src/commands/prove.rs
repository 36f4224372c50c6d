//! `netwright prove`: verdicts, confirmed or refuted by packets.

mod questions;

use std::path::Path;

use netwright_lab::probe::Seen;
use netwright_lab::{control, keeper};
use netwright_verify::trace::Verdict;
use serde_json::{Value, json};

use crate::arguments::{Format, Prove};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::network::open;
use questions::{Asked, Question, ask};

pub(super) fn run(arguments: &Prove, console: &mut Console) -> Result<Code, Failure> {
    let input = open(&arguments.file)?;
    let asked = ask(&input.network, arguments.most);
    let name = format!("prove-{}", std::process::id());
    let left_out = up(&arguments.file, &name)?;
    let probes: Vec<_> = asked.questions.iter().map(|question| question.probe.clone()).collect();
    let mut seen = control::probe(&name, &probes, arguments.wait);
    if let Ok(seen) = &mut seen {
        again(&name, &asked.questions, seen, arguments.wait);
    }
    let down = control::down(&name);
    let seen = seen.map_err(super::lab::told)?;
    down.map_err(super::lab::told)?;
    let compared: Vec<(&Question, &Seen, bool)> = asked
        .questions
        .iter()
        .zip(&seen)
        .map(|(question, seen)| (question, seen, agrees(question, seen)))
        .collect();
    match arguments.format {
        Format::Text => text(console, &asked, &compared, &left_out),
        Format::Json => console.json(&document(&asked, &compared, &left_out)),
    }
    let wrong = compared.iter().any(|(.., agrees)| !agrees);
    Ok(if wrong {
        Code::Fail
    } else if compared.is_empty() {
        Code::Unknown
    } else {
        Code::Pass
    })
}

/// Starts a lab for this proof; what it does not build.
fn up(file: &Path, name: &str) -> Result<Vec<String>, Failure> {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let file = file
        .to_str()
        .ok_or_else(|| Failure::usage("the lab needs a file whose name is UTF-8", None))?;
    // Commands of instances have no part in what is proved.
    let words = ["lab", "keeper", name, file, "--bare"].map(str::to_owned);
    let (ready, _) = keeper::up(&words, false).map_err(super::lab::told)?;
    Ok(ready.left_out)
}

/// How often what was to work and did not is tried once more, each time with more patience.
const AGAIN: u32 = 2;

/// Tries once more what was to work and did not, few at a time and with more patience: on a busy machine an answer comes late. What
/// was not to work and did is evidence as it is.
fn again(lab: &str, questions: &[Question], seen: &mut [Seen], wait: u64) {
    for round in 1..=AGAIN {
        let missed: Vec<usize> = (0..seen.len())
            .filter(|at| questions[*at].verdict == Verdict::Reachable && !seen[*at].connected)
            .collect();
        let probes: Vec<_> = missed.iter().map(|at| questions[*at].probe.clone()).collect();
        if probes.is_empty() {
            return;
        }
        // Where the lab does not answer any more, what was seen first stands.
        let Ok(found) = control::probe(lab, &probes, wait.saturating_mul(4_u64.pow(round))) else {
            return;
        };
        for (at, found) in missed.into_iter().zip(found) {
            seen[at] = found;
        }
    }
}

/// Whether what was seen is what was predicted: it works, and from the predicted source; or it does not.
fn agrees(question: &Question, seen: &Seen) -> bool {
    match question.verdict {
        Verdict::Reachable => {
            seen.connected && question.source.is_none_or(|source| seen.source == Some(source))
        }
        _ => !seen.connected,
    }
}

fn observed(seen: &Seen) -> String {
    match (seen.connected, seen.source) {
        (true, Some(source)) => format!("connected, seen as {source}"),
        (true, None) => "connected".to_owned(),
        (false, _) => seen.why.clone().unwrap_or_else(|| "no answer".to_owned()),
    }
}

fn predicted(question: &Question) -> String {
    match (question.verdict, question.source, &question.why) {
        (Verdict::Reachable, Some(source), _) => format!("reachable, seen as {source}"),
        (verdict, _, Some(why)) => format!("{}: {why}", verdict.word()),
        (verdict, ..) => verdict.word().to_owned(),
    }
}

fn text(
    console: &mut Console,
    asked: &Asked,
    compared: &[(&Question, &Seen, bool)],
    left_out: &[String],
) {
    for (question, seen, _) in compared.iter().filter(|(.., agrees)| !agrees) {
        let target = question.probe.target;
        let head = console.styled(Style::Bad, "disagrees");
        console.line(&format!("{head}  {} → {} {target} tcp", question.from, question.to));
        console.line(&format!("      predicted  {}", predicted(question)));
        console.line(&format!("      observed   {}", observed(seen)));
    }
    for what in left_out {
        let what = console.styled(Style::Doubt, &format!("not built: {what}"));
        console.line(&what);
    }
    let agree = compared.iter().filter(|(.., agrees)| *agrees).count();
    let works = compared.iter().filter(|(q, ..)| q.verdict == Verdict::Reachable).count();
    console.line(&format!(
        "{agree} of {} TCP connections did what was predicted: {works} were to work, {} not",
        compared.len(),
        compared.len() - works
    ));
    if asked.unknown > 0 {
        console.line(&format!(
            "{} have no verdict to confirm: the description lacks a fact",
            asked.unknown
        ));
    }
    if asked.left > 0 {
        console.line(&format!("{} more were not tried; `--most` tries more", asked.left));
    }
}

fn document(asked: &Asked, compared: &[(&Question, &Seen, bool)], left_out: &[String]) -> Value {
    let connections: Vec<Value> = compared
        .iter()
        .map(|(question, seen, agrees)| {
            json!({
                "from": question.from,
                "to": question.to,
                "source": question.flow.src.to_string(),
                "target": question.probe.target.to_string(),
                "protocol": "tcp",
                "verdict": question.verdict.word(),
                "reason": question.why,
                "source_predicted": question.source.map(|source| source.to_string()),
                "connected": seen.connected,
                "source_seen": seen.source.map(|source| source.to_string()),
                "agrees": agrees,
            })
        })
        .collect();
    json!({
        "version": 1,
        "connections": connections,
        "unknown": asked.unknown,
        "not_tried": asked.left,
        "not_built": left_out,
    })
}
