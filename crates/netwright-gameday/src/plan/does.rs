//! One fault: from what is written to what is done.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_dataplane::plan::{HostPlan, What};
use netwright_dns::settings::{Range, Trouble, Wrong};
use netwright_lab::faults::Strike;
use netwright_lab::link::{Amendment, Change, Direction};
use netwright_model::diagnostic::Diagnostic;
use netwright_model::scalar::{Bandwidth, Delay, Percent};
use netwright_model::source::{Span, Spanned};

use super::choose::{Pair, pairs};
use super::{Does, MOST_PAIRS, Planned};
use crate::cut::Cut;
use crate::journal::Place;
use crate::language::{DnsWrong, Fault, FaultKind, Shape, Way};
use crate::parties::Parties;
use crate::schedule::Turns;

/// Whoever turns what is written into what is done.
pub(super) struct Choosing<'a> {
    pub(super) parties: &'a Parties,
    pub(super) lab: &'a HostPlan,
    /// Whether the experiment has the reference system.
    pub(super) has_reference: bool,
    pub(super) wrong: &'a mut Vec<Diagnostic>,
    pub(super) notes: &'a mut Vec<String>,
}

fn value<T: Copy + Default>(given: Option<&Spanned<T>>) -> T {
    given.map(|given| given.value).unwrap_or_default()
}

/// Machines of the reference system whose wall clock can be made wrong.
const CLOCKS: [&str; 2] = ["gateway", "worker"];
/// The most that a clock is wrong, in milliseconds: by more, it orders nothing any more.
const MOST_WRONG: u64 = 24 * 60 * 60 * 1000;

fn millis(time: &Spanned<netwright_model::scalar::Duration>) -> i64 {
    i64::try_from(time.value.as_millis()).unwrap_or(i64::MAX)
}

/// What follows from no seed that was given follows from a name.
pub(super) fn seed(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01B3)
    })
}

impl Choosing<'_> {
    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>, help: &str) {
        let error = Diagnostic::error(code, span, message);
        self.wrong.push(if help.is_empty() { error } else { error.with_help(help) });
    }

    /// What a fault does; `None` where something is wrong with it, which was told then.
    pub(super) fn fault(&mut self, name: &Spanned<String>, fault: &Fault) -> Option<Planned> {
        let before = self.wrong.len();
        let kind = value(fault.kind.as_ref());
        let seed = fault.seed.map_or_else(|| seed(&name.value), |seed| seed.value);
        let one = self.side(&fault.between);
        if fault.between.is_empty() {
            self.error(
                "NW-GD-001",
                name.span,
                format!("the fault {} is between nothing", name.value),
                "give it `between`, and `and` where it is not everything else",
            );
        }
        let mut other = self.side(&fault.and);
        if fault.and.is_empty() {
            other = (0..self.parties.0.len()).filter(|place| !one.contains(place)).collect();
        }
        let shape = value(fault.shape.as_ref());
        let share = fault.share.map_or(100_000, |share| share.value.as_thousandths());
        let chosen = pairs(
            shape,
            [&one, &other],
            if shape == Shape::Partial { share } else { 100_000 },
            seed,
        );
        let does = match kind {
            FaultKind::Dns => self.names(fault, &one, name.span),
            FaultKind::Pause => self.strike(fault, &one, Strike::Pause),
            FaultKind::Stop => self.strike(fault, &one, Strike::Kill),
            FaultKind::Slow => self.links(name, fault, [&one, &other]),
            FaultKind::Clock => self.clocks(name, fault, &one),
            _ => self.cut((name, kind), fault, &chosen),
        };
        let turns = fault.schedule.as_ref().map(|schedule| Turns {
            on: std::time::Duration::from_millis(schedule.on.value.as_millis()),
            off: std::time::Duration::from_millis(schedule.off.value.as_millis()),
            jitter: schedule.jitter.map_or(0, |jitter| jitter.value.as_thousandths()),
            seed,
        });
        if let (Some(turns), Some(schedule)) = (turns, &fault.schedule)
            && turns.on.min(turns.off).as_millis() < 100
        {
            self.error("NW-GD-002", schedule.span.0, "a turn is at least 100 ms", "");
        }
        if self.wrong.len() > before {
            return None;
        }
        let (concerned, met) = self.concerned(&does, (&one, &other), &chosen);
        let what = words(kind, fault, self.parties, (&one, &other, chosen.len()));
        let linked = matches!(does, Does::Cut(_) | Does::Links(_));
        let place = Place {
            kind: kind.to_string(),
            from: listed(self.parties, &one),
            to: linked.then(|| listed(self.parties, &other)),
            direction: value(fault.direction.as_ref()).to_string(),
        };
        Some(Planned { name: name.value.clone(), what, place, does, concerned, pairs: met, turns })
    }

    /// The endpoints that are named, sorted.
    fn side(&mut self, names: &[Spanned<String>]) -> Vec<usize> {
        let mut all = BTreeSet::new();
        for name in names {
            match self.parties.select(&name.value) {
                Ok(found) => all.extend(found),
                Err(near) => {
                    let help = match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "name an endpoint of the description, or `group:`, `tag:`, `subnet:`, `vpc:`, `zone:` or `region:` and a name".to_owned(),
                    };
                    let message = format!("`{}` names nothing of this network", name.value);
                    self.error("NW-GD-003", name.span, message, &help);
                }
            }
        }
        all.into_iter().collect()
    }

    fn cut(
        &mut self,
        (name, kind): (&Spanned<String>, FaultKind),
        fault: &Fault,
        chosen: &BTreeSet<Pair>,
    ) -> Does {
        if chosen.is_empty() && self.wrong.is_empty() {
            self.error(
                "NW-GD-001",
                name.span,
                format!("the fault {} concerns no pair of endpoints", name.value),
                "",
            );
        }
        if chosen.len() > MOST_PAIRS {
            let message = format!(
                "{} pairs are more than the {MOST_PAIRS} that a fault may cut",
                chosen.len()
            );
            self.error("NW-GD-004", name.span, message, "");
        }
        for place in chosen.iter().flat_map(|(a, b)| [*a, *b]).collect::<BTreeSet<usize>>() {
            if self.parties.0.get(place).is_some_and(|party| party.vague) {
                let message = format!(
                    "{} is a range of more than 256 addresses, which cannot be cut",
                    self.parties.name(place)
                );
                self.error(
                    "NW-GD-005",
                    name.span,
                    message,
                    "name what it talks to instead, or give it fewer addresses",
                );
            }
        }
        let direction = value(fault.direction.as_ref());
        let there = if direction == Way::Back { BTreeSet::new() } else { chosen.clone() };
        let back = if direction == Way::There {
            BTreeSet::new()
        } else {
            chosen.iter().map(|(a, b)| (*b, *a)).collect()
        };
        let rate = fault.rate.map_or(0, |rate| rate.value.as_bits());
        if kind == FaultKind::Rate && rate == 0 {
            self.error("NW-GD-002", name.span, "a fault of the kind rate needs `rate`", "");
        }
        let share = match (kind, fault.share) {
            (FaultKind::Loss, None) => {
                self.error("NW-GD-002", name.span, "a fault of the kind loss needs `share`", "");
                0
            }
            (FaultKind::Loss, Some(share)) => share.value.as_thousandths(),
            _ => 100_000,
        };
        Does::Cut(Cut {
            kind,
            there,
            back,
            initiation: value(fault.initiation.as_ref()),
            services: fault.services.iter().map(|service| service.value).collect(),
            share,
            octets: rate / 8,
        })
    }

    /// Links that carry the packets between two sides: those of the side whose links carry fewer packets of others.
    fn links(&mut self, name: &Spanned<String>, fault: &Fault, sides: [&[usize]; 2]) -> Does {
        let amendment = Amendment {
            latency: fault.latency.map(|latency: Spanned<Delay>| latency.value.as_micros()),
            jitter: fault.jitter.map(|jitter| jitter.value.as_micros()),
            duplicate: fault.duplicate.map(|share: Spanned<Percent>| share.value.as_thousandths()),
            reorder: fault.reorder.map(|share| share.value.as_thousandths()),
            corrupt: fault.corrupt.map(|share| share.value.as_thousandths()),
            rate: fault.rate.map(|rate: Spanned<Bandwidth>| rate.value.as_bits()),
            loss: fault.share.map(|share| share.value.as_thousandths()),
            limit: None,
        };
        if amendment == Amendment::default() {
            self.error("NW-GD-002", name.span, "a fault of the kind slow needs `latency`, `jitter`, `duplicate`, `reorder`, `corrupt`, `rate` or `share`", "");
        }
        // A link of a member of one side carries its packets to everybody who is not of the other.
        let others = self.parties.0.len();
        let beyond = |own: &[usize], far: &[usize]| {
            let far = far.iter().filter(|place| !own.contains(place)).count();
            own.len() * others.saturating_sub(far + 1)
        };
        let second = beyond(sides[1], sides[0]) <= beyond(sides[0], sides[1]);
        let own = if second { sides[1] } else { sides[0] };
        let direction = match (value(fault.direction.as_ref()), second) {
            (Way::Both, _) => Direction::Both,
            // A link's way there goes from the machine that it belongs to.
            (Way::There, false) | (Way::Back, true) => Direction::There,
            (Way::There, true) | (Way::Back, false) => Direction::Back,
        };
        let links: BTreeSet<&String> = own
            .iter()
            .filter_map(|place| self.parties.0.get(*place))
            .flat_map(|party| &party.links)
            .collect();
        let beyond = beyond(own, if second { sides[0] } else { sides[1] });
        if beyond > 0 {
            let names: Vec<&str> = links.iter().map(|link| link.as_str()).collect();
            let more = format!(
                "{}: the links {} carry {beyond} other pairs too, which are as slow",
                name.value,
                names.join(", ")
            );
            self.notes.push(more);
        }
        let change =
            Change { direction, amendment, seed: fault.seed.map(|seed| seed.value), clear: false };
        Does::Links(links.into_iter().map(|link| (link.clone(), change)).collect())
    }

    fn names(&mut self, fault: &Fault, clients: &[usize], span: Span) -> Does {
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in &fault.addresses {
            match address.value.parse() {
                Ok(address) => addresses.push(address),
                Err(_) => self.error(
                    "NW-GD-002",
                    address.span,
                    format!("`{}` is no address", address.value),
                    "",
                ),
            }
        }
        let what = match value(fault.answer.as_ref()) {
            DnsWrong::NoAnswer => Wrong::Silent,
            DnsWrong::Error => Wrong::Failure,
            DnsWrong::NoName => Wrong::NoName,
            DnsWrong::Wrong => {
                if addresses.is_empty() {
                    self.error("NW-GD-002", span, "a wrong answer needs `addresses`", "");
                }
                Wrong::Addresses(addresses)
            }
            DnsWrong::Slow => {
                Wrong::Late(fault.delay.map_or(5_000, |delay| delay.value.as_millis()))
            }
        };
        let own = clients.iter().filter_map(|place| self.parties.0.get(*place));
        let clients = own.flat_map(|party| &party.addresses).map(|address| Range {
            address: *address,
            length: if address.is_ipv4() { 32 } else { 128 },
        });
        let names = fault.names.iter().map(|name| name.value.trim_end_matches('.').to_owned());
        let trouble =
            Trouble { names: names.collect(), clients: clients.collect(), what, lasts: None };
        let is_server = |what: &What| matches!(what, What::Part { part, .. } if part == "dns");
        let servers = self.lab.tasks.iter().filter(|task| is_server(&task.what));
        let troubles: BTreeMap<String, Vec<Trouble>> =
            servers.map(|task| (task.namespace.clone(), vec![trouble.clone()])).collect();
        if troubles.is_empty() {
            self.error(
                "NW-GD-006",
                span,
                "the network has no name server",
                "describe `dns_zones`, or names of hosts",
            );
        }
        Does::Names(troubles)
    }

    fn strike(&self, fault: &Fault, own: &[usize], how: Strike) -> Does {
        let own = own.iter().filter_map(|place| self.parties.0.get(*place));
        let spaces = own.flat_map(|party| party.namespaces.iter().cloned()).collect();
        Does::Strike(spaces, how, fault.process.as_ref().map(|process| process.value.clone()))
    }

    fn clocks(&mut self, name: &Spanned<String>, fault: &Fault, own: &[usize]) -> Does {
        if !self.has_reference {
            let message = "clocks are those of the reference system, and the experiment has none: the clock of a machine is one for all that runs on it";
            self.error("NW-GD-006", name.span, message, "`reference: {}`");
        }
        let names: Vec<String> =
            own.iter().map(|place| self.parties.name(*place).to_owned()).collect();
        for other in names.iter().filter(|name| !CLOCKS.contains(&name.as_str())) {
            let message = format!("{other} has no clock of its own");
            let help = format!("there are those of {}", CLOCKS.join(" and "));
            self.error("NW-GD-006", name.span, message, &help);
        }
        let offset = match (fault.ahead, fault.behind) {
            (Some(ahead), None) => millis(&ahead),
            (None, Some(behind)) => millis(&behind).saturating_neg(),
            _ => 0,
        };
        if !(1..=MOST_WRONG).contains(&offset.unsigned_abs()) {
            let message = "a fault of the kind clock needs `ahead` or `behind`: 1 ms to 24 h";
            self.error("NW-GD-002", name.span, message, "");
        }
        Does::Clocks(names, offset)
    }

    /// The endpoints that a fault concerns, and the unordered pairs whose packets it meets.
    fn concerned(
        &self,
        does: &Does,
        (one, other): (&[usize], &[usize]),
        chosen: &BTreeSet<Pair>,
    ) -> (BTreeSet<usize>, BTreeSet<(usize, usize)>) {
        let unordered = |(a, b): Pair| (a.min(b), a.max(b));
        match does {
            Does::Cut(_) => {
                let concerned = chosen.iter().flat_map(|(a, b)| [*a, *b]).collect();
                (concerned, chosen.iter().copied().map(unordered).collect())
            }
            Does::Links(changes) => {
                let links: BTreeSet<&String> = changes.iter().map(|(link, _)| link).collect();
                let owns = |place: &usize| {
                    self.parties
                        .0
                        .get(*place)
                        .is_some_and(|party| party.links.iter().any(|link| links.contains(link)))
                };
                let all = 0..self.parties.0.len();
                let owners = all.clone().filter(owns);
                let pairs = owners.flat_map(|own| all.clone().map(move |far| (own, far)));
                let pairs = pairs.filter(|(a, b)| a != b).map(unordered).collect();
                (one.iter().chain(other).copied().collect(), pairs)
            }
            Does::Names(_) | Does::Strike(..) | Does::Clocks(..) => {
                (one.iter().copied().collect(), BTreeSet::new())
            }
        }
    }
}

fn listed(parties: &Parties, own: &[usize]) -> String {
    const SHOWN: usize = 4;
    let mut names: Vec<&str> = own.iter().take(SHOWN).map(|place| parties.name(*place)).collect();
    let more = format!("{} more", own.len().saturating_sub(SHOWN));
    if own.len() > SHOWN {
        names.push(&more);
    }
    names.join(", ")
}

/// A fault in words.
fn words(
    kind: FaultKind,
    fault: &Fault,
    parties: &Parties,
    (one, other, pairs): (&[usize], &[usize], usize),
) -> String {
    let (one, far) = (listed(parties, one), listed(parties, other));
    let share = fault.share.map(|share| share.value.to_string()).unwrap_or_default();
    let slow = || {
        let mut parts = Vec::new();
        parts.extend(fault.latency.map(|latency| format!("{} longer", latency.value)));
        parts.extend(fault.jitter.map(|jitter| format!("jitter {}", jitter.value)));
        parts.extend(fault.duplicate.map(|share| format!("{} twice", share.value)));
        parts.extend(fault.reorder.map(|share| format!("{} overtake", share.value)));
        parts.extend(fault.corrupt.map(|share| format!("{} damaged", share.value)));
        parts.extend(fault.rate.map(|rate| format!("at most {}", rate.value)));
        parts.extend(fault.share.map(|share| format!("{} lost", share.value)));
        parts.join(", ")
    };
    let what = match kind {
        FaultKind::Drop => "packets are lost".to_owned(),
        FaultKind::Reject => "packets are refused".to_owned(),
        FaultKind::Reset => "connections are reset".to_owned(),
        FaultKind::Hold => "connections are made and nothing is said over them".to_owned(),
        FaultKind::Kill => "connections that are there are reset".to_owned(),
        FaultKind::Loss => format!("{share} of the packets are lost"),
        FaultKind::Rate => {
            format!(
                "at most {} passes",
                fault.rate.map(|rate| rate.value.to_string()).unwrap_or_default()
            )
        }
        FaultKind::Slow => slow(),
        FaultKind::Dns => {
            let names: Vec<&str> = fault.names.iter().map(|name| name.value.as_str()).collect();
            let names = if names.is_empty() { "all names".to_owned() } else { names.join(", ") };
            return format!(
                "name servers: {} about {names}, asked by {one}",
                value(fault.answer.as_ref())
            );
        }
        FaultKind::Clock => {
            let ahead = fault.ahead.map(|time| format!("{} ahead", time.value));
            let behind = fault.behind.map(|time| format!("{} behind", time.value));
            let by = ahead.or(behind).unwrap_or_default();
            return format!("wall clocks of {one} are {by}");
        }
        FaultKind::Pause => return format!("processes of {one} stand still"),
        FaultKind::Stop => return format!("processes of {one} are ended"),
    };
    let arrow = match value(fault.direction.as_ref()) {
        Way::Both => "↔",
        Way::There => "→",
        Way::Back => "←",
    };
    let initiation =
        if value(fault.initiation.as_ref()) { ", only what begins a connection" } else { "" };
    let services: Vec<String> =
        fault.services.iter().map(|service| service.value.to_string()).collect();
    let services =
        if services.is_empty() { String::new() } else { format!(", {}", services.join(", ")) };
    match value(fault.shape.as_ref()) {
        Shape::Split => format!("{one} {arrow} {far}: {what}{initiation}{services}"),
        Shape::Partial => {
            format!("{one} {arrow} {far}, {pairs} pairs of them: {what}{initiation}{services}")
        }
        shape => format!("{shape} of {one}: {what}{initiation}{services}"),
    }
}
