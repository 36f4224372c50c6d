//! What was predicted beside what was seen, for people and for programs.

use netwright_lab::probe::{Seen, What};
use netwright_verify::trace::Verdict;
use serde_json::{Value, json};

use super::Compared;
use super::questions::{Asked, Question};
use super::sizes::Fit;
use crate::console::{Console, Style};

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

pub(super) fn text(
    console: &mut Console,
    asked: &Asked,
    compared: &[Compared<'_>],
    left_out: &[String],
) {
    for (question, seen, _) in compared.iter().filter(|(.., agrees)| !agrees) {
        let head = console.styled(Style::Bad, "disagrees");
        console.line(&format!("{head}  {}", asked_of(question)));
        console.line(&format!("      predicted  {}", predicted(question)));
        console.line(&format!("      observed   {}", observed(question, seen)));
    }
    for what in left_out {
        let what = console.styled(Style::Doubt, &format!("not built: {what}"));
        console.line(&what);
    }
    let agree = compared.iter().filter(|(.., agrees)| *agrees).count();
    let works = compared.iter().filter(|(q, ..)| q.verdict == Verdict::Reachable).count();
    let total = compared.len();
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
    if asked.unknown > 0 {
        console.line(&format!(
            "{} have no verdict to confirm: the description lacks a fact",
            asked.unknown
        ));
    }
    if asked.shared > 0 {
        console.line(&format!(
            "{} are about an address that several hold: nobody can say where packets go",
            asked.shared
        ));
    }
    if asked.left > 0 {
        console.line(&format!("{} more were not tried; `--most` tries more", asked.left));
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

pub(super) fn document(asked: &Asked, compared: &[Compared<'_>], left_out: &[String]) -> Value {
    let questions: Vec<Value> =
        compared.iter().map(|(question, seen, agrees)| one(question, seen, *agrees)).collect();
    json!({
        "version": 1,
        "questions": questions,
        "unknown": asked.unknown,
        "address_shared": asked.shared,
        "not_tried": asked.left,
        "not_built": left_out,
    })
}

fn one(question: &Question, seen: &Seen, agrees: bool) -> Value {
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
    })
}
