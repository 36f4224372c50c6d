//! What was predicted beside what was seen, for people and for programs.

use netwright_dataplane::kernel::Fate;
use netwright_lab::probe::{Seen, What};
use netwright_verify::trace::Verdict;
use netwright_verify::trace::{Hop, hops};
use serde_json::{Value, json};

use super::super::trace;
use super::balanced;
use super::disagreement::Disagreement;
use super::names;
use super::questions::Question;
use super::sizes::Fit;
use super::{Compared, Measured, facts};
use crate::console::{Console, Style};
use crate::network::Input;
use crate::table::table;

/// Most pairs that are shown to people.
const ROWS: usize = 30;

fn observed(question: &Question, seen: &Seen) -> String {
    let source = seen.source.map_or_else(String::new, |source| format!(", seen as {source}"));
    let why = seen.why.as_ref().map_or_else(String::new, |why| format!("; {why}"));
    match (seen.answered, seen.arrived) {
        (true, _) => {
            let sizes = match (question.probe.what, seen.there, seen.back) {
                (What::Transfer, Some(there), Some(back)) if there == back => {
                    format!(", packets of {there} octets")
                }
                (What::Transfer, Some(there), Some(back)) => {
                    format!(", packets of {there} octets, of {back} back")
                }
                (What::Transfer, Some(there), None) => format!(", packets of {there} octets"),
                _ => String::new(),
            };
            format!("answered{source}{sizes}{why}")
        }
        (false, true) => format!("arrived{source}, not answered{why}"),
        (false, false) => seen.why.clone().unwrap_or_else(|| "no answer".to_owned()),
    }
}

fn predicted(question: &Question) -> String {
    let source = question.source.map_or_else(String::new, |source| format!(", seen as {source}"));
    match (question.verdict, &question.why) {
        (Verdict::Reachable, _) => {
            let sizes = match question.fits {
                (Fit::Exactly(there), Fit::Exactly(back)) if there == back => {
                    format!(", packets of {there} octets")
                }
                (Fit::Exactly(there), Fit::Exactly(back)) => {
                    format!(", packets of {there} octets, of {back} back")
                }
                (Fit::Exactly(there), Fit::Stops) => {
                    format!(", packets of {there} octets; full packets back are lost")
                }
                (Fit::Exactly(there), Fit::NotSaid) => format!(", packets of {there} octets"),
                (Fit::Stops, _) => "; full packets are lost".to_owned(),
                (Fit::NotSaid, Fit::Exactly(back)) => format!(", packets of {back} octets back"),
                (Fit::NotSaid, Fit::Stops) => "; full packets back are lost".to_owned(),
                (Fit::NotSaid, Fit::NotSaid) => String::new(),
            };
            format!("reachable{source}{sizes}")
        }
        (verdict, Some(why)) => format!("{}: {why}", verdict.word()),
        (verdict, None) => verdict.word().to_owned(),
    }
}

/// What is asked, in few words.
fn asked_of(question: &Question) -> String {
    let size = question.size().map_or_else(String::new, |octets| format!(" of {octets} octets"));
    format!(
        "{} → {} {} {}{size}",
        question.from,
        question.to,
        question.probe.target.ip(),
        question.service()
    )
}

pub(in crate::commands) fn text(console: &mut Console, input: &Input, proof: &Measured) {
    let compared: Vec<Compared<'_>> = proof.compared().collect();
    measured(console, &compared);
    balanced::show::measured(console, &proof.balanced().collect::<Vec<_>>());
    deviating(console, input, proof, &compared);
}

/// The same without what was measured.
pub(in crate::commands) fn short(console: &mut Console, input: &Input, proof: &Measured) {
    deviating(console, input, proof, &proof.compared().collect::<Vec<_>>());
}

/// What disagrees and what was not tried, and the sum.
fn deviating(console: &mut Console, input: &Input, proof: &Measured, compared: &[Compared<'_>]) {
    for (at, (question, seen, agrees)) in compared.iter().enumerate() {
        match agrees {
            Some(true) => {}
            Some(false) => {
                let head = console.styled(Style::Bad, "disagrees");
                console.line(&format!("{head}  {}", asked_of(question)));
                console.line(&format!("      predicted  {}", predicted(question)));
                console.line(&format!("      observed   {}", observed(question, seen)));
                let both = proof.disagreements.iter().find(|found| found.at == at);
                if let Some(both) = both {
                    both_sides(console, input, both);
                }
            }
            None => {
                let head = console.styled(Style::Doubt, "not tried");
                console.line(&format!("{head}  {}: {}", asked_of(question), why(seen)));
            }
        }
    }
    let through: Vec<_> = proof.balanced().collect();
    balanced::show::deviating(console, &through);
    for tunnel in &proof.tunnels {
        let made = tunnel.made.as_deref().unwrap_or("nothing");
        let line = format!("tunnel {}: {made}", tunnel.name);
        if tunnel.up {
            console.line(&line);
        } else {
            let line = format!("{line}; {}", tunnel.wrong.join("; "));
            console.line(&console.styled(Style::Bad, &line));
        }
    }
    for what in &proof.left_out {
        let what = console.styled(Style::Doubt, &format!("not built: {what}"));
        console.line(&what);
    }
    summary(console, proof, compared);
    balanced::show::summary(console, &through);
    names::text(console, &proof.names);
}

/// What was measured, as a table.
fn measured(console: &mut Console, compared: &[Compared<'_>]) {
    let (rows, silent) = facts::rows(compared);
    let (shown, more) = (rows.len().min(ROWS), rows.len().saturating_sub(ROWS));
    // Those that disagree first where not all are shown.
    let mut order: Vec<usize> = (0..rows.len()).collect();
    if more > 0 {
        order.sort_by_key(|at| rows[*at].1 == 0);
    }
    let order = &order[..shown];
    let cells: Vec<[String; 6]> = order.iter().map(|at| rows[*at].0.clone()).collect();
    if !cells.is_empty() {
        table(facts::HEAD, &cells, console, |at| (rows[order[at]].1 > 0).then_some(Style::Bad));
    }
    if more > 0 {
        console.line(&format!("and {more} more pairs; `--format json` has all"));
    }
    if silent > 0 {
        let pairs = if silent == 1 { "pair" } else { "pairs" };
        console.line(&format!(
            "nothing passes between {silent} {}{pairs}",
            if cells.is_empty() { "" } else { "other " }
        ));
    }
    if !compared.is_empty() {
        console.line("");
    }
}

/// The predicted path, and what netfilter did.
fn both_sides(console: &mut Console, input: &Input, found: &Disagreement) {
    let network = &input.network;
    let mut directions = vec![("forward", hops(network, &found.trace.forward))];
    directions.extend(found.trace.back.as_ref().map(|back| ("back", hops(network, back))));
    for (word, hops) in directions {
        console.line(&console.styled(Style::Strong, &format!("    predicted, {word}")));
        trace::list(console, input, &hops);
    }
    console.line(&console.styled(Style::Strong, "    in the kernel"));
    match &found.kernel {
        Err(why) => console.line(&format!("      could not be followed: {why}")),
        Ok(passages) if passages.is_empty() => {
            console.line("      no packet was seen in any namespace");
        }
        Ok(passages) => {
            for passage in passages {
                let stops = matches!(passage.fate, Fate::Dropped { .. } | Fate::NotRouted);
                let mark = if stops { "✗" } else { " " };
                let line = format!("      {mark} {}: {passage}", passage.namespace);
                let line = if stops { console.styled(Style::Bad, &line) } else { line };
                console.line(&line);
            }
        }
    }
}

fn why(seen: &Seen) -> &str {
    seen.why.as_deref().unwrap_or("no reason is known")
}

fn summary(console: &mut Console, proof: &Measured, compared: &[Compared<'_>]) {
    let asked = &proof.asked;
    let tried = compared.iter().filter(|(.., agrees)| agrees.is_some());
    let (total, works) = (
        tried.clone().count(),
        tried.clone().filter(|(q, ..)| q.verdict == Verdict::Reachable).count(),
    );
    let agree = tried.filter(|(.., agrees)| *agrees == Some(true)).count();
    let head = format!("{agree} of {total} predictions were seen to be true");
    let style = if agree == total { Style::Good } else { Style::Bad };
    let head = console.styled(style, &head);
    console.line(&format!("{head}: {works} that it works, {} that it does not", total - works));
    let kinds: Vec<String> = kinds(compared)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    if !kinds.is_empty() {
        console.line(&format!("asked by {}", kinds.join(", ")));
    }
    weather(console, proof);
    let untried = compared.len() - total;
    let told = [
        (untried, "could not be tried"),
        (asked.unknown, "have no verdict to confirm: the description lacks a fact"),
        (asked.shared, "are about an address that several have: packets do not tell who is meant"),
        (asked.beyond, "go through load balancers in a way that is not asked"),
        (asked.left, "more were not tried; `--most` tries more"),
    ];
    for (count, what) in told.iter().filter(|(count, _)| *count > 0) {
        console.line(&format!("{count} {what}"));
    }
}

/// What links did to packets, where that has a part in what was seen.
fn weather(console: &mut Console, proof: &Measured) {
    let weather = &proof.weather;
    if weather.is_lossy() {
        let repaired = match weather.repaired {
            0 => String::new(),
            1 => ", and 1 answer came only then".to_owned(),
            several => format!(", and {several} answers came only then"),
        };
        let what = format!(
            "links lose packets ({}): what did not come was asked {} times{repaired}",
            some(&weather.lossy),
            weather.rounds
        );
        console.line(&console.styled(Style::Doubt, &what));
    }
    if !weather.cut.is_empty() {
        let what = format!("links lose everything one way or both: {}", some(&weather.cut));
        console.line(&console.styled(Style::Doubt, &what));
    }
}

/// The first few names, and how many more.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let first = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// How many of each kind were asked.
fn kinds(compared: &[Compared<'_>]) -> [(&'static str, usize); 4] {
    let count = |of: fn(&Question) -> bool| compared.iter().filter(|(q, ..)| of(q)).count();
    let sized = |question: &Question| {
        question.size().is_some() || question.fits != (Fit::NotSaid, Fit::NotSaid)
    };
    [
        ("TCP connections", count(|q| matches!(q.probe.what, What::Connect | What::Transfer))),
        ("UDP datagrams", count(|q| matches!(q.probe.what, What::Datagram { .. }))),
        ("ICMP echoes", count(|q| matches!(q.probe.what, What::Echo { .. }))),
        ("of these for the largest packet", compared.iter().filter(|(q, ..)| sized(q)).count()),
    ]
}

pub(super) fn document(input: &Input, proof: &Measured) -> Value {
    let questions = proof.compared().enumerate().map(|(at, compared)| {
        let both = proof.disagreements.iter().find(|found| found.at == at);
        one(input, compared, both)
    });
    json!({
        "version": 1,
        "questions": questions.collect::<Vec<Value>>(),
        "balanced": balanced::show::document(&proof.balanced().collect::<Vec<_>>()),
        "unknown": proof.asked.unknown,
        "beyond_balancers": proof.asked.beyond,
        "names": names::document(&proof.names),
        "address_shared": proof.asked.shared,
        "not_tried": proof.asked.left,
        "tunnels": proof.tunnels,
        "not_built": proof.left_out,
        "asked_at_most": proof.weather.rounds,
        "answered_only_when_asked_again": proof.weather.repaired,
        "lossy_links": proof.weather.lossy,
        "cut_links": proof.weather.cut,
    })
}

fn one(input: &Input, compared: Compared<'_>, both: Option<&Disagreement>) -> Value {
    let (question, seen, agrees) = compared;
    let (protocol, port) = match question.probe.what {
        What::Connect | What::Transfer => ("tcp", Some(question.probe.target.port())),
        What::Datagram { .. } => ("udp", Some(question.probe.target.port())),
        What::Echo { .. } => ("icmp-echo", None),
    };
    let fit = |fit: Fit| match fit {
        Fit::Exactly(octets) => json!(octets),
        Fit::Stops => json!("lost"),
        Fit::NotSaid => Value::Null,
    };
    json!({
        "from": question.from,
        "to": question.to,
        "source": question.flow.src.to_string(),
        "destination": question.probe.target.ip().to_string(),
        "protocol": protocol,
        "port": port,
        "octets": question.size(),
        "verdict": question.verdict.word(),
        "reason": question.why,
        "source_predicted": question.source.map(|source| source.to_string()),
        "largest_predicted": fit(question.fits.0),
        "largest_back_predicted": fit(question.fits.1),
        "answered": seen.answered,
        "arrived": seen.arrived,
        "source_seen": seen.source.map(|source| source.to_string()),
        "largest_seen": seen.there,
        "largest_back_seen": seen.back,
        "observed": observed(question, seen),
        "agrees": agrees,
        "disagreement": both.map(|both| disagreement(input, both)),
    })
}

fn disagreement(input: &Input, found: &Disagreement) -> Value {
    let told = |hops: Vec<Hop>| -> Vec<Value> {
        hops.iter().map(|hop| trace::hop_json(&input.sources, hop)).collect()
    };
    let (network, back) = (&input.network, found.trace.back.as_ref());
    json!({
        "forward": told(hops(network, &found.trace.forward)),
        "return": back.map(|back| told(hops(network, back))),
        "kernel": found.kernel.as_ref().ok(),
        "kernel_unknown": found.kernel.as_ref().err(),
    })
}
