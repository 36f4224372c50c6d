//! What was seen: faults on links, links over time, and components over time.

use std::collections::BTreeMap;

use netwright_report::{Change, Detection, Lane, Level, LinkStates, Moment, StateChange, Status};

use super::Source;
use crate::detect::State;
use crate::journal::{Event, Link};

/// A connection's state in the report's words.
fn status(state: State) -> Status {
    match state {
        State::Unknown | State::Closed => Status::Unknown,
        State::Up => Status::Up,
        State::Slow => Status::Slow,
        State::InitiationOnly => Status::InitiationOnly,
        State::OneWayThere | State::OneWayBack => Status::OneWay,
        State::Stalled | State::Refused | State::Down => Status::Down,
        State::Flapping => Status::Flapping,
        State::DnsBroken => Status::DnsBroken,
    }
}

fn links<'a>(source: &'a Source<'_>) -> &'a [Link] {
    let all = source.lines.iter().find_map(|line| match &line.event {
        Event::Watched { links, .. } => Some(links.as_slice()),
        _ => None,
    });
    all.unwrap_or_default()
}

fn end(link: &Link) -> String {
    format!("{}:{}", link.to, link.port)
}

/// A watched connection in words.
pub(super) fn link(source: &Source<'_>, place: usize) -> String {
    links(source)
        .get(place)
        .map_or_else(String::new, |link| format!("{} → {}", link.from, end(link)))
}

/// What was broken of each connection, and what was seen of it.
pub(super) fn detections(source: &Source<'_>) -> Vec<Detection> {
    let mut all = Vec::new();
    for (_, event) in source.events() {
        let Event::Detections { all: own, false_alarms } = event else { continue };
        let at = |time: Option<u64>| time.map(|time| source.moment(time));
        for one in own {
            let cleared = one.declared.and_then(|declared| cleared(source, &one.link, declared));
            all.push(Detection {
                from: one.link.from.clone(),
                to: end(&one.link),
                fault: Some(one.fault.clone()),
                injected: Some(status(one.injected)),
                seen: status(one.detected),
                requested: Some(source.moment(one.requested)),
                first_drop: at(one.first_drop),
                first_miss: at(one.first_miss),
                declared: at(one.declared),
                visible: at(one.visible),
                cleared,
            });
        }
        all.extend(false_alarms.iter().map(|link| Detection {
            from: link.from.clone(),
            to: end(link),
            fault: None,
            injected: None,
            seen: Status::Down,
            requested: None,
            first_drop: None,
            first_miss: None,
            declared: None,
            visible: None,
            cleared: None,
        }));
    }
    all
}

/// When a connection was declared well again.
fn cleared(source: &Source<'_>, of: &Link, after: u64) -> Option<Moment> {
    let place = links(source).iter().position(|link| link == of)?;
    source.events().find_map(|(_, event)| match event {
        Event::State { link, to: State::Up, declared, .. }
            if *link == place && *declared > after =>
        {
            Some(source.moment(*declared))
        }
        _ => None,
    })
}

/// Each connection that filters allow, over time.
pub(super) fn connectivity(source: &Source<'_>) -> Vec<LinkStates> {
    let mut changes: BTreeMap<usize, Vec<Change>> = BTreeMap::new();
    let mut closed: Vec<State> = Vec::new();
    for (_, event) in source.events() {
        match event {
            Event::State { link, to, declared, .. } => {
                let at = source.moment(*declared);
                changes.entry(*link).or_default().push(Change { at, status: status(*to) });
            }
            Event::Round { states, .. } => closed.clone_from(states),
            _ => {}
        }
    }
    let of = |(place, link): (usize, &Link)| {
        let open = closed.get(place).is_some_and(|state| *state != State::Closed);
        let seen = changes.remove(&place).filter(|_| open)?;
        Some(LinkStates { from: link.from.clone(), to: end(link), seen })
    };
    links(source).iter().enumerate().filter_map(of).collect()
}

/// What each component said of itself over time.
pub(super) fn states(source: &Source<'_>) -> Vec<Lane> {
    let mut all: Vec<Lane> = Vec::new();
    for (at, event) in source.events() {
        let Event::Component { component, state } = event else { continue };
        let level = match state.as_str() {
            "healthy" => Level::Good,
            "degraded" => Level::Degraded,
            "no answer" => Level::Unknown,
            _ => Level::Bad,
        };
        let change = StateChange { at, state: state.clone(), level };
        match all.iter_mut().find(|lane| lane.component == *component) {
            Some(lane) => lane.changes.push(change),
            None => all.push(Lane { component: component.clone(), changes: vec![change] }),
        }
    }
    all
}
