//! `netwright prove`: verdicts, confirmed or refuted by packets.

mod balanced;
mod disagreement;
mod facts;
mod names;
mod parties;
pub(super) mod questions;
pub(super) mod show;
mod sizes;
mod weather;

use std::path::Path;

use netwright_dataplane::plan::plan;
use netwright_lab::probe::Seen;
use netwright_lab::probe::spread::Spread;
use netwright_lab::tunnel::Tunnel;
use netwright_lab::{control, keeper};

use crate::arguments::{Effort, Format, Hosts, Prove};
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::network::{Input, open};
use disagreement::Disagreement;
use questions::{Asked, Question, ask};
use weather::Weather;

/// A question, what was seen, and whether that was predicted: none where it could not be tried.
pub(super) type Compared<'a> = (&'a Question, &'a Seen, Option<bool>);

/// What was asked of a lab, and what came of it.
pub(super) struct Measured {
    asked: Asked,
    seen: Vec<Seen>,
    /// What arrived behind load balancers.
    spread: Vec<Spread>,
    /// What the kernel did with the first questions that disagree.
    disagreements: Vec<Disagreement>,
    /// What name servers said.
    names: names::Measured,
    /// The tunnels that packets went through.
    tunnels: Vec<Tunnel>,
    /// What the description says and the lab does not build.
    left_out: Vec<String>,
    /// What links did to packets on their way.
    weather: Weather,
}

impl Measured {
    pub(super) fn compared(&self) -> impl Iterator<Item = Compared<'_>> {
        let both = self.asked.questions.iter().zip(&self.seen);
        both.map(|(question, seen)| (question, seen, agrees(question, seen)))
    }

    /// Flows through load balancers, with what was seen.
    fn balanced(&self) -> impl Iterator<Item = balanced::show::Pair<'_>> {
        self.asked.balanced.iter().zip(&self.spread)
    }

    pub(super) fn code(&self) -> Code {
        let names = self.names.agree();
        let through = || self.balanced().map(|(question, seen)| question.agrees(seen));
        let all = || {
            let direct = self.compared().map(|(.., agrees)| agrees);
            direct.chain(through()).chain([names])
        };
        if all().any(|agrees| agrees == Some(false)) {
            Code::Fail
        } else if all().any(|agrees| agrees == Some(true)) {
            Code::Pass
        } else {
            Code::Unknown
        }
    }
}

pub(super) fn run(arguments: &Prove, console: &mut Console) -> Result<Code, Failure> {
    let input = open(&arguments.file)?;
    let (name, left_out) = match &arguments.lab {
        Some(running) => (running.clone(), plan(&input.network).left_out),
        None => {
            let name = format!("prove-{}", std::process::id());
            let left_out = up(&arguments.file, &name, arguments.hosts)?;
            (name, left_out)
        }
    };
    let found = measure(&input, &name, &arguments.effort, left_out);
    // Whatever was found, a lab of our own ends.
    let down = if arguments.lab.is_none() { control::down(&name) } else { Ok(()) };
    let measured = found.map_err(super::lab::told)?;
    down.map_err(super::lab::told)?;
    match arguments.format {
        Format::Text => show::text(console, &input, &measured),
        Format::Json => console.json(&show::document(&input, &measured)),
    }
    Ok(measured.code())
}

/// Asks a lab everything that there is to ask: what was seen, and the kernel's side of what was not predicted.
pub(super) fn measure(
    input: &Input,
    lab: &str,
    effort: &Effort,
    left_out: Vec<String>,
) -> Result<Measured, netwright_lab::failure::Failure> {
    let asked = ask(&input.network, effort.most);
    let questions = &asked.questions;
    let mut weather = Weather::of(lab, questions)?;
    let wait = weather.patience(effort.wait);
    let probes: Vec<_> = questions.iter().map(|question| question.probe.clone()).collect();
    let tunnels = control::tunnels_up(lab)?;
    let mut seen = control::probe(lab, &probes, wait)?;
    weather.again(lab, questions, &mut seen, (effort.wait, AGAIN));
    let spread = through(lab, &asked.balanced, wait, &weather)?;
    let disagreements = disagreement::explain(&input.network, lab, questions, &seen, wait);
    let names = names::measure(&input.network, lab, &Effort { wait, ..*effort })?;
    Ok(Measured { asked, seen, spread, disagreements, names, tunnels, left_out, weather })
}

/// Asks what goes through load balancers, once more with more patience where something was to arrive and did not.
fn through(
    lab: &str,
    questions: &[balanced::Question],
    wait: u64,
    weather: &Weather,
) -> Result<Vec<Spread>, netwright_lab::failure::Failure> {
    let asked: Vec<_> = questions.iter().map(|question| question.balanced.clone()).collect();
    let mut seen = control::spread(lab, &asked, wait)?;
    for round in 1..=AGAIN.max(weather.rounds) {
        let missed: Vec<usize> =
            (0..seen.len()).filter(|at| questions[*at].missed(&seen[*at])).collect();
        let part: Vec<_> = missed.iter().map(|at| asked[*at].clone()).collect();
        if part.is_empty() {
            break;
        }
        let patience = weather.patience(wait.saturating_mul(4_u64.pow(round.min(AGAIN))));
        let Ok(found) = control::spread(lab, &part, patience) else { break };
        for (at, found) in missed.into_iter().zip(found) {
            seen[at] = found;
        }
    }
    Ok(seen)
}

fn agrees(question: &Question, seen: &Seen) -> Option<bool> {
    (!seen.untried).then(|| question.agrees(seen))
}

/// Starts a lab for this proof; what it does not build.
fn up(file: &Path, name: &str, hosts: Hosts) -> Result<Vec<String>, Failure> {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let file = file
        .to_str()
        .ok_or_else(|| Failure::usage("the lab needs a file whose name is UTF-8", None))?;
    // Commands of instances have no part in what is proved.
    let mut words = ["lab", "keeper", name, file, "--bare"].map(str::to_owned).to_vec();
    words.extend(hosts.words());
    let (ready, _) = keeper::up(&words, false).map_err(super::lab::told)?;
    Ok(ready.left_out)
}

/// How often what was to arrive and did not is tried once more, each time with more patience.
const AGAIN: u32 = 2;
