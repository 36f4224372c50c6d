//! What packets said before an edit, and what they say after it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::commands::lab::call::{self, Made};
use crate::commands::prove::Measured;
use crate::console::{Console, Style};

/// Most pairs that are named.
const PAIRS: usize = 20;

/// What was seen of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fact {
    answered: bool,
    source: Option<IpAddr>,
    /// The verdict's reason, where it is not to work.
    why: Option<String>,
}

/// A question, as it can be asked again: from, to, at which address, what.
type Key = (String, String, IpAddr, String);

/// What was seen of all questions but those about sizes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts(BTreeMap<Key, Fact>);

/// Pairs with the services for which something changed, and why.
type Changes = BTreeMap<(String, String), (Vec<String>, Option<String>)>;

impl Facts {
    pub(super) fn of(measured: &Measured) -> Self {
        let asked = measured
            .compared()
            .filter(|(question, seen, _)| question.size().is_none() && !seen.untried);
        let facts = asked.map(|(question, seen, _)| {
            let key = (
                question.from.clone(),
                question.to.clone(),
                question.probe.target.ip(),
                question.service(),
            );
            let fact = Fact {
                answered: seen.answered,
                source: seen.source.filter(|_| seen.answered),
                why: question.why.clone(),
            };
            (key, fact)
        });
        Self(facts.collect())
    }

    /// Says what was answered before and is not now, and the other way round; and who is seen under another address.
    pub(super) fn tell(&self, before: &Self, console: &mut Console) {
        let (mut broke, mut cured, mut moved) = (Changes::new(), Changes::new(), Changes::new());
        for ((from, to, at, service), now) in &self.0 {
            let key = (from.clone(), to.clone(), *at, service.clone());
            let Some(was) = before.0.get(&key) else { continue };
            let (list, why) = match (was.answered, now.answered) {
                (true, false) => (&mut broke, now.why.clone()),
                (false, true) => (&mut cured, now.source.map(|source| format!("seen as {source}"))),
                (true, true) if was.source != now.source => (&mut moved, moved_by(was, now)),
                _ => continue,
            };
            let entry = list.entry((from.clone(), to.clone())).or_default();
            entry.0.push(service.clone());
            if entry.1.is_none() {
                entry.1 = why;
            }
        }
        if broke.is_empty() && cured.is_empty() && moved.is_empty() {
            console.line("packets: what was answered before is answered now, and nothing else");
            return;
        }
        list(console, "packets that are answered no more", Style::Bad, &broke);
        list(console, "packets that are answered now", Style::Good, &cured);
        list(console, "packets that are seen under another address", Style::Doubt, &moved);
    }
}

/// Says which calls of services are answered no more, or again, or are seen under another address; and all that still fail.
pub(super) fn calls(before: &[Made], now: &[Made], console: &mut Console) {
    if now.is_empty() {
        return;
    }
    console.line("");
    let of = |made: &Made| {
        let was =
            before.iter().find(|(was, _)| was.service == made.0.service && was.name == made.0.name);
        was.map(|(_, was)| was.answered)
    };
    let titles = [
        ("calls that fail now", Some(true), false),
        ("calls that still fail", Some(false), false),
        ("calls that are answered again", Some(false), true),
        ("new calls", None, true),
        ("new calls that fail", None, false),
    ];
    for (title, was, is) in titles {
        let own: Vec<Made> =
            now.iter().filter(|made| of(made) == was && made.1.answered == is).cloned().collect();
        if !own.is_empty() {
            console.line(&console.styled(Style::Strong, title));
            call::text(&own, console);
            console.line("");
        }
    }
    let fine = now.iter().filter(|(_, called)| called.answered).count();
    console.line(&format!("{fine} of {} calls of services are answered", now.len()));
}

fn moved_by(was: &Fact, now: &Fact) -> Option<String> {
    Some(format!("was {}, now {}", was.source?, now.source?))
}

fn list(console: &mut Console, title: &str, style: Style, changes: &Changes) {
    if changes.is_empty() {
        return;
    }
    console.line(&console.styled(Style::Strong, title));
    for ((from, to), (services, why)) in changes.iter().take(PAIRS) {
        let services = console.styled(style, &services.join(", "));
        let why = why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        console.line(&format!("  {from} → {to}  {services}{why}"));
    }
    if changes.len() > PAIRS {
        console.line(&format!("  and {} more pairs", changes.len() - PAIRS));
    }
}
