//! `netwright apply`.
//!
//! Where it is waited for the hosts, they are then asked whether it is as was proved; what is not is taken back, as far as it can be.

mod starts;

use std::time::Duration;

use netwright_control::change::Answer;
use netwright_control::convergence::Verdict;
use netwright_control::probes::Probe;
use netwright_model::network::resolve::resolve;
use netwright_model::to_yaml;
use serde_json::{Value, json};
use ureq::http::Method;

use super::change::{Sent, decode, send};
use super::watch::looking::Watcher;
use super::{convergence, observe};
use crate::arguments::{Apply, Format};
use crate::client::{Client, problem};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::network::load;

/// The longest name of a description, in octets, that a service takes.
const LONGEST: usize = 400;

pub(super) fn run(arguments: &Apply, console: &mut Console) -> Result<Code, Failure> {
    let (loaded, sources) = load(&arguments.file)?;
    for note in &loaded.notes {
        console.error(&format!("note: {note}\n"));
    }
    let mut name = arguments.file.display().to_string();
    if name.len() > LONGEST {
        name = "network.yaml".to_owned();
    }
    let mut body = json!({
        "description": to_yaml(&loaded.description, ""),
        "name": name,
        "prune": arguments.prune,
    });
    let wish = (&arguments.wish, true);
    let sent = send(&Method::POST, "/api/v1/changes", &mut body, wish, console);
    // What is wrong by itself is told with its places in the files; what is wrong with the objects of the service, as it says.
    if let Err(Failure::Told { .. }) = &sent
        && let Err(diagnostics) = resolve(loaded.description)
    {
        return Err(Failure::Input { diagnostics, sources });
    }
    let mut sent = sent?;
    let code = settle(arguments, &mut sent, console)?;
    if arguments.wish.format == Format::Json {
        console.json(&sent.value);
    }
    Ok(code)
}

/// What is kept, and what is taken back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is kept, and the code is this.
    Kept(Code),
    /// It is not as it should be.
    Failed,
}

/// Has the hosts asked where they have it, and takes it back where it is not as it should be.
fn settle(arguments: &Apply, sent: &mut Sent, console: &mut Console) -> Result<Code, Failure> {
    let wish = &arguments.wish;
    let Some(found) = &sent.found else { return Ok(sent.code) };
    let client = Client::new(&wish.remote)?;
    let within = Duration::from_secs(wish.wait.unwrap_or_default());
    let mut out = Out { console, text: wish.format == Format::Text, more: json!({}) };
    out.more["convergence"] = serde_json::to_value(found).unwrap_or_default();
    let end = match found.verdict {
        Verdict::Failed => End::Failed,
        // Whether it will be, nobody can say: nothing is taken back for that.
        Verdict::Pending => {
            out.say(Style::Doubt, "kept, and not probed: not every host that lives has it yet");
            End::Kept(sent.code)
        }
        Verdict::Converged | Verdict::Vacuous if arguments.no_probe => End::Kept(sent.code),
        Verdict::Converged | Verdict::Vacuous => {
            let probed = observe::ask(&client, &[], false, within)?;
            probed_of(&probed, sent.code, &mut out)
        }
    };
    let accepted = sent.answer.outcome == "accepted";
    let end = match (end, arguments.watch) {
        (End::Kept(Code::Pass), Some(within)) if accepted => {
            let watcher = Watcher::at(arguments.watcher.as_ref())?;
            starts::watched(&client, &watcher, &sent.answer, within, &mut out)?
        }
        (end, _) => end,
    };
    let code = match end {
        End::Kept(code) => code,
        End::Failed if sent.answer.outcome != "accepted" => Code::Fail,
        End::Failed if arguments.keep_on_failure => {
            out.say(Style::Bad, "kept all the same (--keep-on-failure)");
            Code::Fail
        }
        End::Failed => {
            take_back(&client, &sent.answer, within, &mut out)?;
            Code::Fail
        }
    };
    if let (Some(all), Value::Object(more)) = (sent.value.as_object_mut(), out.more) {
        all.extend(more);
    }
    Ok(code)
}

/// Where it is told what goes on.
struct Out<'c> {
    console: &'c mut Console,
    text: bool,
    /// What JSON says of it.
    more: Value,
}

impl Out<'_> {
    fn say(&mut self, style: Style, line: &str) {
        if self.text {
            let line = self.console.styled(style, line);
            self.console.line(&line);
        }
    }
}

fn probed_of(probed: &Probe, code: Code, out: &mut Out<'_>) -> End {
    out.more["probe"] = serde_json::to_value(probed).unwrap_or_default();
    if let Some(why) = observe::not_probed(probed) {
        out.more["kept"] = json!("not probed");
        out.say(Style::Doubt, &format!("kept, and not probed: {why}"));
        if out.text {
            observe::not_asked(probed, false, out.console);
        }
        return End::Kept(code);
    }
    if out.text {
        observe::text(probed, false, out.console);
    }
    if probed.refuted > 0 {
        return End::Failed;
    }
    out.more["kept"] = json!("probed");
    out.say(Style::Good, "kept: what hosts saw is what was proved");
    End::Kept(code)
}

/// Takes a change back, where nothing else came since; what cannot go back is said.
fn take_back(
    client: &Client,
    answer: &Answer,
    within: Duration,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let (base, revision) = (answer.base, answer.revision.unwrap_or_default());
    let stays: Vec<String> = answer
        .report
        .steps
        .iter()
        .filter(|step| step.undo != "reversible")
        .map(|step| {
            format!("{} {} {}: {}: {}", step.action, step.kind, step.name, step.undo, step.why)
        })
        .collect();
    out.more["cannot_go_back"] = json!(stays);
    if base == 0 {
        out.more["rolled_back"] = json!(false);
        out.say(Style::Bad, "not rolled back: there was no network before");
        return Ok(());
    }
    let body = json!({ "why": format!("revision {revision} was not as proved where it ran") });
    let path = format!("/api/v1/changes/{base}/rollback");
    let now = format!("\"{revision}\"");
    let headers = [("if-match", now.as_str())];
    let back = client.exchange(&Method::POST, &path, &headers, Some(&body))?;
    let told: Answer = match back {
        Ok(back) => decode(back.body)?,
        Err((status, refused)) => {
            let why = refused["answer"]["report"]["refused"].as_array();
            let why: Vec<&str> = why.into_iter().flatten().filter_map(Value::as_str).collect();
            let detail = refused["detail"].as_str().unwrap_or_default();
            let why = if why.is_empty() { detail.to_owned() } else { why.join("; ") };
            if why.is_empty() {
                return Err(problem(status, &refused));
            }
            out.more["rolled_back"] = json!(false);
            out.say(Style::Bad, &format!("not rolled back: {why}"));
            for step in &stays {
                out.say(Style::Bad, &format!("  {step}"));
            }
            return Ok(());
        }
    };
    let back = told.revision.unwrap_or_default();
    out.more["rolled_back"] = json!(true);
    out.more["revision_now"] = json!(back);
    out.say(Style::Bad, &format!("rolled back: revision {back} is what revision {base} was"));
    for step in &stays {
        out.say(Style::Doubt, &format!("  does not come back as it was: {step}"));
    }
    let shown = if out.text { Some(&mut *out.console) } else { None };
    convergence::wait(client, back, within, shown)?;
    Ok(())
}
