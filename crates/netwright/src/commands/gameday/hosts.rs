//! `netwright gameday run`, `status` and `stop` on hosts with agents: through a server.

mod from_machines;

use std::time::{Duration, Instant};

use netwright_control::api::faults::Faults;
use netwright_control::faults::{
    Effect, Names, NewFault, Pair, Said, Seen, Slow, Standing, State, Way,
};
use netwright_dataplane::kernel::pause;
use netwright_dns::settings::{Trouble, Wrong};
use netwright_gameday::cut::Cut;
use netwright_gameday::hosts::{
    Away, Flow, Live as Network, Said as Answered, Stand, refused, run as go,
};
use netwright_gameday::language::FaultKind;
use netwright_gameday::parties::Party;
use netwright_gameday::plan::{Does, Plan, Planned};
use netwright_gameday::run::{Setting, new_id};
use netwright_lab::faults::Strike;
use netwright_lab::interrupt::Interrupt;
use netwright_lab::link::{Amendment, Change, Direction};
use serde_json::{Value, json};
use ureq::http::Method;

use super::live::Live;
use super::run::{can, folder, here, told};
use super::{open, plan};
use crate::arguments::{Format, GamedayRun, Remote};
use crate::client::Client;
use crate::commands::change::decode;
use crate::commands::lab;
use crate::commands::observe;
use crate::console::{Code, Console, Style};
use crate::failure::Failure;

const PATH: &str = "/api/v1/faults";
/// Shortest lease of a fault on hosts.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long hosts may take to say what they saw, or that nothing is left.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(
    arguments: &GamedayRun,
    remote: &Remote,
    console: &mut Console,
) -> Result<Code, Failure> {
    let client = Client::new(remote)?;
    let id = new_id();
    let folder = folder(arguments, &id)?;
    std::fs::create_dir_all(&folder).map_err(|error| Failure::output(&folder, &error))?;
    // What is broken is the network as the server has it, whatever file the experiment names.
    let network = folder.join("network.yaml");
    let body = client.get("/api/v1/network")?.body;
    let text = body.get("description").and_then(Value::as_str).unwrap_or_default();
    std::fs::write(&network, text).map_err(|error| Failure::output(&network, &error))?;
    let opened = open(&arguments.experiment, Some(&network), &arguments.changes)?;
    can("to hosts", &refused(&opened.plan))?;
    // From here on a signal takes everything back first.
    let interrupt = Interrupt::note().map_err(lab::told)?;
    let text = arguments.format == Format::Text;
    if text {
        plan::text(&opened.plan, console);
        console.line("");
        console.flush();
    }
    let setting = Setting {
        plan: &opened.plan,
        host: &opened.host,
        lab: &remote.server,
        id: &id,
        experiment: &opened.name,
        text: &opened.text,
        home: &opened.home,
        network: &network,
        folder: &folder,
        exec: &[],
        here: &here()?,
    };
    let broken = Broken { client, plan: &opened.plan };
    let stop = || interrupt.asked();
    let outcome = {
        let mut live = Live::new(&opened.plan, text, console);
        go(&setting, &broken, &stop, &mut |event| live.tell(event))
    };
    let outcome = outcome.map_err(|failure| Failure::usage(failure.message, failure.help))?;
    told(&outcome, (&id, &folder), text, console)
}

/// A live network, through its server.
struct Broken<'a> {
    client: Client,
    plan: &'a Plan,
}

fn words(failure: Failure) -> String {
    match failure {
        Failure::Asked { message, notes, .. } if notes.is_empty() => message,
        Failure::Asked { message, notes, .. } => {
            // What was asked by whom stands in the server's records.
            let notes = notes.into_iter().filter(|note| !note.starts_with("request "));
            let notes: Vec<String> = notes.collect();
            if notes.is_empty() { message } else { format!("{message} ({})", notes.join("; ")) }
        }
        other => other.text(false).trim().to_owned(),
    }
}

impl Broken<'_> {
    fn ask(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
        self.client.ask(method, path, &[], body).map(|answer| answer.body).map_err(words)
    }

    fn seen(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Seen, String> {
        decode(self.ask(method, path, body)?).map_err(words)
    }

    /// An endpoint as the server knows it.
    fn full(&self, place: usize) -> String {
        self.plan.parties.0.get(place).map(|party| party.full.clone()).unwrap_or_default()
    }

    /// A fault of the plan as the server is asked for it.
    fn asked(&self, fault: &Planned) -> Result<NewFault, String> {
        let plan = self.plan;
        let safety = &plan.experiment.safety;
        let share = safety.most_pairs.map_or(50_000, |share| share.value.as_thousandths());
        let lease = u64::try_from(plan.lease.max(SHORTEST).as_millis()).unwrap_or(u64::MAX);
        let title = format!("{}: {}", plan.experiment.title.value, fault.name);
        let of_all = NewFault {
            title: title.chars().take(200).collect(),
            lease_ms: Some(lease),
            most_pairs: Some(plan.blast.pairs * u64::from(share) / 100_000),
            protect: safety
                .protect
                .iter()
                .chain(&safety.controller)
                .map(|name| name.value.clone())
                .collect(),
            protect_services: plan.protected.iter().map(ToString::to_string).collect(),
            ..NewFault::default()
        };
        match &fault.does {
            Does::Cut(cut) => Ok(self.cut(cut, of_all)),
            Does::Strike(_, how, holds) => Ok(NewFault {
                endpoints: fault.concerned.iter().map(|place| self.full(*place)).collect(),
                effect: if *how == Strike::Kill { Effect::Stop } else { Effect::Pause },
                process: holds.clone(),
                ..of_all
            }),
            Does::Links(changes) => Ok(self.slow(changes, of_all)),
            Does::Names(troubles) => Ok(NewFault {
                endpoints: fault.concerned.iter().map(|place| self.full(*place)).collect(),
                effect: Effect::Dns,
                names: troubles.values().flatten().next().map(wrong_names),
                ..of_all
            }),
            // Refused before anything is begun.
            Does::Clocks(..) => Err("agents do that to no host".to_owned()),
        }
    }

    /// Links are those of the endpoints that they belong to; all of a fault's are to do the same.
    fn slow(&self, changes: &[(String, Change)], of_all: NewFault) -> NewFault {
        let change = changes.first().map(|(_, change)| *change).unwrap_or_default();
        let Amendment { latency, jitter, duplicate, reorder, corrupt, loss, rate, .. } =
            change.amendment;
        let is_owner = |party: &Party| {
            party.links.iter().any(|link| changes.iter().any(|(name, _)| name == link))
        };
        let owners = self.plan.parties.0.iter().filter(|party| is_owner(party));
        NewFault {
            endpoints: owners.map(|party| party.full.clone()).collect(),
            effect: Effect::Slow,
            direction: match change.direction {
                Direction::Both => Way::Both,
                Direction::There => Way::There,
                Direction::Back => Way::Back,
            },
            slow: Some(Slow {
                latency_us: latency.unwrap_or_default(),
                jitter_us: jitter.unwrap_or_default(),
                duplicate: duplicate.unwrap_or_default(),
                reorder: reorder.unwrap_or_default(),
                corrupt: corrupt.unwrap_or_default(),
            }),
            seed: change.seed,
            share: loss,
            rate: rate.map(|rate| rate / 8),
            ..of_all
        }
    }

    fn cut(&self, cut: &Cut, of_all: NewFault) -> NewFault {
        let named =
            |(from, to): &(usize, usize)| Pair { from: self.full(*from), to: self.full(*to) };
        let turned: Vec<(usize, usize)> = cut.back.iter().map(|(a, b)| (*b, *a)).collect();
        let (pairs, direction) = match (cut.there.is_empty(), cut.back.is_empty()) {
            (false, true) => (cut.there.iter().map(named).collect(), Way::There),
            (true, _) => (turned.iter().map(named).collect(), Way::Back),
            (false, false) => (cut.there.iter().map(named).collect(), Way::Both),
        };
        NewFault {
            pairs,
            effect: effect(cut.kind),
            direction,
            initiation: cut.initiation,
            services: cut.services.iter().map(ToString::to_string).collect(),
            share: (cut.kind == FaultKind::Loss).then_some(cut.share),
            rate: (cut.kind == FaultKind::Rate).then_some(cut.octets),
            ..of_all
        }
    }
}

/// What name servers are to do, as the server is asked for it.
fn wrong_names(trouble: &Trouble) -> Names {
    let names = Names { names: trouble.names.clone(), ..Names::default() };
    match &trouble.what {
        Wrong::Silent => Names { answer: Said::NoAnswer, ..names },
        Wrong::Failure => Names { answer: Said::Error, ..names },
        Wrong::NoName => Names { answer: Said::NoName, ..names },
        Wrong::Addresses(addresses) => {
            Names { answer: Said::Wrong, addresses: addresses.clone(), ..names }
        }
        Wrong::Late(delay) => Names { answer: Said::Slow, delay_ms: Some(*delay), ..names },
    }
}

fn effect(kind: FaultKind) -> Effect {
    match kind {
        FaultKind::Reject => Effect::Reject,
        FaultKind::Reset => Effect::Reset,
        FaultKind::Hold => Effect::Hold,
        FaultKind::Kill => Effect::Kill,
        FaultKind::Loss => Effect::Loss,
        FaultKind::Rate => Effect::Rate,
        // Others are refused before anything is begun.
        _ => Effect::Drop,
    }
}

impl Network for Broken<'_> {
    fn inject(&self, fault: &Planned) -> Result<String, String> {
        let body = serde_json::to_value(self.asked(fault)?).map_err(|error| error.to_string())?;
        Ok(self.seen(&Method::POST, PATH, Some(&body))?.id)
    }

    fn renew(&self, id: &str) -> Result<(), String> {
        self.ask(&Method::POST, &format!("{PATH}/{id}/renew"), None).map(drop)
    }

    fn end(&self, id: &str) -> Result<(), String> {
        self.ask(&Method::DELETE, &format!("{PATH}/{id}"), None).map(drop)
    }

    fn stands(&self, id: &str) -> Result<Stand, String> {
        let seen = self.seen(&Method::GET, &format!("{PATH}/{id}"), None)?;
        let refused = seen.hosts.iter().filter(|one| one.broken.standing == Standing::Refused);
        let wrong = refused.map(|one| {
            format!("{}: {}", one.host, one.broken.why.as_deref().unwrap_or("it is refused"))
        });
        let wrong = wrong.collect();
        let Seen { applied, gone, met, struck, .. } = seen;
        Ok(Stand { applied, gone, met, struck, wrong })
    }

    fn observe(&self, flows: &[Flow]) -> Result<Vec<Option<bool>>, String> {
        let asked: Vec<Value> = flows
            .iter()
            .map(|flow| json!({ "from": flow.from, "to": flow.to, "port": flow.port }))
            .collect();
        let body = json!({ "flows": asked });
        let found = observe::asked(&self.client, &body, PATIENCE).map_err(words)?;
        let answered = |flow: &Flow| {
            let own = found.rows.iter().filter(|row| {
                let question = &row.question;
                (&question.from, &question.to, question.port) == (&flow.from, &flow.to, flow.port)
            });
            let seen: Vec<bool> = own.filter_map(|row| row.observed).collect();
            (!seen.is_empty()).then(|| seen.contains(&true))
        };
        Ok(flows.iter().map(answered).collect())
    }

    fn ask(&self, away: &Away) -> Result<Answered, String> {
        from_machines::ask(&self.client, away)
    }
}

fn all(client: &Client) -> Result<Vec<Seen>, Failure> {
    let faults: Faults = decode(client.get(PATH)?.body)?;
    Ok(faults.faults)
}

/// A fault on hosts, in words.
fn line(fault: &Seen) -> String {
    let state = match fault.state {
        State::On if fault.applied => "on",
        State::On => "not on every host yet",
        State::Ended => "ended",
        State::Expired => "expired: nobody renewed it",
    };
    let hosts: Vec<&str> = fault.hosts.iter().map(|one| one.host.as_str()).collect();
    let did = match fault.asked.effect {
        Effect::Pause | Effect::Stop => format!("it struck {} processes", fault.struck),
        Effect::Dns => format!("it met {} questions", fault.met),
        _ => format!("it met {} packets", fault.met),
    };
    format!(
        "{} ({}), {state}: {} pairs, on {}; {did}",
        fault.asked.title,
        fault.id,
        fault.concerned,
        hosts.join(", ")
    )
}

pub(super) fn status(
    remote: &Remote,
    format: Format,
    console: &mut Console,
) -> Result<Code, Failure> {
    let client = Client::new(remote)?;
    let faults = all(&client)?;
    if format == Format::Json {
        let faults = serde_json::to_value(&faults).unwrap_or_default();
        console.json(&json!({"version": 1, "server": remote.server, "faults": faults}));
        return Ok(Code::Pass);
    }
    if faults.iter().all(|fault| fault.state != State::On && fault.gone) {
        console.line(&format!("{}: nothing is broken on purpose", remote.server));
    }
    for fault in &faults {
        let doubt = fault.state == State::On || !fault.gone;
        let text = line(fault);
        console.line(&if doubt { console.styled(Style::Doubt, &text) } else { text });
    }
    Ok(Code::Pass)
}

pub(super) fn stop(remote: &Remote, console: &mut Console) -> Result<Code, Failure> {
    let client = Client::new(remote)?;
    let ended: Faults = decode(client.ask(&Method::DELETE, PATH, &[], None)?.body)?;
    if ended.faults.is_empty() {
        console.line(&format!("{}: nothing was on", remote.server));
    }
    for fault in &ended.faults {
        console.line(&format!("stopped: {}", line(fault)));
    }
    let begun = Instant::now();
    let left = loop {
        let left: Vec<Seen> = all(&client)?.into_iter().filter(|fault| !fault.gone).collect();
        if left.is_empty() || begun.elapsed() > PATIENCE {
            break left;
        }
        pause(LOOK);
    };
    for fault in &left {
        console.line(&console.styled(Style::Bad, &format!("is left: {}", line(fault))));
    }
    if left.is_empty() {
        console.line(&format!("{}: nothing is left of faults", remote.server));
        return Ok(Code::Pass);
    }
    Ok(Code::Fail)
}
