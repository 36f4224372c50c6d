//! `netwright prove`: verdicts, confirmed or refuted by packets.

mod parties;
mod questions;
mod show;
mod sizes;

use std::path::Path;

use netwright_lab::probe::Seen;
use netwright_lab::{control, keeper};

use crate::arguments::{Format, Prove};
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::network::open;
use questions::{Question, ask};

/// A question, what was seen, and whether that was predicted.
type Compared<'a> = (&'a Question, &'a Seen, bool);

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
    let compared: Vec<Compared<'_>> = asked
        .questions
        .iter()
        .zip(&seen)
        .map(|(question, seen)| (question, seen, question.agrees(seen)))
        .collect();
    match arguments.format {
        Format::Text => show::text(console, &asked, &compared, &left_out),
        Format::Json => console.json(&show::document(&asked, &compared, &left_out)),
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

/// How often what was to arrive and did not is tried once more, each time with more patience.
const AGAIN: u32 = 2;

/// Tries once more what was to arrive and did not, few at a time and with more patience: on a busy machine an answer comes late. What
/// was not to arrive and did is evidence as it is.
fn again(lab: &str, questions: &[Question], seen: &mut [Seen], wait: u64) {
    for round in 1..=AGAIN {
        let missed: Vec<usize> =
            (0..seen.len()).filter(|at| questions[*at].missed(&seen[*at])).collect();
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
