//! `netwright probe`.

pub(super) mod described;
mod serve;
mod show;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use netwright_lab::run as inside;
use netwright_watch::probe::names::Resolver;
use netwright_watch::probe::outcome::{Outcome, Verdict};
use netwright_watch::probe::prober::{CertificateDer, Clock, Prober, Trust, with_control};
use netwright_watch::probe::target::{Pattern, Spec, Target};

use super::lab::told;
use crate::arguments::{Asking, Format, Probe};
use crate::console::{Code, Console};
use crate::failure::Failure;

/// Shortest time between two probes of a target.
const OFTEN: Duration = Duration::from_millis(1);

pub(super) fn run(arguments: &Probe, console: &mut Console) -> Result<Code, Failure> {
    if let Some(address) = arguments.serve {
        return serve::run(arguments, address, console);
    }
    if let Some(instance) = &arguments.from {
        return from(&arguments.lab, instance);
    }
    if let [file] = arguments.targets.as_slice()
        && !file.contains("://")
        && Path::new(file).exists()
    {
        return described::run(Path::new(file), arguments, console);
    }
    let specs = arguments
        .targets
        .iter()
        .map(|text| spec(text, arguments))
        .collect::<Result<Vec<_>, _>>()?;
    let control =
        arguments.control.as_ref().map(|text| parsed(text, &arguments.asking)).transpose()?;
    let prober = Arc::new(prober(&arguments.asking)?);
    let runtime = super::serve::runtime()?;
    let mut seen = show::Seen::new(arguments);
    seen.begin(console);
    runtime.block_on(asked(&prober, &specs, control.as_ref(), arguments, |spec, outcome| {
        seen.one((spec, &specs[spec]), outcome, console);
    }));
    seen.end(&specs, console);
    Ok(code(seen.outcomes()))
}

/// 1 where something failed, 3 where nothing did and something is not known.
pub(super) fn code<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Code {
    let mut code = Code::Pass;
    for outcome in outcomes {
        match &outcome.verdict {
            Verdict::Failed(_) => return Code::Fail,
            Verdict::Unknown { .. } => code = Code::Unknown,
            Verdict::Passed => {}
        }
    }
    code
}

/// The same command from inside an instance: this program again, without the words that say from where.
pub(super) fn from(lab: &str, instance: &str) -> Result<Code, Failure> {
    let mut step: Vec<String> = ["lab", "step", "--", "/proc/self/exe"].map(str::to_owned).to_vec();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--from" | "--lab" => drop(words.next()),
            word if word.starts_with("--from=") || word.starts_with("--lab=") => {}
            _ => step.push(word),
        }
    }
    Ok(Code::Passed(inside::exec(lab, instance, &step).map_err(told)?))
}

/// Asks all targets, as often as is wanted.
async fn asked(
    prober: &Arc<Prober>,
    specs: &[Spec],
    control: Option<&Spec>,
    arguments: &Probe,
    mut each: impl FnMut(usize, Outcome),
) {
    let mut due = tokio::time::interval(arguments.interval.max(OFTEN));
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for attempt in 1..=arguments.count {
        due.tick().await;
        let ask = |spec: Spec| {
            let prober = prober.clone();
            tokio::spawn(async move { prober.ask(&spec, attempt).await })
        };
        let control = control.cloned().map(ask);
        let all: Vec<_> = specs.iter().cloned().map(ask).collect();
        let control = match control {
            Some(task) => task.await.ok(),
            None => None,
        };
        for (index, task) in all.into_iter().enumerate() {
            // A probe that itself failed has no outcome; there is none that does.
            let Ok(outcome) = task.await else { continue };
            let outcome = match &control {
                Some(control) => with_control(outcome, control),
                None => outcome,
            };
            each(index, outcome);
        }
    }
}

/// A probe as the command line has it.
fn spec(text: &str, arguments: &Probe) -> Result<Spec, Failure> {
    let spec = parsed(text, &arguments.asking)?;
    Ok(Spec {
        must_fail: arguments.not,
        sources: arguments.source.clone(),
        within: arguments.within,
        ..spec
    })
}

fn wrong(message: String) -> Failure {
    Failure::usage(message, None)
}

/// A target with what is asked of it.
pub(super) fn parsed(text: &str, asking: &Asking) -> Result<Spec, Failure> {
    let mut target = Target::parse(text).map_err(wrong)?;
    match &mut target {
        Target::Http(http) => {
            if let Some(method) = &asking.method {
                http.with_method(method).map_err(wrong)?;
            }
            for header in &asking.headers {
                let (name, value) = pair(header)?;
                http.header(name, value).map_err(wrong)?;
            }
            http.body = asking.data.clone().unwrap_or_default().into_bytes();
            if asking.data.is_some() && asking.method.is_none() {
                http.with_method("POST").map_err(wrong)?;
            }
            http.name.clone_from(&asking.tls_name);
            http.valid_for = asking.valid_for;
            if let Some(status) = &asking.status {
                http.expect.status = ranges(status)?;
            }
            http.expect.contains.clone_from(&asking.body);
            for text in &asking.matches {
                http.expect.matches.push(Pattern::parse(text).map_err(wrong)?);
            }
            for header in &asking.answer_headers {
                let (name, value) = pair(header)?;
                http.expect.headers.push((name.to_ascii_lowercase(), value.to_owned()));
            }
            http.expect.redirects = asking.redirects.unwrap_or(http.expect.redirects);
        }
        Target::Tls(tls) => {
            tls.name = asking.tls_name.clone().or_else(|| tls.name.take());
            tls.valid_for = asking.valid_for.or(tls.valid_for);
        }
        _ => {}
    }
    Ok(Spec { timeout: asking.timeout, bind: asking.bind, ..Spec::of(target) })
}

fn pair(text: &str) -> Result<(&str, &str), Failure> {
    let (name, value) =
        text.split_once(':').ok_or_else(|| wrong(format!("`{text}` is not `Name: value`")))?;
    Ok((name.trim(), value.trim()))
}

fn ranges(text: &str) -> Result<Vec<(u16, u16)>, Failure> {
    let one = |part: &str| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        match (low.trim().parse(), high.trim().parse()) {
            (Ok(low @ 100..=999), Ok(high @ 100..=999)) if low <= high => Ok((low, high)),
            _ => Err(wrong(format!("`{part}` is no range of statuses such as 200-299"))),
        }
    };
    text.split(',').map(one).collect()
}

/// Who asks on this machine.
pub(super) fn prober(asking: &Asking) -> Result<Prober, Failure> {
    prober_of(asking.ca.as_deref(), asking.resolver)
}

/// The authorities of a PEM file.
pub(super) fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let text = std::fs::read(file)
        .map_err(|error| wrong(format!("cannot read {}: {error}", file.display())))?;
    Trust::read(&text).map_err(|error| wrong(format!("{}: {error}", file.display())))
}

/// Who asks on this machine: with authorities beside the machine's, and with another name server.
pub(super) fn prober_of(
    ca: Option<&Path>,
    resolver: Option<SocketAddr>,
) -> Result<Prober, Failure> {
    let more = ca.map(authorities).transpose()?.unwrap_or_default();
    let trust = Trust::of_machine(&more).map_err(wrong)?;
    let mut names = Resolver::of_machine();
    if let Some(server) = resolver {
        names.servers = vec![server];
    }
    Ok(Prober::new(trust, names, clock()))
}

/// The machine's clock.
fn clock() -> Clock {
    Arc::new(jiff::Timestamp::now)
}

/// Whether results are lines of their own as they come.
fn lines(arguments: &Probe) -> bool {
    arguments.count > 1 && arguments.format == Format::Text
}
